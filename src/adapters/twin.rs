//! Two providers that host the same names, as one [`DnsProvider`]: a dual-hosted zone, in which a dead provider does not stop
//! the other.
//!
//! ```text
//! read    both at once ─► the newer token is the position ─► its records, in the first one's shape
//! apply   look at both ─► nobody ahead of what we know? ─► both at once, each batch based on what that zone holds
//!                    └► somebody is: nothing is sent to either
//! ```
//!
//! What the answers mean together is decided in [`domain::twin`](crate::domain::twin), which has the table. Once one provider has
//! answered well, the other has a short while left: a control plane that hangs for minutes must not hold up the one that works.
//!
//! Upheld here: **S5** at each provider that answers (each swap names the token that *that* zone holds); **S6**, as far as one of two
//! answers; **S20** (records that are not ours stop both).
//!
//! What it refuses: to hide a provider that is silent or behind ([`DnsProvider::remarks`]), to send anything when either zone has
//! a token that we do not know, and to lead a zone back to the primary unasked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use crate::domain::twin::{self, Both, End, Order, Position, Sight};
use crate::domain::{ChangeBatch, Class, ClusterName, Fence, OwnedRecords, RecordSet, Service};
use crate::ports::{ChangeState, DnsProvider, PortError};

/// How long the slower one is waited for when the other has answered well: a read of Route 53 takes well under a second in
/// ordinary times, and a flip waits for this three times at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// One of the two.
#[derive(Clone)]
pub struct Half {
    /// What to call it in messages.
    pub label: String,
    /// The provider.
    pub provider: Arc<dyn DnsProvider>,
    /// The service, with this provider's zone and routing.
    pub service: Service,
}

impl Half {
    fn zone(&self) -> &str {
        &self.service.dns.zone
    }

    async fn look(&self, cluster: &ClusterName) -> Sight {
        match self.provider.read(self.zone(), &self.service.names()).await {
            Ok(sets) => OwnedRecords::find(cluster, &self.service, &sets).map_or_else(Sight::Foreign, Sight::Owned),
            Err(error) => Sight::Silent(error),
        }
    }

    async fn send(&self, fence: &Fence, batch: &ChangeBatch, held: &OwnedRecords) -> Result<String, PortError> {
        self.provider.apply(fence, self.zone(), &batch.rebased(held, &self.service)).await
    }
}

/// What one of the two is to do about a write.
enum Task<'a> {
    Send(&'a OwnedRecords),
    /// Nothing to be done: it ends like this.
    Nothing(End),
}

/// Two providers of the same names.
pub struct Twin {
    cluster: ClusterName,
    halves: Both<Half>,
    remarks: Mutex<Vec<String>>,
}

/// Waits for both; once one of them has ended well, for the other only a while.
async fn both<T>(
    first: impl Future<Output = T>,
    second: impl Future<Output = T>,
    well: impl Fn(&T) -> bool,
) -> Both<Option<T>> {
    tokio::pin!(first, second);
    tokio::select! {
        one = &mut first => {
            let other = if well(&one) { timeout(PATIENCE, second).await.ok() } else { Some(second.await) };
            Both { first: Some(one), second: other }
        }
        one = &mut second => {
            let other = if well(&one) { timeout(PATIENCE, first).await.ok() } else { Some(first.await) };
            Both { first: other, second: Some(one) }
        }
    }
}

fn late() -> PortError {
    PortError::retry(format!("no answer within {} s of the other provider's", PATIENCE.as_secs()))
}

impl Twin {
    /// The first is the one that the service names, and whose zone the callers name.
    pub fn new(cluster: ClusterName, first: Half, second: Half) -> Self {
        Self { cluster, halves: Both { first, second }, remarks: Mutex::default() }
    }

    /// The two, for who must look at each by itself (adoption, drift).
    pub fn halves(&self) -> &Both<Half> {
        &self.halves
    }

    fn labels(&self) -> Both<&str> {
        self.halves.as_ref().map(|half| half.label.as_str())
    }

    fn remark(&self, remarks: Vec<String>) {
        for remark in &remarks {
            tracing::warn!(twin = %self.halves.first.service.name, "{remark}");
        }
        *self.remarks.lock().unwrap_or_else(PoisonError::into_inner) = remarks;
    }

    fn is_ours(&self, zone: &str) -> Result<(), PortError> {
        let first = self.halves.first.zone();
        if zone == first {
            return Ok(());
        }
        Err(PortError::broken(format!(
            "zone {zone}: this pair of providers is about the zone {first}; correct the zone id"
        )))
    }

    /// Looks at both.
    async fn look(&self) -> Both<Sight> {
        let look = self.halves.as_ref().map(|half| half.look(&self.cluster));
        let seen = both(look.first, look.second, |sight| matches!(sight, Sight::Owned(_))).await;
        seen.map(|sight| sight.unwrap_or_else(|| Sight::Silent(late())))
    }

    async fn run(&self, half: &Half, task: &Task<'_>, fence: &Fence, batch: &ChangeBatch) -> (End, Option<String>) {
        match task {
            Task::Nothing(end) => (end.clone(), None),
            Task::Send(held) => {
                let answer = half.send(fence, batch, held).await;
                (End::of(&answer), answer.ok())
            }
        }
    }

