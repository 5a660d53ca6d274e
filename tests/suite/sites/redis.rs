//! Redis, alone and as a pair.

use std::time::Duration;

use quorate::adapters::site::redis::Redis as Adapter;
use quorate::adapters::site::{Control, Database};
use quorate::domain::{Class, Distance, PortError, Position, Secret};
use tokio::time::{Instant, sleep};

use super::act::{STANDBY, accepted, enter, leave, refused, service};
use crate::suite::databases::redis::Redis;
use crate::suite::world::turn;

fn adapter(database: Database) -> Adapter {
    Adapter::new(database).unwrap()
}

async fn position(adapter: &Adapter) -> Position {
    adapter.position(&service()).await.unwrap().unwrap()
}

/// Waits until the copy is where the source is.
async fn level(copy: &Adapter, source: &Adapter) -> bool {
    for _ in 0..1_000 {
        if position(copy).await.from_source(&position(source).await) == Distance::Level {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn a_primary_is_fenced_by_wanting_replicas_that_nobody_has_and_gets_its_own_number_back() {
    let _turn = turn(1).await;
    let server = Redis::primary();
    server.cli(&["config", "set", "min-replicas-to-write", "0"]);
    let control = adapter(server.control(STANDBY));
    accepted(&control).await;
    for before in ["0", "2"] {
        server.cli(&["config", "set", "min-replicas-to-write", before]);
        enter(&control).await.unwrap();
        enter(&control).await.unwrap();
        let how = refused(&control).await;
        assert!(how.contains("NOREPLICAS"), "{how}");
        assert!(server.cli(&["set", "key", "late"]).contains("NOREPLICAS"));
        let left = leave(&control).await;
        assert_eq!(
            server.cli(&["config", "get", "min-replicas-to-write"]),
            format!("min-replicas-to-write\n{before}")
        );
        // With two wanted and none there it refused writes before we came, and that is said.
        assert_eq!(left.is_ok(), before == "0", "{left:?}");
    }
    server.cli(&["config", "set", "min-replicas-to-write", "0"]);
    server.cli(&["config", "set", "min-replicas-max-lag", "0"]);
    let error = enter(&control).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("min-replicas-max-lag is 0"), "{error}");
}

#[tokio::test]
async fn a_replica_refuses_writes_says_how_far_it_is_and_is_promoted_only_where_that_is_said() {
    let _turn = turn(1).await;
    let primary = Redis::primary();
    let replica = primary.follower();
    let (source, copy) = (adapter(primary.control("the primary 'aws'")), adapter(replica.control(STANDBY)));
    primary.cli(&["set", "key", "kept"]);
    assert!(level(&copy, &source).await, "{}", replica.server.log());
    replica.cli(&["config", "set", "replica-read-only", "no"]);
    accepted(&copy).await;
    enter(&copy).await.unwrap();
    let how = refused(&copy).await;
    assert!(how.contains("READONLY"), "{how}");
    assert!(replica.cli(&["set", "key", "late"]).contains("READONLY"));

    let error = leave(&copy).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("promote = true"), "{error}");
    leave(&adapter(Database { promote: true, ..replica.control(STANDBY) })).await.unwrap();
    assert_eq!(replica.cli(&["set", "key", "new"]), "OK");
    let (here, there) = (position(&copy).await, position(&source).await);
    assert!(matches!(here.from_source(&there), Distance::Diverged { .. }), "{here} of {there}");
}

#[tokio::test]
async fn errors_name_the_place_and_the_way_out_and_no_password() {
    let _turn = turn(1).await;
    let mut server = Redis::primary();
    let error_of = async |database: Database| -> PortError { enter(&adapter(database)).await.unwrap_err() };
    let wrong = error_of(Database { password: Some(Secret::new("a-wrong-one-31")), ..server.control(STANDBY) }).await;
    assert!(wrong.class == Class::Broken && wrong.what.contains("the secret of 'password'"), "{wrong}");
    let none = error_of(Database { password: None, ..server.control(STANDBY) }).await;
    assert!(none.class == Class::Broken && none.what.contains("name the secret as 'password'"), "{none}");
    server.server.pause();
    let begun = Instant::now();
    let silent = error_of(server.control(STANDBY)).await;
    server.server.resume();
    assert!(
        silent.class == Class::Retry && begun.elapsed() < Duration::from_secs(8),
        "{silent}: {:?}",
        begun.elapsed()
    );
    server.server.kill();
    let gone = error_of(server.control(STANDBY)).await;
    assert!(gone.class == Class::Retry && gone.what.contains("Connection refused"), "{gone}");
    for error in [wrong, none, silent, gone] {
        assert!(error.what.starts_with(STANDBY) && error.what.contains("Redis at 127.0.0.1:"), "{error}");
        assert!(!error.what.contains("redis-pass") && !error.what.contains("a-wrong-one"), "{error}");
    }
}
