//! PostgreSQL, alone and as a pair with streaming replication.

use std::time::Duration;

use quorate::adapters::site::postgres::Postgres as Adapter;
use quorate::adapters::site::{Control, Database, Tls};
use quorate::domain::{Class, Distance, Moment, PortError, Position, Secret};
use quorate::runtime::lag::Sampler;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::act::{STANDBY, accepted, enter, leave, refused, service};
use crate::suite::databases::postgres::{Postgres, a_moment, value};
use crate::suite::world::turn;

fn adapter(database: Database) -> Adapter {
    Adapter::new(database).unwrap()
}

async fn position(adapter: &Adapter) -> Position {
    adapter.position(&service()).await.unwrap().unwrap()
}

fn sqlstate(error: &tokio_postgres::Error) -> &str {
    error.code().map(tokio_postgres::error::SqlState::code).unwrap_or_default()
}

#[tokio::test]
async fn a_server_that_takes_writes_refuses_them_in_every_session_and_takes_them_again() {
    let _turn = turn(1).await;
    let server = Postgres::primary(&[]).await;
    let control = adapter(server.control(STANDBY));
    let how = accepted(&control).await;
    assert!(how.contains("rolled back"), "{how}");
    assert_eq!(server.value("SELECT count(*) FROM quorate_probe").await, "0", "nothing is left of it");

    // A session from before with a write that is not committed yet: the default alone would let it.
    let before = server.app().await;
    before.batch_execute("BEGIN; INSERT INTO orders (what) VALUES ('in doubt')").await.unwrap();
    let admin = server.admin().await;
    enter(&control).await.unwrap();
    let error = admin.batch_execute("CREATE TABLE late ()").await.unwrap_err();
    assert_eq!(sqlstate(&error), "25006", "it has the new default");
    let error = before.batch_execute("COMMIT").await.unwrap_err();
    assert!(error.is_closed() || sqlstate(&error) == "57P01", "{error}");
    let after = server.app().await;
    let error = after.batch_execute("INSERT INTO orders (what) VALUES ('late')").await.unwrap_err();
    assert_eq!(sqlstate(&error), "25006");
    let how = refused(&control).await;
    assert!(how.contains("25006") && how.contains("INSERT"), "{how}");

    // Again: nothing changes, and the session that is honest lives on; so does an administrator's, which only one of them could end.
    enter(&control).await.unwrap();
    assert_eq!(value(&after, "SELECT count(*) FROM orders").await, "0");
    leave(&control).await.unwrap();
    leave(&control).await.unwrap();
    server.app().await.batch_execute("INSERT INTO orders (what) VALUES ('taken')").await.unwrap();
    accepted(&control).await;
    // Without a table of its own a write is refused and taken all the same.
    let plain = adapter(Database { probe_table: None, ..server.control(STANDBY) });
    accepted(&plain).await;
    enter(&plain).await.unwrap();
    let how = refused(&plain).await;
    assert!(how.contains("CREATE TABLE") && how.contains("25006"), "{how}");
}

