//! One text message through Twilio's REST API.

use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use crate::adapters::outbound::{self, Answer, quote};
use crate::config::Sms;
use crate::domain::{PortError, Secrets};

/// Twilio's limit on a body, in UTF-16 units: longer ones are refused with the error 21617.
const LONGEST_BODY: usize = 1600;

/// Sends the text. Only a 201 means that Twilio has taken it.
pub(super) async fn send(client: &Client, sms: &Sms, number: &str, text: &str) -> Result<(), PortError> {
    let who = format!("sms:{number}");
    let url = messages_url(sms).ok_or_else(|| {
        PortError::broken(format!("{who}: the address of the text messaging API cannot have a path: check base_url"))
    })?;
    let form = [("To", number), ("From", sms.from.as_str()), ("Body", &cut(text))];
    let request = client.post(url).basic_auth(&sms.account_sid, Some(sms.token.expose())).form(&form);
    let answer = outbound::send(&who, request).await?;
    if answer.status == StatusCode::CREATED {
        return Ok(());
    }
    let secrets: Secrets = [("token".to_owned(), sms.token.clone())].into_iter().collect();
    let (status, said) = (answer.status, said(&answer, &secrets));
    Err(outbound::unexpected(status, format!("{who}: twilio answered {status}: {said}")))
}

fn messages_url(sms: &Sms) -> Option<Url> {
    let mut url = sms.base_url.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend([
        "2010-04-01",
        "Accounts",
        &sms.account_sid,
        "Messages.json",
    ]);
    Some(url)
}

/// Twilio's own code and message, or whatever came instead.
fn said(answer: &Answer, secrets: &Secrets) -> String {
    let json = answer.json();
    match (json.get("code").and_then(Value::as_u64), json.get("message").and_then(Value::as_str)) {
        (Some(code), Some(message)) => format!("error {code}: {}", quote(&secrets.redact(message))),
        _ => format!("'{}'", answer.quote(secrets)),
    }
}

/// The text, or as much of it as fits, with an ellipsis.
fn cut(text: &str) -> String {
    if text.encode_utf16().count() <= LONGEST_BODY {
        return text.to_owned();
    }
    let mut units = 1; // the ellipsis
    let mut cut: String = text
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= LONGEST_BODY
        })
        .collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_to_what_twilio_takes() {
        let fits = "a".repeat(LONGEST_BODY);
        assert_eq!(cut(&fits), fits);
        for text in
            ["a".repeat(LONGEST_BODY + 1), "é".repeat(2000), "🔥".repeat(801), format!("a{}", "🔥".repeat(900))]
        {
            let cut = cut(&text);
            assert!(cut.ends_with('…') && (LONGEST_BODY - 1..=LONGEST_BODY).contains(&cut.encode_utf16().count()));
        }
    }
}
