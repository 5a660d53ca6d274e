//! The name that a service is rehearsed on.

use super::Resolver;
use crate::config::drills::{self, RehearsalDraft};
use crate::config::{Rehearsal, dns};
use crate::domain::{DrillSettings, Service, rehearsal_name};

impl Resolver<'_> {
    /// The name that a service is rehearsed on, as a service of its own.
    pub(super) fn rehearsal(&self, draft: &RehearsalDraft, service: &Service) -> Option<Rehearsal> {
        let dns::Judged { target, means, .. } = self.names().dns(draft.dns.as_ref()?)?;
        let controls = match &draft.read_only {
            Some(read_only) => Some(self.sites(|sites| sites.rehearsal(read_only))?),
            None => None,
        };
        let dns::Means { provider, second, .. } = means?;
        let name_at = draft.dns.as_ref().and_then(|dns| dns.name.as_ref()).map_or(&draft.at, |name| &name.spot);
        let Some(name) = rehearsal_name(&service.name) else {
            let message =
                format!("'{}-rehearsal' is too long for a name: give the service a shorter one", service.name);
            self.report.error(&draft.at, message);
            return None;
        };
        if target.lane.has_flag() || second.is_some() {
            let message = "a rehearsal moves records at one provider: leave 'lane' and 'second' out of its dns table";
            self.report.error(name_at, message);
            return None;
        }
        if target.kind != service.dns.kind {
            let message = format!("the sites' answers are of type {}: a rehearsal has the same", service.dns.kind);
            self.report.error(name_at, message);
            return None;
        }
        let public_url = match &draft.public_url {
            Some(url) => Some(url.value.clone()),
            None => drills::public_url(service, &target.name),
        };
        let mut shadow = Service { name, public_url: public_url?, dns: target, veto: None, ..service.clone() };
        // What watches the real records says nothing of these.
        (shadow.primary.health_check, shadow.standby.health_check) = (None, None);
        shadow.maintenance.clear();
        shadow.drills = DrillSettings {
            rehearses: Some(service.name.clone()),
            unrehearsed: controls.is_none(),
            faults: draft.faults(self.report)?,
            schedules: Vec::new(),
            limits: Vec::new(),
        };
        shadow.fence = false;
        let zone_at = draft.dns.as_ref()?.zone.zone.as_ref()?.spot.place();
        let endpoint = draft.endpoint.as_ref().map(|url| url.value.clone());
        Some(Rehearsal { service: shadow, provider, endpoint, controls, zone_at })
    }
}
