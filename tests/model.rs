//! The protocol of fencing and journaling as an explicit-state model: every order in which leases run out, processes die and requests arrive
//! late, twice or never, within bounds. The design holds; take any guard away, and it does not.
//!
//! `docs/verification.md` says what is modelled and what is left out. `QUORATE_MODEL=large` sets larger bounds; with `--nocapture` every
//! search prints what it saw, and the shortest way to what it found broken.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up must panic, and helpers of tests are not recognised as tests"
)]

#[cfg(test)]
mod model {
    mod action;
    mod calm;
    mod checker;
    mod cover;
    mod design;
    mod journal;
    mod rules;
    mod state;
    mod step;
    mod token;

    use std::fmt::Write as _;

    use cover::Event;
    use design::{Bounds, Design, Restores, Write};
    use rules::Rule;
    use step::Protocol;

    /// Two controllers and three epochs, without what can do no harm any more.
    const FORGETFUL: Bounds = Bounds { forgets_dead: true, ..Bounds::SMALL };
    /// A backup is put back while nobody runs.
    const COLD: Bounds = Bounds { restores: Restores::Cold, epochs: 2, ..FORGETFUL };
    /// A backup is put back at any time.
    const LIVE: Bounds = Bounds { restores: Restores::Live, ..COLD };
    const SOUND: Design = Design::SOUND;
    /// As it is built on SQLite, where a lock of the operating system is the lease and freezes go through the leader.
    const ON_SQLITE: Design = Design {
        lock: true,
        freeze_by_leader: true,
        journal_after_claim: false,
        append_compares_lease: false,
        append_compares_freeze: false,
        append_compares_open: false,
        ..SOUND
    };

    /// Whether the larger bounds were asked for.
    #[expect(clippy::disallowed_methods, reason = "the one place where a person says how far the model is driven")]
    fn large() -> bool {
        std::env::var("QUORATE_MODEL").is_ok_and(|size| size == "large")
    }

    /// Searches, and tells what it saw.
    fn search(name: &str, protocol: &Protocol, resumes: bool) -> checker::Report {
        let report = checker::search(protocol, resumes);
        let checker::Report { states, steps, depth, broken } = &report;
        let mut told = format!("{name}: {states} states, {steps} steps between them, depth {depth}\n ");
        for event in Event::ALL {
            write!(told, " {event:?} {}", protocol.seen.count(event)).unwrap();
        }
        if let Some((rule, way)) = broken {
            write!(told, "\n  {rule:?} is broken after {}:", way.len()).unwrap();
            for action in way {
                write!(told, "\n    {action:?}").unwrap();
            }
        }
        println!("{told}");
        report
    }

    /// The design holds within the bounds, in so many states, and each of these events happened on the way.
    fn holds(name: &str, protocol: &Protocol, states: usize, events: &[Event]) {
        let report = search(name, protocol, true);
        assert_eq!(report.broken, None, "{name}");
        for event in events {
            assert_ne!(protocol.seen.count(*event), 0, "{name}: {event:?} never happened");
        }
        assert_eq!(report.states, states, "{name}: the model has changed; if that was meant, pin the new number");
    }

    /// The design breaks this rule first, after so many actions and no fewer.
    fn breaks(name: &str, design: Design, bounds: Bounds, rule: Rule, actions: usize) {
        let report = search(name, &Protocol::new(design, bounds), false);
        let found = report.broken.map(|(rule, way)| (rule, way.len()));
        assert_eq!(found, Some((rule, actions)), "{name}");
    }

    /// The small bounds with their number of states, or the large ones with theirs.
    fn sized(small: (Bounds, usize), wide: (Bounds, usize)) -> (Bounds, usize) {
        if large() { wide } else { small }
    }

    #[test]
    fn two_controllers_keep_every_rule_through_three_takeovers_and_a_freeze() {
        let (bounds, states) = sized(
            (Bounds { freezes: 1, reopens: true, ..FORGETFUL }, 145_156),
            (Bounds { epochs: 4, seqs: 2, freezes: 1, reopens: true, ..FORGETFUL }, 3_653_238),
        );
        let events = [Event::FrozenAtCommit, Event::TwoBelieveToLead, Event::TakeoverDuringFlip, Event::StaleRefused];
        holds("two controllers", &Protocol::new(SOUND, bounds), states, &events);
    }

