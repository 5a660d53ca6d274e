//! The writes that Quorate makes to a zone, each one compare-and-swap and its reading back. No policy: whether to write was
//! decided before, and what to do about an error is decided after.
//!
//! ```text
//!            read ── find ours ── next token ── apply ONCE ──► accepted ─────────────► done
//!                       │             │             │
//!                  not ours:     zone is newer:     ├► refused ─┐      ┌► our token: done
//!                   Broken          Fenced          └► unknown ─┴ read ┼► expected:  not applied (so far)
//!                                                                      ├► newer epoch: Fenced
//!                                                                      └► other:     Refused
//! ```
//!
//! Upheld here: **S5** (every write swaps the token; a takeover's fence write has been *seen* in the zone before it counts),
//! **S6** ([`read_token`] gives the zone's part of the next epoch), **S8** (an answer that was lost is resolved by reading back),
//! **S16** (batches come from [`ChangeBatch`] only).
//!
//! What it refuses: to apply a second time, to write to records that are not ours or not whole, and to call a write lost or
//! made without having looked.

use std::time::Duration;

use crate::domain::{ChangeBatch, ClusterName, Fence, FlipIntent, OwnedRecords, PlanDigest, Role, Service, Token};
use crate::ports::{Class, DnsProvider, PortError};

/// How often an accepted write is looked for. Route 53 lists pending changes at once, but promises no order between two requests.
const READ_BACKS: usize = 5;

/// Between two looks: five requests a second is what an AWS account has for all its tools.
const READ_BACK_PAUSE: Duration = Duration::from_secs(1);

/// A zone that was fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The token before: what the predecessor's last move was.
    pub before: Token,
    /// The records, with our token.
    pub records: OwnedRecords,
    /// The provider's id of the fence write; absent when its answer was lost.
    pub change: Option<String>,
}

/// Records that were moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flipped {
    /// The records as they are now.
    pub records: OwnedRecords,
    /// The provider's id of the change; absent when its answer was lost.
    pub change: Option<String>,
    /// Whether success is known from reading back, and not from the answer.
    pub read_back: bool,
}

/// The service's records: ours, and whole.
///
/// # Errors
/// `Broken` when they are not ours to change; otherwise what the provider says.
pub async fn read_records(
    provider: &dyn DnsProvider,
    cluster: &ClusterName,
    service: &Service,
) -> Result<OwnedRecords, PortError> {
    let zone = provider.read(&service.dns.zone, &service.names()).await?;
    OwnedRecords::find(cluster, service, &zone).map_err(|error| PortError::broken(error.to_string()))
}

/// The token in the zone, for the epoch of a takeover: one more than the larger of the store's and this one's (S6).
///
/// # Errors
/// As [`read_records`].
pub async fn read_token(
    provider: &dyn DnsProvider,
    cluster: &ClusterName,
    service: &Service,
) -> Result<Token, PortError> {
    Ok(read_records(provider, cluster, service).await?.token().clone())
}

/// Writes this leader's token, with the records unchanged, and reads it back. Before this has succeeded, no evidence counts: a
/// batch of the predecessor that is still on its way would otherwise be applied after it.
///
/// # Errors
/// `Fenced`: the zone's epoch is newer than ours. `Refused`: somebody else wrote meanwhile. `Retry`: nothing is known, or the
/// write has not arrived; taking over again is safe. `Broken`: the records are not ours, or the provider needs a person.
pub async fn take_over(
    provider: &dyn DnsProvider,
    fence: &Fence,
    cluster: &ClusterName,
    service: &Service,
) -> Result<TakenOver, PortError> {
    let name = &service.dns.name;
    let present = read_records(provider, cluster, service).await?;
    let before = present.token().clone();
    let Some(new) = before.advanced(fence) else {
        return Err(fenced(name, &before, fence));
    };
    let batch = ChangeBatch::fence(&present, new.clone());
    let swap = Swap { provider, fence, cluster, service, expected: &before, new: &new };
    match provider.apply(fence, &service.dns.zone, &batch).await {
        Ok(change) => {
            let records = swap.await_new().await?;
            Ok(TakenOver { before, records, change: Some(change) })
        }
        Err(error) if matches!(error.class, Class::Refused | Class::Retry) => match swap.look(&error).await? {
            // Our request was refused, and yet the token is there. A twin with the same epoch would have written the same bytes, and
            // its writes on their way are not fenced off by ours. Another takeover writes another token, whoever it was.
            Seen::New(_) if error.class == Class::Refused => Err(PortError::retry(format!(
                "{name}: the takeover was refused, and the zone has its token '{new}' all the same: the request arrived twice, or \
                 another controller uses epoch {}; take over again",
                fence.epoch()
            ))),
            Seen::New(records) => Ok(TakenOver { before, records: *records, change: None }),
            Seen::Expected => Err(PortError::retry(format!(
                "{name}: the takeover has not been applied so far, the token is still '{before}': {error}"
            ))),
        },
        Err(error) => Err(error),
    }
}

