//! Signed zones: what is validated, what is refused, and what stays open, at BIND and Knot; and a failover in such a zone.

use std::net::SocketAddr;

use quorate::adapters::resolver::Hickory;
use quorate::adapters::resolver::own::Recursive;
use quorate::domain::{Dnssec, DnssecMode, FailureKind, RecordType, Said, SignedAnswer, Trust, TrustAnchor};
use quorate::ports::{OwnResolvers, Resolver};

use super::name_servers::{NameServer, Program, free_port, signed_by_hand, signed_with};
use super::net::world::{assert_fails, assert_passes, reason, run as check};
use super::world::{Options, World};

/// The zone, and the one above it.
const ZONE: &str = "child.test";
const NAME: &str = "login.child.test";
const PARENT: &str = "test";
/// Signatures that hold.
const NOW: (&str, &str) = ("now-3600", "now+864000");
/// Signatures of January 2020.
const PAST: (&str, &str) = ("20200101000000", "20200201000000");

fn zone(records: &str) -> String {
    format!(
        "$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n\
         login 30 A 192.0.2.10\n{records}\n"
    )
}

/// A signed `test` that delegates, to nobody who is asked, the zone with these DS records; and its own DS records.
async fn parent(ds: &str) -> (NameServer, String) {
    parent_with(ds, &[]).await
}

/// The same with these arguments of the signer.
async fn parent_with(ds: &str, signer: &[&str]) -> (NameServer, String) {
    let text = format!(
        "$ORIGIN {PARENT}.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n\
         child NS ns1.child\nns1.child A 127.0.0.1\n{ds}\n"
    );
    let (signed, own) = signed_with(PARENT, &text, NOW.0, NOW.1, signer);
    (NameServer::of_zone(Program::Bind, PARENT, &signed, false).await, own)
}

fn rules(anchor: &str, above: &[SocketAddr]) -> Dnssec {
    Dnssec { mode: DnssecMode::Auto, anchors: TrustAnchor::read(anchor).unwrap(), resolvers: above.to_vec() }
}

async fn ask(server: &NameServer, rules: &Dnssec, name: &str) -> SignedAnswer {
    let question = (server.address(), name.to_owned(), RecordType::A);
    Hickory::new().ask_signed(rules, &[question]).await.pop().unwrap().unwrap()
}

/// The values that the zone has to begin with.
fn values() -> Vec<String> {
    vec!["192.0.2.10".to_owned()]
}

fn assert_bogus(answer: &SignedAnswer, words: &str) {
    let Trust::Bogus(why) = &answer.trust else { panic!("{answer:?}") };
    assert!(why.contains(words), "{why}");
}

fn assert_unknown(answer: &SignedAnswer, words: &str) {
    let Trust::Unknown(why) = &answer.trust else { panic!("{answer:?}") };
    assert!(why.contains(words), "{why}");
    assert_eq!(answer.values, values(), "what it answers is known all the same");
}

#[tokio::test]
async fn an_answer_is_followed_from_the_parents_key_down_to_what_the_server_signs_by_itself() {
    for program in [Program::Bind, Program::Knot] {
        let child = NameServer::of_zone(program, ZONE, &zone(""), true).await;
        let (parent, anchor) = parent(&child.ds().await).await;
        let rules = rules(&anchor, &[parent.address()]);
        let answer = ask(&child, &rules, NAME).await;
        assert_eq!((answer.values, answer.trust), (values(), Trust::Secure), "{program:?}");
        assert!(answer.holds_s.is_some_and(|holds_s| holds_s > 86_400), "{program:?}: {:?}", answer.holds_s);
        // What is not there is proven, too.
        let nothing = ask(&child, &rules, "gone.child.test").await;
        assert_eq!((nothing.values, nothing.trust), (vec![], Trust::Secure), "{program:?}");

        child.by_hand(&[&format!("update delete {NAME} A"), &format!("update add {NAME} 30 A 198.51.100.10")]);
        let moved = ask(&child, &rules, NAME).await;
        assert_eq!((moved.values, moved.trust), (vec!["198.51.100.10".to_owned()], Trust::Secure), "{program:?}");
    }
}

