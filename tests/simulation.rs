//! The search over faults, on the real controller and the real store: see `src/sim/world` and docs/verification.md.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot be set up must panic, and what was searched is worth reading"
)]

#[cfg(test)]
mod simulation {
    use std::collections::BTreeSet;

    use quorate::sim::world::{Course, Flaw, Invariant, Kind, PAIRS, Search, Spec, crashes, run, search};

    /// Where the seeds of the gate begin: any will do, and the same ones every time.
    const FIRST_SEED: u64 = 1;
    /// How often every pair of kinds comes round. Unoptimised, a run takes about 0.1 s of one core: docs/verification.md has the measures,
    /// and the command for as many runs as one likes.
    const ROUNDS: u64 = 10;
    /// How many runs a broken world is given to be found out.
    const RUNS_TO_BE_FOUND_OUT: u64 = 160;

    #[test]
    fn the_same_seed_takes_the_same_way_twice() {
        for seed in [3, 47, 101, 1_000_003] {
            let (one, two) = (run(&Spec::numbered(seed, seed)), run(&Spec::numbered(seed, seed)));
            let (one, two) = (one.expect("a world"), two.expect("a world"));
            assert_eq!((one.trace, one.events), (two.trace, two.events), "seed {seed}");
        }
    }

    #[test]
    fn no_invariant_is_violated_under_any_pair_of_faults() {
        let plan = Search { runs: ROUNDS * PAIRS, first_seed: FIRST_SEED, threads: 2 };
        let summary = search(&plan, &|_, _| {}).expect("a world");
        println!("{summary}");
        assert_eq!(summary.violations, 0, "{summary}");
        for invariant in Invariant::ALL {
            assert!(summary.risks.contains_key(&invariant), "{invariant:?} was never at risk\n{summary}");
        }
    }

    #[test]
    fn a_dead_primary_is_left_when_nothing_keeps_the_controller_from_it() {
        let spec = Spec { seed: 1, course: Course::ThereAndBack, flaw: None, crash_at: None, lose_answer: false };
        for seed in 1..=20 {
            let report = run(&Spec { seed, ..spec }).expect("a world");
            let moved = report.moved_after_ms.expect("a move");
            assert!(report.findings.is_empty() && moved < 45_000, "moved after {moved} ms\n{report}");
        }
    }

    #[test]
    fn a_death_at_any_point_of_a_failover_and_a_failback_is_made_good() {
        for lose_answer in [false, true] {
            let report = crashes(7, lose_answer).expect("a world");
            let kinds: BTreeSet<&str> = report.points.iter().copied().collect();
            println!("{} points of {} kinds, answer lost: {lose_answer}", report.points.len(), kinds.len());
            let found: Vec<String> = report.found.iter().map(|found| format!("{:?}\n{found}", found.spec)).collect();
            assert!(found.is_empty(), "seed 7: {} deaths were not made good\n{}", found.len(), found.join("\n"));
            assert!(report.points.len() > 60, "{:?}", report.points);
        }
    }

    #[test]
    fn the_judge_finds_out_every_world_that_is_broken_on_purpose() {
        let mut undiscovered = Vec::new();
        for flaw in Flaw::ALL {
            let mut wanted: BTreeSet<Invariant> = flaw.breaks().iter().copied().collect();
            for seed in 1..=RUNS_TO_BE_FOUND_OUT {
                let (first, second) = occasion(flaw, seed);
                let spec =
                    Spec { flaw: Some(flaw), course: Course::Faults(first, second), ..Spec::numbered(0, seed) };
                let report = run(&spec).expect("a world");
                for found in &report.findings {
                    wanted.remove(&found.invariant);
                }
                if wanted.is_empty() {
                    println!("{flaw:?}: found out with seed {seed}");
                    break;
                }
            }
            if !wanted.is_empty() {
                undiscovered.push((flaw, wanted));
            }
        }
        assert!(undiscovered.is_empty(), "not found out within {RUNS_TO_BE_FOUND_OUT} runs: {undiscovered:?}");
    }

    /// The faults under which a flaw shows soonest.
    fn occasion(flaw: Flaw, seed: u64) -> (Kind, Kind) {
        match flaw {
            Flaw::ProviderIgnoresSwap => (Kind::Lease, Kind::Provider),
            Flaw::StoreTakesOldEpoch => (Kind::Lease, Kind::Lease),
            Flaw::StoreForgetsFreeze => (Kind::Manual, Kind::ConfigPush),
            Flaw::StoreReadsEmpty => (Kind::ConfigPush, Kind::Provider),
            Flaw::StoreRepeatsRecords => (Kind::ConfigPush, Kind::ConfigPush),
            Flaw::StoreComparesNothing => (Kind::StoreRestored, Kind::StoreRestored),
            Flaw::SilenceFilledIn => (Kind::Clocks, Kind::Clocks),
            _ => Kind::pair(seed),
        }
    }
}
