//! Who may write where: the steps that change it, the writes that are tried while the standby serves, and the positions of both sites.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::controller::Message;
use super::executor::{Executor, said};
use super::register::Managed;
use super::surroundings::say;
use crate::domain::{
    Cause, Class, Comparison, Fence, Look, PlanId, PortError, Positions, Role, ServiceName, StepDetail, WriteProbe,
};
use crate::engine::{Input, StepOrder, StepSuccess};
use crate::ports::SiteControl;

/// How long a failover waits for the primary to be fenced: it is down as likely as not, and users wait.
const FENCE_WITHIN: Duration = Duration::from_secs(5);
/// How long a write that is tried, or a look at positions, may take: less than what lies between two.
const LOOK_WITHIN: Duration = Duration::from_secs(8);
/// Between two looks at the positions of both sites.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

impl Executor {
    /// Makes the primary refuse writes, as well as that goes, and says whether a refused write was seen. A promotion insists on it.
    pub(super) async fn fence_primary(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let site = &self.managed.service.primary.name;
        let insists =
            order.plan.terms().promote && !matches!(order.plan.cause(), Cause::Operator { force: true, .. });
        let Some(primary) = &self.managed.primary else {
            return Err(PortError::broken(
                "the plan fences the primary, and the configuration has no control of it any more",
            ));
        };
        let (name, plan) = (&self.managed.service.name, order.plan.id());
        let tried = timeout(FENCE_WITHIN, async {
            primary.enter_read_only(&order.fence, name, plan).await?;
            primary.probe_write(&order.fence, name, plan).await
        });
        let why = match tried.await {
            Ok(Ok(WriteProbe::Refused { how })) => return Ok(fenced(true, format!("{site} refuses writes: {how}"))),
            Ok(Ok(WriteProbe::Accepted { how })) => format!("{site} still accepts writes: {how}"),
            Ok(Err(error)) if error.class == Class::Fenced => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no end within {} s", FENCE_WITHIN.as_secs()),
        };
        if insists {
            return Err(PortError::retry(why));
        }
        Ok(fenced(false, format!("{site} could not be fenced, and the standby stays read-only: {why}")))
    }

    /// Lets the primary take writes again, and sees one taken: the name is about to lead there.
    pub(super) async fn release_primary(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let Some(primary) = &self.managed.primary else {
            return Err(PortError::broken(
                "the plan releases the primary, and the configuration has no control of it any more",
            ));
        };
        let (name, plan) = (&self.managed.service.name, order.plan.id());
        primary.leave_read_only(&order.fence, name, plan).await?;
        taken(primary.probe_write(&order.fence, name, plan).await?, self.managed.service.primary.name.as_str())
    }

    /// Lets the standby take writes.
    pub(super) async fn allow_writes(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let (name, plan) = (&self.managed.service.name, order.plan.id());
        self.managed.standby.leave_read_only(&order.fence, name, plan).await?;
        Ok(said(format!("{} says that it takes writes", self.managed.service.standby.name)))
    }

    /// Sees that it does.
    pub(super) async fn verify_writes(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let (name, plan) = (&self.managed.service.name, order.plan.id());
        let probe = self.managed.standby.probe_write(&order.fence, name, plan).await?;
        taken(probe, self.managed.service.standby.name.as_str())
    }

    /// What becomes of a write that is tried outside of any plan. It always says something.
    pub(super) async fn try_write(&self, role: Role, fence: &Fence, plan: &PlanId) -> Result<WriteProbe, String> {
        let control = match role {
            Role::Standby => &self.managed.standby,
            Role::Primary => self.managed.primary.as_ref().ok_or("the configuration has no control of it")?,
        };
        match timeout(LOOK_WITHIN, control.probe_write(fence, &self.managed.service.name, plan)).await {
            Ok(probe) => probe.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LOOK_WITHIN.as_secs())),
        }
    }
}

fn fenced(yes: bool, text: String) -> StepSuccess {
    StepSuccess { detail: StepDetail { text, change: None, fenced: Some(yes) }, register: None }
}

fn taken(probe: WriteProbe, site: &str) -> Result<StepSuccess, PortError> {
    match probe {
        WriteProbe::Accepted { how } => Ok(said(format!("{site} has taken a write: {how}"))),
        WriteProbe::Refused { how } => Err(PortError::retry(format!("{site} still refuses writes: {how}"))),
    }
}

/// Reads both sites' positions again and again, for services that have control of both.
pub(super) struct Comparer {
    service: ServiceName,
    primary: Arc<dyn SiteControl>,
    standby: Arc<dyn SiteControl>,
}

impl Comparer {
    /// None where there is nothing to compare with.
    pub(super) fn of(managed: &Managed) -> Option<Self> {
        let primary = Arc::clone(managed.primary.as_ref()?);
        Some(Self { service: managed.service.name.clone(), primary, standby: Arc::clone(&managed.standby) })
    }

    /// Every look is said, changed or not: it counts for a while only.
    pub(super) async fn watch(self, mailbox: mpsc::Sender<Message>) {
        let mut turns = interval(COMPARE_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            // The copy first: a primary that goes on writing between the two looks must not make the standby seem ahead of it.
            let standby = self.look(&self.standby).await;
            let primary = self.look(&self.primary).await;
            let comparison = Comparison { primary, standby };
            if !say(&mailbox, [Input::Compared { service: self.service.clone(), comparison }]).await {
                return;
            }
        }
    }

    async fn look(&self, site: &Arc<dyn SiteControl>) -> Look {
        let answer: Result<Positions, PortError> = match timeout(LOOK_WITHIN, site.positions(&self.service)).await {
            Ok(answer) => answer,
            Err(_) => Err(PortError::retry(format!("no answer within {} s", LOOK_WITHIN.as_secs()))),
        };
        answer.map_err(|error| error.to_string())
    }
}
