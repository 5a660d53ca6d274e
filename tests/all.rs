//! One test binary: every suite is a module of [`suite`], so that the crate is linked once.

// Said although this is a test anyway: clippy lets helpers unwrap only inside a module that says so.
#[cfg(test)]
mod suite;
