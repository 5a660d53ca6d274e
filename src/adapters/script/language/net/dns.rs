//! Questions to name servers: any type, any server, over UDP and TCP.
//!
//! Names are complete: no search list and no hosts file applies, and nothing is cached. "No such name" is an answer. A server that
//! a script names and that does not answer is the site's failure; this vantage's own resolver says nothing of the site.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::config::ProtocolConfig;
use hickory_resolver::system_conf::read_system_conf;
use rhai::{Array, Dynamic, Map, NativeCallContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::options::{self, Options};
use super::signed::{self, Validation};
use super::{Outcome, Result, Shelf, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::domain::{FailureKind, Protocol, Trust};
use crate::ports::Resolution;

/// How long one datagram is waited for, unless the deadline is near.
const UDP_LIMIT: Duration = Duration::from_millis(1_500);
/// How often a question is sent over UDP: a lost datagram is ordinary, three in a row are not.
const UDP_ATTEMPTS: u32 = 3;
/// Connection, question and answer over TCP, unless the deadline is near.
const TCP_LIMIT: Duration = Duration::from_secs(3);
/// What we accept over UDP. 1232 octets pass every path unfragmented (DNS Flag Day 2020).
const UDP_PAYLOAD: u16 = 1232;
/// The most records of an answer that a script is given; a message of 64 KiB can hold four thousand.
const MAX_RECORDS: usize = 1_000;
/// How many of this machine's name servers are asked, as the C library does.
const MAX_SERVERS: usize = 3;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("names");
    shelf.add(
        "dns(name: string, type: string) -> array",
        "Asks this vantage's resolver: the records of the answer, each as `#{name, type, ttl, value}`; none for a name that is not there.",
        |context: NativeCallContext<'_>, name: &str, kind: &str| records_of(&context, name, kind, Map::new()),
    );
    shelf.add(
        "dns(name: string, type: string, options: map) -> array",
        "The same with options: `server` (`\"ip:port\"`), `tcp`, `dnssec` (signatures come along), `validate` (a bogus answer fails), `anchor` (a zone's DS, for private ones).",
        |context: NativeCallContext<'_>, name: &str, kind: &str, options: Map| {
            records_of(&context, name, kind, options)
        },
    );
    shelf.add(
        "dns_answer(name: string, type: string) -> map",
        "The whole answer: `#{rcode, authoritative, authenticated, dnssec, dnssec_why, answers, authority, server}`.",
        |context: NativeCallContext<'_>, name: &str, kind: &str| answer_of(&context, name, kind, Map::new()),
    );
    shelf.add(
        "dns_answer(name: string, type: string, options: map) -> map",
        "The same with options, as `dns` takes them.",
        |context: NativeCallContext<'_>, name: &str, kind: &str, options: Map| {
            answer_of(&context, name, kind, options)
        },
    );
}

fn records_of(context: &NativeCallContext<'_>, name: &str, kind: &str, options: Map) -> Result<Array> {
    let flow = flow::of(context)?;
    let (asked, question) = question("dns", &flow, name, kind, options)?;
    let (server, answer, trust) = ask(&flow, &asked, &question)?;
    let code = answer.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        let reason = format!("the name server {server} says {} to {question}", rcode(code));
        return Err(asked
            .blame(if code == ResponseCode::Refused { FailureKind::Denied } else { FailureKind::ServerError }, reason)
            .into());
    }
    if let Some(trust) = trust {
        signed::accepted(&trust, &question.to_string(), server)?;
    }
    Ok(records(&answer.answers)?)
}

fn answer_of(context: &NativeCallContext<'_>, name: &str, kind: &str, options: Map) -> Result<Map> {
    let flow = flow::of(context)?;
    let (asked, question) = question("dns_answer", &flow, name, kind, options)?;
    let (server, answer, trust) = ask(&flow, &asked, &question)?;
    let (word, why) = match &trust {
        Some(trust) => (trust.as_str(), trust.why().unwrap_or_default().to_owned()),
        None => ("", String::new()),
    };
    Ok(options::map([
        ("rcode", rcode(answer.metadata.response_code).into()),
        ("authoritative", answer.metadata.authoritative.into()),
        ("authenticated", answer.metadata.authentic_data.into()),
        ("dnssec", word.into()),
        ("dnssec_why", why.into()),
        ("answers", records(&answer.answers)?.into()),
        ("authority", records(&answer.authorities)?.into()),
        ("server", server.to_string().into()),
    ]))
}

