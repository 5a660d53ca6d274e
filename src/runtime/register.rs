//! The register of a service, whichever its lane has: the token that says where the name points, fenced at a takeover and swapped
//! by a move. What a zone's and a flag's own writes are stands in [`zone`] and [`flag`].
//!
//! | lane | register | what else is fenced | what else moves |
//! |---|---|---|---|
//! | `records` | the records | | |
//! | `flag` | the flag | | nothing: the records are static, and are looked at before the flag is lowered |
//! | `both` | the flag | the records, as far as their provider answers | the records, by a step that pins them |
//!
//! With a flag, a provider whose control plane is down keeps nobody from leading: raising the flag is what it is there for.

use std::sync::Arc;

use super::protector::ProtectedZone;
use super::{flag, zone};
use crate::domain::{ClusterName, Fence, FlipIntent, Register, Role, Service, Step, StepDetail, Token};
use crate::engine::StepSuccess;
use crate::ports::{Class, DnsProvider, FlagStore, PortError, SiteControl};

/// A service, and what only it is moved by.
#[derive(Clone)]
pub struct Managed {
    /// The service.
    pub service: Service,
    /// The control of its standby.
    pub standby: Arc<dyn SiteControl>,
    /// The control of its primary, where the configuration has one: without it nobody can fence it.
    pub primary: Option<Arc<dyn SiteControl>>,
    /// The provider, or the two providers, of its zone.
    pub dns: Arc<dyn DnsProvider>,
    /// Each of two providers by itself, for who must look at both (adoption, drift); empty where `dns` is the only one.
    pub homes: Vec<Home>,
    /// The zones to be protected while the service is frozen; empty where nobody asks for it.
    pub protected: Vec<ProtectedZone>,
    /// The stores of its flag; always there where the lane has one.
    pub flag: Option<Arc<dyn FlagStore>>,
}

/// One provider's zone of a service's names.
#[derive(Clone)]
pub struct Home {
    /// The provider and its zone, as people know them; no two of a service are the same.
    pub label: String,
    /// The provider.
    pub dns: Arc<dyn DnsProvider>,
    /// The service, with this provider's zone and routing.
    pub service: Service,
}

/// A register that was fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakenOver {
    /// The newest token before.
    pub(super) before: Token,
    /// What it holds now.
    pub(super) register: Register,
    /// The stores of a flag that could not be fenced, each with why.
    pub(super) behind: Vec<String>,
}

impl Managed {
    /// Every zone of the service's names, each by itself.
    pub fn homes(&self) -> Vec<Home> {
        if !self.homes.is_empty() {
            return self.homes.clone();
        }
        let label = format!("zone {}", self.service.dns.zone);
        vec![Home { label, dns: Arc::clone(&self.dns), service: self.service.clone() }]
    }

    fn flag(&self) -> Result<&dyn FlagStore, PortError> {
        let missing =
            || PortError::broken(format!("{} is moved by a flag, and has no store for it", self.service.name));
        self.flag.as_deref().ok_or_else(missing)
    }

    /// The newest token, for the epoch of a takeover (S6).
    pub(super) async fn token(&self, cluster: &ClusterName) -> Result<Token, PortError> {
        if !self.service.dns.lane.has_flag() {
            return zone::read_token(self.dns.as_ref(), cluster, &self.service).await;
        }
        let flag = flag::read_token(self.flag()?, cluster, &self.service.name).await?;
        if !self.service.dns.lane.has_records() {
            return Ok(flag);
        }
        // Both have epochs of their own, and a provider that does not answer is no reason not to lead.
        Ok(match zone::read_token(self.dns.as_ref(), cluster, &self.service).await {
            Ok(zone) if zone.epoch > flag.epoch => Token { epoch: zone.epoch, ..flag },
            Ok(_) => flag,
            Err(error) => {
                tracing::warn!(service = %self.service.name, "the zone's token: {error}");
                flag
            }
        })
    }

