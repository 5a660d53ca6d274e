//! Observations that wait for a controller: bounded, the oldest dropped first, and counted.

use std::collections::VecDeque;

use crate::domain::Observation;

/// One run's observations that some controller has not taken yet.
#[derive(Debug)]
pub(super) struct Spool {
    waiting: VecDeque<Observation>,
    capacity: usize,
    /// Up to which number each controller has taken them.
    taken: Vec<u64>,
    dropped: u64,
}

impl Spool {
    /// An empty spool for so many controllers.
    pub(super) fn new(capacity: usize, controllers: usize) -> Self {
        Self { waiting: VecDeque::new(), capacity: capacity.max(1), taken: vec![0; controllers], dropped: 0 }
    }

    /// Adds one; returns how many of the oldest had to go for it.
    pub(super) fn push(&mut self, seen: Observation) -> u64 {
        self.waiting.push_back(seen);
        let mut dropped = 0;
        while self.waiting.len() > self.capacity {
            self.waiting.pop_front();
            dropped += 1;
        }
        self.dropped += dropped;
        dropped
    }

    /// What that controller has not taken yet, at most `limit`, and the count of dropped ones.
    pub(super) fn batch(&self, controller: usize, limit: usize) -> (Vec<Observation>, u64) {
        let taken = self.taken.get(controller).copied().unwrap_or(0);
        let batch = self.waiting.iter().filter(|seen| seen.id.seq > taken).take(limit).cloned().collect();
        (batch, self.dropped)
    }

    /// That controller has taken everything up to `seq`. What all have taken is forgotten.
    pub(super) fn taken(&mut self, controller: usize, seq: u64) {
        if let Some(taken) = self.taken.get_mut(controller) {
            *taken = (*taken).max(seq);
        }
        let all = self.taken.iter().copied().min().unwrap_or(0);
        while self.waiting.front().is_some_and(|seen| seen.id.seq <= all) {
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CheckName, Moment, ObservationId, Outcome, Role, ServiceName, VantageName};

    fn seen(seq: u64) -> Observation {
        Observation {
            id: ObservationId { vantage: VantageName::new("aws-1").unwrap(), boot: "b".to_owned(), seq },
            service: ServiceName::new("login").unwrap(),
            check: CheckName::new("login").unwrap(),
            role: Role::Primary,
            at: Moment::from_ms(seq),
            outcome: Outcome::Pass,
            kind: None,
            reason: None,
            failed_step: None,
            duration_ms: 1,
            canaries: crate::domain::Canaries::Unasked,
            generation: crate::domain::Generation::default(),
            metrics: Vec::new(),
        }
    }

    fn numbers(spool: &Spool, controller: usize) -> Vec<u64> {
        spool.batch(controller, 100).0.iter().map(|seen| seen.id.seq).collect()
    }

    #[test]
    fn the_oldest_are_dropped_first_and_counted() {
        let mut spool = Spool::new(3, 1);
        let dropped: u64 = (1..=5).map(|seq| spool.push(seen(seq))).sum();
        assert_eq!((dropped, spool.batch(0, 100).1, numbers(&spool, 0)), (2, 2, vec![3, 4, 5]));
    }

    #[test]
    fn an_observation_is_kept_until_every_controller_has_taken_it() {
        let mut spool = Spool::new(10, 2);
        for seq in 1..=4 {
            spool.push(seen(seq));
        }
        spool.taken(0, 3);
        assert_eq!((numbers(&spool, 0), numbers(&spool, 1)), (vec![4], vec![1, 2, 3, 4]));
        spool.taken(1, 2);
        assert_eq!(spool.waiting.len(), 2);
    }
}
