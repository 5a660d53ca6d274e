//! Whether the signatures of a name server's answer hold (DNSSEC), for the option `validate`.
//!
//! A server that holds the zone is asked for what is the zone's, and this vantage's resolvers for what is above it; a resolver is asked for all of it.
//! What cannot be found out is nobody's failure.

use std::net::SocketAddr;

use hickory_proto::op::{Message, Query};

use super::Outcome;
use crate::adapters::question::dnssec::{self, Asked};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::domain::{Dnssec, FailureKind, Trust, TrustAnchor};

/// What is validated, and by which keys beside the root's.
#[derive(Debug)]
pub(super) struct Validation {
    anchors: Vec<TrustAnchor>,
}

impl Validation {
    /// By the options `validate` and `anchor` of that function; none where nobody is to look.
    pub(super) fn wanted(function: &str, validate: bool, anchor: Option<&str>) -> Outcome<Option<Self>> {
        let wrong = |what: String| Ending::Inconclusive(format!("{function}: the option 'anchor': {what}"));
        let anchors = match anchor {
            Some(_) if !validate => return Err(wrong("it has no use without validate: true".to_owned())),
            Some(text) => TrustAnchor::read(text).map_err(wrong)?,
            None => Vec::new(),
        };
        Ok(validate.then_some(Self { anchors }))
    }

    /// The answer that this server gives when signatures are asked for, and what they are worth. `first` is what it answered at once.
    pub(super) fn of(
        &self,
        flow: &Flow,
        server: SocketAddr,
        query: &Query,
        first: Message,
    ) -> Outcome<(Message, Trust)> {
        let rules = Dnssec { anchors: self.anchors.clone(), ..Dnssec::default() };
        let asked = Asked { server, query: query.clone() };
        flow.progress().set_ours(format!("no word on the signatures of {} {}", query.name(), query.query_type()));
        let judged = flow.wait(async {
            if first.metadata.authoritative {
                dnssec::ask(&rules, std::slice::from_ref(&asked)).await.pop()
            } else {
                Some(dnssec::ask_resolver(&rules, &asked).await)
            }
        })?;
        Ok(match judged {
            Some(Ok(judged)) => (judged.answer, judged.trust),
            Some(Err(why)) => (first, Trust::Unknown(why)),
            None => (first, Trust::Unknown("nobody was asked".to_owned())),
        })
    }
}

/// What `dns` makes of it: a bogus answer is a failure, and an open question nobody's.
pub(super) fn accepted(trust: &Trust, question: &str, server: SocketAddr) -> Outcome<()> {
    match trust {
        Trust::Secure | Trust::Insecure(_) => Ok(()),
        Trust::Bogus(why) => Err(Ending::Fail(
            FailureKind::Assertion,
            format!("the answer of the name server {server} to {question} is bogus (DNSSEC): {why}"),
        )),
        Trust::Unknown(why) => {
            Err(Ending::Inconclusive(format!("whether the signatures of {question} hold could not be told: {why}")))
        }
    }
}
