//! Controls as they are written.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::Engine;
use crate::config::draft::CheckDraft;
use crate::config::problem::{At, Spot};
use crate::config::reader::Reader;
use crate::config::values::{filled, host_pattern, name, url};

/// The range of a port.
const PORT: RangeInclusive<u32> = 1..=65_535;
/// The range of a program's time.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);

pub(in crate::config) struct ReadOnlyDraft {
    pub(in crate::config) at: Spot,
    pub(in crate::config) http: HttpDraft,
}

pub(in crate::config) struct ControlDraft {
    pub(in crate::config) at: Spot,
    pub(in crate::config) name: Option<At<String>>,
    /// Absent if its word is not there or not known.
    pub(in crate::config) kind: Option<(&'static str, KindDraft)>,
}

pub(in crate::config) enum KindDraft {
    Http(HttpDraft),
    Database(Engine, DatabaseDraft),
    Script(CheckDraft),
    Command(CommandDraft),
}

pub(in crate::config) struct HttpDraft {
    pub(in crate::config) url: Option<At<Url>>,
    pub(in crate::config) write_probe: Option<At<Url>>,
    /// Whether there is one, good or bad.
    pub(in crate::config) has_write_probe: bool,
    pub(in crate::config) lag: Option<At<Url>>,
    /// Whether there is one, good or bad.
    pub(in crate::config) has_lag: bool,
    pub(in crate::config) key: Option<At<String>>,
}

pub(in crate::config) struct DatabaseDraft {
    pub(in crate::config) host: Option<At<String>>,
    pub(in crate::config) port: Option<At<u32>>,
    pub(in crate::config) user: Option<At<String>>,
    pub(in crate::config) password: Option<At<String>>,
    pub(in crate::config) database: Option<At<String>>,
    pub(in crate::config) tls: Option<At<bool>>,
    pub(in crate::config) ca: Option<At<String>>,
    pub(in crate::config) promote: Option<At<bool>>,
    pub(in crate::config) probe_table: Option<At<String>>,
    /// Whether there is one, good or bad.
    pub(in crate::config) has_probe_table: bool,
    pub(in crate::config) probe_user: Option<At<String>>,
    pub(in crate::config) probe_password: Option<At<String>>,
}

pub(in crate::config) struct CommandDraft {
    pub(in crate::config) program: Option<At<String>>,
    pub(in crate::config) args: Option<At<Vec<At<String>>>>,
    pub(in crate::config) secrets: Vec<At<String>>,
    pub(in crate::config) timeout: Option<At<Duration>>,
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("'{other}' is neither \"on\" nor \"off\"")),
    }
}

/// A host without scheme and port.
fn server(text: &str) -> Result<String, String> {
    host_pattern(text).ok().filter(|host| !host.starts_with('*')).or_else(|| name(text).ok()).ok_or_else(|| {
        format!("'{text}' is no host: write db.example.com or an address, without scheme and port ('port' is a key of its own)")
    })
}

/// A table that can be quoted part by part.
fn table(text: &str) -> Result<String, String> {
    let part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() <= 2 && parts.into_iter().all(part) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "'{text}' is no table: write write_probe or schema.write_probe, in letters, digits and underscores"
        ))
    }
}

/// An absolute path. What the environment would make of another one is nobody's to guess.
pub(in crate::config) fn program(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.ends_with('/') && !text.split('/').any(|part| part == "..") {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is no absolute path of a program: write /usr/local/bin/fence"))
    }
}

impl ReadOnlyDraft {
    pub(in crate::config) fn read(mut table: Reader<'_>) -> Self {
        let http = HttpDraft::read(&mut table);
        if !http.has_write_probe {
            table.missing("write_probe", "write_probe = \"https://login.azure.example.com/admin/write-probe\"");
        }
        Self { at: table.spot(), http }
    }
}

impl ControlDraft {
    pub(in crate::config) fn read(mut table: Reader<'_>) -> Self {
        const WORDS: &str = "\"http\", \"postgres\", \"mysql\", \"redis\", \"script\" or \"command\"";
        let word = |text: &str| {
            ["http", "postgres", "mysql", "redis", "script", "command"]
                .into_iter()
                .find(|word| *word == text)
                .ok_or_else(|| format!("the kind '{text}' is not known: write {WORDS}"))
        };
        let at = table.spot();
        let word = table.need("kind", WORDS, word);
        let own = table.text("name", name);
        let kind = match word.as_ref().map(|word| word.value) {
            Some(word @ "http") => Some((word, KindDraft::Http(HttpDraft::read(&mut table)))),
            Some(word @ "postgres") => Some((word, database(Engine::Postgres, &mut table))),
            Some(word @ "mysql") => Some((word, database(Engine::Mysql, &mut table))),
            Some(word @ "redis") => Some((word, database(Engine::Redis, &mut table))),
            Some(word @ "command") => Some((word, KindDraft::Command(CommandDraft::read(&mut table)))),
            Some(word) => {
                let key = At {
                    value: own.as_ref().map_or_else(|| word.to_owned(), |own| own.value.clone()),
                    spot: at.clone(),
                };
                Some((word, KindDraft::Script(CheckDraft::read((key, table)))))
            }
            None => {
                // Which keys belong here, only the kind would say.
                table.unjudged();
                None
            }
        };
        Self { at, name: own, kind }
    }
}

fn database(engine: Engine, table: &mut Reader<'_>) -> KindDraft {
    KindDraft::Database(engine, DatabaseDraft::read(engine, table))
}

impl HttpDraft {
    fn read(table: &mut Reader<'_>) -> Self {
        Self {
            url: table.need("url", "\"https://login.azure.example.com/admin/read-only\"", url),
            write_probe: table.text("write_probe", url),
            has_write_probe: table.has("write_probe"),
            lag: table.text("lag", url),
            has_lag: table.has("lag"),
            key: table.need_secret("key", "standby-admin"),
        }
    }
}

impl DatabaseDraft {
    fn read(engine: Engine, table: &mut Reader<'_>) -> Self {
        let user = match engine {
            // Before there were users there was one, and a server without users has it.
            Engine::Redis => table.text("user", filled),
            Engine::Postgres | Engine::Mysql => table.need("user", "\"quorate\"", filled),
        };
        let sql = engine != Engine::Redis;
        let (host, port) = (table.need("host", "\"db.azure.example.com\"", server), table.integer("port", PORT));
        let password = table.secret("password");
        let (tls, ca) = (table.text("tls", switch), table.text("ca", filled));
        let promote = table.flag("promote");
        Self {
            host,
            port,
            user,
            password,
            database: sql.then(|| table.text("database", filled)).flatten(),
            tls,
            ca,
            promote,
            probe_table: sql.then(|| table.text("probe_table", self::table)).flatten(),
            has_probe_table: sql && table.has("probe_table"),
            probe_user: (engine == Engine::Mysql).then(|| table.text("probe_user", filled)).flatten(),
            probe_password: (engine == Engine::Mysql).then(|| table.secret("probe_password")).flatten(),
        }
    }
}

impl CommandDraft {
    fn read(table: &mut Reader<'_>) -> Self {
        Self {
            program: table.need("program", "\"/usr/local/bin/fence\"", program),
            args: table.list("args", |text| Ok::<_, String>(text.to_owned())),
            secrets: table.secret_list("secrets"),
            timeout: table.seconds("timeout", TIMEOUT),
        }
    }
}
