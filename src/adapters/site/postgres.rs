//! PostgreSQL: a standby that is to stay in recovery, or a server that takes writes and is told not to.
//!
//! | | a physical standby (in recovery) | a server that takes writes |
//! |---|---|---|
//! | enter | nothing to do: recovery refuses every write, and no session can change that | `ALTER SYSTEM SET default_transaction_read_only = on`, reload, and every session from before is ended |
//! | verify | `pg_is_in_recovery()` | `transaction_read_only` in a *new* session; no role or database overrides it; no session from before is left |
//! | leave | `pg_promote()`, only where the configuration says `promote = true` | the setting is taken back |
//! | a write | in a transaction that is rolled back; refused is SQLSTATE 25006 and nothing else | |
//! | position | the timeline and the place that is replayed | the timeline and the place that is written |
//!
//! `default_transaction_read_only` is a default: a session can switch it off for itself, so this keeps honest applications from writing, and
//! nobody else. Recovery is the hard way. A role or database with a setting of its own would go around it unnoticed, and is refused.
//!
//! What it refuses to do: promote unasked; end replication's own sessions.

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::tls::Rustls;
use super::{Act, Control, Database, LIMIT, Tls, causes, within};
use crate::domain::{PortError, Position, ServiceName};
use crate::ports::WriteProbe;

/// Between two looks at what takes effect a moment later: a reload, the end of a session.
const LOOK: Duration = Duration::from_millis(50);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(200);
/// The bounds on the server's own side, so that what we no longer wait for does not go on there: just under [`LIMIT`].
const BOUNDS: &str = "SET statement_timeout = '4500ms'; SET lock_timeout = '3s'";
/// How long the server waits for its promotion, in seconds: within [`LIMIT`].
const PROMOTION_S: u32 = 4;

/// Every session but this one that began before the setting was last read: it may have a transaction open that still writes. Walsenders and
/// the server's own processes are no client backends.
const OLDER: &str = "FROM pg_stat_activity LEFT JOIN pg_roles ON pg_roles.oid = usesysid WHERE backend_type = 'client backend' \
     AND pid <> pg_backend_pid() AND backend_start < pg_conf_load_time()";
/// Of these, those that we may end: superusers' only a superuser can. A managed server always has some of its provider's.
const ENDABLE: &str =
    "(NOT coalesce(rolsuper, false) OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))";
/// And those that still matter: a session that is idle, or whose transaction has begun since, has the new default.
const MATTERS: &str = "xact_start < pg_conf_load_time()";
/// How many looks an end may take.
const LOOKS: u32 = 40;

