//! Checks as Rhai scripts: the [`ProbeRunner`](crate::ports::ProbeRunner) that agents and `quorate check run` use.
