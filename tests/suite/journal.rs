//! The journal's text: every kind of entry goes out and comes back, and what was written once is read for ever.

use std::time::Duration;

use quorate::domain::{
    Alert, Cause, ClusterName, Curve, DrainEnd, DrainRecord, Drill, DrillEnd, DrillEntry, DrillFault, DrillKind,
    DrillLook, Evidence, FailureKind, Finding, FlipIntent, Generation, IncidentEnd, JournalEntry, Lane, Objectives,
    Outcome, Plan, PlanDigest, PlanEnd, PlanId, PublicWord, Role, ServiceName, StepDetail, Straggler, Terms, Token,
    VantageName, VantageView, Vote,
};
use quorate::wire::journal::{from_text, to_text};

fn vote(vantage: &str, cloud: &str, full: bool) -> Vote {
    Vote {
        vantage: VantageName::new(vantage).unwrap(),
        cloud: cloud.into(),
        account: "probe-a".into(),
        view: VantageView::Down,
        score: 1500,
        burn: 410,
        burning: true,
        failing_now: full,
        failures: 3,
        kind: full.then_some(FailureKind::ServerError),
        reason: full.then(|| "the answer was 503: \"down\"\né".into()),
        failed_step: full.then(|| "log in".into()),
        age_ms: full.then_some(1200),
        generation: Generation::parse("00c0ffee00c0ffee").unwrap(),
    }
}

fn evidence() -> Evidence {
    let votes = vec![vote("aws-use1", "aws", true), vote("gcp-euw1", "gcp", false)];
    Evidence::recorded(Role::Primary, Lane::Down, votes, 5).unwrap()
}

fn plan_id() -> PlanId {
    PlanId::new("shop-3").unwrap()
}

fn token(text: &str) -> Token {
    Token::parse(text).unwrap()
}

fn plan(to: Role, cause: Cause) -> JournalEntry {
    let parent = token("v1;c=demo;e=4;s=0;t=primary;d=-");
    let plan = Plan::new(plan_id(), ServiceName::new("shop").unwrap(), to, cause, parent, Terms::default());
    JournalEntry::PlanOpened { plan: Box::new(plan) }
}

fn drained() -> JournalEntry {
    let vantage = |name: &str| VantageName::new(name).unwrap();
    let straggler = |vantage: &str, moved: Option<u64>, said_ttl_s| Straggler {
        vantage: VantageName::new(vantage).unwrap(),
        resolver: "[2001:db8::53]:53".parse().unwrap(),
        moved: moved.map(Duration::from_millis),
        stretched: Duration::from_secs(40),
        said_ttl_s,
    };
    let record = DrainRecord {
        end: DrainEnd::TimeOut,
        ttl: Duration::from_secs(30),
        curve: Curve::new([2_400, 31_000, 70_000].map(Duration::from_millis).to_vec(), 1, 2),
        stragglers: vec![straggler("aws-use1", Some(70_000), None), straggler("gcp-euw1", None, Some(3600))],
        public: vec![
            PublicWord { vantage: vantage("aws-use1"), outcome: Some(Outcome::Pass), why: None },
            PublicWord { vantage: vantage("gcp-euw1"), outcome: Some(Outcome::Fail), why: Some("login: 503".into()) },
            PublicWord { vantage: vantage("ibm-eude"), outcome: None, why: None },
        ],
    };
    JournalEntry::Drained { plan: plan_id(), record: Box::new(record) }
}

fn with_terms(to: Role, terms: Terms) -> JournalEntry {
    let cause = Cause::Operator { by: "ann".into(), reason: "audit".into(), force: false };
    let service = ServiceName::new("shop").unwrap();
    let parent = token("v1;c=demo;e=4;s=0;t=standby;d=-");
    JournalEntry::PlanOpened { plan: Box::new(Plan::new(plan_id(), service, to, cause, parent, terms)) }
}

