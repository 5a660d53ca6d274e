//! Exit codes, and the way an error leaves the program.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// What `--help` says about exit codes.
pub(super) const HELP: &str = "Exit codes: 0 yes, done · 1 asked, and the answer is no · 2 could not find out · \
                               3 refused by a guard · 64 bad usage or configuration";

/// Asked, and the answer is no.
pub(super) const NO: u8 = 1;
/// Could not find out.
pub(super) const UNKNOWN_CODE: u8 = 2;
/// Refused by a guard.
pub(super) const REFUSED: u8 = 3;
/// Bad usage or configuration (`EX_USAGE` of sysexits).
pub(super) const USAGE_CODE: u8 = 64;

/// Bad usage, where there is nothing more to say.
pub(super) const USAGE: Code = Code(USAGE_CODE);
/// Could not find out, where there is nothing more to say.
pub(super) const UNKNOWN: Code = Code(UNKNOWN_CODE);

/// An exit code as a constant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(u8);

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

/// An end that is not a success: its code, and what to say on standard error.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    what: String,
}

impl Failure {
    /// The answer is no; the command has printed it.
    pub(super) fn no() -> Self {
        Self { code: NO, what: String::new() }
    }

    /// The answer is no, and this is why.
    pub(super) fn no_because(what: impl Display) -> Self {
        Self { code: NO, what: what.to_string() }
    }

    /// Could not find out.
    pub(super) fn unknown(what: impl Display) -> Self {
        Self { code: UNKNOWN_CODE, what: what.to_string() }
    }

    /// A guard refuses.
    pub(super) fn refused(what: impl Display) -> Self {
        Self { code: REFUSED, what: what.to_string() }
    }

    /// Bad usage or configuration.
    pub(super) fn usage(what: impl Display) -> Self {
        Self { code: USAGE_CODE, what: what.to_string() }
    }
}

impl From<std::io::Error> for Failure {
    /// Output that could not be written: `| head` is no reason for another answer, and anything else has nobody to tell.
    fn from(_: std::io::Error) -> Self {
        Self { code: 0, what: String::new() }
    }
}

/// Prints a failure and gives its code.
pub(super) fn said(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, what }) => {
            if !what.is_empty() {
                let red: Style = AnsiColor::BrightRed.on_default().bold();
                let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {what}");
            }
            ExitCode::from(code)
        }
    }
}
