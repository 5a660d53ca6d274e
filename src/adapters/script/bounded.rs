//! Functions of Rhai's own packages that know no bounds, once more and with them. As Rhai has them,
//!
//! - `replace` and `split` make a text or an array of any size before its size is looked at,
//! - `pad` with an empty text never ends,
//! - sorting panics over a comparer that contradicts itself, or over NaN, and it catches panics, the unwinding of a dropped script among them,
//! - `sort` and `dedup` go on over an error of their closure, even if it was the end of the probe.

use std::cmp::Ordering;

use rhai::{
    Array, Dynamic, EvalAltResult, FnPtr, FuncRegistration, ImmutableString, Module, NativeCallContext, Position,
};

use super::ending::Ending;
use super::engine::MAX_ARRAY_ITEMS;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// The functions, which stand instead of Rhai's.
pub(super) fn module() -> Module {
    let mut module = Module::new();
    texts(&mut module);
    splitting(&mut module);
    for (sort, order) in [("sort", "order"), ("sort_by", "order_by")] {
        FuncRegistration::new(sort).set_into_module(&mut module, sort_by);
        FuncRegistration::new(order).set_into_module(
            &mut module,
            |context: NativeCallContext<'_>, array: &mut Array, comparer: FnPtr| -> Result<Array> {
                let mut array = array.clone();
                sort_by(context, &mut array, comparer)?;
                Ok(array)
            },
        );
    }
    for (sort, order, descending) in [("sort", "order", false), ("sort_desc", "order_desc", true)] {
        FuncRegistration::new(sort).set_into_module(&mut module, move |array: &mut Array| -> Result<()> {
            sort_naturally(array, descending)
        });
        FuncRegistration::new(order).set_into_module(&mut module, move |array: &mut Array| -> Result<Array> {
            let mut array = array.clone();
            sort_naturally(&mut array, descending)?;
            Ok(array)
        });
    }
    FuncRegistration::new("dedup").set_into_module(&mut module, dedup);
    module
}

fn too_large(what: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE).into()
}

fn texts(module: &mut Module) {
    type Text = ImmutableString;
    type Context<'a> = NativeCallContext<'a>;
    let replace = || FuncRegistration::new("replace");
    replace().set_into_module(module, |context: Context<'_>, text: &mut Text, find: Text, with: Text| {
        replaced(&context, text, &find, &with)
    });
    replace().set_into_module(module, |context: Context<'_>, text: &mut Text, find: Text, with: char| {
        replaced(&context, text, &find, with.encode_utf8(&mut [0; 4]))
    });
    replace().set_into_module(module, |context: Context<'_>, text: &mut Text, find: char, with: Text| {
        replaced(&context, text, find.encode_utf8(&mut [0; 4]), &with)
    });
    replace().set_into_module(module, |context: Context<'_>, text: &mut Text, find: char, with: char| {
        replaced(&context, text, find.encode_utf8(&mut [0; 4]), with.encode_utf8(&mut [0; 4]))
    });
    let pad = || FuncRegistration::new("pad");
    pad().set_into_module(module, |context: Context<'_>, text: &mut Text, length: i64, with: Text| {
        padded(&context, text, length, &with)
    });
    pad().set_into_module(module, |context: Context<'_>, text: &mut Text, length: i64, with: char| {
        padded(&context, text, length, with.encode_utf8(&mut [0; 4]))
    });
}

fn replaced(context: &NativeCallContext<'_>, text: &mut ImmutableString, find: &str, with: &str) -> Result<()> {
    let count = if text.is_empty() { 0 } else { text.matches(find).count() };
    let length = (text.len() - count * find.len()).saturating_add(count.saturating_mul(with.len()));
    if length > context.engine().max_string_size() {
        return Err(too_large("Length of string"));
    }
    if count > 0 {
        *text = text.replace(find, with).into();
    }
    Ok(())
}

fn padded(context: &NativeCallContext<'_>, text: &mut ImmutableString, length: i64, with: &str) -> Result<()> {
    let Ok(length) = usize::try_from(length) else { return Ok(()) };
    let missing = length.saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(());
    }
    let longest = with.chars().map(char::len_utf8).max();
    let Some(longest) = longest else {
        return Err(Ending::Inconclusive("a text cannot be padded with an empty one".to_owned()).into());
    };
    // The few bytes that this may say too many make no difference to a script that means well.
    if text.len().saturating_add(missing.saturating_mul(longest)) > context.engine().max_string_size() {
        return Err(too_large("Length of string"));
    }
    let mut longer = text.to_string();
    longer.extend(with.chars().cycle().take(missing));
    *text = longer.into();
    Ok(())
}

