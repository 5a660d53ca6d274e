//! One TCP connection to a name server, and what comes back over it: signed, complete, and to what was asked.

use std::net::SocketAddr;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::TSigVerifier;
use hickory_proto::rr::rdata::tsig::TsigError as Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tsig::Tsig;
use super::update::words;
use crate::domain::WallTime;

/// Why there is no answer to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server refuses the signature, or us: nothing was done. The text names the key and the way out.
    Key(String),
    /// Anything else: what was asked may have been done.
    Unknown(String),
}

/// A connection.
pub(super) struct Connection<'a> {
    stream: TcpStream,
    tsig: Option<&'a Tsig>,
    now: WallTime,
}

/// A message on its way.
struct Sent {
    id: u16,
    queries: Vec<Query>,
    verifier: Option<TSigVerifier>,
    bytes: Vec<u8>,
}

fn unknown(error: impl ToString) -> Trouble {
    Trouble::Unknown(error.to_string())
}

impl<'a> Connection<'a> {
    /// Connects. What is sent is signed with the key, if there is one, as of `now`.
    pub(super) async fn open(server: SocketAddr, tsig: Option<&'a Tsig>, now: WallTime) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(server).await.map_err(unknown)?;
        stream.set_nodelay(true).map_err(unknown)?;
        Ok(Self { stream, tsig, now })
    }

    /// Sends the messages at once and returns their answers, in the order of the messages, whatever order they came in.
    pub(super) async fn ask(&mut self, messages: Vec<Message>) -> Result<Vec<Message>, Trouble> {
        let mut waiting = Vec::with_capacity(messages.len());
        for message in messages {
            // Two of them with the same id could not be told apart.
            let message = fresh(message, &waiting);
            waiting.push(self.sign(message)?);
        }
        let mut bytes = Vec::new();
        for sent in &waiting {
            let length = u16::try_from(sent.bytes.len()).map_err(|_| unknown("the message is too long for DNS"))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&sent.bytes);
        }
        self.stream.write_all(&bytes).await.map_err(unknown)?;
        let mut answers: Vec<Option<Message>> = waiting.iter().map(|_| None).collect();
        while answers.iter().any(Option::is_none) {
            let bytes = self.receive().await?;
            let answer =
                Message::from_vec(&bytes).map_err(|error| unknown(format!("the answer cannot be read: {error}")))?;
            let place = waiting.iter_mut().zip(&mut answers).find(|(sent, _)| sent.id == answer.metadata.id);
            let Some((sent, place)) =
                place.filter(|(sent, place)| place.is_none() && belongs(&answer, &sent.queries))
            else {
                return Err(unknown("the answer is to another question"));
            };
            *place = Some(checked(answer, &bytes, sent.verifier.as_mut(), self.tsig)?);
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Sends one message and returns its answer.
    pub(super) async fn ask_one(&mut self, message: Message) -> Result<Message, Trouble> {
        self.ask(vec![message]).await?.pop().ok_or_else(|| unknown("no answer"))
    }

    fn sign(&self, mut message: Message) -> Result<Sent, Trouble> {
        let seconds = self.now.as_ms() / 1000;
        let verifier = match self.tsig {
            None => None,
            Some(tsig) => message.finalize(&tsig.signer, seconds).map_err(unknown)?,
        };
        let bytes = message.to_vec().map_err(unknown)?;
        Ok(Sent { id: message.metadata.id, queries: message.queries, verifier, bytes })
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Trouble> {
        let length = self.stream.read_u16().await.map_err(unknown)?;
        let mut bytes = vec![0; usize::from(length)];
        self.stream.read_exact(&mut bytes).await.map_err(unknown)?;
        Ok(bytes)
    }
}

fn fresh(mut message: Message, others: &[Sent]) -> Message {
    while others.iter().any(|other| other.id == message.metadata.id) {
        message.metadata.id = message.metadata.id.wrapping_add(1);
    }
    message
}

/// Whether the answer is to this question. A server that fails may leave the question out, and so may one that is updated
/// (RFC 2136 section 3.8).
fn belongs(answer: &Message, queries: &[Query]) -> bool {
    let same = |query: &Query| {
        queries.iter().any(|ours| ours.name() == query.name() && ours.query_type() == query.query_type())
    };
    answer.metadata.message_type == MessageType::Response && answer.queries.iter().all(same)
}

/// The answer, if it can be believed.
fn checked(
    answer: Message,
    bytes: &[u8],
    verifier: Option<&mut TSigVerifier>,
    tsig: Option<&Tsig>,
) -> Result<Message, Trouble> {
    let code = answer.metadata.response_code;
    if let (Some(verifier), Some(tsig)) = (verifier, tsig) {
        let key = &tsig.label;
        let Some(signature) = answer.signature.as_deref().map(|record| &record.data) else {
            let code_words = words(code);
            // A server that does not hold the zone has no rule by which to sign. To believe it gives a forger nothing that "bad key", which
            // cannot be signed either, does not give him already.
            if matches!(code, ResponseCode::NotAuth | ResponseCode::Refused) {
                return Err(Trouble::Key(format!(
                    "the server answers {code_words}, unsigned: it does not hold this zone, or does not serve us; correct `server` (the \
                     zone's primary) or `zone`"
                )));
            }
            return Err(unknown(format!(
                "the answer {code_words} is not signed with the key {key}, so it is not believed; the server must know TSIG and this key"
            )));
        };
        // These two cannot be signed (RFC 8945 section 5.2).
        match signature.error {
            Some(Code::BadKey) => {
                return Err(Trouble::Key(format!(
                    "the server does not know the key {key}, or not for this zone (BADKEY): add it there and to the zone's rules, \
                     or correct its name or algorithm here"
                )));
            }
            Some(Code::BadSig) => {
                return Err(Trouble::Key(format!(
                    "the server has another value for the key {key} (BADSIG): compare the secret here with the one there"
                )));
            }
            _ => {}
        }
        let verified = verifier.verify(bytes);
        match signature.error {
            Some(Code::BadTime) => {
                let theirs = signature.other.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
                let skew = match theirs.abs_diff(signature.time) {
                    _ if theirs == 0 => String::new(),
                    seconds => format!(" by {seconds} s"),
                };
                return Err(Trouble::Key(format!(
                    "this machine's clock and the server's differ{skew}, more than the key {key} may tolerate (BADTIME): set \
                     both by NTP"
                )));
            }
            Some(other) => {
                return Err(Trouble::Key(format!(
                    "the server refuses the signature of the key {key} (TSIG error {})",
                    u16::from(other)
                )));
            }
            None => {}
        }
        if let Err(error) = verified {
            return Err(unknown(format!(
                "the signature of the answer {} by the key {key} does not verify ({error}), so it is not believed",
                words(code)
            )));
        }
    }
    if answer.metadata.truncation {
        return Err(unknown("the answer is truncated, which none over TCP may be"));
    }
    // A code that stands only in a signature is not an answer.
    if matches!(code, ResponseCode::BADKEY | ResponseCode::BADSIG | ResponseCode::BADTIME) {
        return Err(Trouble::Key(format!("the server refuses the signature ({code})")));
    }
    Ok(answer)
}
