//! One probe under way: what the host functions of the check language work on, and what the report is made from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rhai::{EvalAltResult, NativeCallContext};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::ending::Ending;
use super::http::{Ask, Browser, Progress};
use super::page::Page;
use super::text::{MAX_REASON_CHARS, MAX_STEP_NAME_CHARS, tidy};
use super::watch::Watch;
use crate::domain::{FailureKind, Outcome, ProbeReport, Secrets, StepRecord};
use crate::ports::ProbeRequest;

/// The most steps that a run records; a report with more could not be read.
pub(super) const MAX_STEPS: usize = 100;
/// The most requests of one run, redirects apart: a loop in a check must not become an attack on the site.
pub(super) const MAX_REQUESTS: usize = 100;

/// What a check brings along besides its code.
#[derive(Debug)]
pub(super) struct Kit {
    pub(super) path: PathBuf,
    pub(super) params: BTreeMap<String, String>,
    pub(super) secrets: Secrets,
}

/// One probe under way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) kit: Arc<Kit>,
    pub(super) request: ProbeRequest,
    pub(super) watch: Watch,
    pub(super) cancel: CancellationToken,
    handle: Handle,
    browser: Browser,
    progress: Progress,
    trace: Mutex<Trace>,
}

#[derive(Debug, Default)]
struct Trace {
    steps: Vec<StepRecord>,
    open: Vec<usize>,
    failing: Option<usize>,
    requests: usize,
    page: Option<Page>,
}

/// The flow as Rhai carries it: the tag of the engine that runs the script.
#[derive(Debug, Clone)]
pub(super) struct Tag(pub(super) Arc<Flow>);

/// The flow that a host function was called in.
pub(super) fn of(context: &NativeCallContext<'_>) -> Result<Arc<Flow>, Box<EvalAltResult>> {
    let tag = context.tag().and_then(|tag| tag.clone().try_cast::<Tag>());
    let outside = || Ending::Inconclusive("the check language is of no use outside a probe".to_owned());
    Ok(tag.ok_or_else(outside)?.0)
}

impl Flow {
    /// A probe about to start.
    pub(super) fn new(
        kit: Arc<Kit>,
        request: ProbeRequest,
        browser: Browser,
        watch: Watch,
        cancel: CancellationToken,
        handle: Handle,
    ) -> Self {
        let (progress, trace) = (Progress::default(), Mutex::default());
        Self { kit, request, watch, cancel, handle, browser, progress, trace }
    }

    /// Opens a step, inside any that are open.
    pub(super) fn open_step(&self, name: &str) -> Result<usize, Ending> {
        let mut trace = self.trace();
        if trace.steps.len() >= MAX_STEPS {
            return Err(Ending::Inconclusive(format!("the script has more than {MAX_STEPS} steps")));
        }
        let index = trace.steps.len();
        trace.steps.push(StepRecord {
            name: self.tidy(name, MAX_STEP_NAME_CHARS),
            start_ms: self.watch.elapsed_ms(),
            duration_ms: 0,
            // Until it is closed; a step that the deadline cuts off stays so.
            outcome: Outcome::Inconclusive,
        });
        trace.open.push(index);
        trace.failing = None;
        Ok(index)
    }

    /// Closes a step. The first one to close badly is where the probe ended, unless the script goes on after it.
    pub(super) fn close_step(&self, index: usize, outcome: Outcome) {
        let now = self.watch.elapsed_ms();
        let mut trace = self.trace();
        trace.open.retain(|open| *open != index);
        if outcome == Outcome::Pass {
            trace.failing = None;
        } else if trace.failing.is_none() {
            trace.failing = Some(index);
        }
        if let Some(step) = trace.steps.get_mut(index) {
            step.duration_ms = now.saturating_sub(step.start_ms);
            step.outcome = outcome;
        }
    }

    /// Sends a request and waits for its answer, but not past the deadline.
    pub(super) fn send(&self, ask: Ask) -> Result<Page, Ending> {
        {
            let mut trace = self.trace();
            trace.requests += 1;
            if trace.requests > MAX_REQUESTS {
                return Err(Ending::Inconclusive(format!("the script makes more than {MAX_REQUESTS} requests")));
            }
        }
        let page = Page::new(self.wait(self.browser.send(ask, self.progress()))??);
        self.trace().page = Some(page.clone());
        Ok(page)
    }

