//! What the adapters ask of Route 53 and of S3, as the questions that IAM would be asked.

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

/// The headers that are passed on. What counts of a signature at an emulator is that there is one.
const PASSED: [&str; 5] = ["authorization", "cache-control", "content-type", "if-match", "if-none-match"];
/// The headers of an answer that are.
const KEPT: [&str; 3] = ["content-type", "etag", "last-modified"];

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

    /// What a request to S3 asks IAM, in the bucket and folder of the policies instead of the emulator's.
    fn from_s3(asked: &Asked) -> Vec<Self> {
        let name = asked.path.rsplit('/').next().unwrap();
        let object = format!("arn:aws:s3:::flags-a/quorate/{name}");
        let condition = |header: &str| asked.headers.get(header).map(|value| value.to_str().unwrap().to_owned());
        let mut context = serde_json::Map::new();
        for header in ["if-match", "if-none-match"] {
            if let Some(value) = condition(header) {
                context.insert(format!("s3:{header}"), value.into());
            }
        }
        let mut questions = vec![match asked.method {
            Method::GET => Self::new("s3:GetObject", &object, context.into()),
            Method::PUT => Self::new("s3:PutObject", &object, context.into()),
            ref other => panic!("the adapter asks S3 what nobody thought of: {other} {}", asked.path),
        }];
        if asked.method == Method::GET && asked.status == 404 {
            // What S3 itself asks when the object is absent, to say 404 instead of 403.
            questions.push(Self::new("s3:ListBucket", "arn:aws:s3:::flags-a", json!({})));
        }
        questions.into_iter().map(|question| question.with("aws:SecureTransport", json!("true"))).collect()
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
            ("GET", ["hostedzone", id, "rrsetprotection"]) => {
                Self::new("route53:ListResourceRecordSetProtections", &arn("hostedzone", id), json!({}))
            }
            ("POST", ["hostedzone", id, "rrsetprotection"]) => {
                Self::new("route53:CreateResourceRecordSetProtections", &arn("hostedzone", id), json!({}))
            }
            ("POST", ["hostedzone", id, "rrsetprotection", "delete"]) => {
                Self::new("route53:DeleteResourceRecordSetProtections", &arn("hostedzone", id), json!({}))
            }
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
    asked: Mutex<Vec<Asked>>,
}

/// One request, and how it ended.
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: String,
    status: u16,
}

impl Recorder {
    /// Stands before an endpoint.
    pub(crate) async fn before(upstream: Url) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Arc::new(Shared { upstream, client, asked: Mutex::default() });
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

    /// What was asked of Route 53 since the last call.
    pub(crate) fn take(&self) -> Vec<Question> {
        let asked = std::mem::take(&mut *self.shared.asked.lock().unwrap());
        asked.iter().map(|asked| Question::from_request(&asked.method, &asked.path, &asked.body)).collect()
    }

    /// What was asked of S3 since the last call.
    pub(crate) fn take_s3(&self) -> Vec<Question> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap()).iter().flat_map(Question::from_s3).collect()
    }
}

async fn pass_on(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, HeaderMap, Bytes) {
    let url = shared.upstream.join(uri.path_and_query().unwrap().as_str()).unwrap();
    let mut request = shared.client.request(method.clone(), url).body(body.clone());
    for (name, value) in headers.iter().filter(|(name, _)| PASSED.contains(&name.as_str())) {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    let (status, mut kept) = (answer.status(), HeaderMap::new());
    for (name, value) in answer.headers().iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
        kept.insert(name, value.clone());
    }
    let (path, body) = (uri.path().to_owned(), String::from_utf8_lossy(&body).into_owned());
    shared.asked.lock().unwrap().push(Asked { method, path, headers, body, status: status.as_u16() });
    (status, kept, answer.bytes().await.unwrap())
}
