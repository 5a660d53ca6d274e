//! The records of a service as they are in its zone: ours, and whole, or not to be touched.

use super::{
    Alias, Answer, ChangeBatch, ClusterName, Failover, MovedName, RecordSet, RecordType, Role, Routing, Service,
    Token, TokenError,
};

/// Why the records of a name are not ours to change. None of these heals by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// No ownership record.
    #[error(
        "{name} has no ownership record ({owner} TXT): Quorate does not touch records without its mark; once the records are as the \
         configuration says, `quorate adopt` takes them"
    )]
    NotOwned {
        /// The name.
        name: String,
        /// The ownership record's name.
        owner: String,
    },
    /// Another cluster's.
    #[error(
        "{name} belongs to the cluster '{owner}', not to '{cluster}'; once that one's controller is stopped, `quorate adopt --from {owner}` takes it"
    )]
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
    /// Not one simple record.
    #[error(
        "{name} {kind} must be one simple record with the value '{primary}' or '{standby}'; the zone has {found}"
    )]
    Simple {
        /// The name.
        name: String,
        /// The type.
        kind: RecordType,
        /// While the primary serves.
        primary: String,
        /// While the standby serves.
        standby: String,
        /// What there is.
        found: String,
    },
    /// Names of one service that point at different sites.
    #[error("{name} points at the {here}, and {other} of the same service at the {there}: they were changed by hand")]
    Split {
        /// The first name.
        name: String,
        /// Where it points.
        here: Role,
        /// The other name.
        other: String,
        /// Where that points.
        there: Role,
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
        "the ownership record of {name} says that the {token} serves, the records say the {records}: they were changed by hand; \
         `quorate drift` shows the difference, and --repair mends it"
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
    pub(super) token: Token,
    pub(super) mark: RecordSet,
    pub(super) payload: Vec<RecordSet>,
}

impl OwnedRecords {
    /// The name of a name's ownership record.
    pub fn mark_name(name: &str) -> String {
        format!("_quorate.{name}")
    }

    /// What the records of `service` should be while `serving` serves. In failover routing the set identifier and the health
    /// check stay with the site; which record is PRIMARY moves.
    pub fn wanted(service: &Service, serving: Role) -> Vec<RecordSet> {
        let record = |moved: &MovedName, role: Role| {
            let Answer { value, alias_zone } = moved.answer(role).clone();
            let site = service.site(role);
            let pair = service.dns.routing == Routing::Failover;
            let part = if role == serving { Failover::Primary } else { Failover::Secondary };
            RecordSet {
                name: moved.name.clone(),
                kind: moved.kind,
                ttl_s: if alias_zone.is_some() { 0 } else { service.dns.ttl_s },
                values: vec![value],
                alias: alias_zone.map(|zone| Alias { zone, evaluate_target_health: true }),
                set_identifier: pair.then(|| site.name.to_string()),
                failover: pair.then_some(part),
                health_check: site.health_check.clone().filter(|_| pair),
            }
        };
        let of_name = |moved: MovedName| match service.dns.routing {
            Routing::Failover => Role::BOTH.map(|role| record(&moved, role)).to_vec(),
            Routing::Simple => vec![record(&moved, serving)],
        };
        service.moved().flat_map(of_name).collect()
    }

