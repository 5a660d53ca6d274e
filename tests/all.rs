//! One test binary: every suite is a module of [`suite`], so that the crate is linked once.

mod suite;