/// A position in two columns: the timeline, and the place as text. On a standby the timeline is the highest that is known of: that of the
/// stream, which is gone when the primary is, or those in the control file, which follow at the next restart point.
const POSITION: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN GREATEST( \
       (SELECT received_tli FROM pg_stat_wal_receiver), \
       (SELECT timeline_id FROM pg_control_checkpoint()), \
       (SELECT min_recovery_end_timeline FROM pg_control_recovery()))::int8 \
     ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 END AS timeline, \
     (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn";

/// Roles and databases with a word of their own on what is read-only: those that write all the same, and those that would make this very
/// session believe that the server does not.
const OVERRIDES: &str = "SELECT string_agg(coalesce('role ' || setrole::regrole::text, '') || \
       coalesce(' database ' || (SELECT datname FROM pg_database WHERE oid = setdatabase), ''), ', ') \
     FROM (SELECT nullif(setrole, 0) AS setrole, nullif(setdatabase, 0) AS setdatabase, unnest(setconfig) AS setting \
       FROM pg_db_role_setting) AS own WHERE setting ILIKE 'default_transaction_read_only=%' \
       AND (setting !~* '=(on|true|yes|1)$' OR setrole IS NULL OR setrole = current_user::regrole)";

/// One server.
pub struct Postgres {
    database: Database,
    tls: Option<Rustls>,
}

impl Postgres {
    /// Control of that server.
    ///
    /// # Errors
    /// TLS cannot be set up, or the file of authorities is no PEM.
    pub fn new(database: Database) -> Result<Self, PortError> {
        let tls = match &database.tls {
            Tls::Off => None,
            Tls::On { ca } => Some(Rustls::new(ca.as_deref()).map_err(|error| PortError {
                what: format!("{}: {}", database.who("PostgreSQL"), error.what),
                ..error
            })?),
        };
        Ok(Self { database, tls })
    }

    fn who(&self) -> String {
        self.database.who("PostgreSQL")
    }

    /// Runs the work in a session of its own.
    async fn session<T: Send>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let Database { host, port, user, password, database, .. } = &self.database;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(*port).user(user).dbname(database).application_name("quorate").connect_timeout(LIMIT);
        if let Some(password) = password {
            config.password(password.expose());
        }
        match &self.tls {
            None => {
                let connected = config.ssl_mode(SslMode::Disable).connect(NoTls).await;
                let (client, connection) = connected.map_err(|error| self.trouble(&error))?;
                self.spoken(client, connection, work).await
            }
            Some(tls) => {
                let connected = config.ssl_mode(SslMode::Require).connect(tls.clone()).await;
                let (client, connection) = connected.map_err(|error| self.trouble(&error))?;
                self.spoken(client, connection, work).await
            }
        }
    }

    /// The work, while the connection is kept going beside it.
    async fn spoken<T>(
        &self,
        client: Client,
        connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
        work: impl AsyncFnOnce(&Client) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut connection = pin!(connection);
        let worked = {
            let bounded = async {
                client.batch_execute(BOUNDS).await.map_err(|error| self.trouble(&error))?;
                work(&client).await
            };
            match select(pin!(bounded), &mut connection).await {
                Either::Left((worked, _)) => worked,
                Either::Right((Err(error), _)) => return Err(self.trouble(&error)),
                Either::Right((Ok(()), bounded)) => return bounded.await,
            }
        };
        // The connection says goodbye when its client is gone; a server that is not told logs an unexpected end.
        drop(client);
        let _ = timeout(GOODBYE, connection).await;
        worked
    }

    /// The first column of the only row.
    async fn value(&self, client: &Client, query: &str) -> Result<Option<String>, PortError> {
        Ok(self.row(client, query).await?.into_iter().next().flatten())
    }

    /// The columns of the only row. Texts in place of typed values: the simple protocol takes one round trip, and works through poolers.
    async fn row(&self, client: &Client, query: &str) -> Result<Vec<Option<String>>, PortError> {
        let messages = client.simple_query(query).await.map_err(|error| self.trouble(&error))?;
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or_else(|| PortError::broken(format!("{}: no row came back: {query}", self.who())))?;
        Ok((0..row.len()).map(|column| row.try_get(column).ok().flatten().map(str::to_owned)).collect())
    }

    async fn in_recovery(&self, client: &Client) -> Result<bool, PortError> {
        Ok(self.value(client, "SELECT pg_is_in_recovery()").await?.as_deref() == Some("t"))
    }

    /// Whether a session that begins now could write.
    async fn takes_writes(&self) -> Result<bool, PortError> {
        self.session(async |client| {
            Ok(self.value(client, "SHOW transaction_read_only").await?.as_deref() == Some("off"))
        })
        .await
    }

    async fn execute(&self, client: &Client, statement: &str) -> Result<(), PortError> {
        client.batch_execute(statement).await.map_err(|error| self.trouble(&error))
    }

    async fn make_read_only(&self) -> Result<(), PortError> {
        let recovers = self
            .session(async |client| {
                if self.in_recovery(client).await? {
                    return Ok(true);
                }
                let read_only = self.value(client, "SHOW default_transaction_read_only").await?;
                if read_only.as_deref() != Some("on") {
                    self.execute(client, "ALTER SYSTEM SET default_transaction_read_only = on").await?;
                    self.value(client, "SELECT pg_reload_conf()").await?;
                }
                Ok(false)
            })
            .await?;
        if recovers {
            return Ok(());
        }
        while self.takes_writes().await? {
            sleep(LOOK).await;
        }
        self.session(async |client| {
            if let Some(own) = self.value(client, OVERRIDES).await? {
                let who = self.who();
                return Err(PortError::broken(format!(
                    "{who}: default_transaction_read_only is on, and {} has a setting of its own that goes before it: ALTER ROLE (or \
                     DATABASE) … RESET default_transaction_read_only, in a session that first switches it off for itself",
                    own.trim()
                )));
            }
            let mut left = None;
            for _ in 0..LOOKS {
                self.row(client, &format!("SELECT count(pg_terminate_backend(pid)) {OLDER} AND {ENDABLE}")).await?;
                let matter = "SELECT count(*), string_agg(DISTINCT usename, ', ')";
                let row = self.row(client, &format!("{matter} {OLDER} AND ({ENDABLE} OR {MATTERS})")).await?;
                if row.first().is_some_and(|count| count.as_deref() == Some("0")) {
                    return Ok(());
                }
                left = row.into_iter().nth(1).flatten();
                sleep(LOOK).await;
            }
            Err(PortError::retry(format!(
                "{}: sessions from before are still open, and may write: {} (a superuser's only a superuser can end)",
                self.who(),
                left.unwrap_or_default()
            )))
        })
        .await
    }

    async fn make_writable(&self) -> Result<(), PortError> {
        self.session(async |client| {
            if self.in_recovery(client).await? {
                if !self.database.promote {
                    return Err(PortError::broken(format!(
                        "{}: it is a standby in recovery, and takes writes only when it is promoted, which cannot be undone: promote it by \
                         hand, or write promote = true for this control",
                        self.who()
                    )));
                }
                let promoted = format!("SELECT pg_promote(true, {PROMOTION_S})");
                if self.value(client, &promoted).await?.as_deref() != Some("t") {
                    return Err(PortError::retry(format!(
                        "{}: the promotion has begun, and was not over within {PROMOTION_S} s",
                        self.who()
                    )));
                }
            }
            let read_only = self.value(client, "SHOW default_transaction_read_only").await?;
            if read_only.as_deref() == Some("on") {
                self.execute(client, "ALTER SYSTEM RESET default_transaction_read_only").await?;
                self.value(client, "SELECT pg_reload_conf()").await?;
            }
            Ok(())
        })
        .await?;
        let mut looks = 0;
        while !self.takes_writes().await? {
            looks += 1;
            // A reload takes milliseconds.
            if looks > 20 {
                return Err(self.still_read_only().await?);
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Why a server whose setting was taken back is read-only all the same.
    async fn still_read_only(&self) -> Result<PortError, PortError> {
        let place = "SELECT source || coalesce(' ' || sourcefile || ':' || sourceline, '') FROM pg_settings \
                     WHERE name = 'default_transaction_read_only'";
        let place = self.session(async |client| self.value(client, place).await).await?.unwrap_or_default();
        Ok(PortError::broken(format!(
            "{}: new sessions are still read-only, and it was not we who said so: default_transaction_read_only comes from its {place}",
            self.who()
        )))
    }

    async fn try_write(&self) -> Result<WriteProbe, PortError> {
        // Without a table of its own, a temporary one: PostgreSQL allows writing into one that is there in a read-only transaction, but
        // creating one writes its catalogue, is refused by the same test as users' writes, and needs only what everybody may do by default.
        let write = match &self.database.probe_table {
            Some(table) => format!("INSERT INTO {} DEFAULT VALUES", quoted(table)),
            None => "CREATE TEMPORARY TABLE quorate_write_probe (at timestamptz) ON COMMIT DROP".to_owned(),
        };
        self.session(async |client| {
            self.execute(client, "BEGIN").await?;
            let tried = client.batch_execute(&write).await;
            // The session ends here in any case, and with it the transaction.
            let _ = client.batch_execute("ROLLBACK").await;
            match tried {
                Ok(()) => Ok(WriteProbe::Accepted { how: format!("PostgreSQL took '{write}' (rolled back)") }),
                Err(error) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                    let said = error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default();
                    Ok(WriteProbe::Refused { how: format!("PostgreSQL: SQLSTATE 25006, {said}") })
                }
                Err(error) => Err(self.trouble(&error)),
            }
        })
        .await
    }

    async fn read_position(&self) -> Result<Position, PortError> {
        let row = self.session(async |client| self.row(client, POSITION).await).await?;
        let unknown = || PortError::broken(format!("{}: its position cannot be read: {row:?}", self.who()));
        let mut columns = row.iter().flatten();
        let timeline = columns.next().and_then(|text| text.parse().ok()).ok_or_else(unknown)?;
        let lsn = columns.next().and_then(|text| lsn(text)).ok_or_else(unknown)?;
        Ok(Position::Lsn { timeline, lsn })
    }

    /// An error of the client library, with its class and the way out.
    fn trouble(&self, error: &tokio_postgres::Error) -> PortError {
        let who = self.who();
        let Some(said) = error.as_db_error() else {
            let text = self.database.quote(&causes(error));
            if text.contains("does not support TLS") {
                return PortError::broken(format!(
                    "{who}: it does not offer TLS: switch ssl on there, or write tls = \"off\" where the network is trusted"
                ));
            }
            if text.contains("certificate") {
                return PortError::broken(format!(
                    "{who}: its certificate was not accepted: name its authority's file as 'ca', and connect by the name that it is for: {text}"
                ));
            }
            if text.contains("password missing") {
                return PortError::broken(format!("{who}: it asks for a password: name the secret as 'password'"));
            }
            return PortError::retry(format!("{who}: no connection: {text}"));
        };
        let (code, text) = (said.code().code(), self.database.quote(said.message()));
        let way_out = match code {
            "28P01" => "check the secret of 'password'",
            "28000" => "let this host and user in (pg_hba.conf)",
            "3D000" => "correct 'database'",
            "42P01" => "create the table, or correct 'probe_table'",
            "42501" => "grant the user what docs/standby.md lists",
            _ => "",
        };
        let what = format!("{who}: {text} (SQLSTATE {code})");
        if way_out.is_empty() { PortError::retry(what) } else { PortError::broken(format!("{what}: {way_out}")) }
    }
}

#[async_trait]
impl Control for Postgres {
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

/// `schema.name` with each part in quotes.
fn quoted(table: &str) -> String {
    let part = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    table.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A place in the write-ahead log, from its text: two hexadecimal numbers of 32 bits.
fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |text: &str| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(part(high)? << 32 | part(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_postgresql_writes_it() {
        assert_eq!(lsn("0/16B3748"), Some(0x016B_3748));
        assert_eq!(lsn("2A/FFFFFFFF"), Some(0x2A_FFFF_FFFF));
        for bad in ["", "0", "0/", "/0", "0/100000000", "g/0"] {
            assert_eq!(lsn(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_table_is_quoted_part_by_part() {
        assert_eq!(quoted("ops.probe"), "\"ops\".\"probe\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
