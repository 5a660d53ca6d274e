//! Python packages that tests run against, in virtual environments below `target/`, made once and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of an environment with exactly these requirements (`name==version`, blanks between them). Several test processes may ask at once: the
/// first one installs, the others wait for its lock.
pub(crate) fn interpreter_with(requirement: &str) -> PathBuf {
    let name = requirement.replace("==", "-").replace(' ', "_");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    fs::create_dir_all(&root).unwrap();
    let lock = File::create(root.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let home = root.join(&name);
    let python = home.join("bin").join("python");
    // Written last, so that an interrupted installation is begun again.
    let done = home.join("complete");
    if !done.exists() {
        fs::remove_dir_all(&home).ok();
        run(Command::new("python3").args(["-m", "venv"]).arg(&home));
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(requirement.split(' ')));
        fs::write(&done, requirement).unwrap();
    }
    python
}

/// Runs a command to its end, which must be a success.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
