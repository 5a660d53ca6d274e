//! Judges the controls of a site, and the two sites side by side.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::draft::{CommandDraft, DatabaseDraft, HttpDraft, KindDraft};
use super::{
    CommandControl, ControlConfig, ControlDraft, ControlKind, DatabaseControl, Engine, HttpControl, ReadOnlyDraft,
    SiteControls,
};
use crate::config::Check;
use crate::config::draft::{Draft, ServiceDraft, SiteDraft};
use crate::config::judges;
use crate::config::problem::{At, Report, Spot};
use crate::config::vault::Vault;
use crate::domain::{CheckName, Policy, Secret, Secrets};

/// How long a program may run when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a hook's script must have.
const ENTRIES: [&str; 3] = ["enter", "verify", "leave"];

/// Judges one service's sites.
pub(in crate::config) struct Judge<'a, 'v> {
    pub(in crate::config) file: &'a Draft,
    /// Where relative paths start.
    pub(in crate::config) folder: &'a Path,
    pub(in crate::config) vault: &'a Vault<'v>,
    pub(in crate::config) report: &'a Report,
    /// Resolves the script of a hook like that of a check.
    pub(in crate::config) check: &'a dyn Fn(&crate::config::draft::CheckDraft) -> Option<Check>,
}

impl Judge<'_, '_> {
    /// The standby's controls: in a list, or as the short form of one.
    pub(in crate::config) fn standby(&self, draft: &ServiceDraft) -> Option<SiteControls> {
        let site = draft.standby.as_ref()?;
        let Some(short) = &draft.read_only else {
            if !site.has_controls {
                self.report.error(
                    &site.at,
                    "[service.standby] has no 'read_only': add a table [service.standby.read_only] with url, write_probe and key, or \
                     a [[service.standby.control]] for each part that takes writes",
                );
                return None;
            }
            return self.site(site);
        };
        if site.has_controls {
            self.report.error(
                &short.at,
                "[service.standby.read_only] is the short form of one control: write it as a [[service.standby.control]] with kind = \
                 \"http\", beside the others",
            );
            return None;
        }
        let write_probe = self.write_probe(site);
        let http = self.http(&short.http)?;
        let name = "http".to_owned();
        Some(SiteControls {
            controls: vec![ControlConfig { name, kind: ControlKind::Http(http) }],
            write_probe: write_probe?,
        })
    }

    /// The endpoint that a rehearsal's standby has.
    pub(in crate::config) fn rehearsal(&self, short: &ReadOnlyDraft) -> Option<SiteControls> {
        let http = self.http(&short.http)?;
        let name = "http".to_owned();
        Some(SiteControls {
            controls: vec![ControlConfig { name, kind: ControlKind::Http(http) }],
            write_probe: None,
        })
    }

    /// A site's controls in a list, which may be none.
    pub(in crate::config) fn site(&self, site: &SiteDraft) -> Option<SiteControls> {
        let write_probe = self.write_probe(site);
        let controls: Vec<Option<ControlConfig>> =
            site.controls.iter().map(|control| self.control(control)).collect();
        self.one_name_each(&site.controls);
        let tries = |control: &ControlDraft| matches!(&control.kind, Some((_, KindDraft::Http(http))) if http.has_write_probe);
        let known = site.controls.iter().all(|control| control.kind.is_some());
        if site.has_controls
            && known
            && site.write_probe.is_none()
            && !site.has_write_probe
            && !site.controls.iter().any(tries)
        {
            self.report.error(
                &site.at,
                "nothing tries a write here as a user does: add write_probe = \"write-probe\", the name of a check that passes if a \
                 write is refused (checks/write-probe.rhai)",
            );
            return None;
        }
        if site.controls.is_empty()
            && let Some(check) = &site.write_probe
        {
            let message = "'write_probe' has no use without a control: add [[service.primary.control]], or remove it";
            self.report.error(&check.spot, message);
            return None;
        }
        Some(SiteControls { controls: controls.into_iter().collect::<Option<_>>()?, write_probe: write_probe? })
    }

    fn write_probe(&self, site: &SiteDraft) -> Option<Option<CheckName>> {
        match &site.write_probe {
            None => (!site.has_write_probe).then_some(None),
            Some(check) => {
                judges::defined(check, self.file, self.report);
                Some(Some(check.value.clone()))
            }
        }
    }

    /// Positions go by these names.
    fn one_name_each(&self, controls: &[ControlDraft]) {
        let mut seen = BTreeSet::new();
        for control in controls {
            let (Some(name), spot) = named(control) else { continue };
            if !seen.insert(name.clone()) {
                let message = format!("two controls of this site are called '{name}': give each a 'name' of its own");
                self.report.error(spot, message);
            }
        }
    }