    /// The other one took the write, and this one refused it: somebody wrote here between our look and our write. What a
    /// predecessor wrote here alone, it was refused there, so it does not count, and is swapped.
    async fn again(&self, half: &Half, fence: &Fence, batch: &ChangeBatch, refused: End) -> (End, Option<String>) {
        match half.look(&self.cluster).await {
            Sight::Owned(held) if held.token() == batch.new_token() => (End::Accepted, None),
            Sight::Owned(held) if held.token().epoch > batch.new_token().epoch => {
                (End::Fenced(format!("it has the token '{}' of a newer controller", held.token())), None)
            }
            Sight::Owned(held) if batch.new_token().is_after(held.token()) => {
                self.run(half, &Task::Send(&held), fence, batch).await
            }
            _ => (refused, None),
        }
    }

    async fn write(&self, fence: &Fence, batch: &ChangeBatch, tasks: &Both<Task<'_>>) -> Both<(End, Option<String>)> {
        let halves = &self.halves;
        let first = self.run(&halves.first, &tasks.first, fence, batch);
        let second = self.run(&halves.second, &tasks.second, fence, batch);
        let ends = both(first, second, |(end, _)| *end == End::Accepted).await;
        let ends = ends.map(|end| end.unwrap_or_else(|| (End::Unknown(late().what), None)));
        match (ends.first, ends.second) {
            (first @ (End::Accepted, _), (refused @ End::Refused(_), _)) => {
                Both { first, second: self.again(&halves.second, fence, batch, refused).await }
            }
            ((refused @ End::Refused(_), _), second @ (End::Accepted, _)) => {
                Both { first: self.again(&halves.first, fence, batch, refused).await, second }
            }
            (first, second) => Both { first, second },
        }
    }
}

/// What each is to do, or why nothing may be sent to either.
fn tasks<'a>(labels: Both<&str>, batch: &ChangeBatch, sights: &'a Both<Sight>) -> Result<Both<Task<'a>>, PortError> {
    let task = |(label, sight): (&str, &'a Sight)| match sight {
        Sight::Silent(error) => Ok(Task::Nothing(End::Unable(error.clone()))),
        Sight::Foreign(error) => Err(PortError::broken(format!("at {label}: {error}"))),
        Sight::Owned(held) => match twin::order(label, batch, held) {
            Order::Send => Ok(Task::Send(held)),
            Order::Done => Ok(Task::Nothing(End::Accepted)),
            Order::Leave(why) => Ok(Task::Nothing(End::Unable(PortError::broken(why)))),
            Order::Refuse(why) => Err(PortError::refused(why)),
            Order::Fenced(why) => Err(PortError::fenced(why)),
        },
    };
    let tasks = labels.zip(sights.as_ref()).map(task);
    match (tasks.first, tasks.second) {
        (Ok(first), Ok(second)) => Ok(Both { first, second }),
        // The newer controller is what the caller must hear of first.
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(first), Err(second)) => Err(if second.class == Class::Fenced { second } else { first }),
    }
}

/// The two changes as one id: `1:… 2:…`.
fn joined(ids: &Both<Option<String>>) -> String {
    let part = |number: u8, id: &Option<String>| id.as_ref().map(|id| format!("{number}:{id}"));
    let parts: Vec<String> = [part(1, &ids.first), part(2, &ids.second)].into_iter().flatten().collect();
    parts.join(" ")
}

/// The changes in an id.
fn parted(change: &str) -> Both<Option<&str>> {
    let part = |prefix: &str| change.split(' ').find_map(|part| part.strip_prefix(prefix));
    Both { first: part("1:"), second: part("2:") }
}

#[async_trait]
impl DnsProvider for Twin {
    /// The records of the position, in the shape of the first one's routing.
    async fn read(&self, zone: &str, _names: &[&str]) -> Result<Vec<RecordSet>, PortError> {
        self.is_ours(zone)?;
        let sights = self.look().await;
        let at = twin::position(self.labels(), sights.as_ref())?;
        self.remark(twin::remarks(self.labels(), sights.as_ref()));
        let service = &self.halves.first.service;
        match (at, &sights.first, &sights.second) {
            (Position::First, Sight::Owned(held), _) => Ok(held.sets()),
            (Position::Second, _, Sight::Owned(held)) => {
                let mark = OwnedRecords::mark_of(service, held.token());
                Ok(OwnedRecords::wanted(service, held.serving()).into_iter().chain([mark]).collect())
            }
            _ => Err(PortError::retry(format!("zone {zone}: neither provider answers"))),
        }
    }

