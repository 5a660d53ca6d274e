//! Scripts that wait without a thread. Rhai cannot suspend, so each script runs on a stack that is not the thread's; while what it waits
//! for is not there, the thread goes on with others.
//!
//! ```text
//! a task on the worker ── poll ─▶ Script ── resume ─▶ script ─▶ host function ─▶ wait(future)
//!                                    ▲                                              │ pending
//!                                    └──────────────── suspend ◀────────────────────┘ the future is polled with the task's waker
//! ```
//!
//! A worker has a few stacks. With more scripts than that under way, several are tenants of one and take turns on it: what a waiting script
//! has on it stays where it is until another tenant goes on; then just those bytes are set aside, and brought back to the same place before
//! the script goes on. Thousands of scripts that wait so take the memory of their live frames, and not of all that they have ever touched.
//! (Python's greenlets do the same.) A few scripts never meet: one with a hostile depth is not copied at each of its turns.
//!
//! So nobody but the script itself may know an address on its stack while it waits, or a timer or another thread would reach into the bytes
//! of another script. Two things see to that. What is waited for is on the heap, with all that the runtime links to it, and is polled and
//! dropped by its script alone. And host functions, whose frames are on such a stack, never lend it: they do not `pin!` a future there, and start no
//! scoped thread (the compiler cannot see this; a test over the source does, `tests/architecture`).
//!
//! All `unsafe` code of the project is here: the two stack switches from below a script, the stack that its tenants take in turns, and giving
//! the memory of a used stack back. Dropping a script that waits unwinds its stack, so that what it holds is dropped like in any other task.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corosensei::stack::{DefaultStack, Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::watch;

/// The size of a worker's stack; only what is used of it takes memory. A hostile script nests values or closures as deep as its limits
/// allow, and comparing, printing and dropping them recurses.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// The most stacks of a worker.
const MAX_STACKS: usize = 32;
/// How much of a stack keeps its memory for the next script, in bytes: more than a common check touches.
const KEPT_BYTES: usize = 128 * 1024;
/// After how many scripts a stack gives back what an unusual one made it take.
const SCRIPTS_PER_TRIM: u32 = 16;
/// How far the stack reaches below a variable of [`Frame::suspend`] when the switch is made, in bytes, generously: the frame of that function,
/// and the saved registers. Unoptimised there are the frames of some small functions in between.
const SWITCH_BYTES: usize = if cfg!(debug_assertions) { 4096 } else { 1024 };

/// What a worker's scripts share.
#[derive(Default)]
struct Worker {
    current: RefCell<Option<Rc<Frame>>>,
    places: RefCell<Vec<Rc<Place>>>,
    /// One of the stacks is being run on, whoever is `current`.
    is_running: Cell<bool>,
    /// How long scripts were computing here, all together.
    busy: Cell<Duration>,
    /// When the script that is running was let in.
    entered: Cell<Option<Instant>>,
}

thread_local! {
    static WORKER: Worker = Worker::default();
}

/// A stack and its tenants.
struct Place {
    stack: DefaultStack,
    /// The script whose frames are on the stack.
    tenant: RefCell<Option<Rc<Frame>>>,
    /// How many scripts have it as their place.
    tenants: Cell<usize>,
    ended: Cell<u32>,
}

/// What a script that is running has at hand.
struct Frame {
    place: Rc<Place>,
    /// The way out of the script's stack; valid for as long as the script runs.
    yielder: Cell<*const Yielder<(), ()>>,
    waker: RefCell<Waker>,
    local: Rc<dyn Any>,
    ticks: Cell<u64>,
    /// What the script waits for, if that needs nothing of its stack.
    work: RefCell<Option<Work>>,
    /// Where the script's part of the stack begins while it waits: it reaches from here to the base.
    low: Cell<usize>,
    /// That part, while another script has the stack.
    aside: RefCell<Vec<MaybeUninit<u8>>>,
}

type Work = Apart<()>;

/// A future that is on the heap and borrows nothing.
pub(super) type Apart<T> = Pin<Box<dyn Future<Output = T>>>;

/// The script broke down: a panic below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokeDown;

/// A place's stack, as a coroutine wants it.
struct Lent(Rc<Place>);

