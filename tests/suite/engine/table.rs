//! Text tables: a file of scenarios, each from a `# title` to the next.
//!
//! ```text
//! 4.0                     time passes up to there (or +2); the engine is woken only when it asked to be
//! lead                    recover, lead, fence the zone
//! rounds N P S            N rounds, 2 s apart, each vantage sees the primary P and the standby S: pass fail inconclusive none
//! obs V ROLE OUT [AGE]    one observation, AGE seconds old; `by CHECK` names another check
//! store|fencing open|refuses|holds      release | answer: what is held comes through
//! end ok|retry|refused|broken|fenced|lost|lost-applied|lost-late      deliver: what was late arrives
//! steps ok                from here on steps end well by themselves; `steps by-hand` takes it back
//! freeze | unfreeze | ask failover|failback [force] [wrong-digest] | draft failover|failback | crash | deposed | tick
//! > EVENT                 among what has come since the last such line, this is next; what lies between is passed over
//! nothing                 nothing has come since
//! never EVENT             it has not come at all
//! view V ROLE VIEW · verdict ROLE WORD · phase WORD · zone ROLE · blockers CODES|none · stuck yes|no · flips N
//! ```

use std::fs;
use std::path::Path;

use quorate::domain::{Cause, Class, JournalEntry, Outcome, Plan, PlanEnd, PlanId, Role};
use quorate::engine::{Ask, Input, MoveRequest, Reply};

use super::world::{Door, End, World};

struct Run {
    world: World,
    read: usize,
}

fn door(word: &str) -> Door {
    match word {
        "open" => Door::Open,
        "refuses" => Door::Refuses,
        "holds" => Door::Holds,
        _ => panic!("no such door: {word}"),
    }
}

fn end(word: &str) -> End {
    match word {
        "ok" => End::Ok,
        "retry" => End::Fails(Class::Retry),
        "refused" => End::Fails(Class::Refused),
        "broken" => End::Fails(Class::Broken),
        "fenced" => End::Fails(Class::Fenced),
        "lost" => End::Lost,
        "lost-applied" => End::LostApplied,
        "lost-late" => End::LostLate,
        _ => panic!("no such end: {word}"),
    }
}

fn ms(seconds: &str) -> u64 {
    let seconds: f64 = seconds.parse().unwrap_or_else(|_| panic!("not a time: {seconds}"));
    (seconds * 1000.0).round() as u64
}

fn same<T: PartialEq + std::fmt::Display>(wanted: T, came: T) -> Result<(), String> {
    if wanted == came { Ok(()) } else { Err(format!("came: {came}")) }
}

