//! A connection that speaks in lines, read with caps: what SMTP, IMAP and a script's own exchange stand on.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::secure::Link;
use super::{Outcome, dial};
use crate::adapters::script::ending::Ending;
use crate::domain::FailureKind;

/// How much is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// The reader and writer of one connection.
pub(super) struct Lines {
    link: Link,
    buffer: Vec<u8>,
    said: String,
    /// The most that is kept unread.
    max: usize,
}

impl Lines {
    /// Over this connection, which messages call `said`.
    pub(super) fn new(link: Link, said: String, max: usize) -> Self {
        Self { link, buffer: Vec::new(), said, max }
    }

    /// Sends it all.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        let sent = async {
            self.link.write_all(bytes).await?;
            self.link.flush().await
        };
        sent.await.map_err(|error| dial::prefixed(&self.said, dial::broken(&error)))
    }

    /// What came and was not taken.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes the first bytes of what came.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    /// Waits for more, and gives how much came; nothing means that the server has hung up.
    pub(super) async fn more(&mut self) -> Outcome<usize> {
        let room = self.max.saturating_sub(self.buffer.len()).min(CHUNK_BYTES);
        let mut chunk = vec![0; room.max(1)];
        let count = match self.link.read(&mut chunk).await {
            Ok(count) => count,
            // A peer that hangs up without TLS's goodbye has hung up all the same; what is whole is told by its own end.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(dial::prefixed(&self.said, dial::broken(&error))),
        };
        self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        Ok(count)
    }

    /// One line without its end.
    pub(super) async fn line(&mut self) -> Outcome<Vec<u8>> {
        let mut searched = 0;
        loop {
            let fresh = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let mut line = self.take(searched + at + 1);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.buffer.len();
            self.room()?;
            self.or_hung_up("in the middle of a line").await?;
        }
    }

    /// Exactly so many bytes.
    pub(super) async fn exactly(&mut self, count: usize) -> Outcome<Vec<u8>> {
        while self.buffer.len() < count {
            self.room()?;
            self.or_hung_up("in the middle of an answer").await?;
        }
        Ok(self.take(count))
    }

    /// The connection itself, for TLS. What a server said before the handshake is nobody's word and must not be taken for
    /// something said after it.
    pub(super) fn into_link(self) -> Outcome<Link> {
        if self.buffer.is_empty() {
            return Ok(self.link);
        }
        let reason = format!("{}: the server said more before the TLS handshake than it was asked for", self.said);
        Err(Ending::Fail(FailureKind::Tls, reason))
    }

    fn room(&self) -> Outcome<()> {
        if self.buffer.len() < self.max {
            return Ok(());
        }
        let reason = format!("{}: the answer is larger than {} KiB", self.said, self.max / 1024);
        Err(Ending::Fail(FailureKind::Assertion, reason))
    }

    async fn or_hung_up(&mut self, when: &str) -> Outcome<()> {
        if self.more().await? > 0 {
            return Ok(());
        }
        let when = if self.buffer.is_empty() { "without an answer" } else { when };
        Err(Ending::Fail(FailureKind::Network, format!("{}: the server hung up {when}", self.said)))
    }
}
