//! What a script knows of the probe that it is: target, site, vantage, parameters, secrets.

use rhai::{Dynamic, FuncRegistration, ImmutableString, Module, NativeCallContext};

use super::Result;
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::plain_url;

/// The names that every script can use, in functions and closures, too.
pub(super) const NAMES: [&str; 3] = ["target", "site", "vantage"];

pub(super) fn register(module: &mut Module) {
    FuncRegistration::new("param").set_into_module(
        module,
        |context: NativeCallContext<'_>, name: ImmutableString| -> Result<String> {
            let flow = flow::of(&context)?;
            let missing = || Ending::Inconclusive(format!("the check has no parameter '{name}'"));
            Ok(flow.kit.params.get(name.as_str()).cloned().ok_or_else(missing)?)
        },
    );
    FuncRegistration::new("param").set_into_module(
        module,
        |context: NativeCallContext<'_>, name: ImmutableString, default: Dynamic| -> Result<Dynamic> {
            match flow::of(&context)?.kit.params.get(name.as_str()) {
                Some(value) => Ok(like(&default, &name, value)?),
                None => Ok(default),
            }
        },
    );
    FuncRegistration::new("secret").set_into_module(
        module,
        |context: NativeCallContext<'_>, name: ImmutableString| -> Result<String> {
            let flow = flow::of(&context)?;
            let missing = || Ending::Inconclusive(format!("the secret '{name}' is not given to this check"));
            Ok(flow.kit.secrets.get(&name).ok_or_else(missing)?.expose().to_owned())
        },
    );
}

/// The context's variables for one probe. `target` has no user and password: a script may show it.
pub(in crate::adapters::script) fn variables(flow: &Flow) -> Module {
    let request = &flow.request;
    let mut module = Module::new();
    module.set_var("target", plain_url(&request.target).to_string().trim_end_matches('/').to_owned());
    module.set_var("site", request.role.as_str().to_owned());
    module.set_var("vantage", request.vantage.as_ref().map(|name| name.as_str()).unwrap_or_default().to_owned());
    module
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
