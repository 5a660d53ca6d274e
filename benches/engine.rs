//! What an observation costs the engine: nanoseconds, allocations and memory, and how they grow with services and vantages.
//!
//! `cargo bench --bench engine` prints the table of `docs/verification.md`. Times are of this machine; what carries over are the
//! ratios within one run and the allocations. Each figure is the best of several rounds: other work on the machine only ever adds.

#![allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench measures time and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use quorate::domain::*;
use quorate::engine::{Engine, Input};

/// Rounds of each figure, of which the best counts.
const ROUNDS: usize = 5;
/// Observations of a round, at least.
const OBSERVATIONS: usize = 200_000;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

fn service(number: usize, vantages: usize) -> Service {
    let site = |name: &str, answer: &str| Site {
        name: SiteName::new(name).unwrap(),
        cloud: name.to_owned(),
        url: format!("http://{answer}/").parse().unwrap(),
        answer: answer.to_owned(),
        alias_zone: None,
        health_check: None,
    };
    let clouds = ["aws", "gcp", "azure", "oci", "do"];
    Service {
        name: ServiceName::new(&format!("service-{number}")).unwrap(),
        public_url: "http://login.example.org/".parse().unwrap(),
        dns: DnsTarget {
            zone: "Z1".to_owned(),
            name: format!("service-{number}.example.org"),
            kind: RecordType::A,
            ttl_s: 30,
            routing: Routing::Failover,
            lane: DnsLane::Records,
            also: Vec::new(),
            authoritative: Vec::new(),
        },
        primary: site("aws", "192.0.2.1"),
        standby: site("gcp", "192.0.2.2"),
        checks: vec![CheckName::new("login").unwrap()],
        critical: Vec::new(),
        veto: None,
        fence: false,
        policy: Policy::new("default", PolicyValues { quorum: vantages / 2 + 1, ..PolicyValues::default() }).unwrap(),
        vantages: (0..vantages)
            .map(|vantage| Vantage {
                name: VantageName::new(&format!("vantage-{vantage}")).unwrap(),
                cloud: clouds[vantage % clouds.len()].to_owned(),
                region: "r".to_owned(),
                network: None,
                account: "default".to_owned(),
            })
            .collect(),
        maintenance: Vec::new(),
    }
}

/// An engine and the observations that its vantages keep sending it.
struct Fleet {
    engine: Engine,
    services: Vec<Service>,
    now: u64,
    seq: u64,
}

impl Fleet {
    fn new(services: usize, vantages: usize) -> Self {
        let services: Vec<Service> = (0..services).map(|number| service(number, vantages)).collect();
        let mut engine = Engine::new(ClusterName::new("bench").unwrap(), Limits::default(), services.clone());
        let recovered = Input::Recovered { journal: Vec::new(), wall: WallTime::default() };
        let _ = black_box(engine.handle(Moment::default(), recovered));
        let _ = black_box(engine.handle(Moment::default(), Input::Led(Authority::new(Epoch::new(1), None))));
        Self { engine, services, now: 0, seq: 0 }
    }

    /// One probe of each site by each vantage of each service, five seconds after the last ones.
    fn round(&mut self, outcome: impl Fn(usize, Role) -> Outcome) -> Vec<(Moment, Observation)> {
        let mut seen = Vec::with_capacity(self.services.len() * 30);
        let every = 5_000 / self.services.first().map_or(1, |service| service.vantages.len()) as u64;
        for vantage in 0..self.services.first().map_or(0, |service| service.vantages.len()) {
            self.now += every;
            let at = Moment::from_ms(self.now);
            for service in &self.services {
                for role in Role::BOTH {
                    self.seq += 1;
                    let outcome = outcome(vantage, role);
                    let failed = outcome == Outcome::Fail;
                    seen.push((
                        at,
                        Observation {
                            id: ObservationId {
                                vantage: service.vantages[vantage].name.clone(),
                                boot: "0123456789abcdef".to_owned(),
                                seq: self.seq,
                            },
                            service: service.name.clone(),
                            check: service.checks[0].clone(),
                            role,
                            at,
                            outcome,
                            kind: failed.then_some(FailureKind::ServerError),
                            reason: failed.then(|| "wanted status 200, got 503 from POST /login".to_owned()),
                            failed_step: failed.then(|| "log in".to_owned()),
                            duration_ms: 500,
                            canaries: Canaries::Unasked,
                            generation: Generation::default(),
                            metrics: Vec::new(),
                        },
                    ));
                }
            }
        }
        seen
    }

