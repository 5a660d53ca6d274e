//! One probe under way: what the host functions of the check language work on, and what the report is made from.

mod wire;

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rhai::{EvalAltResult, NativeCallContext};
use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use url::Url;

use super::coroutine;
use super::ending::Ending;
use super::guard::Guard;
use super::http::{Ask, Browser, Progress};
use super::limits::Limits;
use super::page::Page;
use super::places::Places;
use super::reach::Reach;
use super::tape::{Reel, Tape};
use super::text::{MAX_REASON_CHARS, MAX_STEP_NAME_CHARS, plain_url, tidy};
use super::tls::Trust;
use super::watch::Watch;
use crate::domain::{
    FailureKind, Metric, Outcome, ProbeReport, Protocol, Redaction, RequestRecord, ScriptPlace, Secrets, StepRecord,
};
use crate::ports::ProbeRequest;

/// The most steps that a run records; a report with more could not be read.
pub(super) const MAX_STEPS: usize = 100;
/// The most measures of one run.
const MAX_METRICS: usize = Metric::MOST;
/// The most codes, digests and the like of one run that are made from secrets: each is looked for in all that is said.
const MAX_CONCEALED: usize = 100;

/// What a check brings along besides its code.
#[derive(Debug, Clone)]
pub(super) struct Kit {
    pub(super) path: PathBuf,
    pub(super) params: BTreeMap<String, String>,
    pub(super) secrets: Secrets,
    pub(super) reach: Reach,
    pub(super) limits: Limits,
    /// Which lines are whose, of the check and of the files that it shares.
    pub(super) places: Arc<Places>,
}

/// One probe under way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) kit: Arc<Kit>,
    pub(super) request: ProbeRequest,
    pub(super) watch: Watch,
    /// What the script sees as `target`, `site` and `vantage`.
    pub(super) names: [rhai::ImmutableString; 3],
    browser: Browser,
    progress: Progress,
    trace: RefCell<Trace>,
    defaults: RefCell<rhai::Map>,
    reel: Reel,
    /// The secrets, and what the script has made from them.
    struck: RefCell<Redaction>,
    cleaning: Notify,
    pub(super) guard: Guard,
}

#[derive(Debug, Default)]
struct Trace {
    steps: Vec<StepRecord>,
    open: Vec<usize>,
    failing: Option<usize>,
    requests: usize,
    concealed: usize,
    page: Option<Page>,
    metrics: Vec<Metric>,
    records: Vec<RequestRecord>,
    deferred: Vec<rhai::FnPtr>,
    ended_in: Option<String>,
    /// How the script ended, where, and after how long.
    ended: Option<(Option<Ending>, Option<ScriptPlace>, u64)>,
}

/// The flow that a host function was called in; an error if it has ended, which the script may not have noticed.
pub(super) fn of(_: &NativeCallContext<'_>) -> Result<Rc<Flow>, Box<EvalAltResult>> {
    let none = || Ending::Inconclusive("the check language is of no use outside a probe".to_owned());
    let flow = current().ok_or_else(none)?;
    match flow.guard.ending() {
        Some(ending) => Err(ending.into()),
        None => Ok(flow),
    }
}

/// The flow of the script that runs on this thread right now.
pub(super) fn current() -> Option<Rc<Flow>> {
    coroutine::local()
}

impl Flow {
    /// A probe about to start.
    pub(super) fn new(kit: Arc<Kit>, request: ProbeRequest, browser: Browser, watch: Watch, reel: Reel) -> Self {
        let (progress, trace, defaults) = (Progress::default(), RefCell::default(), RefCell::default());
        let names = super::language::values(&request);
        let (guard, cleaning) = (Guard::default(), Notify::new());
        let struck = RefCell::new(kit.secrets.redaction().clone());
        Self { kit, request, watch, names, browser, progress, trace, defaults, reel, struck, cleaning, guard }
    }

