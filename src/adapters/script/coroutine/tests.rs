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