    fn give(&mut self, seen: Vec<(Moment, Observation)>) {
        for (at, seen) in seen {
            let _ = black_box(self.engine.handle(at, Input::Observed(seen)));
        }
    }

    /// Rounds until so many observations, and what one of them costs at best: nanoseconds, and allocations.
    fn cost(&mut self, outcome: impl Fn(usize, Role) -> Outcome + Copy) -> (f64, f64) {
        let mut best = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            let mut batches = Vec::new();
            let mut count = 0;
            while count < OBSERVATIONS {
                let batch = self.round(outcome);
                count += batch.len();
                batches.push(batch);
            }
            let start = now();
            let mut spent = Duration::ZERO;
            let allocations = allocation_counter::measure(|| {
                for batch in batches {
                    self.give(batch);
                }
                spent = start.elapsed();
            });
            best.0 = best.0.min(spent.as_nanos() as f64 / count as f64);
            best.1 = best.1.min(allocations.count_total as f64 / count as f64);
        }
        best
    }
}

fn pass(_: usize, _: Role) -> Outcome {
    Outcome::Pass
}

fn down(_: usize, role: Role) -> Outcome {
    if role == Role::Primary { Outcome::Fail } else { Outcome::Pass }
}

fn main() {
    // `cargo test --benches` runs it too, and wants no figures.
    let quick = std::env::args().any(|argument| argument == "--test");
    println!("an observation that changes nothing (all is well)\n");
    println!(
        "{:>9} {:>9} {:>12} {:>14} {:>13} {:>15}",
        "services", "vantages", "ns each", "million a s", "allocations", "KiB a service"
    );
    let counts: &[usize] = if quick { &[10] } else { &[10, 100, 1_000, 10_000] };
    let mut first = None;
    for services in counts {
        for vantages in [3, 5, 15] {
            let mut fleet = None;
            let memory = allocation_counter::measure(|| {
                let mut made = Fleet::new(*services, vantages);
                for _ in 0..12 {
                    let seen = made.round(pass);
                    made.give(seen);
                }
                fleet = Some(made);
            });
            let mut fleet = fleet.unwrap();
            let kib = memory.bytes_current as f64 / *services as f64 / 1024.0;
            let (ns, allocations) = fleet.cost(pass);
            let base = *first.get_or_insert(ns);
            println!(
                "{services:>9} {vantages:>9} {ns:>7.0} {:>4.1}x {:>14.2} {allocations:>13.4} {kib:>15.1}",
                ns / base,
                1_000.0 / ns
            );
        }
    }
    println!(
        "\nan observation that a decision follows from (the primary is down for every vantage, the journal is not answering)\n"
    );
    println!("{:>9} {:>9} {:>12} {:>14} {:>13}", "services", "vantages", "ns each", "thousand a s", "allocations");
    for vantages in [3, 5, 15] {
        let mut fleet = Fleet::new(if quick { 1 } else { 10 }, vantages);
        for _ in 0..12 {
            let seen = fleet.round(pass);
            fleet.give(seen);
        }
        let (ns, allocations) = fleet.cost(down);
        println!("{:>9} {vantages:>9} {ns:>12.0} {:>14.1} {allocations:>13.2}", fleet.services.len(), 1e6 / ns);
    }
    println!("\nwhole decisions: every vote counted, every guard asked, every rule explained\n");
    println!("{:>9} {:>12} {:>14}", "vantages", "ns each", "thousand a s");
    for vantages in [3, 5, 15] {
        let mut fleet = Fleet::new(1, vantages);
        for outcome in [pass as fn(usize, Role) -> Outcome, down] {
            for _ in 0..12 {
                let seen = fleet.round(outcome);
                fleet.give(seen);
            }
        }
        let (at, name) = (Moment::from_ms(fleet.now), fleet.services[0].name.clone());
        let times = if quick { 10 } else { 20_000 };
        let best = (0..ROUNDS).map(|_| {
            let start = now();
            for _ in 0..times {
                black_box(fleet.engine.explain(at, &name));
            }
            start.elapsed().as_nanos() as f64 / f64::from(times)
        });
        let ns = best.fold(f64::INFINITY, f64::min);
        println!("{vantages:>9} {ns:>12.0} {:>14.1}", 1e6 / ns);
    }
}
