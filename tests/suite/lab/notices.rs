//! The receiver of notices.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn slack_and_text_messages_are_kept_in_order() {
    let bench = Bench::new().await;
    let (http, url) = (reqwest::Client::new(), bench.lab.api_url());
    let slack =
        http.post(format!("{url}/slack/oncall")).json(&json!({"text": "login is down"})).send().await.unwrap();
    assert_eq!((slack.status().as_u16(), slack.text().await.unwrap()), (200, "ok".to_owned()));
    let form = [("To", "+15550100"), ("From", "+15550199"), ("Body", "login is down")];
    let messages = format!("{url}/2010-04-01/Accounts/AC1/Messages.json");
    let sms = http.post(&messages).basic_auth("AC1", Some("token")).form(&form).send().await.unwrap();
    assert_eq!(sms.status(), 201);
    let answer: Value = sms.json().await.unwrap();
    assert!(answer["sid"].as_str().unwrap().starts_with("SM") && answer["status"] == "queued");

    let list: Vec<Value> = http.get(format!("{url}/lab/notices")).send().await.unwrap().json().await.unwrap();
    let kept: Vec<(&str, &str, &str)> = list
        .iter()
        .map(|n| (n["kind"].as_str().unwrap(), n["to"].as_str().unwrap(), n["text"].as_str().unwrap()))
        .collect();
    assert_eq!(kept, [("slack", "oncall", "login is down"), ("sms", "+15550100", "login is down")]);
    assert!(list[0]["at_ms"].as_u64() <= list[1]["at_ms"].as_u64());
}

#[tokio::test]
async fn a_notice_without_credentials_or_text_is_refused() {
    let bench = Bench::new().await;
    let (http, url) = (reqwest::Client::new(), bench.lab.api_url());
    let messages = format!("{url}/2010-04-01/Accounts/AC1/Messages.json");
    let form = [("To", "+15550100"), ("From", "+15550199"), ("Body", "x")];
    let bare = http.post(&messages).form(&form).send().await.unwrap();
    let other = http.post(&messages).basic_auth("AC2", Some("token")).form(&form).send().await.unwrap();
    let empty = http.post(&messages).basic_auth("AC1", Some("token")).form(&form[..2]).send().await.unwrap();
    let slack = http.post(format!("{url}/slack/oncall")).json(&json!({"blocks": []})).send().await.unwrap();
    let statuses = [bare.status(), other.status(), empty.status(), slack.status()].map(|status| status.as_u16());
    assert_eq!(statuses, [401, 401, 400, 400]);
    assert_eq!(bench.lab.notices(), []);
}
