//! A program of the operator's own: `PROGRAM ARGS… enter|verify|leave SERVICE PLAN EPOCH`.
//!
//! | it ends with | that means |
//! |---|---|
//! | 0 | yes: done, and to `verify` that the site refuses writes |
//! | 1 | no: it could not be done, and to `verify` that the site takes writes |
//! | anything else, a signal, no end in time | nobody can tell, and it is tried again |
//!
//! It runs without a shell, from `/`, with nothing in its environment but `PATH` and the secrets that the configuration names
//! (`QUORATE_SECRET_NAME`), and with its standard input empty. When its time is over it is killed with everything that it has started
//! and not put into another process group. Of what it prints the first line is kept, without the secrets.

use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, join, select};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process;
use tokio::time::timeout;

use super::{Act, Control};
use crate::adapters::outbound::quote;
use crate::domain::{PortError, Secrets};
use crate::ports::WriteProbe;

/// Where programs find others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much is kept of what it prints, in bytes.
const KEPT: usize = 4096;
/// How long its last words may take after its end.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// One program.
#[derive(Debug, Clone)]
pub struct Command {
    /// Whose writes it controls: `the standby 'azure'`.
    pub site: String,
    /// Its path.
    pub program: PathBuf,
    /// Its first arguments.
    pub args: Vec<String>,
    /// What it finds in its environment, by the secrets' names.
    pub secrets: Secrets,
    /// How long it may run.
    pub timeout: Duration,
}

/// A process group that ends with this value, unless its leader has ended before.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended this very moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Command {
    fn who(&self, word: &str) -> String {
        format!("{}: {} {word}", self.site, self.program.display())
    }

    /// Runs it: yes or no, and its first line.
    async fn run(&self, word: &str, Act { fence, service, plan }: Act<'_>) -> Result<(bool, String), PortError> {
        let who = self.who(word);
        let secrets =
            self.secrets.names().filter_map(|name| Some((variable(name), self.secrets.get(name)?.expose())));
        let mut command = process::Command::new(&self.program);
        command
            .args(&self.args)
            .args([word, service.as_str(), plan.as_str(), &fence.epoch().to_string()])
            .env_clear()
            .env("PATH", PATH)
            .envs(secrets)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            PortError::broken(format!("{who}: it cannot be started: {error}: check its path and mode"))
        })?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut group = Group(leader);
        let (out, err) = (Mutex::default(), Mutex::default());
        let pipes = join(head(child.stdout.take(), &out), head(child.stderr.take(), &err));
        let ended = async {
            match select(pin!(child.wait()), pin!(pipes)).await {
                Either::Left((status, pipes)) => {
                    // What it has started may hold them open for ever.
                    let _ = timeout(LAST_WORDS, pipes).await;
                    status
                }
                Either::Right((_, wait)) => wait.await,
            }
        };
        let ended = timeout(self.timeout, ended).await;
        let said = [&out, &err].map(|pipe| self.line(&pipe.lock().unwrap_or_else(PoisonError::into_inner)));
        let said = said.into_iter().find(|line| !line.is_empty()).unwrap_or_default();
        let ending = if said.is_empty() { "; it said nothing".to_owned() } else { format!("; it said '{said}'") };
        let status = match ended {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(PortError::retry(format!("{who}: how it ended is not known: {error}"))),
            Err(_) => {
                let limit = self.timeout.as_secs();
                return Err(PortError::retry(format!("{who}: not over within {limit} s, and killed{ending}")));
            }
        };
        // Its leader was waited for: the number may soon be somebody else's.
        group.0 = None;
        match status.code() {
            Some(0) => Ok((true, said)),
            Some(1) => Ok((false, said)),
            _ => Err(PortError::retry(format!(
                "{who}: it ended with {status}, which is neither yes (0) nor no (1){ending}"
            ))),
        }
    }

    /// The first line, without secrets and control characters.
    fn line(&self, bytes: &[u8]) -> String {
        let text = self.secrets.redact(&String::from_utf8_lossy(bytes));
        quote(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
    }

    async fn done(&self, word: &str, act: Act<'_>) -> Result<(), PortError> {
        match self.run(word, act).await? {
            (true, _) => Ok(()),
            (false, said) => Err(PortError::refused(format!("{}: it says no: '{said}'", self.who(word)))),
        }
    }

    fn otherwise(&self, what: &str, said: &str) -> PortError {
        PortError::refused(format!("{}: {what}: '{said}'", self.who("verify")))
    }
}

#[async_trait]
impl Control for Command {
    async fn enter(&self, act: Act<'_>) -> Result<(), PortError> {
        self.done("enter", act).await?;
        match self.run("verify", act).await? {
            (true, _) => Ok(()),
            (false, said) => {
                Err(self.otherwise("it was told to enter read-only mode, and says that it has not", &said))
            }
        }
    }

    async fn leave(&self, act: Act<'_>) -> Result<(), PortError> {
        self.done("leave", act).await?;
        match self.run("verify", act).await? {
            (false, _) => Ok(()),
            (true, said) => {
                Err(self.otherwise("it was told to leave read-only mode, and says that it has not", &said))
            }
        }
    }

    async fn probe(&self, act: Act<'_>) -> Result<Option<WriteProbe>, PortError> {
        let (yes, said) = self.run("verify", act).await?;
        let how = format!("{} says {}: '{said}'", self.program.display(), if yes { "yes" } else { "no" });
        Ok(Some(if yes { WriteProbe::Refused { how } } else { WriteProbe::Accepted { how } }))
    }
}

/// Reads a pipe to its end, and keeps its beginning.
async fn head(pipe: Option<impl AsyncRead + Unpin>, kept: &Mutex<Vec<u8>>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0_u8; 1024];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.len()).min(read);
        kept.extend(buffer.iter().take(room));
    }
}

/// The variable that holds a secret; the configuration's own secrets have the same in our environment.
fn variable(name: &str) -> String {
    format!("QUORATE_SECRET_{}", name.to_ascii_uppercase().replace('-', "_"))
}
