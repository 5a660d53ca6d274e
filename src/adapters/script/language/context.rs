//! What a script knows of the probe that it is: target, site, vantage, parameters, secrets.

use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext, Scope};

use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::plain_url;
use crate::ports::ProbeRequest;

/// The names that every script can use, in functions and closures, too.
const NAMES: [&str; 3] = ["target", "site", "vantage"];

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("context");
    shelf.variable("target -> string", "The site's base URL.");
    shelf.variable("site -> string", "The site's role: `primary` or `standby`.");
    shelf.variable("vantage -> string", "The name of the vantage that the probe runs at; empty on a laptop.");
    shelf.add(
        "param(name: string) -> string",
        "The check's parameter with that name, from the configuration or `--param`; inconclusive if there is none.",
        |context: NativeCallContext<'_>, name: ImmutableString| -> Result<String> {
            let flow = flow::of(&context)?;
            let missing = || Ending::Inconclusive(format!("the check has no parameter '{name}'"));
            Ok(flow.kit.params.get(name.as_str()).cloned().ok_or_else(missing)?)
        },
    );
    shelf.add(
        "param(name: string, default: any) -> any",
        "The parameter, or the default; where that is a number or a boolean, the parameter is read as one.",
        |context: NativeCallContext<'_>, name: ImmutableString, default: Dynamic| -> Result<Dynamic> {
            match flow::of(&context)?.kit.params.get(name.as_str()) {
                Some(value) => Ok(like(&default, &name, value)?),
                None => Ok(default),
            }
        },
    );
    shelf.add(
        "secret(name: string) -> string",
        "The secret with that name, if the check's configuration lists it. Its value is struck out wherever the probe says something.",
        |context: NativeCallContext<'_>, name: ImmutableString| -> Result<String> {
            let flow = flow::of(&context)?;
            let missing = || Ending::Inconclusive(format!("the secret '{name}' is not given to this check"));
            Ok(flow.kit.secrets.get(&name).ok_or_else(missing)?.expose().to_owned())
        },
    );
}

/// The context's names, for the compiler, which refuses variables that it does not know.
pub(in crate::adapters::script) fn names() -> Scope<'static> {
    let mut scope = Scope::new();
    for name in NAMES {
        scope.push_constant_dynamic(name, Dynamic::UNIT);
    }
    scope
}

/// The context for a script's top level and its closures, which look for variables in their surroundings.
pub(in crate::adapters::script) fn scope(flow: &Flow) -> Scope<'static> {
    let mut scope = Scope::new();
    for (name, value) in NAMES.into_iter().zip(flow.names.iter()) {
        scope.push_constant(name, value.clone());
    }
    scope
}

/// The context for a script's functions, which see no surroundings, only what the engine is asked for.
#[expect(deprecated, reason = "rhai marks what may change between its versions so, and this project pins one")]
pub(in crate::adapters::script) fn watch_names(engine: &mut Engine) {
    engine.on_var(|name, _, _| {
        let Some(place) = NAMES.iter().position(|own| *own == name) else { return Ok(None) };
        Ok(flow::current().and_then(|flow| flow.names.get(place).cloned()).map(Dynamic::from))
    });
}

/// The values of [`NAMES`], in their order. `target` comes without user and password: a script may show it.
pub(in crate::adapters::script) fn values(request: &ProbeRequest) -> [ImmutableString; 3] {
    let target = plain_url(&request.target).to_string();
    let vantage = request.vantage.as_ref().map(|name| name.as_str()).unwrap_or_default();
    [target.trim_end_matches('/').into(), request.role.as_str().into(), vantage.into()]
}

/// Parameters are texts; one that has a number or a boolean as its default is read as such.
fn like(default: &Dynamic, name: &str, value: &str) -> std::result::Result<Dynamic, Ending> {
    let unreadable = |what: &str| Ending::Inconclusive(format!("the parameter '{name}' must be {what}"));
    if default.is_int() {
        return value.parse::<i64>().map(Dynamic::from).map_err(|_| unreadable("a whole number"));
    }
    if default.is_float() {
        return value.parse::<f64>().map(Dynamic::from).map_err(|_| unreadable("a number"));
    }
    if default.is_bool() {
        return value.parse::<bool>().map(Dynamic::from).map_err(|_| unreadable("true or false"));
    }
    Ok(value.to_owned().into())
}
