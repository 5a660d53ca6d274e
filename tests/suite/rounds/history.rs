//! What a witness saw, held against what the journal says of who may write. Nothing here asks anybody.

use std::collections::BTreeMap;

use quorate::domain::Role;
use serde_json::Value;

/// What became of a write that the witness tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The site has acknowledged it.
    Accepted,
    /// The site said that it is read-only.
    Refused,
    /// Neither.
    Unknown,
}

/// One write that was tried, and when, in milliseconds of the machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) role: Role,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) seen: Seen,
}

/// One entry of the journal, with the time at which it was made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) epoch: u64,
    pub(super) entry: Value,
}

/// From one moment to another, which may be yet to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Span {
    /// Whether the attempt was in it from beginning to end.
    fn holds(self, attempt: &Attempt) -> bool {
        attempt.began > self.from && attempt.ended < self.to
    }

    /// Whether any of the attempt may have been in it.
    fn touches(self, attempt: &Attempt) -> bool {
        attempt.ended >= self.from && attempt.began <= self.to
    }
}

/// Who must not write when, and who may, as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights {
    /// The primary was seen to refuse writes, and nobody has begun to let it take them again.
    pub(super) fenced: Vec<Span>,
    /// Somebody has begun to let the standby take writes, and it has not confirmed the opposite yet.
    pub(super) promoted: Vec<Span>,
    /// What the journal itself says against it.
    pub(super) faults: Vec<String>,
}

impl Rights {
    /// Folds the journal of one service.
    pub(super) fn of(journal: &[Entry]) -> Self {
        let mut rights = Self::default();
        let (mut plans, mut epoch): (BTreeMap<String, Vec<String>>, u64) = (BTreeMap::new(), 0);
        for Entry { at, epoch: of_entry, entry } in journal {
            if *of_entry < epoch {
                rights.faults.push(format!("an entry under epoch {of_entry} after one under {epoch}: {entry}"));
            }
            epoch = *of_entry;
            let word = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            match word("type").as_str() {
                "plan-opened" => {
                    let steps = entry["plan"]["steps"].as_array().into_iter().flatten();
                    let steps = steps.filter_map(Value::as_str).map(str::to_owned).collect();
                    plans.insert(entry["plan"]["id"].as_str().unwrap_or_default().to_owned(), steps);
                }
                kind @ ("step-started" | "step-succeeded") => {
                    let place = entry["step"].as_u64().and_then(|place| usize::try_from(place).ok());
                    let step = place.and_then(|place| plans.get(&word("plan"))?.get(place));
                    rights.step(*at, kind, step.map_or("", String::as_str), entry);
                }
                "alert-raised" if matches!(word("alert").as_str(), "standby-writable" | "primary-writable") => {
                    rights.faults.push(format!("an alert: {}", word("text")));
                }
                _ => {}
            }
        }
        rights
    }

    fn step(&mut self, at: u64, kind: &str, step: &str, entry: &Value) {
        let begin = |spans: &mut Vec<Span>| {
            if spans.last().is_none_or(|last| last.to != u64::MAX) {
                spans.push(Span { from: at, to: u64::MAX });
            }
        };
        let end = |spans: &mut Vec<Span>| {
            if let Some(last) = spans.last_mut().filter(|last| last.to == u64::MAX) {
                last.to = at;
            }
        };
        match (kind, step) {
            ("step-started", "allow-writes") => begin(&mut self.promoted),
            ("step-succeeded", "enter-read-only") => end(&mut self.promoted),
            ("step-succeeded", "fence-primary") if entry["detail"]["fenced"] == true => begin(&mut self.fenced),
            ("step-succeeded", "fence-primary") => {
                self.faults.push(format!("the primary, which can be reached, was not fenced: {}", entry["detail"]));
            }
            ("step-started", "release-primary") => end(&mut self.fenced),
            _ => {}
        }
    }
}

