//! Hooks: scripts with `fn enter()`, `fn verify()` and `fn leave()`, each run by itself, with the script's top level before it, in the very
//! sandbox of checks.

use async_trait::async_trait;

use super::error::ScriptError;
use super::runner::{CheckScript, ModuleScript, RhaiRunner};
use super::tape::Mode;
use crate::domain::{CheckName, ProbeReport};
use crate::ports::{HookEntry, HookRequest, HookRunner, ProbeRequest, Resolution};

/// One hook.
#[derive(Debug)]
pub struct RhaiHook {
    entries: [CheckName; 3],
    runner: RhaiRunner,
}

impl RhaiHook {
    /// Compiles the three, and says everything that is wrong with any of them.
    pub fn new(script: &CheckScript, library: Vec<ModuleScript>) -> Result<Self, Vec<ScriptError>> {
        // These are names; were one none, the runner would say that there is a check twice.
        let named = |entry: HookEntry| CheckName::new(entry.as_str()).unwrap_or_else(|_| script.name.clone());
        let entries = HookEntry::ALL.map(named);
        let scripts = entries.iter().zip(HookEntry::ALL).map(|(name, entry)| {
            // Behind the script's last line, so that its own lines keep their numbers.
            let source = format!("{}\n{}();", script.source, entry.as_str());
            CheckScript { name: name.clone(), source, ..script.clone() }
        });
        Ok(Self { runner: RhaiRunner::with_library(scripts.collect(), library)?, entries: entries.clone() })
    }
}

#[async_trait]
impl HookRunner for RhaiHook {
    async fn run(&self, request: &HookRequest) -> ProbeReport {
        let HookRequest { entry, target, role, deadline, facts } = request;
        let [enter, verify, leave] = &self.entries;
        let check = match entry {
            HookEntry::Enter => enter,
            HookEntry::Verify => verify,
            HookEntry::Leave => leave,
        };
        let request = ProbeRequest {
            check: check.clone(),
            target: target.clone(),
            role: *role,
            vantage: None,
            deadline: *deadline,
            resolution: Resolution::System,
        };
        self.runner.run_as(&request, Mode { facts: facts.clone(), ..Mode::default() }).await.report
    }
}
