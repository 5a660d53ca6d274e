//! Scripts on one worker, more than it has stacks.

use super::*;

/// Fills frames with its number, waits in every way on the way down and up, and finds them as it left them.
fn dive(number: u8, depth: usize) -> usize {
    let frame = std::hint::black_box([number; 700]);
    let here = &frame;
    wait(async {
        tokio::task::yield_now().await;
        assert_eq!(here, &[number; 700]);
    });
    let below = if depth == 0 { 0 } else { dive(number, depth - 1) };
    assert_eq!(wait_apart(Box::pin(tokio::task::yield_now())), Some(()));
    pause();
    assert_eq!(frame, [number; 700]);
    below + 1
}

fn on_a_worker<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().build().unwrap(), work)
}

#[test]
fn scripts_that_take_turns_on_one_stack_find_it_as_they_left_it() {
    on_a_worker(async {
        let begin = |number: u8| {
            let depth = usize::from(number) * 7 % 40;
            let script = Script::new(Rc::new(()), move || dive(number, depth)).unwrap();
            (depth + 1, tokio::task::spawn_local(script))
        };
        for (depth, script) in (0..100).map(begin).collect::<Vec<_>>() {
            assert_eq!(script.await.unwrap(), Ok(depth));
        }
    });
}

#[test]
fn a_script_that_is_dropped_while_it_waits_or_panics_drops_what_it_holds_and_leaves_the_others_alone() {
    on_a_worker(async {
        let held = Rc::new(());
        let begin = |number: u8| {
            let held = Rc::clone(&held);
            let body = move || {
                let held = [held];
                dive(number, 5);
                assert_ne!(number % 3, 1, "as it was told to");
                wait_apart(Box::pin(std::future::pending::<()>()));
                held.len()
            };
            tokio::task::spawn_local(Script::new(Rc::new(()), body).unwrap())
        };
        let scripts: Vec<_> = (0..30).map(begin).collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Rc::strong_count(&held), 21);
        for (number, script) in scripts.into_iter().enumerate() {
            if number % 3 == 1 {
                assert_eq!(script.await.unwrap(), Err(BrokeDown));
            } else {
                script.abort();
                assert!(script.await.unwrap_err().is_cancelled());
            }
        }
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

/// A generator of numbers (xorshift), which the seed repeats.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A value on a stack that looks, when it goes, whether it is still what it was, and tries to wait there.
struct Held<const N: usize> {
    bytes: [u64; N],
    mark: u64,
    alive: Rc<Cell<usize>>,
}

impl<const N: usize> Held<N> {
    fn new(mark: u64, alive: &Rc<Cell<usize>>) -> Self {
        alive.set(alive.get() + 1);
        Self { bytes: std::hint::black_box([mark; N]), mark, alive: Rc::clone(alive) }
    }

    fn look(&self) {
        assert_eq!(self.bytes, [self.mark; N]);
    }
}

impl<const N: usize> Drop for Held<N> {
    fn drop(&mut self) {
        self.look();
        self.alive.set(self.alive.get() - 1);
        // Waits in the middle of an ordinary end, and not at all of an unwinding.
        let waited = wait_apart(Box::pin(std::future::ready(())));
        assert!(waited.is_none() || !thread::panicking());
        pause();
    }
}

fn wander<const N: usize>(dice: &mut Dice, depth: u64, alive: &Rc<Cell<usize>>) -> u64 {
    let held = Held::<N>::new(dice.0, alive);
    let here = &held;
    match dice.below(12) {
        0..4 => {
            let times = dice.below(4);
            let seen = wait(async {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                    here.look();
                }
                here.mark
            });
            assert_eq!(seen, Some(held.mark));
        }
        4..7 => {
            let mark = held.mark;
            let apart = async move {
                tokio::time::sleep(Duration::from_micros(mark % 300)).await;
                mark
            };
            assert_eq!(wait_apart(Box::pin(apart)), Some(held.mark));
        }
        7..9 => pause(),
        // Without the words that a panic prints.
        9 if dice.below(8) == 0 => std::panic::resume_unwind(Box::new("as the dice say")),
        _ => {}
    }
    held.look();
    let below = match (depth, dice.below(3)) {
        (0, _) => 0,
        (_, 0) => wander::<3>(dice, depth - 1, alive),
        (_, 1) => wander::<40>(dice, depth - 1, alive),
        _ => wander::<300>(dice, depth - 1, alive),
    };
    held.look();
    below + 1
}

#[test]
fn many_more_scripts_than_stacks_that_wait_panic_and_are_dropped_at_random_lose_nothing() {
    for seed in (1..=6_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id())) {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (alive, mut dice) = (Rc::new(Cell::new(0)), Dice(seed));
            let mut scripts = Vec::new();
            let (mut whole, mut broken, mut dropped) = (0, 0, 0);
            for _ in 0..400 {
                let (alive, mut own) = (Rc::clone(&alive), Dice(dice.below(u64::MAX) | 1));
                let depth = own.below(50);
                let body = move || wander::<40>(&mut own, depth, &alive) == depth + 1;
                scripts.push(tokio::task::spawn_local(Script::new(Rc::new(()), body).unwrap()));
                if dice.below(4) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            while !scripts.is_empty() {
                let at = usize::try_from(dice.below(u64::try_from(scripts.len()).unwrap())).unwrap();
                let script: &tokio::task::JoinHandle<_> = &scripts[at];
                if dice.below(4) == 0 {
                    script.abort();
                } else if !script.is_finished() {
                    tokio::task::yield_now().await;
                    continue;
                }
                match scripts.swap_remove(at).await {
                    Ok(Ok(is_whole)) => {
                        assert!(is_whole);
                        whole += 1;
                    }
                    Ok(Err(BrokeDown)) => broken += 1,
                    Err(error) => {
                        assert!(error.is_cancelled());
                        dropped += 1;
                    }
                }
            }
            assert!(whole.min(broken).min(dropped) > 10, "{whole} {broken} {dropped}");
            assert_eq!(alive.get(), 0);
        });
    }
}