/// Moves the records by `intent`, which has been recorded before. Applied once; after an answer that is no success, reading back
/// decides.
///
/// # Errors
/// `Fenced`: the zone's epoch is newer than ours. `Refused`: the token is neither the expected nor the new one. `Retry`: it
/// is unknown whether the flip has been or will be applied. `Broken`: the provider refuses the batch although the token
/// matches, the records are not ours any more, or the intent is not one of this epoch.
pub async fn flip(
    provider: &dyn DnsProvider,
    fence: &Fence,
    cluster: &ClusterName,
    service: &Service,
    present: &OwnedRecords,
    intent: &FlipIntent,
) -> Result<Flipped, PortError> {
    let name = &service.dns.name;
    let FlipIntent { expected, new } = intent;
    if present.token() != expected {
        return Err(PortError::refused(format!(
            "{name}: the flip expects the token '{expected}', and the records have '{}'",
            present.token()
        )));
    }
    if new.epoch != fence.epoch() {
        return Err(PortError::fenced(format!(
            "{name}: the flip was planned under epoch {}, and this is epoch {}",
            new.epoch,
            fence.epoch()
        )));
    }
    if new.cluster != *cluster || !new.is_after(expected) {
        return Err(PortError::broken(format!("{name}: the token '{new}' does not follow '{expected}'")));
    }
    let batch = ChangeBatch::flip(present, service, new.clone());
    let swap = Swap { provider, fence, cluster, service, expected, new };
    match provider.apply(fence, &service.dns.zone, &batch).await {
        Ok(change) => Ok(Flipped { records: present.after(&batch), change: Some(change), read_back: false }),
        Err(error) if matches!(error.class, Class::Refused | Class::Retry) => match swap.look(&error).await? {
            Seen::New(records) => Ok(Flipped { records: *records, change: None, read_back: true }),
            Seen::Expected if error.class == Class::Refused => Err(PortError::broken(format!(
                "{name}: the provider refuses the flip although the token is the expected '{expected}': {error}"
            ))),
            Seen::Expected => Err(PortError::retry(format!(
                "{name}: the flip has not been applied so far, and still may be: {error}"
            ))),
        },
        Err(error) => Err(error),
    }
}

/// Where the service's records point, whoever owns them.
///
/// # Errors
/// `Broken` when they are not what the configuration makes of one of the sites; otherwise what the provider says.
pub async fn serving(provider: &dyn DnsProvider, service: &Service) -> Result<Role, PortError> {
    let zone = provider.read(&service.dns.zone, &service.names()).await?;
    let (serving, _) =
        OwnedRecords::position(service, &zone).map_err(|error| PortError::broken(error.to_string()))?;
    Ok(serving)
}

/// Brings the records to `to` by the plan with that digest, from wherever they are. Run again it finds its own move and leaves it.
///
/// # Errors
/// As [`flip`].
pub async fn pin(
    provider: &dyn DnsProvider,
    fence: &Fence,
    cluster: &ClusterName,
    service: &Service,
    to: Role,
    digest: &PlanDigest,
) -> Result<Flipped, PortError> {
    let present = read_records(provider, cluster, service).await?;
    let token = present.token();
    if token.serving == to && token.digest.as_ref() == Some(digest) {
        return Ok(Flipped { records: present, change: None, read_back: true });
    }
    let Some(new) = token.moved(fence, to, digest.clone()) else {
        return Err(fenced(&service.dns.name, token, fence));
    };
    let intent = FlipIntent { expected: token.clone(), new };
    flip(provider, fence, cluster, service, &present, &intent).await
}

