//! The keys that a validation begins with.
//!
//! A configured anchor may be a digest, which hickory does not take, and the zone that it is for may have more keys than that one. So the
//! zone's key set is fetched, its signature by the anchored key is verified (RFC 4035, section 5.2), and all its keys are trusted.

use std::sync::Arc;

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKey, PublicKeyBuf, TrustAnchors, Verifier};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use super::route::{Route, shown};
use super::why;
use crate::domain::{AnchorKey, TrustAnchor};

/// What is trusted.
#[derive(Clone)]
pub(super) struct Trusted(Arc<TrustAnchors>);

/// Why there is nothing to begin with.
#[derive(Debug)]
pub(super) enum NoTrust {
    /// It could not be found out.
    Unknown(String),
    /// The zone does not have the key that it should.
    Bogus(String),
}

impl Trusted {
    pub(super) fn anchors(&self) -> Arc<TrustAnchors> {
        Arc::clone(&self.0)
    }

    /// The keys to begin with for a name in this zone: those of the nearest anchored zone, in which the route finds the keys, and the root's.
    pub(super) async fn of(anchors: &[TrustAnchor], zone: &Name, route: &Route) -> Result<Self, NoTrust> {
        let Some(from) = nearest(anchors, zone) else {
            let answer = keys_of(&Name::root(), route).await?;
            return if signatures(&answer).next().is_some() {
                Ok(Self(Arc::new(TrustAnchors::default())))
            } else {
                Err(unsigned(&Name::root()))
            };
        };
        let answer = keys_of(&from, route).await?;
        let trusted: Vec<&AnchorKey> = anchors
            .iter()
            .filter(|anchor| owner(&anchor.zone).as_ref() == Some(&from))
            .map(|anchor| &anchor.key)
            .collect();
        let mut keys = TrustAnchors::default();
        if from.is_root() {
            keys = TrustAnchors::empty();
        }
        let of_zone: Vec<&Record> = records(&answer, &from).collect();
        let all: Vec<&DNSKEY> = of_zone.iter().filter_map(|record| key(record)).collect();
        let anchored: Vec<&&DNSKEY> =
            all.iter().filter(|key| trusted.iter().any(|one| fits(one, &from, key))).collect();
        if anchored.is_empty() {
            if all.is_empty() {
                return Err(NoTrust::Bogus(format!(
                    "{} has no DNSKEY record, and is to have a key that is trusted",
                    shown(&from)
                )));
            }
            return Err(NoTrust::Bogus(format!(
                "none of the keys of {} ({}) is the one of dnssec_anchor: correct the anchor if the key was changed",
                shown(&from),
                why::tags(&all)
            )));
        }
        let now = why::now();
        let holds = |sig: &&RRSIG| {
            anchored.iter().any(|key| {
                why::in_time(sig, now)
                    && sig.input().signer_name == from
                    && key.verify_rrsig(&from, answer_class(&of_zone), sig, of_zone.iter().copied()).is_ok()
            })
        };
        if !signatures(&answer).any(|sig| holds(&sig)) {
            if signatures(&answer).next().is_none() {
                return Err(unsigned(&from));
            }
            let all: Vec<DNSKEY> = all.into_iter().cloned().collect();
            let why = why::of_set(&from, RecordType::DNSKEY, &answer, &all)
                .unwrap_or_else(|| "they are not signed by the trusted key".to_owned());
            return Err(NoTrust::Bogus(format!("the keys of {}: {why}", shown(&from))));
        }
        for key in all.iter().filter(|key| key.zone_key() && !key.revoke()) {
            keys.insert_with_name(key.public_key(), LowerName::from(&from));
        }
        Ok(Self(Arc::new(keys)))
    }
}

/// The nearest zone at or above `zone` that has an anchor.
pub(super) fn nearest(anchors: &[TrustAnchor], zone: &Name) -> Option<Name> {
    let above = anchors.iter().filter_map(|anchor| owner(&anchor.zone)).filter(|anchor| anchor.zone_of(zone));
    above.max_by_key(Name::num_labels)
}

fn owner(zone: &str) -> Option<Name> {
    let mut name = if zone.is_empty() { Name::root() } else { Name::from_ascii(zone).ok()? };
    name.set_fqdn(true);
    Some(name)
}

async fn keys_of(zone: &Name, route: &Route) -> Result<Message, NoTrust> {
    route.ask(&Query::query(zone.clone(), RecordType::DNSKEY)).await.map_err(NoTrust::Unknown)
}

fn unsigned(zone: &Name) -> NoTrust {
    NoTrust::Unknown(format!(
        "the keys of {} come without signatures: the resolver does not pass them on (dnssec_resolvers names others)",
        shown(zone)
    ))
}

fn records<'a>(answer: &'a Message, zone: &'a Name) -> impl Iterator<Item = &'a Record> {
    answer.answers.iter().filter(move |record| record.record_type() == RecordType::DNSKEY && record.name == *zone)
}

fn answer_class(records: &[&Record]) -> hickory_proto::rr::DNSClass {
    records.first().map_or(hickory_proto::rr::DNSClass::IN, |record| record.dns_class)
}

fn key(record: &Record) -> Option<&DNSKEY> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    }
}

fn signatures(answer: &Message) -> impl Iterator<Item = &RRSIG> {
    answer.answers.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) if sig.input().type_covered == RecordType::DNSKEY => Some(sig),
        _ => None,
    })
}

fn fits(anchor: &AnchorKey, zone: &Name, key: &DNSKEY) -> bool {
    if !key.zone_key() || key.revoke() {
        return false;
    }
    match anchor {
        AnchorKey::Dnskey { algorithm, key: bytes } => {
            let theirs: &PublicKeyBuf = key.public_key();
            theirs.public_bytes() == bytes.as_slice() && u8::from(theirs.algorithm()) == *algorithm
        }
        AnchorKey::Ds { tag, algorithm, digest_type, digest } => {
            let ds = DS::new(*tag, Algorithm::from_u8(*algorithm), DigestType::from(*digest_type), digest.clone());
            key.calculate_key_tag().is_ok_and(|theirs| theirs == *tag)
                && key.public_key().algorithm() == ds.algorithm()
                && ds.covers(zone, key).unwrap_or(false)
        }
    }
}
