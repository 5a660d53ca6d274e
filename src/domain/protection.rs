//! Protections: single record sets that a provider itself keeps from being changed, by whomever. A freeze is mirrored in them, so that neither a
//! controller that was deposed nor a person at a console moves what is frozen (S10).
//!
//! ```text
//!             journal says     ours there      others' there     nothing there
//!             frozen           leave           leave             create
//!             not frozen       delete          leave, and tell   leave
//! ```
//!
//! The ownership record is not among what is protected: a new leader must be able to write its token, or its predecessor's writes would stay
//! valid until after the freeze (S5). No batch moves a record without one of those that are.

use super::{ClusterName, RecordType, ServiceName};

/// A name and type, of which all records are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName {
    /// The name, without a dot at its end.
    pub name: String,
    /// The type.
    pub kind: RecordType,
}

/// A protection as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// What it protects.
    pub of: RecordName,
    /// What whoever made it has written beside.
    pub comment: Option<String>,
}

/// How one zone's protections stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtectionState {
    /// Nobody has been able to look: why.
    Unknown(String),
    /// Its provider has no such thing.
    Unsupported,
    /// None of the records is protected.
    Off,
    /// All records are protected, for this service's freeze or (then in these words) by somebody else as well.
    On(Option<String>),
    /// Some are, and others are not: in words.
    Partly(String),
    /// Not for this service's freeze, and yet protected, by somebody else: in words.
    Others(String),
}

/// What is to be done, and how the zone stands before it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Protections to be made.
    pub create: Vec<RecordName>,
    /// Protections to be taken away, all of them ours.
    pub delete: Vec<RecordName>,
    /// How the zone stands.
    pub state: ProtectionState,
}

/// What we write beside a protection. The provider repeats it to whoever is refused, so it says the way out; it begins with what tells ours.
pub fn comment(cluster: &ClusterName, service: &ServiceName) -> String {
    format!("{} frozen; `quorate unfreeze {service}` lifts it", mark(cluster, service))
}

fn mark(cluster: &ClusterName, service: &ServiceName) -> String {
    format!("Quorate {cluster} {service}:")
}

/// Compares what is there with what the journal wants. `there` may hold other records' protections.
pub fn agree(
    (cluster, service): (&ClusterName, &ServiceName),
    names: &[RecordName],
    there: &[Protection],
    frozen: bool,
) -> Agreement {
    let mark = mark(cluster, service);
    let is_ours = |one: &&Protection| one.comment.as_ref().is_some_and(|comment| comment.starts_with(&mark));
    let of = |name: &RecordName| there.iter().find(|one| one.of == *name);
    let (mut ours, mut others, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match of(name) {
            Some(one) if is_ours(&one) => ours.push(name.clone()),
            Some(one) => others.push((name, one.comment.as_deref().unwrap_or("no comment"))),
            None => bare.push(name.clone()),
        }
    }
    let words = |others: &[(&RecordName, &str)]| {
        let each: Vec<String> =
            others.iter().map(|(name, why)| format!("{} {} ({why})", name.name, name.kind)).collect();
        format!("protected by somebody else: {}", each.join(", "))
    };
    let state = match (ours.is_empty(), others.is_empty(), bare.is_empty()) {
        (true, true, _) => ProtectionState::Off,
        (true, false, _) => ProtectionState::Others(words(&others)),
        (false, true, true) => ProtectionState::On(None),
        (false, false, true) => ProtectionState::On(Some(words(&others))),
        (false, _, false) => {
            let each: Vec<String> = bare.iter().map(|name| format!("{} {}", name.name, name.kind)).collect();
            ProtectionState::Partly(format!("not protected: {}", each.join(", ")))
        }
    };
    let (create, delete) = if frozen { (bare, Vec::new()) } else { (Vec::new(), ours) };
    Agreement { create, delete, state }
}

impl ProtectionState {
    /// Whether changes of the records are refused by the provider; none when nobody can tell.
    pub fn protected(&self) -> Option<bool> {
        match self {
            Self::Unknown(_) => None,
            Self::Off | Self::Unsupported => Some(false),
            Self::On(_) | Self::Partly(_) | Self::Others(_) => Some(true),
        }
    }

    /// Whether a protection of ours is known to be there, which we take away before anything moves.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::On(_) | Self::Partly(_))
    }

    /// Whether the zone is as a freeze, or its absence, wants it. What a provider does not have cannot be otherwise.
    pub fn is_settled(&self, frozen: bool) -> bool {
        match self {
            Self::Unknown(_) | Self::Partly(_) => false,
            Self::Unsupported => true,
            Self::Off => !frozen,
            Self::On(_) => frozen,
            // Every record of the service may be somebody else's to protect.
            Self::Others(_) => true,
        }
    }

    /// In a sentence's words.
    pub fn words(&self) -> String {
        match self {
            Self::Unknown(why) => format!("whether it protects the records is not known: {why}"),
            Self::Unsupported => {
                "its provider has no protection of records: the journal's freeze holds there alone".to_owned()
            }
            Self::Off => "the records are not protected".to_owned(),
            Self::On(None) => "the provider refuses every change of the records".to_owned(),
            Self::On(Some(others)) => format!("the provider refuses every change of the records; {others}"),
            Self::Partly(which) => format!("the provider refuses changes of some records; {which}"),
            Self::Others(others) => format!("{others}; a move is refused until that is taken away"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> RecordName {
        RecordName { name: name.to_owned(), kind: RecordType::A }
    }

    #[test]
    fn only_our_own_are_taken_away_and_only_what_is_bare_is_protected() {
        let (cluster, service) = (ClusterName::new("example").unwrap(), ServiceName::new("login").unwrap());
        let ours = |of: &str| Protection { of: name(of), comment: Some(comment(&cluster, &service)) };
        let theirs = |of: &str| Protection { of: name(of), comment: Some("audit".to_owned()) };
        let names = [name("a.test"), name("b.test")];
        let cases = [
            (vec![], "ab", "", "Off"),
            (vec![ours("a.test")], "b", "a", "Partly"),
            (vec![ours("a.test"), ours("b.test"), theirs("elsewhere.test")], "", "ab", "On"),
            (vec![ours("a.test"), theirs("b.test")], "", "a", "On"),
            (vec![theirs("a.test")], "b", "", "Others"),
            (vec![theirs("a.test"), theirs("b.test")], "", "", "Others"),
        ];
        let letters =
            |names: &[RecordName]| names.iter().filter_map(|one| one.name.chars().next()).collect::<String>();
        for (there, create, delete, state) in cases {
            let frozen = agree((&cluster, &service), &names, &there, true);
            assert_eq!(
                (letters(&frozen.create), letters(&frozen.delete)),
                (create.to_owned(), String::new()),
                "{there:?}"
            );
            let free = agree((&cluster, &service), &names, &there, false);
            assert_eq!(
                (letters(&free.create), letters(&free.delete)),
                (String::new(), delete.to_owned()),
                "{there:?}"
            );
            assert_eq!(frozen.state, free.state);
            assert!(format!("{:?}", free.state).starts_with(state), "{there:?}: {:?}", free.state);
        }
        let other = ServiceName::new("log").unwrap();
        let strangers = agree((&cluster, &other), &names, &[ours("a.test")], false);
        assert_eq!(strangers.delete, [], "another service's, whose name begins the same");
        assert!(comment(&cluster, &service).len() <= 256);
    }
}
