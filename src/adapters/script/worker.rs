//! Where scripts run: a few threads, each with a runtime of its own and as many scripts at a time as wait for their sites.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

/// The most threads. Scripts compute for less than a millisecond each; an agent's other work needs cores, too.
const MAX_WORKERS: usize = 4;

/// What is to be run: it makes the future on the worker's thread, which it never leaves.
type Job = Box<dyn FnOnce() -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The threads.
#[derive(Debug)]
pub(super) struct Workers {
    doors: Vec<mpsc::UnboundedSender<Job>>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts them; they end when this is dropped and their scripts have ended.
    pub(super) fn start() -> std::io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let doors = (0..count).map(|_| worker()).collect::<Result<_, _>>()?;
        Ok(Self { doors, next: AtomicUsize::new(0) })
    }

    /// Runs the work on one of them. Dropping this future ends the work.
    pub(super) async fn run<T, F, W>(&self, work: W) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        W: FnOnce() -> F + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            Box::pin(async move {
                let mut tell = tell;
                tokio::select! {
                    biased;
                    // Whoever wanted to know is gone: dropping the work unwinds its script.
                    () = tell.closed() => {}
                    done = work() => {
                        let _ = tell.send(done);
                    }
                }
            })
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.doors.len().max(1);
        self.doors.get(number)?.send(job).ok()?;
        told.await.ok()
    }
}

fn worker() -> std::io::Result<mpsc::UnboundedSender<Job>> {
    let (door, mut jobs) = mpsc::unbounded_channel::<Job>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("prober".to_owned()).spawn(move || {
        let here = LocalSet::new();
        here.block_on(&runtime, async move {
            while let Some(job) = jobs.recv().await {
                tokio::task::spawn_local(job());
            }
        });
    })?;
    Ok(door)
}