    /// Waits for the network, but not past the deadline nor for a probe that was called off. What is waited for belongs in
    /// the [progress](Self::progress), in words: it is said when the deadline strikes.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Ending> {
        let called_off = || Ending::Inconclusive("the probe was called off".to_owned());
        // Whoever called it off may be ending the runtime, which must not be entered then.
        if self.cancel.is_cancelled() {
            return Err(called_off());
        }
        let began = self.watch.elapsed();
        let answer = self.handle.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(called_off()),
                answer = tokio::time::timeout(self.watch.remaining(), work) => {
                    answer.map_err(|_| {
                        self.watch.waited(began);
                        self.out_of_time(Some(self.progress.get()))
                    })
                }
            }
        });
        self.watch.waited(began);
        answer
    }

    /// What the probe waits for.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What running out of time means: the site was slow, unless the script itself used up most of the deadline.
    pub(super) fn out_of_time(&self, waiting_for: Option<String>) -> Ending {
        let limit = words(self.watch.deadline());
        match (self.watch.blames_the_site(), waiting_for) {
            (true, Some(what)) => {
                Ending::Fail(FailureKind::Timeout, format!("{what} within the deadline of {limit}"))
            }
            (true, None) => {
                Ending::Fail(FailureKind::Timeout, format!("the site's answers used up the deadline of {limit}"))
            }
            (false, _) => Ending::Inconclusive(format!("the script itself used up the deadline of {limit}")),
        }
    }

    /// The URL that a script means. A path from the root (`/login`) is the target's, wherever redirects have led; any
    /// other relative one (`next`, `?page=2`) is the last page's, as a link on it would be, or the target's at first.
    pub(super) fn resolve(&self, text: &str) -> Result<Url, Ending> {
        let target = &self.request.target;
        let url = match Url::parse(text) {
            Ok(url) => Ok(url),
            Err(_) if text.starts_with('/') => target.join(text),
            Err(_) => self.page().map_or_else(|| target.join(text), |page| page.answer().url.join(text)),
        };
        let url = url.map_err(|error| Ending::Inconclusive(format!("'{text}' is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(Ending::Inconclusive(format!("'{text}' is no http or https URL")));
        }
        Ok(url)
    }

    /// The last answer, if there was one.
    pub(super) fn page(&self) -> Option<Page> {
        self.trace().page.clone()
    }

    /// The cookie that the next request to the last page would carry.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        let url = self.page().map_or_else(|| self.request.target.clone(), |page| page.answer().url.clone());
        self.browser.cookie(&url, name)
    }

    /// The text as it may be shown.
    pub(super) fn tidy(&self, text: &str, max_chars: usize) -> String {
        tidy(text, &self.kit.secrets, max_chars)
    }

    /// The record of the probe.
    pub(super) fn report(&self, ending: Option<Ending>) -> ProbeReport {
        let duration_ms = self.watch.elapsed_ms();
        let mut trace = self.trace();
        let ending = ending.or_else(|| {
            // A check that asks nothing must not say "pass", or an empty file would keep a dead site up.
            let mute = trace.requests == 0;
            mute.then(|| {
                Ending::Inconclusive("the check made no request, and so says nothing of the site".to_owned())
            })
        });
        let open = std::mem::take(&mut trace.open);
        for index in &open {
            if let Some(step) = trace.steps.get_mut(*index) {
                step.duration_ms = duration_ms.saturating_sub(step.start_ms);
                step.outcome = ending.as_ref().map_or(Outcome::Inconclusive, Ending::outcome);
            }
        }
        let ended_in = open.last().copied().or(trace.failing);
        let ended_in = ended_in.and_then(|index| trace.steps.get(index)).map(|step| step.name.clone());
        let (outcome, kind, reason) = match ending {
            None => (Outcome::Pass, None, None),
            Some(Ending::Fail(kind, reason)) => (Outcome::Fail, Some(kind), Some(reason)),
            Some(Ending::Inconclusive(reason)) => (Outcome::Inconclusive, None, Some(reason)),
        };
        ProbeReport {
            outcome,
            kind,
            reason: reason.map(|reason| self.tidy(&reason, MAX_REASON_CHARS)),
            failed_step: if outcome == Outcome::Pass { None } else { ended_in },
            steps: trace.steps.clone(),
            duration_ms,
        }
    }

    fn trace(&self) -> MutexGuard<'_, Trace> {
        // A poisoned lock means a panic in between two assignments; the trace is still the best record there is.
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A duration as a person writes it.
fn words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
        .to_string()
}
