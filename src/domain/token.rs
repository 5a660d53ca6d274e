//! The ownership record's value: who owns a name's records, and the compare-and-swap token for every write to them.

use std::fmt;

use super::{ClusterName, Epoch, Fence, PlanDigest, Role};

/// `v1;c=<cluster>;e=<epoch>;s=<seq>;t=<site>;d=<plan digest>`.
///
/// `(e, s)` is the fence: it grows with every write, so that a delayed or repeated older write names a token that is gone.
/// `(t, d)` says what the last *move* was: a fence write keeps it, so that a controller that takes over can tell whether
/// its predecessor's flip arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The owner.
    pub cluster: ClusterName,
    /// The epoch of the last writer.
    pub epoch: Epoch,
    /// Counts the writes of an epoch.
    pub seq: u64,
    /// The site that the records point at.
    pub serving: Role,
    /// The plan that moved them there; absent when no plan has.
    pub digest: Option<PlanDigest>,
}

/// Why a text is not an ownership token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ownership record holds '{text}', which is not 'v1;c=CLUSTER;e=EPOCH;s=SEQ;t=primary|standby;d=DIGEST' ({what})"
)]
pub struct TokenError {
    text: String,
    what: &'static str,
}

impl Token {
    /// The token of records that no controller has written yet.
    pub fn unmoved(cluster: ClusterName) -> Self {
        Self { cluster, epoch: Epoch::default(), seq: 0, serving: Role::Primary, digest: None }
    }

    /// Reads a token. Anything but the exact form is refused: a hand-edited token needs a person.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let error = |what| TokenError { text: text.to_owned(), what };
        let mut parts = text.split(';');
        let mut field = |prefix: &'static str, what: &'static str| {
            parts.next().and_then(|part| part.strip_prefix(prefix)).ok_or_else(|| error(what))
        };
        field("v1", "the version")
            .and_then(|rest| if rest.is_empty() { Ok(()) } else { Err(error("the version")) })?;
        let cluster = ClusterName::new(field("c=", "the cluster")?).map_err(|_| error("the cluster"))?;
        let epoch = field("e=", "the epoch")?.parse().map(Epoch::new).map_err(|_| error("the epoch"))?;
        let seq = field("s=", "the sequence")?.parse().map_err(|_| error("the sequence"))?;
        let serving = Role::parse(field("t=", "the site")?).ok_or_else(|| error("the site"))?;
        let digest = match field("d=", "the digest")? {
            "-" => None,
            text => Some(PlanDigest::parse(text).ok_or_else(|| error("the digest"))?),
        };
        let token = Self { cluster, epoch, seq, serving, digest };
        // "e=007" would parse and then never match the bytes in the zone.
        if token.to_string() == text { Ok(token) } else { Err(error("the form")) }
    }

    /// The token of the next write under `fence`, with what it says about the move unchanged; none when the fence is
    /// older than the token.
    pub fn advanced(&self, fence: &Fence) -> Option<Self> {
        let seq = match fence.epoch().cmp(&self.epoch) {
            std::cmp::Ordering::Less => return None,
            std::cmp::Ordering::Equal => self.seq.checked_add(1)?,
            std::cmp::Ordering::Greater => 0,
        };
        Some(Self { epoch: fence.epoch(), seq, ..self.clone() })
    }

    /// The token of a write that moves the records to `serving` by the plan `digest`.
    pub fn moved(&self, fence: &Fence, serving: Role, digest: PlanDigest) -> Option<Self> {
        Some(Self { serving, digest: Some(digest), ..self.advanced(fence)? })
    }

    /// Whether this token, or one that only fenced after it, says that the same move was made.
    pub fn same_move(&self, other: &Self) -> bool {
        self.cluster == other.cluster && self.serving == other.serving && self.digest == other.digest
    }

    /// Whether `self` was written after `other`.
    pub fn is_after(&self, other: &Self) -> bool {
        (self.epoch, self.seq) > (other.epoch, other.seq)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1;c={};e={};s={};t={};d=", self.cluster, self.epoch, self.seq, self.serving)?;
        match &self.digest {
            Some(digest) => digest.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Authority;

    fn fence(epoch: u64) -> Fence {
        Authority::new(Epoch::new(epoch), None).fence(crate::domain::Moment::default()).unwrap()
    }

    #[test]
    fn a_token_survives_the_way_through_the_zone() {
        let text = "v1;c=demo;e=41;s=7;t=standby;d=0123456789abcdef";
        assert_eq!(Token::parse(text).unwrap().to_string(), text);
        let fresh = "v1;c=demo;e=0;s=0;t=primary;d=-";
        assert_eq!(Token::parse(fresh).unwrap().to_string(), fresh);
    }

    #[test]
    fn anything_but_the_exact_form_is_refused() {
        for text in [
            "",
            "v2;c=demo;e=1;s=0;t=primary;d=-",
            "v1;c=demo;e=007;s=0;t=primary;d=-",
            "v1;c=demo;e=1;s=0;t=elsewhere;d=-",
            "v1;c=demo;e=1;s=0;t=primary;d=-;x=1",
            "v1;c=Demo;e=1;s=0;t=primary;d=-",
            "v1;e=1;c=demo;s=0;t=primary;d=-",
        ] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_write_is_after_the_one_before_and_an_older_fence_writes_nothing() {
        let token = Token::parse("v1;c=demo;e=4;s=7;t=primary;d=-").unwrap();
        let next = token.advanced(&fence(4)).unwrap();
        let taken_over = next.advanced(&fence(5)).unwrap();
        assert!(next.is_after(&token) && taken_over.is_after(&next));
        assert!(taken_over.same_move(&token));
        assert_eq!(taken_over.advanced(&fence(4)), None);
    }
}
