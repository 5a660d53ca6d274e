//! A tabletop's looks: at everything that each step of a failover will need, and nothing is changed by any of them. What does not answer is
//! unknown, and never good.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::super::executor::Executor;
use super::{Controller, Message};
use crate::domain::zone_lint::{self, FindingLevel};
use crate::domain::{DrillLook, Finding, PortError, Role, ServiceName, Step, Verdict};
use crate::engine::{DrillDraft, DrillRequest, Explanation, Input, MoveRequest, Reply};

/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// The longest time to live, in seconds, with which users follow within two minutes (safety.md 1.8).
const TTL_S: u32 = 60;

fn found(at: &str, finding: Finding, text: impl Into<String>) -> DrillLook {
    DrillLook { at: at.to_owned(), finding, text: text.into() }
}

fn good(at: &str, text: impl Into<String>) -> DrillLook {
    found(at, Finding::Good, text)
}

impl Controller {
    /// What a drill would be, and what is against it.
    pub(super) fn draft_drill(&self, request: &DrillRequest) -> Option<DrillDraft> {
        self.engine.draft_drill(self.ports.clock.now(), request)
    }

    /// Has a tabletop look, in a task of its own.
    pub(super) fn look(&self, service: ServiceName, number: u64) {
        let Some(executor) = self.executors.get(&service).cloned() else { return };
        let now = self.ports.clock.now();
        let Some(known) = self.engine.explain(now, &service) else { return };
        let request = MoveRequest {
            service: service.clone(),
            to: Role::Standby,
            by: "tabletop".to_owned(),
            reason: format!("drill {number}"),
            force: false,
            promote: false,
        };
        let mut looks = vec![guards(self.engine.draft(now, &request))];
        looks.extend(sites(&known));
        let mailbox = self.mailbox.clone();
        self.tasks.spawn(self.closing.clone().run_until_cancelled_owned(async move {
            looks.extend(around(&executor, &known).await);
            let _ = mailbox.send(Message::Noticed(Input::Looked { service, number, looks })).await;
        }));
    }
}

/// What is against a failover at this moment.
fn guards(drafted: Reply) -> DrillLook {
    match drafted {
        Reply::Opened(plan) => {
            let steps: Vec<&str> = plan.steps().iter().map(|step| step.as_str()).collect();
            good("guards", format!("nothing is against a failover now; its steps: {}", steps.join(", ")))
        }
        Reply::Blocked(blockers) => {
            let texts: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            found("guards", Finding::Bad, texts.join("; "))
        }
        Reply::AlreadySo => found("guards", Finding::Bad, "the standby serves already"),
        Reply::Done | Reply::Drilling(_) | Reply::PlanChanged(_) | Reply::NoSuchService => {
            found("guards", Finding::Unknown, "no plan could be drawn up")
        }
    }
}

/// What a quorum says of both sites: the way out needs the one, the way back the other.
fn sites(known: &Explanation) -> Vec<DrillLook> {
    let look = |site: &crate::engine::SiteView| {
        let at = format!("checks of the {}", site.role);
        match &site.verdict {
            Verdict::Healthy => good(&at, format!("a quorum says that {} is up", site.name)),
            Verdict::Undecided(shortfall) => found(&at, Finding::Unknown, shortfall.to_string()),
            Verdict::Unhealthy(evidence) => found(&at, Finding::Bad, evidence.to_string()),
        }
    };
    known.sites.iter().map(look).collect()
}

/// The register, the standby, the name servers and the zone, side by side.
async fn around(executor: &Arc<Executor>, known: &Explanation) -> Vec<DrillLook> {
    let (register, standby, servers, zone) =
        tokio::join!(register(executor, known), standby(executor), servers(executor, known.serving), zone(executor));
    register.into_iter().chain(standby).chain(servers).chain(zone).collect()
}

async fn within<T>(look: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    match timeout(LOOK_WITHIN, look).await {
        Ok(answer) => answer,
        Err(_) => Err(PortError::retry(format!("no answer within {} s", LOOK_WITHIN.as_secs()))),
    }
}

async fn register(executor: &Executor, known: &Explanation) -> Vec<DrillLook> {
    let step = executor.managed.service.dns.lane.has_flag();
    let at = if step { Step::RaiseFlag } else { Step::FlipRecords }.as_str();
    let look = match within(executor.managed.token(&executor.cluster)).await {
        Ok(token) if known.token.as_deref() == Some(token.to_string().as_str()) => {
            good(at, format!("the token is readable, and ours: {token}"))
        }
        Ok(token) => {
            let ours = known.token.as_deref().unwrap_or("none yet");
            found(at, Finding::Bad, format!("the token is {token}, and this controller's is {ours}"))
        }
        Err(error) => found(at, Finding::Unknown, format!("the token cannot be read: {error}")),
    };
    vec![look]
}

