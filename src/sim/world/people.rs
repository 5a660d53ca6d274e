//! The people of a world: what they ask of the controller, at whatever moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::World;
use super::process::handle;
use super::script::Wish;
use crate::domain::Role;
use crate::engine::{Ask, MoveRequest, Reply};
use crate::runtime::controller::Handle;

/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often somebody who wants a move asks for it.
const TRIES: usize = 4;

/// Asks the newest controller.
pub(super) async fn ask(world: Arc<World>, wish: Wish) {
    for _ in 0..TRIES {
        let newest = world.with(|state, _| state.living().last().copied());
        let done = match newest.and_then(|process| handle(&world, process)) {
            Some(handle) => timeout(PATIENCE, once(&world, &handle, wish)).await.unwrap_or(false),
            None => false,
        };
        if done {
            return;
        }
        sleep(Duration::from_secs(8)).await;
    }
}

/// True when it is as wished, or will be.
async fn once(world: &World, handle: &Handle, wish: Wish) -> bool {
    let service = world.values.service(0).name.clone();
    let (by, reason) = ("ann".to_owned(), format!("{wish:?}"));
    let said = match wish {
        Wish::Freeze => handle.ask(Ask::Freeze { service, by, reason }).await.is_ok(),
        Wish::Unfreeze => handle.ask(Ask::Unfreeze { service, by, reason }).await.is_ok(),
        Wish::Failover | Wish::ForcedFailover | Wish::Failback => {
            let to = if wish == Wish::Failback { Role::Primary } else { Role::Standby };
            let request =
                MoveRequest { service, to, by, reason, force: wish == Wish::ForcedFailover, promote: false };
            move_it(world, handle, request).await
        }
    };
    world.with(|state, now_ms| state.trace.note(now_ms, format_args!("a person asks: {wish:?}: {said}")));
    said
}

async fn move_it(world: &World, handle: &Handle, request: MoveRequest) -> bool {
    match handle.draft(request.clone()).await {
        Ok(Reply::Opened(plan)) => {
            // They read it first.
            let reading = world.with(|state, _| state.chance.between(500, 6_000));
            sleep(Duration::from_millis(reading)).await;
            let digest = plan.digest().clone();
            matches!(handle.ask(Ask::Move { request, digest }).await, Ok(Reply::Opened(_) | Reply::AlreadySo))
        }
        Ok(Reply::AlreadySo) => true,
        Ok(Reply::Blocked(blockers)) => {
            let why: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            let why = why.join("; ");
            world.with(|state, now_ms| state.trace.note(now_ms, format_args!("not to be moved: {why}")));
            false
        }
        _ => false,
    }
}
