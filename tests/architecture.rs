//! The rules of the house, read off its source text: which floor imports which, what the pure floors do without, how a
//! file looks, and who is excused from a ban. It needs nothing of the crate but its files. Each rule's own tests, on small
//! texts that break it, stand below it in `tests/architecture/`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot be set up must panic, and helpers of tests are not recognised as tests"
)]

#[cfg(test)]
mod architecture {
    mod excuses;
    mod floors;
    mod source;
    mod words;

    use source::{Source, Violation, assert_none, file, package};

    /// Excuses from the bans of `clippy.toml`: file, how many, what for.
    const EXCUSES: [(&str, usize, &str); 18] = [
        ("benches/checks/client.rs", 2, "nothing outlives a bench"),
        ("benches/checks/server.rs", 1, "nothing outlives a bench"),
        ("benches/engine.rs", 1, "a bench measures time"),
        ("src/adapters/clock.rs", 2, "the one clock that all others stand for: moments, and wall time"),
        (
            "src/adapters/script/language/codes.rs",
            2,
            "what a script puts into what it sends: chance, and the time of day",
        ),
        ("src/adapters/script/watch.rs", 1, "times a probe; no decision depends on it"),
        ("src/cli/api.rs", 1, "reads who is asking from the environment"),
        ("src/cli/client.rs", 1, "reads the controller's address and the token from the environment"),
        ("src/config/mod.rs", 1, "reads secrets from the environment"),
        ("src/lab/clock.rs", 3, "the lab is the outside world: wall time, and two kinds of nonces"),
        ("src/runtime/chance.rs", 2, "jitter, and the nonce that tells one run of a process from another"),
        ("tests/model.rs", 1, "reads how far a person wants the model driven"),
        ("tests/suite/hostile.rs", 1, "reads which run a person repeats, and how long one they want"),
        ("tests/suite/http_cases.rs", 1, "tells a test's own process what it is there for"),
        ("tests/suite/rounds.rs", 1, "reads which run a person repeats, and how long one they want"),
        ("tests/suite/site_examples.rs", 1, "an example of the documentation has a clock of its own"),
        ("tests/suite/terraform/tool.rs", 1, "reads whether a machine without Terraform fails the tests"),
        ("tests/suite/lab/cloud.rs", 1, "stamps a signature with wall time"),
    ];

    /// What one rule finds in all files of these folders.
    fn all(folders: &[&str], rule: fn(&Source) -> Vec<Violation>) -> Vec<Violation> {
        package(folders).iter().flat_map(rule).collect()
    }

    #[test]
    fn every_import_stays_on_its_floor_or_goes_down() {
        assert_none(&all(&["src"], floors::violations));
    }

    #[test]
    fn the_library_draws_and_declares_the_floors_that_are_enforced() {
        let root = Source::new("src/lib.rs", &file("src/lib.rs"));
        for two in root.tokens.windows(2) {
            if let [word, room] = two
                && word.is_word("mod")
            {
                let room = room.word().expect("a module has a name");
                let known =
                    floors::FLOORS.iter().any(|(name, _)| *name == room) || floors::SIDE_STAIRS.contains(&room);
                assert!(known, "src/lib.rs:{}: `{room}` has no floor: give it one in tests/architecture", word.line);
                assert!(root.text.contains(&format!("[`{room}`]")), "src/lib.rs does not draw `{room}` on a floor");
            }
        }
        for (at, line) in root.text.lines().enumerate() {
            let Some((floor, rooms)) = line.strip_prefix("//! | ").and_then(|row| row.split_once(" | ")) else {
                continue;
            };
            let (Ok(floor), Some((rooms, _))) = (floor.parse::<u8>(), rooms.split_once(" | ")) else { continue };
            for room in rooms.split(", ").map(|room| room.trim_matches(['[', ']', '`'])) {
                let drawn = floors::FLOORS.contains(&(room, floor));
                assert!(drawn, "src/lib.rs:{}: `{room}` is drawn on floor {floor}, and enforced on another", at + 1);
            }
        }
    }

    #[test]
    fn the_domain_and_the_engine_do_without_clock_chance_locks_and_output() {
        assert_none(&all(&["src"], words::impure));
    }

    #[test]
    fn no_host_function_lends_the_stack_of_its_script() {
        assert_none(&all(&["src"], words::lending));
    }

    #[test]
    fn every_file_begins_by_saying_what_it_is() {
        assert_none(&all(&["src", "tests", "benches"], words::undocumented));
    }

    #[test]
    fn no_file_is_too_long_to_be_read_at_one_go() {
        assert_none(&all(&["src"], words::long));
    }

    #[test]
    fn nothing_is_left_unfinished() {
        assert_none(&all(&["src", "tests", "benches"], words::unfinished));
    }

    #[test]
    fn every_excuse_from_a_ban_gives_its_reason_and_is_on_the_list() {
        assert_none(&excuses::unlisted(&package(&["src", "tests", "benches"]), &EXCUSES));
    }

    #[test]
    fn every_ban_stands_and_gives_its_reason() {
        assert_none(&excuses::bans(&file("clippy.toml")));
        let softened = file("Cargo.toml").lines().position(|line| line.contains("disallowed_"));
        assert_eq!(softened, None, "Cargo.toml switches a ban of clippy.toml off for everybody");
    }
}
