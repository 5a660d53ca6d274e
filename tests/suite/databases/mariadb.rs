//! MariaDB: a primary, and replicas that follow it by its own GTIDs.

use quorate::adapters::site::{Database, Tls};
use quorate::domain::Secret;

use super::{LOOK, Server, folder, program, run, unprivileged};
use crate::suite::world::free_port;

/// The password of Quorate's own user.
pub(crate) const QUORATE: &str = "maria-quorate-51";
/// The password of the application.
pub(crate) const APP: &str = "maria-app-09d";

/// What `docs/standby.md` says Quorate's user needs, and an application with a table.
const USERS: &str = "
CREATE DATABASE shop;
CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, what TEXT);
CREATE TABLE shop.quorate_probe (id BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB;
CREATE USER quorate@'127.0.0.1' IDENTIFIED BY 'maria-quorate-51';
GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, SLAVE MONITOR, BINLOG MONITOR, RELOAD ON *.* TO quorate@'127.0.0.1';
GRANT INSERT ON shop.quorate_probe TO quorate@'127.0.0.1';
CREATE USER app@'127.0.0.1' IDENTIFIED BY 'maria-app-09d';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO app@'127.0.0.1';
CREATE USER follower@'127.0.0.1' IDENTIFIED BY 'maria-follower';
GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1';
";

/// One server.
pub(crate) struct Mariadb {
    pub(crate) server: Server,
}

impl Mariadb {
    /// A server that takes writes, with [`USERS`].
    pub(crate) fn primary() -> Self {
        let server = Self::serve(1);
        server.sql(USERS);
        server
    }

    /// A replica of this one, from its beginning.
    pub(crate) fn follower(&self) -> Self {
        let server = Self::serve(2);
        server.sql(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='follower', MASTER_PASSWORD='maria-follower', \
             MASTER_USE_GTID=slave_pos; START SLAVE;",
            self.server.port
        ));
        self.until_level(&server);
        server
    }

    fn serve(id: u32) -> Self {
        let (folder, port) = (folder(), free_port());
        let data = folder.path().join("data");
        let own = |command: &mut std::process::Command| {
            // A server that starts clears what looks like temporary tables away, others' among them.
            let temporary = format!("--tmpdir={}", folder.path().display());
            command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).arg(temporary);
        };
        let mut install = unprivileged(program("mariadb-install-db"), &folder);
        own(&mut install);
        run(install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]));
        let mut command = unprivileged(program("mariadbd"), &folder);
        own(&mut command);
        command
            .arg(format!("--socket={}", folder.path().join("socket").display()))
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .args([&format!("--port={port}"), &format!("--server-id={id}"), "--bind-address=127.0.0.1"])
            .args([
                "--log-bin=binlog",
                "--log-slave-updates=1",
                "--skip-name-resolve",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .args(["--innodb-buffer-pool-size=32M", "--performance-schema=OFF", "--skip-slave-start"]);
        // What sets a server up is its own, and no transaction that others follow.
        Self { server: Server::start(command, folder, port) }
    }

    /// What the command-line client prints, as the administrator.
    pub(crate) fn sql(&self, text: &str) -> String {
        self.try_sql("root", "", text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The same as somebody else, who may be refused.
    pub(crate) fn try_sql(&self, user: &str, password: &str, text: &str) -> Result<String, String> {
        let mut command = unprivileged(program("mariadb"), &self.server.folder);
        command.args(["--no-defaults", "--skip-column-names", "--batch", "--user", user]);
        if user == "root" {
            command.arg(format!("--socket={}", self.server.folder.path().join("socket").display()));
        } else {
            command.args(["--protocol=tcp", "--host=127.0.0.1", &format!("--port={}", self.server.port)]);
            command.arg(format!("--password={password}"));
        }
        let output = command.args(["--execute", text]).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
    }

    /// Waits until the replica has applied what this one has written.
    pub(crate) fn until_level(&self, replica: &Self) {
        let written = self.sql("SELECT @@gtid_binlog_pos");
        for _ in 0..1_500 {
            if replica.sql("SELECT @@gtid_slave_pos") == written {
                return;
            }
            std::thread::sleep(LOOK);
        }
        panic!("the replica does not follow: {}\n{}", replica.sql("SHOW SLAVE STATUS"), replica.server.log());
    }

    /// How Quorate logs in.
    pub(crate) fn control(&self, site: &str) -> Database {
        Database {
            site: site.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.server.port,
            user: "quorate".to_owned(),
            password: Some(Secret::new(QUORATE)),
            database: String::new(),
            tls: Tls::Off,
            promote: false,
            probe_table: Some("shop.quorate_probe".to_owned()),
        }
    }
}