/// Every variant, and every form of it, by the name of its fixture.
pub(crate) fn entries() -> Vec<(&'static str, JournalEntry)> {
    let (by, reason, why) = ("ann".to_owned(), "audit".to_owned(), "no answer in time".to_owned());
    let intent = FlipIntent {
        expected: token("v1;c=demo;e=4;s=0;t=primary;d=-"),
        new: token("v1;c=demo;e=4;s=1;t=standby;d=0123456789abcdef"),
    };
    let closed = |end| JournalEntry::PlanClosed { plan: plan_id(), end };
    let detail = |text: &str, change: Option<&str>| StepDetail {
        text: text.into(),
        change: change.map(Into::into),
        fenced: None,
    };
    vec![
        ("incident-opened", JournalEntry::IncidentOpened { number: 7, evidence: evidence() }),
        ("incident-escalated", JournalEntry::IncidentEscalated { number: 7, evidence: evidence() }),
        ("incident-closed-recovered", JournalEntry::IncidentClosed { number: 7, end: IncidentEnd::Recovered }),
        (
            "incident-closed-moved",
            JournalEntry::IncidentClosed { number: 7, end: IncidentEnd::Moved { plan: plan_id() } },
        ),
        ("attempt-blocked", JournalEntry::AttemptBlocked { blockers: vec!["frozen".into(), "cool-down".into()] }),
        ("frozen", JournalEntry::Frozen { by: by.clone(), reason: reason.clone() }),
        ("unfrozen", JournalEntry::Unfrozen { by: by.clone(), reason: reason.clone() }),
        (
            "pinned",
            JournalEntry::Pinned {
                to: Role::Standby,
                lasting: Duration::from_secs(5400),
                by: by.clone(),
                reason: reason.clone(),
            },
        ),
        ("unpinned", JournalEntry::Unpinned { by: by.clone(), reason: reason.clone() }),
        ("alert-raised", JournalEntry::AlertRaised { alert: Alert::ReserveUnproven, text: "no quorum".into() }),
        ("alert-cleared", JournalEntry::AlertCleared { alert: Alert::Blind }),
        ("acknowledged", JournalEntry::Acknowledged { by: by.clone(), reason: reason.clone() }),
        ("stuck-reminded", JournalEntry::StuckReminded { number: 2 }),
        (
            "adoption-asked",
            JournalEntry::AdoptionAsked {
                by: by.clone(),
                reason: reason.clone(),
                digest: PlanDigest::parse("0123456789abcdef").unwrap(),
                from: Some(ClusterName::new("old").unwrap()),
            },
        ),
        (
            "adoption-asked-of-nobody",
            JournalEntry::AdoptionAsked {
                by: by.clone(),
                reason: reason.clone(),
                digest: PlanDigest::parse("0123456789abcdef").unwrap(),
                from: None,
            },
        ),
        (
            "repair-asked",
            JournalEntry::RepairAsked {
                by: by.clone(),
                reason: reason.clone(),
                digest: PlanDigest::parse("0123456789abcdef").unwrap(),
            },
        ),
        (
            "reconciled",
            JournalEntry::Reconciled {
                by: by.clone(),
                reason: reason.clone(),
                digest: PlanDigest::parse("0123456789abcdef").unwrap(),
                findings: vec!["db: the primary is 7 bytes behind".into()],
            },
        ),
        ("alert-raised-drift", JournalEntry::AlertRaised { alert: Alert::Drift, text: "it answers nothing".into() }),
        ("plan-approved", JournalEntry::PlanApproved { plan: plan_id(), by: by.clone() }),
        (
            "plan-opened-quorum-with-terms",
            JournalEntry::PlanOpened {
                plan: Box::new(Plan::new(
                    plan_id(),
                    ServiceName::new("shop").unwrap(),
                    Role::Standby,
                    Cause::Quorum(evidence()),
                    token("v1;c=demo;e=4;s=0;t=primary;d=-"),
                    Terms { veto: true, approval: true, ..Terms::default() },
                )),
            },
        ),
        (
            "plan-opened-promotion",
            with_terms(Role::Standby, Terms { promote: true, fence: true, ..Terms::default() }),
        ),
        (
            "plan-opened-failback-of-promoted",
            with_terms(Role::Primary, Terms { promoted: true, fence: true, ..Terms::default() }),
        ),
        (
            "step-succeeded-fence",
            JournalEntry::StepSucceeded {
                plan: plan_id(),
                step: 2,
                detail: StepDetail { text: "it refuses writes".into(), change: None, fenced: Some(true) },
            },
        ),
        ("plan-opened-quorum", plan(Role::Standby, Cause::Quorum(evidence()))),
        ("plan-opened-operator", plan(Role::Primary, Cause::Operator { by, reason, force: true })),
        ("step-started", JournalEntry::StepStarted { plan: plan_id(), step: 0, intent: None }),
        ("step-started-flip", JournalEntry::StepStarted { plan: plan_id(), step: 2, intent: Some(Box::new(intent)) }),
        ("step-succeeded", JournalEntry::StepSucceeded { plan: plan_id(), step: 0, detail: detail("done", None) }),
        (
            "step-succeeded-flip",
            JournalEntry::StepSucceeded { plan: plan_id(), step: 2, detail: detail("accepted", Some("C0123")) },
        ),
        ("step-failed", JournalEntry::StepFailed { plan: plan_id(), step: 1, why: why.clone() }),
        ("step-voided", JournalEntry::StepVoided { plan: plan_id(), step: 2, why: why.clone() }),
        ("drained", drained()),
        ("plan-closed-done", closed(PlanEnd::Done)),
        ("plan-closed-abandoned", closed(PlanEnd::Abandoned { why: why.clone() })),
        ("plan-closed-stuck", closed(PlanEnd::Stuck { why })),
    ]
    .into_iter()
    .chain(drills())
    .collect()
}