/// Who is asked, and whose failure silence is.
#[derive(Debug)]
enum Asked {
    /// The script names this server.
    Named(SocketAddr),
    /// The probe's own settings do.
    Settled(SocketAddr),
    /// This vantage's resolvers, one after the other.
    Vantage(Vec<SocketAddr>),
}

impl Asked {
    fn servers(&self) -> &[SocketAddr] {
        match self {
            Self::Named(server) | Self::Settled(server) => std::slice::from_ref(server),
            Self::Vantage(servers) => servers,
        }
    }

    /// Whether it may be asked. What resolves names for the whole probe may be, as the target itself.
    fn permitted(&self, flow: &Flow) -> Outcome<()> {
        match self {
            Self::Named(server) => flow.connects(&server.ip().to_string()),
            _ => flow.connects(flow.request.target.host_str().unwrap_or_default()),
        }
    }

    fn is_own(&self) -> bool {
        !matches!(self, Self::Named(_))
    }

    fn blame(&self, kind: FailureKind, reason: String) -> Ending {
        match self {
            Self::Named(_) | Self::Settled(_) => Ending::Fail(kind, reason),
            Self::Vantage(_) => Ending::Inconclusive(format!("{reason}; it is this vantage's own resolver")),
        }
    }
}

/// One question.
#[derive(Debug)]
struct Question {
    query: Query,
    tcp: bool,
    dnssec: bool,
    validation: Option<Validation>,
}

impl Question {
    fn name(&self) -> String {
        let name = self.query.name().to_ascii();
        name.strip_suffix('.').unwrap_or(&name).to_owned()
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}' {}", self.name(), self.query.query_type())
    }
}

fn question(function: &'static str, flow: &Flow, name: &str, kind: &str, map: Map) -> Outcome<(Asked, Question)> {
    let mut options = Options::new(function, map, &["server", "tcp", "dnssec", "validate", "anchor"])?;
    let asked = match (options.text("server")?, &flow.request.resolution) {
        (Some(server), _) => Asked::Named(address(&server)?),
        (None, Resolution::Through(server)) => Asked::Settled(*server),
        (None, Resolution::System) => Asked::Vantage(own_servers()?),
    };
    let question = Question {
        query: query(name, record_type(kind)?)?,
        tcp: options.flag("tcp")?,
        dnssec: options.flag("dnssec")?,
        validation: Validation::wanted(function, options.flag("validate")?, options.text("anchor")?.as_deref())?,
    };
    Ok((asked, question))
}

fn query(name: &str, kind: RecordType) -> Outcome<Query> {
    let mut name = Name::from_utf8(name)
        .map_err(|error| Ending::Inconclusive(format!("'{name}' is no name that DNS can hold: {error}")))?;
    name.set_fqdn(true);
    Ok(Query::query(name, kind))
}

/// `A`, `MX` and so on, in either case, or `TYPE123` for what has no name here (RFC 3597).
fn record_type(text: &str) -> Outcome<RecordType> {
    let upper = text.to_ascii_uppercase();
    let by_number = upper.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok()).map(RecordType::from);
    let kind = by_number.or_else(|| RecordType::from_str(&upper).ok());
    match kind {
        Some(RecordType::AXFR | RecordType::IXFR) => {
            Err(Ending::Inconclusive(format!("{upper} is a transfer of a zone, and no question of a check")))
        }
        Some(kind) => Ok(kind),
        None => Err(Ending::Inconclusive(format!("'{text}' is no type of DNS record; by number it is TYPE123"))),
    }
}

fn address(text: &str) -> Outcome<SocketAddr> {
    let bare = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    text.parse::<SocketAddr>().ok().or_else(bare).ok_or_else(|| {
        let reason =
            format!("the option 'server' is '{text}', and must be an address such as 192.0.2.1 or [2001:db8::1]:53");
        Ending::Inconclusive(reason)
    })
}

fn own_servers() -> Outcome<Vec<SocketAddr>> {
    let (config, _) = read_system_conf()
        .map_err(|error| Ending::Inconclusive(format!("this vantage's resolver settings cannot be read: {error}")))?;
    let port = |connections: &[hickory_resolver::config::ConnectionConfig]| {
        let udp = connections.iter().find(|connection| matches!(connection.protocol, ProtocolConfig::Udp));
        udp.map_or(53, |connection| connection.port)
    };
    let servers = config.name_servers().iter().take(MAX_SERVERS);
    let servers: Vec<SocketAddr> =
        servers.map(|server| SocketAddr::new(server.ip, port(&server.connections))).collect();
    if servers.is_empty() {
        return Err(Ending::Inconclusive("this vantage's resolver settings name no server".to_owned()));
    }
    Ok(servers)
}