#[tokio::test]
async fn a_standby_in_recovery_is_read_only_says_how_far_it_is_and_is_promoted_only_where_that_is_said() {
    let _turn = turn(1).await;
    let primary = Postgres::primary(&[]).await;
    let standby = primary.follower(&[]).await;
    let (source, copy) = (adapter(primary.control("the primary 'aws'")), adapter(standby.control(STANDBY)));
    enter(&copy).await.unwrap();
    assert!(refused(&copy).await.contains("25006"));
    let error = leave(&copy).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("promote = true"), "{error}");
    assert_eq!(standby.value("SELECT pg_is_in_recovery()").await, "t");

    // The lag, with our own clock: the standby stops applying, and goes on.
    let mut sampler = Sampler::default();
    let begun = Instant::now();
    let now = || Moment::from_ms(u64::try_from(begun.elapsed().as_millis()).unwrap());
    let look = async |sampler: &mut Sampler| {
        let sent = now();
        let there = position(&source).await;
        sampler.sampled(sent, [("postgres".to_owned(), there)].into());
        let here = position(&copy).await;
        sampler.lag(now(), &[("postgres".to_owned(), here)].into())
    };
    primary.until_level(&standby).await;
    let level = look(&mut sampler).await.unwrap();
    assert_eq!(level.behind, Duration::ZERO, "{level:?}");
    standby.value("SELECT pg_wal_replay_pause()").await;
    primary
        .app()
        .await
        .batch_execute("INSERT INTO orders (what) SELECT repeat('x', 1000) FROM generate_series(1, 100)")
        .await
        .unwrap();
    a_moment().await;
    let behind = look(&mut sampler).await.unwrap();
    assert!(behind.behind >= Duration::from_millis(20) && behind.text.contains("kB behind: 0/"), "{behind:?}");
    let (there, here) = (position(&source).await, position(&copy).await);
    assert!(matches!(here.from_source(&there), Distance::Behind { .. }), "{here} of {there}");
    standby.value("SELECT pg_wal_replay_resume()").await;
    primary.until_level(&standby).await;
    assert_eq!(look(&mut sampler).await.unwrap().behind, Duration::ZERO);

    let promoting = adapter(Database { promote: true, ..standby.control(STANDBY) });
    leave(&promoting).await.unwrap();
    accepted(&promoting).await;
    let here = position(&promoting).await;
    assert!(matches!(here, Position::Lsn { timeline: 2, .. }), "{here}");
    let error = look(&mut sampler).await.unwrap_err();
    assert!(error.contains("has diverged: timeline 2"), "{error}");
    // It is a server that takes writes now, and is told not to like one.
    enter(&promoting).await.unwrap();
    assert!(refused(&promoting).await.contains("25006"));
    leave(&promoting).await.unwrap();
}

#[tokio::test]
async fn a_role_that_goes_around_the_setting_is_found_out() {
    let _turn = turn(1).await;
    let server = Postgres::primary(&[]).await;
    let control = adapter(server.control(STANDBY));
    let admin = server.admin().await;
    admin.batch_execute("ALTER ROLE app SET default_transaction_read_only = off").await.unwrap();
    let error = enter(&control).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("role app has a setting of its own"), "{error}");
    assert!(error.what.starts_with(STANDBY) && error.what.contains("user quorate, database postgres"), "{error}");
    let admin = server.admin().await;
    admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    // Our own session would be read-only, and nobody else's.
    admin
        .batch_execute("ALTER ROLE app RESET ALL; ALTER ROLE quorate SET default_transaction_read_only = on")
        .await
        .unwrap();
    let error = enter(&control).await.unwrap_err();
    assert!(error.what.contains("role quorate has a setting"), "{error}");
    let admin = server.admin().await;
    admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    admin.batch_execute("ALTER ROLE quorate RESET ALL").await.unwrap();
    enter(&control).await.unwrap();
    leave(&control).await.unwrap();
}

/// An act that must fail.
async fn error_of(database: Database) -> PortError {
    enter(&adapter(database)).await.unwrap_err()
}

