//! MySQL and MariaDB: `super_read_only`, or MariaDB's `read_only`.
//!
//! | | MySQL | MariaDB |
//! |---|---|---|
//! | enter | `SET GLOBAL super_read_only = ON`, which binds administrators too | `SET GLOBAL read_only = ON`, which binds nobody with READ ONLY ADMIN (before 10.11 SUPER) |
//! | verify | both settings in a new session | the setting in a new session |
//! | leave | both off; a replica only with `promote = true`: it applies all that it has received, and forgets its source | the same |
//! | a write | into `probe_table`, rolled back; refused is error 1290 or 1836 and nothing else | the same, as `probe_user`: the administrator's own would be taken |
//! | position | `gtid_executed` | `gtid_current_pos` |
//!
//! A replica's own applier goes on writing in all of these; that is replication. A transaction that is open when the setting comes finds out
//! when it commits.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row, SslOpts};
use tokio::time::{sleep, timeout};

use super::{Act, Control, Database, LIMIT, Tls, causes, within};
use crate::domain::{PortError, Position, Secret, ServiceName};
use crate::ports::WriteProbe;

/// Between two looks at a replica that applies what it has received.
const LOOK: Duration = Duration::from_millis(50);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(200);
/// Settings wait for locks; not longer than we do.
const BOUNDS: &str = "SET SESSION lock_wait_timeout = 3";
/// Refusals of a write by a server that is read-only: the option, and the mode.
const REFUSALS: [u16; 2] = [1290, 1836];

/// One server.
#[derive(Debug)]
pub struct Mysql {
    database: Database,
    probe_user: Option<(String, Option<Secret>)>,
}

impl Mysql {
    /// Control of that server. A write is tried by `probe_user`, or else by the user of `database`.
    pub fn new(database: Database, probe_user: Option<(String, Option<Secret>)>) -> Self {
        Self { database, probe_user }
    }

    fn who(&self) -> String {
        self.database.who("MySQL")
    }

    fn opts(&self, user: &str, password: Option<&Secret>) -> Opts {
        let Database { host, port, database, tls, .. } = &self.database;
        let ssl = match tls {
            Tls::Off => None,
            Tls::On { ca: None } => Some(SslOpts::default()),
            Tls::On { ca: Some(pem) } => {
                Some(SslOpts::default().with_root_certs(vec![pem.clone().into()]).with_disable_built_in_roots(true))
            }
        };
        OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(*port)
            .user(Some(user))
            .pass(password.map(Secret::expose))
            .db_name(Some(database).filter(|name| !name.is_empty()))
            .prefer_socket(false)
            .ssl_opts(ssl)
            .into()
    }

    /// Runs the work in a session of its own, of the user or of another one.
    async fn session_of<T: Send>(
        &self,
        opts: Opts,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut conn = Conn::new(opts).await.map_err(|error| self.trouble(&error))?;
        conn.query_drop(BOUNDS).await.map_err(|error| self.trouble(&error))?;
        let worked = work(&mut conn).await;
        let _ = timeout(GOODBYE, conn.disconnect()).await;
        worked
    }

    async fn session<T: Send>(
        &self,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let Database { user, password, .. } = &self.database;
        self.session_of(self.opts(user, password.as_ref()), work).await
    }

    async fn value(&self, conn: &mut Conn, query: &str) -> Result<String, PortError> {
        let value: Option<Option<String>> = conn.query_first(query).await.map_err(|error| self.trouble(&error))?;
        Ok(value.flatten().unwrap_or_default())
    }

    async fn execute(&self, conn: &mut Conn, statement: &str) -> Result<(), PortError> {
        conn.query_drop(statement).await.map_err(|error| self.trouble(&error))
    }

    async fn is_mariadb(&self, conn: &mut Conn) -> Result<bool, PortError> {
        Ok(self.value(conn, "SELECT VERSION()").await?.contains("MariaDB"))
    }

    /// Whether a session that begins now finds the server read-only.
    async fn is_read_only(&self) -> Result<bool, PortError> {
        self.session(async |conn| {
            let setting = if self.is_mariadb(conn).await? { "read_only" } else { "super_read_only" };
            // MariaDB 12 has words for it beside ON.
            let value = self.value(conn, &format!("SELECT CAST(@@GLOBAL.{setting} AS CHAR)")).await?;
            Ok(!matches!(value.as_str(), "0" | "OFF" | ""))
        })
        .await
    }

