//! What is broken, as seen from one place at one moment. Every detector, Quorate's and the others', lives through the same fault.

use super::chance::Chance;
use crate::domain::Role;

/// How a probe fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// At once, with a 5xx answer or a refused connection.
    Fast,
    /// Not before the time-out.
    TimeOut,
    /// With 401, 403 or 429.
    Denied,
    /// With an answer that is not what the check expects.
    Unmet,
}

/// What befalls a probe that begins now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// The share of probes that fail.
    pub(super) share: f64,
    /// How.
    pub(super) how: How,
    /// It is the prober's own network: its canaries are silent too.
    pub(super) own: bool,
}

/// From where it is looked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Where it stands among all seats of its detector, from 0 up to 1: faults that befall so many of five befall that share.
    pub(super) place: f64,
    /// Its cloud; [`PRIMARY_CLOUD`] is the primary's own.
    pub(super) cloud: usize,
    /// How long ago its process began, in milliseconds after the fault began; none when it is older than the fault.
    pub(super) fresh: Option<u64>,
}

/// The cloud of the primary.
pub(super) const PRIMARY_CLOUD: usize = 0;
/// The cloud of the standby, and the one whose peering with the primary's is cut.
pub(super) const STANDBY_CLOUD: usize = 1;

/// The kinds of fault. Times are in seconds, counted from the fault's beginning.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// This share of all logins at the primary fails, for good.
    Rate(f64, How),
    /// The primary fails for so long, works for so long, and so on.
    Flap(u64, u64),
    /// The primary fails for so long, once.
    Blip(u64),
    /// So many of five cannot reach the primary.
    Paths(u32),
    /// So many of five have lost their own network.
    OwnNet(u32),
    /// One cloud cannot reach the primary's cloud.
    Peering,
    /// Both sites fail.
    Both(How),
    /// Both sites fail, and everybody's own network is gone.
    Everything,
    /// The standby fails its check, and the primary does not.
    Standby(How),
    /// The primary's cloud is cut off from all others, once, for 1 to so many seconds.
    Partition(u64),
    /// The primary's cloud is gone with everything in it: nobody reaches the primary, and the agents there have lost their own network.
    CloudGone,
    /// At any moment one of five cannot reach the primary and another cannot reach the standby; which ones, changes each 5 to 30 s.
    Rotating,
    /// The sites' clouds do not see each other; the others see both.
    PeersBlind,
    /// The way to the primary comes and goes each 5 to 30 s.
    Toggling,
    /// A process that has just begun does not reach the primary for so long.
    Unready(u64),
}

/// What of a fault is chance, drawn once a run.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// How long it lasts, in milliseconds; nothing where that is no matter of chance.
    pub(super) lasts: u64,
    /// When it changes, in milliseconds, in order, and a number from 0 up to 1 that holds from then on.
    changes: Vec<(u64, f64)>,
}

impl Course {
    pub(super) fn new(fault: &Fault, horizon: u64, chance: &mut Chance) -> Self {
        let mut course = Self::default();
        match fault {
            Fault::Partition(most) => course.lasts = chance.ms(1_000, most * 1_000),
            Fault::Rotating | Fault::Toggling => {
                let mut at = 0;
                while at < horizon {
                    course.changes.push((at, chance.unit()));
                    at += chance.ms(5_000, 30_000);
                }
            }
            _ => {}
        }
        course
    }

    /// How many changes there were, and the latest one's number.
    fn latest(&self, at: u64) -> (usize, f64) {
        let count = self.changes.partition_point(|(change, _)| *change <= at);
        let number = count.checked_sub(1).and_then(|last| self.changes.get(last)).map_or(0.0, |(_, number)| *number);
        (count, number)
    }
}

/// A seat's place among five.
fn of_five(seat: &Seat) -> u32 {
    (seat.place * 5.0) as u32
}

impl Fault {
    /// What befalls a probe of that site that begins `at` milliseconds after the fault did.
    pub(super) fn hit(&self, course: &Course, seat: &Seat, role: Role, at: u64) -> Option<Hit> {
        let primary = role == Role::Primary;
        let all = |how| Some(Hit { share: 1.0, how, own: false });
        let when = |holds: bool, how| if holds { all(how) } else { None };
        match *self {
            Self::Rate(share, how) => primary.then_some(Hit { share, how, own: false }),
            Self::Flap(off, on) => when(primary && at % ((off + on) * 1_000) < off * 1_000, How::Fast),
            Self::Blip(length) => when(primary && at < length * 1_000, How::Fast),
            Self::Paths(cut) => when(primary && of_five(seat) < cut, How::TimeOut),
            Self::OwnNet(lost) => (of_five(seat) < lost).then_some(Hit { share: 1.0, how: How::TimeOut, own: true }),
            Self::Peering => when(primary && seat.cloud == STANDBY_CLOUD, How::TimeOut),
            Self::Both(how) => all(how),
            Self::Everything => Some(Hit { share: 1.0, how: How::TimeOut, own: true }),
            Self::Standby(how) => when(!primary, how),
            Self::Partition(_) => when(primary && seat.cloud != PRIMARY_CLOUD && at < course.lasts, How::TimeOut),
            Self::CloudGone if seat.cloud == PRIMARY_CLOUD => Some(Hit { share: 1.0, how: How::TimeOut, own: true }),
            Self::CloudGone => when(primary, How::TimeOut),
            Self::Rotating => {
                let first = (course.latest(at).1 * 5.0) as u32;
                let hit = if primary { first } else { (first + 2) % 5 };
                when(of_five(seat) == hit, How::TimeOut)
            }
            Self::PeersBlind => {
                let blind = if primary { STANDBY_CLOUD } else { PRIMARY_CLOUD };
                when(seat.cloud == blind, How::TimeOut)
            }
            Self::Toggling => when(primary && course.latest(at).0 % 2 == 1, How::TimeOut),
            Self::Unready(length) => {
                let fresh = seat.fresh.is_some_and(|began| at.saturating_sub(began) < length * 1_000);
                when(primary && fresh, How::Fast)
            }
        }
    }
}
