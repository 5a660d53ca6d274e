//! Places for flags: a folder, S3 by two emulators (ministack and moto, from PyPI), Azure Blob Storage by Microsoft's emulator (Azurite, from npm), and Google Cloud
//! Storage by a stand-in of its XML API that is written here from Google's documentation: none of the emulators on PyPI and npm compares generations there (measured:
//! `gcp-storage-emulator` 2026.7.19 overwrites whatever `x-goog-if-generation-match` says, `fake-gcs-server` knows no XML uploads).

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::{ObjectStore, ObjectStoreExt as _};
use quorate::adapters::flag::Access;
use quorate::domain::Secret;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;

use super::emulators::Emulator;
use super::spawned::Spawned;
use super::wire::Wire;
use super::{node, python};

/// The versions that the battery was measured against.
const MOTO: &str = "moto[s3,server]==5.2.5";
/// Newer ones need Node 22.
const AZURITE: &str = "azurite@3.35.0";

/// Every cloud's bucket or container here. It is made once.
const BUCKET: &str = "flags";

/// Azurite's well-known account and key, the same in every installation (its README, "Default Storage Account").
const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const RUN_MOTO: &str = "\
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.buffer.read()
";

/// Starts the emulator in this process, makes the container (Shared Key, as Azure's documentation writes it), and says the port.
const RUN_AZURITE: &str = r#"
import { createRequire } from "node:module";
import { createHmac } from "node:crypto";
const require = createRequire(process.cwd() + "/");
const [account, key, container] = ["ACCOUNT", "KEY", "CONTAINER"];
process.argv = ["node", "azurite-blob", "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--disableTelemetry"];
const said = process.stdout.write.bind(process.stdout);
const port = new Promise((found) => {
  process.stdout.write = (text) => {
    const match = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(text);
    if (match) found(match[1]);
    return true;
  };
});
require("azurite/dist/src/blob/main.js");
const number = await port;
const date = new Date().toUTCString();
const head = `x-ms-date:${date}\nx-ms-version:2021-12-02`;
const text = `PUT${"\n".repeat(12)}${head}\n/${account}/${account}/${container}\nrestype:container`;
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
const made = await fetch(`http://127.0.0.1:${number}/${account}/${container}?restype=container`, {
  method: "PUT",
  headers: { "x-ms-date": date, "x-ms-version": "2021-12-02", authorization: `SharedKey ${account}:${signature}` },
});
if (made.status !== 201) throw new Error(`the container: ${made.status} ${await made.text()}`);
said(`${number}\n`);
process.stdin.resume().on("end", () => process.exit(0));
"#;

/// One place for one flag, which nobody else uses.
pub(crate) struct Shop {
    scheme: &'static str,
    endpoint: Option<Url>,
    options: &'static str,
    /// Within the bucket, or the path of the folder.
    folder: String,
    pub(crate) access: Access,
    raw: Raw,
}

enum Raw {
    Folder(TempDir),
    Cloud(Box<dyn ObjectStore>),
}

static SHOPS: AtomicUsize = AtomicUsize::new(0);

fn key() -> Access {
    Access::Key { name: "test".to_owned(), secret: Secret::new("test-secret") }
}

