//! Where the functions of the check language stand, each with what people and editors are told of it.

use std::time::Duration;

use rhai::{Dynamic, EvalAltResult, FuncRegistration, Module, NativeCallContext, RhaiFunc, RhaiNativeFunc, Shared};

use super::Result;
use crate::adapters::script::{coroutine, flow};

/// How long a script computes before the next call of ours lets others of its thread go on.
const TURN: Duration = Duration::from_millis(5);

/// What `quorate check schema` says of one function, getter or variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The topic it belongs to.
    pub topic: &'static str,
    /// How it is called: `name(parameter: type) -> type`, `page.name(…)` for a method, `page.name -> type` for a property.
    pub signature: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

impl Entry {
    /// The name by which a script calls it.
    pub fn name(&self) -> &'static str {
        let end = self.signature.find(['(', ' ']).unwrap_or(self.signature.len());
        let called = self.signature.get(..end).unwrap_or_default();
        called.rsplit('.').next().unwrap_or(called)
    }
}

/// The functions under construction.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) module: Module,
    pub(super) entries: Vec<Entry>,
    topic: &'static str,
}

impl Shelf {
    /// What comes next belongs to this topic.
    pub(super) fn topic(&mut self, topic: &'static str) {
        self.topic = topic;
    }

    /// A function or a method; its name is taken from the signature.
    pub(super) fn add<A, const N: usize, const X: bool, R, const F: bool, W>(
        &mut self,
        signature: &'static str,
        doc: &'static str,
        function: W,
    ) where
        A: 'static,
        R: Clone + Send + Sync + 'static,
        W: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    {
        let name = self.enter(signature, doc);
        FuncRegistration::new(name).set_into_module_raw(&mut self.module, W::param_types(), placed(function));
    }

    /// A property that is read, `thing.name`.
    pub(super) fn getter<A, const N: usize, const X: bool, R, const F: bool, W>(
        &mut self,
        signature: &'static str,
        doc: &'static str,
        function: W,
    ) where
        A: 'static,
        R: Clone + Send + Sync + 'static,
        W: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    {
        let name = self.enter(signature, doc);
        FuncRegistration::new_getter(name).set_into_module_raw(&mut self.module, W::param_types(), placed(function));
    }

    /// A variable that every script has.
    pub(super) fn variable(&mut self, signature: &'static str, doc: &'static str) {
        self.enter(signature, doc);
    }

    fn enter(&mut self, signature: &'static str, doc: &'static str) -> &'static str {
        let entry = Entry { topic: self.topic, signature, doc };
        self.entries.push(entry);
        entry.name()
    }
}

/// The function, whose call is noted when it ends the script: of several inside each other, a step and what it does, the innermost.
fn placed<A, const N: usize, const X: bool, R, const F: bool>(
    function: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
) -> RhaiFunc
where
    A: 'static,
    R: Clone + Send + Sync + 'static,
{
    let (has_context, is_pure, is_volatile) = (true, true, false);
    match function.into_rhai_function(is_pure, is_volatile) {
        RhaiFunc::Pure { func, .. } => {
            let func = Shared::new(move |context: Option<NativeCallContext<'_>>, args: &mut [&mut Dynamic]| {
                noted(context, |context| func(context, args))
            });
            RhaiFunc::Pure { func, has_context, is_pure, is_volatile }
        }
        RhaiFunc::Method { func, .. } => {
            let func = Shared::new(move |context: Option<NativeCallContext<'_>>, args: &mut [&mut Dynamic]| {
                noted(context, |context| func(context, args))
            });
            RhaiFunc::Method { func, has_context, is_pure, is_volatile }
        }
        other => other,
    }
}

fn noted(
    context: Option<NativeCallContext<'_>>,
    call: impl FnOnce(Option<NativeCallContext<'_>>) -> Result<Dynamic>,
) -> Result<Dynamic> {
    let position = context.as_ref().map(NativeCallContext::call_position);
    in_turn()?;
    let result = call(context);
    if let (Err(error), Some(position)) = (&result, position)
        && matches!(**error, EvalAltResult::ErrorTerminated(..))
        && let Some(flow) = flow::current()
    {
        flow.guard.ended_at(position);
    }
    result
}

/// Operations are counted, but one of ours may take a thousand times as long as another: a search in a large page, say. After such a one
/// other scripts have their turn, and the deadline is looked at.
fn in_turn() -> Result<()> {
    if !coroutine::give_way(TURN) {
        return Ok(());
    }
    match flow::current() {
        Some(flow) if flow.watch.remaining().is_zero() => Err(flow.out_of_time(None).into()),
        _ => Ok(()),
    }
}