    /// The ownership record with that token.
    pub fn mark_of(service: &Service, token: &Token) -> RecordSet {
        RecordSet {
            name: Self::mark_name(&service.dns.name),
            kind: RecordType::Txt,
            ttl_s: service.dns.ttl_s,
            values: vec![token.to_string()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        }
    }

    /// The service's records as they are made before any controller has written: the mark, and the primary serving.
    pub fn unmoved(cluster: &ClusterName, service: &Service) -> Vec<RecordSet> {
        let mark = Self::mark_of(service, &Token::unmoved(cluster.clone()));
        Self::wanted(service, Role::Primary).into_iter().chain([mark]).collect()
    }

    /// Finds the service's records among those of its zone, and refuses what is not ours or not whole.
    pub fn find(cluster: &ClusterName, service: &Service, zone: &[RecordSet]) -> Result<Self, RecordsError> {
        let name = &service.dns.name;
        let mark_name = Self::mark_name(name);
        let marks: Vec<RecordSet> =
            zone.iter().filter(|set| set.name == mark_name && set.kind == RecordType::Txt).cloned().collect();
        let Some(mark) = marks.first() else {
            return Err(RecordsError::NotOwned { name: name.clone(), owner: mark_name });
        };
        // Of several marks the provider would answer with any, and a swap of one would fence nobody off.
        let simple = mark.set_identifier.is_none() && mark.failover.is_none() && mark.health_check.is_none();
        if marks.len() > 1 || !simple || mark.alias.is_some() {
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
        let (serving, payload) = Self::position(service, zone)?;
        if serving != token.serving {
            return Err(RecordsError::Disagree { name: name.clone(), token: token.serving, records: serving });
        }
        Ok(Self { token, mark: mark.clone(), payload })
    }

    /// Where the records of the service's names point, whoever owns them, and the records themselves.
    ///
    /// # Errors
    /// They are not what the configuration makes of one of the sites, or do not agree.
    pub fn position(service: &Service, zone: &[RecordSet]) -> Result<(Role, Vec<RecordSet>), RecordsError> {
        let mut payload = Vec::new();
        let mut serving: Option<(String, Role)> = None;
        for moved in service.moved() {
            let sets: Vec<RecordSet> =
                zone.iter().filter(|set| set.name == moved.name && set.kind == moved.kind).cloned().collect();
            let here = match service.dns.routing {
                Routing::Failover => pair_serves(service, &moved, &sets)?,
                Routing::Simple => simple_serves(&moved, &sets)?,
            };
            match &serving {
                Some((name, there)) if *there != here => {
                    let (name, other) = (name.clone(), format!("{} {}", moved.name, moved.kind));
                    return Err(RecordsError::Split { name, here: *there, other, there: here });
                }
                Some(_) => {}
                None => serving = Some((format!("{} {}", moved.name, moved.kind), here)),
            }
            payload.extend(sets);
        }
        Ok((serving.map_or(Role::Primary, |(_, role)| role), payload))
    }

    /// The token in the zone.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The site that the records point at.
    pub fn serving(&self) -> Role {
        self.token.serving
    }

    /// All of them, the ownership record included, as they are in the zone.
    pub fn sets(&self) -> Vec<RecordSet> {
        self.payload.iter().chain([&self.mark]).cloned().collect()
    }

    /// The same records after a write that was accepted.
    pub fn after(&self, batch: &ChangeBatch) -> Self {
        let mut mark = self.mark.clone();
        mark.values = vec![batch.new_token().to_string()];
        let payload = match batch.wanted() {
            Some(wanted) => wanted.to_vec(),
            None => self.payload.clone(),
        };
        Self { token: batch.new_token().clone(), mark, payload }
    }
}

/// Which site a name's two failover records say serves.
fn pair_serves(service: &Service, moved: &MovedName, sets: &[RecordSet]) -> Result<Role, RecordsError> {
    let role_of = |set: &RecordSet| {
        Role::BOTH.into_iter().find(|role| set.set_identifier.as_deref() == Some(service.site(*role).name.as_str()))
    };
    let shape = || RecordsError::Shape {
        name: moved.name.clone(),
        kind: moved.kind,
        primary: service.primary.name.to_string(),
        standby: service.standby.name.to_string(),
        found: describe(sets),
    };
    let mut serving = None;
    let mut waiting = None;
    for set in sets {
        let role = role_of(set).ok_or_else(shape)?;
        let place = match set.failover {
            Some(Failover::Primary) => &mut serving,
            Some(Failover::Secondary) => &mut waiting,
            None => return Err(shape()),
        };
        if place.replace(role).is_some() {
            return Err(shape());
        }
        let wanted = moved.answer(role);
        if !holds(set, wanted) {
            return Err(RecordsError::Value {
                name: set.name.clone(),
                set: set.set_identifier.clone().unwrap_or_default(),
                found: value_of(set),
                wanted: answer_in_words(wanted),
            });
        }
    }
    match (serving, waiting) {
        (Some(serving), Some(waiting)) if serving != waiting => Ok(serving),
        _ => Err(shape()),
    }
}

/// Which site a name's only record says serves.
fn simple_serves(moved: &MovedName, sets: &[RecordSet]) -> Result<Role, RecordsError> {
    let error = || RecordsError::Simple {
        name: moved.name.clone(),
        kind: moved.kind,
        primary: answer_in_words(&moved.primary),
        standby: answer_in_words(&moved.standby),
        found: describe(sets),
    };
    match sets {
        [set] if set.set_identifier.is_none() && set.failover.is_none() && set.health_check.is_none() => {
            Role::BOTH.into_iter().find(|role| holds(set, moved.answer(*role))).ok_or_else(error)
        }
        _ => Err(error()),
    }
}

/// Whether the record points there, and does so as it should.
fn holds(set: &RecordSet, wanted: &Answer) -> bool {
    let same = |value: &String| value.trim_end_matches('.').eq_ignore_ascii_case(wanted.value.trim_end_matches('.'));
    let kind = match (&set.alias, &wanted.alias_zone) {
        (None, None) => true,
        (Some(alias), Some(zone)) => alias.zone == *zone && alias.evaluate_target_health,
        _ => false,
    };
    kind && set.values.len() == 1 && set.values.iter().all(same)
}

/// The value as a person would say it.
fn value_of(set: &RecordSet) -> String {
    let values = set.values.join(", ");
    match &set.alias {
        Some(Alias { zone, evaluate_target_health: true }) => format!("an alias of {values} in {zone}"),
        Some(Alias { zone, evaluate_target_health: false }) => {
            format!("an alias of {values} in {zone} that does not evaluate its target's health")
        }
        None => values,
    }
}

fn answer_in_words(answer: &Answer) -> String {
    match &answer.alias_zone {
        Some(zone) => format!("an alias of {} in {zone}", answer.value),
        None => answer.value.clone(),
    }
}

fn describe(records: &[RecordSet]) -> String {
    let words: Vec<String> = records
        .iter()
        .map(|set| match (set.failover, &set.set_identifier) {
            (Some(Failover::Primary), id) => format!("PRIMARY '{}'", id.as_deref().unwrap_or_default()),
            (Some(Failover::Secondary), id) => format!("SECONDARY '{}'", id.as_deref().unwrap_or_default()),
            // Routing that is not failover stands in the values.
            (None, Some(id)) => format!("'{id}' ({})", value_of(set)),
            (None, None) => format!("a simple record ({})", value_of(set)),
        })
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" and ") }
}
