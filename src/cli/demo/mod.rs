//! `quorate demo`: the whole loop on one machine, with real parts: a strict Route 53 and its name server, two clouds that people log in
//! to, five agents and a controller, each a process of its own. It breaks only the login of the primary, and shows what
//! follows.

mod facts;
mod story;
mod world;

use std::collections::BTreeSet;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use url::Url;

use super::client::Controller;
use super::exit::{self, Failure};
use super::show::{BAD, GOOD, QUIET, STRONG, WARN};
use super::{compose, life};
use crate::adapters::clock::SystemClock;
use crate::adapters::resolver::Hickory;
use crate::adapters::script::RhaiRunner;
use crate::adapters::standby_http::StandbyHttp;
use crate::domain::{Authority, Epoch, Outcome, PlanId, Role, Step};
use crate::ports::{Clock, ProbeRequest, ProbeRunner, Resolution, Resolver, SiteControl, WriteProbe};
use crate::wire::api::{Event, ServiceStatus, VoteStatus};
use facts::Facts;
use story::Story;
use world::{World, until};

/// How long everything may take to be seen healthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// How long the failover may take, the policy's confirmation included.
const FAILOVER_WITHIN: Duration = Duration::from_secs(120);
/// How long the last notices may take.
const NOTICES_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks at the answer and the events.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at `/healthz` and the notices.
const SLOW_LOOK: Duration = Duration::from_millis(250);
/// The channels of the example's webhooks.
const CHANNEL: &str = "ops";
const LOUD_CHANNEL: &str = "ops-loud";

/// Watch a broken login being noticed by a quorum, and the name moved to a read-only standby: all of it on this machine, with nothing
/// to install.
///
/// Exits with 0 only if all of it truly happened (with --once), else with 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End after the failover, instead of staying up to be looked at.
    #[arg(long)]
    once: bool,
    /// Print one JSON line at the end, and nothing else.
    #[arg(long, requires = "once")]
    json: bool,
    /// The first of the four ports to use; a free one is found unless given.
    #[arg(long, value_name = "N")]
    port_base: Option<u16>,
}

/// Runs the demo; whatever happens, its processes and files are gone at the end.
pub(super) async fn run(args: Args) -> ExitCode {
    let mut story = Story::new(args.json);
    // One listener for all of it: a signal between two would be lost.
    let mut signalled = pin!(life::signalled());
    let mut world = match World::start(args.port_base, signalled.as_mut()).await {
        Ok(world) => world,
        Err(failure) => return exit::said(Err(failure)),
    };
    let played = tokio::select! {
        played = play(&mut world, &mut story, &args) => played,
        () = &mut signalled => Err(Failure::unknown("interrupted: everything was stopped and removed")),
    };
    let ended = match played {
        Ok((eyes, mut follower)) if !args.once => {
            let stayed = tokio::select! {
                failure = stay(&mut world, &eyes, &story, &mut follower) => Err(failure),
                () = &mut signalled => Ok(()),
            };
            story.plain("\nstopping, and removing everything");
            stayed
        }
        played => played.map(drop),
    };
    world.stop().await;
    exit::said(ended)
}

/// Everything that the demo looks with.
struct Eyes {
    controller: Controller,
    http: reqwest::Client,
    resolver: Hickory,
    clock: SystemClock,
    runner: Arc<RhaiRunner>,
}

#[derive(Debug, Clone, Deserialize)]
struct Arrived {
    kind: String,
    to: String,
    text: String,
    at_ms: u64,
}

impl Eyes {
    fn new(world: &World) -> Result<Self, Failure> {
        let api = world.controller_api().parse().map_err(Failure::unknown)?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        Ok(Self {
            controller: Controller::new(api, None)?,
            http: http.map_err(Failure::unknown)?,
            resolver: Hickory::new(),
            clock: SystemClock::new(),
            runner: compose::runner(world.config().checks.clone(), world.config().library.clone())?,
        })
    }

    async fn status(&self) -> Option<ServiceStatus> {
        self.controller.status(None).await.ok()?.services.into_iter().next()
    }

    /// What the lab's name server answers.
    async fn answer(&self, world: &World) -> Option<String> {
        let dns = &world.service().dns;
        let answers = self.resolver.ask(world.name_server(), &dns.name, dns.kind).await.ok()?;
        answers.into_iter().next()
    }

    async fn healthz(&self, site: &Url) -> u16 {
        let Ok(url) = site.join("/healthz") else { return 0 };
        self.http.get(url).send().await.map_or(0, |answer| answer.status().as_u16())
    }

