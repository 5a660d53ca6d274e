//! How the long-lived commands begin and end: logs to standard error, and a token that is cancelled by Ctrl-C, by SIGTERM, or when the
//! parent that started them goes away.

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

/// Writes logs to standard error, as `QUORATE_LOG` says (`info` unless set; the syntax of `tracing`'s EnvFilter).
pub(super) fn log() {
    let filter = EnvFilter::try_from_env("QUORATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .try_init();
}

/// A token that is cancelled when this process should end. With `with_parent` that is also when standard input closes, which it does
/// when the parent ends, however it ends.
pub(super) fn until_told(tasks: &TaskTracker, with_parent: bool) -> CancellationToken {
    let closing = CancellationToken::new();
    let told = closing.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = signalled() => {}
            () = parent_gone(), if with_parent => {}
            () = told.cancelled() => {}
        }
        told.cancel();
    });
    closing
}

async fn parent_gone() {
    let mut buffer = [0; 64];
    let mut stdin = tokio::io::stdin();
    while stdin.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// Ends at Ctrl-C or SIGTERM. It listens from the call on, not from the first look.
#[cfg(unix)]
pub(super) fn signalled() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listeners = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = listeners else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Ends at Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn signalled() {
    let _ = tokio::signal::ctrl_c().await;
}
