//! Finding one of many services by its name: the one thing that is done for every observation, whatever it is about.

use crate::domain::ServiceName;

/// Names in the order of their marks, each with its place. Marks lie side by side, so that ten thousand services are found
/// nearly as fast as ten.
#[derive(Debug)]
pub(super) struct Roster {
    marks: Vec<u64>,
    places: Vec<usize>,
}

impl Roster {
    /// The names, each at its place in the list.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a ServiceName>) -> Self {
        let mut pairs: Vec<(u64, usize)> = names.map(mark).zip(0..).collect();
        pairs.sort_unstable();
        let (marks, places) = pairs.into_iter().unzip();
        Self { marks, places }
    }

    /// The places that this name may have: one, but for two names with one mark.
    pub(super) fn places(&self, name: &ServiceName) -> impl Iterator<Item = usize> + '_ {
        let mark = mark(name);
        let first = self.marks.partition_point(|known| *known < mark);
        let marks = self.marks.iter().skip(first).take_while(move |known| **known == mark);
        marks.zip(self.places.iter().skip(first)).map(|(_, place)| *place)
    }
}

/// FNV-1a, the same on every machine.
fn mark(name: &ServiceName) -> u64 {
    name.as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
