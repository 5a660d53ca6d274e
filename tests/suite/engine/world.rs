//! What the engine lives in: a journal, a zone that swaps strictly, a standby, and time. After every input it checks what must
//! always hold.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, Command, Engine, Input, Ledger, Reply, StepOrder, StepSuccess};

pub(super) const VANTAGES: [(&str, &str); 5] =
    [("aws-1", "aws"), ("aws-2", "aws"), ("aws-3", "aws"), ("gcp-1", "gcp"), ("azu-1", "azure")];

/// Everything that a name can be moved by.
pub(super) const LANES: [DnsLane; 3] = [DnsLane::Records, DnsLane::Flag, DnsLane::Both];

pub(super) fn service(name: &str) -> Service {
    let site = |name: &str, answer: &str| Site {
        name: SiteName::new(name).unwrap(),
        cloud: name.to_owned(),
        url: format!("http://{answer}/").parse().unwrap(),
        answer: answer.to_owned(),
        alias_zone: None,
        health_check: None,
    };
    let values = PolicyValues {
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        quorum: 3,
        clouds: 2,
        up_after: 2,
        fresh_for: Duration::from_secs(10),
        confirm: Duration::from_secs(5),
        ..PolicyValues::counting(3)
    };
    Service {
        name: ServiceName::new(name).unwrap(),
        public_url: "http://login.example.org/".parse().unwrap(),
        dns: DnsTarget {
            zone: "Z1".to_owned(),
            name: format!("{name}.example.org"),
            kind: RecordType::A,
            ttl_s: 30,
            routing: Routing::Failover,
            lane: DnsLane::Records,
            also: Vec::new(),
            dnssec: Dnssec::off(),
            authoritative: Vec::new(),
        },
        primary: site("aws", "192.0.2.1"),
        standby: site("gcp", "192.0.2.2"),
        checks: vec![CheckName::new("login").unwrap()],
        critical: Vec::new(),
        veto: None,
        fence: false,
        maintenance: Vec::new(),
        drills: Default::default(),
        policy: Policy::new("test", values).unwrap(),
        vantages: VANTAGES
            .iter()
            .map(|(name, cloud)| Vantage {
                name: VantageName::new(name).unwrap(),
                cloud: (*cloud).to_owned(),
                region: "r".to_owned(),
                network: None,
                account: "default".to_owned(),
            })
            .collect(),
    }
}

/// How a door behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Refuses,
    Holds,
}

/// How a running step ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Ok,
    Fails(Class),
    /// The answer is lost, and the flip was not applied.
    Lost,
    /// The answer is lost, and the flip was applied.
    LostApplied,
    /// The answer is lost, and the flip is still on its way.
    LostLate,
}

