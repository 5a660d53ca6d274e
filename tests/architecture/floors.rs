//! The floors of the house, and every path that leaves one: in `use`, inline, in attributes' strings, through `super`.

use super::source::{Kind, Source, Token, Violation, closing};

/// The rooms, with their floors. `src/lib.rs` draws the same table for people.
pub(crate) const FLOORS: [(&str, u8); 11] = [
    ("domain", 0),
    ("engine", 1),
    ("ports", 2),
    ("adapters", 3),
    ("runtime", 4),
    ("web", 5),
    ("lab", 5),
    ("drill", 5),
    ("sim", 5),
    ("cli", 6),
    ("main", 6),
];

/// Beside the stairs: they see the domain, and the adapters and everything above them see these.
pub(crate) const SIDE_STAIRS: [&str; 2] = ["config", "wire"];

/// The lowest floor with a door to the side stairs.
const SIDE_DOOR: u8 = 3;

/// Rooms of `src/adapters` that others of its rooms may import, each with the reason.
const SHARED_ADAPTERS: [(&str, &str); 2] = [
    (
        "outbound",
        "the one careful HTTP client (no redirects, capped answers, no URL in an error) of those that call out",
    ),
    (
        "question",
        "one question to one name server, and whether its signatures hold: for flips, for agents and for checks",
    ),
];

/// Rooms that name one adapter although they are not the composition root, each with the reason.
const NAMED_ADAPTERS: [(&str, &str, &str); 1] = [(
    "sim",
    "sqlite",
    "the world runs the store's real code and takes it back to a backup, which no port can ask for: another store would prove \
     nothing about this one",
)];

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn is_room(word: &str) -> bool {
    floor(word).is_some() || SIDE_STAIRS.contains(&word)
}

/// Every path of the file that goes where it may not.
pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for path in paths(source) {
        let Some(target) = resolve(source, &path) else { continue };
        if let Some(what) = judge(source, &target, path.test) {
            let written = path.segments.join("::");
            found.push(Violation::new(source, path.line, format!("`{written}`: {what}")));
        }
    }
    for (at, token) in source.tokens.iter().enumerate() {
        let next = |ahead: usize| source.tokens.get(at + ahead);
        if token.is_word("extern") && next(1).is_some_and(|next| next.is_word("crate")) {
            let what = "`extern crate` gives a crate a second name that no rule sees; write `use`, or the path";
            found.push(Violation::new(source, token.line, what));
        }
        if token.is_word("include") && next(1).is_some_and(|next| next.is('!')) {
            let what = "`include!` brings in source that no rule sees; make it a module";
            found.push(Violation::new(source, token.line, what));
        }
    }
    for attribute in source.attributes() {
        if let [word, equals, ..] = attribute
            && word.is_word("path")
            && equals.is('=')
        {
            let what = "`#[path]` hides which module a file is; put the file where its module belongs";
            found.push(Violation::new(source, word.line, what));
        }
    }
    found
}

/// Why a file may not name this place of the crate, or none.
fn judge(source: &Source, target: &[String], test: bool) -> Option<String> {
    let module = source.module();
    let here = module.first().map_or("main", String::as_str);
    let Some(there) = target.first().map(String::as_str) else {
        return Some("the whole crate under one name hides what is imported; name the room".to_owned());
    };
    if source.path == "src/lib.rs" {
        return Some("the library's root declares rooms and nothing else; name the item where it lives".to_owned());
    }
    if !is_room(there) {
        return Some(format!("`{there}` is no room of the house; give it a floor in {}", file!()));
    }
    if here == there {
        return if here == "adapters" { judge_neighbour(&module, target, test) } else { None };
    }
    let side = SIDE_STAIRS.contains(&there);
    if SIDE_STAIRS.contains(&here) {
        return (there != "domain")
            .then(|| format!("`{here}` imports the domain only; move what both need into `domain`"));
    }
    let Some(from) = floor(here) else {
        return Some(format!("`{here}` is no room of the house; give it a floor in {}", file!()));
    };
    if side {
        let what = format!(
            "`{here}` is on floor {from}, and `{there}` is for floor {SIDE_DOOR} and above; take domain values"
        );
        return (from < SIDE_DOOR).then_some(what);
    }
    let to = floor(there)?;
    if to > from {
        let what = "turn the call around with a trait in `ports`, or move what both need down";
        return Some(format!(
            "`{here}` is on floor {from}, `{there}` on floor {to}: nothing imports upwards; {what}"
        ));
    }
    if to == from && here != "main" {
        return Some(format!(
            "`{here}` and `{there}` share floor {from}: move what both need down to floor {}",
            to - 1
        ));
    }
    let named = |adapter: &String| NAMED_ADAPTERS.iter().any(|(room, known, _)| *room == here && known == adapter);
    if there == "adapters" && here != "cli" && !test && !target.get(1).is_some_and(named) {
        return Some(format!("only `cli` names concrete adapters; have `{here}` take the trait in `ports`"));
    }
    None
}

