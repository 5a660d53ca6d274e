//! `quorate simulate`: what a policy buys, over the real engine. Every number here is of a seed that is printed.

use quorate::domain::*;
use quorate::sim::detect::{self, *};
use std::time::Instant;

#[test]
#[allow(clippy::disallowed_methods)]
fn probe() {
    let policy = Policy::new("default", PolicyValues::default()).unwrap();
    let size = Size { runs: 100, seed: 1, threads: 2 };
    for scenario in SCENARIOS {
        let hour = scenario.name.contains("hour") || scenario.name.contains("vpn");
        let runs = if hour { 4 } else { 60 };
        let t = Instant::now();
        let out = detect::run(&policy, scenario, runs, 1, 2);
        let took = t.elapsed();
        let base: Vec<String> = BASELINES
            .iter()
            .map(|b| {
                let t = compared(b, scenario, size, &Watch::default());
                format!("{:?}/{:?} {:.0}%", t.within(0.5), t.within(0.99), t.share() * 100.0)
            })
            .collect();
        println!(
            "{:<24} {:?}/{:?} {:.1}% wrong {} early {} moves {} met {} obs {} in {took:?} | {}",
            scenario.name,
            out.times.within(0.5),
            out.times.within(0.99),
            out.times.share() * 100.0,
            out.wrong,
            out.early,
            out.most_moves,
            out.is_met(),
            out.observations,
            base.join(" | ")
        );
    }
}
