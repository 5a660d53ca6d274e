//! The composition root: argv in, exit codes out, and the only place that names concrete adapters.

use std::process::ExitCode;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
