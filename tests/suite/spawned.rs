//! Servers that are processes of their own: each prints its port on its first line, and ends when its standard input does,
//! so that none outlives the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use url::Url;

/// A running server; it ends when dropped.
pub(crate) struct Spawned {
    child: Child,
    port: u16,
}

impl Spawned {
    /// Starts it and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        let mut out = BufReader::new(out);
        out.read_line(&mut line).expect("a line");
        // A server that may say no more would break at its next word.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{command:?} said no port: {line:?}"));
        Self { child, port }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}/", self.port)).expect("a URL")
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