#[tokio::test]
async fn an_anchor_of_the_zone_itself_needs_nobody_above() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    for program in [Program::Bind, Program::Knot] {
        let child = NameServer::of_zone(program, ZONE, &zone(""), true).await;
        let keys = child.dig_all(ZONE, "DNSKEY");
        let ds = child.ds().await;
        let key: String = child.dig_all(ZONE, "DNSKEY").lines().filter(|line| line.contains("DNSKEY\t257")).collect();
        for anchor in [&ds, &key] {
            let answer = ask(&child, &rules(anchor, &[nobody]), NAME).await;
            assert_eq!((answer.values, answer.trust), (values(), Trust::Secure), "{program:?} {anchor} {keys}");
        }
    }
}

#[tokio::test]
async fn records_that_were_changed_after_they_were_signed_are_bogus() {
    let (signed, ds) = signed_by_hand(ZONE, &zone(""), NOW.0, NOW.1);
    let tampered = signed.replace("192.0.2.10", "192.0.2.66");
    assert_ne!(tampered, signed);
    let (parent, anchor) = parent(&ds).await;
    for program in [Program::Bind, Program::Knot] {
        let child = NameServer::of_zone(program, ZONE, &tampered, false).await;
        let answer = ask(&child, &rules(&anchor, &[parent.address()]), NAME).await;
        assert_eq!(answer.values, ["192.0.2.66"], "{program:?}");
        assert_bogus(
            &answer,
            "login.child.test A: the signature is not of these records: they were changed after they were signed",
        );
        // The rest of the zone is as good as it was.
        assert_eq!(ask(&child, &rules(&anchor, &[parent.address()]), "ns1.child.test").await.trust, Trust::Secure);
    }
}

#[tokio::test]
async fn signatures_that_have_run_out_or_have_not_begun_are_bogus() {
    for ((from, until), words) in [
        (PAST, "login.child.test A: its signature ran out at 2020-02-01T00:00:00Z: sign the zone again"),
        (("now+864000", "now+1728000"), "login.child.test A: its signature holds from "),
    ] {
        let (signed, ds) = signed_by_hand(ZONE, &zone(""), from, until);
        let (parent, anchor) = parent(&ds).await;
        for program in [Program::Bind, Program::Knot] {
            let child = NameServer::of_zone(program, ZONE, &signed, false).await;
            let answer = ask(&child, &rules(&anchor, &[parent.address()]), NAME).await;
            assert_bogus(&answer, words);
            assert_eq!(answer.holds_s, None);
        }
    }
}

#[tokio::test]
async fn other_keys_than_the_parent_knows_and_missing_signatures_are_bogus() {
    let (signed, _) = signed_by_hand(ZONE, &zone(""), NOW.0, NOW.1);
    let (_, others) = signed_by_hand(ZONE, &zone(""), NOW.0, NOW.1);
    let (parent, anchor) = parent(&others).await;
    let rules = rules(&anchor, &[parent.address()]);
    let child = NameServer::of_zone(Program::Bind, ZONE, &signed, false).await;
    assert_bogus(&ask(&child, &rules, NAME).await, "the parent's DS is for the key ");
    let unsigned = NameServer::of_zone(Program::Knot, ZONE, &zone(""), false).await;
    assert_bogus(
        &ask(&unsigned, &rules, NAME).await,
        "login.child.test A: it has no signature, and the zone is signed",
    );
    // By its own anchor, too.
    let own = super::dnssec::rules(&others, &[]);
    assert_bogus(
        &ask(&child, &own, NAME).await,
        "is the one of dnssec_anchor: correct the anchor if the key was changed",
    );
}

#[tokio::test]
async fn a_zone_whose_parent_has_no_ds_is_insecure_and_no_more() {
    for signer in SIGNERS {
        insecure_under(signer).await;
    }
}

/// Ways to prove that something is not there: by name, by hash, and by hash without unsigned delegations.
const SIGNERS: [&[&str]; 3] = [&[], &["-3", "-"], &["-3", "-", "-A"]];

