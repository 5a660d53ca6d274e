//! Where a service's names live, and by what they are moved: `[service.dns]` and `[service.flag]`.
//!
//! Refused here: a lane without what it stands on, a key that its provider has no use for, and two zones that are one.

mod dnssec;
mod draft;
mod judge;

use std::fmt;
use std::net::SocketAddr;

use url::Url;

pub(super) use draft::{DnsDraft, FlagDraft};
pub(super) use judge::{Judge, Judged, Means, lint};

use super::Place;
use crate::domain::{DnsTarget, FlagPhrase, Secret};

/// Who serves a zone, and how it is told.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Amazon Route 53, with the credentials of the usual AWS chain.
    Route53,
    /// Any server that takes dynamic updates (RFC 2136): BIND, Knot, PowerDNS.
    Rfc2136 {
        /// The zone's primary server, over TCP.
        server: SocketAddr,
        /// What signs the updates; none where the server trusts the address.
        tsig: Option<TsigKey>,
    },
}

/// A key that signs updates (RFC 8945).
#[derive(Debug, Clone)]
pub struct TsigKey {
    /// The key's name at the server.
    pub name: String,
    /// How it signs; default `hmac-sha256`.
    pub algorithm: TsigAlgorithm,
    /// The key itself, in Base64.
    pub key: Secret,
}

/// How a key signs. The older ones are not offered: RFC 8945 forbids MD5 and advises against SHA-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TsigAlgorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl TsigAlgorithm {
    const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// The algorithm's name in DNS.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let words = "\"hmac-sha256\", \"hmac-sha384\" or \"hmac-sha512\"";
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| format!("the algorithm '{text}' is not known: write {words}"))
    }
}

/// A second zone with the same names, at another provider.
#[derive(Debug, Clone)]
pub struct SecondZone {
    /// Who serves it.
    pub provider: Provider,
    /// The zone, its routing and its servers; the names are the service's own.
    pub target: DnsTarget,
    /// Where the file says so.
    pub at: Place,
}

/// The flag that the provider's health checks look for.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Where it is kept: one object store each.
    pub stores: Vec<StoreUrl>,
    /// What the health checks search for; nobody can guess it.
    pub phrase: FlagPhrase,
    /// The Ed25519 seed that signs it, in Base64.
    pub signing_key: Secret,
}

/// The URL of a folder in an object store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreUrl(Url);

impl StoreUrl {
    /// The schemes that are known, each with the cloud that such a store stands in.
    const CLOUDS: [(&'static str, Option<&'static str>); 4] =
        [("s3", Some("aws")), ("gs", Some("gcp")), ("az", Some("azure")), ("file", None)];

    fn read(text: &str) -> Result<Self, String> {
        let forms = "s3://bucket/folder, gs://bucket/folder, az://container/folder or file:///folder";
        let url = Url::parse(text).map_err(|error| format!("'{text}' is not a URL ({error}): write {forms}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "a URL must not carry a user or password: credentials come by each cloud's usual chain".into()
            );
        }
        let known = Self::CLOUDS.iter().any(|(scheme, _)| *scheme == url.scheme());
        let named = url.scheme() == "file" || url.host_str().is_some_and(|host| !host.is_empty());
        if known && named { Ok(Self(url)) } else { Err(format!("'{text}' is no object store: write {forms}")) }
    }

    /// The cloud that it stands in, where the scheme tells.
    fn cloud(&self) -> Option<&'static str> {
        Self::CLOUDS.iter().find(|(scheme, _)| *scheme == self.0.scheme()).and_then(|(_, cloud)| *cloud)
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
