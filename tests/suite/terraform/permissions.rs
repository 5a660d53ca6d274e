//! What the adapter asks of Route 53, as the questions that IAM would be asked.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::suite::node;

/// It knows AWS's own reference of actions, resources and condition keys. Licensed under the AGPL: it is run here, and neither linked nor
/// shipped.
const SIMULATOR: &str = "@cloud-copilot/iam-simulate@0.1.173";
const SCRIPT: &str = include_str!("../../servers/iam-simulate.mjs");

/// The condition keys of a change batch.
pub(crate) const NAMES: &str = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
/// Its types.
pub(crate) const TYPES: &str = "route53:ChangeResourceRecordSetsRecordTypes";
/// Its actions.
pub(crate) const ACTIONS: &str = "route53:ChangeResourceRecordSetsActions";

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question(pub(crate) Value);

impl Question {
    /// Whether somebody may do `action` to `resource`.
    pub(crate) fn new(action: &str, resource: &str, context: Value) -> Self {
        Self(json!({ "action": action, "resource": resource, "context": context, "anonymous": false }))
    }

    /// The same of a stranger.
    pub(crate) fn anonymous(mut self) -> Self {
        self.0["anonymous"] = json!(true);
        self
    }

    /// The same with another value in its context.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.0["context"][key] = value;
        self
    }

    /// The same of another resource.
    pub(crate) fn of(mut self, resource: &str) -> Self {
        self.0["resource"] = json!(resource);
        self
    }

    /// What a request to Route 53 asks IAM.
    pub(crate) fn from_request(method: &Method, path: &str, body: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        let arn = |kind: &str, id: &str| format!("arn:aws:route53:::{kind}/{id}");
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["hostedzone", id]) => Self::new("route53:GetHostedZone", &arn("hostedzone", id), json!({})),
            ("GET", ["hostedzone", id, "rrset"]) => {
                Self::new("route53:ListResourceRecordSets", &arn("hostedzone", id), json!({}))
            }
            ("GET", ["change", id]) => Self::new("route53:GetChange", &arn("change", id), json!({})),
            ("POST", ["hostedzone", id, "rrset"]) => {
                let document = roxmltree::Document::parse(body).unwrap();
                let all = |tag: &str| -> Vec<String> {
                    let nodes = document.descendants().filter(|node| node.tag_name().name() == tag);
                    let mut texts: Vec<String> = nodes.filter_map(|node| node.text()).map(normalized).collect();
                    texts.sort();
                    texts.dedup();
                    texts
                };
                let upper = |texts: Vec<String>| texts.iter().map(|text| text.to_uppercase()).collect::<Vec<_>>();
                let context = json!({ NAMES: all("Name"), TYPES: upper(all("Type")), ACTIONS: upper(all("Action")) });
                Self::new("route53:ChangeResourceRecordSets", &arn("hostedzone", id), context)
            }
            other => panic!("the adapter asks what nobody thought of: {other:?}"),
        }
    }
}

/// A name as IAM compares it: lower case, no final dot, and anything but letters, digits, `-`, `_` and `.` in octal.
fn normalized(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    lower
        .chars()
        .map(|letter| if plain(letter) { letter.to_string() } else { format!("\\{:03o}", letter as u32) })
        .collect()
}

/// What was answered.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    /// `Allowed`, `ExplicitlyDenied` or `ImplicitlyDenied`.
    pub(crate) result: String,
    /// The statements that allowed.
    pub(crate) allow: Vec<String>,
    /// The statements that denied.
    pub(crate) deny: Vec<String>,
}

/// Asks the simulator.
pub(crate) fn ask(policies: &[&Value], resource_policy: Option<&Value>, questions: &[Question]) -> Vec<Answer> {
    let questions: Vec<&Value> = questions.iter().map(|question| &question.0).collect();
    let input = json!({ "policies": policies, "resourcePolicy": resource_policy, "requests": questions });
    let mut command = node::module(SCRIPT, SIMULATOR);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Answer> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), questions.len());
    answers
}

/// Everything that was asked of an endpoint, in order.
pub(crate) struct Recorder {
    url: Url,
    shared: Arc<Shared>,
    _closing: DropGuard,
}

struct Shared {
    upstream: Url,
    client: reqwest::Client,
    questions: Mutex<Vec<Question>>,
}

impl Recorder {
    /// Stands before an endpoint of Route 53.
    pub(crate) async fn before(upstream: Url) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Arc::new(Shared { upstream, client, questions: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let app = Router::new().fallback(pass_on).with_state(Arc::clone(&shared));
        let closing = CancellationToken::new();
        let closed = closing.clone().cancelled_owned();
        TaskTracker::new().spawn(async move { axum::serve(listener, app).with_graceful_shutdown(closed).await });
        Self { url, shared, _closing: closing.drop_guard() }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What was asked since the last call.
    pub(crate) fn take(&self) -> Vec<Question> {
        std::mem::take(&mut *self.shared.questions.lock().unwrap())
    }
}

async fn pass_on(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, HeaderMap, Bytes) {
    let question = Question::from_request(&method, uri.path(), &String::from_utf8_lossy(&body));
    shared.questions.lock().unwrap().push(question);
    let url = shared.upstream.join(uri.path_and_query().unwrap().as_str()).unwrap();
    let mut request = shared.client.request(method, url).body(body);
    if let Some(kind) = headers.get("content-type") {
        request = request.header("content-type", kind);
    }
    let answer = request.send().await.unwrap();
    let (status, mut kept) = (answer.status(), HeaderMap::new());
    if let Some(kind) = answer.headers().get("content-type") {
        kept.insert("content-type", kind.clone());
    }
    (status, kept, answer.bytes().await.unwrap())
}
