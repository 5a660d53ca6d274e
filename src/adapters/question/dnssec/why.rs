//! Why an answer is bogus, in words. The verdict is hickory's, which keeps its reasons to itself: they are looked for anew, in what was heard.

use std::time::{Duration, SystemTime};

use hickory_proto::dnssec::Verifier;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_resolver::net::runtime::{RuntimeProvider, Time, TokioRuntimeProvider};

use super::route::{Route, shown};

/// Seconds since 1970, by the clock that hickory judges signatures by.
pub(super) fn now() -> u64 {
    <TokioRuntimeProvider as RuntimeProvider>::Timer::current_time()
}

/// A time of a signature, which has 32 bits, as the one that is nearest to now (RFC 4034, section 3.1.5).
fn moment(stamp: u32, now: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "a stamp counts modulo 2^32")]
    let ahead = stamp.wrapping_sub(now as u32).cast_signed();
    now.saturating_add_signed(i64::from(ahead))
}

fn date(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// Whether it holds now.
pub(super) fn in_time(sig: &RRSIG, now: u64) -> bool {
    let input = sig.input();
    (moment(input.sig_inception.get(), now)..=moment(input.sig_expiration.get(), now)).contains(&now)
}

/// For how long the signatures over the records that were asked for hold still, in seconds: the least.
pub(super) fn holds_s(answer: &Message, query: &Query) -> Option<u64> {
    let now = now();
    let over = answer.answers.iter().filter(|record| record.name == *query.name());
    let ends = over.filter_map(|record| covering(record, query.query_type())).filter(|sig| in_time(sig, now));
    ends.map(|sig| moment(sig.input().sig_expiration.get(), now).saturating_sub(now)).min()
}

/// The keys' tags.
pub(super) fn tags(keys: &[&DNSKEY]) -> String {
    let tags: Vec<String> = keys.iter().filter_map(|key| Some(key.calculate_key_tag().ok()?.to_string())).collect();
    tags.join(", ")
}

/// Why the answer, or the keys that it should be good by, do not hold.
pub(super) fn of_answer(zone: &Name, answer: &Message, route: &Route) -> String {
    let said = route.heard(zone, RecordType::DNSKEY);
    let keys: Vec<DNSKEY> = said.iter().flat_map(|said| keys(said, zone)).collect();
    let sets = answer.answers.iter().chain(&answer.authorities).filter(|record| {
        record.record_type() != RecordType::RRSIG && zone.zone_of(&record.name) && !record.proof.is_secure()
    });
    let (mut seen, mut of_sets) = (Vec::new(), None);
    for record in sets {
        let set = (&record.name, record.record_type());
        if of_sets.is_none() && !seen.contains(&set) {
            seen.push(set);
            of_sets = of_set(set.0, set.1, answer, &keys).map(|why| format!("{} {}: {why}", shown(set.0), set.1));
        }
    }
    let of_keys = || {
        let said = said.as_ref()?;
        if keys.is_empty() {
            return Some(format!("{} has no DNSKEY record, and its parent says that it is signed", shown(zone)));
        }
        of_parent(zone, &keys, route).or_else(|| {
            of_set(zone, RecordType::DNSKEY, said, &keys).map(|why| format!("the keys of {}: {why}", shown(zone)))
        })
    };
    of_sets.or_else(of_keys).unwrap_or_else(|| {
        if answer.answers.is_empty() {
            "nothing proves that there is no such record".to_owned()
        } else {
            "no chain of signatures leads from a trusted key to it".to_owned()
        }
    })
}

/// Why the records of that name and type do not hold by these keys; none when they do.
pub(super) fn of_set(owner: &Name, kind: RecordType, answer: &Message, keys: &[DNSKEY]) -> Option<String> {
    let all = || answer.answers.iter().chain(&answer.authorities);
    let records: Vec<&Record> =
        all().filter(|record| record.name == *owner && record.record_type() == kind).collect();
    let over: Vec<&RRSIG> =
        all().filter(|record| record.name == *owner).filter_map(|record| covering(record, kind)).collect();
    if over.is_empty() {
        return Some(
            "it has no signature, and the zone is signed: sign the zone, or take the DS out of its parent".to_owned(),
        );
    }
    let now = now();
    let reasons: Vec<String> =
        over.into_iter().map_while(|sig| of_signature(sig, owner, &records, keys, now)).collect();
    // One good signature is enough.
    let signatures =
        all().filter(|record| record.name == *owner).filter(|record| covering(record, kind).is_some()).count();
    (reasons.len() == signatures).then(|| reasons.into_iter().next()).flatten()
}

fn covering(record: &Record, kind: RecordType) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) if sig.input().type_covered == kind => Some(sig),
        _ => None,
    }
}

fn of_signature(sig: &RRSIG, owner: &Name, records: &[&Record], keys: &[DNSKEY], now: u64) -> Option<String> {
    let input = sig.input();
    let (begin, end) = (moment(input.sig_inception.get(), now), moment(input.sig_expiration.get(), now));
    if now > end {
        return Some(format!(
            "its signature ran out at {}: sign the zone again (here it is {})",
            date(end),
            date(now)
        ));
    }
    if now < begin {
        return Some(format!(
            "its signature holds from {} on, and here it is {}: one of the two clocks is wrong",
            date(begin),
            date(now)
        ));
    }
    let of_tag = |key: &&DNSKEY| key.calculate_key_tag().is_ok_and(|tag| tag == input.key_tag);
    let signers: Vec<&DNSKEY> = keys.iter().filter(of_tag).collect();
    if signers.is_empty() {
        let all: Vec<&DNSKEY> = keys.iter().collect();
        return Some(format!(
            "it is signed by the key {}, and the DNSKEY records have {}: publish the key, or sign the zone again",
            input.key_tag,
            if all.is_empty() { "none".to_owned() } else { tags(&all) }
        ));
    }
    let verifies = |key: &&DNSKEY| key.verify_rrsig(owner, DNSClass::IN, sig, records.iter().copied()).is_ok();
    (!signers.iter().any(verifies)).then(|| {
        "the signature is not of these records: they were changed after they were signed; sign the zone again"
            .to_owned()
    })
}

/// Whether the parent's DS records know one of the keys.
fn of_parent(zone: &Name, keys: &[DNSKEY], route: &Route) -> Option<String> {
    let said = route.heard(zone, RecordType::DS)?;
    let known: Vec<&DS> = said
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds),
            _ => None,
        })
        .collect();
    let fits = |key: &DNSKEY| known.iter().any(|ds| ds.covers(zone, key).unwrap_or(false));
    if known.is_empty() || keys.iter().any(fits) {
        return None;
    }
    let wanted: Vec<String> = known.iter().map(|ds| ds.key_tag().to_string()).collect();
    Some(format!(
        "the parent's DS is for the key {}, and the DNSKEY records of {} have {}: put the DS right at the registrar, or the key back",
        wanted.join(", "),
        shown(zone),
        tags(&keys.iter().collect::<Vec<_>>())
    ))
}

fn keys(answer: &Message, zone: &Name) -> Vec<DNSKEY> {
    let of_zone = answer.answers.iter().filter(|record| record.name == *zone);
    of_zone
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
            _ => None,
        })
        .collect()
}
