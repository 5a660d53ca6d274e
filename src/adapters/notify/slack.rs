//! One message to a Slack channel, through its incoming webhook: a URL that is a secret.

use reqwest::{Client, StatusCode, Url};
use serde_json::json;

use crate::adapters::outbound;
use crate::domain::{PortError, Secret, Secrets};

/// Posts the text. Only a 200 means that Slack has taken it.
pub(super) async fn send(client: &Client, who: &str, webhook: &Secret, text: &str) -> Result<(), PortError> {
    let url = Url::parse(webhook.expose()).map_err(|error| {
        PortError::broken(format!("{who}: its webhook is not a URL ({error}): copy it from Slack again"))
    })?;
    let answer = outbound::send(who, client.post(url).json(&json!({ "text": escaped(text) }))).await?;
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let secrets: Secrets = [("webhook".to_owned(), webhook.clone())].into_iter().collect();
    let (status, said) = (answer.status, answer.quote(&secrets));
    Err(outbound::unexpected(status, format!("{who}: slack answered {status} and said '{said}'")))
}

/// Slack's three control characters, written so that they stand for themselves. A probed page's words reach this text, and
/// `<!channel>` among them must not wake anybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_probed_page_cannot_call_the_channel() {
        assert_eq!(super::escaped("<!channel> & <b>"), "&lt;!channel&gt; &amp; &lt;b&gt;");
    }
}