fn drills() -> Vec<(&'static str, JournalEntry)> {
    let drill = |full: bool| Drill {
        number: 3,
        kind: if full { DrillKind::Rehearse } else { DrillKind::Live },
        by: "ann".into(),
        reason: "game day".into(),
        hold: Duration::from_secs(600),
        scheduled: !full,
        fault: full.then_some(DrillFault::BreakLogin),
        objectives: Objectives {
            rto: full.then_some(Duration::from_secs(120)),
            rpo: full.then_some(Duration::from_secs(30)),
        },
        lag: full.then_some(Duration::from_millis(1_250)),
    };
    let look = |at: &str, finding| DrillLook { at: at.into(), finding, text: "a line".into() };
    let looks = vec![
        look("guards", Finding::Good),
        look("ttl", Finding::Bad),
        look("flip-records", Finding::Unknown),
        look("zone", Finding::NotLooked),
    ];
    let why = "no answer in time".to_owned();
    let ended = |end, looks| DrillEntry::Ended { number: 3, end, looks };
    let cause = Cause::Drill { number: 3, by: "ann".into(), reason: "game day".into() };
    let entries = [
        ("drill-started", DrillEntry::Started(Box::new(drill(false)))),
        ("drill-started-full", DrillEntry::Started(Box::new(drill(true)))),
        ("drill-aborting", DrillEntry::Aborting { number: 3, why: why.clone() }),
        ("drill-noted", DrillEntry::Noted { number: 3, text: why.clone() }),
        ("drill-faulted", DrillEntry::Faulted { number: 3, text: "the login is broken".to_owned() }),
        ("drill-detected", DrillEntry::Detected { number: 3, text: "three of five".to_owned() }),
        ("drill-ended-passed", ended(DrillEnd::Passed, looks)),
        ("drill-ended-failed", ended(DrillEnd::Failed { why: why.clone() }, Vec::new())),
        ("drill-ended-aborted", ended(DrillEnd::Aborted { why: why.clone() }, Vec::new())),
        ("drill-skipped", DrillEntry::Skipped { kind: DrillKind::Tabletop, why }),
    ];
    let entries = entries.into_iter().map(|(name, entry)| (name, JournalEntry::Drill(entry)));
    let given_up = Cause::GivenUp { plan: PlanId::new("login-1").unwrap() };
    let terms = Terms { fence: true, release: true, ..Terms::default() };
    let parent = token("v1;c=demo;e=4;s=0;t=primary;d=-");
    let release = Plan::new(plan_id(), ServiceName::new("shop").unwrap(), Role::Primary, given_up, parent, terms);
    let release = JournalEntry::PlanOpened { plan: Box::new(release) };
    entries.chain([("plan-opened-drill", plan(Role::Primary, cause)), ("plan-opened-release", release)]).collect()
}

