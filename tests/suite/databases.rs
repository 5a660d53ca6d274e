//! Support: real database servers from Debian's packages, each with a folder and a port of its own, ended when dropped. They refuse to run
//! as root, so that a test that does starts them as `nobody`.

pub(crate) mod mariadb;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

/// How long a server may take to listen, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// `nobody` and `nogroup` on Debian.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// A server's process and its folder.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
}

impl Server {
    /// Starts a program, and waits until it listens.
    fn start(mut command: Command, folder: TempDir, port: u16) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}: scripts/setup-tests installs it"));
        let mut server = Self { child, port, folder };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{command:?}: {ended:?}\n{}", server.log());
            std::thread::sleep(LOOK);
        }
        server
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A child that was just forked holds its socket for a moment longer.
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }

    /// Stops its process where it is: it listens, and never answers.
    pub(crate) fn pause(&self) {
        super::world::signal(self.child.id(), "STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        super::world::signal(self.child.id(), "CONT");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder that the servers' user can write.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("quorate-db-").tempdir().unwrap();
    own(folder.path());
    folder
}

/// Gives a file or folder to the servers' user.
fn own(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY.0), Some(NOBODY.1)).unwrap();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs as the servers' user.
fn unprivileged(program: PathBuf, folder: &TempDir) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder.path()).env("HOME", folder.path()).env("LC_ALL", "C");
    if is_root() {
        command.uid(NOBODY.0).gid(NOBODY.1);
    }
    command
}

/// A program of Debian's packages, some of which lie where no PATH leads.
fn program(name: &str) -> PathBuf {
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path().join("bin"));
    let others = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from);
    let mut all = path.into_iter().chain(others).chain(versions).map(|folder| folder.join(name));
    all.find(|file| file.exists())
        .unwrap_or_else(|| panic!("{name} is not installed: scripts/setup-tests installs it"))
}

/// Runs a command to its end, which must be a success.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}
