//! What a person has Quorate do to the records of a zone outside of any plan: take them over (*adoption*), and put them back as
//! the register says (*repair*). Each is one compare-and-swap batch a provider, with a digest that ties what was shown to what is done.
//!
//! What it refuses: records that are not whole, another cluster's without being told whose, and to delete what is of a type that
//! the service does not move.

use super::{
    Change, ChangeBatch, ClusterName, Failover, Fence, OwnedRecords, PlanDigest, RecordSet, RecordType, RecordsError,
    Role, Service, Token,
};

/// What a person asks to have done to the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mending {
    /// Take them over.
    Adopt {
        /// From this cluster; none takes only records without a mark.
        from: Option<ClusterName>,
    },
    /// Put them back as the register says.
    Repair,
}

impl Mending {
    /// The word used in data.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Adopt { .. } => "adopt",
            Self::Repair => "repair",
        }
    }
}

/// Why records cannot be adopted or repaired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdoptionError {
    /// They are not ours to take, or not whole.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Another cluster's, and nobody said so.
    #[error(
        "{name} belongs to the cluster '{owner}': stop that cluster's controller for this name, and then say --from {owner}"
    )]
    OtherCluster {
        /// The name.
        name: String,
        /// Whose it is.
        owner: ClusterName,
    },
    /// Not the cluster that was named.
    #[error("{name} does not belong to the cluster '{from}' ({found}): leave --from out, or name the owner")]
    NotFrom {
        /// The name.
        name: String,
        /// Who was named.
        from: ClusterName,
        /// Whose it is.
        found: String,
    },
    /// A newer controller has written.
    #[error("the token of {name} is of epoch {found}, and ours is {ours}: a newer controller has taken over")]
    Newer {
        /// The name.
        name: String,
        /// In the zone.
        found: super::Epoch,
        /// This controller's.
        ours: super::Epoch,
    },
}

/// The batch that makes the records of `service` in one provider's zone this cluster's; none when they are already.
///
/// # Errors
/// As [`AdoptionError`]; nothing of it heals by itself.
pub fn adopt(
    cluster: &ClusterName,
    service: &Service,
    zone: &[RecordSet],
    from: Option<&ClusterName>,
    fence: &Fence,
) -> Result<Option<ChangeBatch>, AdoptionError> {
    let name = &service.dns.name;
    // Whole first: a mark on records that nobody can move would only hide that.
    let (serving, _) = OwnedRecords::position(service, zone)?;
    let token = |expected: &Token| Token {
        cluster: cluster.clone(),
        epoch: fence.epoch(),
        seq: 0,
        serving,
        digest: expected.digest.clone().filter(|_| expected.serving == serving),
    };
    let not_from =
        |from: &ClusterName, found: String| AdoptionError::NotFrom { name: name.clone(), from: from.clone(), found };
    match OwnedRecords::find(cluster, service, zone) {
        Ok(_) => Ok(None),
        Err(RecordsError::NotOwned { .. }) => match from {
            Some(from) => Err(not_from(from, "it has no ownership record".to_owned())),
            None => {
                let expected = Token::unmoved(cluster.clone());
                Ok(Some(ChangeBatch::adopt(service, None, expected.clone(), token(&expected))))
            }
        },
        Err(RecordsError::OtherCluster { owner, .. }) => match from {
            None => Err(AdoptionError::OtherCluster { name: name.clone(), owner }),
            Some(from) if *from != owner => Err(not_from(from, format!("it belongs to '{owner}'"))),
            Some(_) => {
                let Some(mark) = mark_in(service, zone) else {
                    return Err(AdoptionError::OtherCluster { name: name.clone(), owner });
                };
                let expected = Token::parse(&mark.values.join(" ")).map_err(RecordsError::Token)?;
                let new = token(&expected);
                Ok(Some(ChangeBatch::adopt(service, Some(mark), expected, new)))
            }
        },
        Err(other) => Err(other.into()),
    }
}