    #[test]
    fn two_controllers_keep_every_rule_through_a_failover_and_the_way_back() {
        let (bounds, states) = sized(
            (Bounds { epochs: 2, plans: 2, seqs: 2, reopens: true, ..FORGETFUL }, 57_150),
            (Bounds { plans: 2, seqs: 3, freezes: 1, reopens: true, ..FORGETFUL }, 11_382_078),
        );
        let events = [
            Event::FlipApplied,
            Event::FailbackApplied,
            Event::RolledForward,
            Event::Voided,
            Event::NeverSent,
            Event::SentAgain,
            Event::AnswerLostButApplied,
            Event::FenceTriedAgain,
            Event::Deposed,
            Event::PlanDone,
            Event::PlanAbandoned,
            Event::PlanStuck,
        ];
        holds("there and back", &Protocol::new(SOUND, bounds), states, &events);
    }

    #[test]
    fn three_controllers_keep_every_rule() {
        let (bounds, states) = sized(
            (Bounds { controllers: 3, ..FORGETFUL }, 190_550),
            (Bounds { controllers: 3, plans: 2, seqs: 2, ..FORGETFUL }, 5_370_734),
        );
        let events = [Event::TwoBelieveToLead, Event::RolledForward, Event::Voided, Event::StaleRefused];
        holds("three controllers", &Protocol::new(SOUND, bounds), states, &events);
    }

    #[test]
    fn requests_that_arrive_long_after_they_could_do_anything_do_nothing() {
        let (bounds, states) = sized(
            (Bounds { epochs: 2, seqs: 2, ..Bounds::SMALL }, 76_473),
            (Bounds { freezes: 1, reopens: true, ..Bounds::SMALL }, 2_076_785),
        );
        let events = [Event::StaleRefused, Event::DuplicateRefused, Event::RolledForward, Event::Voided];
        holds("every request for ever", &Protocol::new(SOUND, bounds), states, &events);
    }

    #[test]
    fn what_is_built_on_sqlite_keeps_every_rule_because_its_lease_ends_with_the_process() {
        let (bounds, states) = sized(
            (Bounds { seqs: 2, freezes: 2, reopens: true, ..FORGETFUL }, 22_905),
            (Bounds { epochs: 4, plans: 2, seqs: 3, freezes: 2, reopens: true, ..FORGETFUL }, 821_385),
        );
        let events = [Event::RolledForward, Event::Voided, Event::DuplicateRefused, Event::PlanStuck];
        holds("on SQLite", &Protocol::new(ON_SQLITE, bounds), states, &events);
    }

    #[test]
    fn the_four_designs_that_look_sound_are_not() {
        let lease_only = Design { write: Write::Upsert, fence_write: false, ..SOUND };
        let after = Rule::S5NothingAfterTakeover;
        breaks("V0, a lease and UPSERT", lease_only, Bounds::SMALL, after, 9);
        let checked = Design { lease_before_call: true, ..lease_only };
        breaks("V1, the lease looked at right before the call", checked, Bounds::SMALL, after, 9);
        let unfenced = Design { fence_write: false, ..SOUND };
        breaks("V2, a swap without the fence write", unfenced, Bounds::SMALL, after, 9);
        let epochs = Design { write: Write::SwapOfEpoch, ..SOUND };
        breaks("V3b, a token of the epoch alone", epochs, Bounds::SMALL, Rule::S8JournalIsTrue, 15);
        let unnumbered = Design { write: Write::SwapWithoutSequence, ..SOUND };
        breaks("V3c, a token without its sequence", unnumbered, Bounds::SMALL, Rule::S8JournalIsTrue, 15);
    }

