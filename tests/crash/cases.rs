//! The groups, their cases, and how one goes.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use quorate::adapters::script::RhaiRunner;
use quorate::domain::Role;
use quorate::wire::api::ServiceStatus;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::judge::{self, Death};
use super::world::World;
use super::{filler, holder, settings};

/// How many worlds at once: they mostly wait.
const WORLDS: usize = 6;
/// How long one case may take, on the slowest of machines.
const CASE_WITHIN: Duration = Duration::from_secs(150);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const UNDISTURBED: &str = "undisturbed";
/// A case in itself.
type Check = fn() -> Result<(), String>;

/// Cases of the store alone.
const STORE: [(&str, Check); 3] = [
    ("store/a killed process leaves the lease and all that it acknowledged", holder::check),
    ("store/a full disk refuses appends whole, and takes them again when there is room", filler::check_full),
    ("store/a process killed while it appends leaves all that it acknowledged", filler::check_killed),
];

/// Restarts that are killed in turn: recovering from a recovery.
const TWICE: [&str; 8] = [
    "after apply flip (login-1) + before apply fence",
    "after apply flip (login-1) + after apply fence",
    "after apply flip (login-1) + after read back fence",
    "after apply flip (login-1) + after append succeeded flip-records (login-1)",
    "before apply flip (login-1) + after apply fence",
    "before apply flip (login-1) + before append voided flip-records (login-1)",
    "before apply flip (login-1) + after append voided flip-records (login-1)",
    "before apply flip (login-1) + after apply flip (login-1) + before append succeeded flip-records (login-1)",
];

/// What moves, and what is wrong meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// The primary's login breaks, and the policy moves the service.
    Failover,
    /// The same, and the answer to the flip is lost.
    LostAnswer,
    /// An operator moves the service away and back; killed on the way back.
    Failback,
}

impl Group {
    const ALL: [Self; 3] = [Self::Failover, Self::LostAnswer, Self::Failback];

    fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::LostAnswer => "lost-answer",
            Self::Failback => "failback",
        }
    }

    /// Where the service is in the end.
    pub(crate) fn ends_at(self) -> Role {
        match self {
            Self::Failover | Self::LostAnswer => Role::Standby,
            Self::Failback => Role::Primary,
        }
    }

    /// The cases that follow from what an undisturbed move passed.
    fn cases(self, trace: &[String]) -> Vec<String> {
        let mut points: Vec<String> = Vec::new();
        for point in trace {
            // An attempt that failed for want of time, or a guard that spoke up, is no boundary of every move.
            let passing = point.contains("append failed") || point.contains("attempt-blocked");
            let wanted = match self {
                Self::Failover => true,
                Self::LostAnswer => point.contains("flip"),
                Self::Failback => point.contains("login-2"),
            };
            if wanted && !passing && !points.contains(point) {
                points.push(point.clone());
            }
        }
        if self == Self::Failover {
            points.extend(TWICE.map(str::to_owned));
        }
        points
    }
}