/// What lies below the part of its stack that a waiting script keeps.
#[expect(unsafe_code, reason = "a stack has no other way to be looked at")]
fn below(frame: &Frame) -> &[Cell<u8>] {
    let low = frame.low.get();
    // SAFETY: it is within the mapping of the stack, far above its end, and no code runs there while this is looked at.
    unsafe { std::slice::from_raw_parts(ptr::with_exposed_provenance(low - BELOW), BELOW) }
}

const BELOW: usize = 16 * 1024;

#[test]
fn a_switch_writes_nothing_below_the_part_that_is_set_aside() {
    on_a_worker(async {
        let painted: Rc<RefCell<Option<Rc<Frame>>>> = Rc::default();
        let paint = Rc::clone(&painted);
        let script = tokio::task::spawn_local(
            Script::new(Rc::new(()), move || {
                let (frame, mut polls) = (running().unwrap(), 0);
                wait(std::future::poll_fn(move |context| {
                    polls += 1;
                    if polls == 2 {
                        // It has waited here before, so it is known how far that reached. What follows is the return from here, and the switch.
                        below(&frame).iter().for_each(|byte| byte.set(0xa7));
                        paint.replace(Some(Rc::clone(&frame)));
                    }
                    context.waker().wake_by_ref();
                    if polls == 4 { Poll::Ready(()) } else { Poll::Pending }
                }))
            })
            .unwrap(),
        );
        while painted.borrow().is_none() {
            tokio::task::yield_now().await;
        }
        let frame = painted.take().unwrap();
        let touched = below(&frame).iter().rposition(|byte| byte.get() != 0xa7).map(|at| BELOW - at);
        assert_eq!(touched, None, "so many bytes below");
        assert_eq!(script.await.unwrap(), Ok(Some(())));
    });
}

#[test]
fn a_script_that_is_dropped_by_another_one_is_lost_and_the_others_go_on() {
    on_a_worker(async {
        let held = Rc::new(());
        let within = Rc::clone(&held);
        let mut lost = Script::new(Rc::new(()), move || {
            pause();
            drop(within);
        })
        .unwrap();
        assert!(Pin::new(&mut lost).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let other = Script::new(Rc::new(()), move || {
            drop(lost);
            dive(1, 3)
        });
        assert_eq!(other.unwrap().await, Ok(4));
        assert_eq!(Rc::strong_count(&held), 2);
        let begin = |number| tokio::task::spawn_local(Script::new(Rc::new(()), move || dive(number, 5)).unwrap());
        for script in (0..80).map(begin).collect::<Vec<_>>() {
            assert_eq!(script.await.unwrap(), Ok(6));
        }
    });
}

#[test]
fn a_script_that_computes_for_long_gives_way_to_the_others() {
    on_a_worker(async {
        let turns = Rc::new(Cell::new(0));
        let seen = Rc::clone(&turns);
        let long = Script::new(Rc::new(()), move || {
            assert!(!give_way(Duration::from_secs(3_600)));
            for _ in 0..5 {
                let began = watch::now();
                while watch::now() < began + Duration::from_millis(2) {}
                assert!(give_way(Duration::from_millis(1)));
            }
            // One turn for each, but for who is first in the last round.
            assert!(seen.get() >= 5);
        });
        let other = tokio::task::spawn_local(async move {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(tokio::task::spawn_local(long.unwrap()).await.unwrap(), Ok(()));
        other.abort();
    });
    assert!(!give_way(Duration::ZERO), "outside a script there is nobody to give way to");
}
