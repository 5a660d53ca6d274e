//! Node packages that tests run against, in folders below `target/`, made once and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::python::run;

/// A folder in which this package (`name@version`) can be imported. Several test processes may ask at once: the first one
/// installs, the others wait for its lock.
pub(crate) fn folder_with(requirement: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    fs::create_dir_all(&root).unwrap();
    // A package with a scope has a slash in its name.
    let name = requirement.replace('/', "+");
    let lock = File::create(root.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let home = root.join(name);
    // Written last, so that an interrupted installation is begun again.
    let done = home.join("complete");
    if !done.exists() {
        fs::remove_dir_all(&home).ok();
        fs::create_dir_all(&home).unwrap();
        // A manifest of its own, or npm would look for one in the folders above.
        fs::write(home.join("package.json"), "{ \"private\": true }\n").unwrap();
        let options = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        run(Command::new("npm").args(options).arg(requirement).current_dir(&home));
        fs::write(&done, requirement).unwrap();
    }
    home
}

/// Node running this module, which can import what the folder holds.
pub(crate) fn module(source: &str, requirement: &str) -> Command {
    let mut command = Command::new("node");
    // A module that comes as an argument looks for packages where it is run.
    command.args(["--input-type=module", "--eval", source]).current_dir(folder_with(requirement));
    command
}
