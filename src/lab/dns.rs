//! The name servers: authoritative answers over UDP and TCP from what has propagated, and nothing else.
//!
//! They serve the lab's zones only: any other name is REFUSED, there is no recursion, and a zone transfer or an
//! update is not implemented. Failover routing asks the health checks at every query, so it needs no change to move
//! an answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LabError;
use super::route53::{DnsName, HealthChecks, RecordKind, RecordSet, Status, Wanted, to_rdata};

/// How long an idle TCP connection is kept.
const TCP_IDLE_MAX: Duration = Duration::from_secs(10);
/// Answers a TCP connection may queue.
const TCP_RESPONSES_MAX: usize = 64;
/// The UDP payload the server offers: what fits in one IPv6 packet without fragments.
const UDP_PAYLOAD_BYTES: u16 = 1232;
/// How often a free port is looked for when the system is to choose one for UDP and TCP alike.
const PORT_TRIES: usize = 16;
const WHAT: &str = "the lab's name server";

/// Both sockets of the name server, on one address.
pub(super) struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    pub(super) addr: SocketAddr,
}

/// Binds UDP and TCP to one address. Port 0 takes a port that is free for both.
pub(super) async fn bind(address: SocketAddr) -> Result<Sockets, LabError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = UdpSocket::bind(address).await.map_err(|source| LabError::bind(WHAT, address, source))?;
        let addr = udp.local_addr().map_err(|source| LabError::Socket { what: WHAT, source })?;
        match TcpListener::bind(addr).await {
            Ok(tcp) => return Ok(Sockets { udp, tcp, addr }),
            Err(error) if address.port() == 0 && error.kind() == io::ErrorKind::AddrInUse && tries < PORT_TRIES => {}
            Err(error) => return Err(LabError::bind(WHAT, addr, error)),
        }
    }
}

/// Serves until `closing`.
pub(super) fn serve(tasks: &TaskTracker, sockets: Sockets, handler: Authority, closing: CancellationToken) {
    let mut server = Server::new(handler);
    server.register_socket(sockets.udp);
    server.register_listener(sockets.tcp, TCP_IDLE_MAX, TCP_RESPONSES_MAX);
    tasks.spawn(async move {
        let ended = match closing.run_until_cancelled(server.block_until_done()).await {
            Some(ended) => ended,
            None => server.shutdown_gracefully().await,
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "the lab's name server ended");
        }
    });
}

/// Answers from the zones.
pub(super) struct Authority {
    /// What failover routing asks, and what knows the zones.
    pub(super) health: Arc<HealthChecks>,
}

/// An answer, ready for the wire.
struct Answer {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    authority: Vec<Record>,
}

impl Answer {
    fn refusal(code: ResponseCode) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), authority: Vec::new() }
    }
}

impl Authority {
    fn answer(&self, request: &Request) -> Answer {
        if request.metadata.op_code != OpCode::Query {
            return Answer::refusal(ResponseCode::NotImp);
        }
        let Ok(info) = request.request_info() else { return Answer::refusal(ResponseCode::FormErr) };
        let wanted = match info.query.query_type() {
            RecordType::AXFR | RecordType::IXFR => return Answer::refusal(ResponseCode::NotImp),
            RecordType::ANY => Wanted::Any,
            other => RecordKind::parse(&other.to_string()).map_or(Wanted::NoneHere, Wanted::Kind),
        };
        let question = info.query.original();
        let served = DnsName::from_wire(question.name()).ok().filter(|_| question.query_class() == DNSClass::IN);
        let Some(reply) = served.and_then(|name| self.health.look_up(&name, wanted)) else {
            return Answer::refusal(ResponseCode::Refused);
        };
        Answer {
            code: match reply.status {
                Status::NoError => ResponseCode::NoError,
                Status::NoSuchName => ResponseCode::NXDomain,
            },
            authoritative: reply.authoritative,
            answers: reply.answers.iter().flat_map(to_wire).collect(),
            authority: reply.authority.iter().flat_map(to_wire).map(negative).collect(),
        }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Authority {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let answer = self.answer(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = answer.code;
        metadata.authoritative = answer.authoritative;
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD_BYTES).set_version(0);
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(asked) = &request.edns {
            // The answer must fit the smaller of what the client takes and what the server offers.
            edns.set_max_payload(asked.max_payload().min(UDP_PAYLOAD_BYTES));
            builder.edns(&edns);
        }
        let response = builder.build(metadata, &answer.answers, &answer.authority, &[], &[]);
        match handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "a DNS answer could not be sent");
                metadata.response_code = ResponseCode::ServFail;
                ResponseInfo::from(hickory_proto::op::Header { metadata, counts: Default::default() })
            }
        }
    }
}

fn to_wire(set: &RecordSet) -> impl Iterator<Item = Record> {
    let name = set.name.to_wire();
    // Values were checked when they were accepted.
    let data = set.values.iter().filter_map(|value| to_rdata(set.kind, value).ok());
    data.map(move |data| Record::from_rdata(name.clone(), set.ttl, data))
}

/// An SOA in the authority section says how long the "no" may be kept (RFC 2308): the smaller of its TTL and minimum.
fn negative(mut record: Record) -> Record {
    if let RData::SOA(soa) = &record.data {
        record.ttl = record.ttl.min(soa.minimum);
    }
    record
}
