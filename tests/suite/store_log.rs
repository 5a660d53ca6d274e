//! Observations: read back as they were seen, thinned after a day, forgotten after a while; and how large the file gets.

use std::path::Path;
use std::time::Duration;

use quorate::adapters::sqlite::SqliteStore;
use quorate::domain::{Canaries, FailureKind, Generation, Moment, Observation, Outcome, Role, WallTime};
use quorate::ports::ObservationLog;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, params};

use super::store::{AT, folder, observation, query, service};

const SEED: u64 = 7;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const MINUTE_MS: u64 = 60_000;

fn before(ms: u64) -> WallTime {
    WallTime::from_ms(AT.as_ms() - ms)
}

/// Lets the store do its housekeeping until it changes nothing more.
async fn settled(store: &SqliteStore, path: &Path, at: WallTime) -> u32 {
    let mut calls = 0;
    loop {
        store.record(Moment::default(), at, &[]).await.unwrap();
        calls += 1;
        let free = query::<i64>(path, "PRAGMA freelist_count")[0];
        let up_to = query::<i64>(path, "SELECT up_to_ms FROM thinned")[0].unsigned_abs();
        if free <= 256 && up_to + DAY_MS + MINUTE_MS > at.as_ms() {
            return calls;
        }
    }
}

#[tokio::test]
async fn an_observation_is_read_back_as_it_was_seen_at_the_time_of_the_wall() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.oldest().await.unwrap(), None);
    let now = Moment::from_ms(60_000);
    let mut failed = observation("aws-use1", "b1", 1, 48_766);
    failed.canaries = Canaries::Silent;
    failed.generation = Generation::of(["script", "settings"]);
    let mut passed = observation("gcp-euw1", "b7", 9, 60_000);
    (passed.outcome, passed.kind, passed.reason, passed.failed_step) = (Outcome::Pass, None, None, None);
    (passed.role, passed.duration_ms, passed.service) = (Role::Standby, 12, service("mail"));
    // A probe that ended after `now` was read has no age.
    let mut ahead = observation("gcp-euw1", "b7", 10, 60_001);
    ahead.kind = Some(FailureKind::Tls);
    store.record(now, AT, &[failed.clone(), passed.clone(), ahead.clone()]).await.unwrap();

    let logged = store.between(None, WallTime::default(), AT, None, 9).await.unwrap();
    let times: Vec<_> = logged.iter().map(|seen| AT.as_ms() - seen.at.as_ms()).collect();
    assert_eq!(times, [11_234, 0, 0], "arrival less age");
    assert_eq!(store.oldest().await.unwrap(), Some(before(11_234)));
    for (seen, was) in logged.iter().zip([failed, passed, ahead]) {
        let at = Moment::from_ms(seen.at.as_ms());
        assert_eq!(seen.observation, Observation { at, ..was });
        assert_eq!(seen.place.at, seen.at);
    }
}

#[tokio::test]
async fn observations_are_read_in_order_of_time_page_by_page() {
    println!("seed {SEED}");
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let mut random = StdRng::seed_from_u64(SEED);
    let now = Moment::from_ms(100_000);
    let mut all = Vec::new();
    for seq in 1..=200 {
        // Many at the same time, and none in order.
        let mut seen = observation("aws-use1", "b1", seq, random.random_range(0..100) * 1_000);
        seen.service = service(if random.random_bool(0.5) { "shop" } else { "mail" });
        store.record(now, AT, std::slice::from_ref(&seen)).await.unwrap();
        all.push((before(100_000 - seen.at.as_ms()), seq, seen.service));
    }
    all.sort();
    let (from, to) = (before(80_000), before(20_000));
    for wanted in [None, Some(service("shop"))] {
        let right: Vec<u64> = all
            .iter()
            .filter(|(at, _, service)| *at >= from && *at <= to && wanted.as_ref().is_none_or(|it| it == service))
            .map(|(_, seq, _)| *seq)
            .collect();
        for limit in [1, 7, 1_000] {
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let page = store.between(wanted.as_ref(), from, to, after, limit).await.unwrap();
                read.extend(page.iter().map(|seen| seen.observation.id.seq));
                if page.len() < limit {
                    break;
                }
                after = page.last().map(|seen| seen.place);
            }
            assert_eq!(read, right, "{wanted:?}, {limit} at once");
        }
    }
    let far = WallTime::from_ms(u64::MAX);
    assert_eq!(store.between(None, far, far, None, 9).await.unwrap(), []);
    assert_eq!(store.between(None, WallTime::default(), far, None, 1_000).await.unwrap().len(), 200);
}