    async fn notices(&self, world: &World) -> Vec<Arrived> {
        let Ok(url) = world.lab_api().join("/lab/notices") else { return Vec::new() };
        match self.http.get(url).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Tries a write on the standby, as the controller does.
    async fn write_is_refused(&self, world: &World) -> bool {
        let Some(configured) = world.config().services.first() else { return false };
        let (service, read_only) = (&configured.service, &configured.read_only);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let standby = StandbyHttp::new(
            &service.standby.name,
            read_only.url.clone(),
            read_only.write_probe.clone(),
            read_only.key.clone(),
            clock,
        );
        let fence = Authority::new(Epoch::default(), None).fence(self.clock.now());
        let (Ok(standby), Some(fence), Ok(plan)) = (standby, fence, PlanId::new("demo")) else { return false };
        matches!(standby.probe_write(&fence, &service.name, &plan).await, Ok(WriteProbe::Refused { .. }))
    }

    /// Logs in through the public name, as the name server answers it now.
    async fn public_login(&self, world: &World) -> bool {
        let service = world.service();
        for check in &service.checks {
            let request = ProbeRequest {
                check: check.clone(),
                target: service.public_url.clone(),
                role: Role::Standby,
                vantage: None,
                deadline: service.policy.timeout,
                resolution: Resolution::Through(world.name_server()),
            };
            if self.runner.run(&request).await.outcome != Outcome::Pass {
                return false;
            }
        }
        !service.checks.is_empty()
    }
}

async fn play(world: &mut World, story: &mut Story, args: &Args) -> Result<(Eyes, Follower), Failure> {
    let eyes = Eyes::new(world)?;
    introduce(world, story);
    let mut facts = Facts { service: world.service().name.to_string(), ..Facts::default() };

    // Both sites are proven, and the zone is fenced.
    let before = until(world, HEALTHY_WITHIN, "both sites being seen healthy by every vantage", async |_: &World| {
        let status = eyes.status().await?;
        let all_up = |votes: &[VoteStatus]| votes.iter().all(|vote| vote.view == "up");
        let good = status.sites.iter().all(|site| all_up(&site.votes)) && status.token.is_some();
        good.then_some(status)
    })
    .await?;
    facts.answer_before = eyes.answer(world).await.unwrap_or_default();
    for site in &before.sites {
        let up = site.votes.iter().filter(|vote| vote.view == "up").count();
        story.fact(&site.role, &format!("{GOOD}healthy{GOOD:#}: {up} of {} vantages log in", site.votes.len()));
    }
    story
        .fact("answer", &format!("{} → {} ({})", before.dns_name, facts.answer_before, world.service().primary.name));

    let mut follower =
        Follower::new(eyes.controller.events(0, Duration::ZERO).await?.events.last().map_or(0, |e| e.n));
    break_login(world, &eyes, story, &mut facts).await?;
    watch(world, &eyes, story, &mut facts, &mut follower).await?;

    // What the controller says is one thing; the demo looks for itself.
    facts.write_refused = eyes.write_is_refused(world).await;
    facts.public_login = eyes.public_login(world).await;
    let after = eyes.controller.status(None).await?;
    facts.epoch = after.epoch;
    facts.serving = after.services.first().map(|service| service.serving.clone()).unwrap_or_default();
    let missing = facts.missing();
    if args.json {
        let line = serde_json::to_string(&facts.line()).map_err(Failure::unknown)?;
        let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
    } else {
        conclude(story, &facts, &missing);
    }
    if !missing.is_empty() {
        let log = world.log_tail("controller");
        return Err(Failure::no_because(format!("this did not happen: {}\n{log}", missing.join("; "))));
    }
    Ok((eyes, follower))
}

fn introduce(world: &World, story: &Story) {
    let service = world.service();
    let (lab, dns) = (world.lab_api(), world.name_server());
    let vantages: Vec<&str> = world.config().vantages.iter().map(|vantage| vantage.name.as_str()).collect();
    story.heading("Quorate demo: a login service in two clouds, watched from five vantages, all on this machine");
    story.fact("Route 53", &format!("{lab} {QUIET}(a strict stand-in){QUIET:#}, name server {dns}"));
    story.fact(
        "sites",
        &format!(
            "{} {}   {} {}",
            service.primary.name, service.primary.url, service.standby.name, service.standby.url
        ),
    );
    story.fact("controller", &format!("{}, policy {}", world.controller_api(), service.policy.name()));
    story.fact("vantages", &vantages.join(", "));
}

async fn break_login(world: &World, eyes: &Eyes, story: &mut Story, facts: &mut Facts) -> Result<(), Failure> {
    let site = &world.service().primary;
    let switch = site.url.join("/lab/faults").map_err(Failure::unknown)?;
    let switched = eyes.http.post(switch).json(&json!({ "login": "error" })).send().await;
    let switched = switched.and_then(reqwest::Response::error_for_status);
    switched.map_err(|error| Failure::unknown(format!("the fault switchboard of {}: {error}", site.name)))?;
    facts.fault_at_ms = eyes.clock.wall().as_ms();
    story.starts_at(facts.fault_at_ms);
    story.heading(&format!("The login of {} breaks now. Its /healthz does not notice.", site.name));
    Ok(())
}

/// Follows events, answers and notices, and tells each once.
struct Follower {
    event: u64,
    answer: Option<String>,
    notices: usize,
    healthz_told: bool,
    down: usize,
    failing: BTreeSet<(String, String)>,
}

impl Follower {
    fn new(event: u64) -> Self {
        Self { event, answer: None, notices: 0, healthz_told: false, down: 0, failing: BTreeSet::new() }
    }

