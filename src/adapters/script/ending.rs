//! Why a probe ended before its script did. An ending travels through Rhai as a *termination*, which a script's `try`
//! cannot catch: a check must not be able to hide that its site failed, nor that it could not find out.

use std::path::Path;

use rhai::{Dynamic, EvalAltResult, Position};

use super::flow;
use super::places::Places;
use super::text::lower_first;
use crate::domain::{FailureKind, Outcome, ScriptPlace};

/// How a probe ended, other than by passing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The site misbehaved.
    Fail(FailureKind, String),
    /// Nothing can be said of the site.
    Inconclusive(String),
}

impl Ending {
    /// The outcome to report.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Fail(..) => Outcome::Fail,
            Self::Inconclusive(_) => Outcome::Inconclusive,
        }
    }

    /// The outcome that a script's error means.
    pub(super) fn outcome_of(error: &EvalAltResult) -> Outcome {
        match innermost(error, Position::NONE).0 {
            EvalAltResult::ErrorTerminated(token, _) => {
                token.read_lock::<Self>().map_or(Outcome::Inconclusive, |ending| ending.outcome())
            }
            _ => Outcome::Inconclusive,
        }
    }

    /// What a script's error means, and where it is: an ending of ours as it is, and anything else is a fault of the script.
    /// An inconclusive one names its place, `script:line:column`. `call` is where a host function was called that ended the script: Rhai
    /// forgets the place of a termination on its way through the script's functions.
    pub(super) fn of(
        error: &EvalAltResult,
        script: &Path,
        places: &Places,
        call: Option<Position>,
    ) -> (Self, Option<ScriptPlace>) {
        let (cause, position) = innermost(error, Position::NONE);
        let is_ours = matches!(cause, EvalAltResult::ErrorTerminated(..));
        let at = places.of(script, call.filter(|_| is_ours).unwrap_or(position));
        let reason = match cause {
            EvalAltResult::ErrorTerminated(token, _) => match token.clone().try_cast::<Self>() {
                Some(fail @ Self::Fail(..)) => return (fail, at),
                Some(Self::Inconclusive(reason)) => reason,
                None => "the script was stopped".to_owned(),
            },
            EvalAltResult::ErrorStackOverflow(_) => {
                format!("the script called more than {} functions deep", super::engine::MAX_CALL_DEPTH)
            }
            EvalAltResult::ErrorTooManyVariables(_) => {
                format!("the script has more than {} variables", super::engine::MAX_VARIABLES)
            }
            EvalAltResult::ErrorDataTooLarge(what, _) => {
                format!("the script made too large a value: {}", lower_first(what))
            }
            EvalAltResult::ErrorRuntime(thrown, _) => format!("the script threw: {thrown}"),
            EvalAltResult::ErrorFunctionNotFound(signature, _) if takes_nothing(signature) => {
                format!(
                    "no such function: {signature}; '()' is what a selector, header or cookie gives that is not there"
                )
            }
            EvalAltResult::ErrorFunctionNotFound(signature, _) => format!("no such function: {signature}"),
            EvalAltResult::ErrorDotExpr(text, _) => lower_first(text),
            other => lower_first(&unplaced(other)),
        };
        let said = at.as_ref().map_or_else(|| script.display().to_string(), ToString::to_string);
        (Self::Inconclusive(format!("{said}: {reason}")), at)
    }
}

impl From<Ending> for Box<EvalAltResult> {
    fn from(ending: Ending) -> Self {
        // Rhai hides a termination in a catchable error when it comes out of a closure that a native function called.
        if let Some(flow) = flow::current() {
            flow.guard.has_ended(&ending);
        }
        EvalAltResult::ErrorTerminated(Dynamic::from(ending), Position::NONE).into()
    }
}

/// The error inside all function calls, and the most precise position known for it.
fn innermost(error: &EvalAltResult, outer: Position) -> (&EvalAltResult, Position) {
    let own = error.position();
    let position = if own.is_none() { outer } else { own };
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            innermost(inner, position)
        }
        _ => (error, position),
    }
}

/// Rhai appends " (line 1, position 2)" to its text; the place is said in front, once.
fn unplaced(error: &EvalAltResult) -> String {
    let text = error.to_string();
    match text.rfind(" (line ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

fn takes_nothing(signature: &str) -> bool {
    signature.contains("(()") || signature.contains(", ()")
}
