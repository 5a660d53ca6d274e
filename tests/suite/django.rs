//! Django's admin on loopback: a real login with CSRF, sessions and redirects, which nobody here wrote. It is installed
//! from PyPI once, into the build's own folder, and each test gets a server and a database of its own.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use url::Url;

use super::python::{interpreter_with, run};

/// The release line under test: the long-term support one.
const DJANGO: &str = "django==5.2.19";
/// The superuser's name.
pub(crate) const USER: &str = "probe-ada";
/// The superuser's password; the signs would show a mistake in encoding.
pub(crate) const PASSWORD: &str = "zanz&bar h<rse=\"1";

const SETTINGS: &str = r#"
import os
SECRET_KEY = "for tests on loopback only"
ALLOWED_HOSTS = ["127.0.0.1", "site.example.test"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PROBED_DATABASE"]}}
STATIC_URL = "static/"
USE_TZ = True
"#;

const URLS: &str = r#"
from django.contrib import admin
from django.urls import path
urlpatterns = [path("admin/", admin.site.urls)]
"#;

const MANAGE: &str = r#"
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"#;

/// What `runserver --noreload` does, but on a port that the system chooses, and until its standard input ends: it cannot
/// outlive the test.
const SERVE: &str = r#"
import os, sys, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
def end_with_the_test():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=end_with_the_test, daemon=True).start()
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
import django
django.setup()
server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(get_internal_wsgi_application())
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A running Django; it ends when dropped.
pub(crate) struct Django {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Django {
    /// Starts a server with its own database, and waits until it listens.
    pub(crate) fn start() -> Self {
        let installed = installed();
        let folder = tempfile::tempdir().expect("a folder for the database");
        let database = folder.path().join("db.sqlite3");
        fs::copy(installed.join("db.sqlite3"), &database).expect("a database of its own");
        let mut child = python(&installed, &database)
            .arg("serve.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Django starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("Django says its port");
        let port = line.trim().parse().expect("a port");
        Self { child, port, _folder: folder }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}/", self.port)).expect("a URL")
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The parameters that make `checks/login.rhai` a check of Django's admin.
pub(crate) fn params() -> Vec<(String, String)> {
    let params = [
        ("login_path", "/admin/login/?next=/admin/"),
        ("csrf_field", "csrfmiddlewaretoken"),
        ("account", "#user-tools"),
        ("error", ".errornote"),
        ("logout_path", "/admin/logout/"),
        ("after_logout", "a[href='/admin/']"),
    ];
    params.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Django with a migrated database and a superuser, made once and kept for later runs. A lock makes parallel tests wait
/// for the first. The folder is called after its recipe, and counts as complete when the database has its name.
fn installed() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut recipe = DefaultHasher::new();
    [DJANGO, USER, PASSWORD, SETTINGS, URLS, MANAGE, SERVE].hash(&mut recipe);
    let done = base.join(format!("django-{:016x}", recipe.finish()));
    let lock = File::create(base.join("django.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    if done.join("db.sqlite3").exists() {
        return done;
    }
    let _ = fs::remove_dir_all(&done);
    fs::create_dir_all(&done).expect("the project's folder");
    for (name, text) in [("settings.py", SETTINGS), ("urls.py", URLS), ("manage.py", MANAGE), ("serve.py", SERVE)] {
        fs::write(done.join(name), text).expect("the project's files");
    }
    let database = done.join("unfinished.sqlite3");
    run(python(&done, &database).args(["manage.py", "migrate", "--verbosity", "0"]));
    run(python(&done, &database)
        .args(["manage.py", "createsuperuser", "--noinput", "--username", USER, "--email", "ada@example.test"])
        .env("DJANGO_SUPERUSER_PASSWORD", PASSWORD));
    fs::rename(&database, done.join("db.sqlite3")).expect("the finished database");
    done
}

fn python(installed: &Path, database: &Path) -> Command {
    let mut command = Command::new(interpreter_with(DJANGO));
    command.current_dir(installed).env("PROBED_DATABASE", database);
    command
}
