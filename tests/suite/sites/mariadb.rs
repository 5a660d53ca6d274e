//! MariaDB, alone and as a pair.

use std::time::Duration;

use quorate::adapters::site::mysql::Mysql as Adapter;
use quorate::adapters::site::{Control, Database, Tls};
use quorate::domain::{Class, Distance, PortError, Position, Secret};
use tokio::time::Instant;

use super::act::{STANDBY, accepted, enter, leave, probe, refused, service};
use crate::suite::databases::mariadb::{APP, Mariadb};
use crate::suite::world::turn;

/// With the application as the one that tries writes.
fn adapter(database: Database) -> Adapter {
    Adapter::new(database, Some(("app".to_owned(), Some(Secret::new(APP)))))
}

async fn position(adapter: &Adapter) -> Position {
    adapter.position(&service()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_server_that_takes_writes_refuses_them_and_takes_them_again() {
    let _turn = turn(1).await;
    let server = Mariadb::primary();
    let control = adapter(server.control(STANDBY));
    accepted(&control).await;
    assert_eq!(server.sql("SELECT count(*) FROM shop.quorate_probe"), "0", "nothing is left of it");
    enter(&control).await.unwrap();
    enter(&control).await.unwrap();
    let how = refused(&control).await;
    assert!(how.contains("error 1290"), "{how}");
    let late = server.try_sql("app", APP, "INSERT INTO shop.orders (what) VALUES ('late')").unwrap_err();
    assert!(late.contains("1290"), "{late}");
    // An administrator's own write would be taken, and the words say what to do about it.
    let own = accepted(&Adapter::new(server.control(STANDBY), None)).await;
    assert!(own.contains("set probe_user"), "{own}");
    leave(&control).await.unwrap();
    leave(&control).await.unwrap();
    server.try_sql("app", APP, "INSERT INTO shop.orders (what) VALUES ('taken')").unwrap();
    accepted(&control).await;
}

#[tokio::test]
async fn a_replica_says_how_far_it_is_and_is_promoted_with_all_that_it_has_received() {
    let _turn = turn(1).await;
    let primary = Mariadb::primary();
    let replica = primary.follower();
    let (source, copy) = (adapter(primary.control("the primary 'aws'")), adapter(replica.control(STANDBY)));
    enter(&copy).await.unwrap();
    assert!(refused(&copy).await.contains("1290"));
    assert_eq!(position(&copy).await.from_source(&position(&source).await), Distance::Level);

    // Its applier stands still while it goes on receiving.
    replica.sql("STOP SLAVE SQL_THREAD");
    for _ in 0..5 {
        primary.try_sql("app", APP, "INSERT INTO shop.orders (what) VALUES ('kept')").unwrap();
    }
    let behind = position(&copy).await.from_source(&position(&source).await);
    assert_eq!(behind, Distance::Behind { amount: 5, unit: "transactions" });
    let error = leave(&copy).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("promote = true"), "{error}");
    let promoting = adapter(Database { promote: true, ..replica.control(STANDBY) });
    let error = leave(&promoting).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("its applier does not run"), "{error}");
    assert!(refused(&copy).await.contains("1290"), "nothing half-done that matters");

    replica.sql("START SLAVE");
    primary.until_level(&replica);
    leave(&promoting).await.unwrap();
    assert_eq!(replica.sql("SELECT count(*) FROM shop.orders"), "5");
    replica.try_sql("app", APP, "INSERT INTO shop.orders (what) VALUES ('new')").unwrap();
    let ahead = position(&copy).await.from_source(&position(&source).await);
    assert_eq!(ahead, Distance::Ahead { amount: 1, unit: "transactions" });
    primary.try_sql("app", APP, "INSERT INTO shop.orders (what) VALUES ('elsewhere')").unwrap();
    let apart = position(&copy).await.from_source(&position(&source).await);
    assert!(matches!(apart, Distance::Diverged { .. }), "{apart}");
}

#[tokio::test]
async fn errors_name_the_place_and_the_way_out_and_no_password() {
    let _turn = turn(1).await;
    let mut server = Mariadb::primary();
    let error_of = async |database: Database| -> PortError { enter(&adapter(database)).await.unwrap_err() };
    let wrong = error_of(Database { password: Some(Secret::new("a-wrong-one-31")), ..server.control(STANDBY) }).await;
    assert!(wrong.class == Class::Broken && wrong.what.contains("the secret of 'password'"), "{wrong}");
    let user = Database { user: "app".into(), password: Some(Secret::new(APP)), ..server.control(STANDBY) };
    let poor = error_of(user).await;
    assert!(poor.class == Class::Broken && poor.what.contains("docs/standby.md"), "{poor}");
    let secured = error_of(Database { tls: Tls::On { ca: None }, ..server.control(STANDBY) }).await;
    assert!(secured.class == Class::Broken && secured.what.contains("tls = \"off\""), "{secured}");
    let database = Database { probe_table: Some("shop.no_such".into()), ..server.control(STANDBY) };
    let table = probe(&adapter(database)).await.unwrap_err();
    assert!(table.class == Class::Broken, "{table}");
    server.server.pause();
    let begun = Instant::now();
    let silent = error_of(server.control(STANDBY)).await;
    server.server.resume();
    assert!(silent.class == Class::Retry && silent.what.contains("no answer within 5 s"), "{silent}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    server.server.kill();
    let gone = error_of(server.control(STANDBY)).await;
    assert!(gone.class == Class::Retry && gone.what.contains("Connection refused"), "{gone}");
    for error in [wrong, poor, secured, table, silent, gone] {
        assert!(error.what.starts_with(STANDBY) && error.what.contains("MySQL at 127.0.0.1:"), "{error}");
        assert!(!error.what.contains("maria-quorate") && !error.what.contains("a-wrong-one"), "{error}");
    }
}
