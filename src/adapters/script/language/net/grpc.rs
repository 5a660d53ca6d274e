//! gRPC's standard health service, `grpc.health.v1.Health/Check`, over HTTP/2. Two messages of one field each do not want a
//! compiler of their own: what is read and written of Protocol Buffers stands below.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use rhai::{Map, NativeCallContext};
use url::Url;

use super::options::Options;
use super::secure::{self, Link};
use super::websocket::host_of;
use super::{Outcome, Result, Shelf, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::{MAX_EXCERPT_CHARS, plain_url};
use crate::adapters::script::tls::Offer;
use crate::domain::{FailureKind, Protocol};

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// What the answer may have: it is a dozen bytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// The most of headers and trailers, which hold the status and its words.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// A gRPC message's own head: whether it is compressed, and its length.
const FRAME_BYTES: usize = 5;
/// The states of grpc.health.v1, in the order of their numbers.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// The names of gRPC's codes, in the order of their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("gRPC");
    shelf.add(
        "grpc_health(url: string, service: string) -> string",
        "Asks gRPC's standard health service: `SERVING`, `NOT_SERVING`, `UNKNOWN`. An empty service is the whole server. Fails when the call does.",
        |context: NativeCallContext<'_>, url: &str, service: &str| health(&context, url, service, Map::new()),
    );
    shelf.add(
        "grpc_health(url: string, service: string, options: map) -> string",
        "The same with options: `headers`, `ca`.",
        |context: NativeCallContext<'_>, url: &str, service: &str, options: Map| {
            health(&context, url, service, options)
        },
    );
}

fn health(context: &NativeCallContext<'_>, url: &str, service: &str, map: Map) -> Result<String> {
    let flow = flow::of(context)?;
    let mut options = Options::new("grpc_health", map, &["headers", "ca"])?;
    let mut url = flow.resolve(url)?;
    url.set_path(METHOD);
    url.set_query(None);
    let said = format!("the health service of {}", url_said(&url));
    let request = request(&plain_url(&url), options.headers()?)?;
    let (host, ca) = (host_of(&url), options.text("ca")?);
    let config = match url.scheme() {
        "https" => Some(secure::config(&flow, ca, Offer::Http2)?),
        _ => None,
    };
    let shown = format!("{}/{service}", url_said(&url));
    let asked = flow.asks(Protocol::Grpc, "check", &shown, || {
        let stream = dial::dial(&flow, &host, url.port_or_known_default().unwrap_or(80))?;
        let answer = flow.wait(async {
            let link: Link = match config {
                None => Box::new(stream),
                Some(config) => {
                    let stream = secure::upgrade(&flow, stream, &host, config, &said).await?;
                    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                        let reason = format!("{said}: the server does not offer HTTP/2, which gRPC needs");
                        return Err(Ending::Fail(FailureKind::Assertion, reason));
                    }
                    Box::new(stream)
                }
            };
            flow.progress().set(format!("no answer from {said}"));
            call(link, request, service).await.map_err(|ending| dial::prefixed(&said, ending))
        })??;
        let state = state(&flow, &said, &answer)?;
        Ok((state.clone(), state))
    });
    Ok(asked?)
}

fn url_said(url: &Url) -> String {
    let mut base = plain_url(url);
    base.set_path("");
    base.as_str().trim_end_matches('/').to_owned()
}

fn request(url: &Url, headers: Vec<(String, String)>) -> Outcome<Request<()>> {
    let mut request = Request::post(url.as_str())
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).map_err(|error| Ending::Inconclusive(format!("{url} cannot be asked: {error}")))
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
}

/// One call on a connection of its own, which ends with it.
async fn call(link: Link, request: Request<()>, service: &str) -> Outcome<Answer> {
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false).max_header_list_size(MAX_HEADER_BYTES);
    let (client, connection) = builder.handshake::<_, Bytes>(link).await.map_err(|error| broken(&error))?;
    let (mut connection, mut exchange) = (Box::pin(connection), Box::pin(exchange(client, request, service)));
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // What came before the end may be the whole answer.
            Ok(()) => exchange.await,
            Err(error) => Err(broken(&error)),
        },
    }
}

async fn exchange(client: SendRequest<Bytes>, request: Request<()>, service: &str) -> Outcome<Answer> {
    let mut client = client.ready().await.map_err(|error| broken(&error))?;
    let (response, mut body) = client.send_request(request, false).map_err(|error| broken(&error))?;
    body.send_data(question(service)?.into(), true).map_err(|error| broken(&error))?;
    let (head, mut stream) = response.await.map_err(|error| broken(&error))?.into_parts();
    let mut came = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if came.len() + chunk.len() > MAX_MESSAGE_BYTES {
            let most = MAX_MESSAGE_BYTES / 1024;
            return Err(Ending::Fail(FailureKind::Assertion, format!("the answer is larger than {most} KiB")));
        }
        came.extend_from_slice(&chunk);
        stream.flow_control().release_capacity(chunk.len()).map_err(|error| broken(&error))?;
    }
    let trailers = stream.trailers().await.map_err(|error| broken(&error))?.unwrap_or_default();
    Ok(Answer { status: head.status, headers: head.headers, body: came, trailers })
}

