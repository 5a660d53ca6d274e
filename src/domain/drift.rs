//! What differs between the world and what the register and the configuration say of a service's names (S20). It is reported, and
//! repaired by a person only.
//!
//! What could not be read is *unknown*, and never a difference: a provider that is silent, a store that is away, a name server that does
//! not answer. Records of types that the service does not move are named where they answer for the same name, and otherwise left alone.

use std::fmt;

use super::adoption::record_line;
use super::{ClusterName, MovedName, OwnedRecords, RecordSet, RecordType, Role, Routing, Service, Token};

/// What was seen of a service's names at about one time. What could not be seen holds why, fit for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sighting {
    /// Each provider's zone.
    pub zones: Vec<ZoneSeen>,
    /// Each store of the flag.
    pub flags: Vec<FlagSeen>,
    /// Each authoritative server's answer for each name.
    pub answers: Vec<AnswerSeen>,
    /// What could not even be asked.
    pub unasked: Vec<String>,
}

/// The records of the names in one provider's zone, and of their mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSeen {
    /// The provider and zone in words.
    pub at: String,
    /// How this zone's records choose between the sites.
    pub routing: Routing,
    /// The records.
    pub records: Result<Vec<RecordSet>, String>,
}

/// What one store of the flag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSeen {
    /// The object's place.
    pub store: String,
    /// Its token; none when the store says that there is no such object.
    pub held: Result<Option<Token>, FlagTrouble>,
}

/// Why a store shows no token of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagTrouble {
    /// Nothing is known of it: why.
    Unknown(String),
    /// What it holds is no flag of ours, and is left alone: what is wrong with it.
    Foreign(String),
}

/// What one authoritative server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSeen {
    /// The server.
    pub server: String,
    /// The question's name.
    pub name: String,
    /// The question's type.
    pub kind: RecordType,
    /// What must be answered while the primary serves, in lower case: for an alias all that it leads to.
    pub primary: Result<Vec<String>, String>,
    /// Likewise while the standby does.
    pub standby: Result<Vec<String>, String>,
    /// The answer.
    pub got: Result<Vec<String>, String>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A stable word for programs.
    pub code: &'static str,
    /// Where: a zone, a store or a server.
    pub at: String,
    /// What, in a sentence.
    pub what: String,
    /// As a diff: what is there with `-`, what should be with `+`.
    pub diff: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// What a look has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drift {
    /// What differs.
    pub differences: Vec<Difference>,
    /// What could not be told.
    pub unknown: Vec<String>,
}

impl Drift {
    /// The differences in a line; none when there is no difference.
    pub fn line(&self) -> Option<String> {
        let [first, rest @ ..] = self.differences.as_slice() else { return None };
        let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
        Some(format!("{first}{more}"))
    }
}

/// What is intended.
#[derive(Debug, Clone, Copy)]
pub struct Intended<'a> {
    /// The owner.
    pub cluster: &'a ClusterName,
    /// The service.
    pub service: &'a Service,
    /// Where the name is to point.
    pub serving: Role,
    /// The register's token, once this controller has fenced it.
    pub token: Option<&'a Token>,
}

/// Compares what was seen with what is intended.
pub fn judge(intended: Intended<'_>, seen: &Sighting) -> Drift {
    let mut drift = Drift { differences: Vec::new(), unknown: seen.unasked.clone() };
    for zone in &seen.zones {
        match &zone.records {
            Ok(records) => drift.differences.extend(Zone { intended, zone }.differences(records)),
            Err(why) => drift.unknown.push(format!("{}: {why}", zone.at)),
        }
    }
    for flag in &seen.flags {
        match &flag.held {
            Ok(held) => drift.differences.extend(flag_difference(intended, flag, held.as_ref())),
            Err(FlagTrouble::Unknown(why)) => drift.unknown.push(placed(&flag.store, why)),
            Err(FlagTrouble::Foreign(what)) => drift.differences.push(foreign(intended, &flag.store, what)),
        }
    }
    for answer in &seen.answers {
        let wanted = match intended.serving {
            Role::Primary => &answer.primary,
            Role::Standby => &answer.standby,
        };
        match (&answer.got, wanted) {
            (Ok(got), Ok(wanted)) => drift.differences.extend(answer_difference(answer, got, wanted)),
            (Err(why), _) | (_, Err(why)) => {
                drift.unknown.push(format!("{} for {} {}: {why}", answer.server, answer.name, answer.kind));
            }
        }
    }
    drift
}

/// Whether some store that can be read lacks what the flag's token says, and may be given it: one that is up is never lowered by the way.
pub fn flag_is_behind(seen: &Sighting, token: &Token) -> bool {
    seen.flags.iter().any(|flag| match &flag.held {
        Ok(None) => true,
        Ok(Some(held)) => token.is_after(held) && !(held.serving == Role::Standby && token.serving == Role::Primary),
        Err(_) => false,
    })
}

