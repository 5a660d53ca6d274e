//! This machine's own resolvers, each asked by itself: what users near by are answered with, and for how long still.

use std::net::SocketAddr;

use async_trait::async_trait;
use hickory_proto::op::{Message, Query, ResponseCode};

use super::{owner, wire_kind};
use crate::adapters::question::{Manner, exchange, system, values};
use crate::domain::{RecordType, Said};
use crate::ports::OwnResolvers;

/// How often a question is sent over UDP: the next round asks again anyway.
const UDP_ATTEMPTS: usize = 2;

/// The resolvers of `/etc/resolv.conf` (or what this system has instead), and others beside them.
#[derive(Debug, Clone)]
pub struct Recursive {
    others: Vec<SocketAddr>,
    system: bool,
}

impl Recursive {
    /// These, and the system's where `system` is true.
    pub fn new(others: Vec<SocketAddr>, system: bool) -> Self {
        Self { others, system }
    }
}

#[async_trait]
impl OwnResolvers for Recursive {
    async fn list(&self) -> (Vec<SocketAddr>, Option<String>) {
        let mut list = Vec::new();
        let mut trouble = None;
        if self.system {
            // Each time anew: a lease of another network brings other resolvers.
            match tokio::task::spawn_blocking(system).await {
                Ok(Ok(found)) => list = found,
                Ok(Err(why)) => trouble = Some(format!("this system's resolvers cannot be read: {why}")),
                Err(error) => trouble = Some(format!("this system's resolvers cannot be read: {error}")),
            }
        }
        list.extend(&self.others);
        let mut seen = Vec::new();
        list.retain(|one| {
            !seen.contains(one) && {
                seen.push(*one);
                true
            }
        });
        (list, trouble)
    }

    async fn look_up(&self, resolver: SocketAddr, name: &str, kind: RecordType) -> Said {
        let found = async {
            let query = Query::query(owner(name)?, wire_kind(kind));
            let manner = Manner { recursion: true, attempts: UDP_ATTEMPTS, signed: false };
            let answer = exchange(resolver, &query, manner).await?;
            if answer.metadata.response_code == ResponseCode::ServFail
                && let Some(kept) = kept_from_us(resolver, &query, manner).await
            {
                return Err(kept);
            }
            let values = values(&answer, &query)?;
            let ttl_s = if values.is_empty() { None } else { least_ttl(&answer) };
            Ok(Said::Values { values, ttl_s })
        };
        found.await.unwrap_or_else(|why: String| Said::Nothing(why))
    }
}

/// What the resolver answers only who does not ask it to check: it holds the signatures to be bogus, and its users get nothing.
async fn kept_from_us(resolver: SocketAddr, query: &Query, manner: Manner) -> Option<String> {
    let answer = exchange(resolver, query, Manner { signed: true, ..manner }).await.ok()?;
    let kept = values(&answer, query).ok().filter(|values| !values.is_empty())?;
    Some(format!(
        "it says SERVFAIL, and {} to who does not ask it to check signatures: to it the zone's DNSSEC is bogus",
        kept.join(", ")
    ))
}

/// An answer is as old as its oldest part: an alias may run out before what it means.
fn least_ttl(answer: &Message) -> Option<u32> {
    answer.answers.iter().map(|record| record.ttl).min()
}
