//! What a check measures, for policies and graphs.

use rhai::{Dynamic, ImmutableString, NativeCallContext};

use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow;
use crate::domain::Metric;

/// The longest name or unit, in characters.
const MAX_NAME_CHARS: usize = Metric::MAX_CHARS;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("measures");
    shelf.add(
        "metric(name: string, value: number)",
        "Reports something measured, logins per minute say.",
        |context: NativeCallContext<'_>, name: ImmutableString, value: Dynamic| metric(&context, &name, &value, ""),
    );
    shelf.add(
        "metric(name: string, value: number, unit: string)",
        "The same with a unit, `ms` say.",
        |context: NativeCallContext<'_>, name: ImmutableString, value: Dynamic, unit: ImmutableString| {
            metric(&context, &name, &value, &unit)
        },
    );
}

fn metric(context: &NativeCallContext<'_>, name: &str, value: &Dynamic, unit: &str) -> Result<()> {
    let flow = flow::of(context)?;
    let number =
        value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64)).ok().filter(|n| n.is_finite());
    let bad = |what: &str| Ending::Inconclusive(format!("the metric '{name}' {what}"));
    let value = number.ok_or_else(|| bad("must have a number"))?;
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || unit.chars().count() > MAX_NAME_CHARS {
        return Err(bad(&format!("needs a name of 1 to {MAX_NAME_CHARS} characters, and a unit no longer")).into());
    }
    let tidy = |text: &str| flow.tidy(text, MAX_NAME_CHARS);
    Ok(flow.measured(Metric { name: tidy(name), value, unit: tidy(unit) })?)
}
