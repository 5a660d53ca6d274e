//! JSON: values as texts and back, and JSONPath (RFC 9535) to find what is inside.
//!
//! A path is bounded before it is followed: `$..*..*` can name more values than a machine has memory for. What it leaves
//! out are the functions `match()` and `search()`, whose patterns nothing would bound; `array.filter(…)` does the same.

use rhai::serde::to_dynamic;
use rhai::{Array, Dynamic, NativeCallContext};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::reading::parsed;
use super::steps::kind_of;
use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::engine::MAX_ARRAY_ITEMS;
use crate::adapters::script::flow;
use crate::adapters::script::page::Page;
use crate::adapters::script::text::MAX_EXCERPT_CHARS;
use crate::domain::FailureKind;

/// The longest path, in bytes: people write twenty.
const MAX_PATH_BYTES: usize = 500;
/// Brackets inside each other in a path, which its parser follows by recursion.
const MAX_PATH_DEPTH: usize = 10;
/// The most values that a path may come by: a tenth of a second at the worst.
const MAX_VISITS: u64 = 2_000_000;
/// Values inside each other, the same as in a JSON text: what writes them recurses.
const MAX_DEPTH: usize = 128;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("JSON");
    shelf.add(
        "page.json_path(path: string) -> any",
        "The first value that the JSONPath (RFC 9535) finds in the body, or `()`; fails if the body is no JSON.",
        |context: NativeCallContext<'_>, page: &mut Page, path: &str| {
            first(&parsed(&*flow::of(&context)?, page)?, path)
        },
    );
    shelf.add(
        "page.json_path_all(path: string) -> array",
        "All values that the JSONPath finds in the body.",
        |context: NativeCallContext<'_>, page: &mut Page, path: &str| {
            all(&parsed(&*flow::of(&context)?, page)?, path)
        },
    );
    shelf.add(
        "json_path(value: any, path: string) -> any",
        "The first value that the JSONPath finds inside another, or `()`.",
        |value: Dynamic, path: &str| first(&plain(&value)?, path),
    );
    shelf.add(
        "json_path_all(value: any, path: string) -> array",
        "All values that the JSONPath finds inside another.",
        |value: Dynamic, path: &str| all(&plain(&value)?, path),
    );
    shelf.add(
        "expect_json(page: Page, path: string, wanted: any) -> Page",
        "Fails unless the first value that the JSONPath finds in the body is this one. `1` and `1.0` are the same.",
        expect_json,
    );
    shelf.add(
        "parse_json(text: string) -> any",
        "The value that a JSON text says; fails if it is none.",
        |context: NativeCallContext<'_>, text: &str| -> Result<Dynamic> {
            let flow = flow::of(&context)?;
            Ok(serde_json::from_str(text).map_err(|error| {
                let got = flow.tidy(text, MAX_EXCERPT_CHARS);
                Ending::Fail(FailureKind::Assertion, format!("wanted JSON ({error}), got \"{got}\""))
            })?)
        },
    );
    shelf.add("to_json(value: any) -> string", "The value as a JSON text.", |value: Dynamic| -> Result<String> {
        Ok(plain(&value)?.to_string())
    });
}

fn expect_json(context: NativeCallContext<'_>, page: Page, path: &str, wanted: Dynamic) -> Result<Page> {
    let flow = flow::of(&context)?;
    let wanted = plain(&wanted)?;
    let body: Value = parsed(&flow, &page)?;
    let found = query(&body, path)?.first().copied();
    if found.is_some_and(|found| same(found, &wanted)) {
        return Ok(page);
    }
    let got = found.map_or_else(|| "nothing".to_owned(), |found| flow.tidy(&found.to_string(), MAX_EXCERPT_CHARS));
    let reason = format!("wanted {wanted} at '{path}', got {got} in {}", page.summary(&flow.struck()));
    Err(Ending::Fail(kind_of(&page), reason).into())
}

