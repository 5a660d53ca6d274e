//! Errors at the doors: what a port could not do, and what that means for whoever asked.

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing is known, or it may pass: try again, or read back.
    Retry,
    /// The other side understood, and said no.
    Refused,
    /// Somebody with a newer epoch has taken over: stop.
    Fenced,
    /// It will not get better without a person: configuration, permission, a bug.
    Broken,
}

/// An error of a port: its class, and one redacted line that names the thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct PortError {
    /// What to do about it.
    pub class: Class,
    /// What happened.
    pub what: String,
}

impl PortError {
    /// It may pass.
    pub fn retry(what: impl Into<String>) -> Self {
        Self { class: Class::Retry, what: what.into() }
    }

    /// The other side said no.
    pub fn refused(what: impl Into<String>) -> Self {
        Self { class: Class::Refused, what: what.into() }
    }

    /// Somebody newer has taken over.
    pub fn fenced(what: impl Into<String>) -> Self {
        Self { class: Class::Fenced, what: what.into() }
    }

    /// It needs a person.
    pub fn broken(what: impl Into<String>) -> Self {
        Self { class: Class::Broken, what: what.into() }
    }
}
