//! Chance from a seed. The generator is written out, so that a seed printed today reproduces its run under any later version of any crate.

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, and good enough for dice.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// A stream of its own for each purpose, so that a draw more in one does not shift all others.
    pub(super) fn new(seed: u64, stream: &str) -> Self {
        let mut chance = Self(seed);
        for byte in stream.bytes() {
            chance.0 = chance.next() ^ u64::from(byte);
        }
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high.saturating_sub(low) + 1)
    }

    /// True in `percent` of a hundred draws.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// One of them; the first of none is the default.
    pub(super) fn pick<T: Copy + Default>(&mut self, of: &[T]) -> T {
        let last = u64::try_from(of.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let at = usize::try_from(self.between(0, last)).unwrap_or(0);
        of.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_stream_for_ever_and_another_purpose_another_one() {
        let draw = |seed, stream| (0..4).map(|_| Chance::new(seed, stream).next()).collect::<Vec<_>>();
        assert_eq!(draw(1, "net"), draw(1, "net"));
        assert_ne!(draw(1, "net"), draw(1, "sites"));
        assert_ne!(draw(1, "net"), draw(2, "net"));
        // The reference implementation's first output for the seed 0.
        assert_eq!(Chance::new(0, "").next(), 0xE220_A839_7B1D_CDAF);
    }
}