    async fn apply(&self, fence: &Fence, zone: &str, batch: &ChangeBatch) -> Result<String, PortError> {
        self.is_ours(zone)?;
        let labels = self.labels();
        let sights = self.look().await;
        // Two that contradict each other stop everything, whatever is to be written.
        twin::position(labels, sights.as_ref())?;
        let tasks = tasks(labels, batch, &sights)?;
        let done = self.write(fence, batch, &tasks).await;
        let ids = Both { first: done.first.1, second: done.second.1 };
        let ends = Both { first: &done.first.0, second: &done.second.0 };
        twin::together(labels, ends)?;
        let remark = |(label, end): (&str, &End)| match end {
            End::Accepted => None,
            End::Refused(what) | End::Unknown(what) | End::Fenced(what) => Some(format!("{label}: {what}")),
            End::Unable(error) => Some(format!("{label} was not changed: {error}")),
        };
        let remarks = labels.zip(ends).map(remark);
        self.remark([remarks.first, remarks.second].into_iter().flatten().collect());
        let change = joined(&ids);
        // As one provider would: a write that is there already is not one that this request made.
        if change.is_empty() {
            return Err(PortError::refused(format!("zone {zone}: the token is '{}' already", batch.new_token())));
        }
        Ok(change)
    }

    /// In sync when every part is.
    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError> {
        let of = async |half: &Half, part: Option<&str>| match part {
            None => Ok(ChangeState::InSync),
            Some(id) => half.provider.change_state(id).await,
        };
        let parts = parted(change);
        if parts.first.is_none() && parts.second.is_none() {
            return Err(PortError::broken(format!("'{change}' is no change of two providers (1:… 2:…)")));
        }
        let (first, second) =
            tokio::join!(of(&self.halves.first, parts.first), of(&self.halves.second, parts.second));
        match (first?, second?) {
            (ChangeState::InSync, ChangeState::InSync) => Ok(ChangeState::InSync),
            _ => Ok(ChangeState::Pending),
        }
    }

    /// Whether both have theirs.
    async fn has_zone(&self, zone: &str) -> Result<bool, PortError> {
        self.is_ours(zone)?;
        let Both { first, second } = &self.halves;
        match tokio::join!(first.provider.has_zone(first.zone()), second.provider.has_zone(second.zone())) {
            (Ok(first), Ok(second)) => Ok(first && second),
            (Ok(false), Err(_)) | (Err(_), Ok(false)) => Ok(false),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// Those of both. While one does not say, those of the other.
    async fn name_servers(&self, zone: &str) -> Result<Vec<String>, PortError> {
        self.is_ours(zone)?;
        let Both { first, second } = &self.halves;
        let asked =
            tokio::join!(first.provider.name_servers(first.zone()), second.provider.name_servers(second.zone()));
        let mut servers = match asked {
            (Ok(first), Ok(second)) => [first, second].concat(),
            (Ok(servers), Err(_)) | (Err(_), Ok(servers)) => servers,
            (Err(error), Err(_)) => return Err(error),
        };
        servers.sort_unstable();
        servers.dedup();
        Ok(servers)
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the zone that is behind the token and the records of the other.
    async fn catch_up(&self, fence: &Fence) -> Result<Option<String>, PortError> {
        let sights = self.look().await;
        let at = twin::position(self.labels(), sights.as_ref())?;
        self.remark(twin::remarks(self.labels(), sights.as_ref()));
        let (Sight::Owned(first), Sight::Owned(second)) = (&sights.first, &sights.second) else { return Ok(None) };
        let (half, held, new) = match at {
            Position::First => (&self.halves.second, second, first.token()),
            Position::Second => (&self.halves.first, first, second.token()),
        };
        if held.token() == new {
            return Ok(None);
        }
        if new.epoch != fence.epoch() {
            let text = format!("{}: the token is '{new}', and ours would be of epoch {}", half.label, fence.epoch());
            let newer = new.epoch > fence.epoch();
            return Err(if newer { PortError::fenced(text) } else { PortError::refused(text) });
        }
        if twin::leads_back(held.token(), new) {
            return Err(PortError::broken(twin::led_back(&half.label, held.token(), new)));
        }
        let batch = ChangeBatch::flip(held, &half.service, new.clone());
        let change = half.provider.apply(fence, half.zone(), &batch).await?;
        Ok(Some(format!("{} has caught up with '{new}' by {change}", half.label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_two_changes_comes_apart_again() {
        let ids = Both { first: Some("/change/C1".to_owned()), second: Some("example.com/7".to_owned()) };
        assert_eq!(joined(&ids), "1:/change/C1 2:example.com/7");
        assert_eq!(
            parted("1:/change/C1 2:example.com/7"),
            Both { first: Some("/change/C1"), second: Some("example.com/7") }
        );
        let one = Both { first: None, second: Some("example.com/7".to_owned()) };
        assert_eq!(parted(&joined(&one)), Both { first: None, second: Some("example.com/7") });
        assert_eq!(parted("/change/C1"), Both { first: None, second: None });
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_one_is_waited_for_briefly_after_a_success_and_wholly_after_a_failure() {
        let after = |ms: u64, end: bool| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            end
        };
        let well = |end: &bool| *end;
        assert_eq!(both(after(10, true), after(60_000, true), well).await, Both { first: Some(true), second: None });
        let waited = both(after(60_000, true), after(10, false), well).await;
        assert_eq!(waited, Both { first: Some(true), second: Some(false) });
        assert_eq!(
            both(after(1900, true), after(10, true), well).await,
            Both { first: Some(true), second: Some(true) }
        );
    }
}
