//! DNS records and the one kind of change that Quorate makes to them. UPSERT does not exist here, and neither does a batch that
//! does not swap the ownership token.

use std::fmt;

use super::{ClusterName, Role, Service, Token, TokenError};

/// The types of record that Quorate moves or owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// A host name.
    Cname,
    /// The ownership record.
    Txt,
}

impl RecordType {
    const ALL: [Self; 4] = [Self::A, Self::Aaaa, Self::Cname, Self::Txt];

    /// The word used in DNS.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
        }
    }

    /// The type that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record's part in failover routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failover {
    /// Answered while it is healthy.
    Primary,
    /// Answered otherwise.
    Secondary,
}

/// One resource record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// Fully qualified, lower case, without the final dot.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// Time to live, in seconds.
    pub ttl_s: u32,
    /// The values; a TXT's without its quotes.
    pub values: Vec<String>,
    /// Tells the records of one name and type apart.
    pub set_identifier: Option<String>,
    /// The part in failover routing; absent for a simple record.
    pub failover: Option<Failover>,
    /// The health check that it hangs on.
    pub health_check: Option<String>,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Remove exactly this.
    Delete(RecordSet),
    /// Add this, which must not exist.
    Create(RecordSet),
}

/// Why the records of a name are not ours to change. None of these heals by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// No ownership record.
    #[error(
        "{name} has no ownership record ({owner} TXT): Quorate does not touch records without its mark; create it with the \
         value '{mark}' once the records are as the configuration says"
    )]
    NotOwned {
        /// The name.
        name: String,
        /// The ownership record's name.
        owner: String,
        /// What it should hold.
        mark: String,
    },
    /// Another cluster's.
    #[error("{name} belongs to the cluster '{owner}', not to '{cluster}'")]
    OtherCluster {
        /// The name.
        name: String,
        /// Whose it is.
        owner: ClusterName,
        /// Who asks.
        cluster: ClusterName,
    },
    /// An unreadable token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An ownership record that is not one simple record.
    #[error("the ownership record of {name} must be one simple TXT record; the zone has {found}")]
    Mark {
        /// The name.
        name: String,
        /// What there is.
        found: String,
    },
    /// Not two failover records.
    #[error(
        "{name} {kind} must be one PRIMARY and one SECONDARY failover record with the set identifiers '{primary}' and '{standby}'; the zone has {found}"
    )]
    Shape {
        /// The name.
        name: String,
        /// The type.
        kind: RecordType,
        /// The primary's identifier.
        primary: String,
        /// The standby's identifier.
        standby: String,
        /// What there is.
        found: String,
    },
    /// A value that the configuration does not know.
    #[error(
        "the record '{set}' of {name} holds '{found}', and the configuration says '{wanted}': somebody changed one of them"
    )]
    Value {
        /// The name.
        name: String,
        /// The set identifier.
        set: String,
        /// In the zone.
        found: String,
        /// In the configuration.
        wanted: String,
    },
    /// The mark and the records disagree.
    #[error(
        "the ownership record of {name} says that the {token} serves, the records say the {records}: they were changed by hand"
    )]
    Disagree {
        /// The name.
        name: String,
        /// Per the token.
        token: Role,
        /// Per the records.
        records: Role,
    },
}

/// The records of a service as they are in the zone: ours, and whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecords {
    token: Token,
    mark: RecordSet,
    payload: Vec<RecordSet>,
}

impl OwnedRecords {
    /// The name of a name's ownership record.
    pub fn mark_name(name: &str) -> String {
        format!("_quorate.{name}")
    }

    /// What the records of `service` should be while `serving` serves. The set identifier and the health check stay with
    /// the site; which record is PRIMARY moves.
    pub fn wanted(service: &Service, serving: Role) -> Vec<RecordSet> {
        Role::BOTH
            .into_iter()
            .map(|role| {
                let site = service.site(role);
                RecordSet {
                    name: service.dns.name.clone(),
                    kind: service.dns.kind,
                    ttl_s: service.dns.ttl_s,
                    values: vec![site.answer.clone()],
                    set_identifier: Some(site.name.to_string()),
                    failover: Some(if role == serving { Failover::Primary } else { Failover::Secondary }),
                    health_check: site.health_check.clone(),
                }
            })
            .collect()
    }

    /// The service's records as they are made before any controller has written: the mark, and the primary serving.
    pub fn unmoved(cluster: &ClusterName, service: &Service) -> Vec<RecordSet> {
        let mark = RecordSet {
            name: Self::mark_name(&service.dns.name),
            kind: RecordType::Txt,
            ttl_s: service.dns.ttl_s,
            values: vec![Token::unmoved(cluster.clone()).to_string()],
            set_identifier: None,
            failover: None,
            health_check: None,
        };
        Self::wanted(service, Role::Primary).into_iter().chain([mark]).collect()
    }

    /// Finds the service's records among those of its zone, and refuses what is not ours or not whole.
    pub fn find(cluster: &ClusterName, service: &Service, zone: &[RecordSet]) -> Result<Self, RecordsError> {
        let name = &service.dns.name;
        let mark_name = Self::mark_name(name);
        let marks: Vec<RecordSet> =
            zone.iter().filter(|set| set.name == mark_name && set.kind == RecordType::Txt).cloned().collect();
        let payload: Vec<RecordSet> =
            zone.iter().filter(|set| set.name == *name && set.kind == service.dns.kind).cloned().collect();
        let Some(mark) = marks.first() else {
            let mark = Token::unmoved(cluster.clone()).to_string();
            return Err(RecordsError::NotOwned { name: name.clone(), owner: mark_name, mark });
        };
        // Of several marks the provider would answer with any, and a swap of one would fence nobody off.
        if marks.len() > 1 || mark.set_identifier.is_some() || mark.failover.is_some() || mark.health_check.is_some()
        {
            return Err(RecordsError::Mark { name: name.clone(), found: describe(&marks) });
        }
        let token = Token::parse(mark.values.join(" ").as_str())?;
        if token.cluster != *cluster {
            return Err(RecordsError::OtherCluster {
                name: name.clone(),
                owner: token.cluster,
                cluster: cluster.clone(),
            });
        }
        let serving = Self::serving_of(service, &payload)?;
        if serving != token.serving {
            return Err(RecordsError::Disagree { name: name.clone(), token: token.serving, records: serving });
        }
        Ok(Self { token, mark: mark.clone(), payload })
    }

