//! `[notify]`: who is told.

use url::Url;

use super::draft::NotifyDraft;
use super::problem::{At, Report};
use super::values::{url, whole};
use super::vault::Vault;
use super::{Notify, Sms};
use crate::domain::Secret;

/// Twilio's API.
const TWILIO: &str = "https://api.twilio.com";

/// Judges the table.
pub(super) struct Judge<'a, 'v> {
    pub(super) vault: &'a Vault<'v>,
    pub(super) report: &'a Report,
}

impl Judge<'_, '_> {
    pub(super) fn notify(&self, draft: Option<&NotifyDraft>) -> Option<Notify> {
        let Some(draft) = draft else { return Some(Notify::default()) };
        let slack = draft.slack.as_ref().map(|name| self.webhook(name));
        let slack_loud = draft.slack_loud.as_ref().map(|name| self.webhook(name));
        let sms = draft.sms.as_ref().map(|sms| {
            let token = sms.token.as_ref().and_then(|token| self.vault.of_controller(token, self.report));
            if let Some(to) = sms.to.as_ref().filter(|to| to.value.is_empty()) {
                self.report.error(&to.spot, "'to' is empty: list a telephone number, or remove [notify.sms]");
            }
            self.report.unique("number", sms.to.iter().flat_map(|to| &to.value));
            Some(Sms {
                base_url: match &sms.base_url {
                    Some(url) => url.value.clone(),
                    None => Url::parse(TWILIO).ok()?,
                },
                account_sid: sms.account_sid.as_ref()?.value.clone(),
                token: token?,
                from: sms.from.as_ref()?.value.clone(),
                to: sms.to.as_ref()?.value.iter().map(|number| number.value.clone()).collect(),
            })
        });
        Some(Notify { slack: whole(slack)?, slack_loud: whole(slack_loud)?, sms: whole(sms)? })
    }

    fn webhook(&self, name: &At<String>) -> Option<Secret> {
        let secret = self.vault.of_controller(name, self.report)?;
        if url(secret.expose()).is_err() {
            // the value is not repeated: whoever has a webhook's URL can post
            let message = format!("the secret '{}' must be an http or https URL, as a webhook is", name.value);
            self.report.error(&name.spot, message);
            return None;
        }
        Some(secret)
    }
}
