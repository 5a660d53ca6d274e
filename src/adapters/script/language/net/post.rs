//! What IMAP and SMTP have in common: where the server is, how the connection is encrypted, and when a password may be sent.

use std::sync::Arc;

use rustls::{ClientConfig, ProtocolVersion};
use tokio::net::TcpStream;

use super::lines::Lines;
use super::options::Options;
use super::secure::{self, Link};
use super::{Outcome, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::tls::Offer;

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// From its first byte.
    Implicit,
    /// After the server was asked to.
    Upgrade,
    /// Not at all.
    Plain,
}

/// A mail server as a script describes it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) tls: Tls,
    /// What messages call it.
    pub(super) said: String,
    port: u16,
    insecure: bool,
    ca: Option<String>,
}

/// A connection to it that has said nothing yet.
pub(super) struct Opened {
    stream: TcpStream,
    config: Option<Arc<ClientConfig>>,
    /// Whether a password may be sent on it before it is encrypted.
    trusted: bool,
}

impl Server {
    /// Reads what every mail server is described by; `ports` are the protocol's own for [`Tls::Implicit`] and the rest.
    pub(super) fn read(
        protocol: &str,
        host: String,
        port: Option<u16>,
        options: &mut Options,
        ports: (u16, u16),
    ) -> Outcome<Self> {
        let by_port = match port {
            Some(port) if port != ports.0 => Tls::Upgrade,
            _ => Tls::Implicit,
        };
        let tls = match options.text("tls")?.as_deref() {
            None => by_port,
            Some("implicit") => Tls::Implicit,
            Some("starttls") => Tls::Upgrade,
            Some("none") => Tls::Plain,
            Some(other) => {
                let reason = format!("the option 'tls' is '{other}', and there are implicit, starttls and none");
                return Err(Ending::Inconclusive(reason));
            }
        };
        let port = port.unwrap_or(if tls == Tls::Implicit { ports.0 } else { ports.1 });
        let said = format!("{protocol} at {}", dial::shown(&host, port));
        Ok(Self { host, port, tls, insecure: options.flag("insecure")?, ca: options.text("ca")?, said })
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        dial::shown(&self.host, self.port)
    }

    /// Connects.
    pub(super) fn open(&self, flow: &Flow) -> Outcome<Opened> {
        let config = match self.tls {
            Tls::Plain => None,
            _ => Some(secure::config(flow, self.ca.clone(), Offer::Nothing)?),
        };
        let stream = dial::dial(flow, &self.host, self.port)?;
        let loopback = stream.peer_addr().is_ok_and(|address| address.ip().is_loopback());
        Ok(Opened { stream, config, trusted: self.insecure || loopback })
    }

    /// The first words may be exchanged, encrypted where that is so from the beginning.
    pub(super) async fn begin(&self, flow: &Flow, opened: Opened, max: usize) -> Outcome<Talk> {
        let Opened { stream, config, trusted } = opened;
        let mut talk = Talk { lines: None, config, protocol: None, trusted };
        match self.tls {
            Tls::Implicit => self.encrypt(flow, &mut talk, Box::new(stream), max).await?,
            _ => talk.lines = Some(Lines::new(Box::new(stream), self.said.clone(), max)),
        }
        flow.progress().set(format!("no greeting from {}", self.said));
        Ok(talk)
    }

    /// Goes on encrypted, after the server has agreed to it.
    pub(super) async fn start_tls(&self, flow: &Flow, talk: &mut Talk, max: usize) -> Outcome<()> {
        let Some(lines) = talk.lines.take() else { return Err(self.gone()) };
        self.encrypt(flow, talk, lines.into_link()?, max).await
    }

    /// A password is sent encrypted, to this very machine, or where the script says so.
    pub(super) fn may_log_in(&self, talk: &Talk) -> Outcome<()> {
        if talk.protocol.is_some() || talk.trusted {
            return Ok(());
        }
        let reason = format!(
            "{}: a password is not sent over an unencrypted connection; set tls to \"starttls\" or \"implicit\", or insecure to true",
            self.said
        );
        Err(Ending::Inconclusive(reason))
    }

    async fn encrypt(&self, flow: &Flow, talk: &mut Talk, link: Link, max: usize) -> Outcome<()> {
        let config = talk.config.take().ok_or_else(|| self.gone())?;
        let stream = secure::upgrade(flow, link, &self.host, config, &self.said).await?;
        talk.protocol = Some(match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        });
        talk.lines = Some(Lines::new(Box::new(stream), self.said.clone(), max));
        Ok(())
    }

    fn gone(&self) -> Ending {
        Ending::Inconclusive(format!("{}: the connection is encrypted already, or was given up", self.said))
    }
}

/// A connection under way.
pub(super) struct Talk {
    lines: Option<Lines>,
    config: Option<Arc<ClientConfig>>,
    /// The version of TLS, once there is one.
    pub(super) protocol: Option<&'static str>,
    trusted: bool,
}

impl Talk {
    /// Its lines.
    pub(super) fn lines(&mut self) -> Outcome<&mut Lines> {
        self.lines.as_mut().ok_or_else(|| Ending::Inconclusive("the connection was given up".to_owned()))
    }
}