    /// Opens a step, inside any that are open.
    pub(super) fn open_step(&self, name: &str) -> Result<usize, Ending> {
        let mut trace = self.trace.borrow_mut();
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
        let mut trace = self.trace.borrow_mut();
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
    pub(super) fn send(self: &Rc<Self>, ask: Ask) -> Result<Page, Ending> {
        self.count_request()?;
        let own = ask.timeout.filter(|own| *own < self.watch.remaining());
        let said = own.map(|own| (own, format!("{} {}", ask.method, plain_url(&ask.url))));
        let answer = self.booked(|| coroutine::wait_apart(self.sending(ask, own)));
        let page = match (answer, said) {
            (Some(Err(_)), Some((own, said))) => {
                let reason = format!("{said}: {} within its own limit of {}", self.progress.get(), words(own));
                return Err(if self.progress.is_ours() {
                    Ending::Inconclusive(reason)
                } else {
                    Ending::Fail(FailureKind::Timeout, reason)
                });
            }
            (answer, _) => self.in_time(answer)??,
        };
        self.trace.borrow_mut().page = Some(page.clone());
        Ok(page)
    }

    /// The request under way, within its own limit or what is left. It is large: whoever waits for it has none of it on the stack.
    #[inline(never)]
    fn sending(
        self: &Rc<Self>,
        ask: Ask,
        own: Option<Duration>,
    ) -> coroutine::Apart<Result<Result<Page, Ending>, Elapsed>> {
        let (flow, ask) = (Rc::clone(self), Box::new(ask));
        let limit = own.unwrap_or_else(|| self.watch.remaining());
        let sent = async move { flow.browser.send(ask, &*flow).await.map(Page::new) };
        Box::pin(tokio::time::timeout(limit, sent))
    }

    /// Counts one more request, or connection of another protocol.
    pub(super) fn count_request(&self) -> Result<(), Ending> {
        let mut trace = self.trace.borrow_mut();
        trace.requests += 1;
        let most = self.kit.limits.requests;
        if trace.requests > most {
            return Err(Ending::Inconclusive(format!("the script makes more than {most} requests")));
        }
        Ok(())
    }

    /// Permission for a connection of another protocol than HTTP: it is counted, its host must be in reach, and no recording has it.
    pub(super) fn connects(&self, host: &str) -> Result<(), Ending> {
        if self.reel.is_played() {
            return Err(Ending::Inconclusive(
                "only requests can be played from a recording, and this is none".to_owned(),
            ));
        }
        self.permits(host)?;
        self.count_request()
    }

    /// Whether the check may ask this host in place of the URL's own, by an option.
    fn permits_by(&self, option: &str, host: &str) -> Result<(), Ending> {
        self.permits(host).map_err(|ending| match ending {
            Ending::Inconclusive(what) => Ending::Inconclusive(format!("the option '{option}': {what}")),
            fail @ Ending::Fail(..) => fail,
        })
    }

    /// Whether the check may ask this host.
    pub(super) fn permits(&self, host: &str) -> Result<(), Ending> {
        self.kit.reach.permits(self.request.target.host_str().unwrap_or_default(), host)
    }

    /// Waits for the network, but not past the deadline. What is waited for belongs in the [progress](Self::progress), in words: it is said
    /// when the deadline strikes.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Ending> {
        let answer = self.booked(|| coroutine::wait(tokio::time::timeout(self.watch.remaining(), work)));
        self.in_time(answer)
    }

    /// Waits, and books the time as the site's.
    fn booked<T>(&self, wait: impl FnOnce() -> Option<T>) -> Option<T> {
        let (began, busy) = (self.watch.elapsed(), coroutine::busy());
        let answer = wait();
        self.watch.waited(began, coroutine::busy().saturating_sub(busy));
        answer
    }