    fn control(&self, draft: &ControlDraft) -> Option<ControlConfig> {
        let (name, _) = named(draft);
        let (_, kind) = draft.kind.as_ref()?;
        let kind = match kind {
            KindDraft::Http(http) => ControlKind::Http(self.http(http)?),
            KindDraft::Database(engine, database) => {
                ControlKind::Database(Box::new(self.database(*engine, database, &draft.at)?))
            }
            KindDraft::Script(script) => {
                let check = (self.check)(script)?;
                let spot = script.script.as_ref().map_or(&draft.at, |script| &script.spot);
                self.entries(&check.source, spot);
                ControlKind::Script(Box::new(check))
            }
            KindDraft::Command(command) => ControlKind::Command(self.command(command)?),
        };
        Some(ControlConfig { name: name?, kind })
    }

    fn http(&self, draft: &HttpDraft) -> Option<HttpControl> {
        let key = draft.key.as_ref().and_then(|key| self.vault.of_controller(key, self.report));
        Some(HttpControl {
            url: draft.url.as_ref()?.value.clone(),
            write_probe: draft.write_probe.as_ref().map(|url| url.value.clone()),
            lag: draft.lag.as_ref().map(|lag| lag.value.clone()),
            key: key?,
        })
    }

    fn database(&self, engine: Engine, draft: &DatabaseDraft, at: &Spot) -> Option<DatabaseControl> {
        let secret = |name: &Option<At<String>>| -> Option<Option<Secret>> {
            match name {
                None => Some(None),
                Some(name) => self.vault.of_controller(name, self.report).map(Some),
            }
        };
        let (password, probe_password) = (secret(&draft.password), secret(&draft.probe_password));
        if let Some(orphan) = draft.probe_password.as_ref().filter(|_| draft.probe_user.is_none()) {
            self.report.error(&orphan.spot, "'probe_password' has no use without 'probe_user'");
        }
        if engine == Engine::Mysql && !draft.has_probe_table {
            self.report.error(
                at,
                "a control of kind \"mysql\" needs 'probe_table', the table that a write is tried on (and rolled back): add probe_table \
                 = \"quorate_probe\"",
            );
            return None;
        }
        let host = draft.host.as_ref()?.value.clone();
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let tls = draft.tls.as_ref().map_or(!local, |tls| tls.value);
        if let Some(ca) = draft.ca.as_ref().filter(|_| !tls) {
            let message = "'ca' has no use without TLS: write tls = \"on\", or remove it";
            self.report.error(&ca.spot, message);
            return None;
        }
        let ca = match &draft.ca {
            None => None,
            Some(ca) => Some(self.authorities(ca)?),
        };
        Some(DatabaseControl {
            engine,
            host,
            port: draft.port.as_ref().map_or(Some(engine.port()), |port| u16::try_from(port.value).ok())?,
            user: match engine {
                Engine::Redis => draft.user.as_ref().map_or_else(|| "default".to_owned(), |user| user.value.clone()),
                Engine::Postgres | Engine::Mysql => draft.user.as_ref()?.value.clone(),
            },
            password: password?,
            database: match (&draft.database, engine) {
                (Some(database), _) => database.value.clone(),
                (None, Engine::Postgres) => "postgres".to_owned(),
                (None, Engine::Mysql | Engine::Redis) => String::new(),
            },
            tls,
            ca,
            promote: draft.promote.as_ref().is_some_and(|promote| promote.value),
            probe_table: draft.probe_table.as_ref().map(|table| table.value.clone()),
            probe_user: match &draft.probe_user {
                None => None,
                Some(user) => Some((user.value.clone(), probe_password?)),
            },
        })
    }

    fn authorities(&self, ca: &At<String>) -> Option<Vec<u8>> {
        let path = self.folder.join(&ca.value);
        match std::fs::read(&path) {
            Ok(pem) if pem.windows(10).any(|window| window == b"-----BEGIN") => Some(pem),
            Ok(_) => {
                let message = format!("the file {} holds no PEM: give the authorities' certificates", ca.value);
                self.report.error(&ca.spot, message);
                None
            }
            Err(error) => {
                self.report.error(&ca.spot, format!("the file {} cannot be read: {error}", ca.value));
                None
            }
        }
    }

