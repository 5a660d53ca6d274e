//! Every example of the page about checks, run.