/// The batch that puts the records of `service` in one provider's zone back to what they are while `serving` serves, and its mark to
/// ours; none when nothing differs. `register` is the token that this controller wrote last, where the zone holds the register.
///
/// # Errors
/// `OtherCluster` and `Newer`: what a person must settle first.
pub fn repair(
    cluster: &ClusterName,
    service: &Service,
    zone: &[RecordSet],
    serving: Role,
    register: Option<&Token>,
    fence: &Fence,
) -> Result<Option<ChangeBatch>, AdoptionError> {
    let name = &service.dns.name;
    let mark_name = OwnedRecords::mark_name(name);
    let is_mark = |set: &&RecordSet| set.name == mark_name && set.kind == RecordType::Txt;
    let marks: Vec<RecordSet> = zone.iter().filter(is_mark).cloned().collect();
    let held = match marks.as_slice() {
        [mark] => Token::parse(&mark.values.join(" ")).ok(),
        _ => None,
    };
    if let Some(held) = &held {
        if held.cluster != *cluster {
            return Err(AdoptionError::OtherCluster { name: name.clone(), owner: held.cluster.clone() });
        }
        if held.epoch > fence.epoch() {
            return Err(AdoptionError::Newer { name: name.clone(), found: held.epoch, ours: fence.epoch() });
        }
    }
    let moved: Vec<_> = service.moved().collect();
    let ours = |set: &&RecordSet| moved.iter().any(|moved| moved.name == set.name && moved.kind == set.kind);
    let payload: Vec<RecordSet> = zone.iter().filter(ours).cloned().collect();
    let wanted = OwnedRecords::wanted(service, serving);
    let same_records = payload.len() == wanted.len() && wanted.iter().all(|set| payload.contains(set));
    // Its time to live is nobody's concern: no user asks for it.
    let sound_mark = marks.iter().all(is_simple)
        && held
            .as_ref()
            .is_some_and(|held| held.serving == serving && register.is_none_or(|register| register == held));
    if same_records && sound_mark {
        return Ok(None);
    }
    // After the newest of what we wrote and what is there: tokens only grow.
    let known = Token { cluster: cluster.clone(), ..Token::unmoved(cluster.clone()) };
    let base = [held.as_ref(), register]
        .into_iter()
        .flatten()
        .fold(known, |newest, token| if token.is_after(&newest) { token.clone() } else { newest });
    let digest =
        register.or(held.as_ref()).filter(|token| token.serving == serving).and_then(|token| token.digest.clone());
    let Some(next) = base.advanced(fence) else {
        return Err(AdoptionError::Newer { name: name.clone(), found: base.epoch, ours: fence.epoch() });
    };
    let new = Token { serving, digest, ..next };
    let expected = held.unwrap_or_else(|| Token::unmoved(cluster.clone()));
    Ok(Some(ChangeBatch::repair(service, &marks, &payload, expected, new)))
}

fn is_simple(mark: &RecordSet) -> bool {
    mark.set_identifier.is_none() && mark.failover.is_none() && mark.health_check.is_none() && mark.alias.is_none()
}

/// This cluster's token in the zone, if there is one that can be read.
pub fn held(cluster: &ClusterName, service: &Service, zone: &[RecordSet]) -> Option<Token> {
    let mark = mark_in(service, zone)?;
    Token::parse(&mark.values.join(" ")).ok().filter(|token| token.cluster == *cluster)
}

fn mark_in<'a>(service: &Service, zone: &'a [RecordSet]) -> Option<&'a RecordSet> {
    let mark_name = OwnedRecords::mark_name(&service.dns.name);
    zone.iter().find(|set| set.name == mark_name && set.kind == RecordType::Txt)
}

/// The digest of a set of batches, each with the name of its provider.
pub fn digest(service: &Service, what: &Mending, batches: &[(&str, &ChangeBatch)]) -> PlanDigest {
    let from = match what {
        Mending::Adopt { from: Some(from) } => from.as_str(),
        Mending::Adopt { from: None } | Mending::Repair => "-",
    };
    let mut text = format!("{}\n{}\n{from}\n", what.as_str(), service.name);
    for (label, batch) in batches {
        text.push_str(&format!("{label}\n{}\n{}\n", batch.expected(), diff(batch.changes()).join("\n")));
    }
    PlanDigest::of(&text)
}

/// The changes as lines of a diff: `- name ttl type values …` and `+ …`.
pub fn diff(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| match change {
        Change::Delete(set) => format!("- {}", record_line(set)),
        Change::Create(set) => format!("+ {}", record_line(set)),
    };
    changes.iter().map(line).collect()
}

/// A record on one line.
pub fn record_line(set: &RecordSet) -> String {
    let mut line = format!("{} {} {}", set.name, set.ttl_s, set.kind);
    if let Some(alias) = &set.alias {
        let health = if alias.evaluate_target_health { "" } else { ", without its target's health" };
        line = format!("{} {} alias of {} in {}{health}", set.name, set.kind, set.values.join(", "), alias.zone);
    } else if set.kind == RecordType::Txt {
        line.push_str(&format!(" \"{}\"", set.values.join("\" \"")));
    } else {
        line.push_str(&format!(" {}", set.values.join(", ")));
    }
    match set.failover {
        Some(Failover::Primary) => line.push_str(" PRIMARY"),
        Some(Failover::Secondary) => line.push_str(" SECONDARY"),
        None => {}
    }
    if let Some(id) = &set.set_identifier {
        line.push_str(&format!(" '{id}'"));
    }
    if let Some(check) = &set.health_check {
        line.push_str(&format!(" health check {check}"));
    }
    line
}