#[expect(unsafe_code, reason = "corosensei wants to be promised a stack")]
// SAFETY: the addresses are those of a `DefaultStack`, which lives for as long as this. That other coroutines are lent the same stack is the
// concern of `Place::occupy`: a coroutine is begun, resumed and unwound only as its tenant, with all of its bytes in place.
unsafe impl Stack for Lent {
    fn base(&self) -> StackPointer {
        self.0.stack.base()
    }

    fn limit(&self) -> StackPointer {
        self.0.stack.limit()
    }
}

/// A script, as a future.
pub(super) struct Script<T: 'static> {
    body: Option<Box<dyn FnOnce() -> T>>,
    coroutine: Option<Coroutine<(), (), T, Lent>>,
    frame: Rc<Frame>,
}

impl<T: 'static> Script<T> {
    /// A script that has not begun; `local` is what [`local`] gives while it runs.
    pub(super) fn new(local: Rc<dyn Any>, body: impl FnOnce() -> T + 'static) -> std::io::Result<Self> {
        let place = WORKER.with(Worker::place)?;
        place.tenants.set(place.tenants.get() + 1);
        let frame = Frame {
            place,
            yielder: Cell::new(ptr::null()),
            waker: RefCell::new(Waker::noop().clone()),
            local,
            ticks: Cell::new(0),
            work: RefCell::default(),
            low: Cell::new(0),
            aside: RefCell::default(),
        };
        Ok(Self { body: Some(Box::new(body)), coroutine: None, frame: Rc::new(frame) })
    }

    /// Lets the script run until it waits or ends; nothing if it broke down.
    fn resume(&mut self) -> Option<CoroutineResult<(), T>> {
        let entered = WORKER.with(|worker| worker.enter(&self.frame));
        if !entered {
            return None;
        }
        if let Some(body) = self.body.take() {
            let own = Rc::clone(&self.frame);
            let begin = move |yielder: &Yielder<(), ()>, ()| {
                own.yielder.set(ptr::from_ref(yielder));
                body()
            };
            self.coroutine = Some(Coroutine::with_stack(Lent(Rc::clone(&self.frame.place)), begin));
        }
        let coroutine = self.coroutine.as_mut();
        let result = coroutine.and_then(|coroutine| catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).ok());
        if !matches!(result, Some(CoroutineResult::Yield(()))) {
            // It has returned, or a panic has unwound it: nothing of it is left on the stack.
            self.coroutine = None;
        }
        if self.coroutine.is_none() {
            self.frame.place.vacate();
        }
        WORKER.with(Worker::leave);
        result
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Result<T, BrokeDown>> {
        if !self.frame.waker.borrow().will_wake(context.waker()) {
            self.frame.waker.replace(context.waker().clone());
        }
        loop {
            let work = self.frame.work.take();
            if let Some(mut work) = work {
                match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                    Ok(Poll::Pending) => {
                        self.frame.work.replace(Some(work));
                        return Poll::Pending;
                    }
                    Ok(Poll::Ready(())) => {}
                    Err(_) => {
                        self.end();
                        return Poll::Ready(Err(BrokeDown));
                    }
                }
            }
            match self.resume() {
                Some(CoroutineResult::Yield(())) if self.frame.work.borrow().is_some() => {}
                Some(CoroutineResult::Yield(())) => return Poll::Pending,
                Some(CoroutineResult::Return(value)) => return Poll::Ready(Ok(value)),
                None => return Poll::Ready(Err(BrokeDown)),
            }
        }
    }

    /// Unwinds the script if it waits.
    fn end(&mut self) {
        self.body = None;
        let Some(mut coroutine) = self.coroutine.take() else { return };
        let entered = WORKER.try_with(|worker| worker.enter(&self.frame));
        if entered != Ok(true) {
            // Its bytes cannot be brought back, for another script is on the stack, or the thread is all but gone. What it holds is lost;
            // unwinding it would be worse. Tasks are dropped by the worker's own loop, so this does not happen.
            mem::forget(coroutine);
            return;
        }
        // What is dropped has no script to wait in.
        WORKER.with(|worker| worker.current.take());
        // Not by dropping it, which aborts the process if a panic comes out of the script instead of our unwinding.
        let _ = catch_unwind(AssertUnwindSafe(|| coroutine.force_unwind()));
        drop(coroutine);
        self.frame.place.vacate();
        WORKER.with(Worker::leave);
    }
}

