//! Has labs cause the faults that rehearsals ask for, and end them again.
//!
//! What is to be so is read from the drill that is under way, and made so; nothing is remembered but what was last made so. A controller that
//! is killed while something is broken has it mended by the next one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::controller::Handle;
use super::upkeep::keep_up;
use crate::domain::{DrillFault, ServiceName};
use crate::ports::LabFault;

/// Between two looks at the drill.
const LOOK: Duration = Duration::from_millis(500);
/// Before a lab that did not do as it was asked is asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// Before one is, of which nothing was wanted yet: it may be no lab at all.
const AT_REST: Duration = Duration::from_secs(60);

/// What a rehearsal may ask of labs.
#[derive(Clone)]
pub struct LabFaults {
    /// The rehearsal.
    pub service: ServiceName,
    /// Each fault, with who causes it.
    pub faults: Vec<(DrillFault, Arc<dyn LabFault>)>,
}

/// Keeps the faults as the drills want them until `closing` is cancelled.
pub fn watch(labs: Vec<LabFaults>, handle: &Handle, tasks: &TaskTracker, closing: &CancellationToken) {
    for LabFaults { service, faults } in labs {
        for (fault, lab) in faults {
            let switch = Switch { service: service.clone(), fault, lab, handle: handle.clone() };
            let what = format!("the fault {fault} of {service}");
            keep_up(tasks, closing, what, move || switch.clone().keep());
        }
    }
}

#[derive(Clone)]
struct Switch {
    service: ServiceName,
    fault: DrillFault,
    lab: Arc<dyn LabFault>,
    handle: Handle,
}

impl Switch {
    async fn keep(self) -> Infallible {
        // What was last made so; and what was not, with when to try that again.
        let (mut so, mut failed) = (None, None::<(bool, Instant)>);
        loop {
            sleep(LOOK).await;
            let Ok(known) = self.handle.explain(Some(self.service.clone())).await else { continue };
            let Some(open) = known.first().map(|known| known.drill.clone()) else { continue };
            let on = open.as_ref().is_some_and(|open| open.lab_fault() == Some(self.fault));
            if so == Some(on) || failed.is_some_and(|(what, until)| what == on && Instant::now() < until) {
                continue;
            }
            let switched = self.lab.switch(on).await.map_err(|error| error.to_string());
            match &switched {
                Ok(text) => {
                    tracing::info!(service = %self.service, "{text}");
                    so = Some(on);
                }
                Err(why) => {
                    tracing::warn!(service = %self.service, "{}: {why}", self.fault);
                    let wait = if on || so.is_some() { AGAIN } else { AT_REST };
                    failed = Some((on, Instant::now() + wait));
                }
            }
            if let Some(open) = open.filter(|open| on && !open.faulted) {
                let _ = self.handle.faulted(self.service.clone(), open.drill.number, switched).await;
            }
        }
    }
}
