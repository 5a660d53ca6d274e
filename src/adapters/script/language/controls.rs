//! The controls of a form, found as the HTML standard has it: by their place in the document or by their `form` attribute,
//! without those that are disabled. One walk over the document; nothing in it recurses.

use std::collections::BTreeMap;

use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef};
use scraper::node::Element;
use scraper::{ElementRef, Html, Node, Selector};

use crate::adapters::script::engine::MAX_ARRAY_ITEMS;

/// The most fields and choices of a form: the countries of the world are 250.
pub(super) const MAX_CONTROLS: usize = MAX_ARRAY_ITEMS;

/// One thing that a form may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether it is sent.
    pub(super) on: bool,
    pub(super) kind: Kind,
}

/// What can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text can be written into it.
    Text,
    /// It is sent or not: a box, an option, a button.
    Choice,
    /// Its value is the content of a file.
    File,
}

/// A form as the page has it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) method: Option<String>,
    pub(super) action: Option<String>,
    pub(super) enctype: Option<String>,
    /// What the page says that its links are relative to.
    pub(super) base: Option<String>,
    /// Nothing if there are more than [`MAX_CONTROLS`].
    pub(super) controls: Option<Vec<Control>>,
}

/// The form that the selector finds first, or that what it finds belongs to.
pub(super) fn read(html: &Html, selector: &Selector) -> Option<Found> {
    let hit = html.select(selector).next()?.id();
    let ids = form_ids(html);
    let mut form = html.tree.get(hit).and_then(element).filter(|element| element.name() == "form").map(|_| hit);
    if form.is_none() {
        walk(html, &ids, |node, owner, _| {
            if node.id() == hit {
                form = owner;
            }
        });
    }
    let form = form?;
    let own = element(html.tree.get(form)?)?;
    let attr = |name: &str| own.attr(name).map(str::to_owned);
    let mut base = None;
    let mut controls = Vec::new();
    walk(html, &ids, |node, owner, disabled| {
        let Some(element) = element(node) else { return };
        if base.is_none() && element.name() == "base" {
            base = element.attr("href").map(str::to_owned);
        }
        if owner == Some(form) && !disabled && controls.len() <= MAX_CONTROLS {
            add(&mut controls, node, element);
        }
    });
    let controls = Some(controls).filter(|controls| controls.len() <= MAX_CONTROLS);
    Some(Found { method: attr("method"), action: attr("action"), enctype: attr("enctype"), base, controls })
}

/// The forms by their ids. An id that another element has first names no form.
fn form_ids(html: &Html) -> BTreeMap<&str, Option<NodeId>> {
    let mut ids = BTreeMap::new();
    for node in html.tree.nodes() {
        if let Some((element, id)) = element(node).and_then(|element| Some((element, element.attr("id")?))) {
            ids.entry(id).or_insert((element.name() == "form").then(|| node.id()));
        }
    }
    ids
}

/// Visits every element in document order with the form that it belongs to, and whether something around it disables it.
fn walk<'a>(
    html: &'a Html,
    ids: &BTreeMap<&str, Option<NodeId>>,
    mut visit: impl FnMut(NodeRef<'a, Node>, Option<NodeId>, bool),
) {
    // Forms and tables that are open. A form in a table but outside its cells is empty in the tree; what comes after it
    // in the table is its all the same.
    let (mut forms, mut tables) = (Vec::new(), Vec::new());
    let mut adrift: Option<(NodeId, Option<NodeId>)> = None;
    // Disabled fieldsets that are open, each with its first legend, in which things are not disabled.
    let mut fieldsets: Vec<(NodeId, Option<NodeId>)> = Vec::new();
    let (mut disabled, mut out_of_sight) = (0_usize, 0_usize);
    for edge in html.tree.root().traverse() {
        let (node, opens) = match edge {
            Edge::Open(node) => (node, true),
            Edge::Close(node) => (node, false),
        };
        let Some(element) = element(node) else { continue };
        match (element.name(), opens) {
            ("form", true) => {
                let in_table = parent_name(node).is_some_and(|name| TABLE_PARTS.contains(&name));
                adrift = in_table.then(|| (node.id(), tables.last().copied()));
                forms.push(node.id());
            }
            ("form", false) => drop(forms.pop()),
            ("table", true) => tables.push(node.id()),
            ("table", false) => {
                tables.pop();
                adrift = adrift.filter(|(_, table)| *table != Some(node.id()));
            }
            ("fieldset", true) if element.attr("disabled").is_some() => {
                fieldsets.push((node.id(), None));
                disabled += 1;
            }
            ("fieldset", false) if fieldsets.last().is_some_and(|(id, _)| *id == node.id()) => {
                fieldsets.pop();
                disabled -= 1;
            }
            ("legend", true) => {
                let around = node.parent().map(|parent| parent.id());
                if let Some((id, legend @ None)) = fieldsets.last_mut()
                    && around == Some(*id)
                {
                    *legend = Some(node.id());
                    disabled -= 1;
                }
            }
            ("legend", false) if fieldsets.last().is_some_and(|(_, legend)| *legend == Some(node.id())) => {
                disabled += 1
            }
            ("datalist" | "template", true) => out_of_sight += 1,
            ("datalist" | "template", false) => out_of_sight -= 1,
            _ => {}
        }
        if opens {
            let owner = match element.attr("form") {
                Some(id) => ids.get(id).copied().flatten(),
                None => forms.last().copied().or(adrift.map(|(form, _)| form)),
            };
            visit(node, owner, disabled > 0 || out_of_sight > 0 || element.attr("disabled").is_some());
        }
    }
}

