//! How far one standby is behind, asked again and again: by its own word, by the positions of both sites, or both, of which the worse counts.
//!
//! What it cannot find out is unknown, and unknown is too far. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::controller::{Managed, Message};
use super::lag::Sampler;
use super::surroundings::say;
use crate::domain::{LagReading, PortError, Positions, ServiceName};
use crate::engine::Input;
use crate::ports::{Clock, SiteControl};

/// Between two questions. A reading counts for 30 s, so that several may be lost before it is unknown; and by positions it is too large by up
/// to this long, so that a policy's shortest limits still let a standby pass that is level.
const LAG_EVERY: Duration = Duration::from_secs(2);
/// How long one of them may take.
const LAG_WITHIN: Duration = Duration::from_secs(5);

/// How far one standby is behind.
pub(super) struct Gauge {
    service: ServiceName,
    primary: Option<Arc<dyn SiteControl>>,
    standby: Arc<dyn SiteControl>,
    clock: Arc<dyn Clock>,
    sampler: Sampler,
    /// Why the last reading failed, as it was logged.
    trouble: Option<String>,
}

impl Gauge {
    pub(super) fn of(managed: &Managed, clock: Arc<dyn Clock>) -> Self {
        Self {
            service: managed.service.name.clone(),
            primary: managed.primary.clone(),
            standby: Arc::clone(&managed.standby),
            clock,
            sampler: Sampler::default(),
            trouble: None,
        }
    }

    /// Every reading is said, changed or not: it counts for a while only.
    pub(super) async fn watch(mut self, mailbox: mpsc::Sender<Message>) {
        let mut turns = interval(LAG_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let reading = self.read().await;
            if !say(&mailbox, [Input::Lag { service: self.service.clone(), reading }]).await {
                return;
            }
        }
    }

    async fn read(&mut self) -> Option<LagReading> {
        let reading = self.ask().await;
        let trouble = reading.as_ref().err().cloned();
        if trouble != self.trouble {
            match &trouble {
                Some(error) => tracing::warn!(service = %self.service, "the standby's lag is unknown: {error}"),
                None => tracing::info!(service = %self.service, "the standby's lag is known again"),
            }
            self.trouble = trouble;
        }
        reading.ok()
    }

    async fn ask(&mut self) -> Result<LagReading, String> {
        let said = in_time(self.standby.lag(&self.service)).await?.map(LagReading::now);
        let sampled = self.compare().await?;
        // Each is of data that the other may know nothing of.
        [said, sampled].into_iter().flatten().max_by_key(|reading| reading.behind).ok_or_else(|| {
            "nothing that is configured says it: add 'lag', or controls with a name in common on both sites"
                .to_owned()
        })
    }

