"""Read-only mode for a Django site, as Quorate asks for it (docs/standby.md).

In settings.py:

    MIDDLEWARE = ["quorate_read_only.ReadOnly", ...]      # first
    QUORATE = {
        "key": os.environ["QUORATE_KEY"],                 # the secret that read_only.key names
        "state": "/var/lib/shop/read-only.json",          # one file for all processes of the site; survives a restart
        "starts": True,                                   # read-only while there is no such file: True on the standby
        "allow": ["/admin/login/", "/admin/logout/"],     # what is posted to log in and out
        "probe": "shop.probe.write",                      # a function that writes as a user does; it is rolled back
    }
    SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"     # a login writes no session

and in an AppConfig's ready(), so that a login writes no time either:

    user_logged_in.disconnect(update_last_login, dispatch_uid="update_last_login")

Passwords must not be hashed anew at a login: keep PASSWORD_HASHERS as it was when they were set.
"""

import fcntl
import hashlib
import hmac
import json
import os
import tempfile
import time
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import JsonResponse
from django.utils.module_loading import import_string

PREFIX = "/quorate/"
SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
# A signature that is older than this may have been recorded.
CLOCKS_APART_S = 300
# PostgreSQL's read_only_sql_transaction, and what MySQL and MariaDB say.
SQLSTATE = "25006"
MYSQL = {1290, 1836}


@contextmanager
def alone():
    """Of all processes of the site, one at a time."""
    with open(settings.QUORATE["state"] + ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def refused():
    answer = JsonResponse({"error": "read-only"}, status=503)
    answer["Retry-After"] = "120"
    return answer


def state():
    try:
        with open(settings.QUORATE["state"], encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"read_only": settings.QUORATE["starts"], "epoch": 0}


def keep(new):
    """Replaces the file whole: no other process sees half of it, and a crash leaves the old one."""
    path = settings.QUORATE["state"]
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False) as file:
        json.dump(new, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def is_read_only_error(error):
    cause = error.__cause__ or error
    code = cause.args[0] if cause.args else None
    return getattr(cause, "sqlstate", None) == SQLSTATE or code in MYSQL


class ReadOnly:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path.startswith(PREFIX):
            return self.asked(request)
        writes = request.method not in SAFE and request.path not in settings.QUORATE["allow"]
        if writes and state()["read_only"]:
            return refused()
        return self.get_response(request)

    def process_exception(self, request, error):
        """The database is read-only before the application was told, or without its being told."""
        return refused() if isinstance(error, DatabaseError) and is_read_only_error(error) else None

    def asked(self, request):
        timestamp = request.headers.get("x-quorate-timestamp", "")
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > CLOCKS_APART_S:
            return JsonResponse({"error": "timestamp"}, status=401)
        text = f"{request.method}\n{request.get_full_path()}\n{timestamp}\n".encode() + request.body
        wanted = "v1=" + hmac.new(settings.QUORATE["key"].encode(), text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, request.headers.get("x-quorate-signature", "")):
            return JsonResponse({"error": "signature"}, status=401)
        if request.method != "POST":
            return JsonResponse({"error": "method"}, status=405)
        if request.path == PREFIX + "read-only":
            return self.switch(json.loads(request.body))
        if request.path == PREFIX + "write-probe":
            return self.probe()
        return JsonResponse({"error": "path"}, status=404)

    def switch(self, body):
        with alone():
            seen = state()["epoch"]
            if body["epoch"] < seen:
                return JsonResponse({"error": "stale-epoch", "seen": seen}, status=409)
            keep({"read_only": body["read_only"], "epoch": body["epoch"]})
        return JsonResponse({"read_only": body["read_only"]})

    def probe(self):
        """The same way as a user's write: the mode first, then the database."""
        if state()["read_only"]:
            return refused()
        try:
            with transaction.atomic():
                import_string(settings.QUORATE["probe"])()
                transaction.set_rollback(True)
        except DatabaseError as error:
            if is_read_only_error(error):
                return refused()
            raise
        return JsonResponse({"written": True})