impl Run {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        let world = &mut self.world;
        let service = world.service.name.clone();
        let (by, reason) = ("ada".to_owned(), "a reason".to_owned());
        match *words {
            ["lead"] => world.lead(),
            ["crash"] => world.crash(),
            ["tick"] => world.give(Input::Tick),
            ["deposed"] => world.give(Input::Deposed { why: "the lease is gone".to_owned() }),
            ["rounds", n, primary, standby] => {
                for _ in 0..n.parse::<u32>().unwrap() {
                    world.pass_until(world.now + 2_000);
                    world.round(Outcome::parse(primary), Outcome::parse(standby));
                }
            }
            ["obs", vantage, role, outcome] => {
                world.observe(vantage, role_of(role), Outcome::parse(outcome).unwrap(), 0)
            }
            ["obs", vantage, role, outcome, "by", check] => {
                world.observe_by(vantage, check, role_of(role), Outcome::parse(outcome).unwrap(), 0);
            }
            ["obs", vantage, role, outcome, age] => {
                world.observe(vantage, role_of(role), Outcome::parse(outcome).unwrap(), ms(age));
            }
            ["store", word] => world.store = door(word),
            ["fencing", word] => world.fencing = door(word),
            ["release"] => world.release(),
            ["answer"] => world.answer_fence(),
            ["deliver"] => {
                for batch in std::mem::take(&mut world.on_their_way) {
                    let applied = world.apply(&batch);
                    world.events.push(format!("late batch {}", if applied { "applied" } else { "refused" }));
                }
            }
            ["end", word] => world.end(&end(word)),
            ["steps", word] => world.auto = word == "ok",
            ["freeze"] => world.ask(Ask::Freeze { service, by, reason }),
            ["unfreeze"] => world.ask(Ask::Unfreeze { service, by, reason }),
            ["ask" | "draft", direction, ref rest @ ..] => {
                let to = if direction == "failover" { Role::Standby } else { Role::Primary };
                let request = MoveRequest { service, to, by, reason, force: rest.contains(&"force"), promote: false };
                let reply = world.engine.draft(world.moment(), &request);
                let digest = match &reply {
                    Reply::Opened(plan) if !rest.contains(&"wrong-digest") => plan.digest().clone(),
                    _ => quorate::domain::PlanDigest::parse("0123456789abcdef").unwrap(),
                };
                match (words[0], reply) {
                    ("draft", Reply::Opened(plan)) => {
                        let steps: Vec<&str> = plan.steps().iter().map(|step| step.as_str()).collect();
                        world.events.push(format!("plan {}", steps.join(",")));
                    }
                    ("draft", _) => world.events.push("no plan".to_owned()),
                    _ => world.ask(Ask::Move { request, digest }),
                }
            }
            ["corrupt", what] => world.corrupt(corruption(what)),
            [">", ref event @ ..] => {
                let event = event.join(" ");
                match world.events[self.read..].iter().position(|came| *came == event) {
                    Some(place) => self.read += place + 1,
                    None => return Err(format!("came:\n    {}", world.events[self.read..].join("\n    "))),
                }
            }
            ["nothing"] if self.read < world.events.len() => {
                return Err(format!("came:\n    {}", world.events[self.read..].join("\n    ")));
            }
            ["nothing"] => {}
            ["never", ref event @ ..] => {
                let event = event.join(" ");
                if world.events.iter().any(|came| came.starts_with(&event)) {
                    return Err(format!("came:\n    {}", world.events.join("\n    ")));
                }
            }
            [time] if time.starts_with('+') => world.pass_until(world.now + ms(&time[1..])),
            [time] if time.starts_with(|c: char| c.is_ascii_digit()) => world.pass_until(ms(time)),
            _ => return self.state(words),
        }
        Ok(())
    }

    fn state(&self, words: &[&str]) -> Result<(), String> {
        let world = &self.world;
        let shown = world.engine.explain(world.moment(), &world.service.name).unwrap();
        let site = |role: &str| shown.sites.iter().find(|site| site.role.as_str() == role).unwrap();
        match *words {
            ["view", vantage, role, view] => {
                let vote = site(role).votes.votes.iter().find(|vote| vote.vantage.as_str() == vantage).unwrap();
                same(view, vote.view.as_str())
            }
            ["verdict", role, word] => same(word, site(role).verdict.as_str()),
            ["phase", word] => same(word, shown.phase.as_str()),
            ["zone", role] => same(role, world.records().serving().as_str()),
            ["flips", n] => same(n.parse().unwrap(), world.flips),
            ["stuck", word] => same(word, if shown.stuck.is_some() { "yes" } else { "no" }),
            ["blockers", codes] => {
                let came: Vec<&str> = shown.blockers.iter().map(|blocker| blocker.code()).collect();
                same(codes.to_owned(), if came.is_empty() { "none".to_owned() } else { came.join(",") })
            }
            _ => Err("no such line".to_owned()),
        }
    }
}

fn role_of(word: &str) -> Role {
    Role::parse(word).unwrap_or_else(|| panic!("no such role: {word}"))
}

/// An entry that cannot follow.
fn corruption(what: &str) -> JournalEntry {
    let id = PlanId::new("login-9").unwrap();
    match what {
        "plan-closed" => JournalEntry::PlanClosed { plan: id, end: PlanEnd::Done },
        "step-failed" => JournalEntry::StepFailed { plan: id, step: 0, why: String::new() },
        "step-voided" => JournalEntry::StepVoided { plan: id, step: 0, why: String::new() },
        "incident-closed" => JournalEntry::IncidentClosed { number: 7, end: quorate::domain::IncidentEnd::Recovered },
        "plan-opened" => {
            let cause = Cause::Operator { by: "ada".to_owned(), reason: "r".to_owned(), force: false };
            let parent = quorate::domain::Token::parse("v1;c=demo;e=1;s=0;t=primary;d=-").unwrap();
            let service = quorate::domain::ServiceName::new("login").unwrap();
            JournalEntry::PlanOpened {
                plan: Box::new(Plan::new(
                    id,
                    service,
                    Role::Standby,
                    cause,
                    parent,
                    quorate::domain::Terms::default(),
                )),
            }
        }
        _ => panic!("no such corruption: {what}"),
    }
}

/// The mistakes of one file, each with its line.
fn mistakes(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut run = Run { world: World::new(), read: 0 };
    let (mut mistakes, mut title, mut given_up) = (Vec::new(), "", false);
    for (number, line) in text.lines().enumerate() {
        if let Some(new) = line.strip_prefix("# ") {
            (run, title, given_up) = (Run { world: World::new(), read: 0 }, new, false);
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if words.is_empty() || given_up {
            continue;
        }
        let place = format!("{}:{}", path.display(), number + 1);
        // Seen when the line panics.
        println!("{place}: {line}");
        if let Err(what) = run.line(&words) {
            mistakes.push(format!("{place}: {title}\n  {line}\n  {what}"));
            given_up = true;
        }
    }
    mistakes
}

#[test]
fn tables() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables/engine");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 5);
    let wrong: Vec<String> = paths.iter().flat_map(|path| mistakes(path)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