    #[test]
    fn every_guard_that_is_taken_away_is_missed() {
        let small = Bounds::SMALL;
        let upsert = Design { write: Write::Upsert, ..SOUND };
        breaks("a fence write and numbers, and no comparison", upsert, small, Rule::S5TokensGrow, 8);
        let early = Design { fence_before_settling: false, ..SOUND };
        breaks("a flip is settled before the fence write", early, small, Rule::S8JournalIsTrue, 13);
        let deaf = Design { append_compares_freeze: false, ..SOUND };
        let frozen = Bounds { freezes: 1, ..small };
        breaks("an append that does not compare the freeze", deaf, frozen, Rule::S10FreezeWins, 7);
        let hasty = Design { intent_before_send: false, ..SOUND };
        breaks("a flip that is sent before its intent is durable", hasty, small, Rule::S7IntentFirst, 9);
        let stubborn = Design { start_before_resend: false, ..SOUND };
        breaks("a flip that is sent again without a word", stubborn, small, Rule::S9NothingWithoutStore, 11);
        let trusting = Design { read_only_first: false, ..SOUND };
        breaks("a flip to a standby that takes writes", trusting, small, Rule::S15ReadOnlyFirst, 7);
        let eager = Design { manual_failback: false, ..SOUND };
        let back = Bounds { plans: 2, seqs: 2, ..small };
        breaks("a failback by the policy", eager, back, Rule::S12NoAutomaticFailback, 16);
        let halves = Design { one_batch: false, ..SOUND };
        breaks("a flip in two batches", halves, small, Rule::S16NeverEmpty, 10);
        let forgetful = Design { zone_epoch: false, ..SOUND };
        breaks("an epoch from the store alone", forgetful, COLD, Rule::S6EpochsAreNew, 13);
    }

    #[test]
    fn a_swap_without_the_fence_write_ends_with_two_sides_that_take_writes() {
        let forgiven = &[Rule::S5NothingAfterTakeover, Rule::S8JournalIsTrue];
        let bounds = Bounds { reopens: true, ..Bounds::SMALL };
        let unfenced = Design { fence_write: false, ..SOUND };
        let protocol = Protocol { forgiven, ..Protocol::new(unfenced, bounds) };
        let report = search("V2 to its end", &protocol, false);
        assert_eq!(report.broken.map(|(rule, way)| (rule, way.len())), Some((Rule::S1OneWriter, 12)));
    }

    #[test]
    fn a_controller_that_leaves_a_flip_open_is_found_not_to_resume() {
        let blind = Design { settles: false, ..SOUND };
        let report = search("nobody settles", &Protocol::new(blind, Bounds::SMALL), true);
        assert_eq!(report.broken.map(|(rule, way)| (rule, way.len())), Some((Rule::S8CrashResumes, 8)));
    }

    #[test]
    fn a_journal_read_before_the_claim_needs_a_lock_or_an_append_that_compares_what_is_open() {
        let early = Design { journal_after_claim: false, append_compares_lease: false, ..SOUND };
        holds("read early, compared at the append", &Protocol::new(early, FORGETFUL), 81_773, &[]);
        let blind = Design { append_compares_open: false, ..early };
        breaks("read early, and a second intent while one is open", blind, FORGETFUL, Rule::S7OneOpenIntent, 10);
    }

    #[test]
    fn a_backup_that_is_put_back_can_issue_an_epoch_again_and_breaks_nothing_else() {
        let epochs = Rule::S6EpochsAreNew;
        breaks("a backup put back while nobody runs", SOUND, COLD, epochs, 13);
        breaks("a backup put back under a leader", SOUND, LIVE, epochs, 11);
        let forgiving =
            |design, bounds| Protocol { forgiven: &[Rule::S6EpochsAreNew], ..Protocol::new(design, bounds) };
        holds("the rest, while nobody runs", &forgiving(SOUND, COLD), 43_045, &[Event::RolledForward, Event::Voided]);
        holds("the rest, on SQLite", &forgiving(ON_SQLITE, COLD), 7_932, &[Event::RolledForward, Event::Voided]);
        let (bounds, states) = sized((LIVE, 123_309), (Bounds { epochs: 3, ..LIVE }, 1_429_083));
        holds("the rest, under a leader", &forgiving(SOUND, bounds), states, &[Event::TwoBelieveToLead]);
    }

    #[test]
    fn a_first_fence_that_finds_its_own_epoch_and_claims_the_next_keeps_epochs_new_if_nobody_else_lives() {
        let parting = Design { twins_part: true, ..SOUND };
        let (bounds, states) = sized((COLD, 27_051), (Bounds { epochs: 3, ..COLD }, 245_033));
        holds("twins part", &Protocol::new(parting, bounds), states, &[Event::ZoneWasAhead]);
        breaks("twins that write the same bytes", parting, LIVE, Rule::S6EpochsAreNew, 11);
    }
}