/// The word of the variant. A new variant does not compile here until it has its fixtures.
fn kind(entry: &JournalEntry) -> &'static str {
    match entry {
        JournalEntry::IncidentOpened { .. } => "incident-opened",
        JournalEntry::IncidentEscalated { .. } => "incident-escalated",
        JournalEntry::IncidentClosed { .. } => "incident-closed",
        JournalEntry::AttemptBlocked { .. } => "attempt-blocked",
        JournalEntry::Frozen { .. } => "frozen",
        JournalEntry::Unfrozen { .. } => "unfrozen",
        JournalEntry::Pinned { .. } => "pinned",
        JournalEntry::Unpinned { .. } => "unpinned",
        JournalEntry::AlertRaised { .. } => "alert-raised",
        JournalEntry::AlertCleared { .. } => "alert-cleared",
        JournalEntry::Acknowledged { .. } => "acknowledged",
        JournalEntry::StuckReminded { .. } => "stuck-reminded",
        JournalEntry::AdoptionAsked { .. } => "adoption-asked",
        JournalEntry::RepairAsked { .. } => "repair-asked",
        JournalEntry::Reconciled { .. } => "reconciled",
        JournalEntry::PlanApproved { .. } => "plan-approved",
        JournalEntry::PlanOpened { .. } => "plan-opened",
        JournalEntry::StepStarted { .. } => "step-started",
        JournalEntry::StepSucceeded { .. } => "step-succeeded",
        JournalEntry::StepFailed { .. } => "step-failed",
        JournalEntry::StepVoided { .. } => "step-voided",
        JournalEntry::Drained { .. } => "drained",
        JournalEntry::PlanClosed { .. } => "plan-closed",
        JournalEntry::Drill(entry) => match entry {
            DrillEntry::Started(_) => "drill-started",
            DrillEntry::Aborting { .. } => "drill-aborting",
            DrillEntry::Noted { .. } => "drill-noted",
            DrillEntry::Faulted { .. } => "drill-faulted",
            DrillEntry::Detected { .. } => "drill-detected",
            DrillEntry::Ended { .. } => "drill-ended",
            DrillEntry::Skipped { .. } => "drill-skipped",
        },
    }
}

