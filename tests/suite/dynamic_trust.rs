//! Whom the provider for dynamic updates believes, and whom the servers do: keys, clocks, and answers that are none.

use std::sync::Arc;

use quorate::adapters::clock::SystemClock;
use quorate::adapters::rfc2136::{Rfc2136, Tsig};
use quorate::domain::{ChangeBatch, Moment, OwnedRecords, Role, Secret, WallTime};
use quorate::ports::{Class, Clock, DnsProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::dns_world::{self, FIRST_TOKEN, NAME, PRIMARY};
use super::dynamic_world::World;
use super::name_servers::{KEY, KEY_VALUE, Program, ZONE, key};

#[tokio::test]
async fn bind_names_wrong_keys_and_wrong_clocks_and_changes_nothing() {
    wrong_keys_and_wrong_clocks_are_named_and_change_nothing(Program::Bind).await;
}

#[tokio::test]
async fn knot_names_wrong_keys_and_wrong_clocks_and_changes_nothing() {
    wrong_keys_and_wrong_clocks_are_named_and_change_nothing(Program::Knot).await;
}

#[tokio::test]
async fn at_bind_a_key_that_may_not_is_told_what_to_allow() {
    a_key_that_may_not_is_told_what_to_allow(Program::Bind).await;
}

#[tokio::test]
async fn at_knot_a_key_that_may_not_is_told_what_to_allow() {
    a_key_that_may_not_is_told_what_to_allow(Program::Knot).await;
}

/// A clock that is off.
struct Skewed(i64);

impl Clock for Skewed {
    fn now(&self) -> Moment {
        SystemClock::new().now()
    }

    fn wall(&self) -> WallTime {
        WallTime::from_ms(SystemClock::new().wall().as_ms().saturating_add_signed(self.0 * 1000))
    }
}

async fn wrong_keys_and_wrong_clocks_are_named_and_change_nothing(program: Program) {
    let world = World::owned(program).await;
    let (fence, present) = world.lead(5).await;
    let before = world.seen();
    let address = world.server.address();
    let other = "bm90IHRoZSBrZXksIGJ1dCBhcyBsb25nIGFzIGl0IGlzISE=";
    let tsig =
        |name: &str, algorithm: &str, value: &str| Some(Tsig::new(name, algorithm, &Secret::new(value)).unwrap());
    let right = || Arc::new(Skewed(0));
    for (provider, word) in [
        (Rfc2136::new(address, tsig(KEY, "hmac-sha256", other), right()), "(BADSIG)"),
        (Rfc2136::new(address, tsig("nobody", "hmac-sha256", KEY_VALUE), right()), "'nobody' (hmac-sha256), or not"),
        (Rfc2136::new(address, tsig(KEY, "hmac-sha512", KEY_VALUE), right()), "'quorate' (hmac-sha512), or not"),
        (Rfc2136::new(address, Some(key()), Arc::new(Skewed(3600))), "(BADTIME)"),
        (Rfc2136::new(address, Some(key()), Arc::new(Skewed(-3600))), "(BADTIME)"),
    ] {
        let intent = dns_world::World::intent(&present, &fence, Role::Standby);
        let batch = ChangeBatch::flip(&present, &world.service, intent.new);
        let writing = provider.apply(&fence, ZONE, &batch).await.unwrap_err();
        let reading = provider.read(ZONE, &[NAME]).await.unwrap_err();
        for error in [writing, reading] {
            assert_eq!(error.class, Class::Broken, "{error}");
            assert!(error.what.contains(word) && !error.what.contains(KEY_VALUE), "{error}");
        }
        assert_eq!(world.seen(), before);
    }
    // Reading takes no key, but writing does.
    let keyless = Rfc2136::new(address, None, right());
    let present = OwnedRecords::find(&world.cluster, &world.service, &keyless.read(ZONE, &[NAME]).await.unwrap());
    let present = present.unwrap();
    let batch = ChangeBatch::fence(&present, present.token().advanced(&fence).unwrap());
    let error = keyless.apply(&fence, ZONE, &batch).await.unwrap_err();
    assert_eq!((error.class, world.seen()), (Class::Broken, before), "{error}");
}

async fn a_key_that_may_not_is_told_what_to_allow(program: Program) {
    let lines = format!("www2 30 A {PRIMARY}\n_quorate.www2 60 TXT \"{FIRST_TOKEN}\"");
    let mut world = World::with(program, &lines).await;
    world.service.dns.name = "www2.example.test".to_owned();
    let error = world.take_over(&dns_world::World::fence(5)).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert!(error.what.contains("the key 'quorate' (hmac-sha256)") || error.what.contains("NOTAUTH"), "{error}");
    assert_eq!(world.server.dig("_quorate.www2.example.test", "TXT"), format!("\"{FIRST_TOKEN}\""));
}

/// A server that answers every message over TCP by `answer`.
async fn misbehaving(answer: fn(Vec<u8>) -> Vec<u8>) -> Rfc2136 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio_util::task::TaskTracker::new().spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            while let Ok(length) = client.read_u16().await {
                let mut request = vec![0; usize::from(length)];
                if client.read_exact(&mut request).await.is_err() {
                    break;
                }
                let reply = answer(request);
                let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
                client.write_all(&[length.as_slice(), &reply].concat()).await.ok();
            }
        }
    });
    Rfc2136::new(address, None, Arc::new(SystemClock::new()))
}

#[tokio::test]
async fn truncated_cached_failing_and_foreign_answers_are_no_answers() {
    // QR, AA and TC; QR alone; QR and AA with SERVFAIL; QR and AA with another id.
    type Turn = fn(Vec<u8>) -> Vec<u8>;
    let cases: [(Turn, Class, &str); 4] = [
        (
            |mut m| {
                m[2] = 0x86;
                m
            },
            Class::Retry,
            "truncated",
        ),
        (
            |mut m| {
                m[2] = 0x80;
                m
            },
            Class::Broken,
            "not authoritative",
        ),
        (
            |mut m| {
                m[2] = 0x84;
                m[3] = 2;
                m
            },
            Class::Retry,
            "SERVFAIL",
        ),
        (
            |mut m| {
                m[2] = 0x84;
                m[0] ^= 1;
                m
            },
            Class::Retry,
            "another question",
        ),
    ];
    for (answer, class, word) in cases {
        let provider = misbehaving(answer).await;
        let error = provider.read(ZONE, &[NAME]).await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.what.contains(word), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_should_be_signed_and_is_not_is_not_believed() {
    // It says NOERROR to everything, without the signature.
    fn noerror(mut request: Vec<u8>) -> Vec<u8> {
        request.truncate(12);
        request[2] = (request[2] & 0x78) | 0x84;
        request[4..12].fill(0);
        request
    }
    let forger = misbehaving(noerror).await;
    let world = World::owned(Program::Knot).await;
    let present = world.records().await.unwrap();
    let fence = dns_world::World::fence(5);
    let batch = ChangeBatch::fence(&present, present.token().advanced(&fence).unwrap());
    assert!(forger.apply(&fence, ZONE, &batch).await.is_ok(), "without a key there is nothing to verify");
    let wary = forger.with_key(key());
    let error = wary.apply(&fence, ZONE, &batch).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("not signed with the key 'quorate'"), "{error}");
}
