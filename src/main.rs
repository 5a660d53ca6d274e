//! The `quorate` binary: everything is in [`quorate::cli`].

fn main() -> std::process::ExitCode {
    quorate::cli::main()
}