async fn insecure_under(signer: &[&str]) {
    let (parent, anchor) = parent_with("", signer).await;
    let rules = rules(&anchor, &[parent.address()]);
    let unsigned = NameServer::of_zone(Program::Bind, ZONE, &zone(""), false).await;
    let answer = ask(&unsigned, &rules, NAME).await;
    let why = "the parent of child.test has no DS for it";
    assert_eq!((answer.values, answer.trust), (values(), Trust::Insecure(why.to_owned())));
    // Signed for nobody, and so even when the signatures are old.
    let (signed, _) = signed_by_hand(ZONE, &zone(""), PAST.0, PAST.1);
    let island = NameServer::of_zone(Program::Knot, ZONE, &signed, false).await;
    let answer = ask(&island, &rules, NAME).await;
    let why = format!("{why}; the signatures that it gives tell nobody anything");
    assert_eq!((answer.values, answer.trust), (values(), Trust::Insecure(why)));
}

#[tokio::test]
async fn what_cannot_be_found_out_is_never_bogus() {
    // Signed, and badly: nobody may say so who does not know that it must be good.
    let (signed, ds) = signed_by_hand(ZONE, &zone(""), PAST.0, PAST.1);
    let child = NameServer::of_zone(Program::Bind, ZONE, &signed, false).await;
    let (parent, anchor) = parent(&ds).await;
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    assert_unknown(
        &ask(&child, &rules(&anchor, &[nobody]), NAME).await,
        &format!("asking {nobody} for test DNSKEY: "),
    );
    // A server that knows nothing of the zones above stands for a resolver that passes nothing on.
    let stranger =
        NameServer::of_zone(Program::Knot, "stranger.test", &zone("").replace(ZONE, "stranger.test"), false).await;
    let answer = ask(&child, &rules(&anchor, &[stranger.address()]), NAME).await;
    assert_unknown(&answer, "for test DNSKEY: it says Query Refused");
    // The root's keys, from somebody who has none.
    let own_root = NameServer::of_zone(
        Program::Bind,
        ".",
        ". 60 SOA ns. hostmaster. 1 3600 600 86400 60\n. 60 NS ns.\nns. 60 A 127.0.0.1\n",
        false,
    )
    .await;
    let by_root = Dnssec { resolvers: vec![own_root.address()], ..Dnssec::default() };
    assert_unknown(
        &ask(&child, &by_root, NAME).await,
        "the keys of . come without signatures: the resolver does not pass them on",
    );
    // The second of two resolvers is asked when the first is silent.
    assert_bogus(&ask(&child, &rules(&anchor, &[nobody, parent.address()]), NAME).await, "ran out at 2020-02-01");
}

#[tokio::test]
async fn a_zone_that_the_one_above_does_not_know_is_a_private_one_and_not_bogus() {
    let text = zone("").replace(ZONE, "private.test");
    let (signed, _) = signed_by_hand("private.test", &text, NOW.0, NOW.1);
    let private = NameServer::of_zone(Program::Bind, "private.test", &signed, false).await;
    for signer in SIGNERS {
        let (parent, anchor) = parent_with("", signer).await;
        let answer = ask(&private, &rules(&anchor, &[parent.address()]), "login.private.test").await;
        assert_unknown(&answer, "the zones above do not know private.test: a private zone needs dnssec_anchor");
    }
}

#[tokio::test]
async fn the_chain_may_begin_at_a_root_and_a_resolver_is_asked_for_all_that_is_above() {
    let (signed, ds) = signed_with(ZONE, &zone(""), NOW.0, NOW.1, &["-3", "-"]);
    let child = NameServer::of_zone(Program::Knot, ZONE, &signed, false).await;
    let (parent, parents_ds) = parent(&ds).await;
    let text = format!(
        "$TTL 60\n. SOA ns. hostmaster. 1 3600 600 86400 60\n. NS ns.\nns. A 127.0.0.1\ntest. NS ns1.test.\n\
         ns1.test. A 127.0.0.1\n{parents_ds}\n"
    );
    let (signed, anchor) = signed_by_hand(".", &text, NOW.0, NOW.1);
    let root = NameServer::of_zone(Program::Bind, ".", &signed, false).await;
    let forwards = [(".", root.address()), (PARENT, parent.address()), (ZONE, child.address())];
    let resolver = NameServer::resolver(anchor.trim(), &forwards).await;
    let answer = ask(&child, &rules(&anchor, &[resolver.address()]), NAME).await;
    assert_eq!((answer.values, answer.trust), (values(), Trust::Secure));
    // By the root's keys that everybody has, this tree is none.
    let by_root = Dnssec { resolvers: vec![resolver.address()], ..Dnssec::default() };
    assert_bogus(&ask(&child, &by_root, NAME).await, "");
}