/// Runs all cases, or those that are asked for; the exit code says whether all passed.
pub(crate) fn main(wanted: Option<&str>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut passed, mut failed) = (0, 0);
    let mut count = |name: &str, result: Result<Duration, String>| match result {
        Ok(took) => {
            passed += 1;
            println!("ok     {name} ({:.1} s)", took.as_secs_f64());
        }
        Err(why) => {
            failed += 1;
            println!("FAILED {name}\n{why}");
        }
    };
    for (name, check) in STORE {
        if wanted.is_none_or(|wanted| name.starts_with(wanted)) {
            let begun = Instant::now();
            count(name, check().map(|()| begun.elapsed()));
        }
    }
    runtime.block_on(async {
        let probes = settings::runner();
        for group in Group::ALL {
            let points = match wanted.map(|wanted| wanted.strip_prefix(group.as_str())) {
                None | Some(Some("" | "/")) => {
                    let begun = Instant::now();
                    let learned = case(group, UNDISTURBED.to_owned(), Arc::clone(&probes)).await;
                    let (result, trace) = match learned {
                        Ok(trace) => (Ok(begun.elapsed()), trace),
                        Err(why) => (Err(why), Vec::new()),
                    };
                    count(&format!("{}/{UNDISTURBED}", group.as_str()), result);
                    group.cases(&trace)
                }
                Some(Some(point)) => point.strip_prefix('/').map(str::to_owned).into_iter().collect(),
                Some(None) => continue,
            };
            let mut waiting = points.into_iter();
            let mut running = JoinSet::new();
            loop {
                while running.len() < WORLDS
                    && let Some(point) = waiting.next()
                {
                    let probes = Arc::clone(&probes);
                    running.spawn(async move {
                        let begun = Instant::now();
                        let result = case(group, point.clone(), probes).await;
                        (format!("{}/{point}", group.as_str()), result.map(|_| begun.elapsed()))
                    });
                }
                let Some(ended) = running.join_next().await else { break };
                let (name, result) = ended.unwrap_or_else(|error| ("a case".to_owned(), Err(error.to_string())));
                count(&name, result);
            }
        }
    });
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One case: what its first process passed, or what went wrong, with all that helps to see why.
async fn case(group: Group, points: String, probes: Arc<RhaiRunner>) -> Result<Vec<String>, String> {
    let kills: Vec<&str> = if points == UNDISTURBED { Vec::new() } else { points.split(" + ").collect() };
    let mut world = World::start().await;
    let mut deaths = Vec::new();
    let ended = live(&mut world, group, &kills, &mut deaths).await;
    let result = match ended {
        Ok(epoch) => judge::judge(&mut world, group, &deaths, epoch, &probes).await,
        Err(why) => Err(why),
    };
    let traces = world.traces();
    let result = match result {
        Ok(()) => Ok(traces.first().cloned().unwrap_or_default()),
        Err(mut why) => {
            let journal: Vec<String> = world.journal().await.iter().map(|r| format!("{:?}", r.entry)).collect();
            let _ = write!(why, "\n-- journal\n{}", journal.join("\n"));
            for trace in traces {
                let _ = write!(why, "\n-- a process passed\n{}", trace.join("\n"));
            }
            let _ = write!(why, "\n-- logs\n{}\n--", world.log());
            Err(why)
        }
    };
    world.stop().await;
    result
}

/// Lets it happen, through every death, up to the end; returns the epoch that the last controller claims to have.
async fn live(world: &mut World, group: Group, kills: &[&str], deaths: &mut Vec<Death>) -> Result<u64, String> {
    let mut kills = kills.iter().copied();
    let mut kill = kills.next();
    let mut broken = false;
    world.start_controller(kill);
    let until = Instant::now() + CASE_WITHIN;
    loop {
        if Instant::now() > until {
            return Err(format!("no end within {} s; still to be killed at: {kill:?}", CASE_WITHIN.as_secs()));
        }
        if world.died()? {
            let Some(point) = kill else { return Err("the controller died untold".to_owned()) };
            deaths.push(Death::new(point, world).await);
            kill = kills.next();
            world.start_controller(kill);
        } else if let Some((epoch, status)) = world.status().await {
            if done(group, &status) && world.outbox().iter().all(|(.., sent)| *sent) {
                return match kill {
                    None => Ok(epoch),
                    Some(point) => Err(format!("'{point}' was never reached")),
                };
            }
            go_on(world, group, &status, &mut broken).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the outside does next.
async fn go_on(world: &World, group: Group, status: &ServiceStatus, broken: &mut bool) {
    let well = status.token.is_some() && status.sites.iter().all(|site| site.verdict == "healthy");
    match group {
        Group::Failover | Group::LostAnswer => {
            if well && !*broken {
                *broken = true;
                if group == Group::LostAnswer {
                    world.lose_answer();
                }
                world.break_login().await;
            }
        }
        Group::Failback if well && status.plan.is_none() => {
            let away = status.last_plan.is_none();
            world.ask(if away { Role::Standby } else { Role::Primary }).await;
        }
        Group::Failback => {}
    }
}

fn done(group: Group, status: &ServiceStatus) -> bool {
    let (phase, plan) = match group {
        Group::Failover | Group::LostAnswer => ("holding", "login-1"),
        Group::Failback => ("watching", "login-2"),
    };
    let last = status.last_plan.as_ref();
    status.phase == phase
        && status.serving == group.ends_at().as_str()
        && status.token.is_some()
        && status.incident.is_none()
        && last.is_some_and(|last| last.id == plan && last.end == "done")
}
