//! Redis: a primary, and replicas of it.

use quorate::adapters::site::{Database, Tls};
use quorate::domain::Secret;

use super::{Server, folder, program, run, unprivileged};
use crate::suite::world::free_port;

/// The password of all.
pub(crate) const PASSWORD: &str = "redis-pass-2c7d";

/// One server.
pub(crate) struct Redis {
    pub(crate) server: Server,
}

impl Redis {
    /// A server that takes writes.
    pub(crate) fn primary() -> Self {
        Self::serve(&[])
    }

    /// A replica of this one.
    pub(crate) fn follower(&self) -> Self {
        let port = self.server.port.to_string();
        Self::serve(&["--replicaof", "127.0.0.1", &port, "--masterauth", PASSWORD])
    }

    fn serve(more: &[&str]) -> Self {
        let (folder, port) = (folder(), free_port());
        let mut command = unprivileged(program("redis-server"), &folder);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--requirepass", PASSWORD]);
        command.args(["--save", "", "--repl-diskless-sync-delay", "0", "--dir", "."]).args(more);
        Self { server: Server::start(command, folder, port) }
    }

    /// What the command-line client prints.
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let mut command = unprivileged(program("redis-cli"), &self.server.folder);
        command.args(["-p", &self.server.port.to_string(), "--no-auth-warning", "-a", PASSWORD]).args(words);
        run(&mut command).trim().to_owned()
    }

    /// How Quorate logs in.
    pub(crate) fn control(&self, site: &str) -> Database {
        Database {
            site: site.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.server.port,
            user: "default".to_owned(),
            password: Some(Secret::new(PASSWORD)),
            database: String::new(),
            tls: Tls::Off,
            promote: false,
            probe_table: None,
        }
    }
}
