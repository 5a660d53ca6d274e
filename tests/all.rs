//! One test binary, a line on each module.

#[cfg(test)]
mod suite;