    /// By the positions of both; nothing where one of them has none to tell.
    async fn compare(&mut self) -> Result<Option<LagReading>, String> {
        let Some(primary) = &self.primary else { return Ok(None) };
        let sent = self.clock.now();
        // A primary that does not answer is what this is there for: it counts as of when it was last heard.
        let heard = in_time(primary.positions(&self.service)).await;
        if let Ok(positions) = &heard {
            self.sampler.sampled(sent, positions.clone());
        }
        let here = in_time(self.standby.positions(&self.service)).await?;
        let tells = |positions: &Positions| !positions.is_empty();
        match heard {
            Err(error) if self.sampler.is_empty() && tells(&here) => {
                Err(format!("the primary was never heard: {error}"))
            }
            _ if self.sampler.is_empty() => Ok(None),
            _ => self.sampler.lag(self.clock.now(), &here).map(Some),
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, PortError>>) -> Result<T, String> {
    match timeout(LAG_WITHIN, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", LAG_WITHIN.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::domain::{Fence, Moment, PlanId, Position, WallTime};
    use crate::ports::WriteProbe;

    struct Steps(Mutex<u64>);

    impl Clock for Steps {
        /// A second later each time it is asked.
        fn now(&self) -> Moment {
            let mut now = self.0.lock().unwrap();
            *now += 1;
            Moment::from_ms(*now * 1_000)
        }

        fn wall(&self) -> WallTime {
            WallTime::default()
        }
    }

    type Lag = Result<Option<Duration>, PortError>;

    /// A site that answers with what it is told to, once each.
    struct Site {
        lags: Mutex<Vec<Lag>>,
        positions: Mutex<Vec<Result<Positions, PortError>>>,
    }

    fn refused<T>() -> Result<T, PortError> {
        Err(PortError::retry("down"))
    }

    #[async_trait]
    impl SiteControl for Site {
        async fn enter_read_only(&self, _: &Fence, _: &ServiceName, _: &PlanId) -> Result<(), PortError> {
            refused()
        }

        async fn leave_read_only(&self, _: &Fence, _: &ServiceName, _: &PlanId) -> Result<(), PortError> {
            refused()
        }

        async fn probe_write(&self, _: &Fence, _: &ServiceName, _: &PlanId) -> Result<WriteProbe, PortError> {
            refused()
        }

        async fn positions(&self, _: &ServiceName) -> Result<Positions, PortError> {
            self.positions.lock().unwrap().remove(0)
        }

        async fn lag(&self, _: &ServiceName) -> Lag {
            self.lags.lock().unwrap().remove(0)
        }
    }

    fn site(lags: Vec<Lag>, positions: Vec<Result<Positions, PortError>>) -> Arc<dyn SiteControl> {
        Arc::new(Site { lags: Mutex::new(lags), positions: Mutex::new(positions) })
    }

    fn gauge(primary: Option<Arc<dyn SiteControl>>, standby: Arc<dyn SiteControl>) -> Gauge {
        let (service, clock) = (ServiceName::new("login").unwrap(), Arc::new(Steps(Mutex::new(0))));
        Gauge { service, primary, standby, clock, sampler: Sampler::default(), trouble: None }
    }

    fn at(lsn: u64) -> Result<Positions, PortError> {
        Ok([("postgres".to_owned(), Position::Lsn { timeline: 1, lsn })].into())
    }

    async fn said(gauge: &mut Gauge, times: usize) -> Vec<(Option<(u64, u64)>, bool)> {
        let mut said = Vec::new();
        for _ in 0..times {
            let reading = gauge.read().await.map(|reading| (reading.behind.as_secs(), reading.heard.as_secs()));
            said.push((reading, gauge.trouble.is_some()));
        }
        said
    }

    #[tokio::test]
    async fn a_reading_that_fails_is_unknown_and_logged_once() {
        let known = || Ok(Some(Duration::from_secs(2)));
        let mut gauge = gauge(None, site(vec![known(), refused(), refused(), known(), Ok(None)], Vec::new()));
        let wanted = [(Some((2, 0)), false), (None, true), (None, true), (Some((2, 0)), false), (None, true)];
        assert_eq!(said(&mut gauge, 5).await, wanted);
    }

    #[tokio::test]
    async fn positions_tell_it_as_of_when_the_primary_was_last_heard() {
        let primary = site(Vec::new(), vec![at(100), at(200), refused(), refused()]);
        let standby = site(vec![Ok(None), Ok(None), Ok(None), Ok(None)], vec![at(100), at(100), at(100), at(200)]);
        // Each look asks the clock twice: the primary was heard a second before each answer, and two more for each look without it.
        let wanted = [(Some((0, 1)), false), (Some((2, 1)), false), (Some((2, 3)), false), (Some((0, 5)), false)];
        assert_eq!(said(&mut gauge(Some(primary), standby), 4).await, wanted);
    }

    #[tokio::test]
    async fn of_a_word_and_positions_the_worse_counts_and_what_is_never_heard_is_unknown() {
        let (far, near) = (Ok(Some(Duration::from_secs(9))), Ok(Some(Duration::from_secs(1))));
        let primary = site(Vec::new(), vec![refused(), at(100), at(200), Ok(Positions::new())]);
        let standby = site(vec![Ok(None), far, near, refused()], vec![at(100), at(100), at(100), at(200)]);
        let wanted = [(None, true), (Some((9, 0)), false), (Some((2, 1)), false), (None, true)];
        assert_eq!(said(&mut gauge(Some(primary), standby), 4).await, wanted);
        let silent = gauge(Some(site(Vec::new(), vec![Ok(Positions::new())])), site(vec![Ok(None)], vec![at(1)]));
        let mut silent = silent;
        assert_eq!(said(&mut silent, 1).await, [(None, true)]);
        assert!(silent.trouble.unwrap().contains("controls with a name in common"));
    }
}
