//! Where scripts run: a few threads, each with a runtime of its own and as many scripts at a time as wait for their sites.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
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

/// The way to whoever wants to know; what is told first counts.
pub(super) struct Tell<T>(Rc<RefCell<Option<oneshot::Sender<T>>>>);

impl<T> Tell<T> {
    /// Tells it. The work may go on after that, and is not ended any more when nobody waits for it.
    pub(super) fn say(&self, told: T) {
        if let Some(teller) = self.0.borrow_mut().take() {
            let _ = teller.send(told);
        }
    }
}

impl Workers {
    /// Starts them; they end when this is dropped and their scripts have ended.
    pub(super) fn start() -> std::io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let doors = (0..count).map(|_| worker()).collect::<Result<_, _>>()?;
        Ok(Self { doors, next: AtomicUsize::new(0) })
    }

    /// Runs the work on one of them, and gives what it tells. Dropping this future before it has told anything ends the work.
    pub(super) async fn run<T, F, W>(&self, work: W) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = ()> + 'static,
        W: FnOnce(Tell<T>) -> F + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            Box::pin(async move {
                let tell = Rc::new(RefCell::new(Some(tell)));
                let gone = poll_fn(|context| {
                    tell.borrow_mut().as_mut().map_or(Poll::Pending, |teller| teller.poll_closed(context))
                });
                tokio::select! {
                    biased;
                    // Whoever wanted to know is gone: dropping the work unwinds its script.
                    () = gone => {}
                    () = work(Tell(Rc::clone(&tell))) => {}
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
