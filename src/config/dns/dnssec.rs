//! How answers are validated: `dnssec`, `dnssec_anchor` and `dnssec_resolvers`.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::problem::{At, Report};
use crate::config::reader::Reader;
use crate::config::values::{filled, resolver};
use crate::domain::{Dnssec, DnssecMode, TrustAnchor};

/// The longest file of trust anchors that is read, in bytes: a hundred keys.
const ANCHORS_MAX: u64 = 100_000;

pub(in crate::config) struct DnssecDraft {
    mode: Option<At<DnssecMode>>,
    anchor: Option<At<String>>,
    resolvers: Option<At<Vec<At<SocketAddr>>>>,
}

fn mode(text: &str) -> Result<DnssecMode, String> {
    DnssecMode::parse(text).ok_or_else(|| format!("'{text}' is not known: write \"auto\", \"require\" or \"off\""))
}

impl DnssecDraft {
    pub(super) fn read(table: &mut Reader<'_>) -> Self {
        Self {
            mode: table.text("dnssec", mode),
            anchor: table.text("dnssec_anchor", filled),
            resolvers: table.list("dnssec_resolvers", resolver),
        }
    }

    /// The settings; `names` are the names that move, and `folder` is where relative paths start.
    pub(super) fn judge(&self, names: &[&str], folder: &Path, report: &Report) -> Option<Dnssec> {
        let mode = self.mode.as_ref().map_or(DnssecMode::Auto, |mode| mode.value);
        if mode == DnssecMode::Off {
            let unused = [
                ("dnssec_anchor", self.anchor.as_ref().map(|anchor| &anchor.spot)),
                ("dnssec_resolvers", self.resolvers.as_ref().map(|list| &list.spot)),
            ];
            for (key, spot) in unused.into_iter().filter_map(|(key, spot)| Some((key, spot?))) {
                report.error(spot, format!("'{key}' has no use while dnssec = \"off\": remove one of the two"));
            }
        }
        if let Some(list) = &self.resolvers {
            report.unique("resolver", list.value.iter());
        }
        let anchors = match &self.anchor {
            Some(anchor) => anchors(anchor, names, folder, report)?,
            None => Vec::new(),
        };
        let resolvers = self.resolvers.iter().flat_map(|list| &list.value).map(|resolver| resolver.value).collect();
        Some(Dnssec { mode, anchors, resolvers })
    }
}

/// Records in place, or the name of a file with them: no file's name has a record's five fields.
fn anchors(text: &At<String>, names: &[&str], folder: &Path, report: &Report) -> Option<Vec<TrustAnchor>> {
    let in_place = text.value.split_whitespace().count() > 4;
    let read = if in_place {
        TrustAnchor::read(&text.value).map_err(|error| format!("'dnssec_anchor': {error}"))
    } else {
        from_file(&folder.join(&text.value)).map_err(|error| {
            format!(
                "'dnssec_anchor': {error}; it is a file of DS or DNSKEY records, or such a record itself, as \
                 \"example.test. IN DS 12345 13 2 …\""
            )
        })
    };
    let anchors = read.map_err(|error| report.error(&text.spot, error)).ok()?;
    let outside: Vec<&&str> = names.iter().filter(|name| !anchors.iter().any(|anchor| anchor.covers(name))).collect();
    if let [name, ..] = outside.as_slice() {
        let zones: Vec<&str> = anchors.iter().map(|anchor| anchor.zone.as_str()).collect();
        let message = format!(
            "'dnssec_anchor' is for {}, which {name} does not belong to: give a key of a zone above it",
            zones.join(", ")
        );
        report.error(&text.spot, message);
        return None;
    }
    Some(anchors)
}

fn from_file(path: &Path) -> Result<Vec<TrustAnchor>, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("the file {shown} cannot be read: {error}");
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > ANCHORS_MAX {
        return Err(format!("the file {shown} has {length} bytes, and at most {ANCHORS_MAX} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    TrustAnchor::read(&text).map_err(|error| format!("the file {shown}: {error}"))
}