/// The answer and who gave it, and what its signatures are worth, where that is asked.
fn ask(flow: &Flow, asked: &Asked, question: &Question) -> Outcome<(SocketAddr, Message, Option<Trust>)> {
    let server = asked.servers().first().map(ToString::to_string).unwrap_or_default();
    let url = format!("dns://{server}/{}", question.name());
    flow.asks(Protocol::Dns, &question.query.query_type().to_string(), &url, || {
        let (server, answer) = answered(flow, asked, question)?;
        let mut said = rcode(answer.metadata.response_code);
        let Some(validation) = &question.validation else { return Ok(((server, answer, None), said)) };
        let (answer, trust) = validation.of(flow, server, &question.query, answer)?;
        said = format!("{said}, {}", trust.as_str());
        Ok(((server, answer, Some(trust)), said))
    })
}

/// It gives up early enough before the deadline to say what it has seen.
fn answered(flow: &Flow, asked: &Asked, question: &Question) -> Outcome<(SocketAddr, Message)> {
    asked.permitted(flow)?;
    let servers = asked.servers();
    let names = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    flow.progress().set(format!("no answer from the name server {names} to {question}"));
    let tries = u32::try_from(servers.len()).unwrap_or(1).saturating_mul(UDP_ATTEMPTS) + 1;
    let share = flow.watch.remaining() / tries;
    let waited = flow.wait(async {
        let mut why = None;
        for attempt in 0..UDP_ATTEMPTS {
            for server in servers {
                match exchange(asked.is_own(), *server, question, share).await {
                    // Another of this vantage's resolvers may do better; the last word counts.
                    Ok(answer) if tries_on(asked, &answer) && attempt + 1 < UDP_ATTEMPTS => {}
                    Ok(answer) => return Ok((*server, answer)),
                    Err(ending) => why = Some((*server, ending)),
                }
            }
            // A refused connection or garbage over TCP comes again at once; only datagrams are lost.
            if question.tcp {
                break;
            }
        }
        Err(why)
    });
    let answer = waited.map_err(|ending| match ending {
        Ending::Fail(kind, words) => asked.blame(kind, words),
        other => other,
    })?;
    answer.map_err(|why| match why {
        Some((server, Ending::Fail(kind, words))) => {
            asked.blame(kind, format!("no answer from the name server {server} to {question}: {words}"))
        }
        Some((_, other)) => other,
        None => asked.blame(FailureKind::Network, format!("no answer from the name server {names} to {question}")),
    })
}

fn tries_on(asked: &Asked, answer: &Message) -> bool {
    let code = answer.metadata.response_code;
    matches!(asked, Asked::Vantage(_)) && !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

async fn exchange(own: bool, server: SocketAddr, question: &Question, share: Duration) -> Outcome<Message> {
    let silent = || Ending::Fail(FailureKind::Network, "silence".to_owned());
    if !question.tcp {
        let answer = over_udp(own, server, question, UDP_LIMIT.min(share)).await?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
    }
    timeout(TCP_LIMIT.min(share), over_tcp(own, server, question)).await.unwrap_or_else(|_| Err(silent()))
}

async fn over_udp(own: bool, server: SocketAddr, question: &Question, limit: Duration) -> Outcome<Message> {
    // A new socket, so a new port, and a new id: a late or forged answer to an earlier question fits neither.
    let (asked, bytes) = message(question)?;
    let socket = dial::datagrams(server, own).await?;
    socket.send(&bytes).await.map_err(|error| dial::broken(&error))?;
    let mut noise = 0_u32;
    let answer = timeout(limit, async {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(|error| dial::broken(&error))?;
            match Message::from_vec(buffer.get(..length).unwrap_or_default()) {
                Ok(answer) if belongs(&answer, &asked) => return Ok(answer),
                // The answer may still come.
                _ => noise += 1,
            }
        }
    });
    let answer = answer.await;
    answer.unwrap_or_else(|_| {
        let words = match noise {
            0 => "silence".to_owned(),
            _ => format!("what it sends is no answer to the question ({noise} datagrams)"),
        };
        Err(Ending::Fail(FailureKind::Network, words))
    })
}