/// The stores that are not known to hold the flag's token, each with why.
pub fn stores_behind(seen: &Sighting, token: &Token) -> Vec<String> {
    if seen.flags.is_empty() {
        return vec!["its stores could not be asked".to_owned()];
    }
    let behind = seen.flags.iter().filter_map(|flag| match &flag.held {
        Ok(Some(held)) if held == token => None,
        Ok(Some(held)) => Some(format!("{}: it has '{held}', and not '{token}'", flag.store)),
        Ok(None) => Some(format!("{}: it has no flag", flag.store)),
        Err(FlagTrouble::Unknown(why) | FlagTrouble::Foreign(why)) => Some(placed(&flag.store, why)),
    });
    behind.collect()
}

/// An object that is there in the flag's place, and is none.
fn foreign(intended: Intended<'_>, store: &str, what: &str) -> Difference {
    // Errors of the port begin with the place, as the line of a difference does.
    let what = what.strip_prefix(store).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(what);
    let diff = intended.token.map(|token| format!("+ {token}")).into_iter().collect();
    Difference { code: "flag-foreign", at: store.to_owned(), what: what.to_owned(), diff }
}

/// What errors of a port begin with is not said twice.
fn placed(at: &str, why: &str) -> String {
    if why.starts_with(at) { why.to_owned() } else { format!("{at}: {why}") }
}

struct Zone<'a> {
    intended: Intended<'a>,
    zone: &'a ZoneSeen,
}

impl Zone<'_> {
    fn say(&self, code: &'static str, what: String, diff: Vec<String>) -> Difference {
        Difference { code, at: self.zone.at.clone(), what, diff }
    }

    fn differences(&self, records: &[RecordSet]) -> Vec<Difference> {
        let Intended { service, serving, .. } = self.intended;
        let mut here = service.clone();
        here.dns.routing = self.zone.routing;
        // Behind a flag that is not followed by records, they stay as they are.
        let at_rest = if service.dns.lane.has_records() { serving } else { Role::Primary };
        let wanted = OwnedRecords::wanted(&here, at_rest);
        let mut found = if service.dns.lane.has_records() { self.mark(records) } else { Vec::new() };
        for moved in here.moved() {
            let of_name = |set: &&RecordSet| set.name == moved.name && set.kind == moved.kind;
            let have: Vec<&RecordSet> = records.iter().filter(of_name).collect();
            let want: Vec<&RecordSet> = wanted.iter().filter(of_name).collect();
            found.extend(self.sets(&have, &want));
            found.extend(self.other_types(&here, &moved, records));
        }
        found
    }

    /// Records of one name and type: what is missing, what is too much, and what is not as it should be.
    fn sets(&self, have: &[&RecordSet], want: &[&RecordSet]) -> Vec<Difference> {
        let mut found = Vec::new();
        for wanted in want {
            let same = have.iter().find(|set| set.set_identifier == wanted.set_identifier);
            match same {
                None => found.push(self.say(
                    "missing",
                    format!("{} is missing", title(wanted)),
                    vec![format!("+ {}", record_line(wanted))],
                )),
                Some(set) => {
                    let what = changed(set, wanted);
                    if !what.is_empty() {
                        let diff = vec![format!("- {}", record_line(set)), format!("+ {}", record_line(wanted))];
                        let what = format!("{}: {} changed", title(wanted), what.join(", "));
                        found.push(self.say("changed", what, diff));
                    }
                }
            }
        }
        let extra = have.iter().filter(|set| want.iter().all(|wanted| wanted.set_identifier != set.set_identifier));
        found.extend(extra.map(|set| {
            self.say(
                "unexpected",
                format!("{} is not of this service", title(set)),
                vec![format!("- {}", record_line(set))],
            )
        }));
        found
    }

    /// What answers for the same name and does not move with it: half of the users would stay behind.
    fn other_types(&self, service: &Service, moved: &MovedName, records: &[RecordSet]) -> Vec<Difference> {
        let answers = |kind| matches!(kind, RecordType::A | RecordType::Aaaa | RecordType::Cname);
        let moves = |set: &RecordSet| service.moved().any(|other| other.name == set.name && other.kind == set.kind);
        let first = service.moved().find(|other| other.name == moved.name).is_some_and(|other| other == *moved);
        let others = records.iter().filter(|set| first && set.name == moved.name && answers(set.kind) && !moves(set));
        others
            .map(|set| {
                let what = format!("{} {} does not move with the service", set.name, set.kind);
                self.say("other-type", what, vec![format!("- {}", record_line(set))])
            })
            .collect()
    }

    fn mark(&self, records: &[RecordSet]) -> Vec<Difference> {
        let Intended { cluster, service, serving, token } = self.intended;
        let name = OwnedRecords::mark_name(&service.dns.name);
        let marks: Vec<&RecordSet> =
            records.iter().filter(|set| set.name == name && set.kind == RecordType::Txt).collect();
        let gone = || marks.iter().map(|mark| format!("- {}", record_line(mark)));
        // Of the flag the zone has another token, with a count of its own.
        let register = token.filter(|_| !service.dns.lane.has_flag());
        let wanted = register.map(|token| format!("+ {}", record_line(&OwnedRecords::mark_of(service, token))));
        let diff = || gone().chain(wanted.clone()).collect::<Vec<_>>();
        let [mark] = marks.as_slice() else {
            let (code, what) = if marks.is_empty() {
                ("mark-missing", format!("the ownership record {name} is missing"))
            } else {
                ("mark-changed", format!("there are {} ownership records {name}, and one is needed", marks.len()))
            };
            return vec![self.say(code, what, diff())];
        };
        let held = match Token::parse(&mark.values.join(" ")) {
            Ok(held) => held,
            Err(error) => return vec![self.say("mark-changed", error.to_string(), diff())],
        };
        let mut found = Vec::new();
        if held.cluster != *cluster {
            let what = format!("the records belong to the cluster '{}', and not to '{cluster}'", held.cluster);
            found.push(self.say("mark-foreign", what, diff()));
        } else if let Some(register) = register.filter(|register| **register != held) {
            let (code, what) = if register.is_after(&held) {
                ("mark-stale", format!("the token is '{held}', and '{register}' was written after it"))
            } else {
                ("mark-changed", format!("the token is '{held}', and '{register}' is what this controller wrote"))
            };
            found.push(self.say(code, what, diff()));
        } else if held.serving != serving {
            let what = format!("the token says that the {} serves, and it is the {serving}", held.serving);
            found.push(self.say("mark-changed", what, diff()));
        }
        found
    }
}