impl<T: 'static> Future for Script<T> {
    type Output = Result<T, BrokeDown>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let began = watch::now();
        let result = self.advance(context);
        let took = watch::now().saturating_duration_since(began);
        WORKER.with(|worker| worker.busy.set(worker.busy.get() + took));
        result
    }
}

impl<T: 'static> Drop for Script<T> {
    fn drop(&mut self) {
        self.end();
        let place = &self.frame.place;
        place.tenants.set(place.tenants.get().saturating_sub(1));
    }
}

impl Worker {
    /// Where a new script finds a stack: one without tenants, a new one, or the one with the fewest.
    fn place(&self) -> std::io::Result<Rc<Place>> {
        let mut places = self.places.borrow_mut();
        let emptiest = places.iter().min_by_key(|place| place.tenants.get());
        if let Some(place) = emptiest.filter(|place| place.tenants.get() == 0 || places.len() >= MAX_STACKS) {
            return Ok(Rc::clone(place));
        }
        let stack = DefaultStack::new(STACK_BYTES)?;
        // Where the system prefers pages of two megabytes, a stack would take at least one.
        advise(&stack, 0, About::SmallPages);
        let place = Place { stack, tenant: RefCell::default(), tenants: Cell::new(0), ended: Cell::new(0) };
        let place = Rc::new(place);
        places.push(Rc::clone(&place));
        Ok(place)
    }

    /// Makes the script the current one, with its bytes in place; says no if another is running.
    fn enter(&self, frame: &Rc<Frame>) -> bool {
        if self.is_running.replace(true) {
            return false;
        }
        frame.place.occupy(frame);
        self.entered.set(Some(watch::now()));
        self.current.replace(Some(Rc::clone(frame)));
        true
    }

    /// The script stands still.
    fn leave(&self) {
        self.current.take();
        self.entered.set(None);
        self.is_running.set(false);
    }
}

impl Place {
    /// Gives the stack to the script.
    fn occupy(&self, frame: &Rc<Frame>) {
        let mut tenant = self.tenant.borrow_mut();
        if tenant.as_ref().is_some_and(|tenant| Rc::ptr_eq(tenant, frame)) {
            return;
        }
        if let Some(before) = tenant.replace(Rc::clone(frame)) {
            before.set_aside();
        }
        frame.bring_back();
    }