#[tokio::test]
async fn errors_name_the_place_and_the_way_out_and_no_password() {
    let _turn = turn(1).await;
    let mut server = Postgres::primary(&[]).await;
    let control = || server.control(STANDBY);
    let wrong = error_of(Database { password: Some(Secret::new("a-wrong-one-31")), ..control() }).await;
    assert!(wrong.class == Class::Broken && wrong.what.contains("check the secret of 'password'"), "{wrong}");
    let none = error_of(Database { password: None, ..control() }).await;
    assert!(none.class == Class::Broken && none.what.contains("name the secret as 'password'"), "{none}");
    let elsewhere = error_of(Database { database: "shop".into(), ..control() }).await;
    assert!(elsewhere.class == Class::Broken && elsewhere.what.contains("correct 'database'"), "{elsewhere}");
    let poor =
        error_of(Database { user: "app".into(), password: Some(Secret::new("pg-app-77e0")), ..control() }).await;
    assert!(poor.class == Class::Broken && poor.what.contains("SQLSTATE 42501"), "{poor}");
    let secured = error_of(Database { tls: Tls::On { ca: None }, ..control() }).await;
    assert!(secured.class == Class::Broken && secured.what.contains("tls = \"off\""), "{secured}");
    let table = adapter(Database { probe_table: Some("no_such".into()), ..control() });
    let table = super::act::probe(&table).await.unwrap_err();
    assert!(table.class == Class::Broken && table.what.contains("create the table"), "{table}");
    assert_eq!(server.value("SHOW default_transaction_read_only").await, "off", "nothing half-done");

    server.server.pause();
    let begun = Instant::now();
    let silent = error_of(control()).await;
    server.server.resume();
    assert!(silent.class == Class::Retry && silent.what.contains("no answer within 5 s"), "{silent}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    server.server.kill();
    let control = server.control(STANDBY);
    let gone = error_of(control).await;
    assert!(gone.class == Class::Retry && gone.what.contains("Connection refused"), "{gone}");
    for error in [wrong, none, elsewhere, poor, secured, table, silent, gone] {
        assert!(error.what.starts_with(STANDBY) && error.what.contains("127.0.0.1:"), "{error}");
        assert!(!error.what.contains("pg-quorate") && !error.what.contains("a-wrong-one"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_no_database() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    };
    let database = Database {
        site: STANDBY.into(),
        host: "127.0.0.1".into(),
        port,
        user: "quorate".into(),
        password: None,
        database: "postgres".into(),
        tls: Tls::Off,
        promote: false,
        probe_table: None,
    };
    let control = adapter(database);
    tokio::select! {
        () = serving => {}
        error = enter(&control) => assert!(error.as_ref().is_err_and(|error| error.class == Class::Retry), "{error:?}"),
    }
}

#[tokio::test]
async fn tls_is_verified_by_the_authority_that_is_named() {
    let _turn = turn(1).await;
    let (ca, issuer) = authority();
    let (other, _) = authority();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let server = Postgres::primary(&[]).await;
    Postgres::put(&server.data().join("server.crt"), &own.pem());
    Postgres::put(&server.data().join("server.key"), &key.serialize_pem());
    let admin = server.admin().await;
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let with = |ca: &str| Database { tls: Tls::On { ca: Some(ca.as_bytes().to_vec()) }, ..server.control(STANDBY) };
    while position_fails(&with(&ca)).await.is_some_and(|error| error.what.contains("does not offer TLS")) {
        a_moment().await;
    }
    enter(&adapter(with(&ca))).await.unwrap();
    assert!(refused(&adapter(with(&ca))).await.contains("25006"));
    let error = position_fails(&with(&other)).await.unwrap();
    assert!(error.class == Class::Broken && error.what.contains("name its authority's file as 'ca'"), "{error}");
    let named = Database { host: "localhost".into(), ..with(&ca) };
    let error = position_fails(&named).await.unwrap();
    assert!(error.class == Class::Broken && error.what.contains("the name that it is for"), "{error}");
}

async fn position_fails(database: &Database) -> Option<PortError> {
    adapter(database.clone()).position(&service()).await.err()
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

#[tokio::test]
async fn a_superusers_transaction_from_before_is_not_passed_over() {
    let _turn = turn(1).await;
    let server = Postgres::primary(&[]).await;
    let control = adapter(server.control(STANDBY));
    let admin = server.admin().await;
    admin.batch_execute("BEGIN; INSERT INTO orders (what) VALUES ('in doubt')").await.unwrap();
    let error = enter(&control).await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("still open, and may write: postgres"), "{error}");
    admin.batch_execute("COMMIT").await.unwrap();
    enter(&control).await.unwrap();
    leave(&control).await.unwrap();
}
