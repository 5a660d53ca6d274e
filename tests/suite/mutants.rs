//! The list of guards that `scripts/mutants` takes away must fit the source: each text there, exactly once.

use std::path::Path;

#[test]
fn every_mutant_still_finds_its_guard_exactly_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(root.join("tests/mutants/list.toml")).unwrap();
    let list = toml::de::DeTable::parse(&list).unwrap().into_inner();
    let mutants = list["mutant"].get_ref().as_array().unwrap();
    let mut stale = Vec::new();
    for mutant in mutants {
        let table = mutant.get_ref().as_table().unwrap();
        let also = table.get("also").map(|also| also.get_ref().as_array().unwrap().iter());
        let also = also.into_iter().flatten().map(|edit| edit.get_ref().as_table().unwrap());
        for edit in std::iter::once(table).chain(also) {
            let text = |key: &str| edit[key].get_ref().as_str().unwrap();
            let source = std::fs::read_to_string(root.join(text("file"))).unwrap();
            let found = source.matches(text("find")).count();
            if found != 1 {
                let guard = table["guard"].get_ref().as_str().unwrap();
                stale.push(format!("{guard}: found {found} times in {}", text("file")));
            }
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
    assert!(mutants.len() >= 30, "{} mutants", mutants.len());
}