impl Shop {
    /// A folder of this machine.
    pub(crate) async fn folder() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        Self { scheme: "file", endpoint: None, options: "", folder, access: Access::Usual, raw: Raw::Folder(home) }
    }

    /// S3 over ministack.
    pub(crate) async fn ministack() -> Self {
        let endpoint = Emulator::ministack().await.url().clone();
        static BUCKET_MADE: OnceCell<()> = OnceCell::const_new();
        BUCKET_MADE.get_or_init(|| make_bucket(&endpoint)).await;
        Self::s3(endpoint)
    }

    /// S3 over moto.
    pub(crate) async fn moto() -> Self {
        static SHARED: OnceCell<Spawned> = OnceCell::const_new();
        let moto = SHARED.get_or_init(async || {
            let moto = tokio::task::spawn_blocking(|| {
                Spawned::start(Command::new(python::interpreter_with(MOTO)).args(["-c", RUN_MOTO]))
            });
            let moto = moto.await.unwrap();
            make_bucket(&moto.url()).await;
            moto
        });
        Self::s3(moto.await.url())
    }

    /// Azure over Azurite.
    pub(crate) async fn azurite() -> Self {
        static SHARED: OnceCell<Spawned> = OnceCell::const_new();
        let azurite = SHARED.get_or_init(async || {
            let source =
                RUN_AZURITE.replace("ACCOUNT", AZURE_ACCOUNT).replace("KEY", AZURE_KEY).replace("CONTAINER", BUCKET);
            let start = move || Spawned::start(&mut node::module(&source, AZURITE));
            tokio::task::spawn_blocking(start).await.unwrap()
        });
        let endpoint = azurite.await.url().join(AZURE_ACCOUNT).unwrap();
        let raw = object_store::azure::MicrosoftAzureBuilder::new()
            .with_account(AZURE_ACCOUNT)
            .with_access_key(AZURE_KEY)
            .with_container_name(BUCKET)
            .with_endpoint(endpoint.to_string())
            .with_allow_http(true)
            .with_http_connector(Direct)
            .build()
            .unwrap();
        let access = Access::Key { name: String::new(), secret: Secret::new(AZURE_KEY) };
        Self::cloud("az", "&account=devstoreaccount1", endpoint, access, Box::new(raw))
    }

    /// Google Cloud Storage over the stand-in.
    pub(crate) async fn google() -> Self {
        let endpoint = stand_in().await;
        let raw = object_store::gcp::GoogleCloudStorageBuilder::new()
            .with_bucket_name(BUCKET)
            .with_config(object_store::gcp::GoogleConfigKey::BaseUrl, endpoint.as_str().trim_end_matches('/'))
            .with_bearer_token("none")
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_http_connector(Direct)
            .build()
            .unwrap();
        Self::cloud("gs", "", endpoint, Access::Anonymous, Box::new(raw))
    }

    fn s3(endpoint: Url) -> Self {
        let raw = object_store::aws::AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_region("eu-west-1")
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_access_key_id("test")
            .with_secret_access_key("test-secret")
            .with_allow_http(true)
            .with_http_connector(Direct)
            .build()
            .unwrap();
        Self::cloud("s3", "&region=eu-west-1", endpoint, key(), Box::new(raw))
    }

    fn cloud(
        scheme: &'static str,
        options: &'static str,
        endpoint: Url,
        access: Access,
        raw: Box<dyn ObjectStore>,
    ) -> Self {
        let folder = format!("shop-{}", SHOPS.fetch_add(1, Ordering::SeqCst));
        Self { scheme, endpoint: Some(endpoint), options, folder, access, raw: Raw::Cloud(raw) }
    }

    /// As the configuration names it.
    pub(crate) fn store(&self) -> (String, Access) {
        (self.url(BUCKET, self.endpoint.as_ref()), self.access.clone())
    }

    /// The same with a bucket that does not exist, or in a folder that does not.
    pub(crate) fn missing(&self) -> (String, Access) {
        match self.raw {
            Raw::Folder(_) => (format!("file://{}/missing", self.folder), Access::Usual),
            Raw::Cloud(_) => (self.url("missing", self.endpoint.as_ref()), self.access.clone()),
        }
    }

    /// The same through a relay.
    pub(crate) async fn relayed(&self) -> (Wire, (String, Access)) {
        let wire = Wire::to(self.endpoint.as_ref().unwrap()).await;
        let mut through = self.endpoint.clone().unwrap();
        through.set_port(wire.url().port()).unwrap();
        let url = self.url(BUCKET, Some(&through));
        (wire, (url, self.access.clone()))
    }

    /// The same at another endpoint, which passes on to this one.
    pub(crate) fn through(&self, endpoint: &Url) -> (String, Access) {
        (self.url(BUCKET, Some(endpoint)), self.access.clone())
    }

    /// Where it is.
    pub(crate) fn endpoint(&self) -> Url {
        self.endpoint.clone().unwrap()
    }

    /// The same where nobody listens: the discard port.
    pub(crate) fn away(&self) -> (String, Access) {
        (self.url(BUCKET, Some(&Url::parse("http://127.0.0.1:9/").unwrap())), self.access.clone())
    }

    fn url(&self, bucket: &str, endpoint: Option<&Url>) -> String {
        match endpoint {
            None => format!("file://{}", self.folder),
            Some(endpoint) => format!(
                "{}://{bucket}/{}?endpoint={endpoint}&allow_http=true{}",
                self.scheme, self.folder, self.options
            ),
        }
    }

    /// The address of an object that anybody may read; S3 only.
    pub(crate) fn public(&self, object: &str) -> Url {
        self.endpoint.as_ref().unwrap().join(&format!("{BUCKET}/{}/{object}", self.folder)).unwrap()
    }

    /// The object's text, past our code.
    pub(crate) async fn text(&self, object: &str) -> Option<String> {
        match &self.raw {
            Raw::Folder(home) => std::fs::read_to_string(home.path().join(object)).ok(),
            Raw::Cloud(store) => match store.get(&self.path(object)).await {
                Ok(found) => Some(String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap()),
                Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => panic!("{error}"),
            },
        }
    }

    /// Writes an object past our code.
    pub(crate) async fn write(&self, object: &str, text: &str) {
        match &self.raw {
            Raw::Folder(home) => std::fs::write(home.path().join(object), text).unwrap(),
            Raw::Cloud(store) => drop(store.put(&self.path(object), text.to_owned().into()).await.unwrap()),
        }
    }

    fn path(&self, object: &str) -> object_store::path::Path {
        object_store::path::Path::from(format!("{}/{object}", self.folder))
    }

    /// The folder's path, of a folder.
    pub(crate) fn home(&self) -> &std::path::Path {
        match &self.raw {
            Raw::Folder(home) => home.path(),
            Raw::Cloud(_) => panic!("no folder"),
        }
    }
}

