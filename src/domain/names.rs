//! Names of things, each its own type so that none is passed for another. Cloning one copies a pointer.

use std::fmt;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a name: use 1 to 63 lower-case letters, digits and inner hyphens")]
pub struct NameError {
    text: String,
}

/// The rule for every name: it must fit a DNS label, a file name, a URL path and a TXT record without quoting.
fn checked(text: &str) -> Result<Arc<str>, NameError> {
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits { Ok(Arc::from(text)) } else { Err(NameError { text: text.to_owned() }) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text: 1 to 63 lower-case letters, digits and inner hyphens.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// One public name that Quorate looks after, with a primary and a standby site.
    ServiceName
);
name!(
    /// A site of a service, usually called after its cloud.
    SiteName
);
name!(
    /// A check: one script with its parameters.
    CheckName
);
name!(
    /// Where probes run: region, cloud and network together.
    VantageName
);
name!(
    /// All controllers that share one journal, and own the same records.
    ClusterName
);
name!(
    /// A plan: the service's name and a number that only grows.
    PlanId
);