    async fn make_read_only(&self) -> Result<(), PortError> {
        self.session(async |conn| {
            let setting = if self.is_mariadb(conn).await? { "read_only" } else { "super_read_only" };
            self.execute(conn, &format!("SET GLOBAL {setting} = ON")).await
        })
        .await?;
        if self.is_read_only().await? {
            return Ok(());
        }
        Err(PortError::refused(format!(
            "{}: it was told to be read-only, and a new session finds it otherwise",
            self.who()
        )))
    }

    async fn make_writable(&self) -> Result<(), PortError> {
        self.session(async |conn| {
            let mariadb = self.is_mariadb(conn).await?;
            if replica(conn).await.map_err(|error| self.trouble(&error))?.is_some() {
                if !self.database.promote {
                    return Err(PortError::broken(format!(
                        "{}: it is a replica, and takes writes only when it is one no more, which cannot be undone: promote it by hand, or \
                         write promote = true for this control",
                        self.who()
                    )));
                }
                self.promote(conn, mariadb).await?;
            }
            if !mariadb {
                self.execute(conn, "SET GLOBAL super_read_only = OFF").await?;
            }
            self.execute(conn, "SET GLOBAL read_only = OFF").await
        })
        .await?;
        if self.is_read_only().await? {
            return Err(PortError::refused(format!(
                "{}: it was told to take writes, and a new session finds it read-only",
                self.who()
            )));
        }
        Ok(())
    }

    /// Applies all that has been received, and forgets the source. Each part can be done again.
    async fn promote(&self, conn: &mut Conn, mariadb: bool) -> Result<(), PortError> {
        let replica_word = if mariadb { "SLAVE" } else { "REPLICA" };
        self.execute(conn, &format!("STOP {replica_word} IO_THREAD")).await?;
        while let Some(row) = replica(conn).await.map_err(|error| self.trouble(&error))? {
            let of = |names: [&str; 2]| column(&row, &names).unwrap_or_default();
            let received =
                (of(["Source_Log_File", "Master_Log_File"]), of(["Read_Source_Log_Pos", "Read_Master_Log_Pos"]));
            let applied = (
                of(["Relay_Source_Log_File", "Relay_Master_Log_File"]),
                of(["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"]),
            );
            if received == applied {
                break;
            }
            if of(["Replica_SQL_Running", "Slave_SQL_Running"]) != "Yes" {
                let why = self.database.quote(&of(["Last_SQL_Error", "Last_SQL_Error"]));
                return Err(PortError::broken(format!(
                    "{}: it has received more than it has applied, and its applier does not run: {why}",
                    self.who()
                )));
            }
            sleep(LOOK).await;
        }
        self.execute(conn, &format!("STOP {replica_word}")).await?;
        self.execute(conn, &format!("RESET {replica_word} ALL")).await
    }

    async fn try_write(&self) -> Result<WriteProbe, PortError> {
        let Some(table) = &self.database.probe_table else {
            return Err(PortError::broken(format!(
                "{}: no table is configured to try a write on: probe_table",
                self.who()
            )));
        };
        let Database { user, password, .. } = &self.database;
        let (user, password) = match &self.probe_user {
            Some((user, password)) => (user, password.as_ref()),
            None => (user, password.as_ref()),
        };
        let write = format!("INSERT INTO {} () VALUES ()", quoted(table));
        self.session_of(self.opts(user, password), async |conn| {
            self.execute(conn, "START TRANSACTION").await?;
            let tried = conn.query_drop(&write).await;
            // The session ends here in any case, and with it the transaction.
            let _ = conn.query_drop("ROLLBACK").await;
            match tried {
                Ok(()) => {
                    let way_out = if self.probe_user.is_none() && self.is_mariadb(conn).await? {
                        "; MariaDB's read_only does not bind administrators: set probe_user to one of the application's kind"
                    } else {
                        ""
                    };
                    Ok(WriteProbe::Accepted { how: format!("{user} wrote into {table} (rolled back){way_out}") })
                }
                Err(mysql_async::Error::Server(said)) if REFUSALS.contains(&said.code) => {
                    Ok(WriteProbe::Refused { how: format!("MySQL: error {}, {}", said.code, said.message) })
                }
                Err(error) => Err(self.trouble(&error)),
            }
        })
        .await
    }

    async fn read_position(&self) -> Result<Position, PortError> {
        self.session(async |conn| {
            let mariadb = self.is_mariadb(conn).await?;
            let setting = if mariadb { "gtid_current_pos" } else { "gtid_executed" };
            let text = self.value(conn, &format!("SELECT @@GLOBAL.{setting}")).await?;
            let position = if mariadb { domains(&text) } else { sets(&text) };
            position.ok_or_else(|| {
                let way_out = if mariadb { "switch log_bin on" } else { "switch gtid_mode on" };
                PortError::broken(format!("{}: {setting} is '{text}', which is no position: {way_out}", self.who()))
            })
        })
        .await
    }