/// Between the rooms of `src/adapters`.
fn judge_neighbour(module: &[String], target: &[String], test: bool) -> Option<String> {
    let there = target.get(1).map(String::as_str);
    let own = match module.get(1) {
        Some(own) => own,
        None => return Some("src/adapters/mod.rs declares the adapters and gives them no second name".to_owned()),
    };
    if test || there == Some(own) || there.is_some_and(|there| SHARED_ADAPTERS.iter().any(|(room, _)| *room == there))
    {
        return None;
    }
    let there = there.unwrap_or("*");
    Some(format!("adapter `{own}` imports adapter `{there}`; have `cli` compose them, or move what both need down"))
}

/// A path as it is written, `use` groups taken apart.
#[derive(Debug)]
struct Written {
    segments: Vec<String>,
    line: usize,
    /// The module that it stands in.
    module: Vec<String>,
    test: bool,
}

impl Written {
    fn new(source: &Source, token: &Token, segments: Vec<String>) -> Self {
        let module = [source.module(), token.inline.clone()].concat();
        Self { segments, line: token.line, module, test: token.test }
    }
}

/// Where in this crate the path leads; none if it leads to another crate, or cannot leave its module's floor.
fn resolve(source: &Source, path: &Written) -> Option<Vec<String>> {
    let mut segments = path.segments.iter();
    let mut at = match segments.next()?.as_str() {
        "crate" | "quorate" => Vec::new(),
        "self" => path.module.clone(),
        "super" => parent(&path.module),
        // In a module's own file its children need no prefix; only the root's and the adapters' are rooms.
        first if source.path == "src/lib.rs" && is_room(first) => vec![first.to_owned()],
        _ => return None,
    };
    for segment in segments {
        match segment.as_str() {
            "super" => at = parent(&at),
            "self" => {}
            _ => at.push(segment.clone()),
        }
    }
    Some(at)
}

fn parent(module: &[String]) -> Vec<String> {
    module.split_last().map_or_else(Vec::new, |(_, parent)| parent.to_vec())
}

fn paths(source: &Source) -> Vec<Written> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if let Kind::Text(text) = &token.kind {
            // `#[serde(with = "crate::…")]`
            let segments: Vec<String> = text.split("::").map(str::to_owned).collect();
            let plain = segments.iter().all(|part| part.chars().all(|char| char.is_alphanumeric() || char == '_'));
            if plain && segments.len() > 1 {
                found.push(Written::new(source, token, segments));
            }
        }
        let Some(word) = token.word() else {
            at += 1;
            continue;
        };
        let next = tokens.get(at + 1);
        // Not `impl Trait + use<'a>`.
        if word == "use" && !next.is_some_and(|next| next.is('<')) {
            at = tree(source, at + 1, &[], &mut found);
            continue;
        }
        let mut segments = vec![word.to_owned()];
        let begin = at;
        at += 1;
        while tokens.get(at).is_some_and(Token::is_path)
            && let Some(word) = tokens.get(at + 1).and_then(Token::word)
        {
            segments.push(word.to_owned());
            at += 2;
        }
        // `pub(in crate::adapters)` imports nothing.
        let visibility = begin > 0 && tokens[begin - 1].is_word("in") && begin > 1 && tokens[begin - 2].is('(');
        if segments.len() > 1 && !visibility {
            found.push(Written::new(source, token, segments));
        }
    }
    found
}