/// One site as one agent saw it.
struct Seen {
    at_ms: u64,
    pass: bool,
    boot: &'static str,
    generation: u64,
}

/// Which of a series stay, said again without windows.
fn stay(series: &[Seen]) -> Vec<u64> {
    let near = |a: &Seen, b: &Seen| {
        b.pass && a.boot == b.boot && a.generation == b.generation && a.at_ms.abs_diff(b.at_ms) <= MINUTE_MS
    };
    let stays = |place: usize| {
        let seen = &series[place];
        let before = place.checked_sub(1).map(|place| &series[place]);
        let first = before.is_none_or(|before| before.at_ms / MINUTE_MS != seen.at_ms / MINUTE_MS);
        let inside = before.is_some_and(|before| near(seen, before))
            && series.get(place + 1).is_some_and(|after| near(seen, after));
        !seen.pass || first || !inside
    };
    (0..series.len()).filter(|place| stays(*place)).map(|place| series[place].at_ms).collect()
}

#[tokio::test]
async fn after_a_day_runs_of_passes_are_thinned_to_one_a_minute_and_what_happened_stays() {
    println!("seed {SEED}");
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let mut random = StdRng::seed_from_u64(SEED);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let insert =
        "INSERT INTO observations VALUES (?1, ?2, ?3, 'shop', 'login', 'primary', ?4, ?5, NULL, NULL, NULL, 9,
                  'unasked', ?6)";
    let mut right = Vec::new();
    for vantage in ["aws-1", "gcp-1", "azure-1"] {
        let (mut series, mut at_ms) = (Vec::new(), AT.as_ms() - 30 * 60 * MINUTE_MS);
        let (mut boot, mut generation) = ("b1", 1);
        while at_ms < AT.as_ms() - DAY_MS + 30 * MINUTE_MS {
            at_ms += if random.random_bool(0.005) {
                random.random_range(50_000..200_000)
            } else {
                random.random_range(4_000..6_000)
            };
            if random.random_bool(0.002) {
                boot = if boot == "b1" { "b2" } else { "b1" };
            }
            generation += u64::from(random.random_bool(0.002));
            series.push(Seen { at_ms, pass: !random.random_bool(0.01), boot, generation });
        }
        for (seq, seen) in series.iter().enumerate() {
            let outcome = if seen.pass { "pass" } else { "fail" };
            let generation = format!("{:016x}", seen.generation);
            let values = params![vantage, seen.boot, seq as i64, seen.at_ms as i64, outcome, generation];
            connection.execute(insert, values).unwrap();
        }
        let old = AT.as_ms() - DAY_MS;
        let whole = old - old % MINUTE_MS;
        let young = series.iter().map(|seen| seen.at_ms).filter(|at_ms| *at_ms >= whole);
        right.extend(stay(&series).into_iter().filter(|at_ms| *at_ms < whole).chain(young).map(|at_ms| at_ms as i64));
    }
    connection.execute_batch("COMMIT").unwrap();
    let marks = query::<i64>(&path, "SELECT count(*) FROM seen");
    let all = query::<i64>(&path, "SELECT count(*) FROM observations")[0];
    settled(&store, &path, AT).await;
    let mut left = query::<i64>(&path, "SELECT at_ms FROM observations ORDER BY at_ms");
    left.sort_unstable();
    right.sort_unstable();
    assert_eq!(left.len(), right.len());
    assert_eq!(left, right);
    assert!((left.len() as i64) < all / 3, "{} of {all} are left", left.len());
    assert_eq!(query::<i64>(&path, "SELECT count(*) FROM seen"), marks);
    store.record(Moment::default(), AT, &[]).await.unwrap();
    assert_eq!(query::<i64>(&path, "SELECT count(*) FROM observations"), [left.len() as i64], "once is enough");
}

