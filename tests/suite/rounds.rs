//! There and back again and again, with the real processes, while controller and agents are killed between and inside steps, and a witness
//! writes to both sides all the time. `docs/verification.md` says how to run a hundred.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use quorate::adapters::clock::SystemClock;
use quorate::adapters::site::http::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
use quorate::domain::{Role, Secret};
use quorate::lab::FaultChange;
use quorate::lab::cloud::Cloud;
use quorate::ports::Clock;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use self::history::{Entry, Rights, blind, second_writers};
use self::witness::Witness;
use super::world::{CONTROLLER, Options, PRIMARY, QUORATE, SECRETS, STANDBY, VANTAGES, World};

/// What was seen against what is meant.
mod history;
/// Somebody who writes to both sides.
mod witness;

/// Rounds unless `QUORATE_ROUNDS` says otherwise: one that is promoted in between takes more than a minute, and of so few none is.
const ROUNDS: u64 = 3;
/// One of so many is promoted.
const PROMOTED_OF: u64 = 4;
/// A promoted standby drains for its records' time to live and a minute.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often a move is asked for: each may be lost with the controller, or refused while it finds its feet.
const TRIES: usize = 60;
/// Between two looks at the journal of whoever waits for the moment to kill.
const LOOK: Duration = Duration::from_millis(2);
/// Spans of the journal in which the witness must have seen something, in milliseconds: it writes ten times a second.
const SEEN_WITHIN_MS: u64 = 1_000;

#[expect(clippy::disallowed_methods, reason = "how a person repeats a run, or asks for a longer one")]
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no whole number")))
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    fn ms(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// Whom to kill.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Controller,
    /// It is killed again as soon as it answers.
    ControllerTwice,
    Agent(&'static str),
    Both(&'static str),
}

impl Victim {
    fn of(chance: &mut Chance) -> Self {
        let agent = VANTAGES[usize::try_from(chance.below(3)).unwrap()];
        match chance.below(8) {
            0..4 => Self::Controller,
            4 => Self::ControllerTwice,
            5 | 6 => Self::Agent(agent),
            _ => Self::Both(agent),
        }
    }
}

/// What a person does in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Failover,
    Promote,
    Failback,
}

impl Wish {
    fn word(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Promote => "promote",
            Self::Failback => "failback",
        }
    }

    fn is_so(self, service: &Value) -> bool {
        match self {
            Self::Failover => service["serving"] == "standby",
            Self::Promote => service["sides"]["promoted_at_ms"].is_number(),
            Self::Failback => service["serving"] == "primary",
        }
    }
}

/// A run: the world, its witness, and what came of it.
struct Run {
    world: World,
    witness: Witness,
    chance: Chance,
    /// What was under way in the journal when somebody was killed, and how often.
    killed: BTreeMap<String, u32>,
    /// How commands ended, other than by doing what was asked.
    ended: BTreeMap<String, u32>,
}

/// A world whose primary can be fenced, and whose standby refuses writes before anything else happens.
async fn fenceable() -> World {
    let mut world = World::prepared(Options::default()).await;
    let sites = world.primary.addr().port();
    let control = format!(
        "answer = \"{PRIMARY}\"\n\n[[service.primary.control]]\nkind = \"http\"\nurl = \"http://{PRIMARY}:{sites}/admin/read-only\"\n\
         write_probe = \"http://{PRIMARY}:{sites}/admin/write-probe\"\nkey = \"standby-admin\"\n"
    );
    world.swaps = vec![(format!("answer = \"{PRIMARY}\"\n"), control)];
    world.write_files();
    by_hand(&world, &world.standby, true).await;
    world
}

/// Somebody switches a site's mode, who has the key and is none of ours.
async fn by_hand(world: &World, cloud: &Cloud, read_only: bool) {
    let epoch = &world.cloud_state(cloud).await["epoch"];
    let body = json!({ "service": "login", "read_only": read_only, "epoch": epoch, "plan": "by-hand" }).to_string();
    let (path, at) = ("/admin/read-only", SystemClock::new().wall().as_ms() / 1000);
    let signature = signature(&Secret::new(SECRETS[2].1), "POST", path, at, body.as_bytes());
    let request = world.http.post(format!("{}{path}", cloud.url()));
    let request = request.header(TIMESTAMP_HEADER, at).header(SIGNATURE_HEADER, signature).body(body);
    assert!(request.send().await.unwrap().status().is_success(), "the site does as it is told");
}

