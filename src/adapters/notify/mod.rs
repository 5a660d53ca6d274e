//! Telling people: Slack for everybody who looks, and text messages for whoever must wake up.
//!
//! Recipients are words without secrets (`slack:quiet`, `slack:loud`, `sms:+15550100`), so that they can stand in the store; what
//! they stand for is looked up when a notice is sent. A notice that was queued is sent to whom it was queued for, even if
//! the configuration has left them out since.
//!
//! It refuses to say "sent" to anything but the other side's own word for it, and no webhook, token or URL reaches an error.

mod slack;
mod twilio;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use url::Url;

use super::outbound;
use crate::domain::{Level, PortError, Secret};
use crate::ports::{Delivery, Notifier};

/// How long the other side may take. Both usually answer within a second; the outbox tries again what did not work.
const TIMEOUT: Duration = Duration::from_secs(10);

const SLACK_QUIET: &str = "slack:quiet";
const SLACK_LOUD: &str = "slack:loud";
const SMS: &str = "sms:";

/// Who is told, and how they are reached.
#[derive(Debug, Clone, Default)]
pub struct NotifySettings {
    /// The webhook of the ordinary Slack channel.
    pub slack: Option<Secret>,
    /// The webhook of the louder channel; the ordinary one when absent.
    pub slack_loud: Option<Secret>,
    /// Text messages.
    pub sms: Option<SmsSettings>,
}

/// Text messages through Twilio, or through anything that speaks its API.
#[derive(Debug, Clone)]
pub struct SmsSettings {
    /// The API's address, `https://api.twilio.com` in earnest.
    pub base_url: Url,
    /// The account.
    pub account_sid: String,
    /// Its token.
    pub token: Secret,
    /// The number that messages come from.
    pub from: String,
    /// The numbers of everybody on the list.
    pub to: Vec<String>,
}

/// Sends notices to Slack and as text messages.
#[derive(Debug, Clone)]
pub struct Notifiers {
    settings: NotifySettings,
    client: Client,
}

impl Notifiers {
    /// Notifiers for these settings. Nothing is sent yet, and no settings at all mean that nobody is told.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(settings: NotifySettings) -> Result<Self, PortError> {
        Ok(Self { settings, client: outbound::client(TIMEOUT)? })
    }

    /// The webhook of the louder channel, which is the ordinary one where there is no other.
    fn loud_webhook(&self) -> Option<&Secret> {
        self.settings.slack_loud.as_ref().or(self.settings.slack.as_ref())
    }
}

#[async_trait]
impl Notifier for Notifiers {
    fn recipients(&self, level: Level) -> Vec<String> {
        let NotifySettings { slack, slack_loud, sms } = &self.settings;
        let quiet = slack.as_ref().map(|_| SLACK_QUIET.to_owned());
        let loud = self.loud_webhook().map(|_| SLACK_LOUD.to_owned());
        let numbers = sms.iter().flat_map(|sms| &sms.to).map(|number| format!("{SMS}{number}"));
        match level {
            Level::Quiet => quiet.into_iter().collect(),
            Level::Loud => loud.into_iter().chain(numbers).collect(),
            // One channel for both is told once.
            Level::Everyone => {
                quiet.filter(|_| slack_loud.is_some()).into_iter().chain(loud).chain(numbers).collect()
            }
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<(), PortError> {
        let Delivery { notice, recipient } = delivery;
        let unset = |what: &str| {
            PortError::broken(format!(
                "{recipient}: {what} is not configured any more: set it again, or this notice waits"
            ))
        };
        let webhook = match recipient.as_str() {
            SLACK_QUIET => Some(self.settings.slack.as_ref()),
            SLACK_LOUD => Some(self.loud_webhook()),
            _ => None,
        };
        if let Some(webhook) = webhook {
            let webhook = webhook.ok_or_else(|| unset("its webhook"))?;
            return slack::send(&self.client, recipient, webhook, &notice.text).await;
        }
        if let Some(number) = recipient.strip_prefix(SMS) {
            let sms = self.settings.sms.as_ref().ok_or_else(|| unset("text messaging"))?;
            return twilio::send(&self.client, sms, number, &notice.text).await;
        }
        Err(PortError::broken(format!("'{recipient}' is nobody that this version of quorate can reach")))
    }
}