/// What is wrong with the connection below, or with the HTTP/2 above it.
fn broken(error: &h2::Error) -> Ending {
    match (error.get_io(), error.reason()) {
        (Some(io), _) => match io.kind() {
            // What h2 makes of a first frame that is none.
            std::io::ErrorKind::InvalidData => {
                Ending::Fail(FailureKind::Assertion, "what it says is no HTTP/2".to_owned())
            }
            _ => dial::broken(io),
        },
        (None, Some(h2::Reason::REFUSED_STREAM)) => {
            Ending::Fail(FailureKind::ServerError, "the server refuses the call".to_owned())
        }
        (None, Some(h2::Reason::FRAME_SIZE_ERROR | h2::Reason::PROTOCOL_ERROR)) => {
            Ending::Fail(FailureKind::Assertion, "what it says is no HTTP/2".to_owned())
        }
        _ => Ending::Fail(FailureKind::Network, error.to_string()),
    }
}

/// The state in words, or why there is none.
fn state(flow: &Flow, said: &str, answer: &Answer) -> Outcome<String> {
    let fail = |kind, words: String| Err(Ending::Fail(kind, format!("{said}: {words}")));
    let trailer = |name: &str| {
        let value = answer.trailers.get(name).or_else(|| answer.headers.get(name))?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let Some(code) = trailer("grpc-status") else {
        return match answer.status {
            StatusCode::OK => fail(FailureKind::Assertion, "the answer has no grpc-status".to_owned()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
                fail(FailureKind::Denied, format!("the answer is {}", answer.status))
            }
            status if status.is_server_error() => fail(FailureKind::ServerError, format!("the answer is {status}")),
            status => fail(FailureKind::Assertion, format!("the answer is {status}, and no gRPC")),
        };
    };
    if code != "0" {
        let name =
            code.parse::<usize>().ok().and_then(|code| CODES.get(code).copied()).unwrap_or("no code of gRPC's");
        let message = trailer("grpc-message").unwrap_or_default();
        let message = flow.tidy(&message, MAX_EXCERPT_CHARS);
        let what = match name {
            "UNIMPLEMENTED" => "UNIMPLEMENTED, so the server has no health service".to_owned(),
            "NOT_FOUND" => "NOT_FOUND, so the server does not know this service".to_owned(),
            "no code of gRPC's" => format!("grpc-status {}, which is no code of gRPC's", flow.tidy(&code, 20)),
            name => name.to_owned(),
        };
        let kind = match name {
            "UNAVAILABLE" | "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" | "CANCELLED" => {
                FailureKind::ServerError
            }
            "PERMISSION_DENIED" | "UNAUTHENTICATED" | "RESOURCE_EXHAUSTED" => FailureKind::Denied,
            "DEADLINE_EXCEEDED" => FailureKind::Timeout,
            _ => FailureKind::Assertion,
        };
        return fail(kind, if message.is_empty() { what } else { format!("{what}: {message}") });
    }
    match number(&answer.body).map(|number| (number, usize::try_from(number).ok().and_then(|at| STATES.get(at)))) {
        Some((_, Some(state))) => Ok((*state).to_owned()),
        Some((number, None)) => fail(FailureKind::Assertion, format!("{number} is no state of grpc.health.v1")),
        None => fail(FailureKind::Assertion, "the answer is no HealthCheckResponse".to_owned()),
    }
}

/// `HealthCheckRequest { string service = 1; }` in a frame: tag 0x0a, the length as a varint, the bytes.
fn question(service: &str) -> Outcome<Vec<u8>> {
    let long = |_| Ending::Inconclusive("the name of the service is too long".to_owned());
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length > 0x7f {
            message.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or(0));
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).map_err(long)?.to_be_bytes());
    frame.extend_from_slice(&message);
    Ok(frame)
}

/// The status in a framed `HealthCheckResponse { ServingStatus status = 1; }`: tag 0x08, a varint. A field that is not there is 0, and
/// fields that are not known are skipped.
fn number(frame: &[u8]) -> Option<u64> {
    let (head, message) = frame.split_at_checked(FRAME_BYTES)?;
    let length = u32::from_be_bytes(head.get(1..)?.try_into().ok()?);
    if head.first() != Some(&0) || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let (mut rest, mut status) = (message, 0);
    while !rest.is_empty() {
        let (tag, after) = varint(rest)?;
        // The last three bits say how the value is written: varint, eight bytes, counted bytes, four bytes.
        rest = match tag & 7 {
            0 => {
                let (value, after) = varint(after)?;
                if tag >> 3 == 1 {
                    status = value;
                }
                after
            }
            1 => after.get(8..)?,
            2 => {
                let (count, after) = varint(after)?;
                after.get(usize::try_from(count).ok()?..)?
            }
            5 => after.get(4..)?,
            _ => return None,
        };
    }
    Some(status)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_its_service_and_none_is_an_empty_message() {
        assert_eq!(question("").unwrap(), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab").unwrap(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(300)).unwrap();
        assert_eq!((&long[..8], long.len()), ([0, 0, 0, 1, 47, 0x0a, 0xac, 0x02].as_slice(), 308));
    }

    #[test]
    fn the_status_is_read_past_fields_that_nobody_knows() {
        assert_eq!(number(&[0, 0, 0, 0, 2, 0x08, 1]), Some(1));
        assert_eq!(number(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(number(&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 0x08, 2]), Some(2));
        for wrong in [
            &[][..],
            &[0, 0, 0, 0, 2, 8],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 2, 8, 0x80],
            &[0, 0, 0, 0, 3, 0x12, 9, 1],
        ] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
    }
}