    async fn events(&mut self, world: &World, eyes: &Eyes, story: &Story, facts: &mut Facts) {
        let Ok(answer) = eyes.controller.events(self.event, Duration::ZERO).await else { return };
        for event in answer.events {
            self.event = event.n;
            facts.take(&event);
            if event.code == "plan-opened"
                && let Some(status) = eyes.status().await
            {
                let votes = status.sites.into_iter().find(|site| site.role == "primary").map(|site| site.votes);
                let votes = votes.unwrap_or_default();
                facts.votes_of = votes.len();
                facts.votes_down = votes.iter().filter(|vote| vote.view == "down").count();
            }
            self.tell(world, story, &event);
        }
    }

    fn tell(&mut self, world: &World, story: &Story, event: &Event) {
        let at = event.at_ms;
        let vantage = event.vantage.as_deref().unwrap_or_default();
        let role = event.role.as_deref().unwrap_or_default();
        match event.code.as_str() {
            "view" => {
                let view = event.text.rsplit(' ').next().unwrap_or_default();
                if view == "down" && role == "primary" {
                    self.down += 1;
                    let of = world.config().vantages.len();
                    story.vantage(
                        at,
                        view,
                        vantage,
                        &format!("votes {BAD}down{BAD:#} on the {role} ({} of {of})", self.down),
                    );
                } else if view != "failing" {
                    story.vantage(at, view, vantage, &format!("{role}: {}", event.text));
                }
            }
            // A vantage's first failing probe says why; those after it say the same.
            "probe-failed" if self.failing.insert((vantage.to_owned(), role.to_owned())) => {
                story.vantage(at, "failing", vantage, &format!("{role}: {}", event.text));
            }
            "verdict" => story.turn(
                at,
                "◆",
                if event.text.contains("unhealthy") { BAD } else { STRONG },
                &format!("{role}: {}", event.text),
            ),
            "plan-opened" => story.turn(at, "▶", WARN, &event.text),
            "step-succeeded" => {
                let step = event.step.as_deref().and_then(Step::parse);
                story.step(at, "✓", GOOD, step.map_or("", Step::sentence), &event.text);
            }
            "step-failed" | "step-voided" => {
                story.step(at, "✗", BAD, event.step.as_deref().unwrap_or_default(), &event.text)
            }
            "plan-done" => story.turn(at, "■", GOOD, &event.text),
            "plan-stuck" | "plan-abandoned" | "blocked" => story.turn(at, "■", BAD, &event.text),
            "frozen" | "unfrozen" | "waiting" => story.turn(at, "·", WARN, &event.text),
            _ => {}
        }
    }

    async fn answer(&mut self, world: &World, eyes: &Eyes, story: &Story, facts: &mut Facts) {
        let Some(answer) = eyes.answer(world).await else { return };
        if self.answer.as_ref() == Some(&answer) {
            return;
        }
        let now = eyes.clock.wall().as_ms();
        if let Some(before) = self.answer.replace(answer.clone()) {
            let name = &world.service().dns.name;
            story.turn(now, "⇄", GOOD, &format!("{name} answers {answer} (was {before})"));
            facts.answer_after = answer;
        }
    }

    async fn healthz(&mut self, world: &World, eyes: &Eyes, story: &Story, facts: &mut Facts) {
        let status = eyes.healthz(&world.service().primary.url).await;
        facts.healthz.push(status);
        if self.down > 0 && !std::mem::replace(&mut self.healthz_told, true) {
            let text = format!("{}/healthz still answers {status}", world.service().primary.name);
            story.turn(eyes.clock.wall().as_ms(), "○", QUIET, &text);
        }
    }