    fn trouble(&self, error: &mysql_async::Error) -> PortError {
        let who = self.who();
        let mysql_async::Error::Server(said) = error else {
            let text = self.database.quote(&causes(error));
            if text.contains("certificate") {
                return PortError::broken(format!(
                    "{who}: its certificate was not accepted: name its authority's file as 'ca', and connect by the name that it is for: {text}"
                ));
            }
            if text.contains("SSL") {
                return PortError::broken(format!(
                    "{who}: it does not offer TLS: switch it on there, or write tls = \"off\" where the network is trusted"
                ));
            }
            return PortError::retry(format!("{who}: no connection: {text}"));
        };
        let text = self.database.quote(&said.message);
        let way_out = match said.code {
            1045 | 1698 => "check 'user' and the secret of 'password'",
            1130 => "let this host in (the user's host part)",
            1044 | 1142 | 1227 => "grant the user what docs/standby.md lists",
            1049 => "correct 'database'",
            1046 => "write 'database', or probe_table with its schema",
            1146 => "create the table, or correct 'probe_table'",
            _ => "",
        };
        let what = format!("{who}: {text} (error {})", said.code);
        if way_out.is_empty() { PortError::retry(what) } else { PortError::broken(format!("{what}: {way_out}")) }
    }
}

#[async_trait]
impl Control for Mysql {
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

/// What a replica says of itself; nothing on a server that is none.
async fn replica(conn: &mut Conn) -> Result<Option<Row>, mysql_async::Error> {
    // MySQL has had the new words since 8.0.22 and the old ones until 8.4, and MariaDB has both.
    match conn.query_first("SHOW REPLICA STATUS").await {
        Err(mysql_async::Error::Server(said)) if said.code == 1064 => conn.query_first("SHOW SLAVE STATUS").await,
        answer => answer,
    }
}

/// A column by whichever of its names the server uses.
fn column(row: &Row, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| row.get_opt::<Option<String>, _>(*name)?.ok().flatten())
}

/// `schema.name` with each part in quotes.
fn quoted(table: &str) -> String {
    let part = |part: &str| format!("`{}`", part.replace('`', "``"));
    table.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// MySQL's sets: `uuid:1-5:7,uuid:…`, with line feeds where it likes. A tag between is part of the source.
fn sets(text: &str) -> Option<Position> {
    let mut found: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for set in text.split(',').map(str::trim).filter(|set| !set.is_empty()) {
        let mut parts = set.split(':').map(str::trim);
        let uuid = parts.next().filter(|uuid| uuid.len() == 36)?.to_ascii_lowercase();
        let mut source = uuid.clone();
        for part in parts {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            match (from.parse(), to.parse()) {
                (Ok(from), Ok(to)) if from <= to => found.entry(source.clone()).or_default().push((from, to)),
                _ if part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
                    source = format!("{uuid}:{part}")
                }
                _ => return None,
            }
        }
    }
    (!found.is_empty()).then_some(Position::Gtids(found))
}

/// MariaDB's last of each domain: `0-1-100,2-3-7`.
fn domains(text: &str) -> Option<Position> {
    let mut found = BTreeMap::new();
    for last in text.split(',').map(str::trim).filter(|last| !last.is_empty()) {
        let mut parts = last.split('-');
        let domain = parts.next()?.parse().ok()?;
        let server = parts.next()?.parse().ok()?;
        let sequence = parts.next()?.parse().ok()?;
        if parts.next().is_some() || found.insert(domain, (server, sequence)).is_some() {
            return None;
        }
    }
    (!found.is_empty()).then_some(Position::DomainGtids(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn sets_are_read_as_mysql_writes_them() {
        let both = format!("{}:1-5:7,\n{A}:ops:1-3:9", A.to_uppercase());
        let wanted = [(A.to_owned(), vec![(1, 5), (7, 7)]), (format!("{A}:ops"), vec![(1, 3), (9, 9)])];
        assert_eq!(sets(&both), Some(Position::Gtids(wanted.into())));
        for bad in ["", "x:1-5", &format!("{A}:5-1"), &format!("{A}:-"), &format!("{A}:1-")] {
            assert_eq!(sets(bad), None, "{bad}");
        }
    }

    #[test]
    fn domains_are_read_as_mariadb_writes_them() {
        assert_eq!(domains("0-1-100,2-3-7"), Some(Position::DomainGtids([(0, (1, 100)), (2, (3, 7))].into())));
        for bad in ["", "0-1", "0-1-2-3", "0-1-2,0-1-3", "a-1-2"] {
            assert_eq!(domains(bad), None, "{bad}");
        }
    }
}