#[test]
fn every_entry_is_written_as_its_fixture_and_read_back() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal/v2");
    let entries = entries();
    for (name, entry) in &entries {
        let path = folder.join(format!("{name}.json"));
        let pinned = std::fs::read_to_string(&path).unwrap_or_default();
        let text = to_text(entry).unwrap();
        assert_eq!(format!("{text}\n"), pinned, "{name}: what is written must never change; add a version instead");
        assert_eq!(from_text(&pinned).unwrap(), *entry, "{name}");
        assert!(name.starts_with(kind(entry)), "{name}");
        assert!(text.starts_with(&format!(r#"{{"v":2,"type":"{}""#, kind(entry))), "{text}");
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, entries.len(), "a fixture that nothing reads");
}

#[test]
fn what_version_1_wrote_is_read_for_ever() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal/v1");
    let entries = entries();
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let today = &entries.iter().find(|(other, _)| *other == name).unwrap().1;
        let then =
            from_text(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(as_version_1(&then), as_version_1(today), "{name}");
        read += 1;
    }
    assert_eq!(read, 18);
}

/// An entry without what version 1 could not tell.
fn as_version_1(entry: &JournalEntry) -> JournalEntry {
    let plain = |evidence: &Evidence| {
        let votes = evidence.down().iter().map(|vote| Vote {
            account: String::new(),
            generation: Generation::default(),
            score: 0,
            burn: 0,
            burning: false,
            failing_now: true,
            ..vote.clone()
        });
        Evidence::recorded(evidence.role(), evidence.lane(), votes.collect(), evidence.of()).unwrap()
    };
    match entry {
        JournalEntry::IncidentOpened { number, evidence } => {
            JournalEntry::IncidentOpened { number: *number, evidence: plain(evidence) }
        }
        JournalEntry::IncidentEscalated { number, evidence } => {
            JournalEntry::IncidentEscalated { number: *number, evidence: plain(evidence) }
        }
        JournalEntry::PlanOpened { plan } => {
            let cause = match plan.cause() {
                Cause::Quorum(evidence) => Cause::Quorum(plain(evidence)),
                other => other.clone(),
            };
            let (id, service, parent) = (plan.id().clone(), plan.service().clone(), plan.parent().clone());
            let plan = Plan::new(id, service, plan.to(), cause, parent, plan.terms());
            JournalEntry::PlanOpened { plan: Box::new(plan) }
        }
        other => other.clone(),
    }
}

#[test]
fn an_error_names_the_field() {
    let text = |name: &str| {
        let entry = entries().into_iter().find(|(other, _)| *other == name).unwrap().1;
        to_text(&entry).unwrap()
    };
    let plan = text("plan-opened-quorum");
    let back = text("plan-opened-operator");
    let opened = text("incident-opened");
    let flip = text("step-started-flip");
    for (text, wanted) in [
        ("[1]".to_owned(), "the text: must be an object, and is a list"),
        ("{".to_owned(), "the text: is not JSON"),
        (r#"{"type":"frozen"}"#.to_owned(), "v: is missing"),
        (r#"{"v":3,"type":"frozen"}"#.to_owned(), "v: is 3, and this version of quorate reads 1 to 2"),
        (r#"{"v":1,"type":"thawed"}"#.to_owned(), "type: 'thawed' is not a type of version 2"),
        (r#"{"v":1,"type":"frozen","by":"a"}"#.to_owned(), "reason: is missing"),
        (r#"{"v":1,"type":"frozen","by":3,"reason":""}"#.to_owned(), "by: must be a text, and is a number"),
        (r#"{"v":1,"type":"frozen","by":"","reason":"","x":1}"#.to_owned(), "x: is not a field of this version"),
        (opened.replace("\"number\":7", "\"number\":-7"), "number: must be a whole number in range, and is a number"),
        (opened.replace("\"down\":[{", "\"down\":[{\"x\":0,"), "evidence.down[0].x: is not a field of this version"),
        (opened.replace("gcp-euw1", "GCP"), "evidence.down[1].vantage: 'GCP' is not a name"),
        (opened.replace("server-error", "odd"), "evidence.down[0].kind: 'odd' is not a word that belongs here"),
        (opened.replace("\"of\":5", "\"of\":1"), "evidence: must hold one vote or more"),
        (opened.replace("\"view\":\"down\"", "\"view\":\"up\""), "evidence: must hold one vote or more"),
        (plan.replace("\"failures\":3", "\"failures\":4294967296"), "plan.cause.evidence.down[0].failures: must be"),
        (plan.replace("\"enter-read-only\",", ""), "plan.steps: are not those of a failover"),
        (plan.replace("e=4;s=0", "e=4;s=1"), "plan.digest: is "),
        (back.replace("audit", "other"), "plan.digest: is "),
        (back.replace("\"force\":true", "\"force\":1"), "plan.cause.force: must be true or false"),
        (flip.replace("e=4;s=1", "e=04;s=1"), "intent.new: the ownership record holds"),
    ] {
        let error = from_text(&text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{text}\n  gives: {error}\n  wanted: {wanted}");
    }
}