/// Reads one `use` tree, and returns the index behind it.
fn tree(source: &Source, mut at: usize, prefix: &[String], found: &mut Vec<Written>) -> usize {
    let tokens = &source.tokens;
    let mut segments = prefix.to_vec();
    let Some(first) = tokens.get(at) else { return at };
    while let Some(token) = tokens.get(at) {
        if token.is_path() {
            at += 1;
        } else if token.is('{') {
            let end = closing(tokens, at).unwrap_or(tokens.len());
            at += 1;
            while at < end {
                at = tree(source, at, &segments, found);
                at += usize::from(tokens.get(at).is_some_and(|token| token.is(',')));
            }
            return end + 1;
        } else if token.is('*') {
            at += 1;
            break;
        } else if token.is_word("as") {
            at += 2;
            break;
        } else if let Some(word) = token.word() {
            segments.push(word.to_owned());
            at += 1;
        } else {
            break;
        }
    }
    found.push(Written::new(source, first, segments));
    // At a comma, a bracket or a semicolon, all of which the caller skips; at anything else, never stand still.
    let stops = tokens.get(at).is_some_and(|token| token.is(',') || token.is('}'));
    if stops { at } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines with a violation.
    fn lines(path: &str, text: &str) -> Vec<usize> {
        violations(&Source::new(path, text)).iter().map(|found| found.line).collect()
    }

    #[track_caller]
    fn fine(path: &str, text: &str) {
        super::super::source::assert_none(&violations(&Source::new(path, text)));
    }

    #[test]
    fn a_floor_may_import_the_floors_below_it_and_its_own_room() {
        fine("src/engine/window.rs", "use crate::domain::Moment; use super::io::Note; use crate::engine::guard;");
        fine("src/runtime/agent.rs", "use crate::{domain::{self, Moment}, engine::{Input}, ports::*, wire, config};");
        fine("src/cli/mod.rs", "use crate::adapters::{script, sqlite}; use crate::web::serve; use crate::lab;");
        fine("src/main.rs", "fn main() { quorate::cli::main() }");
        fine("src/lib.rs", "pub mod cli; pub mod domain;");
        fine(
            "src/engine/window.rs",
            "use std::fmt; use rand::rngs; pub(in crate::engine) fn x() {} pub(crate) fn y() {}",
        );
    }

    #[test]
    fn an_import_upwards_is_found_in_a_group_over_several_lines() {
        assert_eq!(lines("src/ports/dns.rs", "use crate::{\n    engine,\n    runtime::x,\n};"), [3]);
        let nested = "use crate::{\n  domain::{self, Moment},\n  engine::{\n    self, io::{Note,},\n  },\n  cli::{a,\n b},\n};";
        assert_eq!(lines("src/engine/x.rs", nested), [6, 7]);
        assert_eq!(lines("src/domain/x.rs", nested), [4, 4, 6, 7]);
    }

    #[test]
    fn an_import_upwards_is_found_inline() {
        assert_eq!(lines("src/domain/plan.rs", "fn x() {\n    crate::cli::y();\n}"), [2]);
        assert_eq!(lines("src/engine/x.rs", "fn x() -> Option<crate::ports::Clock> { todo }"), [1]);
        assert_eq!(lines("src/engine/x.rs", "impl\ncrate::ports::Clock for X {}"), [2]);
        assert_eq!(lines("src/engine/x.rs", "macro_rules! m { () => { $crate::web::x() } }"), [1]);
        assert_eq!(lines("src/engine/x.rs", "fn x() { use crate::cli; }"), [1]);
        assert_eq!(lines("src/engine/x.rs", "#[serde(with = \"crate::ports::x\")]\nstruct X;"), [1]);
    }

    #[test]
    fn an_import_upwards_is_found_through_super() {
        assert_eq!(lines("src/engine/x.rs", "use super::super::web::y;"), [1]);
        assert_eq!(lines("src/engine/mod.rs", "fn x() { super::runtime::y() }"), [1]);
        assert_eq!(lines("src/lab/route53/api.rs", "use super::super::super::cli;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "mod a { mod b { use super::super::super::super::ports; } }"), [1]);
        fine("src/engine/x.rs", "mod a { mod b { use super::super::super::ports; } } use self::a::b;");
        assert_eq!(lines("src/engine/x.rs", "use self::super::super::ports;"), [1]);
    }

    #[test]
    fn another_name_for_the_crate_or_a_room_is_no_way_around() {
        assert_eq!(lines("src/engine/x.rs", "use crate::runtime as r;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use crate as q; fn x() { q::cli::y() }"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use crate::{self as q};"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use crate::*;"), [1]);
        assert_eq!(lines("src/engine/mod.rs", "use super::*;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "extern crate self as q;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use ::quorate::cli;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use r#crate::x; use crate::r#cli;"), [1, 1]);
        assert_eq!(
            lines("src/engine/x.rs", "#[path = \"../cli/mod.rs\"]\nmod y; include!(\"../cli/api.rs\");"),
            [2, 1]
        );
        assert_eq!(lines("src/lib.rs", "pub use cli::main;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use crate::main;"), [1]);
    }

    #[test]
    fn rooms_on_one_floor_do_not_see_each_other() {
        assert_eq!(lines("src/web/mod.rs", "use crate::lab::Faults;"), [1]);
        assert_eq!(lines("src/lab/mod.rs", "use crate::web::serve;"), [1]);
    }

    #[test]
    fn the_side_stairs_see_the_domain_only_and_are_seen_from_the_adapters_up() {
        fine("src/wire/api.rs", "use crate::domain::Moment; use crate::wire::observations;");
        assert_eq!(lines("src/wire/api.rs", "use crate::engine::Note;"), [1]);
        assert_eq!(lines("src/config/mod.rs", "use crate::wire::api;"), [1]);
        assert_eq!(lines("src/config/mod.rs", "use crate::ports::Clock;"), [1]);
        assert_eq!(lines("src/engine/x.rs", "use crate::config::Config;"), [1]);
        assert_eq!(lines("src/ports/x.rs", "use crate::wire::api;"), [1]);
        assert_eq!(lines("src/domain/x.rs", "use crate::wire::api;"), [1]);
        fine("src/adapters/x.rs", "use crate::wire::api; use crate::config;");
    }

    #[test]
    fn only_the_command_line_names_adapters_outside_tests() {
        for file in ["src/runtime/x.rs", "src/web/x.rs", "src/lab/x.rs"] {
            assert_eq!(lines(file, "use crate::adapters::memory::Store;"), [1]);
            fine(file, "#[cfg(test)]\nmod tests {\n use crate::adapters::memory::Store;\n}");
        }
        fine("src/sim/x.rs", "use crate::adapters::sqlite::SqliteStore;");
        assert_eq!(lines("src/sim/x.rs", "use crate::adapters::route53::Route53;"), [1]);
        assert_eq!(lines("src/sim/x.rs", "use crate::adapters;"), [1]);
        assert_eq!(lines("src/runtime/x.rs", "#[cfg(test)] mod tests { use crate::web; }"), [1]);
        assert_eq!(lines("src/runtime/x.rs", "#[cfg(test)] mod tests {} use crate::adapters::x;"), [1]);
        assert_eq!(lines("src/runtime/x.rs", "#[cfg(not(test))] mod y { use crate::adapters::x; }"), [1]);
    }

    #[test]
    fn adapters_do_not_see_each_other() {
        fine("src/adapters/script/http.rs", "use crate::adapters::script::page; use super::super::script::x;");
        fine("src/adapters/notify/slack.rs", "use crate::adapters::outbound;");
        fine("src/adapters/mod.rs", "pub mod script; pub mod sqlite;");
        assert_eq!(lines("src/adapters/script/http.rs", "use crate::adapters::sqlite::Store;"), [1]);
        assert_eq!(lines("src/adapters/route53/mod.rs", "use super::resolver::Hickory;"), [1]);
        assert_eq!(lines("src/adapters/clock.rs", "use super::*;"), [1]);
        assert_eq!(lines("src/adapters/mod.rs", "pub use self::script::RhaiRunner;"), [1]);
    }

    #[test]
    fn a_new_room_needs_a_floor() {
        assert_eq!(lines("src/util/mod.rs", "use crate::domain;"), [1]);
        assert_eq!(lines("src/cli/mod.rs", "use crate::util;"), [1]);
    }
}