    /// Writes this leader's token, with what it says of the move unchanged.
    pub(super) async fn take_over(&self, fence: &Fence, cluster: &ClusterName) -> Result<TakenOver, PortError> {
        let (dns, service) = (self.dns.as_ref(), &self.service);
        if !service.dns.lane.has_flag() {
            let taken = zone::take_over(dns, fence, cluster, service).await?;
            return Ok(TakenOver { before: taken.before, register: taken.records.into(), behind: Vec::new() });
        }
        let taken = flag::take_over(self.flag()?, fence, cluster, &service.name).await?;
        for behind in &taken.behind {
            tracing::warn!(service = %service.name, "fencing the flag: {behind}");
        }
        let mut before = taken.before;
        if service.dns.lane.has_records() {
            match zone::take_over(dns, fence, cluster, service).await {
                Ok(zone) => {
                    // Of two registers the one that is further says whether this epoch was used before (S6).
                    before.epoch = before.epoch.max(zone.before.epoch);
                    fits(service, taken.flag.serving(), zone.records.serving())?;
                }
                Err(error) if error.class == Class::Fenced => return Err(error),
                Err(error) => tracing::warn!(service = %service.name, "fencing the zone: {error}"),
            }
        } else {
            match zone::serving(dns, service).await {
                Ok(records) => fits(service, taken.flag.serving(), records)?,
                Err(error) => tracing::warn!(service = %service.name, "the records behind the flag: {error}"),
            }
        }
        let behind = taken.behind.iter().map(ToString::to_string).collect();
        Ok(TakenOver { before, register: taken.flag.into(), behind })
    }

    /// Moves the register by `intent`, which has been recorded before.
    pub(super) async fn switch(
        &self,
        fence: &Fence,
        cluster: &ClusterName,
        step: Step,
        (present, intent): &(Register, FlipIntent),
    ) -> Result<StepSuccess, PortError> {
        let service = &self.service;
        match present {
            Register::Records(present) => {
                let moved = zone::flip(self.dns.as_ref(), fence, cluster, service, present, intent).await?;
                let text = self.moved_text(intent.new.serving, &moved);
                let detail = StepDetail { text, change: moved.change, fenced: None };
                Ok(StepSuccess { detail, register: Some(moved.records.into()) })
            }
            Register::Flag(present) => {
                if step == Step::LowerFlag {
                    self.records_say_primary().await?;
                }
                let moved = flag::move_flag(self.flag()?, fence, cluster, &service.name, present, intent).await?;
                let detail = StepDetail::said(flag_text(step, &moved));
                Ok(StepSuccess { detail, register: Some(moved.flag.into()) })
            }
        }
    }

    /// Brings the records to where the flag has moved the name, or is about to.
    pub(super) async fn pin(
        &self,
        fence: &Fence,
        cluster: &ClusterName,
        plan: &crate::domain::Plan,
    ) -> Result<StepSuccess, PortError> {
        let (dns, service) = (self.dns.as_ref(), &self.service);
        let pinned = zone::pin(dns, fence, cluster, service, plan.to(), plan.digest()).await?;
        let text = self.moved_text(plan.to(), &pinned);
        Ok(StepSuccess { detail: StepDetail { text, change: pinned.change, fenced: None }, register: None })
    }

    /// A flag that is lowered while the records say the standby would move nobody, and hide that nobody moved.
    async fn records_say_primary(&self) -> Result<(), PortError> {
        match zone::serving(self.dns.as_ref(), &self.service).await? {
            Role::Primary => Ok(()),
            Role::Standby => Err(PortError::refused(format!(
                "the records of {} point at the standby: the flag stays up until they say the primary",
                self.service.dns.name
            ))),
        }
    }

    fn moved_text(&self, to: Role, moved: &zone::Flipped) -> String {
        let how = match (&moved.change, moved.read_back) {
            (Some(change), _) => format!("accepted as {change}"),
            (None, _) => "the answer was lost, and reading back shows it applied".to_owned(),
        };
        let names: Vec<String> =
            self.service.moved().map(|name| format!("{} → {}", name.name, name.answer(to).value)).collect();
        let remarks: Vec<String> = self.dns.remarks().iter().map(|remark| format!("; {remark}")).collect();
        format!("{}: {how}{}", names.join(", "), remarks.concat())
    }
}

fn flag_text(step: Step, moved: &flag::Moved) -> String {
    let word = if step == Step::RaiseFlag { "up" } else { "down" };
    let behind: Vec<String> = moved.behind.iter().map(|behind| format!("; not in {behind}")).collect();
    format!("the flag is {word} in {}{}", moved.stores.join(" and "), behind.concat())
}

/// A lowered flag over records that point at the standby is what nobody's plan leaves behind.
fn fits(service: &Service, flag: Role, records: Role) -> Result<(), PortError> {
    if (flag, records) == (Role::Primary, Role::Standby) {
        return Err(PortError::broken(format!(
            "the flag of {} is down and its records point at the standby: either they were changed by hand, or the lane was changed \
             while the standby served; write lane = \"records\", fail back, and only then change it",
            service.name
        )));
    }
    Ok(())
}
