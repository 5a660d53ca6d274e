//! One question to one name server, and what its answer is worth: what several adapters need.
//!
//! A question goes to just the server that was named, over UDP, and again over TCP when the answer does not fit. There is no cache, no search list
//! and no fallback to another server.
//!
//! What it refuses: an answer to another question or from another address, and to call a server's failure an empty answer.
//! SERVFAIL, REFUSED, a referral to other servers, silence and garbage are errors; only "no such name" and "no such record" are empty.

pub(in crate::adapters) mod dnssec;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{self, RData, Record};
use hickory_resolver::config::ProtocolConfig;
use hickory_resolver::system_conf::read_system_conf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one datagram is waited for. Authoritative servers answer from memory; the rest is the way there and back.
const UDP_LIMIT: Duration = Duration::from_millis(800);

/// How often a question is sent over UDP: a lost datagram is ordinary, three in a row are not.
const UDP_ATTEMPTS: usize = 3;

/// Connection, question and answer over TCP.
const TCP_LIMIT: Duration = Duration::from_secs(2);

/// What we accept over UDP. 1232 octets pass every path unfragmented (DNS Flag Day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// Aliases followed inside one answer.
const MAX_ALIASES: usize = 8;

/// How a question is put.
#[derive(Debug, Clone, Copy)]
pub(in crate::adapters) struct Manner {
    /// Whether the server is to ask others.
    pub(in crate::adapters) recursion: bool,
    /// How often over UDP.
    pub(in crate::adapters) attempts: usize,
    /// Whether signatures are asked for; of a resolver then also what it would keep from us, because it holds it to be bogus.
    pub(in crate::adapters) signed: bool,
}

impl Manner {
    /// To a server that holds the zone.
    pub(in crate::adapters) const DIRECT: Self = Self { recursion: false, attempts: UDP_ATTEMPTS, signed: false };
}

/// One answer, over TCP where it does not fit.
pub(in crate::adapters) async fn exchange(
    server: SocketAddr,
    query: &Query,
    manner: Manner,
) -> Result<Message, String> {
    let answer = over_udp(server, query, manner).await?;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    let over_tcp = over_tcp(server, query, manner);
    timeout(TCP_LIMIT, over_tcp).await.map_err(|_| "no answer over TCP in time".to_owned())?
}

/// A question with an id of its own.
fn question(query: &Query, manner: Manner) -> Result<(Message, Vec<u8>), String> {
    let mut message = Message::query();
    message.metadata.recursion_desired = manner.recursion;
    message.metadata.checking_disabled = manner.recursion && manner.signed;
    message.add_query(query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_PAYLOAD);
    edns.set_dnssec_ok(manner.signed);
    message.set_edns(edns);
    let bytes = message.to_vec().map_err(|error| format!("the question cannot be written: {error}"))?;
    Ok((message, bytes))
}

/// Whether `answer` is to this question. A server that fails may leave the question out.
fn belongs(answer: &Message, asked: &Message) -> bool {
    let same_question = |query: &Query| {
        asked.queries.iter().any(|ours| ours.name() == query.name() && ours.query_type() == query.query_type())
    };
    answer.metadata.id == asked.metadata.id
        && answer.metadata.message_type == hickory_proto::op::MessageType::Response
        && answer.queries.iter().all(same_question)
}

async fn over_udp(server: SocketAddr, query: &Query, manner: Manner) -> Result<Message, String> {
    let local: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut why = String::new();
    for _ in 0..manner.attempts {
        // A new socket, so a new port, and a new id: a late or forged answer to an earlier question fits neither.
        let (asked, bytes) = question(query, manner)?;
        let socket = UdpSocket::bind((local, 0)).await.map_err(|error| error.to_string())?;
        // Connected, so that the system drops what others send.
        socket.connect(server).await.map_err(|error| error.to_string())?;
        let exchange = async {
            socket.send(&bytes).await.map_err(|error| error.to_string())?;
            let mut buffer = vec![0; usize::from(u16::MAX)];
            loop {
                let length = socket.recv(&mut buffer).await.map_err(|error| error.to_string())?;
                match Message::from_vec(buffer.get(..length).unwrap_or_default()) {
                    Ok(answer) if belongs(&answer, &asked) => return Ok(answer),
                    // Noise; the answer may still come.
                    _ => {}
                }
            }
        };
        match timeout(UDP_LIMIT, exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => why = error,
            Err(_) => "no answer in time".clone_into(&mut why),
        }
    }
    Err(why)
}

async fn over_tcp(server: SocketAddr, query: &Query, manner: Manner) -> Result<Message, String> {
    let (asked, bytes) = question(query, manner)?;
    let length = u16::try_from(bytes.len()).map_err(|_| "the question is too long".to_owned())?;
    let io = |error: std::io::Error| format!("over TCP: {error}");
    let mut stream = TcpStream::connect(server).await.map_err(io)?;
    stream.write_all(&[length.to_be_bytes().as_slice(), &bytes].concat()).await.map_err(io)?;
    let length = stream.read_u16().await.map_err(io)?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(io)?;
    match Message::from_vec(&buffer) {
        Ok(answer) if belongs(&answer, &asked) && !answer.metadata.truncation => Ok(answer),
        Ok(_) => Err("the answer over TCP is to another question".to_owned()),
        Err(error) => Err(format!("the answer over TCP cannot be read: {error}")),
    }
}

