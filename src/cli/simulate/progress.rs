//! A bar on standard error while it is a terminal, and Ctrl-C as the way to end sooner.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};

use crate::cli::life;
use crate::sim::detect::Watch;

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(100);
/// The bar's width, in cells.
const CELLS: usize = 40;

/// Waits for the work; the first Ctrl-C stops it, and what it has done so far is its result.
pub(super) async fn until_done<T>(mut work: JoinHandle<T>, watch: &Watch, total: usize) -> Result<T, JoinError> {
    let shown = std::io::stderr().is_terminal();
    let told = life::signalled();
    tokio::pin!(told);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = &mut told, if !watch.is_stopped() => watch.stop(),
            () = tokio::time::sleep(EVERY), if shown => draw(watch.done(), total),
        }
    };
    if shown {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    result
}

fn draw(done: usize, total: usize) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(done, total));
}

fn line(done: usize, total: usize) -> String {
    let total = total.max(1);
    let full = (done * CELLS / total).min(CELLS);
    format!("{}{} {:>3} %  {done} of {total} runs", "━".repeat(full), "╌".repeat(CELLS - full), done * 100 / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_keeps_its_width() {
        for done in [0, 1, 50, 99, 100] {
            assert_eq!(line(done, 100).chars().filter(|char| "━╌".contains(*char)).count(), CELLS, "{done}");
        }
        assert!(line(0, 0).contains("0 %"));
    }
}