#[tokio::test]
async fn how_long_observations_are_kept_is_a_setting_and_marks_stay_a_week() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap().with_observations_kept(Duration::from_secs(3_600));
    store.record(Moment::default(), AT, &[observation("aws-use1", "b1", 1, 0)]).await.unwrap();
    for (ms, observations, marks) in
        [(3_600_000, 1, 1), (3_600_001, 0, 1), (7 * DAY_MS, 0, 1), (7 * DAY_MS + 1, 0, 0)]
    {
        store.record(Moment::default(), WallTime::from_ms(AT.as_ms() + ms), &[]).await.unwrap();
        assert_eq!(query::<i64>(&path, "SELECT count(*) FROM observations"), [observations], "after {ms} ms");
        assert_eq!(query::<i64>(&path, "SELECT count(*) FROM seen"), [marks], "after {ms} ms");
    }
}

/// A week of an agent that probes two sites every five seconds: five of them take five times as much, as their rows have nothing to do with
/// each other.
#[tokio::test]
async fn a_week_of_an_agent_stays_below_its_bound_and_the_file_shrinks_when_it_is_forgotten() {
    const SERIES: u64 = 2;
    const EVERY_MS: u64 = 5_000;
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let insert = "WITH RECURSIVE
            tick (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM tick WHERE n + 1 < ?2),
            series (s) AS (SELECT 0 UNION ALL SELECT s + 1 FROM series WHERE s < 1)
        INSERT INTO observations
        SELECT 'agent-' || (s / 2), 'f3a9c1d2e4b50617', ?1 + 2 * n + s % 2, 'login', 'login',
               iif(s % 2, 'primary', 'standby'), ?1 + n * 5000 + s * 311, 'pass', NULL, NULL, NULL, 180 + n % 90, 'unasked',
               '5c1f0e9a7b3d2486'
        FROM tick, series";
    let begun = AT.as_ms() - 7 * DAY_MS;
    let (mut calls, mut peak) = (0, 0);
    for day in 0..7 {
        let from = begun + day * DAY_MS;
        connection.execute(insert, params![from as i64, (DAY_MS / EVERY_MS) as i64]).unwrap();
        calls += settled(&store, &path, WallTime::from_ms(from + DAY_MS)).await;
        let _: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        peak = peak.max(std::fs::metadata(&path).unwrap().len());
    }
    let rows = query::<i64>(&path, "SELECT count(*) FROM observations")[0].unsigned_abs();
    let (full, thinned) = (SERIES * DAY_MS / EVERY_MS, SERIES * 6 * DAY_MS / MINUTE_MS);
    // Each series has a first and a last more, and the whole minutes at either end of the day.
    let rows_max = full + thinned + SERIES * 30;
    // An observation with its three indexes takes 200 bytes, and twice that where pages are half empty after thinning; a mebibyte is spare.
    let bound = full * 250 + thinned * 500 + (2 << 20);
    println!(
        "{rows} rows (at most {rows_max}), {peak} bytes at the most (bound {bound}; {} for five agents), {calls} calls",
        5 * bound
    );
    assert!(rows <= rows_max, "{rows} rows, {rows_max} at most");
    assert!(peak <= bound, "{peak} bytes, {bound} at most");

    let later = WallTime::from_ms(AT.as_ms() + 9 * DAY_MS);
    while query::<i64>(&path, "SELECT count(*) FROM observations") != [0] {
        store.record(Moment::default(), later, &[]).await.unwrap();
    }
    settled(&store, &path, later).await;
    let _: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    let empty = std::fs::metadata(&path).unwrap().len();
    println!("{empty} bytes when all is forgotten");
    assert!(empty < 2 << 20, "{empty} bytes");
}
