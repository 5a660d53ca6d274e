//! One test binary, with a line on each module in `suite`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up must panic, and helpers of tests are not recognised as tests"
)]

mod suite;