async fn run(world: &mut World) {
    world.start_controller().await;
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
}

impl Run {
    /// The time to live is the shortest that there is: a promoted standby drains for it and a minute.
    async fn begun(seed: u64) -> Self {
        let mut world = fenceable().await;
        world.swaps.push(("ttl = \"30s\"".to_owned(), "ttl = \"1s\"".to_owned()));
        world.write_files();
        let witness = Witness::start(&world).await;
        run(&mut world).await;
        Self { world, witness, chance: Chance(seed), killed: BTreeMap::new(), ended: BTreeMap::new() }
    }

    fn journal(&self) -> Vec<Entry> {
        entries(&self.world.rows(JOURNAL))
    }

    fn length(&self) -> u64 {
        self.world.rows("SELECT count(*) FROM journal WHERE service = 'login'")[0][0].parse().unwrap()
    }

    /// Notes where the journal stands: its last entry, and of which step.
    fn note_where(&mut self) {
        let latest = "SELECT at_ms, epoch, entry FROM journal WHERE service = 'login' ORDER BY id DESC LIMIT 60";
        let latest = entries(&self.world.rows(latest));
        let stands = latest.first().map_or_else(String::new, |Entry { entry, .. }| {
            let plan = latest.iter().find(|other| other.entry["plan"]["id"] == entry["plan"]);
            let step = entry["step"].as_u64().and_then(|step| usize::try_from(step).ok());
            let step = plan.zip(step).and_then(|(plan, step)| plan.entry["plan"]["steps"][step].as_str());
            format!("{} {}", entry["type"].as_str().unwrap_or_default(), step.unwrap_or_default())
        });
        *self.killed.entry(stands.trim().to_owned()).or_default() += 1;
    }

    /// Kills, and starts again.
    async fn strike(&mut self, victim: Victim) {
        let (controller, agent) = match victim {
            Victim::Controller => (1, None),
            Victim::ControllerTwice => (2, None),
            Victim::Agent(agent) => (0, Some(agent)),
            Victim::Both(agent) => (1, Some(agent)),
        };
        if let Some(agent) = agent {
            self.world.kill(agent).await;
            self.note_where();
        }
        for time in 0..controller {
            if time > 0 {
                sleep(self.chance.ms(1_500)).await;
            }
            self.world.kill(CONTROLLER).await;
            self.note_where();
            self.world.start_controller().await;
        }
        if let Some(agent) = agent {
            self.world.start_agent(agent);
        }
    }

    /// One command of a person, in the middle of which somebody may be killed: when the journal has grown by so many entries, which is
    /// between two steps as often as inside one, and a moment later.
    async fn command(&mut self, wish: Wish, victim: Option<Victim>) -> Output {
        let mut command = tokio::process::Command::new(QUORATE);
        command.args([wish.word(), "login", "--reason", "a round", "--yes"]);
        command.env("QUORATE_API", self.world.url("")).env("NO_PROXY", "127.0.0.0/8").env("no_proxy", "127.0.0.0/8");
        let before = self.length();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        if let Some(victim) = victim {
            // A plan has at most 16 entries. What follows one takes some milliseconds, or half a second.
            let (after, later) = (self.chance.below(16), self.chance.below(2) * self.chance.below(40));
            let later = Duration::from_millis(later);
            let until = Instant::now() + Duration::from_secs(5);
            while self.length() < before + after && child.try_wait().unwrap().is_none() && Instant::now() < until {
                sleep(LOOK).await;
            }
            sleep(later).await;
            self.strike(victim).await;
        }
        let output = timeout(PATIENCE, child.wait_with_output()).await;
        output.unwrap_or_else(|_| panic!("{wish:?} does not end\n{}", self.world.tail(CONTROLLER))).unwrap()
    }