#[tokio::test]
async fn a_resolver_that_refuses_a_bogus_answer_is_told_from_one_that_is_silent() {
    let (signed, ds) = signed_by_hand(ZONE, &zone("").replace("login 30", "old 30"), PAST.0, PAST.1);
    let child = NameServer::of_zone(Program::Bind, ZONE, &signed, false).await;
    let (parent, anchor) = parent(&ds).await;
    let resolver = NameServer::resolver(anchor.trim(), &[(PARENT, parent.address()), (ZONE, child.address())]).await;
    let said = Recursive::new(vec![], false).look_up(resolver.address(), "old.child.test", RecordType::A).await;
    let Said::Nothing(why) = &said else { panic!("{said:?}") };
    assert_eq!(
        why,
        "it says SERVFAIL, and 192.0.2.10 to who does not ask it to check signatures: to it the zone's DNSSEC is bogus"
    );
}

#[tokio::test]
async fn a_check_says_whether_an_answer_is_good_and_fails_on_a_bogus_one() {
    let (good, good_ds) = signed_by_hand(ZONE, &zone(""), NOW.0, NOW.1);
    let (old, old_ds) = signed_by_hand(ZONE, &zone(""), PAST.0, PAST.1);
    let source = r#"
        let how = #{ server: param("server"), validate: true, anchor: param("anchor") };
        let answer = dns_answer("login.child.test", "A", how);
        expect(answer.dnssec == param("wanted"), `${answer}`);
        expect(answer.answers.some(|record| record.value == "192.0.2.10"), `${answer}`);
        dns("login.child.test", "A", how);
    "#;
    for (signed, ds, wanted) in [(good, good_ds, "secure"), (old, old_ds, "bogus")] {
        let child = NameServer::of_zone(Program::Bind, ZONE, &signed, false).await;
        let (parent, anchor) = parent(&ds).await;
        let forwards = [(PARENT, parent.address()), (ZONE, child.address())];
        let resolver = NameServer::resolver(anchor.trim(), &forwards).await;
        // A server that holds the zone, and a resolver that would not pass a bogus answer on.
        for (server, anchor) in [(&child, &ds), (&resolver, &anchor)] {
            let (server, anchor) = (server.address().to_string(), anchor.trim().replace('\t', " "));
            let report = check(source, &[("server", &server), ("anchor", &anchor), ("wanted", wanted)]).await;
            if wanted == "secure" {
                assert_passes(&report);
                continue;
            }
            let words = format!("the answer of the name server {server} to 'login.child.test' A is bogus (DNSSEC): ");
            assert_fails(&report, FailureKind::Assertion, &words);
            assert!(reason(&report).contains("ran out at 2020-02-01"), "{report:?}");
        }
    }
}

/// The zone of the service of `World`, as its mark and record are at first.
fn of_service() -> String {
    "$ORIGIN e2e.test.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n\
     login 30 A 127.0.0.11\n_quorate.login 60 TXT \"v1;c=e2e;e=0;s=0;t=primary;d=-\"\n"
        .to_owned()
}

