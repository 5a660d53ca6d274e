//! What is unwise about a signed zone.

use super::{Finding, note, unchecked, warning};
use crate::domain::{Routing, Service, SignedAnswer, Trust};

/// A signature that runs out sooner, in seconds, was forgotten: servers that sign by themselves renew days before, and those that sign each
/// answer as it is asked for give a day.
const HOLDS_S: u64 = 6 * 3600;

pub(super) fn lint(service: &Service, signed: &Result<SignedAnswer, String>) -> Option<Finding> {
    let name = &service.dns.name;
    let answer = match signed {
        Ok(answer) => answer,
        Err(why) => return Some(unchecked("DNSSEC", why)),
    };
    match &answer.trust {
        Trust::Bogus(why) => Some(warning(
            "dnssec-bogus",
            format!("the signatures of {name} do not hold: {why}"),
            "resolvers that validate answer nothing at all, whichever site serves",
            "mend the signatures, or take the DS record out of the parent zone",
        )),
        Trust::Unknown(why) => Some(unchecked("DNSSEC", why)),
        // Only who cannot be checked anyway.
        Trust::Insecure(_) => None,
        Trust::Secure => of_good(service, answer.holds_s),
    }
}

fn of_good(service: &Service, holds_s: Option<u64>) -> Option<Finding> {
    let name = &service.dns.name;
    let least = HOLDS_S.max(u64::from(service.dns.ttl_s));
    if let Some(holds_s) = holds_s.filter(|holds_s| *holds_s < least) {
        return Some(warning(
            "dnssec-expiring",
            format!("the signature over {name} runs out in {} min", holds_s / 60),
            "resolvers that validate answer nothing from then on, whichever site serves",
            "sign the zone again, and let the server do it by itself (BIND: dnssec-policy; Knot: dnssec-signing)",
        ));
    }
    // Route 53, which alone has failover records, signs what it answers.
    (service.dns.routing == Routing::Simple).then(|| {
        note(
            "dnssec-signed",
            format!("the zone of {name} is signed, and its parent says so"),
            "a move changes records: a server that does not sign them anew at once answers what resolvers refuse",
            "let the server sign by itself (BIND: dnssec-policy; Knot: dnssec-signing), and do not load a zone signed by hand",
        )
    })
}
