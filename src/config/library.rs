//! The files that scripts share: `lib/*.rhai` beside them.

use std::path::Path;

use super::model::SharedScript;
use super::problem::{Problem, Severity, tidy};

/// The folder within the folder of checks, and the first part of the names in `import`.
const FOLDER: &str = "lib";

/// Reads the shared files of a folder of checks, in the order of their names; none without such a folder.
pub fn load_library(checks: &Path) -> Result<Vec<SharedScript>, Problem> {
    let folder = checks.join(FOLDER);
    let unreadable = |path: &Path, error: &std::io::Error| {
        Problem::in_file(Severity::Error, &tidy(path), format!("a file that checks share cannot be read: {error}"))
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&folder, &error)),
    };
    let mut library = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(&folder, &error))?.path();
        let Some(stem) = path.file_stem().filter(|_| path.extension().is_some_and(|ending| ending == "rhai")) else {
            continue;
        };
        let name = format!("{FOLDER}/{}", stem.to_string_lossy());
        let source = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        library.push(SharedScript { name, path, source });
    }
    library.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(library)
}
