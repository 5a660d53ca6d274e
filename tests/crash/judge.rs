//! What must be true in the end, wherever it was killed.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use quorate::adapters::resolver::Hickory;
use quorate::adapters::script::RhaiRunner;
use quorate::domain::{
    JournalEntry, JournalRecord, Outcome, OwnedRecords, Plan, PlanDigest, RecordType, Role, Step, Terms,
};
use quorate::lab::{NoticeKind, RequestEntry};
use quorate::ports::{DnsProvider, ProbeRequest, ProbeRunner, Resolution, Resolver};
use serde_json::json;

use super::cases::Group;
use super::ports::{append_name, entry_name};
use super::settings::{self, NAME, NUMBER, PRIMARY, STANDBY};
use super::world::World;

/// What a killed controller left behind.
pub(crate) struct Death {
    point: String,
    journal: Vec<JournalRecord>,
    /// The notices that were not recorded as sent: key and recipient.
    unsent: BTreeSet<(String, String)>,
    /// How many changes the provider had been asked for.
    requests: usize,
}

impl Death {
    /// Looks at what is on disk.
    pub(crate) async fn new(point: &str, world: &World) -> Self {
        let unsent = world.outbox().into_iter().filter(|(.., sent)| !sent);
        Self {
            point: point.to_owned(),
            journal: world.journal().await,
            unsent: unsent.map(|(key, recipient, ..)| (key, recipient)).collect(),
            requests: world.lab.requests().len(),
        }
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, wanted: T) {
        if found != wanted {
            self.0.push(format!("{what}: found {found:?}, wanted {wanted:?}"));
        }
    }

    fn within(&mut self, what: &str, found: usize, wanted: RangeInclusive<usize>) {
        self.holds(&format!("{what}: found {found}, wanted {wanted:?}"), wanted.contains(&found));
    }

    fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            self.0.push(what.to_owned());
        }
    }
}

/// Judges a world that has come to its end.
pub(crate) async fn judge(
    world: &mut World,
    group: Group,
    deaths: &[Death],
    epoch: u64,
    probes: &RhaiRunner,
) -> Result<(), String> {
    let mut findings = Findings::default();
    name(world, group, probes, &mut findings).await;
    world.stop_controller().await;
    let traces = world.traces();
    let passed = |point: &str| traces.iter().flatten().filter(|line| *line == point).count();

    // A start that dies before its claim has taken no epoch; every other one takes exactly one.
    let unclaimed = deaths.iter().filter(|death| death.point == "before claim").count();
    findings.same("the epoch", epoch, (1 + deaths.len() - unclaimed) as u64);
    let journal = world.journal().await;
    let digest = judge_journal(&journal, group, deaths, &world.lab.requests(), &mut findings);
    zone(world, group, epoch, digest, &mut findings).await;

    let requests = world.lab.requests();
    let accepted = |prefix: &str| requests.iter().filter(|request| is_accepted(request, prefix)).count();
    findings.same("flips to the standby", accepted("quorate login to standby"), 1);
    findings.same(
        "flips to the primary",
        accepted("quorate login to primary"),
        usize::from(group == Group::Failback),
    );
    // What a process has sent when a notice's point kills it arrives or does not: one of the two numbers that its points allow.
    let sent = |what: &str| {
        let before = format!("before {what}");
        let unsent = deaths.iter().filter(|death| death.point == before).count();
        passed(&format!("after {what}"))..=passed(&before) - unsent
    };
    findings.within("fence writes", accepted("quorate fence"), sent("apply fence"));
    let refused = requests.iter().filter(|request| request.status >= 300).count();
    let unheard = ["apply fence", "apply flip (login-1)", "apply flip (login-2)"].map(sent);
    findings.within("refused changes", refused, 0..=unheard.iter().map(|sent| sent.end() - sent.start()).sum());

    let state = world.standby_state().await;
    findings.same("read-only", &state["read_only"], &json!(true));
    findings.same("writes that the standby took", &state["writes"], &json!(0));
    let times = |key: &str| state[key].as_u64().unwrap_or_default() as usize;
    findings.within("requests to become read-only", times("enter_requests"), sent("enter-read-only (login-1)"));
    findings.within("tried writes", times("write_probes"), sent("probe-write (login-1)"));
    notices(world, group, deaths, &traces, &mut findings);
    if findings.0.is_empty() { Ok(()) } else { Err(findings.0.join("\n")) }
}

