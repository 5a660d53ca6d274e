//! What a controller publishes of its engine's wishes: how often to probe which service, for whoever waits for news of it.
//!
//! It orders nobody about: agents follow it within limits of their own (see `tempo`), and a controller that is gone is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::chance;
use crate::domain::{Pace, PaceMark, ServiceName};

/// See the module.
#[derive(Debug)]
pub struct Paces {
    current: watch::Sender<Pace>,
}

impl Paces {
    /// Everything at rest.
    pub(super) fn new() -> Self {
        let mark = PaceMark { run: chance::nonce(), revision: 0 };
        Self { current: watch::Sender::new(Pace { mark, every: BTreeMap::new(), draining: BTreeSet::new() }) }
    }

    /// From now on the service should be probed this often; none is as often as its policy says. Whoever waits is told at once.
    pub fn set(&self, service: &ServiceName, every: Option<Duration>) {
        self.current.send_if_modified(|pace| {
            if pace.every.get(service).copied() == every {
                return false;
            }
            match every {
                Some(every) => pace.every.insert(service.clone(), every),
                None => pace.every.remove(service),
            };
            pace.mark.revision += 1;
            true
        });
    }

    /// From now on what resolvers answer for the service should be looked at closely, or no longer.
    pub fn set_draining(&self, service: &ServiceName, draining: bool) {
        self.current.send_if_modified(|pace| {
            let news = if draining { pace.draining.insert(service.clone()) } else { pace.draining.remove(service) };
            pace.mark.revision += u64::from(news);
            news
        });
    }

    /// What is wished: at once when that is not what is `known`, else when it changes, or unchanged after `wait`.
    pub async fn after(&self, known: Option<PaceMark>, wait: Duration) -> Pace {
        let mut watched = self.current.subscribe();
        let news = async { watched.wait_for(|pace| Some(pace.mark) != known).await.map(|pace| pace.clone()) };
        match timeout(wait, news).await {
            Ok(Ok(pace)) => pace,
            // The sender is our own, so an error cannot be; either way nothing is new.
            Ok(Err(_)) | Err(_) => self.current.borrow().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test: what waits so long was not told.
    const LONG: Duration = Duration::from_secs(600);

    fn login() -> ServiceName {
        ServiceName::new("login").unwrap()
    }

    #[tokio::test]
    async fn whoever_knows_nothing_or_something_else_is_answered_at_once() {
        let paces = Paces::new();
        let rest = paces.after(None, LONG).await;
        assert!(rest.every.is_empty());
        paces.set(&login(), Some(Duration::from_secs(1)));
        let burst = paces.after(Some(rest.mark), LONG).await;
        assert_eq!(burst.every, [(login(), Duration::from_secs(1))].into());
        // A restarted controller has said less than this one, and is heard all the same.
        let restarted = Paces::new();
        let after = restarted.after(Some(burst.mark), LONG).await;
        assert!(after.mark.revision < burst.mark.revision && after.mark.run != burst.mark.run);
        assert!(after.every.is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_a_change_and_of_nothing_else() {
        let paces = Paces::new();
        let rest = paces.after(None, LONG).await;
        paces.set(&login(), None);
        let same = paces.after(Some(rest.mark), Duration::from_millis(20)).await;
        assert_eq!(same, rest, "what was so already is no news");
        let (told, ()) = tokio::join!(paces.after(Some(rest.mark), LONG), async {
            tokio::task::yield_now().await;
            paces.set(&login(), Some(Duration::from_secs(2)));
        });
        assert_eq!((told.every.len(), told.mark.revision), (1, 1));
        let (told, ()) = tokio::join!(paces.after(Some(told.mark), LONG), async {
            tokio::task::yield_now().await;
            paces.set(&login(), None);
        });
        assert_eq!((told.every.len(), told.mark.revision), (0, 2));
    }
}