/// The real processes, with the service's name in that server's zone.
async fn world(server: &NameServer, dnssec: &str) -> World {
    let mut world = World::prepared(Options::default()).await;
    let path = world.dir.path().join("quorate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("[service.dns]\n").unwrap();
    let (_, after) = rest.split_once("[service.primary]\n").unwrap();
    let at = server.address();
    let dns = format!(
        "provider = \"rfc2136\"\nzone = \"e2e.test\"\nname = \"login.e2e.test\"\ntype = \"A\"\nttl = \"30s\"\nserver = \"{at}\"\n\
         authoritative = [\"{at}\"]\ntsig = {{ name = \"quorate\", key = \"tsig-key\" }}\n{dnssec}\n"
    );
    std::fs::write(&path, format!("{before}[service.dns]\n{dns}[service.primary]\n{after}")).unwrap();
    let secrets = world.dir.path().join("secrets.toml");
    let known = std::fs::read_to_string(&secrets).unwrap();
    std::fs::write(&secrets, format!("{known}tsig-key = \"{}\"\n", super::name_servers::KEY_VALUE)).unwrap();
    world.start_controller().await;
    for vantage in ["aws-1", "azure-1", "gcp-1"] {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    world
}

#[tokio::test]
async fn a_failover_in_a_signed_zone_says_that_the_signatures_were_validated() {
    let server = NameServer::of_zone(Program::Bind, "e2e.test", &of_service(), true).await;
    std::fs::write(server.folder().join("anchor"), server.ds().await).unwrap();
    let anchor = server.folder().join("anchor");
    let world = world(&server, &format!("dnssec = \"require\"\ndnssec_anchor = \"{}\"", anchor.display())).await;
    world.break_primary().await;
    world.until_held().await;
    assert_eq!(server.dig("login.e2e.test", "A"), "127.0.0.12");
    let history = world.history().await;
    let said = "1 authoritative server answers 127.0.0.12; signatures validated (DNSSEC)";
    assert!(history.iter().any(|(_, text)| text.contains(said)), "{history:#?}");
}

#[tokio::test]
async fn a_zone_that_nobody_signs_anew_stops_the_failover_with_the_server_and_the_reason() {
    let (signed, ds) = signed_by_hand("e2e.test", &of_service(), NOW.0, NOW.1);
    // It takes the update, and leaves the signatures as they are.
    let server = NameServer::of_zone(Program::Knot, "e2e.test", &signed, false).await;
    let world = world(&server, &format!("dnssec_anchor = \"{}\"", ds.trim().replace('\t', " "))).await;
    world.break_primary().await;
    let at = server.address();
    let stopped =
        format!("{at} ({at}) answers login.e2e.test A with what DNSSEC refuses (bogus): login.e2e.test A: ");
    world
        .until_so("the step has failed", async || {
            world.history().await.iter().any(|(_, text)| text.contains(&stopped))
        })
        .await;
}

#[tokio::test]
async fn a_zone_that_nobody_can_tell_of_is_moved_and_what_is_not_known_is_said() {
    let server = NameServer::of_zone(Program::Knot, "e2e.test", &of_service(), false).await;
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let world = world(&server, &format!("dnssec_resolvers = [\"{nobody}\"]")).await;
    world.break_primary().await;
    world.until_held().await;
    let history = world.history().await;
    let said =
        format!("answers 127.0.0.12; could not tell whether the zone is signed (asking {nobody} for . DNSKEY: ");
    assert!(history.iter().any(|(_, text)| text.contains(&said)), "{history:#?}");
}

#[tokio::test]
async fn an_unsigned_zone_fails_the_step_where_signatures_are_required() {
    let server = NameServer::of_zone(Program::Bind, "e2e.test", &of_service(), false).await;
    let text = "$ORIGIN test.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n\
                e2e NS ns1.e2e\nns1.e2e A 127.0.0.1\n";
    let (signed, anchor) = signed_by_hand(PARENT, text, NOW.0, NOW.1);
    let parent = NameServer::of_zone(Program::Bind, PARENT, &signed, false).await;
    let rules = format!(
        "dnssec = \"require\"\ndnssec_anchor = \"{}\"\ndnssec_resolvers = [\"{}\"]",
        anchor.trim().replace('\t', " "),
        parent.address()
    );
    let world = world(&server, &rules).await;
    world.break_primary().await;
    let stopped = "answers login.e2e.test A unsigned, and dnssec = \"require\": the parent of e2e.test has no DS for it; sign the zone";
    world
        .until_so("the step has failed", async || {
            world.history().await.iter().any(|(_, text)| text.contains(stopped))
        })
        .await;
}