fn splitting(module: &mut Module) {
    type Text = ImmutableString;
    FuncRegistration::new("to_chars")
        .set_into_module(module, |text: Text| collected(text.chars().map(Dynamic::from)));
    let split = || FuncRegistration::new("split");
    split().set_into_module(module, |text: &mut Text| {
        if text.is_empty() { whole(text) } else { collected(text.split_whitespace().map(text_of)) }
    });
    split().set_into_module(module, |text: &mut Text, at: Text| pieces(text, &at, None, false));
    split().set_into_module(module, |text: &mut Text, at: Text, most: i64| pieces(text, &at, Some(most), false));
    split()
        .set_into_module(module, |text: &mut Text, at: char| pieces(text, at.encode_utf8(&mut [0; 4]), None, false));
    split().set_into_module(module, |text: &mut Text, at: char, most: i64| {
        pieces(text, at.encode_utf8(&mut [0; 4]), Some(most), false)
    });
    let split_rev = || FuncRegistration::new("split_rev");
    split_rev().set_into_module(module, |text: &mut Text, at: Text| pieces(text, &at, None, true));
    split_rev().set_into_module(module, |text: &mut Text, at: Text, most: i64| pieces(text, &at, Some(most), true));
    split_rev()
        .set_into_module(module, |text: &mut Text, at: char| pieces(text, at.encode_utf8(&mut [0; 4]), None, true));
    split_rev().set_into_module(module, |text: &mut Text, at: char, most: i64| {
        pieces(text, at.encode_utf8(&mut [0; 4]), Some(most), true)
    });
}

/// The pieces of a text, as Rhai has them: the text as it is, if there is nothing to split.
fn pieces(text: &ImmutableString, at: &str, most: Option<i64>, from_the_end: bool) -> Result<Array> {
    let most = usize::try_from(most.unwrap_or(i64::MAX).max(1)).unwrap_or(usize::MAX);
    if most == 1 || text.is_empty() || !text.contains(at) {
        return whole(text);
    }
    if from_the_end {
        collected(text.rsplitn(most, at).map(text_of))
    } else {
        collected(text.splitn(most, at).map(text_of))
    }
}

fn text_of(piece: &str) -> Dynamic {
    ImmutableString::from(piece).into()
}

fn whole(text: &ImmutableString) -> Result<Array> {
    Ok(vec![text.clone().into()])
}

fn collected(items: impl Iterator<Item = Dynamic>) -> Result<Array> {
    let mut array = Array::new();
    for item in items {
        if array.len() >= MAX_ARRAY_ITEMS {
            return Err(too_large("Size of array/BLOB"));
        }
        array.push(item);
    }
    Ok(array)
}

fn sort_by(context: NativeCallContext<'_>, array: &mut Array, comparer: FnPtr) -> Result<()> {
    let mut comes_after = |first: &Dynamic, second: &Dynamic| {
        let said = comparer.call_raw(&context, None, [first.clone(), second.clone()])?;
        match (said.as_int(), said.as_bool()) {
            (Ok(order), _) => Ok(order > 0),
            (_, Ok(first_is_less)) => Ok(!first_is_less),
            _ => Err(Ending::Inconclusive(
                "what sorts must give a whole number, or whether the first is less".to_owned(),
            )
            .into()),
        }
    };
    *array = merged(array.clone(), &mut comes_after)?;
    Ok(())
}

/// Sorts by merging, which bears a comparer that contradicts itself.
fn merged(mut items: Array, comes_after: &mut dyn FnMut(&Dynamic, &Dynamic) -> Result<bool>) -> Result<Array> {
    if items.len() <= 1 {
        return Ok(items);
    }
    let rest = items.split_off(items.len() / 2);
    let (left, right) = (merged(items, comes_after)?, merged(rest, comes_after)?);
    let mut sorted = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next = if comes_after(first, second)? { right.next() } else { left.next() };
        sorted.extend(next);
    }
    sorted.extend(left.chain(right));
    Ok(sorted)
}

fn sort_naturally(array: &mut Array, descending: bool) -> Result<()> {
    let unsortable = |what: String| Box::new(EvalAltResult::ErrorFunctionNotFound(what, Position::NONE));
    let Some(first) = array.first() else { return Ok(()) };
    if array.iter().any(|item| item.type_id() != first.type_id()) {
        return Err(unsortable("elements of different types cannot be sorted".to_owned()));
    }
    if !(first.is_int()
        || first.is_float()
        || first.is_char()
        || first.is_string()
        || first.is_bool()
        || first.is_unit())
    {
        return Err(unsortable(format!("elements of {} cannot be sorted", first.type_name())));
    }
    array.sort_by(|a, b| if descending { natural(b, a) } else { natural(a, b) });
    Ok(())
}

/// A total order of values of one type; NaN comes last.
fn natural(a: &Dynamic, b: &Dynamic) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.as_float(), b.as_float()) {
        return a.total_cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return a.cmp(&b);
    }
    match (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        (Ok(a), Ok(b)) => a.as_str().cmp(b.as_str()),
        _ => Ordering::Equal,
    }
}

fn dedup(context: NativeCallContext<'_>, array: &mut Array, comparer: FnPtr) -> Result<()> {
    let mut kept = Array::new();
    for item in array.iter() {
        let same = match kept.last() {
            Some(last) => comparer.call_raw(&context, None, [last.clone(), item.clone()])?.as_bool().unwrap_or(false),
            None => false,
        };
        if !same {
            kept.push(item.clone());
        }
    }
    *array = kept;
    Ok(())
}