/// A write to the register, as it is on its way.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Batch(ChangeBatch),
    Flag(FlipIntent),
}

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) service: Service,
    /// The service of which it is the rehearsal, in the same engine. It has no zone, and its entries are kept nowhere.
    parent: Option<ServiceName>,
    pub(super) now: u64,
    pub(super) journal: Vec<JournalRecord>,
    zone: Vec<RecordSet>,
    pub(super) flips: u32,
    pub(super) read_only: bool,
    /// Sites that take a write that is tried, whatever they were told.
    pub(super) takes_writes: Vec<Role>,
    /// Whether the standby was let take writes.
    pub(super) promoted: bool,
    /// Whether the primary refuses writes.
    pub(super) fenced: bool,
    /// Whether it cannot be made to.
    pub(super) unfenceable: bool,
    /// Whether it cannot be let take writes again.
    pub(super) unreleasable: bool,
    pub(super) times_made_read_only: u32,
    pub(super) running: Option<StepOrder>,
    pub(super) store: Door,
    pub(super) fencing: Door,
    pub(super) fence_pending: bool,
    held: Option<(Vec<JournalEntry>, Vec<Notice>)>,
    pub(super) on_their_way: Vec<Write>,
    /// The flag, where the lane has one.
    pub(super) flag: Option<Token>,
    /// How often the records were changed to follow the flag.
    pub(super) pins: u32,
    pub(super) epoch: u64,
    pub(super) led: bool,
    pub(super) events: Vec<String>,
    pub(super) notices: Vec<Notice>,
    pub(super) reply: Option<Reply>,
    pub(super) wake: Option<Moment>,
    pub(super) seq: u64,
    /// Steps end well by themselves.
    pub(super) auto: bool,
    /// How the next flips end, where steps end by themselves.
    pub(super) flip_ends: Vec<End>,
    pub(super) inputs: usize,
    /// Crash before this input is taken (true), or after it and before its commands are carried out.
    pub(super) crash_at: Option<(usize, bool)>,
    /// How often it crashed.
    pub(super) lives: u32,
    corrupt: bool,
    answers_lost: bool,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(service("login"))
    }

    /// With a service that is moved by that lane.
    pub(super) fn in_lane(lane: DnsLane) -> Self {
        let mut service = service("login");
        service.dns.lane = lane;
        Self::of(service)
    }

    /// With the rehearsal of a service, and the service itself beside it.
    pub(super) fn rehearsing(service: Service) -> Self {
        let name = quorate::domain::rehearsal_name(&service.name).unwrap();
        let drills = DrillSettings {
            rehearses: Some(service.name.clone()),
            faults: DrillFault::ALL.to_vec(),
            ..DrillSettings::default()
        };
        let mut world = Self::of(Service { name, drills, ..service.clone() });
        world.parent = Some(service.name.clone());
        let services = vec![service, world.service.clone()];
        world.engine = Engine::new(world.engine.cluster().clone(), Limits::default(), services);
        world
    }

    pub(super) fn of(service: Service) -> Self {
        let cluster = ClusterName::new("demo").unwrap();
        let mark = RecordSet {
            name: OwnedRecords::mark_name(&service.dns.name),
            kind: RecordType::Txt,
            ttl_s: 0,
            values: vec!["v1;c=demo;e=0;s=0;t=primary;d=-".to_owned()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        };
        let mut zone = OwnedRecords::wanted(&service, Role::Primary);
        zone.push(mark);
        let service_flag = service.dns.lane.has_flag().then(|| Token::unmoved(cluster.clone()));
        Self {
            engine: Engine::new(cluster, Limits::default(), vec![service.clone()]),
            service,
            parent: None,
            now: 0,
            journal: Vec::new(),
            zone,
            flips: 0,
            read_only: false,
            times_made_read_only: 0,
            running: None,
            store: Door::Open,
            fencing: Door::Open,
            fence_pending: false,
            held: None,
            takes_writes: Vec::new(),
            promoted: false,
            fenced: false,
            unfenceable: false,
            unreleasable: false,
            on_their_way: Vec::new(),
            flag: service_flag,
            pins: 0,
            epoch: 0,
            led: false,
            events: Vec::new(),
            notices: Vec::new(),
            reply: None,
            wake: None,
            seq: 0,
            auto: false,
            flip_ends: Vec::new(),
            inputs: 0,
            crash_at: None,
            lives: 0,
            corrupt: false,
            answers_lost: false,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::from_ms(self.now)
    }

    pub(super) fn records(&self) -> OwnedRecords {
        OwnedRecords::find(self.engine.cluster(), &self.service, &self.zone).unwrap()
    }

    /// The zone as it is.
    pub(super) fn zone_sets(&self) -> Vec<RecordSet> {
        self.zone.clone()
    }

    /// What the name is moved by.
    pub(super) fn register(&self) -> Register {
        match &self.flag {
            Some(token) => OwnedFlag::new(token.clone()).into(),
            None => self.records().into(),
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.engine.ledger(&self.service.name).unwrap()
    }

    /// One input, what must hold after it, and its commands.
    pub(super) fn give(&mut self, input: Input) {
        self.inputs += 1;
        if self.crash_at == Some((self.inputs, true)) {
            return self.crash();
        }
        let output = self.engine.handle(self.moment(), input);
        self.check_always();
        if let Some(at) = output.wake_at {
            assert!(at >= self.moment(), "woken in the past: {at:?} at {} ms", self.now);
        }
        self.wake = output.wake_at;
        if let Some(reply) = output.reply {
            self.events.push(format!("reply {}", reply_word(&reply)));
            self.reply = Some(reply);
        }
        if self.crash_at == Some((self.inputs, false)) {
            return self.crash();
        }
        let life = self.lives;
        for command in output.commands {
            if self.lives != life {
                break;
            }
            self.carry_out(command);
        }
    }

    /// E3, E1: the journal folds without contradiction, into what the engine holds.
    fn check_always(&self) {
        if self.corrupt || !self.led {
            return;
        }
        let mut ledger = Ledger::default();
        for record in &self.journal {
            ledger.apply(&record.entry, record.at).unwrap();
        }
        assert_eq!(&ledger, self.ledger(), "E3 at {} ms", self.now);
    }

    fn carry_out(&mut self, command: Command) {
        if let Some(parent) = self.parent.clone().filter(|parent| is_of(&command, parent)) {
            if let Command::Append { entries, .. } = command {
                let record = |entry: JournalEntry| {
                    self.events.push(format!("{parent}: {}", entry_word(&entry)));
                    let (epoch, service) = (Epoch::new(self.epoch), parent.clone());
                    JournalRecord { id: 0, at: WallTime::from_ms(self.now), epoch, service, entry }
                };
                let records = entries.into_iter().map(record).collect();
                self.give(Input::Journaled(records));
            }
            return;
        }
        match command {
            Command::Pace { every, .. } => {
                let every = every.map_or("rest".to_owned(), |every| format!("{} s", every.as_secs_f64()));
                self.events.push(format!("pace {every}"));
            }
            Command::Append { entries, notices, fence, .. } => {
                assert_eq!(fence.epoch().get(), self.epoch);
                assert!(self.held.is_none(), "two appends at once");
                match self.store {
                    Door::Open => self.make_durable(entries, notices),
                    Door::Holds => self.held = Some((entries, notices)),
                    Door::Refuses => {
                        self.events.push("append-failed".to_owned());
                        let error = PortError::retry("the disk is full");
                        self.give(Input::AppendFailed { service: self.service.name.clone(), error });
                    }
                }
            }
            Command::Run(order) => self.run(*order),
            Command::Fence { .. } => {
                self.events.push("fence".to_owned());
                assert!(!self.fence_pending, "two fence writes at once");
                self.fence_pending = true;
                self.answer_fence();
            }
            Command::CatchUp { flag, zone, .. } => {
                let flag = flag.map_or("no flag".to_owned(), |flag| flag.token().to_string());
                self.events.push(format!("catch up {flag}{}", if zone { " and a zone" } else { "" }));
            }
            Command::Look { number, .. } => self.events.push(format!("look {number}")),
            Command::EndProcess { number, .. } => {
                self.events.push(format!("end-process {number}"));
                self.crash();
            }
            Command::TryWrite { service, role, .. } => {
                let how = "as it is".to_owned();
                let told = if role == Role::Standby { !self.promoted } else { self.fenced };
                let taken = !told || self.takes_writes.contains(&role);
                let probe = if taken { WriteProbe::Accepted { how } } else { WriteProbe::Refused { how } };
                self.give(Input::WriteTried { service, role, result: Ok(probe) });
            }
            Command::Drain { closely, .. } => {
                self.events.push(if closely { "look closely" } else { "look at rest" }.to_owned())
            }
            Command::Resign { .. } => self.events.push("resign".to_owned()),
        }
    }

    fn make_durable(&mut self, entries: Vec<JournalEntry>, notices: Vec<Notice>) {
        let mut records = Vec::new();
        for entry in entries {
            self.events.push(entry_word(&entry));
            let id = self.journal.len() as u64 + 1;
            let (epoch, service) = (Epoch::new(self.epoch), self.service.name.clone());
            let record = JournalRecord { id, at: WallTime::from_ms(self.now), epoch, service, entry };
            self.journal.push(record.clone());
            records.push(record);
        }
        for notice in notices {
            // The store keeps each key once.
            if self.notices.iter().all(|known| known.key != notice.key) {
                self.events.push(format!("notice {} {}", notice.level.as_str(), notice.key));
                self.notices.push(notice);
            }
        }
        self.give(Input::Journaled(records));
    }

    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// What was under way when the lease was lost is not waited for.
    pub(super) fn lose_lease(&mut self) {
        self.led = false;
        self.held = None;
    }

    pub(super) fn release(&mut self) {
        let (entries, notices) = self.held.take().expect("nothing is held");
        self.make_durable(entries, notices);
    }

    fn run(&mut self, order: StepOrder) {
        assert!(self.running.is_none(), "two steps at once");
        let open = self.ledger().open.as_ref().expect("a step runs while no plan is open");
        assert_eq!(open.plan, order.plan, "E1");
        let started = self.journal.iter().rev().find_map(|record| match &record.entry {
            JournalEntry::StepStarted { plan, step, .. } => Some((plan, *step)),
            _ => None,
        });
        assert_eq!(started, Some((order.plan.id(), order.index)), "E2");
        if order.step.is_switch() {
            assert!(self.ledger().frozen.is_none(), "S10");
            assert!(order.plan.to() == Role::Primary || open.succeeded(Step::VerifyReadOnly).is_some(), "S15");
            let (present, intent) = order.switch.as_ref().expect("a flip without its tokens");
            assert_eq!(present.token(), &intent.expected);
        }
        self.events.push(format!("run {}", order.step));
        self.running = Some(order);
        if self.auto {
            let flip = self.running.as_ref().is_some_and(|order| order.step.is_switch());
            let end = if flip { self.flip_ends.pop() } else { None };
            self.end(&end.unwrap_or(End::Ok));
        }
    }

    pub(super) fn answer_fence(&mut self) {
        let service = self.service.name.clone();
        match self.fencing {
            Door::Holds => {}
            Door::Refuses => {
                self.fence_pending = false;
                self.give(Input::FenceFailed { service, error: PortError::retry("the provider does not answer") });
            }
            Door::Open => {
                self.fence_pending = false;
                let fence = Authority::new(Epoch::new(self.epoch), None).fence(self.moment()).unwrap();
                if let Some(flag) = &mut self.flag {
                    *flag = flag.advanced(&fence).expect("an older fence");
                } else {
                    let present = self.records();
                    let new = present.token().advanced(&fence).expect("an older fence");
                    assert!(self.apply(&Write::Batch(ChangeBatch::fence(&present, new))));
                }
                let register = self.register();
                self.give(Input::Fenced { service, register, behind: Vec::new() });
            }
        }
    }

    /// As the provider, or the flag's store, does it: all or nothing, and only over exactly what was expected.
    pub(super) fn apply(&mut self, write: &Write) -> bool {
        let batch = match write {
            Write::Batch(batch) => batch,
            Write::Flag(intent) => {
                let fits = self.flag.as_ref() == Some(&intent.expected);
                if fits {
                    self.flag = Some(intent.new.clone());
                    self.flips += 1;
                }
                return fits;
            }
        };
        let mut zone = self.zone.clone();
        for change in batch.changes() {
            match change {
                Change::Delete(set) => match zone.iter().position(|other| other == set) {
                    Some(place) => drop(zone.remove(place)),
                    None => return false,
                },
                Change::Create(set) => zone.push(set.clone()),
            }
        }
        self.flips += u32::from(batch.changes().len() > 2);
        self.zone = zone;
        self.records();
        true
    }

    /// Ends the running step, with its effect.
    pub(super) fn end(&mut self, end: &End) {
        let order = self.running.take().expect("no step is running");
        let (service, step) = (order.plan.service().clone(), order.index);
        let failed = |class| PortError { class, what: "it did not work".to_owned() };
        let result = match (order.step, end) {
            (step, End::Ok | End::Lost | End::LostApplied | End::LostLate) if step.is_switch() => {
                let (present, intent) = order.switch.as_ref().expect("a switch without its tokens");
                let write = match present {
                    Register::Records(present) => {
                        Write::Batch(ChangeBatch::flip(present, &self.service, intent.new.clone()))
                    }
                    Register::Flag(_) => Write::Flag(intent.clone()),
                };
                if *end == End::LostLate {
                    self.on_their_way.push(write.clone());
                }
                let there = matches!(end, End::Ok | End::LostApplied)
                    && (self.apply(&write) || self.register().token() == &intent.new);
                if there && *end == End::Ok {
                    let register = Some(self.register());
                    let detail =
                        StepDetail { text: "accepted".to_owned(), change: Some("C1".to_owned()), fenced: None };
                    Ok(StepSuccess { detail, register })
                } else if *end == End::Ok {
                    Err(failed(Class::Refused))
                } else {
                    Err(failed(Class::Retry))
                }
            }
            (_, End::Fails(class)) => Err(failed(*class)),
            (_, End::Lost | End::LostApplied | End::LostLate) => Err(failed(Class::Retry)),
            (step, End::Ok) => {
                if step == Step::EnterReadOnly && !self.read_only {
                    self.read_only = true;
                    self.times_made_read_only += 1;
                }
                assert!(step != Step::VerifyReadOnly || self.read_only);
                if step == Step::PinRecords {
                    self.pin(&order);
                }
                if step == Step::AwaitInSync && self.lives == 0 && !self.answers_lost {
                    assert!(order.change.is_some() || self.flag.is_some(), "the change's id");
                }
                self.writes_change(&order)
            }
        };
        self.answers_lost |= *end == End::LostApplied || *end == End::LostLate;
        self.give(Input::StepEnded { service, step, result });
    }

    /// What a step does to who may write: never both, unless a person has forced it (S1).
    fn writes_change(&mut self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let forced = matches!(order.plan.cause(), Cause::Operator { force: true, .. });
        let mut detail = StepDetail::said("done");
        match order.step {
            Step::EnterReadOnly => self.promoted = false,
            Step::FencePrimary if self.unfenceable && order.plan.terms().promote && !forced => {
                return Err(PortError::retry("the primary does not answer"));
            }
            Step::FencePrimary => {
                self.fenced = !self.unfenceable;
                detail.fenced = Some(self.fenced);
            }
            Step::ReleasePrimary if self.unreleasable => {
                return Err(PortError::retry("the primary does not answer"));
            }
            Step::ReleasePrimary => {
                assert!(
                    self.read_only && !self.promoted,
                    "S1: the primary is released while the standby takes writes"
                );
                self.fenced = false;
            }
            Step::AllowWrites => {
                assert!(self.fenced || forced, "S1: the standby takes writes while the primary does");
                (self.promoted, self.read_only) = (true, false);
            }
            Step::VerifyWrites => assert!(self.promoted),
            _ => {}
        }
        Ok(StepSuccess { detail, register: None })
    }

    /// Brings the records to where the plan moves the name; run again, it finds its own change.
    fn pin(&mut self, order: &StepOrder) {
        let (present, to, digest) = (self.records(), order.plan.to(), order.plan.digest());
        if present.serving() == to && present.token().digest.as_ref() == Some(digest) {
            return;
        }
        // The records never lead: the flag is up while they say the standby, and before they say the primary it is still up.
        assert_eq!(self.flag.as_ref().map(|flag| flag.serving), Some(Role::Standby));
        let new = present.token().moved(&order.fence, to, digest.clone()).expect("an older fence");
        let flips = self.flips;
        assert!(self.apply(&Write::Batch(ChangeBatch::flip(&present, &self.service, new))));
        (self.flips, self.pins) = (flips, self.pins + 1);
    }

    /// Takes the lease under a new epoch, and fences the register.
    pub(super) fn lead(&mut self) {
        self.give(Input::Recovered { journal: self.journal.clone(), wall: WallTime::from_ms(self.now) });
        self.epoch = Epoch::new(self.epoch).following(self.register().token().epoch).get();
        self.led = true;
        self.give(Input::Led(Authority::new(Epoch::new(self.epoch), None)));
        if !self.fence_pending {
            self.fence_pending = true;
            self.answer_fence();
        }
    }

    /// The controller dies and comes back; all that was not durable is gone.
    pub(super) fn crash(&mut self) {
        self.crash_at = None;
        self.lives += 1;
        self.events.push("crash".to_owned());
        let services = self.engine.services().cloned().collect();
        self.engine = Engine::new(self.engine.cluster().clone(), Limits::default(), services);
        self.running = None;
        self.held = None;
        self.fence_pending = false;
        self.led = false;
        self.wake = None;
        self.lead();
    }

    pub(super) fn observe(&mut self, vantage: &str, role: Role, outcome: Outcome, age_ms: u64) {
        self.observe_by(vantage, "login", role, outcome, age_ms);
    }

    pub(super) fn observe_by(&mut self, vantage: &str, check: &str, role: Role, outcome: Outcome, age_ms: u64) {
        let seen = self.seen(vantage, check, role, outcome, age_ms);
        self.give(Input::Observed(seen));
    }

    /// An observation that ended so long ago, of a vantage's one run.
    pub(super) fn seen(
        &mut self,
        vantage: &str,
        check: &str,
        role: Role,
        outcome: Outcome,
        age_ms: u64,
    ) -> Observation {
        self.seq += 1;
        let failed = outcome != Outcome::Pass;
        Observation {
            id: ObservationId { vantage: VantageName::new(vantage).unwrap(), boot: "b".to_owned(), seq: self.seq },
            service: self.parent.as_ref().unwrap_or(&self.service.name).clone(),
            check: CheckName::new(check).unwrap(),
            role,
            at: self.moment().before(Duration::from_millis(age_ms)),
            outcome,
            kind: (outcome == Outcome::Fail).then_some(FailureKind::ServerError),
            reason: failed.then(|| "no account page".to_owned()),
            failed_step: failed.then(|| "submit".to_owned()),
            duration_ms: 40,
            canaries: Canaries::Unasked,
            generation: Generation::default(),
            metrics: Vec::new(),
        }
    }

    /// Every vantage looks at both sites.
    pub(super) fn round(&mut self, primary: Option<Outcome>, standby: Option<Outcome>) {
        for (vantage, _) in VANTAGES {
            for (role, outcome) in [(Role::Primary, primary), (Role::Standby, standby)] {
                if let Some(outcome) = outcome {
                    self.observe(vantage, role, outcome, 0);
                }
            }
        }
    }

    /// Lets time pass; the engine is woken when it asked to be, and at no other time.
    pub(super) fn pass_until(&mut self, until: u64) {
        let mut turns = 0;
        while let Some(at) = self.wake.map(Moment::as_ms).filter(|at| *at <= until) {
            turns += 1;
            assert!(turns < 10_000, "the engine asks to be woken without end");
            self.now = self.now.max(at);
            self.give(Input::Tick);
            let busy = self.wake.is_some_and(|wake| wake.as_ms() <= self.now);
            assert!(!busy, "woken at {} ms, it asks to be woken at once again", self.now);
        }
        self.now = self.now.max(until);
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.give(Input::Asked(ask));
    }

    pub(super) fn corrupt(&mut self, entry: JournalEntry) {
        self.corrupt = true;
        let id = self.journal.len() as u64 + 1;
        let (epoch, service) = (Epoch::new(self.epoch), self.service.name.clone());
        self.journal.push(JournalRecord { id, at: WallTime::from_ms(self.now), epoch, service, entry });
    }
}

fn is_of(command: &Command, name: &ServiceName) -> bool {
    match command {
        Command::Append { service, .. }
        | Command::Fence { service }
        | Command::CatchUp { service, .. }
        | Command::TryWrite { service, .. }
        | Command::Pace { service, .. }
        | Command::Drain { service, .. }
        | Command::Look { service, .. }
        | Command::EndProcess { service, .. } => service == name,
        Command::Run(order) => order.plan.service() == name,
        Command::Resign { .. } => false,
    }
}

fn reply_word(reply: &Reply) -> String {
    match reply {
        Reply::Opened(plan) => format!("opened {}", plan.id()),
        Reply::Drilling(drill) => format!("drilling {}", drill.number),
        Reply::Done => "done".to_owned(),
        Reply::AlreadySo => "already-so".to_owned(),
        Reply::Blocked(blockers) => {
            let codes: Vec<&str> = blockers.iter().map(|blocker| blocker.code()).collect();
            format!("blocked {}", codes.join(","))
        }
        Reply::PlanChanged(plan) => format!("plan-changed {}", plan.id()),
        Reply::NoSuchService => "no-such-service".to_owned(),
    }
}

/// A journal entry as a table writes it.
fn entry_word(entry: &JournalEntry) -> String {
    let step_word = |step: &usize, plan: &PlanId| format!("{plan} {step}");
    match entry {
        JournalEntry::IncidentOpened { number, .. } => format!("incident-opened {number}"),
        JournalEntry::IncidentEscalated { number, .. } => format!("incident-escalated {number}"),
        JournalEntry::IncidentClosed { number, end } => match end {
            IncidentEnd::Recovered => format!("incident-closed {number} recovered"),
            IncidentEnd::Moved { plan } => format!("incident-closed {number} moved {plan}"),
        },
        JournalEntry::AttemptBlocked { blockers } => {
            let codes: Vec<&str> = blockers.iter().filter_map(|text| text.split(':').next()).collect();
            format!("attempt-blocked {}", codes.join(","))
        }
        JournalEntry::Frozen { .. } => "frozen".to_owned(),
        JournalEntry::Unfrozen { .. } => "unfrozen".to_owned(),
        JournalEntry::Pinned { to, .. } => format!("pinned {to}"),
        JournalEntry::Unpinned { .. } => "unpinned".to_owned(),
        JournalEntry::AlertRaised { alert, .. } => format!("alert {alert}"),
        JournalEntry::AlertCleared { alert } => format!("alert-over {alert}"),
        JournalEntry::Acknowledged { .. } => "acknowledged".to_owned(),
        JournalEntry::StuckReminded { number } => format!("reminded {number}"),
        JournalEntry::AdoptionAsked { .. } => "adoption-asked".to_owned(),
        JournalEntry::RepairAsked { .. } => "repair-asked".to_owned(),
        JournalEntry::Reconciled { .. } => "reconciled".to_owned(),
        JournalEntry::Drained { plan, .. } => format!("{plan} drained"),
        JournalEntry::PlanApproved { plan, .. } => format!("approved {plan}"),
        JournalEntry::Drill(entry) => match entry {
            DrillEntry::Started(drill) => format!("drill-started {} {}", drill.number, drill.kind),
            DrillEntry::Aborting { number, .. } => format!("drill-aborting {number}"),
            DrillEntry::Noted { number, .. } => format!("drill-noted {number}"),
            DrillEntry::Faulted { number, .. } => format!("drill-faulted {number}"),
            DrillEntry::Detected { number, .. } => format!("drill-detected {number}"),
            DrillEntry::Ended { number, end, .. } => format!("drill-ended {number} {}", end.as_str()),
            DrillEntry::Skipped { kind, .. } => format!("drill-skipped {kind}"),
        },
        JournalEntry::PlanOpened { plan } => format!("plan-opened {} to {}", plan.id(), plan.to()),
        JournalEntry::StepStarted { plan, step, intent } => {
            let tokens = intent.as_ref().map(|i| {
                let (old, new) = (&i.expected, &i.new);
                format!(" {}/{} to {}/{}", old.epoch, old.seq, new.epoch, new.seq)
            });
            format!("started {}{}", step_word(step, plan), tokens.unwrap_or_default())
        }
        JournalEntry::StepSucceeded { plan, step, .. } => format!("succeeded {}", step_word(step, plan)),
        JournalEntry::StepFailed { plan, step, .. } => format!("failed {}", step_word(step, plan)),
        JournalEntry::StepVoided { plan, step, .. } => format!("voided {}", step_word(step, plan)),
        JournalEntry::PlanClosed { plan, end } => match end {
            PlanEnd::Done => format!("plan-closed {plan} done"),
            PlanEnd::Abandoned { .. } => format!("plan-closed {plan} abandoned"),
            PlanEnd::Stuck { .. } => format!("plan-closed {plan} stuck"),
        },
    }
}
