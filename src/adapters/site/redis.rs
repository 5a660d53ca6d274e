//! Redis and Valkey: a replica that is to stay one, or a primary that is told that it has too few replicas.
//!
//! | | a replica | a primary |
//! |---|---|---|
//! | enter | `replica-read-only yes` | `min-replicas-to-write` is raised by a million: no primary has so many, and every write is refused |
//! | verify | `ROLE`, and the setting, in a new connection | the settings, in a new connection |
//! | leave | `REPLICAOF NO ONE`, only where the configuration says `promote = true` | the million is taken off again: what it was before is still there |
//! | a write | `DEL` of a key that is not there, which changes nothing: `READONLY`, `NOREPLICAS`, or it was taken | |
//! | position | `master_replid`, and the offset that is applied | the same, and the offset that is written |
//!
//! The settings are not written to the server's file: a server that restarts forgets the fence, as its continuous probes will say.

use std::pin::pin;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError, Value};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::client_config;
use super::{Act, Control, Database, LIMIT, Tls, causes, within};
use crate::domain::{PortError, Position, ServiceName};
use crate::ports::WriteProbe;

/// What is added to `min-replicas-to-write`. Nobody runs as many replicas, and the number before can be read off it.
const FENCE: u64 = 1_000_000;
/// The key that is deleted and never there.
const PROBE_KEY: &str = "quorate:write-probe";

/// One server.
pub struct Redis {
    database: Database,
    tls: Option<TlsConnector>,
}

/// What a server is at the moment.
enum Is {
    Replica,
    Primary,
}

impl Redis {
    /// Control of that server.
    ///
    /// # Errors
    /// TLS cannot be set up, or the file of authorities is no PEM.
    pub fn new(database: Database) -> Result<Self, PortError> {
        let tls = match &database.tls {
            Tls::Off => None,
            Tls::On { ca } => {
                let config = client_config(ca.as_deref()).map_err(|error| PortError {
                    what: format!("{}: {}", database.who("Redis"), error.what),
                    ..error
                })?;
                Some(TlsConnector::from(std::sync::Arc::new(config)))
            }
        };
        Ok(Self { database, tls })
    }

    fn who(&self) -> String {
        self.database.who("Redis")
    }