    async fn notices(&mut self, world: &World, eyes: &Eyes, story: &Story, facts: &mut Facts) {
        let arrived = eyes.notices(world).await;
        for notice in arrived.iter().skip(self.notices) {
            let to = if notice.kind == "slack" { format!("#{}", notice.to) } else { format!("SMS {}", notice.to) };
            story.notice(notice.at_ms, &to, &notice.text);
            match (notice.kind.as_str(), notice.to.as_str()) {
                ("slack", CHANNEL) => facts.slack += 1,
                ("slack", LOUD_CHANNEL) => facts.slack_loud += 1,
                ("sms", _) => facts.sms += 1,
                _ => {}
            }
        }
        self.notices = arrived.len();
    }
}

/// From the fault to the end of the plan, and the last notices.
async fn watch(
    world: &mut World,
    eyes: &Eyes,
    story: &Story,
    facts: &mut Facts,
    follower: &mut Follower,
) -> Result<(), Failure> {
    let deadline = Instant::now() + FAILOVER_WITHIN;
    let mut slow_at = Instant::now();
    let mut ended_at: Option<Instant> = None;
    loop {
        follower.events(world, eyes, story, facts).await;
        follower.answer(world, eyes, story, facts).await;
        if Instant::now() >= slow_at {
            slow_at = Instant::now() + SLOW_LOOK;
            follower.healthz(world, eyes, story, facts).await;
            follower.notices(world, eyes, story, facts).await;
        }
        if facts.plan_end.is_some() {
            // The notice of the end is sent after it.
            let ended_at = *ended_at.get_or_insert_with(Instant::now);
            let all = eyes.notices(world).await.iter().filter(|notice| notice.text.contains("serves")).count();
            let recipients = 1 + world.config().notify.sms.as_ref().map_or(0, |sms| sms.to.len());
            if all >= recipients || ended_at.elapsed() > NOTICES_WITHIN {
                follower.notices(world, eyes, story, facts).await;
                return Ok(());
            }
        }
        if let Some(failure) = world.fallen() {
            return Err(failure);
        }
        if Instant::now() >= deadline {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

fn conclude(story: &Story, facts: &Facts, missing: &[String]) {
    let seconds = |ms: Option<u64>| {
        ms.map_or_else(|| "never".to_owned(), |ms| format!("{:.1} s", Duration::from_millis(ms).as_secs_f64()))
    };
    let times = &facts.times;
    story.heading("What happened, in seconds after the fault");
    story.fact(
        "noticed",
        &format!(
            "first failing login {}, quorum {} ({} of {} votes when it acted)",
            seconds(times.first_failure),
            seconds(times.verdict),
            facts.votes_down,
            facts.votes_of
        ),
    );
    story.fact("standby", &format!("read-only, a write refused: {}", seconds(times.read_only)));
    story.fact(
        "flip",
        &format!(
            "accepted {}, in sync {}, answer moved {}",
            seconds(times.flip_accepted),
            seconds(times.in_sync),
            seconds(times.answer_moved)
        ),
    );
    story.fact("users", &format!("a login through the public name works: {}", seconds(times.public_login_ok)));
    story.fact(
        "/healthz",
        &format!("{} at every one of {} looks", facts.healthz.first().copied().unwrap_or(0), facts.healthz.len()),
    );
    story.fact(
        "told",
        &format!(
            "{} on #{CHANNEL}, {} on #{LOUD_CHANNEL}, {} text messages",
            facts.slack, facts.slack_loud, facts.sms
        ),
    );
    if missing.is_empty() {
        story.plain(&format!(
            "\n{GOOD}failed over{GOOD:#}: {} → {}, epoch {}",
            facts.answer_before,
            facts.answer_after,
            facts.epoch.map_or_else(|| "?".to_owned(), |epoch| epoch.to_string())
        ));
    }
}

/// Stays up for whoever wants to look around, until a process falls.
async fn stay(world: &mut World, eyes: &Eyes, story: &Story, follower: &mut Follower) -> Failure {
    let (api, service) = (world.controller_api(), world.service().name.clone());
    let primary = world.service().primary.url.clone();
    story.heading("It stays up until Ctrl-C. Look around from another terminal:");
    for line in [
        format!("export QUORATE_API={api}"),
        "quorate status --watch".to_owned(),
        format!("quorate explain {service}"),
        format!("quorate history {service}"),
        format!("curl -s {api}/v1/status"),
        format!("dig @127.0.0.1 -p {} {} +short", world.name_server().port(), world.service().dns.name),
    ] {
        story.plain(&format!("  {line}"));
    }
    story.plain("\nMend the primary, and go back:");
    story.plain(&format!(
        "  curl -s {primary}lab/faults -H 'content-type: application/json' -d '{{\"login\":\"ok\"}}'"
    ));
    story.plain(&format!("  quorate failback {service} --reason 'the login is mended'"));
    story.plain(&format!("\n{QUIET}configuration: {}{QUIET:#}", world.config_path().display()));
    let mut facts = Facts::default();
    loop {
        follower.events(world, eyes, story, &mut facts).await;
        follower.answer(world, eyes, story, &mut facts).await;
        follower.notices(world, eyes, story, &mut facts).await;
        if let Some(failure) = world.fallen() {
            return failure;
        }
        sleep(SLOW_LOOK).await;
    }
}