async fn over_tcp(own: bool, server: SocketAddr, question: &Question) -> Outcome<Message> {
    let (asked, bytes) = message(question)?;
    let length =
        u16::try_from(bytes.len()).map_err(|_| Ending::Inconclusive("the question is too long".to_owned()))?;
    let mut stream = dial::connect(server, own).await?;
    let io = |error: std::io::Error| dial::broken(&error);
    stream.write_all(&[length.to_be_bytes().as_slice(), &bytes].concat()).await.map_err(io)?;
    let length = stream.read_u16().await.map_err(io)?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(io)?;
    match Message::from_vec(&buffer) {
        Ok(answer) if belongs(&answer, &asked) => Ok(answer),
        Ok(_) => Err(Ending::Fail(FailureKind::Assertion, "its answer is to another question".to_owned())),
        Err(error) => Err(Ending::Fail(FailureKind::Assertion, format!("its answer cannot be read: {error}"))),
    }
}

fn message(question: &Question) -> Outcome<(Message, Vec<u8>)> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    // A resolver that validates keeps what it holds to be bogus from those who do not say that they look themselves.
    message.metadata.checking_disabled = question.validation.is_some();
    message.add_query(question.query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_PAYLOAD);
    edns.set_dnssec_ok(question.dnssec);
    message.set_edns(edns);
    let bytes = message.to_vec();
    let bytes =
        bytes.map_err(|error| Ending::Inconclusive(format!("the question {question} cannot be written: {error}")))?;
    Ok((message, bytes))
}

/// Whether it answers this question. A server that fails may leave the question out.
fn belongs(answer: &Message, asked: &Message) -> bool {
    let same = |query: &Query| {
        asked.queries.iter().any(|ours| ours.name() == query.name() && ours.query_type() == query.query_type())
    };
    answer.metadata.id == asked.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries.iter().all(same)
}

fn records(records: &[Record]) -> Outcome<Array> {
    if records.len() > MAX_RECORDS {
        let reason = format!("the answer has {} records, and a check takes at most {MAX_RECORDS}", records.len());
        return Err(Ending::Inconclusive(reason));
    }
    let entry = |record: &Record| -> Dynamic {
        options::map([
            ("name", without_dot(&record.name.to_string()).into()),
            ("type", record.record_type().to_string().into()),
            ("ttl", i64::from(record.ttl).into()),
            ("value", value(&record.data).into()),
        ])
        .into()
    };
    Ok(records.iter().map(entry).collect())
}

/// The value as `dig +short` prints it, but texts joined and without quotes, and without the dot that ends a name.
fn value(data: &RData) -> String {
    let text = data.to_string();
    match data {
        RData::CNAME(_) | RData::NS(_) | RData::PTR(_) | RData::ANAME(_) | RData::MX(_) | RData::SRV(_) => {
            without_dot(&text)
        }
        _ => text,
    }
}

fn without_dot(name: &str) -> String {
    name.strip_suffix('.').filter(|bare| !bare.is_empty() && !bare.ends_with(' ')).unwrap_or(name).to_owned()
}

/// The code by the name that everybody calls it.
fn rcode(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::NotAuth => "NOTAUTH".to_owned(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_the_sites_failure_where_the_server_was_named_and_nobodys_where_it_is_our_own() {
        let server: SocketAddr = "192.0.2.53:53".parse().unwrap();
        let silence = |asked: &Asked| asked.blame(FailureKind::Network, "silence".to_owned());
        assert_eq!(silence(&Asked::Named(server)), Ending::Fail(FailureKind::Network, "silence".to_owned()));
        let own = "silence; it is this vantage's own resolver".to_owned();
        assert_eq!(silence(&Asked::Vantage(vec![server])), Ending::Inconclusive(own));
    }

    #[test]
    fn types_are_known_by_name_and_by_number_and_servers_by_address() {
        assert_eq!(record_type("caa"), Ok(RecordType::CAA));
        assert_eq!(record_type("TYPE257"), Ok(RecordType::CAA));
        assert_eq!(record_type("TYPE65280"), Ok(RecordType::Unknown(65280)));
        assert!(record_type("IXFR").is_err() && record_type("").is_err() && record_type("TYPE65536").is_err());
        let known =
            ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"].map(|text| address(text).unwrap());
        assert_eq!(known.map(|address| address.port()), [53, 5353, 53, 5353]);
    }
}
