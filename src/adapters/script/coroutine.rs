//! Scripts that wait without a thread. Rhai cannot suspend, so each script runs on a stack of its own; while what it waits for is
//! not there, that stack is set aside and the thread goes on with others.
//!
//! ```text
//! a task on the worker ── poll ─▶ Script ── resume ─▶ script ─▶ host function ─▶ wait(future)
//!                                    ▲                                              │ pending
//!                                    └──────────────── suspend ◀────────────────────┘ the future is polled with the task's waker
//! ```
//!
//! All `unsafe` code of the project is here: the two stack switches from below a script, and giving the memory of a used stack
//! back. Dropping a script that waits unwinds its stack, so that what it holds is dropped like in any other task.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corosensei::stack::{DefaultStack, Stack as _};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::watch;

/// The size of a script's stack; only what is used of it takes memory. A hostile script nests values or closures as deep as its limits
/// allow, and comparing, printing and dropping them recurses.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How much of a used stack keeps its memory for the next script, in bytes: as much as a common check uses.
const KEPT_BYTES: usize = 32 * 1024;
/// Used stacks that are kept by a worker.
const KEPT_STACKS: usize = 64;

/// What a worker's scripts share.
#[derive(Default)]
struct Worker {
    current: RefCell<Option<Rc<Frame>>>,
    stacks: RefCell<Vec<DefaultStack>>,
    /// How long scripts were computing here, all together.
    busy: Cell<Duration>,
}

thread_local! {
    static WORKER: Worker = Worker::default();
}

/// What a script that is running has at hand.
struct Frame {
    /// The way out of the script's stack; valid for as long as the script runs.
    yielder: Cell<*const Yielder<Waker, ()>>,
    waker: RefCell<Waker>,
    local: Rc<dyn Any>,
    ticks: Cell<u64>,
}

/// The script broke down: a panic below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokeDown;

/// A script on a stack of its own, as a future.
pub(super) struct Script<T: 'static> {
    coroutine: Option<Coroutine<Waker, (), T, DefaultStack>>,
    frame: Rc<Frame>,
}

impl<T: 'static> Script<T> {
    /// A script that has not begun; `local` is what [`local`] gives while it runs.
    pub(super) fn new(local: Rc<dyn Any>, body: impl FnOnce() -> T + 'static) -> std::io::Result<Self> {
        let kept = WORKER.with(|worker| worker.stacks.borrow_mut().pop());
        let stack = kept.map_or_else(new_stack, Ok)?;
        let (yielder, waker) = (Cell::new(ptr::null()), RefCell::new(Waker::noop().clone()));
        let frame = Rc::new(Frame { yielder, waker, local, ticks: Cell::new(0) });
        let own = Rc::clone(&frame);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<Waker, ()>, waker: Waker| {
            own.yielder.set(ptr::from_ref(yielder));
            own.waker.replace(waker);
            body()
        });
        Ok(Self { coroutine: Some(coroutine), frame })
    }
}

impl<T: 'static> Future for Script<T> {
    type Output = Result<T, BrokeDown>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(coroutine) = this.coroutine.as_mut() else { return Poll::Ready(Err(BrokeDown)) };
        let began = watch::now();
        let before = WORKER.with(|worker| worker.current.replace(Some(Rc::clone(&this.frame))));
        let waker = context.waker().clone();
        let result = catch_unwind(AssertUnwindSafe(|| coroutine.resume(waker)));
        WORKER.with(|worker| {
            worker.current.replace(before);
            worker.busy.set(worker.busy.get() + watch::now().saturating_duration_since(began));
        });
        match result {
            Ok(CoroutineResult::Yield(())) => Poll::Pending,
            Ok(CoroutineResult::Return(value)) => {
                if let Some(done) = this.coroutine.take() {
                    keep(done.into_stack());
                }
                Poll::Ready(Ok(value))
            }
            Err(_) => {
                this.coroutine = None;
                Poll::Ready(Err(BrokeDown))
            }
        }
    }
}

/// What the running script was given as `local`; nothing outside a script.
pub(super) fn local<T: 'static>() -> Option<Rc<T>> {
    let frame = WORKER.with(|worker| worker.current.borrow().clone())?;
    Rc::clone(&frame.local).downcast().ok()
}

/// Counts one more operation of the running script, and gives how many there were; nothing outside a script. Rhai's own count is of no
/// use for a limit: a native function that calls a closure (`map`, `sort`, `step`) forgets what the closure did.
pub(super) fn tick() -> Option<u64> {
    WORKER.with(|worker| {
        let current = worker.current.borrow();
        let ticks = &current.as_ref()?.ticks;
        ticks.set(ticks.get() + 1);
        Some(ticks.get())
    })
}