/// Writes a person's batch once, and looks until it is there. Returns the provider's id of the change; none when its answer was lost, and
/// reading back shows it applied.
///
/// # Errors
/// `Refused`: the zone is not as it was when the batch was made, and nothing was written. `Retry`: it is not known whether it was or will
/// be applied. `Fenced` and `Broken` as the provider says.
pub async fn mend(
    provider: &dyn DnsProvider,
    fence: &Fence,
    cluster: &ClusterName,
    service: &Service,
    batch: &ChangeBatch,
) -> Result<Option<String>, PortError> {
    let (name, new) = (&service.dns.name, batch.new_token());
    let zone = &service.dns.zone;
    // Before an adoption there is nothing of ours to be found: whatever is not our token means "not so far".
    let there = async || {
        let sets = provider.read(zone, &service.names()).await.ok()?;
        OwnedRecords::find(cluster, service, &sets).ok().filter(|records| records.token() == new)
    };
    match provider.apply(fence, zone, batch).await {
        Ok(change) => {
            for look in 1..=READ_BACKS {
                if there().await.is_some() {
                    return Ok(Some(change));
                }
                if look < READ_BACKS {
                    tokio::time::sleep(READ_BACK_PAUSE).await;
                }
            }
            Err(PortError::retry(format!("{name}: the provider accepted '{new}' as {change} and does not list it")))
        }
        Err(error) if error.class == Class::Retry => {
            if there().await.is_some() {
                return Ok(None);
            }
            Err(PortError::retry(format!("{name}: it has not been applied so far, and still may be: {error}")))
        }
        Err(error) if error.class == Class::Refused => Err(PortError::refused(format!(
            "{name}: the records are not as they were when this was planned, and nothing was written; look again: {error}"
        ))),
        Err(error) => Err(error),
    }
}

/// What reading back showed.
enum Seen {
    /// The write was applied.
    New(Box<OwnedRecords>),
    /// It was not, so far.
    Expected,
}

/// One compare-and-swap under way.
struct Swap<'a> {
    provider: &'a dyn DnsProvider,
    fence: &'a Fence,
    cluster: &'a ClusterName,
    service: &'a Service,
    expected: &'a Token,
    new: &'a Token,
}

impl Swap<'_> {
    /// Reads back after an answer that was no success. A token that is neither of the two is an error.
    async fn look(&self, after: &PortError) -> Result<Seen, PortError> {
        let name = &self.service.dns.name;
        let zone = self.provider.read(&self.service.dns.zone, &self.service.names()).await.map_err(|error| {
            PortError::retry(format!(
                "{name}: it is unknown whether '{}' was applied, and reading back failed: {error} (the write: {after})",
                self.new
            ))
        })?;
        let records = OwnedRecords::find(self.cluster, self.service, &zone)
            .map_err(|error| PortError::broken(format!("{error} (found when reading back after: {after})")))?;
        let token = records.token();
        if token == self.new {
            Ok(Seen::New(Box::new(records)))
        } else if token.epoch > self.fence.epoch() {
            Err(fenced(name, token, self.fence))
        } else if token == self.expected {
            Ok(Seen::Expected)
        } else {
            Err(PortError::refused(format!(
                "{name}: somebody else wrote: the token is '{token}', and '{}' was expected",
                self.expected
            )))
        }
    }

    /// Looks for an accepted write until it is there. The provider may list the state before it for a moment.
    async fn await_new(&self) -> Result<OwnedRecords, PortError> {
        let accepted = PortError::retry("the provider accepted it");
        for look in 1..=READ_BACKS {
            if let Seen::New(records) = self.look(&accepted).await? {
                return Ok(*records);
            }
            if look < READ_BACKS {
                tokio::time::sleep(READ_BACK_PAUSE).await;
            }
        }
        Err(PortError::retry(format!(
            "{}: the provider accepted '{}' and does not list it",
            self.service.dns.name, self.new
        )))
    }
}

fn fenced(name: &str, token: &Token, fence: &Fence) -> PortError {
    PortError::fenced(format!(
        "{name}: the zone's token '{token}' is of epoch {}, and ours is {}: a newer controller has taken over",
        token.epoch,
        fence.epoch()
    ))
}