/// Where a table has no place for a form.
const TABLE_PARTS: [&str; 5] = ["table", "tbody", "thead", "tfoot", "tr"];

fn add(controls: &mut Vec<Control>, node: NodeRef<'_, Node>, element: &Element) {
    let Some(name) = element.attr("name").filter(|name| !name.is_empty()) else { return };
    let value = element.attr("value");
    let mut push = |value: &str, on: bool, kind: Kind| {
        controls.push(Control { name: name.to_owned(), value: value.to_owned(), on, kind });
    };
    let kind = element.attr("type").unwrap_or_default().to_ascii_lowercase();
    match (element.name(), kind.as_str()) {
        ("input", "submit") => push(value.unwrap_or_default(), false, Kind::Choice),
        ("button", "reset" | "button") | ("input", "reset" | "button" | "image") => {}
        ("button", _) => push(value.unwrap_or_default(), false, Kind::Choice),
        ("input", "checkbox") => push(value.unwrap_or("on"), element.attr("checked").is_some(), Kind::Choice),
        ("input", "radio") => {
            let on = element.attr("checked").is_some();
            push(value.unwrap_or("on"), on, Kind::Choice);
            if on {
                only_the_last(controls, name);
            }
        }
        ("input", "file") => push("", true, Kind::File),
        ("input", "hidden") if name.eq_ignore_ascii_case("_charset_") => push("UTF-8", true, Kind::Text),
        ("input", _) => push(value.unwrap_or_default(), true, Kind::Text),
        ("textarea", _) => push(&text(node), true, Kind::Text),
        ("select", _) => options(node, element).into_iter().for_each(|(value, on)| push(&value, on, Kind::Choice)),
        _ => {}
    }
}

/// Of several radio buttons that are checked the last one counts.
fn only_the_last(controls: &mut [Control], name: &str) {
    if let Some((_, before)) = controls.split_last() {
        let before = before.len();
        for control in controls.iter_mut().take(before) {
            control.on &= control.name != name || control.kind != Kind::Choice;
        }
    }
}

/// The values of the options that can be chosen, and which of them are.
fn options(select: NodeRef<'_, Node>, own: &Element) -> Vec<(String, bool)> {
    let multiple = own.attr("multiple").is_some();
    let is_list = own.attr("size").and_then(|size| size.trim().parse::<u32>().ok()).is_some_and(|size| size > 1);
    let mut found: Vec<(String, bool, bool)> = Vec::new();
    for node in select.descendants() {
        let Some(option) = element(node).filter(|element| element.name() == "option") else { continue };
        let group = node.parent().and_then(element).filter(|parent| parent.name() == "optgroup");
        let disabled = [Some(option), group].iter().flatten().any(|element| element.attr("disabled").is_some());
        let words = || text(node).split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let value = option.attr("value").map_or_else(words, str::to_owned);
        found.push((value, option.attr("selected").is_some(), disabled));
    }
    if !multiple {
        let last = found.iter().rposition(|(_, selected, _)| *selected);
        let first = || found.iter().position(|(_, _, disabled)| !disabled).filter(|_| !is_list);
        let chosen = last.or_else(first);
        found.iter_mut().enumerate().for_each(|(at, (_, selected, _))| *selected = chosen == Some(at));
    }
    found.into_iter().filter(|(_, _, disabled)| !disabled).map(|(value, selected, _)| (value, selected)).collect()
}

fn text(node: NodeRef<'_, Node>) -> String {
    ElementRef::wrap(node).map(|element| element.text().collect()).unwrap_or_default()
}

fn element<'a>(node: NodeRef<'a, Node>) -> Option<&'a Element> {
    node.value().as_element()
}

fn parent_name(node: NodeRef<'_, Node>) -> Option<&str> {
    node.parent().and_then(element).map(Element::name)
}