/// What is not the same, in words.
fn changed(set: &RecordSet, wanted: &RecordSet) -> Vec<&'static str> {
    let plain = |values: &[String]| {
        let mut plain: Vec<String> =
            values.iter().map(|value| value.trim_end_matches('.').to_ascii_lowercase()).collect();
        plain.sort_unstable();
        plain
    };
    let mut what = Vec::new();
    let mut note = |differs: bool, word| {
        if differs {
            what.push(word);
        }
    };
    note(plain(&set.values) != plain(&wanted.values), "value");
    note(set.alias != wanted.alias, "alias");
    // An alias has the time to live of what it means.
    note(set.alias.is_none() && wanted.alias.is_none() && set.ttl_s != wanted.ttl_s, "TTL");
    note(set.failover != wanted.failover, "failover part");
    note(set.health_check != wanted.health_check, "health check");
    what
}

fn title(set: &RecordSet) -> String {
    match &set.set_identifier {
        Some(id) => format!("{} {} '{id}'", set.name, set.kind),
        None => format!("{} {}", set.name, set.kind),
    }
}

fn flag_difference(intended: Intended<'_>, flag: &FlagSeen, held: Option<&Token>) -> Option<Difference> {
    let say = |code, what: String| Some(Difference { code, at: flag.store.clone(), what, diff: Vec::new() });
    match (held, intended.token) {
        (held, Some(token)) if held == Some(token) => None,
        (None, Some(token)) => say("flag-behind", format!("there is no flag, and '{token}' is what it should hold")),
        // A flag that is nowhere is one that was never moved.
        (None, None) => None,
        (Some(held), Some(token)) if token.is_after(held) => {
            say("flag-behind", format!("the flag has '{held}', and '{token}' was written after it"))
        }
        (Some(held), Some(token)) => {
            say("flag-changed", format!("the flag has '{held}', and '{token}' is what this controller wrote"))
        }
        (Some(held), None) if held.serving != intended.serving => {
            say("flag-changed", format!("the flag says the {}, and it is the {}", held.serving, intended.serving))
        }
        (Some(_), None) => None,
    }
}

/// An alias may be answered with some of its addresses.
fn answer_difference(answer: &AnswerSeen, got: &[String], wanted: &[String]) -> Option<Difference> {
    let fits = |value: &String| wanted.contains(&value.trim_end_matches('.').to_ascii_lowercase());
    if !got.is_empty() && got.iter().all(fits) {
        return None;
    }
    let AnswerSeen { server, name, kind, .. } = answer;
    let (said, should) = (got.join(", "), wanted.join(" or "));
    let said = if got.is_empty() { "nothing".to_owned() } else { said };
    let diff = vec![format!("- {name} {kind} {said}"), format!("+ {name} {kind} {should}")];
    let what = format!("it answers {said} for {name} {kind} instead of {should}");
    Some(Difference { code: "answer", at: server.clone(), what, diff })
}
