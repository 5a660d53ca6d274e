//! What checks measured, as last told: by service, check, site and vantage. It is for people, graphs and the limits of drills; nothing else is
//! decided by it, and it is gone with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{CheckName, Metric, Moment, Observation, Role, ServiceName, VantageName};

/// The names of one check, site and vantage that are kept: a check that makes up names would fill the memory. The oldest go first.
const MAX_NAMES: usize = 2 * Metric::MOST;

type Source = (CheckName, Role, VantageName);
/// By name.
type Values = BTreeMap<String, Value>;

/// See the module.
#[derive(Debug, Default)]
pub struct Measures(Mutex<BTreeMap<ServiceName, BTreeMap<Source, Values>>>);

#[derive(Debug, Clone)]
struct Value {
    value: f64,
    unit: String,
    at: Moment,
}

/// One measure, as last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The check that made it.
    pub check: CheckName,
    /// The site that it is of.
    pub role: Role,
    /// Where it was made.
    pub vantage: VantageName,
    /// What, how much, and of what.
    pub metric: Metric,
    /// How long ago.
    pub age: Duration,
}

impl Measures {
    /// Takes the measures of these observations. An older one never stands instead of a newer one.
    pub(super) fn take(&self, observations: &[Observation]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in observations.iter().filter(|seen| !seen.metrics.is_empty()) {
            let source = (seen.check.clone(), seen.role, seen.id.vantage.clone());
            let values = kept.entry(seen.service.clone()).or_default().entry(source).or_default();
            for metric in &seen.metrics {
                if values.get(&metric.name).is_some_and(|known| known.at > seen.at) {
                    continue;
                }
                let value = Value { value: metric.value, unit: metric.unit.clone(), at: seen.at };
                values.insert(metric.name.clone(), value);
            }
            while values.len() > MAX_NAMES {
                let oldest = values.iter().min_by_key(|(_, value)| value.at).map(|(name, _)| name.clone());
                oldest.map(|name| values.remove(&name));
            }
        }
    }

    /// Those of a service, by check, site, vantage and name.
    pub fn of(&self, service: &ServiceName, now: Moment) -> Vec<Measured> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = kept.get(service).into_iter().flatten().flat_map(|((check, role, vantage), values)| {
            values.iter().map(move |(name, known)| Measured {
                check: check.clone(),
                role: *role,
                vantage: vantage.clone(),
                metric: Metric { name: name.clone(), value: known.value, unit: known.unit.clone() },
                age: now.since(known.at),
            })
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Canaries, Generation, ObservationId, Outcome};

    fn seen(at_ms: u64, role: Role, metrics: &[(&str, f64)]) -> Observation {
        let metric =
            |(name, value): &(&str, f64)| Metric { name: (*name).to_owned(), value: *value, unit: "ms".to_owned() };
        Observation {
            id: ObservationId { vantage: VantageName::new("aws-1").unwrap(), boot: "b".to_owned(), seq: at_ms },
            service: ServiceName::new("login").unwrap(),
            check: CheckName::new("queue").unwrap(),
            role,
            at: Moment::from_ms(at_ms),
            outcome: Outcome::Pass,
            kind: None,
            reason: None,
            failed_step: None,
            duration_ms: 1,
            canaries: Canaries::Unasked,
            generation: Generation::default(),
            metrics: metrics.iter().map(metric).collect(),
        }
    }

    fn told(measures: &Measures, now_ms: u64) -> Vec<(Role, String, f64, u128)> {
        let all = measures.of(&ServiceName::new("login").unwrap(), Moment::from_ms(now_ms));
        all.into_iter().map(|one| (one.role, one.metric.name, one.metric.value, one.age.as_millis())).collect()
    }

    #[test]
    fn the_last_value_of_each_stays_with_its_age() {
        let measures = Measures::default();
        measures.take(&[
            seen(10, Role::Primary, &[("lag", 3.0), ("queue", 7.0)]),
            seen(12, Role::Standby, &[("lag", 9.0)]),
        ]);
        // One that measured less, one that measured nothing, and one that comes late.
        measures.take(&[seen(20, Role::Primary, &[("lag", 4.0)]), seen(30, Role::Primary, &[])]);
        measures.take(&[seen(15, Role::Primary, &[("lag", 5.0)])]);
        let lag = |role, value, age| (role, "lag".to_owned(), value, age);
        let queue = (Role::Primary, "queue".to_owned(), 7.0, 30);
        assert_eq!(told(&measures, 40), [lag(Role::Primary, 4.0, 20), queue, lag(Role::Standby, 9.0, 28)]);
        assert_eq!(measures.of(&ServiceName::new("other").unwrap(), Moment::from_ms(40)), []);
    }

    #[test]
    fn a_check_that_makes_up_names_does_not_fill_the_memory() {
        let measures = Measures::default();
        for at in 0..500 {
            measures.take(&[seen(at, Role::Primary, &[(&format!("n{at}"), 1.0)])]);
        }
        let told = told(&measures, 500);
        assert_eq!(told.len(), MAX_NAMES);
        assert!(told.iter().all(|(.., age)| *age <= 100), "{told:?}");
    }
}