fn is_accepted(request: &RequestEntry, prefix: &str) -> bool {
    request.status < 300 && request.comment.as_deref().unwrap_or_default().starts_with(prefix)
}

/// How many flips of a plan must be found void: their start was durable at a death, and the provider had accepted none when the next
/// controller fenced the zone. Such a flip is done afresh, and any other is found applied. A flip may be under way when a death comes from
/// elsewhere, so the provider's log is asked, and not the name of the point.
fn lost_flips(plan: &str, requests: &[RequestEntry], deaths: &[Death]) -> usize {
    let to = if plan.ends_with("-1") { Role::Standby } else { Role::Primary };
    let started = format!("started {} ({plan})", Step::FlipRecords.as_str());
    let mut lost = BTreeSet::new();
    for death in deaths {
        let fence = requests.iter().skip(death.requests).position(|request| is_accepted(request, "quorate fence"));
        let before_fence = death.requests + fence.unwrap_or(0);
        let flip = format!("quorate login to {to}");
        let applied = requests.iter().take(before_fence).any(|request| is_accepted(request, &flip));
        if let Some(last) = death.journal.last()
            && entry_name(&last.entry) == started
            && !applied
        {
            lost.insert(last.id);
        }
    }
    lost.len()
}

/// What users see.
async fn name(world: &World, group: Group, probes: &RhaiRunner, findings: &mut Findings) {
    let service = world.settings.service();
    let host = if group.ends_at() == Role::Standby { STANDBY } else { PRIMARY };
    let answer = Hickory::new().ask(world.settings.dns, NAME, RecordType::A).await;
    findings.same("the public name's answer", answer, Ok(vec![host.to_owned()]));
    let request = ProbeRequest {
        check: service.checks[0].clone(),
        target: service.public_url.clone(),
        role: group.ends_at(),
        vantage: None,
        deadline: std::time::Duration::from_secs(20),
        resolution: Resolution::Through(world.settings.dns),
    };
    findings.same("the public login", probes.run(&request).await.outcome, Outcome::Pass);
}

/// The zone: the records moved, under the mark of the plan that is done and of the last controller.
async fn zone(world: &World, group: Group, epoch: u64, digest: Option<PlanDigest>, findings: &mut Findings) {
    let service = world.settings.service();
    let zone = world.settings.provider().read(&service.dns.zone, &service.names()).await.unwrap();
    let found = OwnedRecords::find(&settings::cluster(), &service, &zone);
    let Ok(records) = found else { return findings.holds(&format!("the zone: {found:?}"), false) };
    let token = records.token();
    findings.same("the records", records.serving(), group.ends_at());
    findings.same("the mark's site", token.serving, group.ends_at());
    findings.same("the mark's epoch", token.epoch.get(), epoch);
    findings.same("the mark's plan", token.digest.clone(), digest);
}

