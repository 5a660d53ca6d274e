//! `kill -9` of the controller at every boundary of a move, then a restart: the same end, nothing doubled, nothing skipped.
//!
//! The program has two parts. As `controller FILE` it is a real controller on the real adapters, whose doors are watched: it writes down
//! every boundary that it passes, and at one that FILE names it sends itself SIGKILL. Without arguments it is the outside: for each
//! group it lets one move happen undisturbed to learn the boundaries, then does the same move again for each of them, in a world of
//! its own, kills, restarts and judges.
//!
//! Production code knows nothing of this: the watching is done by wrappers around the ports.
//!
//! A name of a case, `GROUP/POINT`, or of a group as an argument runs just that; several points joined by ` + ` kill one start after the other.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test: what cannot be set up must panic, and time is real"
)]
#![cfg_attr(not(unix), allow(unused, reason = "SIGKILL is Unix"))]

#[cfg(unix)]
mod cases;
#[cfg(unix)]
mod child;
#[cfg(unix)]
mod filler;
#[cfg(unix)]
mod holder;
#[cfg(unix)]
mod judge;
#[cfg(unix)]
mod ports;
#[cfg(unix)]
mod settings;
#[cfg(unix)]
mod world;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [child::MODE, file] => child::main(file.as_ref()),
        [holder::MODE, store] => holder::main(store.as_ref()),
        [filler::FULL, store] => filler::full(store.as_ref()),
        [filler::ENDLESS, store] => filler::endless(store.as_ref()),
        // Flags are for the usual test harness, which this is not.
        _ => cases::main(args.into_iter().find(|arg| !arg.starts_with('-'))),
    }
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    println!("this test needs SIGKILL, which this system does not have: nothing was shown");
    std::process::ExitCode::FAILURE
}