/// The value without what is Rhai's own.
pub(super) fn plain(value: &Dynamic) -> std::result::Result<Value, Ending> {
    if !is_shallow(value, MAX_DEPTH) {
        let reason = format!("the value has more than {MAX_DEPTH} values inside each other, and cannot be JSON");
        return Err(Ending::Inconclusive(reason));
    }
    serde_json::to_value(value).map_err(|error| Ending::Inconclusive(format!("this value cannot be JSON: {error}")))
}

fn first(value: &Value, path: &str) -> Result<Dynamic> {
    query(value, path)?.first().map_or(Ok(Dynamic::UNIT), to_dynamic)
}

fn all(value: &Value, path: &str) -> Result<Array> {
    let found = query(value, path)?;
    if found.len() > MAX_ARRAY_ITEMS {
        let reason = format!("the JSONPath '{path}' finds {} values, more than {MAX_ARRAY_ITEMS}", found.len());
        return Err(Ending::Inconclusive(reason).into());
    }
    found.into_iter().map(to_dynamic).collect()
}

fn query<'a>(value: &'a Value, path: &str) -> std::result::Result<Vec<&'a Value>, Ending> {
    let refused = |why: &str| Ending::Inconclusive(format!("'{path}' is no JSONPath that is followed: {why}"));
    if path.len() > MAX_PATH_BYTES {
        return Err(Ending::Inconclusive(format!("a JSONPath of more than {MAX_PATH_BYTES} bytes is not followed")));
    }
    if nesting(path) > MAX_PATH_DEPTH {
        return Err(refused(&format!("it has more than {MAX_PATH_DEPTH} brackets inside each other")));
    }
    let parsed = JsonPath::parse(path)
        .map_err(|error| refused(&format!("at character {}: {}", error.position() + 1, error.message())))?;
    if visits(value, path) > MAX_VISITS {
        return Err(refused(&format!("it could come by more than {MAX_VISITS} values here; name more of the way")));
    }
    Ok(parsed.query(value).all())
}

/// How deep the brackets of a path go.
fn nesting(path: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in path.bytes() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// At most how many values the path comes by. Each `..` and each filter may come by a value once for everything around it,
/// each `$` in a filter by all values once more, and a list of `n` in brackets by what comes after it `n` times.
fn visits(value: &Value, path: &str) -> u64 {
    let (mut values, mut deepest) = (0_u64, 0_u64);
    let mut open = vec![(value, 1_u64)];
    while let Some((value, depth)) = open.pop() {
        values += 1;
        deepest = deepest.max(depth);
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    let count = |part: &str| u32::try_from(path.matches(part).count()).unwrap_or(u32::MAX);
    let listed = path.split(']').map(|part| part.bytes().filter(|byte| *byte == b',').count() as u64 + 1);
    values
        .saturating_mul(listed.fold(1, u64::saturating_mul))
        .saturating_mul(deepest.saturating_pow(count("..").saturating_add(count("?"))))
        .saturating_mul(values.saturating_pow(count("$").saturating_sub(1)))
}

/// Whether no more than this many values are inside each other.
fn is_shallow(value: &Dynamic, levels: usize) -> bool {
    let Some(inside) = levels.checked_sub(1) else { return false };
    if let Ok(items) = value.as_array_ref() {
        return items.iter().all(|item| is_shallow(item, inside));
    }
    value.as_map_ref().map_or(true, |members| members.values().all(|member| is_shallow(member, inside)))
}

/// Whether two values are equal, where a number is what it counts and not how it is written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_path_may_cost_is_known_before_it_is_followed() {
        let mut nested = json!(1);
        for _ in 0..100 {
            nested = json!([nested, nested.as_i64()]);
        }
        assert!(query(&nested, "$..*").is_ok());
        for hostile in
            ["$..*..*..*..*..*", "$[?count($..*)>1]..*", &format!("$[{}0]{}", "0,".repeat(9), "[0,0]".repeat(20))]
        {
            let refused = query(&nested, hostile).expect_err("must be refused");
            assert!(
                matches!(&refused, Ending::Inconclusive(why) if why.contains("more than 2000000 values")),
                "{refused:?}"
            );
        }
        let deep = format!("${}", "[?@".repeat(11));
        assert!(matches!(query(&nested, &deep), Err(Ending::Inconclusive(why)) if why.contains("10 brackets")));
    }
}