/// Every sign of a second writer.
pub(super) fn second_writers(attempts: &[Attempt], rights: &Rights) -> Vec<String> {
    let mut found = rights.faults.clone();
    let accepted: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.seen == Seen::Accepted).collect();
    for attempt in &accepted {
        let forbidden = match attempt.role {
            Role::Primary => rights.fenced.iter().any(|fenced| fenced.holds(attempt)),
            Role::Standby => !rights.promoted.iter().any(|promoted| promoted.touches(attempt)),
        };
        if forbidden {
            found.push(format!("the {} has taken a write that it must not take: {attempt:?}", attempt.role));
        }
    }
    // The same without the journal's help: whoever writes changes twice with each promotion, there and back, and never otherwise.
    let (changes, most) = (changes(&accepted), 2 * rights.promoted.len());
    if changes > most {
        found.push(format!(
            "writes were taken on one side and the other in turn: {changes} changes, and {most} are meant"
        ));
    }
    found
}

/// How often the writing side has changed at the least: the longest chain of accepted writes, each at the other site and wholly after the
/// one before it.
fn changes(accepted: &[&Attempt]) -> usize {
    let mut by_end = accepted.to_vec();
    by_end.sort_by_key(|attempt| attempt.ended);
    let chain = |first: Role| {
        let (mut wanted, mut last, mut length) = (first, None, 0_usize);
        for attempt in &by_end {
            if attempt.role == wanted && last.is_none_or(|last| attempt.began > last) {
                (wanted, last, length) = (wanted.other(), Some(attempt.ended), length + 1);
            }
        }
        length.saturating_sub(1)
    };
    chain(Role::Primary).max(chain(Role::Standby))
}