/// The values in an answer, sorted.
pub(in crate::adapters) fn values(answer: &Message, query: &Query) -> Result<Vec<String>, String> {
    let meta = &answer.metadata;
    match meta.response_code {
        ResponseCode::NXDomain => return Ok(Vec::new()),
        ResponseCode::NoError => {}
        code => return Err(format!("the server says {code}")),
    }
    let is_delegation = |record: &Record| record.record_type() == rr::RecordType::NS;
    if answer.answers.is_empty() && !meta.authoritative && answer.authorities.iter().any(is_delegation) {
        return Err("the server refers to other servers: it does not hold this zone".to_owned());
    }
    let mut owner = query.name().clone();
    for _ in 0..MAX_ALIASES {
        let here = || answer.answers.iter().filter(|record| record.name == owner);
        let mut found: Vec<String> = here()
            .filter(|record| record.record_type() == query.query_type())
            .filter_map(|record| value(&record.data))
            .collect();
        if !found.is_empty() {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
        let alias = here().find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        });
        match alias {
            Some(target) => owner = target,
            None => break,
        }
    }
    Ok(Vec::new())
}

/// A value as the zone's configuration writes it: names in lower case without the final dot, a text's strings joined.
fn value(data: &RData) -> Option<String> {
    match data {
        RData::A(address) => Some(address.to_string()),
        RData::AAAA(address) => Some(address.to_string()),
        RData::CNAME(name) => Some(name.0.to_ascii().trim_end_matches('.').to_ascii_lowercase()),
        RData::TXT(text) => Some(text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect()),
        _ => None,
    }
}

/// The system's resolvers, in its order.
pub(in crate::adapters) fn system() -> Result<Vec<SocketAddr>, String> {
    let (config, _) = read_system_conf().map_err(|error| error.to_string())?;
    let servers = config.name_servers().iter().filter_map(|server| {
        let udp = server.connections.iter().find(|way| matches!(way.protocol, ProtocolConfig::Udp))?;
        Some(SocketAddr::new(server.ip, udp.port))
    });
    Ok(servers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::{Name, rdata};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn answer(code: ResponseCode, records: Vec<Record>) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.authoritative = true;
        message.add_answers(records);
        message
    }

    fn a(owner: &str, last: u8) -> Record {
        Record::from_rdata(name(owner), 60, RData::A(rdata::A::new(192, 0, 2, last)))
    }

    #[test]
    fn no_name_and_no_record_are_empty_and_failures_are_errors() {
        let query = Query::query(name("www.example.test."), rr::RecordType::A);
        assert_eq!(values(&answer(ResponseCode::NXDomain, vec![]), &query), Ok(vec![]));
        assert_eq!(values(&answer(ResponseCode::NoError, vec![]), &query), Ok(vec![]));
        assert!(values(&answer(ResponseCode::ServFail, vec![]), &query).is_err());
        assert!(values(&answer(ResponseCode::Refused, vec![]), &query).is_err());
    }

    #[test]
    fn a_referral_is_not_an_empty_answer() {
        let query = Query::query(name("www.example.test."), rr::RecordType::A);
        let mut referral = answer(ResponseCode::NoError, vec![]);
        referral.metadata.authoritative = false;
        let servers = RData::NS(rdata::NS(name("ns.example.")));
        referral.add_authority(Record::from_rdata(name("example.test."), 60, servers));
        assert!(values(&referral, &query).unwrap_err().contains("does not hold this zone"));
    }

    #[test]
    fn answers_are_sorted_and_aliases_followed_and_strangers_left_out() {
        let query = Query::query(name("www.example.test."), rr::RecordType::A);
        let alias =
            Record::from_rdata(name("WWW.example.test."), 60, RData::CNAME(rdata::CNAME(name("Lb.example.test."))));
        let records = vec![a("lb.example.test.", 9), a("lb.example.test.", 1), a("other.test.", 5), alias.clone()];
        assert_eq!(values(&answer(ResponseCode::NoError, records), &query).unwrap(), ["192.0.2.1", "192.0.2.9"]);
        let query = Query::query(name("www.example.test."), rr::RecordType::CNAME);
        assert_eq!(values(&answer(ResponseCode::NoError, vec![alias]), &query).unwrap(), ["lb.example.test"]);
    }

    #[test]
    fn an_answer_to_another_question_is_not_ours() {
        let query = Query::query(name("www.example.test."), rr::RecordType::A);
        let (asked, _) = question(&query, Manner::DIRECT).unwrap();
        assert!(!asked.metadata.recursion_desired);
        let mut theirs = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
        assert!(belongs(&theirs, &asked));
        theirs.add_query(Query::query(name("mail.example.test."), rr::RecordType::A));
        assert!(!belongs(&theirs, &asked) && !belongs(&asked, &asked));
    }
}
