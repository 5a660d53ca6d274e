//! The names that Quorate may move at all: a list that an editor of one service cannot widen in passing.

use super::draft::Draft;
use super::problem::{At, Report};

/// Reports every name that moves and is not on the list, if there is one.
pub(super) fn allowed(draft: &Draft, report: &Report) {
    let Some(list) = &draft.names else { return };
    let dns = draft.services.iter().filter_map(|service| service.dns.as_ref());
    let rehearsed = draft.services.iter().filter_map(|service| service.drills.rehearsal.as_ref()?.dns.as_ref());
    let dns = dns.chain(rehearsed);
    let moved = dns.flat_map(|dns| dns.name.iter().chain(dns.also.iter().filter_map(|also| also.name.as_ref())));
    for At { value: name, spot } in moved {
        if !list.value.iter().any(|pattern| covers(&pattern.value, name)) {
            let patterns: Vec<&str> = list.value.iter().map(|pattern| pattern.value.as_str()).collect();
            report.error(
                spot,
                format!(
                    "'{name}' is not among the names that may be moved ({}): add it to 'names' at the top of the file, or \
                     correct it",
                    patterns.join(", ")
                ),
            );
        }
    }
}

/// `*.example.com` covers every name under it, at any depth, and not itself.
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_star_covers_what_is_under_it_and_nothing_else() {
        for name in ["login.f.example.com", "a.b.f.example.com"] {
            assert!(covers("*.f.example.com", name), "{name}");
        }
        for name in ["f.example.com", "xf.example.com", "login.example.com", ".f.example.com"] {
            assert!(!covers("*.f.example.com", name), "{name}");
        }
        assert!(
            covers("login.example.com", "login.example.com") && !covers("login.example.com", "x.login.example.com")
        );
    }
}
