//! Many runs on several threads. Which thread lives through which run does not matter: each has a chance of its own, by its number.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How far it is, and the way to end it sooner. Shared with whoever watches.
#[derive(Debug, Default)]
pub struct Watch {
    done: AtomicUsize,
    stop: AtomicBool,
}

impl Watch {
    /// Runs that were done since it was made.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// No further run begins.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The results of runs 0 to `runs`, in order; fewer when it was stopped.
pub(super) fn all<T: Send>(runs: usize, threads: usize, watch: &Watch, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while !watch.is_stopped() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                break;
            }
            done.push((number, run(number)));
            watch.done.fetch_add(1, Ordering::Relaxed);
        }
        done
    };
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
