//! What a certificate says of itself.

use std::net::IpAddr;

use rhai::{Array, Dynamic, Map};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::options;
use crate::domain::WallTime;

/// The most certificates of a chain that are described; real ones have up to five.
const MAX_CHAIN: usize = 10;
/// The most names of one certificate; authorities issue up to a hundred.
const MAX_NAMES: usize = 200;
/// 9999-12-31T23:59:59Z, how the standard writes "never", and the last moment that can be written.
const LAST_SECOND: i64 = 253_402_300_799;
const SECONDS_A_DAY: i64 = 24 * 3600;

/// The facts of the first certificate, and `chain` with those of all of them. It fails with why one cannot be read.
pub(super) fn of(chain: &[CertificateDer<'_>], now_s: i64) -> Result<Map, String> {
    let all =
        chain.iter().take(MAX_CHAIN).map(|certificate| one(certificate, now_s)).collect::<Result<Vec<_>, _>>()?;
    let mut first = all.first().cloned().ok_or("the server sent no certificate")?;
    first.insert("chain".into(), all.into_iter().map(Dynamic::from).collect::<Array>().into());
    Ok(first)
}

fn one(der: &CertificateDer<'_>, now_s: i64) -> Result<Map, String> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let validity = certificate.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    // Rounded down: half a day after the end is day -1.
    let days_left = to.saturating_sub(now_s).div_euclid(SECONDS_A_DAY);
    Ok(options::map([
        ("subject", certificate.subject().to_string().into()),
        ("issuer", certificate.issuer().to_string().into()),
        ("names", options::texts(names(&certificate))),
        ("not_before", moment(from).into()),
        ("not_after", moment(to).into()),
        ("days_left", days_left.into()),
        ("serial", hex::encode(certificate.raw_serial()).into()),
        ("sha256", hex::encode(Sha256::digest(der.as_ref())).into()),
    ]))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => ip(bytes).map(|ip| ip.to_string()),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        GeneralName::RFC822Name(mail) => Some((*mail).to_owned()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).take(MAX_NAMES).collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// RFC 3339. What lies before 1970 reads as 1970.
fn moment(seconds: i64) -> String {
    let seconds = u64::try_from(seconds.min(LAST_SECOND)).unwrap_or(0);
    let text = WallTime::from_ms(seconds * 1000).to_string();
    text.replace(".000Z", "Z")
}
