//! DNS records as the domain sees them, and the two changes that a record can suffer. UPSERT does not exist here.

use std::fmt;

/// The types of record that Quorate moves or owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// A host name.
    Cname,
    /// The ownership record.
    Txt,
}

impl RecordType {
    const ALL: [Self; 4] = [Self::A, Self::Aaaa, Self::Cname, Self::Txt];

    /// The word used in DNS.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
        }
    }

    /// The type that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record's part in failover routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failover {
    /// Answered while it is healthy.
    Primary,
    /// Answered otherwise.
    Secondary,
}

/// How a name's records choose between the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Routing {
    /// A PRIMARY and a SECONDARY record, one for each site.
    #[default]
    Failover,
    /// One record with the serving site's value: for providers without failover routing.
    Simple,
}

impl Routing {
    /// The word used in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Simple => "simple",
        }
    }

    /// The routing that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Failover, Self::Simple].into_iter().find(|routing| routing.as_str() == word)
    }
}

/// What makes a record an alias: its one value is another name of the provider's, resolved by the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The provider's id of the zone of the name that is meant.
    pub zone: String,
    /// Whether the record is as healthy as what it means. Failover needs it (Route 53, AliasTarget).
    pub evaluate_target_health: bool,
}

/// One resource record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// Fully qualified, lower case, without the final dot.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// Time to live, in seconds; 0 for an alias, which has that of what it means.
    pub ttl_s: u32,
    /// The values; a TXT's without its quotes, and the name that an alias means.
    pub values: Vec<String>,
    /// Whether it is an alias, and of what zone.
    pub alias: Option<Alias>,
    /// Tells the records of one name and type apart.
    pub set_identifier: Option<String>,
    /// The part in failover routing; absent for a simple record.
    pub failover: Option<Failover>,
    /// The health check that it hangs on.
    pub health_check: Option<String>,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Remove exactly this.
    Delete(RecordSet),
    /// Add this, which must not exist.
    Create(RecordSet),
}