    /// Nothing of the script that had the stack is left on it.
    fn vacate(&self) {
        self.tenant.take();
        let ended = self.ended.get().wrapping_add(1);
        self.ended.set(ended);
        if ended.is_multiple_of(SCRIPTS_PER_TRIM) {
            advise(&self.stack, KEPT_BYTES, About::NotNeeded);
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

/// Waits for the future from within a script; nothing outside one. It needs nothing of the script's stack: it is polled on the thread's own,
/// and the script is not resumed before it is done.
pub(super) fn wait_apart<T: 'static>(future: Apart<T>) -> Option<T> {
    let frame = running()?;
    let told = frame.set_to_work(future);
    frame.suspend();
    told.take()
}

/// The same for a future that borrows from the script's stack, which must be in place whenever it is polled.
pub(super) fn wait<F: Future>(future: F) -> Option<F::Output> {
    let frame = running()?;
    // On the heap, because the system's and other tasks' lists may lead to what is in it while the script's stack is another's.
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

/// The script that runs on this thread and may wait. One that is being unwound may not: its destructors would wait below a panic, and the
/// thread would go on with other scripts as if they panicked.
fn running() -> Option<Rc<Frame>> {
    if thread::panicking() {
        return None;
    }
    WORKER.with(|worker| worker.current.borrow().clone())
}

/// What such a closure gives.
struct Carried<T>(T);

/// A closure that runs while its script stands still below it.
struct Outside<F>(F);

#[expect(unsafe_code, reason = "the stack switch asks for it, and no thread is changed")]
// SAFETY: `on_parent_stack` runs the closure at once and on this very thread. It asks for `Send` so that the closure cannot take the yielder along and
// suspend from the wrong stack: ours takes a future and a waker, and while it runs there is no current script, so that `wait` and `pause` find none.
unsafe impl<F> Send for Outside<F> {}

/// Lets the other scripts of this thread go on for a moment, those included for which something has just come from the network: a task that
/// only woke itself would be run sixty times before anybody looks.
pub(super) fn pause() {
    let _ = wait_apart(Box::pin(tokio::task::yield_now()));
}

/// The same if the script has had the thread for so long; whether it had.
pub(super) fn give_way(after: Duration) -> bool {
    let entered = WORKER.with(|worker| worker.entered.get());
    let has_had = entered.is_some_and(|entered| watch::now().saturating_duration_since(entered) >= after);
    if has_had {
        pause();
    }
    has_had
}

impl Frame {
    /// Gives the script's task something to do, and says where the result will be.
    #[inline(never)]
    fn set_to_work<T: 'static>(&self, future: Apart<T>) -> Rc<Cell<Option<T>>> {
        let told = Rc::new(Cell::new(None));
        let tell = Rc::clone(&told);
        self.work.replace(Some(Box::pin(async move { tell.set(Some(future.await)) })));
        told
    }

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
    #[inline(never)]
    #[expect(unsafe_code, reason = "the one stack switch from below a script")]
    fn suspend(&self) {
        let mark = 0_u8;
        self.low.set(ptr::from_ref(std::hint::black_box(&mark)).expose_provenance().saturating_sub(SWITCH_BYTES));
        // SAFETY: a frame is the worker's current one only while `Script::resume` is inside `resume` of the coroutine that owns it, on this
        // thread; so this code runs on that coroutine's stack. Its closure has set `yielder` before anything else could run on it, and the
        // yielder lives at the bottom of that stack until the closure returns, which is below us. If the script is dropped while it waits,
        // `suspend` unwinds and does not return.
        unsafe { (*self.yielder.get()).suspend(()) };
    }

    /// The part of the stack that the script has in use while it waits.
    fn part(&self) -> (*mut MaybeUninit<u8>, usize) {
        let (lowest, base) = (lowest(&self.place.stack), self.place.stack.base().get());
        let low = self.low.get().clamp(lowest, base);
        (ptr::with_exposed_provenance_mut(low), base - low)
    }

    /// Copies the script's part of the stack to the heap.
    #[expect(unsafe_code, reason = "a stack has no other way to be read")]
    fn set_aside(&self) {
        let (part, length) = self.part();
        let mut aside = Vec::with_capacity(length);
        // SAFETY: the range is within the mapping that the stack owns, and the vector has room for it. No code runs on the stack, so nobody
        // writes to it, and bytes that may be uninitialised may have any value.
        unsafe {
            ptr::copy_nonoverlapping(part, aside.as_mut_ptr(), length);
            aside.set_len(length);
        }
        self.aside.replace(aside);
    }

    /// Copies it back to where it was; nothing, if the script has not begun.
    #[expect(unsafe_code, reason = "a stack has no other way to be written")]
    fn bring_back(&self) {
        let aside = self.aside.take();
        if aside.is_empty() {
            return;
        }
        let (part, length) = self.part();
        debug_assert_eq!(length, aside.len());
        // SAFETY: the range is the one that `set_aside` has copied, for `low` changes only while the script runs; it is within the mapping that
        // the stack owns. No code runs on the stack, and what its last tenant had there has been set aside. The script finds every byte at the
        // address that it had. Nobody reached for those bytes meanwhile: whatever else has a pointer to a script's stack is a future given to
        // `wait`, which is only polled and dropped by the script itself; what others may lead to, its tasks and timers, is within its box.
        unsafe { ptr::copy_nonoverlapping(aside.as_ptr(), part, length.min(aside.len())) };
    }
}

/// Where the stack ends; below that is its guard page, which nobody may read.
fn lowest(stack: &DefaultStack) -> usize {
    stack.limit().get() + rustix::param::page_size()
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
    let (page, begin) = (rustix::param::page_size(), lowest(stack));
    let length = (stack.base().get() - begin).saturating_sub(spared) & !(page - 1);
    // SAFETY: the range is within the mapping that the stack owns, and no code runs on it: it has no tenant.
    // Forgetting the content of a stack that is not in use harms nobody. If the system refuses, nothing is lost but memory.
    let _ = unsafe { madvise(ptr::with_exposed_provenance_mut(begin), length, advice) };
}

/// Elsewhere stacks keep what they once took.
#[cfg(not(target_os = "linux"))]
fn advise(_: &DefaultStack, _: usize, _: About) {}

#[cfg(test)]
mod tests;