/// A client that asks no proxy for the way to this machine.
#[derive(Debug)]
struct Direct;

impl HttpConnector for Direct {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(reqwest::Client::builder().no_proxy().build().unwrap()))
    }
}

async fn make_bucket(endpoint: &Url) {
    // What counts of a signature here is that there is one.
    let signature =
        "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let place =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let made = client
        .put(endpoint.join(BUCKET).unwrap())
        .header("authorization", signature)
        .body(place)
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success(), "{}: {}", made.status(), made.text().await.unwrap());
}

/// The objects of the stand-in: generation and body.
type Objects = Arc<Mutex<HashMap<String, (u64, Bytes)>>>;

/// Google's XML API as far as a flag needs it: <https://cloud.google.com/storage/docs/xml-api/put-object-upload>, and for the headers
/// <https://cloud.google.com/storage/docs/xml-api/reference-headers> (`x-goog-if-generation-match`: 0 means "there is none"; 412 otherwise).
async fn stand_in() -> Url {
    static SHARED: OnceCell<Url> = OnceCell::const_new();
    let start = async || {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        // It serves every test of the process, so that it belongs to none of their runtimes.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let router = axum::Router::new().fallback(google).with_state(Objects::default());
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Url::parse(&format!("http://{address}/")).unwrap()
    };
    SHARED.get_or_init(start).await.clone()
}

async fn google(
    State(objects): State<Objects>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |status: StatusCode, code: &str| {
        let text = format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{code}.</Message></Error>"
        );
        (status, [("content-type", "application/xml")], text).into_response()
    };
    if !uri.path().starts_with(&format!("/{BUCKET}/")) {
        return refuse(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let mut objects = objects.lock().unwrap();
    let present = objects.get(uri.path()).cloned();
    let generation = present.as_ref().map_or(0, |(generation, _)| *generation);
    let headed = |generation: u64, body: Bytes| {
        let tag = format!("\"{generation:x}\"");
        let headers = [
            ("x-goog-generation", generation.to_string()),
            ("etag", tag),
            ("last-modified", "Sun, 22 Nov 2026 08:00:00 GMT".to_owned()),
        ];
        (headers, body).into_response()
    };
    match (method, present) {
        (Method::GET, Some((generation, body))) => headed(generation, body),
        (Method::GET, None) => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
        (Method::PUT, _) => {
            let wanted = headers.get("x-goog-if-generation-match").map(|value| value.to_str().unwrap().to_owned());
            if wanted.is_some_and(|wanted| wanted != generation.to_string()) {
                return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            let next = objects.values().map(|(generation, _)| *generation).max().unwrap_or(1_000) + 1;
            objects.insert(uri.path().to_owned(), (next, body));
            headed(next, Bytes::new())
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}
