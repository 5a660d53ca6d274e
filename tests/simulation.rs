//! The search over faults, on the real controller and the real store: see `src/sim/world` and docs/verification.md.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot be set up must panic, and what was searched is worth reading"
)]

#[cfg(test)]
mod simulation {
    use quorate::sim::world::{Course, Flaw, Kind, Search, Spec, crashes, run, search};

    /// Where the seeds of the gate begin.
    const FIRST_SEED: u64 = 1;

    #[test]
    fn the_same_seed_takes_the_same_way_twice() {
        for seed in [3, 47, 1_000_003] {
            let (one, two) = (run(&Spec::numbered(seed, seed)), run(&Spec::numbered(seed, seed)));
            let (one, two) = (one.expect("a world"), two.expect("a world"));
            assert_eq!((one.trace, one.events), (two.trace, two.events), "seed {seed}");
        }
    }

    #[test]
    fn no_invariant_is_violated_under_any_pair_of_faults() {
        let runs = std::env::var("RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(240);
        let plan = Search { runs, first_seed: FIRST_SEED, threads: 2 };
        let begin = std::time::Instant::now();
        let summary = search(&plan, &|_, _| {}).expect("a world");
        println!("{summary}\n{:?}", begin.elapsed());
        assert_eq!(summary.violations, 0, "{summary}");
    }
}