/// Where the witness has seen nothing of what it was there to see, in spans of at least that many milliseconds.
pub(super) fn blind(attempts: &[Attempt], rights: &Rights, at_least: u64) -> Vec<String> {
    let spans = |spans: &[Span]| -> Vec<Span> {
        spans.iter().copied().filter(|span| span.to != u64::MAX && span.to - span.from >= at_least).collect()
    };
    let saw = |span: &Span, role: Role, seen: Seen| {
        attempts.iter().any(|attempt| attempt.role == role && attempt.seen == seen && span.touches(attempt))
    };
    let (fenced, promoted) = (spans(&rights.fenced), spans(&rights.promoted));
    let unseen_fences = fenced.iter().filter(|span| !saw(span, Role::Primary, Seen::Refused));
    let unseen_promotions = promoted.iter().filter(|span| !saw(span, Role::Standby, Seen::Accepted));
    let unseen_fences = unseen_fences.map(|span| format!("no refusal of the primary was seen in {span:?}"));
    unseen_fences
        .chain(unseen_promotions.map(|span| format!("no write of the standby was seen in {span:?}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attempt(role: Role, began: u64, ended: u64, seen: Seen) -> Attempt {
        Attempt { role, began, ended, seen }
    }

    fn taken(role: Role, began: u64, ended: u64) -> Attempt {
        attempt(role, began, ended, Seen::Accepted)
    }

    /// A failover, a promotion and the way back, a step every hundred milliseconds.
    fn journal() -> Vec<Entry> {
        let plan = |id: &str, steps: &[&str]| json!({ "type": "plan-opened", "plan": { "id": id, "steps": steps } });
        let step = |kind: &str, plan: &str, step: usize| json!({ "type": kind, "plan": plan, "step": step, "detail": { "fenced": true } });
        let entries = [
            plan("a-1", &["enter-read-only", "verify-read-only", "fence-primary", "flip-records"]),
            step("step-started", "a-1", 0),
            step("step-succeeded", "a-1", 0),
            step("step-started", "a-1", 2),
            step("step-succeeded", "a-1", 2),
            step("step-succeeded", "a-1", 3),
            plan("a-2", &["fence-primary", "allow-writes"]),
            step("step-succeeded", "a-2", 0),
            step("step-started", "a-2", 1),
            step("step-succeeded", "a-2", 1),
            plan("a-3", &["enter-read-only", "verify-read-only", "drain-standby", "release-primary", "flip-records"]),
            step("step-started", "a-3", 0),
            step("step-succeeded", "a-3", 0),
            step("step-started", "a-3", 3),
            step("step-succeeded", "a-3", 3),
        ];
        let timed = entries.into_iter().zip((0..).step_by(100));
        timed.map(|(entry, at)| Entry { at, epoch: 1 + at / 700, entry }).collect()
    }

    fn honest() -> Vec<Attempt> {
        use Role::{Primary, Standby};
        use Seen::{Refused, Unknown};
        vec![
            taken(Primary, 10, 20),
            attempt(Standby, 10, 20, Refused),
            // Under way while it was fenced.
            taken(Primary, 390, 460),
            attempt(Primary, 500, 510, Refused),
            attempt(Standby, 500, 510, Unknown),
            taken(Standby, 790, 820),
            taken(Standby, 1_100, 1_110),
            attempt(Standby, 1_210, 1_220, Refused),
            taken(Primary, 1_290, 1_310),
            taken(Primary, 2_000, 2_010),
        ]
    }

    #[test]
    fn the_journal_says_who_may_write_when() {
        let rights = Rights::of(&journal());
        assert_eq!(rights.fenced, [Span { from: 400, to: 1_300 }]);
        assert_eq!(rights.promoted, [Span { from: 800, to: 1_200 }]);
        assert_eq!(rights.faults, [""; 0]);
        assert_eq!(second_writers(&honest(), &rights), [""; 0]);
        assert_eq!(blind(&honest(), &rights, 400), [""; 0]);
    }

    #[test]
    fn a_second_writer_is_found_wherever_it_writes() {
        let rights = Rights::of(&journal());
        let wrong = [
            // The standby before anybody let it, and after it was told to refuse.
            taken(Role::Standby, 600, 700),
            taken(Role::Standby, 1_201, 1_230),
            // The primary while it is fenced: before the promotion, during it, and while the standby drains.
            taken(Role::Primary, 401, 410),
            taken(Role::Primary, 900, 910),
            taken(Role::Primary, 1_250, 1_299),
        ];
        for wrong in wrong {
            let history: Vec<Attempt> = honest().into_iter().chain([wrong]).collect();
            let found = second_writers(&history, &rights);
            assert!(found.iter().any(|found| found.contains("must not take")), "{wrong:?}: {found:?}");
        }
    }

    #[test]
    fn two_sides_that_write_in_turn_are_found_whatever_the_journal_says() {
        let whole = Span { from: 0, to: 10_000 };
        let rights = Rights { fenced: vec![], promoted: vec![whole], faults: vec![] };
        let turns = |times: &[(Role, u64)]| -> Vec<Attempt> {
            times.iter().map(|(role, began)| taken(*role, *began, began + 10)).collect()
        };
        let meant = turns(&[(Role::Primary, 0), (Role::Standby, 20), (Role::Primary, 40)]);
        assert_eq!(second_writers(&meant, &rights), [""; 0]);
        let twice = turns(&[(Role::Primary, 0), (Role::Standby, 20), (Role::Primary, 40), (Role::Standby, 60)]);
        assert!(second_writers(&twice, &rights)[0].contains("3 changes, and 2 are meant"));
        // Which of two that overlap came first, nobody knows.
        let overlapping = turns(&[(Role::Primary, 0), (Role::Standby, 20), (Role::Primary, 40), (Role::Standby, 45)]);
        assert_eq!(second_writers(&overlapping, &rights), [""; 0]);
    }

    #[test]
    fn what_the_journal_itself_says_against_it_is_found() {
        let with =
            |entry: Value| Rights::of(&[journal(), vec![Entry { at: 9_000, epoch: 3, entry }]].concat()).faults;
        let alert = with(json!({ "type": "alert-raised", "alert": "standby-writable", "text": "it took one" }));
        assert_eq!(alert, ["an alert: it took one"]);
        assert_eq!(with(json!({ "type": "alert-raised", "alert": "blind", "text": "x" })), [""; 0]);
        let unfenced =
            with(json!({ "type": "step-succeeded", "plan": "a-1", "step": 2, "detail": { "fenced": false } }));
        assert!(unfenced[0].contains("was not fenced"), "{unfenced:?}");
        let backwards = Rights::of(&journal().into_iter().rev().collect::<Vec<_>>()).faults;
        assert!(backwards[0].contains("an entry under epoch"), "{backwards:?}");
    }

    #[test]
    fn a_witness_that_was_not_there_proves_nothing() {
        let found = blind(&honest()[..2], &Rights::of(&journal()), 400);
        assert!(found.len() == 2 && found[0].contains("no refusal of the primary"), "{found:?}");
    }
}