    /// Whether the hook has its three functions. Only their heads are looked for: the compiler has judged the rest.
    fn entries(&self, source: &str, spot: &Spot) {
        let text: String = source.split_whitespace().collect::<Vec<_>>().join(" ");
        let has = |entry: &str| text.contains(&format!("fn {entry}()")) || text.contains(&format!("fn {entry} ()"));
        let missing: Vec<String> =
            ENTRIES.into_iter().filter(|entry| !has(entry)).map(|entry| format!("fn {entry}()")).collect();
        if !missing.is_empty() {
            self.report.error(spot, format!("the hook has no {}: it needs all three", missing.join(" and no ")));
        }
    }

    fn command(&self, draft: &CommandDraft) -> Option<CommandControl> {
        let secrets: Vec<Option<(String, Secret)>> = draft
            .secrets
            .iter()
            .map(|name| Some((name.value.clone(), self.vault.of_controller(name, self.report)?)))
            .collect();
        let program = draft.program.as_ref()?;
        let listed = self.file.commands.iter().flat_map(|list| &list.value);
        if !listed.into_iter().any(|listed| listed.value == program.value) {
            let message = format!(
                "the program {} is not on the list of those that may be run: add commands = [\"{}\"] at the top of the file",
                program.value, program.value
            );
            self.report.error(&program.spot, message);
            return None;
        }
        Some(CommandControl {
            program: PathBuf::from(&program.value),
            args: draft.args.iter().flat_map(|args| &args.value).map(|arg| arg.value.clone()).collect(),
            secrets: secrets.into_iter().collect::<Option<Vec<_>>>()?.into_iter().collect::<Secrets>(),
            timeout: draft.timeout.as_ref().map_or(TIMEOUT, |timeout| timeout.value),
        })
    }

    /// A policy that limits the lag needs somewhere to learn it from: the standby's own word, or positions of both sites.
    pub(in crate::config) fn lag_is_known(&self, draft: &ServiceDraft, policy: &Policy, file: &Path) {
        let (Some(standby), Some(primary)) = (&draft.standby, &draft.primary) else { return };
        if policy.max_lag.is_none() {
            return;
        }
        let told = |kind: &KindDraft| matches!(kind, KindDraft::Http(http) if http.has_lag);
        let kinds = standby.controls.iter().filter_map(|control| control.kind.as_ref());
        let said =
            kinds.map(|(_, kind)| kind).any(told) || draft.read_only.as_ref().is_some_and(|short| short.http.has_lag);
        let databases = |site: &SiteDraft| -> BTreeSet<Option<String>> {
            let of =
                site.controls.iter().filter(|control| matches!(control.kind, Some((_, KindDraft::Database(..)))));
            of.map(|control| named(control).0).collect()
        };
        let unknown = standby.controls.iter().chain(&primary.controls).any(|control| control.kind.is_none());
        if said || unknown || !databases(standby).is_disjoint(&databases(primary)) {
            return;
        }
        let at = match &draft.read_only {
            Some(short) => &short.at,
            None if standby.has_controls => &standby.at,
            None => return,
        };
        let message = format!(
            "max_lag ({}) needs 'lag', the URL where the standby says how far it is behind, or a database's control with the same \
             name on both sites: unknown lag would block every move; add it here, or choose another policy",
            file.display()
        );
        self.report.error(at, message);
    }
}

/// What a control is called, and where.
fn named(control: &ControlDraft) -> (Option<String>, &Spot) {
    match (&control.name, &control.kind) {
        (Some(name), _) => (Some(name.value.clone()), &name.spot),
        (None, Some((word, _))) => (Some((*word).to_owned()), &control.at),
        (None, None) => (None, &control.at),
    }
}

/// The two sites must be two: a flip between records that say the same moves nothing.
pub(in crate::config) fn apart(draft: &ServiceDraft, report: &Report) {
    let (Some(primary), Some(standby)) = (&draft.primary, &draft.standby) else { return };
    if let (Some(one), Some(other)) = (&primary.name, &standby.name)
        && one.value == other.value
    {
        let line = one.spot.place().line;
        report.error(
            &other.spot,
            format!(
                "the standby has the primary's name '{}' (line {line}): the name is the record's set identifier, \
                 so give each site its own",
                one.value
            ),
        );
    }
    if let (Some(one), Some(other)) = (&primary.answer, &standby.answer) {
        let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
        if plain(&one.value) == plain(&other.value) {
            let line = one.spot.place().line;
            report.error(
                &other.spot,
                format!(
                    "the standby has the primary's answer '{}' (line {line}): a flip would move nothing",
                    one.value
                ),
            );
        }
    }
}