    /// Runs the work over a connection of its own.
    async fn session<T: Send>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let Database { host, port, .. } = &self.database;
        let retry = |error: std::io::Error| {
            let text = self.database.quote(&causes(&error));
            if text.contains("certificate") {
                return PortError::broken(format!(
                    "{}: its certificate was not accepted: name its authority's file as 'ca', and connect by the name that it is for: {text}",
                    self.who()
                ));
            }
            PortError::retry(format!("{}: no connection: {text}", self.who()))
        };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(retry)?;
        match &self.tls {
            None => self.spoken(stream, work).await,
            Some(tls) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| PortError::broken(format!("{}: '{host}' is no name for TLS", self.who())))?;
                self.spoken(tls.connect(name, stream).await.map_err(retry)?, work).await
            }
        }
    }

    async fn spoken<T: Send>(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = &self.database.password {
            info = info.set_username(&self.database.user).set_password(password.expose());
        }
        // Nobody waits longer than the caller does.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(LIMIT));
        let connected = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (mut connection, driver) = connected.map_err(|error| self.trouble(&error))?;
        let work = pin!(work(&mut connection));
        match select(work, pin!(driver)).await {
            Either::Left((worked, _)) => worked,
            // The driver has ended: what the work still waits for fails at once.
            Either::Right(((), work)) => work.await,
        }
    }

    async fn ask(&self, connection: &mut MultiplexedConnection, words: &[&str]) -> Result<Value, PortError> {
        let mut command = Cmd::new();
        command.arg(words);
        // A server's "no" comes as a value of its own.
        let answer = connection.send_packed_command(&command).await.and_then(Value::extract_error);
        answer.map_err(|error| self.trouble(&error))
    }

    async fn is(&self, connection: &mut MultiplexedConnection) -> Result<Is, PortError> {
        let answer = self.ask(connection, &["ROLE"]).await?;
        let role = match &answer {
            Value::Array(parts) => parts.first().and_then(text),
            _ => None,
        };
        match role.as_deref() {
            Some("master") => Ok(Is::Primary),
            Some("slave") => Ok(Is::Replica),
            _ => Err(PortError::broken(format!("{}: its role is none that is known: {answer:?}", self.who()))),
        }
    }

    async fn setting(&self, connection: &mut MultiplexedConnection, name: &str) -> Result<String, PortError> {
        let answer = self.ask(connection, &["CONFIG", "GET", name]).await?;
        let value = match &answer {
            Value::Array(pair) => pair.get(1).and_then(text),
            Value::Map(pairs) => pairs.first().and_then(|(_, value)| text(value)),
            _ => None,
        };
        value.ok_or_else(|| PortError::broken(format!("{}: it has no setting '{name}'", self.who())))
    }

    async fn set(&self, connection: &mut MultiplexedConnection, name: &str, value: &str) -> Result<(), PortError> {
        self.ask(connection, &["CONFIG", "SET", name, value]).await.map(drop)
    }

    /// How many replicas the server wants before it writes.
    async fn wanted(&self, connection: &mut MultiplexedConnection) -> Result<u64, PortError> {
        let text = self.setting(connection, "min-replicas-to-write").await?;
        text.parse()
            .map_err(|_| PortError::broken(format!("{}: min-replicas-to-write is no number: '{text}'", self.who())))
    }

    async fn make_read_only(&self) -> Result<(), PortError> {
        self.session(async |connection| match self.is(connection).await? {
            Is::Replica => self.set(connection, "replica-read-only", "yes").await,
            Is::Primary => {
                if self.setting(connection, "min-replicas-max-lag").await? == "0" {
                    return Err(PortError::broken(format!(
                        "{}: min-replicas-max-lag is 0, which switches min-replicas-to-write off: set it to 10, its default",
                        self.who()
                    )));
                }
                let wanted = self.wanted(connection).await?;
                if wanted >= FENCE {
                    return Ok(());
                }
                self.set(connection, "min-replicas-to-write", &(wanted + FENCE).to_string()).await
            }
        })
        .await?;
        let refuses = self.session(async |connection| match self.is(connection).await? {
            Is::Replica => Ok(self.setting(connection, "replica-read-only").await? == "yes"),
            Is::Primary => Ok(self.wanted(connection).await? >= FENCE),
        });
        if refuses.await? {
            return Ok(());
        }
        Err(PortError::refused(format!(
            "{}: it was told to refuse writes, and its settings say otherwise",
            self.who()
        )))
    }

    async fn make_writable(&self) -> Result<(), PortError> {
        self.session(async |connection| {
            if matches!(self.is(connection).await?, Is::Replica) {
                if !self.database.promote {
                    return Err(PortError::broken(format!(
                        "{}: it is a replica, and takes writes only when it is one no more: promote it by hand, or write promote = true \
                         for this control",
                        self.who()
                    )));
                }
                self.ask(connection, &["REPLICAOF", "NO", "ONE"]).await?;
            }
            match self.wanted(connection).await?.checked_sub(FENCE) {
                Some(before) => self.set(connection, "min-replicas-to-write", &before.to_string()).await,
                None => Ok(()),
            }
        })
        .await?;
        match self.try_write().await? {
            WriteProbe::Accepted { .. } => Ok(()),
            WriteProbe::Refused { how } => {
                Err(PortError::retry(format!("{}: it was told to take writes, and does not yet: {how}", self.who())))
            }
        }
    }

    async fn try_write(&self) -> Result<WriteProbe, PortError> {
        self.session(async |connection| {
            let mut command = Cmd::new();
            command.arg(["DEL", PROBE_KEY].as_slice());
            match connection.send_packed_command(&command).await.and_then(Value::extract_error) {
                Ok(_) => Ok(WriteProbe::Accepted { how: format!("Redis took 'DEL {PROBE_KEY}'") }),
                Err(error) => match error.code() {
                    Some(code @ ("READONLY" | "NOREPLICAS")) => Ok(WriteProbe::Refused {
                        how: format!("Redis: {code}, {}", error.detail().unwrap_or_default()),
                    }),
                    _ => Err(self.trouble(&error)),
                },
            }
        })
        .await
    }

    async fn read_position(&self) -> Result<Position, PortError> {
        let answer = self.session(async |connection| self.ask(connection, &["INFO", "replication"]).await).await?;
        let info = text(&answer).unwrap_or_default();
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.split_once(':').filter(|(key, _)| *key == name))
                .map(|(_, value)| value.trim())
        };
        // A replica's own word for what it has applied; `master_repl_offset` is what it passes on to others.
        let offset = field("slave_repl_offset").or_else(|| field("master_repl_offset"));
        let position = field("master_replid").zip(offset.and_then(|offset| offset.parse().ok()));
        let (history, offset) = position.ok_or_else(|| {
            PortError::broken(format!("{}: INFO says no position: '{}'", self.who(), self.database.quote(&info)))
        })?;
        Ok(Position::Offset { history: history.to_owned(), offset })
    }

    fn trouble(&self, error: &RedisError) -> PortError {
        let who = self.who();
        let text = self.database.quote(&causes(error));
        match error.code() {
            Some("NOAUTH") => {
                PortError::broken(format!("{who}: it asks for a password: name the secret as 'password': {text}"))
            }
            Some("WRONGPASS") => {
                PortError::broken(format!("{who}: check 'user' and the secret of 'password': {text}"))
            }
            Some("NOPERM") => PortError::broken(format!("{who}: grant the user what docs/standby.md lists: {text}")),
            _ if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                PortError::broken(format!("{who}: check 'user' and the secret of 'password': {text}"))
            }
            Some("ERR") => PortError::broken(format!("{who}: {text}")),
            _ => PortError::retry(format!("{who}: {text}")),
        }
    }
}

#[async_trait]
impl Control for Redis {
    async fn enter(&self, _act: Act<'_>) -> Result<(), PortError> {
        within(&self.who(), LIMIT, self.make_read_only()).await
    }

    async fn leave(&self, _act: Act<'_>) -> Result<(), PortError> {
        within(&self.who(), LIMIT, self.make_writable()).await
    }

    async fn probe(&self, _act: Act<'_>) -> Result<Option<WriteProbe>, PortError> {
        within(&self.who(), LIMIT, self.try_write()).await.map(Some)
    }

    async fn position(&self, _service: &ServiceName) -> Result<Option<Position>, PortError> {
        within(&self.who(), LIMIT, self.read_position()).await.map(Some)
    }
}

/// A text of an answer.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}
