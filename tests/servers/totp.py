"""A site with two factors for tests: a password, then a code that pyotp checks (RFC 6238). Forms have CSRF tokens, the session
is a cookie. It listens on a port that the system chooses, prints it, and ends with its standard input."""

import html
import os
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pyotp

USER = os.environ["PROBED_USER"]
PASSWORD = os.environ["PROBED_PASSWORD"]
CODES = pyotp.TOTP(os.environ["PROBED_SEED"])
SESSIONS = {}

LOGIN = """<form id="login" method="post" action="/login">{error}
<input type="hidden" name="csrf" value="{csrf}"><input name="username"><input type="password" name="password">
<button name="go" value="in">Log in</button></form>"""
CODE = """<form id="second" method="post" action="/code">{error}
<input type="hidden" name="csrf" value="{csrf}"><input name="code" inputmode="numeric" autocomplete="one-time-code">
<button>Go on</button></form>"""
ACCOUNT = """<p id="user">{user}</p><form id="leave" method="post" action="/logout">
<input type="hidden" name="csrf" value="{csrf}"><button>Log out</button></form>"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def session(self):
        cookies = dict(part.strip().split("=", 1) for part in self.headers.get("cookie", "").split(";") if "=" in part)
        name = cookies.get("session", "")
        return name, SESSIONS.get(name)

    def answer(self, status, body="", headers=()):
        data = f"<!doctype html><title>Two factors</title>{body}".encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def new_session(self, stage):
        name = secrets.token_urlsafe(16)
        SESSIONS[name] = {"stage": stage, "csrf": secrets.token_urlsafe(16)}
        cookie = ("set-cookie", f"session={name}; Path=/; HttpOnly; SameSite=Lax")
        return SESSIONS[name], cookie

    def show(self, page, session, error="", headers=()):
        error = f'<p class="error">{html.escape(error)}</p>' if error else ""
        self.answer(200, page.format(error=error, csrf=session["csrf"], user=html.escape(USER)), headers)

    def do_GET(self):
        _, session = self.session()
        stage = session["stage"] if session else None
        if self.path == "/login":
            session, cookie = self.new_session("anonymous")
            self.show(LOGIN, session, headers=[cookie])
        elif self.path == "/code" and stage == "password":
            self.show(CODE, session)
        elif self.path == "/account" and stage == "code":
            self.show(ACCOUNT, session)
        else:
            self.answer(303, headers=[("location", "/login")])

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        name, session = self.session()
        if session is None or not secrets.compare_digest(form.get("csrf", ""), session["csrf"]):
            self.answer(403, "<p>no session, or another form's token</p>")
        elif self.path == "/login":
            if (form.get("username"), form.get("password")) != (USER, PASSWORD):
                return self.show(LOGIN, session, "Wrong user or password.")
            del SESSIONS[name]
            _, cookie = self.new_session("password")
            self.answer(303, headers=[("location", "/code"), cookie])
        elif self.path == "/code" and session["stage"] == "password":
            if not CODES.verify(form.get("code", ""), valid_window=1):
                return self.show(CODE, session, "This code is wrong or too old.")
            session["stage"] = "code"
            self.answer(303, headers=[("location", "/account")])
        elif self.path == "/logout":
            del SESSIONS[name]
            self.answer(303, headers=[("location", "/login")])
        else:
            self.answer(404, "<p>no such page</p>")


def end_with_the_test():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_the_test, daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
