//! What keeps a controller or an agent from starting: each with its place, its way out and exit code 64.

use std::fs;
use std::net::TcpListener;

use super::store::{append, frozen, led};
use super::world::{Options, Ran, World, Zone};

/// A world whose file says something else in that place.
async fn changed(file: &str, from: &str, to: &str) -> World {
    let world = World::prepared(Options::default()).await;
    let path = world.dir.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    world
}

/// What all commands say that read a configuration.
async fn all(world: &World) -> [Ran; 3] {
    [
        world.run(&["validate"], &[]).await,
        world.run(&["controller"], &[]).await,
        world.run(&["agent", "--vantage", "aws-1"], &[]).await,
    ]
}

#[tokio::test]
async fn a_mistake_in_the_configuration_stops_every_command_at_its_place() {
    for (file, from, to, words) in [
        (
            "quorate.toml",
            "cluster = ",
            "clusster = ",
            &["quorate.toml:2:1", "clusster", "did you mean 'cluster'?"][..],
        ),
        (
            "quorate.toml",
            "policy = \"brisk\"",
            "policy = \"brik\"",
            &["quorate.toml:", "there is no policy 'brik'", "'brisk'"],
        ),
        (
            "policies/brisk.toml",
            "interval = \"800ms\"",
            "interval = \"600ms\"",
            &["policies/brisk.toml:", "interval", "timeout"],
        ),
        ("policies/brisk.toml", "quorum = 2", "quorum = 4", &["quorum", "4", "3"]),
        ("checks/login.rhai", "step(", "step((", &["checks/login.rhai:"]),
        ("secrets.toml", "probe-password", "other-password", &["probe-password", "QUORATE_SECRET_PROBE_PASSWORD"]),
    ] {
        let world = changed(file, from, to).await;
        for ran in all(&world).await {
            assert_eq!(ran.code, Some(64), "{file} with {to}: {ran:?}");
            let said = format!("{}{}", ran.out, ran.err);
            for word in words {
                assert!(said.contains(word), "{file} with {to}: '{word}' in {ran:?}");
            }
            // Places are FILE:LINE:COLUMN.
            let place = words[0].ends_with(':').then(|| said.split(words[0]).nth(1).unwrap());
            let place =
                place.map(|rest| rest.chars().take_while(|c| c.is_ascii_digit() || *c == ':').collect::<String>());
            assert!(place.is_none_or(|place| place.matches(':').count() == 2), "{said}");
        }
    }
}

#[tokio::test]
async fn a_command_that_cannot_begin_says_what_to_change() {
    let world = World::prepared(Options::default()).await;
    let stranger = world.run(&["agent", "--vantage", "mars-1"], &[]).await;
    assert_eq!(stranger.code, Some(64), "{stranger:?}");
    assert!(stranger.err.contains("no vantage is called 'mars-1'; there are aws-1, azure-1, gcp-1"), "{stranger:?}");

    let _taken = TcpListener::bind(("127.0.0.1", world.port)).unwrap();
    let taken = world.run(&["controller"], &[]).await;
    assert_eq!(taken.code, Some(64), "{taken:?}");
    for words in [&format!("127.0.0.1:{}", world.port)[..], "controller.listen", "quorate.toml"] {
        assert!(taken.err.contains(words), "{words}: {taken:?}");
    }
    assert!(!world.dir.path().join("quorate.db").exists(), "nothing is begun");

    for command in ["controller", "validate"] {
        let missing = world.run(&[command, "--config", "nowhere.toml"], &[]).await;
        assert_eq!(missing.code, Some(64), "{missing:?}");
        assert!(format!("{}{}", missing.out, missing.err).contains("nowhere.toml"), "{missing:?}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_named() {
    let world = changed("quorate.toml", "data = \"quorate.db\"", "data = \"none/quorate.db\"").await;
    let ran = world.run(&["controller"], &[]).await;
    assert!(ran.code == Some(2) && ran.err.contains("none/quorate.db"), "{ran:?}");
    let world = World::prepared(Options::default()).await;
    fs::write(world.dir.path().join("quorate.db"), "this is no database, and somebody needs it").unwrap();
    let ran = world.run(&["controller"], &[]).await;
    assert!(ran.code == Some(2) && ran.err.contains("quorate.db"), "{ran:?}");

    // A store that opens, and whose journal is not what was written.
    let world = World::prepared(Options::default()).await;
    let path = world.dir.path().join("quorate.db");
    let store = led(&path, 1).await;
    append(&store, 1, None, &[frozen("ann"), frozen("bob")], &[]).await.unwrap();
    drop(store);
    let free = "DROP TRIGGER journal_is_never_changed; UPDATE journal SET epoch = 7 WHERE id = 2";
    rusqlite::Connection::open(&path).unwrap().execute_batch(free).unwrap();
    let ran = world.run(&["controller"], &[]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for words in ["cannot read the journal", "quorate.db", "entry 2 of the journal", "restore it from a backup"] {
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    }
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_named_with_its_place_and_nothing_begins() {
    let world = World::prepared(Options { zone: Zone::Nowhere, ..Options::default() }).await;
    let ran = world.run(&["controller"], &[]).await;
    assert_eq!(ran.code, Some(64), "{ran:?}");
    let text = fs::read_to_string(world.dir.path().join("quorate.toml")).unwrap();
    let line = text.lines().position(|line| line.contains("ZNOWHERE")).unwrap() + 1;
    for words in [&format!("quorate.toml:{line}:")[..], "the zone 'ZNOWHERE'", "create it"] {
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    }
    assert!(!world.dir.path().join("quorate.db").exists(), "nothing is begun");
}