async fn standby(executor: &Executor) -> Vec<DrillLook> {
    let (service, control) = (&executor.managed.service, &executor.managed.standby);
    let at = Step::VerifyReadOnly.as_str();
    let mut looks = vec![found(
        at,
        Finding::NotLooked,
        "whether it refuses writes only a write can tell, and a tabletop makes none: `quorate drill run --kind rehearse` does",
    )];
    let at = Step::EnterReadOnly.as_str();
    if let Some(most) = service.policy.max_lag {
        looks.push(match within(control.lag(&service.name)).await {
            // Its own word is none where positions tell, which are looked at below.
            Ok(None) => found(at, Finding::NotLooked, "the standby gives no word of its own on how far it is behind"),
            Ok(Some(lag)) if lag <= most => {
                good(at, format!("the standby answers: {} behind, and {} is the most", human(lag), human(most)))
            }
            Ok(Some(lag)) => {
                let text = format!("the standby is {} behind, and {} is the most", human(lag), human(most));
                found(at, Finding::Bad, text)
            }
            Err(error) => found(at, Finding::Unknown, format!("how far the standby is behind: {error}")),
        });
    }
    match within(control.positions(&service.name)).await {
        Ok(positions) if positions.is_empty() => {}
        Ok(positions) => {
            let names: Vec<&str> = positions.keys().map(String::as_str).collect();
            looks.push(good(at, format!("the standby tells its positions: {}", names.join(", "))));
        }
        Err(error) => looks.push(found(at, Finding::Unknown, format!("the standby's positions: {error}"))),
    }
    looks
}

fn human(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))).to_string()
}

async fn servers(executor: &Executor, serving: Role) -> Vec<DrillLook> {
    let at = Step::VerifyAnswers.as_str();
    let servers = match within(executor.servers()).await {
        Ok(servers) => servers,
        Err(error) => return vec![found(at, Finding::Unknown, format!("the name servers: {error}"))],
    };
    let mut looks = Vec::new();
    for name in executor.managed.service.moved() {
        let wanted = match within(executor.wanted(&name, serving)).await {
            Ok(wanted) => wanted,
            Err(error) => {
                looks.push(found(at, Finding::Unknown, error.to_string()));
                continue;
            }
        };
        for (host, addr) in &servers {
            let label = if *host == addr.to_string() { host.clone() } else { format!("{host} ({addr})") };
            looks.push(match within(executor.ports.resolver.ask(*addr, &name.name, name.kind)).await {
                Ok(answers) => {
                    let plain: Vec<String> =
                        answers.iter().map(|answer| answer.trim_end_matches('.').to_ascii_lowercase()).collect();
                    let right = !plain.is_empty() && plain.iter().all(|answer| wanted.contains(answer));
                    let text = match plain.is_empty() {
                        true => format!("{label} answers nothing for {}", name.name),
                        false => format!("{label} answers {} for {}", plain.join(", "), name.name),
                    };
                    found(at, if right { Finding::Good } else { Finding::Bad }, text)
                }
                Err(error) => found(at, Finding::Unknown, format!("{label}: {error}")),
            });
        }
    }
    looks
}

async fn zone(executor: &Executor) -> Vec<DrillLook> {
    let service = &executor.managed.service;
    let ttl = service.dns.ttl_s;
    let mut looks = vec![if ttl <= TTL_S {
        good("ttl", format!("answers may be kept for {ttl} s"))
    } else {
        found(
            "ttl",
            Finding::Bad,
            format!("answers may be kept for {ttl} s; more than {TTL_S} s is long for a failover"),
        )
    }];
    let facts = async { Ok::<_, PortError>(executor.zone_facts().await) };
    match within(facts).await {
        Ok(facts) => {
            let findings = zone_lint::lint(service, &facts);
            looks.extend(findings.into_iter().map(|one| {
                let word = if one.level == FindingLevel::Warning { "warning" } else { "note" };
                found("zone", Finding::NotLooked, format!("{word}: {}: {}", one.what, one.why))
            }));
        }
        Err(error) => looks.push(found("zone", Finding::Unknown, error.to_string())),
    }
    looks
}