/// How long the scripts of this thread were computing, all together: what went by while another one computed was not the site's time.
pub(super) fn busy() -> Duration {
    WORKER.with(|worker| worker.busy.get())
}

/// Waits for the future from within a script; nothing outside one. The future is polled on the thread's own stack: TLS and name
/// resolution go deep, and what a script's stack has once touched stays with it while it waits.
pub(super) fn wait<F: Future>(future: F) -> Option<F::Output> {
    let frame = WORKER.with(|worker| worker.current.borrow().clone())?;
    let mut future = Box::pin(future);
    loop {
        let waker = frame.waker.borrow().clone();
        let outside = Outside(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if let Poll::Ready(value) = frame.on_thread_stack(outside) {
            return Some(value);
        }
        frame.suspend();
    }
}

/// What such a closure gives.
struct Carried<T>(T);

/// A closure that runs while its script stands still below it.
struct Outside<F>(F);

#[expect(unsafe_code, reason = "the stack switch asks for it, and no thread is changed")]
// SAFETY: `on_parent_stack` runs the closure at once and on this very thread. It asks for `Send` so that the closure cannot take the yielder along and
// suspend from the wrong stack: ours takes a future and a waker, and while it runs there is no current script, so that `wait` and `pause` find none.
unsafe impl<F> Send for Outside<F> {}

/// Lets the other scripts of this thread go on for a moment.
pub(super) fn pause() {
    let frame = WORKER.with(|worker| worker.current.borrow().clone());
    if let Some(frame) = frame {
        frame.waker.borrow().wake_by_ref();
        frame.suspend();
    }
}

impl Frame {
    /// Runs the closure on the stack of the thread.
    #[expect(unsafe_code, reason = "the other stack switch from below a script")]
    fn on_thread_stack<F: FnOnce() -> T, T>(&self, outside: Outside<F>) -> T {
        let before = WORKER.with(|worker| worker.current.take());
        let run = move || {
            let Outside(closure) = { outside };
            Carried(closure())
        };
        // SAFETY: as for `suspend`; and the closure does not suspend, because there is no current script while it runs.
        let Carried(value) = unsafe { (*self.yielder.get()).on_parent_stack(run) };
        WORKER.with(|worker| worker.current.replace(before));
        value
    }

    /// Leaves the script's stack until its task is polled again.
    #[expect(unsafe_code, reason = "the one stack switch from below a script")]
    fn suspend(&self) {
        // SAFETY: a frame is the worker's current one only while `Script::poll` is inside `resume` of the coroutine that owns it, on this
        // thread; so this code runs on that coroutine's stack. Its closure has set `yielder` before anything else could run on it, and the
        // yielder lives at the bottom of that stack until the closure returns, which is below us. If the script is dropped while it waits,
        // `suspend` unwinds and does not return.
        let waker = unsafe { (*self.yielder.get()).suspend(()) };
        self.waker.replace(waker);
    }
}

fn new_stack() -> std::io::Result<DefaultStack> {
    let stack = DefaultStack::new(STACK_BYTES)?;
    // Where the system prefers pages of two megabytes, a stack would take at least one.
    advise(&stack, 0, About::SmallPages);
    Ok(stack)
}

/// Keeps a stack for the next script, without the memory that an unusual one made it take.
fn keep(stack: DefaultStack) {
    WORKER.with(|worker| {
        let mut stacks = worker.stacks.borrow_mut();
        if stacks.len() < KEPT_STACKS {
            advise(&stack, KEPT_BYTES, About::NotNeeded);
            stacks.push(stack);
        }
    });
}

/// What the system is told of a stack's memory.
#[derive(Debug, Clone, Copy)]
enum About {
    SmallPages,
    NotNeeded,
}

/// Advises the system about the stack's memory from its far end up to `spared` bytes before its base.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the one way to give the memory of a stack back")]
fn advise(stack: &DefaultStack, spared: usize, about: About) {
    use rustix::mm::{Advice, madvise};

    let advice = match about {
        About::SmallPages => Advice::LinuxNoHugepage,
        About::NotNeeded => Advice::LinuxDontNeed,
    };
    let page = rustix::param::page_size();
    // The first page is the guard.
    let begin = stack.limit().get() + page;
    let length = (stack.base().get() - begin).saturating_sub(spared) & !(page - 1);
    // SAFETY: the range is within the mapping that the stack owns, and no code runs on it: its script has returned, or has not begun.
    // Forgetting the content of a stack that is not in use harms nobody. If the system refuses, nothing is lost but memory.
    let _ = unsafe { madvise(ptr::with_exposed_provenance_mut(begin), length, advice) };
}

/// Elsewhere stacks keep what they once took.
#[cfg(not(target_os = "linux"))]
fn advise(_: &DefaultStack, _: usize, _: About) {}
