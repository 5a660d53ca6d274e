//! From a configuration to the control of a site's writes.

use std::sync::Arc;

use super::compose;
use super::exit::Failure;
use crate::adapters::script::{ModuleScript, RhaiHook, RhaiRunner};
use crate::adapters::site::command::Command;
use crate::adapters::site::http::SiteHttp;
use crate::adapters::site::mysql::Mysql;
use crate::adapters::site::postgres::Postgres;
use crate::adapters::site::redis::Redis;
use crate::adapters::site::script::Hook;
use crate::adapters::site::{Chain, Control, Database, Named, Tls, TriedWrite, words};
use crate::config::{ControlConfig, ControlKind, DatabaseControl, Engine, SiteControls};
use crate::domain::{Role, Site};
use crate::ports::{Clock, SiteControl};

/// What the controls of all sites share.
pub(super) struct Sites {
    /// Stamps what is signed.
    pub(super) clock: Arc<dyn Clock>,
    /// Runs the checks that try writes.
    pub(super) probes: Arc<RhaiRunner>,
    /// The files that hooks share with checks.
    pub(super) library: Vec<ModuleScript>,
}

impl Sites {
    /// The control of a site; none where the configuration has none.
    pub(super) fn of(
        &self,
        role: Role,
        site: &Site,
        config: &SiteControls,
    ) -> Result<Option<Arc<dyn SiteControl>>, Failure> {
        if config.controls.is_empty() {
            return Ok(None);
        }
        let who = words(role, &site.name);
        let mut controls = Vec::new();
        for control in &config.controls {
            controls.push(Named { name: control.name.clone(), control: self.control(role, site, &who, control)? });
        }
        let write_probe = config.write_probe.as_ref().map(|check| TriedWrite {
            runner: self.probes.clone(),
            check: check.clone(),
            target: site.url.clone(),
        });
        Ok(Some(Arc::new(Chain::new(who, role, controls).with_write_probe(write_probe))))
    }

    fn control(
        &self,
        role: Role,
        site: &Site,
        who: &str,
        config: &ControlConfig,
    ) -> Result<Arc<dyn Control>, Failure> {
        Ok(match &config.kind {
            ControlKind::Http(http) => {
                let (probe, key, clock) = (http.write_probe.clone(), http.key.clone(), Arc::clone(&self.clock));
                let control = SiteHttp::new(who.to_owned(), http.url.clone(), probe, key, clock);
                Arc::new(control.map_err(Failure::unknown)?.with_lag(http.lag.clone()))
            }
            ControlKind::Database(config) => {
                let database = database(who, config);
                match config.engine {
                    Engine::Postgres => Arc::new(Postgres::new(database).map_err(Failure::usage)?),
                    Engine::Mysql => Arc::new(Mysql::new(database, config.probe_user.clone())),
                    Engine::Redis => Arc::new(Redis::new(database).map_err(Failure::usage)?),
                }
            }
            ControlKind::Script(check) => {
                let script = compose::script(check.as_ref().clone());
                let (name, library) = (script.name.to_string(), self.library.clone());
                let runner =
                    RhaiHook::new(&script, library).map_err(|errors| Failure::usage(compose::lines(&errors)))?;
                let (site, target) = (who.to_owned(), site.url.clone());
                Arc::new(Hook { site, role, target, name, runner: Arc::new(runner) })
            }
            ControlKind::Command(config) => Arc::new(Command {
                site: who.to_owned(),
                program: config.program.clone(),
                args: config.args.clone(),
                secrets: config.secrets.clone(),
                timeout: config.timeout,
            }),
        })
    }
}

fn database(who: &str, config: &DatabaseControl) -> Database {
    Database {
        site: who.to_owned(),
        host: config.host.clone(),
        port: config.port,
        user: config.user.clone(),
        password: config.password.clone(),
        database: config.database.clone(),
        tls: if config.tls { Tls::On { ca: config.ca.clone() } } else { Tls::Off },
        promote: config.promote,
        probe_table: config.probe_table.clone(),
    }
}