    /// Waits until no plan is open and the zone is fenced, whoever was killed meanwhile.
    async fn settled(&self) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let service = self.world.service().await;
            if service["plan"].is_null() && service["token"].is_string() {
                assert_eq!(service["stuck"], Value::Null, "{service:#}\n{}", self.world.tail(CONTROLLER));
                return service;
            }
            assert!(
                Instant::now() < until,
                "it does not come to an end: {service:#}\n{}",
                self.world.tail(CONTROLLER)
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A person who asks until it is so. Somebody may be killed while the first command that was taken is carried out.
    async fn act(&mut self, wish: Wish) {
        let mut victim = (self.chance.below(4) > 0).then(|| Victim::of(&mut self.chance));
        for _ in 0..TRIES {
            let before = self.length();
            let output = self.command(wish, victim).await;
            let service = self.settled().await;
            if self.length() > before {
                victim = None;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => assert!(wish.is_so(&service), "{wish:?} is done, and is not so: {service:#}"),
                Some(1..=3) => {
                    // The codes of the guards that refused, or what else it said.
                    let codes: Vec<&str> = said
                        .lines()
                        .filter_map(|line| line.strip_suffix(')')?.rsplit_once('('))
                        .map(|(_, code)| code)
                        .collect();
                    let why = if output.status.code() == Some(3) { codes.join(" ") } else { String::new() };
                    let key = format!("{} exit {} {why}", wish.word(), output.status.code().unwrap());
                    *self.ended.entry(key.trim().to_owned()).or_default() += 1;
                }
                other => panic!("{wish:?} ended with {other:?}: {said}"),
            }
            if wish.is_so(&service) {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
        panic!("{wish:?}: asked {TRIES} times: {:#}\n{}", self.world.service().await, self.world.tail(CONTROLLER));
    }

    /// A person takes on what the way back would lose, by the digest that is shown.
    async fn reconcile(&self) {
        let acknowledged = async || {
            let shown = self.world.cli(&["reconcile", "login", "--json"]).await;
            if shown.code == Some(0) {
                return true;
            }
            let Some(digest) = shown.json()["reconciliation"]["digest"].as_str().map(str::to_owned) else {
                return false;
            };
            let taken =
                ["reconcile", "login", "--acknowledge", &digest, "--reason", "the notes of the standby were copied"];
            self.world.cli(&taken).await;
            false
        };
        self.world.until_so("what would be lost is taken on", acknowledged).await;
    }

    async fn round(&mut self, promoted: bool) {
        self.world.until_healthy().await;
        let (from, flipped) = (self.witness.attempts(0).len(), self.world.flipped());
        self.act(Wish::Failover).await;
        assert_eq!((self.world.flipped() - flipped, self.world.answer().await.as_str()), (1, STANDBY));
        sleep(self.chance.ms(800)).await;
        if self.chance.below(3) == 0 {
            let victim = Victim::of(&mut self.chance);
            self.strike(victim).await;
            self.settled().await;
        }
        if promoted {
            self.act(Wish::Promote).await;
            let after = SystemClock::new().wall().as_ms();
            self.until_written(Role::Standby, after).await;
            self.reconcile().await;
        }
        self.act(Wish::Failback).await;

        self.world.until("all is as it was", as_it_was).await;
        assert_eq!((self.world.flipped() - flipped, self.world.answer().await.as_str()), (2, PRIMARY));
        assert_eq!(read_only(&self.world).await, [false, true]);
        self.until_written(Role::Primary, SystemClock::new().wall().as_ms()).await;
        self.judge(from);
    }

    async fn until_written(&self, role: Role, after: u64) {
        let what = format!("the witness writes to the {role}");
        self.world.until_so(&what, async || self.witness.has_written(role, after)).await;
    }

    /// Holds what the witness has seen since then against the journal, and the lab's own log against what a token is.
    fn judge(&self, from: usize) {
        let (attempts, journal) = (self.witness.attempts(from), self.journal());
        let rights = Rights::of(&journal);
        assert_eq!(second_writers(&attempts, &rights), [""; 0]);
        if from == 0 {
            assert_eq!(blind(&attempts, &rights, SEEN_WITHIN_MS), [""; 0]);
        }
        let (looks, lost) = self.witness.looks();
        assert!(looks > 0 && lost.is_empty(), "{looks} looks: {lost:#?}");
        let accepted = self.world.lab.requests().into_iter().filter(|entry| entry.status < 300);
        let marks: Vec<(u64, u64)> =
            accepted.flat_map(|entry| entry.changes).filter_map(|line| mark(&line)).collect();
        assert!(!marks.is_empty() && marks.is_sorted_by(|one, next| one < next), "tokens only grow: {marks:?}");
    }
}

/// The journal, as the store has it.
const JOURNAL: &str = "SELECT at_ms, epoch, entry FROM journal WHERE service = 'login' ORDER BY id";

fn entries(rows: &[Vec<String>]) -> Vec<Entry> {
    let entry = |row: &Vec<String>| Entry {
        at: row[0].parse().unwrap(),
        epoch: row[1].parse().unwrap(),
        entry: serde_json::from_str(&row[2]).unwrap(),
    };
    rows.iter().map(entry).collect()
}

/// The end of every round: the same state, whatever happened in between.
fn as_it_was(service: &Value) -> bool {
    is_quiet(service) && service.pointer("/last_plan/end").is_some_and(|end| end == "done")
}

/// Nothing is under way, nobody is kept from anything, and the primary serves.
fn is_quiet(service: &Value) -> bool {
    let nothing =
        ["/plan", "/incident", "/stuck", "/sides/primary_fenced", "/sides/promoted_at_ms", "/sides/reconciliation"];
    let word = |place: &str, wanted: &str| service.pointer(place).is_some_and(|value| value == wanted);
    nothing.iter().all(|place| service.pointer(place) == Some(&Value::Null))
        && word("/serving", "primary")
        && word("/phase", "watching")
}

/// Whether each site refuses writes: the primary, the standby.
async fn read_only(world: &World) -> [bool; 2] {
    let (primary, standby) = (world.cloud_state(&world.primary).await, world.cloud_state(&world.standby).await);
    [primary, standby].map(|state| state["read_only"].as_bool().unwrap())
}

/// The epoch and the number of a token that a batch created.
fn mark(line: &str) -> Option<(u64, u64)> {
    let token = line.strip_prefix("CREATE").and_then(|rest| rest.split_once("v1;c="))?.1;
    let field = |key: &str| token.split(';').find_map(|field| field.strip_prefix(key))?.parse().ok();
    Some((field("e=")?, field("s=")?))
}

#[tokio::test]
async fn there_and_back_again_whoever_is_killed_when_and_never_two_writers() {
    let seed = asked("QUORATE_ROUNDS_SEED").unwrap_or_else(|| SystemClock::new().wall().as_ms());
    let rounds = asked("QUORATE_ROUNDS").unwrap_or(ROUNDS);
    let promotions = asked("QUORATE_ROUNDS_PROMOTED").unwrap_or(rounds / PROMOTED_OF).min(rounds);
    println!("QUORATE_ROUNDS_SEED={seed} QUORATE_ROUNDS={rounds} QUORATE_ROUNDS_PROMOTED={promotions}");
    let mut run = Run::begun(seed).await;
    let (begun, mut left) = (Instant::now(), promotions);
    for round in 1..=rounds {
        // Just so many of those that are left, each of them as likely as any other.
        let promoted = run.chance.below(rounds - round + 1) < left;
        left -= u64::from(promoted);
        run.round(promoted).await;
        if round % 10 == 0 {
            println!("{round} rounds in {:.0?}, {} writes tried", begun.elapsed(), run.witness.attempts(0).len());
        }
    }
    run.judge(0);
    assert_eq!(run.world.flipped() as u64, 2 * rounds);
    let attempts = run.witness.attempts(0);
    println!(
        "{rounds} rounds, {promotions} of them promoted, in {:.0?}; {} writes tried",
        begun.elapsed(),
        attempts.len()
    );
    println!("killed at {:#?}\ncommands that ended otherwise {:#?}", run.killed, run.ended);
}

/// What finds nothing in a hundred rounds must find something where there is something: a site that somebody lets write by hand.
async fn is_seen_writing(role: Role) {
    let mut world = fenceable().await;
    let witness = Witness::start(&world).await;
    run(&mut world).await;
    let moved = world.cli(&["failover", "login", "--reason", "a round", "--yes"]).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let after = SystemClock::new().wall().as_ms();
    by_hand(&world, if role == Role::Primary { &world.primary } else { &world.standby }, false).await;
    world.until_so("it writes", async || witness.has_written(role, after)).await;
    let found = second_writers(&witness.attempts(0), &Rights::of(&entries(&world.rows(JOURNAL))));
    let words = format!("the {role} has taken a write that it must not take");
    assert!(found.iter().any(|found| found.contains(&words)), "{found:?}");
    // The controller, which tries writes on both sides, has seen it too.
    let alerted = world.until_history("alert-raised").await;
    assert!(alerted.contains(&format!("{role}-writable")), "{alerted}");
    let found = Rights::of(&entries(&world.rows(JOURNAL))).faults;
    assert!(found.iter().any(|found| found.contains("an alert")), "{found:?}");
}

#[tokio::test]
async fn a_fenced_primary_that_writes_is_seen() {
    is_seen_writing(Role::Primary).await;
}

#[tokio::test]
async fn a_standby_that_writes_unpromoted_is_seen() {
    is_seen_writing(Role::Standby).await;
}

#[tokio::test]
async fn a_failover_that_is_given_up_after_the_fence_gives_the_primary_its_writes_back() {
    let mut world = fenceable().await;
    let witness = Witness::start(&world).await;
    run(&mut world).await;
    world.lab_faults(FaultChange { unavailable: Some(u32::MAX), ..FaultChange::default() });
    world.break_primary().await;
    world.until_so("both sites refuse writes", async || read_only(&world).await == [true, true]).await;
    world.fault(&world.primary, json!({ "login": "ok" })).await;
    world.until_verdict(0, "healthy").await;
    world.lab_faults(FaultChange { unavailable: Some(0), ..FaultChange::default() });
    world.until_history("plan-closed").await;
    world.until("nothing is left of it", is_quiet).await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (0, PRIMARY));
    assert_eq!(read_only(&world).await, [false, true]);
    let after = SystemClock::new().wall().as_ms();
    world.until_so("the primary takes writes", async || witness.has_written(Role::Primary, after)).await;
    let release =
        world.history().await.into_iter().find(|(kind, text)| kind == "plan-opened" && text.contains("release"));
    assert!(release.is_some_and(|(_, text)| text.contains("was given up, and had told it to refuse writes")));
    let rights = Rights::of(&entries(&world.rows(JOURNAL)));
    assert_eq!(second_writers(&witness.attempts(0), &rights), [""; 0]);
}

#[tokio::test]
async fn a_live_drill_fences_the_primary_and_gives_it_back() {
    let mut world = fenceable().await;
    let witness = Witness::start(&world).await;
    run(&mut world).await;
    let drill =
        ["drill", "run", "login", "--kind", "live", "--hold", "3s", "--reason", "game day", "--yes", "--no-wait"];
    let begun = world.cli(&drill).await;
    assert_eq!(begun.code, Some(0), "{begun:?}");
    let away = |service: &Value| service["serving"] == "standby" && service["plan"].is_null();
    let away = world.until("the standby serves", away).await;
    assert_eq!((&away["sides"]["primary_fenced"], read_only(&world).await), (&json!(true), [true, true]));
    assert_eq!(world.answer().await, STANDBY);
    world.until_history("drill-ended").await;
    let back = world.until("all is as it was", as_it_was).await;
    assert_eq!(
        (world.flipped(), world.answer().await.as_str(), read_only(&world).await),
        (2, PRIMARY, [false, true]),
        "{back:#}"
    );
    let after = SystemClock::new().wall().as_ms();
    world.until_so("the primary takes writes", async || witness.has_written(Role::Primary, after)).await;

    let report = world.cli(&["drill", "report", "login", "--json"]).await.json();
    assert_eq!(report["result"], "passed", "{report:#}");
    let report = world.cli(&["drill", "report", "login", "--format", "md"]).await;
    assert!(
        report.out.contains("tell the primary to refuse writes") && report.out.contains("aws refuses writes"),
        "{report:?}"
    );
    let rights = Rights::of(&entries(&world.rows(JOURNAL)));
    assert_eq!((rights.fenced.len(), rights.promoted.len()), (1, 0));
    let attempts = witness.attempts(0);
    assert_eq!((second_writers(&attempts, &rights), blind(&attempts, &rights, SEEN_WITHIN_MS)), (vec![], vec![]));
}