    /// What was waited for, if it came before the deadline.
    fn in_time<T>(&self, answer: Option<Result<T, Elapsed>>) -> Result<T, Ending> {
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) if self.progress.is_ours() => {
                let limit = words(self.watch.deadline());
                Err(Ending::Inconclusive(format!("{} within the deadline of {limit}", self.progress.get())))
            }
            Some(Err(_)) => Err(self.out_of_time(Some(self.progress.get()))),
            None => Err(Ending::Inconclusive("the check language is of no use outside a probe".to_owned())),
        }
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
            (false, _) => {
                Ending::Inconclusive(format!("the script or a busy prober used up the deadline of {limit}"))
            }
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
        self.trace.borrow().page.clone()
    }

    /// The cookie that the next request to the last page would carry.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        let url = self.page().map_or_else(|| self.request.target.clone(), |page| page.answer().url.clone());
        self.browser.cookie(&url, name)
    }

    /// What the probe trusts.
    pub(super) fn trust(&self) -> &Trust {
        self.browser.trust()
    }

    /// Puts a cookie into the jar, as if the last page had set it.
    pub(super) fn set_cookie(&self, text: &str) -> Result<(), Ending> {
        let url = self.page().map_or_else(|| self.request.target.clone(), |page| page.answer().url.clone());
        let refused = |why: String| Ending::Inconclusive(format!("the cookie cannot be set: {why}"));
        self.browser.set_cookie(&url, text).map_err(refused)
    }

    /// The options of every request from here on, where it has none of its own.
    pub(super) fn set_defaults(&self, options: rhai::Map) {
        *self.defaults.borrow_mut() = options;
    }

    /// The options that stand for every request.
    pub(super) fn defaults(&self) -> rhai::Map {
        self.defaults.borrow().clone()
    }

    /// Notes what the check has measured.
    pub(super) fn measured(&self, metric: Metric) -> Result<(), Ending> {
        let mut trace = self.trace.borrow_mut();
        if trace.metrics.len() >= MAX_METRICS {
            return Err(Ending::Inconclusive(format!("the script measures more than {MAX_METRICS} things")));
        }
        trace.metrics.push(metric);
        Ok(())
    }

    /// Something to do when the script has ended, however it has.
    pub(super) fn defer(&self, words: rhai::FnPtr) -> Result<(), Ending> {
        let mut trace = self.trace.borrow_mut();
        if trace.deferred.len() >= MAX_STEPS {
            return Err(Ending::Inconclusive(format!("the script defers more than {MAX_STEPS} times")));
        }
        trace.deferred.push(words);
        Ok(())
    }

    /// What was deferred last and is not done yet.
    pub(super) fn next_deferred(&self) -> Option<rhai::FnPtr> {
        self.trace.borrow_mut().deferred.pop()
    }

    /// The script itself has ended: steps that are still open ended with it. What is to be cleaned up has a moment for itself.
    pub(super) fn script_ended(&self, ending: Option<&Ending>, place: Option<ScriptPlace>) {
        let now = self.watch.elapsed_ms();
        let mut trace = self.trace.borrow_mut();
        trace.ended = Some((ending.cloned(), place, now));
        if !trace.deferred.is_empty() {
            self.watch.leaves(self.kit.limits.clean_up);
            self.cleaning.notify_one();
        }
        let open = std::mem::take(&mut trace.open);
        for index in &open {
            if let Some(step) = trace.steps.get_mut(*index) {
                step.duration_ms = now.saturating_sub(step.start_ms);
                step.outcome = ending.map_or(Outcome::Inconclusive, Ending::outcome);
            }
        }
        let ended_in = open.last().copied().or(trace.failing);
        trace.ended_in = ended_in.and_then(|index| trace.steps.get(index)).map(|step| step.name.clone());
    }

    /// How the script has ended.
    pub(super) fn ended(&self) -> Option<Ending> {
        self.trace.borrow().ended.as_ref().and_then(|(ending, ..)| ending.clone())
    }

    /// Waits until there is something to clean up.
    pub(super) async fn cleaning(&self) {
        self.cleaning.notified().await;
    }

    /// Whether the report is to have all of that.
    pub(super) fn is_whole(&self) -> bool {
        self.reel.is_whole()
    }

    /// The text as it may be shown.
    pub(super) fn tidy(&self, text: &str, max_chars: usize) -> String {
        tidy(text, &self.struck(), max_chars)
    }

    /// What is struck out wherever the probe says something.
    pub(super) fn struck(&self) -> Ref<'_, Redaction> {
        if self.struck.borrow().is_unsettled() {
            self.struck.borrow_mut().settle();
        }
        self.struck.borrow()
    }

    /// A text that was made from these is struck out, too, where a secret is among them.
    pub(super) fn conceal(&self, made: &str, from: &[&[u8]]) -> Result<(), Ending> {
        self.concealing(from, |struck| struck.strike(made))
    }

    /// The same of bytes that are no text.
    pub(super) fn conceal_bytes(&self, made: &[u8], from: &[&[u8]]) -> Result<(), Ending> {
        self.concealing(from, |struck| struck.strike_bytes(made))
    }

    fn concealing(&self, from: &[&[u8]], strike: impl FnOnce(&mut Redaction)) -> Result<(), Ending> {
        let mut struck = self.struck.borrow_mut();
        if !from.iter().any(|bytes| struck.touches(bytes)) {
            return Ok(());
        }
        let mut trace = self.trace.borrow_mut();
        trace.concealed += 1;
        if trace.concealed > MAX_CONCEALED {
            return Err(Ending::Inconclusive(format!(
                "the script makes more than {MAX_CONCEALED} things from secrets"
            )));
        }
        strike(&mut struck);
        Ok(())
    }

    /// The record of the probe.
    pub(super) fn report(&self, ending: Option<Ending>) -> ProbeReport {
        let mut trace = self.trace.borrow_mut();
        let (place, duration_ms) = match trace.ended.take() {
            Some((_, place, ended_ms)) => (place, ended_ms),
            None => (None, self.watch.elapsed_ms()),
        };
        let ending = ending.or_else(|| {
            // A check that asks nothing must not say "pass", or an empty file would keep a dead site up.
            let mute = trace.requests == 0;
            mute.then(|| {
                Ending::Inconclusive("the check made no request, and so says nothing of the site".to_owned())
            })
        });
        // What was never answered was waited for to the end.
        let open = |record: &&mut RequestRecord| record.protocol == Protocol::Http && record.answer.is_none();
        for record in trace.records.iter_mut().filter(open) {
            record.duration_us = duration_ms.saturating_sub(record.start_ms) * 1_000;
        }
        let ended_in = trace.ended_in.take();
        let (outcome, kind, reason) = match ending {
            None => (Outcome::Pass, None, None),
            Some(Ending::Fail(kind, reason)) => (Outcome::Fail, Some(kind), Some(reason)),
            Some(Ending::Inconclusive(reason)) => (Outcome::Inconclusive, None, Some(reason)),
        };
        ProbeReport {
            outcome,
            kind,
            reason: reason
                .map(|reason| self.tidy(&reason, MAX_REASON_CHARS))
                .map(|reason| if reason.is_empty() { "the script does not say why".to_owned() } else { reason }),
            place: place.filter(|_| outcome != Outcome::Pass),
            failed_step: if outcome == Outcome::Pass { None } else { ended_in },
            steps: trace.steps.clone(),
            requests: trace.records.clone(),
            metrics: trace.metrics.clone(),
            duration_ms,
        }
    }

    /// What was recorded, if that was wanted.
    pub(super) fn tape(&self) -> Option<Tape> {
        self.reel.tape(&self.request.target, &self.struck())
    }
}

/// A duration as a person writes it.
fn words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
        .to_string()
}