    fn serving_of(service: &Service, payload: &[RecordSet]) -> Result<Role, RecordsError> {
        let role_of = |set: &RecordSet| {
            Role::BOTH
                .into_iter()
                .find(|role| set.set_identifier.as_deref() == Some(service.site(*role).name.as_str()))
        };
        let shape = || RecordsError::Shape {
            name: service.dns.name.clone(),
            kind: service.dns.kind,
            primary: service.primary.name.to_string(),
            standby: service.standby.name.to_string(),
            found: describe(payload),
        };
        let mut serving = None;
        let mut waiting = None;
        for set in payload {
            let role = role_of(set).ok_or_else(shape)?;
            let place = match set.failover {
                Some(Failover::Primary) => &mut serving,
                Some(Failover::Secondary) => &mut waiting,
                None => return Err(shape()),
            };
            if place.replace(role).is_some() {
                return Err(shape());
            }
            let wanted = &service.site(role).answer;
            let same =
                |value: &String| value.trim_end_matches('.').eq_ignore_ascii_case(wanted.trim_end_matches('.'));
            if !(set.values.len() == 1 && set.values.iter().all(same)) {
                return Err(RecordsError::Value {
                    name: set.name.clone(),
                    set: set.set_identifier.clone().unwrap_or_default(),
                    found: set.values.join(", "),
                    wanted: wanted.clone(),
                });
            }
        }
        match (serving, waiting) {
            (Some(serving), Some(waiting)) if serving != waiting => Ok(serving),
            _ => Err(shape()),
        }
    }

    /// The token in the zone.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The site that the records point at.
    pub fn serving(&self) -> Role {
        self.token.serving
    }

    /// The same records after a write that was accepted.
    pub fn after(&self, batch: &ChangeBatch) -> Self {
        let mut mark = self.mark.clone();
        mark.values = vec![batch.new.to_string()];
        let payload = match &batch.wanted {
            Some(wanted) => wanted.clone(),
            None => self.payload.clone(),
        };
        Self { token: batch.new.clone(), mark, payload }
    }
}

fn describe(records: &[RecordSet]) -> String {
    let words: Vec<String> = records
        .iter()
        .map(|set| match (set.failover, &set.set_identifier) {
            (Some(Failover::Primary), id) => format!("PRIMARY '{}'", id.as_deref().unwrap_or_default()),
            (Some(Failover::Secondary), id) => format!("SECONDARY '{}'", id.as_deref().unwrap_or_default()),
            // Routing that is not failover stands in the values.
            (None, Some(id)) => format!("'{id}' ({})", set.values.join(", ")),
            (None, None) => format!("a simple record ({})", set.values.join(", ")),
        })
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" and ") }
}

/// An all-or-nothing write that swaps the token, alone (a *fence write*) or together with the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    expected: Token,
    new: Token,
    changes: Vec<Change>,
    wanted: Option<Vec<RecordSet>>,
    comment: String,
}

impl ChangeBatch {
    /// A write of the token alone: from then on every older batch is refused.
    pub fn fence(present: &OwnedRecords, new: Token) -> Self {
        let comment = format!("quorate fence e={} s={}", new.epoch, new.seq);
        Self { expected: present.token.clone(), changes: Self::swap(present, &new), new, wanted: None, comment }
    }

    /// A write that moves the service's records to `new.serving`. The state after it has both records (S16): they come
    /// from the service, whose sites are always two.
    pub fn flip(present: &OwnedRecords, service: &Service, new: Token) -> Self {
        let wanted = OwnedRecords::wanted(service, new.serving);
        let mut changes = Self::swap(present, &new);
        changes.extend(present.payload.iter().cloned().map(Change::Delete));
        changes.extend(wanted.iter().cloned().map(Change::Create));
        let digest = new.digest.as_ref().map(ToString::to_string).unwrap_or_default();
        let comment = format!("quorate {} to {} d={digest} e={} s={}", service.name, new.serving, new.epoch, new.seq);
        Self { expected: present.token.clone(), new, changes, wanted: Some(wanted), comment }
    }

    fn swap(present: &OwnedRecords, new: &Token) -> Vec<Change> {
        let mark = RecordSet { values: vec![new.to_string()], ..present.mark.clone() };
        vec![Change::Delete(present.mark.clone()), Change::Create(mark)]
    }

    /// The token that must be in the zone.
    pub fn expected(&self) -> &Token {
        &self.expected
    }

    /// The token that will be.
    pub fn new_token(&self) -> &Token {
        &self.new
    }

    /// The changes, in the order in which the provider applies them.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The name of the ownership record that it swaps.
    pub fn mark_name(&self) -> Option<&str> {
        self.changes.iter().find_map(|change| match change {
            Change::Create(set) if set.values == [self.new.to_string()] => Some(set.name.as_str()),
            _ => None,
        })
    }

    /// What the provider's own log should say; at most 256 characters.
    pub fn comment(&self) -> &str {
        self.comment.get(..256).unwrap_or(&self.comment)
    }
}
