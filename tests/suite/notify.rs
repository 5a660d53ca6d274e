//! Slack and text messages, against receivers that record what came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use quorate::adapters::notify::Notifiers;
use quorate::config::{Notify, Sms};
use quorate::domain::{Class, Level, Notice, PortError, Secret, ServiceName};
use quorate::ports::{Delivery, Notifier};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Debug, Clone)]
struct Came {
    path: String,
    authorization: String,
    body: String,
}

struct Receiver {
    base: String,
    answer: Mutex<(u16, String)>,
    came: Mutex<Vec<Came>>,
    _server: Mutex<JoinSet<()>>,
}

async fn take(State(receiver): State<Arc<Receiver>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    receiver.came.lock().unwrap().push(Came {
        path: uri.to_string(),
        authorization: header("authorization"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let (status, body) = receiver.answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

impl Receiver {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Arc::new(Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            answer: Mutex::new((200, "ok".into())),
            came: Mutex::default(),
            _server: Mutex::default(),
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&receiver));
        receiver._server.lock().unwrap().spawn(async move { axum::serve(listener, app).await.unwrap() });
        receiver
    }

    fn says(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn last(&self) -> Came {
        self.came.lock().unwrap().last().cloned().unwrap()
    }
}

fn settings(base: &str) -> Notify {
    Notify {
        slack: Some(Secret::new(format!("{base}/services/T0/B0/quiet-secret"))),
        slack_loud: Some(Secret::new(format!("{base}/services/T0/B0/loud-secret"))),
        sms: Some(Sms {
            base_url: base.parse().unwrap(),
            account_sid: "AC123".into(),
            token: Secret::new("token-secret"),
            from: "+15550199".into(),
            to: vec!["+15550100".into(), "+15550101".into()],
        }),
    }
}

async fn send(settings: Notify, recipient: &str, text: &str) -> Result<(), PortError> {
    let notice = Notice {
        key: "shop/1/down".into(),
        service: ServiceName::new("shop").unwrap(),
        level: Level::Loud,
        text: text.into(),
    };
    Notifiers::new(settings).unwrap().send(&Delivery { notice, recipient: recipient.into() }).await
}

#[test]
fn who_is_told_depends_on_the_level_and_the_settings() {
    let all = Notifiers::new(settings("http://127.0.0.1:9")).unwrap();
    assert_eq!(all.recipients(Level::Quiet), ["slack:quiet"]);
    assert_eq!(all.recipients(Level::Loud), ["slack:loud", "sms:+15550100", "sms:+15550101"]);
    let one = Notify { slack_loud: None, sms: None, ..settings("http://127.0.0.1:9") };
    assert_eq!(Notifiers::new(one).unwrap().recipients(Level::Loud), ["slack:loud"]);
    let none = Notifiers::new(Notify::default()).unwrap();
    assert_eq!((none.recipients(Level::Quiet), none.recipients(Level::Loud)), (vec![], vec![]));
}

#[tokio::test]
async fn slack_gets_the_text_at_the_channels_own_webhook() {
    let receiver = Receiver::start().await;
    let settings = settings(&receiver.base);
    let text = "shop: \"down\" <!channel> & é";
    let wanted = serde_json::json!({ "text": "shop: \"down\" &lt;!channel&gt; &amp; é" });
    send(settings.clone(), "slack:quiet", text).await.unwrap();
    let came = receiver.last();
    assert_eq!(came.path, "/services/T0/B0/quiet-secret");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&came.body).unwrap(), wanted);
    send(settings.clone(), "slack:loud", text).await.unwrap();
    assert_eq!(receiver.last().path, "/services/T0/B0/loud-secret");
    // Without a louder channel, the ordinary one: a loud notice is never told to nobody.
    send(Notify { slack_loud: None, ..settings }, "slack:loud", text).await.unwrap();
    assert_eq!(receiver.last().path, "/services/T0/B0/quiet-secret");
}

#[tokio::test]
async fn a_text_message_is_a_form_with_the_accounts_credentials() {
    let receiver = Receiver::start().await;
    receiver.says(201, r#"{"sid":"SM1"}"#);
    send(settings(&receiver.base), "sms:+15550100", &"é".repeat(2000)).await.unwrap();
    let came = receiver.last();
    assert_eq!(came.path, "/2010-04-01/Accounts/AC123/Messages.json");
    // AC123:token-secret
    assert_eq!(came.authorization, "Basic QUMxMjM6dG9rZW4tc2VjcmV0");
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(came.body.as_bytes()).into_owned().collect();
    assert_eq!((form["To"].as_str(), form["From"].as_str(), form.len()), ("+15550100", "+15550199", 3));
    assert_eq!((form["Body"].chars().count(), form["Body"].ends_with('…')), (1600, true));
}

#[tokio::test]
async fn errors_say_what_the_other_side_said_and_what_to_do_and_no_secret() {
    let receiver = Receiver::start().await;
    let twilio = r#"{"code":21211,"message":"Invalid 'To' Phone Number (token-secret)","status":400}"#;
    let webhook = format!("no_team {}/services/T0/B0/loud-secret", receiver.base);
    for (recipient, status, body, class, words) in [
        (
            "slack:loud",
            404,
            webhook.as_str(),
            Class::Broken,
            "slack answered 404 Not Found and said 'no_team [secret]'",
        ),
        ("slack:loud", 403, "invalid_token", Class::Broken, "invalid_token"),
        ("slack:loud", 204, "", Class::Broken, "204"),
        ("slack:loud", 302, "", Class::Broken, "302"),
        ("slack:loud", 429, "rate_limited", Class::Retry, "429"),
        ("slack:loud", 500, "", Class::Retry, "500"),
        ("sms:+15550100", 400, twilio, Class::Broken, "error 21211: Invalid 'To' Phone Number ([secret])"),
        ("sms:+15550100", 401, "", Class::Broken, "401"),
        ("sms:+15550100", 200, "<html>", Class::Broken, "'<html>'"),
        ("sms:+15550100", 429, "", Class::Retry, "429"),
        ("sms:+15550100", 503, "", Class::Retry, "503"),
        ("pager:1", 200, "", Class::Broken, "'pager:1' is nobody"),
    ] {
        receiver.says(status, body);
        let error = send(settings(&receiver.base), recipient, "down").await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.what.contains(words) && error.what.contains(recipient), "{error}");
        assert!(!error.what.contains("-secret") && !error.what.contains("http"), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_may_pass_and_missing_settings_need_a_person() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for recipient in ["slack:quiet", "sms:+15550100"] {
        let error = send(settings(&base), recipient, "down").await.unwrap_err();
        assert_eq!(error.class, Class::Retry, "{error}");
        assert!(!error.what.contains("secret") && !error.what.contains("127.0.0.1"), "{error}");
        let error = send(Notify::default(), recipient, "down").await.unwrap_err();
        assert!(error.class == Class::Broken && error.what.contains("not configured any more"), "{error}");
    }
    let odd = Notify { slack: Some(Secret::new("hooks.slack/secret")), ..Notify::default() };
    let error = send(odd, "slack:quiet", "down").await.unwrap_err();
    assert!(error.class == Class::Broken && !error.what.contains("secret"), "{error}");
}
