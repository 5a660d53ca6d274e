//! Support: Django's admin with a model, on PostgreSQL, as one of two sites: sessions in signed cookies, no write at a login, and the
//! read-only mode of `docs/examples/django`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::databases::postgres::{APP, Postgres};
use super::python::{interpreter_with, run};

/// The release lines under test, and the driver with its own library.
const PACKAGES: &str = "django==5.2.19 psycopg[binary]==3.2.9";
/// What signs Quorate's requests.
pub(crate) const KEY: &str = "pair-admin-key-6e0b";
/// The superuser's name and password.
pub(crate) const USER: &str = "probe-ada";
pub(crate) const PASSWORD: &str = "zanz&bar h<rse=\"1";

const SETTINGS: &str = r#"
import os
SECRET_KEY = "for tests on loopback only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles", "shop.apps.Shop",
]
MIDDLEWARE = [
    "quorate_read_only.ReadOnly",
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
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "app", "PASSWORD": os.environ["APP_PASSWORD"],
    "HOST": "127.0.0.1", "PORT": os.environ["DATABASE_PORT"],
}}
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
# The real ones take a second of a busy machine for each login, on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
QUORATE = {
    "key": os.environ["QUORATE_KEY"],
    "state": os.environ["QUORATE_STATE"],
    "starts": os.environ["ROLE"] == "standby",
    "allow": ["/admin/login/", "/admin/logout/"],
    "probe": "shop.probe.write",
}
"#;

const URLS: &str = "
from django.contrib import admin
from django.urls import path
urlpatterns = [path('admin/', admin.site.urls)]
";

const APPS: &str = "
from django.apps import AppConfig
class Shop(AppConfig):
    name = 'shop'
    def ready(self):
        from django.contrib.auth.models import update_last_login
        from django.contrib.auth.signals import user_logged_in
        user_logged_in.disconnect(update_last_login, dispatch_uid='update_last_login')
";

const MODELS: &str = "
from django.contrib import admin
from django.db import models
class Note(models.Model):
    text = models.CharField(max_length=200)
    class Meta:
        app_label = 'shop'
admin.site.register(Note)
";

const PROBE: &str = "
from shop.models import Note
def write():
    Note.objects.create(text='a probe')
";

const MIGRATION: &str = "
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.CreateModel(name='Note', fields=[
        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
        ('text', models.CharField(max_length=200)),
    ])]
";

const MANAGE: &str = r#"
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"#;

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
server = ThreadedWSGIServer((os.environ["ADDRESS"], int(os.environ["PORT"])), WSGIRequestHandler)
server.set_app(get_internal_wsgi_application())
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The project's files, for both sites.
pub(crate) struct Project {
    folder: TempDir,
}

/// One running site; it ends when dropped.
pub(crate) struct Site {
    child: Child,
}

impl Project {
    /// Writes the files, and migrates and fills the primary's database.
    pub(crate) async fn new(primary: &Postgres) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("shop/migrations")).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/django/quorate_read_only.py");
        fs::copy(example, folder.path().join("quorate_read_only.py")).unwrap();
        for (name, text) in [
            ("settings.py", SETTINGS),
            ("urls.py", URLS),
            ("manage.py", MANAGE),
            ("serve.py", SERVE),
            ("shop/__init__.py", ""),
            ("shop/apps.py", APPS),
            ("shop/models.py", MODELS),
            ("shop/probe.py", PROBE),
            ("shop/migrations/__init__.py", ""),
            ("shop/migrations/0001_initial.py", MIGRATION),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let project = Self { folder };
        primary.admin().await.batch_execute("CREATE DATABASE shop OWNER app").await.unwrap();
        run(project.python("primary", primary).args(["manage.py", "migrate", "--verbosity", "0"]));
        run(project
            .python("primary", primary)
            .args(["manage.py", "createsuperuser", "--noinput", "--username", USER, "--email", "ada@example.test"])
            .env("DJANGO_SUPERUSER_PASSWORD", PASSWORD));
        project
    }

    /// One of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file in which a site keeps its mode.
    pub(crate) fn state(&self, role: &str) -> PathBuf {
        self.folder.path().join(format!("{role}.json"))
    }

    fn python(&self, role: &str, database: &Postgres) -> Command {
        let mut command = Command::new(interpreter_with(PACKAGES));
        command
            .current_dir(self.folder.path())
            .env("ROLE", role)
            .env("APP_PASSWORD", APP)
            .env("QUORATE_KEY", KEY)
            .env("QUORATE_STATE", self.state(role))
            .env("DATABASE_PORT", database.server.port.to_string());
        command
    }

    /// Starts a site on that address.
    pub(crate) fn site(&self, role: &str, database: &Postgres, address: &str, port: u16) -> Site {
        let log = fs::File::create(self.folder.path().join(format!("{role}.log"))).unwrap();
        let mut command = self.python(role, database);
        command.arg("serve.py").env("ADDRESS", address).env("PORT", port.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), port.to_string(), "{}", self.log(role));
        Site { child }
    }

    /// What a site has logged.
    pub(crate) fn log(&self, role: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{role}.log"))).unwrap_or_default()
    }
}

impl Site {
    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}
