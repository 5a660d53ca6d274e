//! PostgreSQL: a server that takes writes, and a standby that follows it by streaming replication.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use quorate::adapters::site::{Database, Tls};
use quorate::domain::Secret;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{LOOK, Server, folder, own, program, run, unprivileged};
use crate::suite::world::free_port;

/// The administrator's password.
pub(crate) const ADMIN: &str = "pg-admin-4c1f";
/// The application's password.
pub(crate) const APP: &str = "pg-app-77e0";
/// The password of Quorate's own role.
pub(crate) const QUORATE: &str = "pg-quorate-9ab2";

/// What `docs/standby.md` says Quorate's role needs, and an application with a table.
const ROLES: &str = "
CREATE ROLE quorate LOGIN PASSWORD 'pg-quorate-9ab2';
GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only TO quorate;
GRANT EXECUTE ON FUNCTION pg_reload_conf() TO quorate;
GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO quorate;
GRANT pg_signal_backend, pg_monitor TO quorate;
CREATE TABLE quorate_probe (at timestamptz NOT NULL DEFAULT now());
GRANT INSERT ON quorate_probe TO quorate;
CREATE ROLE follower LOGIN REPLICATION PASSWORD 'pg-follower-1';
CREATE ROLE app LOGIN PASSWORD 'pg-app-77e0' CREATEDB;
CREATE TABLE orders (id bigserial PRIMARY KEY, what text);
GRANT SELECT, INSERT ON orders TO app;
GRANT USAGE ON SEQUENCE orders_id_seq TO app;
";

/// A session, and the task that keeps it going.
pub(crate) struct Session {
    client: Client,
    _task: JoinSet<()>,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// One server.
pub(crate) struct Postgres {
    pub(crate) server: Server,
}

impl Postgres {
    /// A server that takes writes, with [`ROLES`].
    pub(crate) async fn primary(settings: &[&str]) -> Self {
        let folder = folder();
        let password = folder.path().join("password");
        std::fs::write(&password, ADMIN).unwrap();
        own(&password);
        let data = folder.path().join("data");
        run(unprivileged(program("initdb"), &folder)
            .args(["--username", "postgres", "--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C", "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data));
        let server = Self::serve(folder, settings);
        let admin = server.until_ready("postgres").await;
        admin.batch_execute(ROLES).await.unwrap();
        server
    }

    /// A standby that follows this one.
    pub(crate) async fn follower(&self, settings: &[&str]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        run(unprivileged(program("pg_basebackup"), &folder)
            .env("PGPASSWORD", "pg-follower-1")
            .args(["--host", "127.0.0.1", "--username", "follower", "--port", &self.server.port.to_string()])
            .args([
                "--write-recovery-conf",
                "--wal-method",
                "stream",
                "--checkpoint",
                "fast",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data));
        let server = Self::serve(folder, settings);
        server.until_ready("postgres").await;
        server
    }

    fn serve(folder: tempfile::TempDir, settings: &[&str]) -> Self {
        let port = free_port();
        let mut command = unprivileged(program("postgres"), &folder);
        command.arg("-D").arg(folder.path().join("data")).args(["-p", &port.to_string(), "-k"]).arg(folder.path());
        let own =
            ["listen_addresses=127.0.0.1", "fsync=off", "wal_receiver_status_interval=1s", "max_connections=40"];
        for setting in own.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        Self { server: Server::start(command, folder, port) }
    }

    /// A session as that user.
    pub(crate) async fn session(&self, user: &str, password: &str) -> Result<Session, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.server.port).user(user).password(password).dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        let mut task = JoinSet::new();
        task.spawn(async move { drop(connection.await) });
        Ok(Session { client, _task: task })
    }

    /// A session as the administrator.
    pub(crate) async fn admin(&self) -> Session {
        self.session("postgres", ADMIN).await.unwrap()
    }

    /// A session as the application.
    pub(crate) async fn app(&self) -> Session {
        self.session("app", APP).await.unwrap()
    }

    async fn until_ready(&self, user: &str) -> Session {
        for _ in 0..1_500 {
            if let Ok(client) = self.session(user, ADMIN).await {
                return client;
            }
            sleep(LOOK).await;
        }
        panic!("PostgreSQL lets nobody in:\n{}", self.server.log());
    }

    /// The only value of the only row.
    pub(crate) async fn value(&self, query: &str) -> String {
        let admin = self.admin().await;
        value(&admin, query).await
    }

    /// Waits until the standby has replayed what this one has written.
    pub(crate) async fn until_level(&self, standby: &Self) {
        let written = self.value("SELECT pg_current_wal_flush_lsn()").await;
        let query = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn");
        for _ in 0..1_500 {
            if standby.value(&query).await == "t" {
                return;
            }
            sleep(LOOK).await;
        }
        panic!("the standby does not follow:\n{}", standby.server.log());
    }

    /// How Quorate logs in.
    pub(crate) fn control(&self, site: &str) -> Database {
        Database {
            site: site.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.server.port,
            user: "quorate".to_owned(),
            password: Some(Secret::new(QUORATE)),
            database: "postgres".to_owned(),
            tls: Tls::Off,
            promote: false,
            probe_table: Some("public.quorate_probe".to_owned()),
        }
    }

    /// The server's folder of data.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.server.folder.path().join("data")
    }

    /// Puts a file into it that only the server may read.
    pub(crate) fn put(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        own(path);
    }
}

/// The only value of the only row.
pub(crate) async fn value(client: &Client, query: &str) -> String {
    let messages = client.simple_query(query).await.unwrap();
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("{query}: no row")).get(0).unwrap_or_default().to_owned()
}

/// Waits a moment for what takes effect soon.
pub(crate) async fn a_moment() {
    sleep(Duration::from_millis(20)).await;
}