/// The journal says what happened, in order, each step once; returns the digest of the last plan.
fn judge_journal(
    journal: &[JournalRecord],
    group: Group,
    deaths: &[Death],
    requests: &[RequestEntry],
    findings: &mut Findings,
) -> Option<PlanDigest> {
    let names: Vec<String> = journal.iter().map(|record| entry_name(&record.entry)).collect();
    // An attempt that failed for want of time is followed by another; a guard may have spoken up meanwhile. Neither is an effect.
    let mut told: Vec<String> = Vec::new();
    let mut again = None;
    for name in &names {
        if let Some(step) = name.strip_prefix("failed ") {
            again = Some(format!("started {step}"));
        } else if name != "attempt-blocked" && again.take_if(|again| again == name).is_none() {
            told.push(name.clone());
        }
    }
    let mut wanted = Vec::new();
    let plan = |id: &str, steps: &[Step], wanted: &mut Vec<String>| {
        wanted.push(format!("plan-opened ({id})"));
        for step in steps.iter().map(|step| step.as_str()) {
            if step == Step::FlipRecords.as_str() {
                for _ in 0..lost_flips(id, requests, deaths) {
                    wanted.extend([format!("started {step} ({id})"), format!("voided {step} ({id})")]);
                }
            }
            wanted.extend([format!("started {step} ({id})"), format!("succeeded {step} ({id})")]);
        }
        wanted.push(format!("plan-done ({id})"));
    };
    let to = |role| Plan::steps_to(role, Terms::default());
    if group == Group::Failback {
        plan("login-1", &to(Role::Standby), &mut wanted);
        plan("login-2", &to(Role::Primary), &mut wanted);
    } else {
        wanted.extend(["incident-opened 1", "incident-escalated 1"].map(str::to_owned));
        plan("login-1", &to(Role::Standby), &mut wanted);
        wanted.push("incident-moved 1 (login-1)".to_owned());
    }
    findings.same("the journal", told, wanted);

    for death in deaths {
        let at = &death.point;
        findings.holds(
            &format!("the journal at the death '{at}' is not the beginning of the last one"),
            journal.starts_with(&death.journal),
        );
        let left: Vec<String> = death.journal.iter().map(|record| entry_name(&record.entry)).collect();
        if let Some(append) = at.strip_prefix("after append ") {
            let whole = (1..=left.len()).any(|n| append_name(&left[left.len() - n..]) == format!("append {append}"));
            findings.holds(&format!("'{at}': what was appended is not whole at the journal's end"), whole);
        } else if let Some(append) = at.strip_prefix("before append ") {
            let some = append.split(", ").any(|name| left.last().is_some_and(|last| last == name));
            findings.holds(&format!("'{at}': some of it is in the journal"), !some);
        }
    }
    journal.iter().rev().find_map(|record| match &record.entry {
        JournalEntry::PlanOpened { plan } => Some(plan.digest().clone()),
        _ => None,
    })
}

/// Everybody was told everything; twice only where the record of the first time was lost.
fn notices(world: &World, group: Group, deaths: &[Death], traces: &[Vec<String>], findings: &mut Findings) {
    let queued: Vec<_> = world.outbox().into_iter().filter(|(key, ..)| !key.contains("/blocked/")).collect();
    let sms = format!("sms:{NUMBER}");
    let quiet = |key: &str| vec![(format!("login/{key}"), "slack:quiet".to_owned())];
    let loud = |key: &str| ["slack:loud", &sms].map(|who| (format!("login/{key}"), who.to_owned())).to_vec();
    let moved = |plan: &str| {
        let closed = format!("plan-{plan}/closed");
        [quiet(&format!("plan-{plan}/opened")), quiet(&closed), loud(&closed)].concat()
    };
    let wanted = match group {
        Group::Failback => [moved("login-1"), moved("login-2")].concat(),
        Group::Failover | Group::LostAnswer => {
            [quiet("incident-1/opened"), loud("incident-1/escalated"), moved("login-1")].concat()
        }
    };
    let keys: Vec<(String, String)> = queued.iter().map(|(key, who, ..)| (key.clone(), who.clone())).collect();
    findings.same("what was to be told", keys, wanted);
    let received = world.lab.notices();
    for (key, who, text, sent) in queued {
        findings.holds(&format!("{key} to {who} is not recorded as sent"), sent);
        let (kind, to) = match who.split_once(':') {
            Some(("slack", channel)) => (NoticeKind::Slack, channel),
            _ => (NoticeKind::Sms, NUMBER),
        };
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let said = if kind == NoticeKind::Slack { escaped } else { text };
        let times = received.iter().filter(|n| n.kind == kind && n.to == to && n.text == said).count();
        let count = |trace: &Vec<String>, when: &str| {
            trace.iter().filter(|line| **line == format!("{when} notify {key} {who}")).count()
        };
        let (begun, ended) =
            ["before", "after"].map(|when| traces.iter().map(|t| count(t, when)).sum::<usize>()).into();
        let what = format!("{key} to {who} came {times} times; begun {begun}, ended {ended}");
        findings.holds(&what, times >= 1 && (ended..=begun).contains(&times));
        // Process n died as death n; the last one did not.
        for (n, death) in deaths.iter().enumerate() {
            let later = traces[n + 1..].iter().any(|trace| count(trace, "before") > 0);
            let lost = death.unsent.contains(&(key.clone(), who.clone()));
            let told = count(&traces[n], "before") > 0;
            findings.holds(&format!("{key} to {who} was recorded as sent, and sent again"), !(told && later) || lost);
        }
        if deaths.iter().any(|death| death.point == format!("after notify {key} {who}")) {
            findings.same(&format!("{key} to {who}, killed between sending and recording"), times, 2);
        }
    }
}
