//! Where a flag is kept: the URLs of the configuration, taken apart strictly.
//!
//! ```text
//! s3://bucket/folder?region=eu-west-1       S3; also endpoint=…, allow_http=true, virtual_hosted=true
//! gs://bucket/folder                        Google Cloud Storage; also endpoint=…, allow_http=true
//! az://container/folder?account=name        Azure Blob Storage; also endpoint=…, allow_http=true
//! file:///srv/flags                         a folder of this machine, which must exist
//! ```
//!
//! It refuses credentials in a URL, which would be shown in errors and on screens, and options that it does not know: one that is misspelt would be silently
//! without effect.

use std::path::PathBuf;

use url::Url;

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    S3,
    Gcs,
    Azure,
}

/// A cloud's bucket or container, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// Before the object's name: empty, or ending with a slash.
    pub(super) folder: String,
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
    pub(super) endpoint: Option<Url>,
    pub(super) allow_http: bool,
    pub(super) virtual_hosted: bool,
}

/// Where one copy of a flag is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Bucket(Bucket),
    Folder(PathBuf),
}

/// Why a URL names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// No URL.
    #[error(
        "'{0}' is not a URL: write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, az://CONTAINER/FOLDER?account=NAME or file:///FOLDER"
    )]
    NoUrl(String),
    /// A scheme that stands for no store.
    #[error("'{0}:' names no kind of store: s3, gs, az and file are known")]
    Scheme(String),
    /// A user, a password or a fragment.
    #[error(
        "{0}: a store's URL has no user, password, port or fragment; credentials come from the cloud's usual chain"
    )]
    Extra(String),
    /// No bucket, or no folder.
    #[error("{0}: the URL must name {1}")]
    Missing(String, &'static str),
    /// An unknown option.
    #[error("{0}: the option '{1}' is not known here: {2} are")]
    Option(String, String, &'static str),
    /// An option with a value that does not fit.
    #[error("{0}: the option '{1}' must be {2}")]
    Value(String, &'static str, &'static str),
    /// A folder's name with unusual characters.
    #[error("{0}: use letters, digits, '-', '_', '.' and '/' in folder names, and no '..'")]
    Folder(String),
    /// Twice the same.
    #[error("{0}: this store is named twice")]
    Twice(String),
    /// A client could not be set up.
    #[error("{0}: {1}")]
    Client(String, String),
}

impl Place {
    /// Takes a URL apart.
    pub(super) fn parse(text: &str) -> Result<Self, PlaceError> {
        // What is no URL may be a secret in the wrong place: only its beginning is shown.
        let url = Url::parse(text).map_err(|_| PlaceError::NoUrl(text.chars().take(12).collect()))?;
        let kind = match url.scheme() {
            "s3" => Kind::S3,
            "gs" => Kind::Gcs,
            "az" => Kind::Azure,
            "file" => return Self::folder(&url),
            other => return Err(PlaceError::Scheme(other.to_owned())),
        };
        let shown = shown(&url);
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() || url.fragment().is_some()
        {
            return Err(PlaceError::Extra(shown));
        }
        let name = url.host_str().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(PlaceError::Missing(shown, "a bucket or a container"));
        }
        let folder = url.path().trim_matches('/');
        let usual = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !folder.chars().all(usual)
            || folder.split('/').any(|part| part == ".." || part == ".")
            || folder.contains("//")
        {
            return Err(PlaceError::Folder(shown));
        }
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut bucket = Bucket {
            kind,
            name,
            folder,
            region: None,
            account: None,
            endpoint: None,
            allow_http: false,
            virtual_hosted: false,
        };
        for (key, value) in url.query_pairs() {
            bucket.option(&shown, &key, &value)?;
        }
        if kind == Kind::Azure && bucket.account.is_none() {
            return Err(PlaceError::Missing(shown, "the storage account: add ?account=NAME"));
        }
        if bucket.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http") && !bucket.allow_http {
            return Err(PlaceError::Value(
                shown,
                "endpoint",
                "an https URL, or allow_http=true must stand beside it",
            ));
        }
        Ok(Self::Bucket(bucket))
    }

    fn folder(url: &Url) -> Result<Self, PlaceError> {
        let shown = shown(url);
        if url.query().is_some() || url.fragment().is_some() {
            return Err(PlaceError::Extra(shown));
        }
        match url.to_file_path() {
            Ok(path) if path.parent().is_some() => Ok(Self::Folder(path)),
            _ => Err(PlaceError::Missing(shown, "a folder of this machine, as in file:///srv/flags")),
        }
    }

    /// The place of an object in it, as people write it: without options.
    pub(super) fn of_object(&self, object: &str) -> String {
        match self {
            Self::Bucket(bucket) => {
                let scheme = match bucket.kind {
                    Kind::S3 => "s3",
                    Kind::Gcs => "gs",
                    Kind::Azure => "az",
                };
                let account = bucket.account.as_ref().map(|account| format!("{account}/")).unwrap_or_default();
                format!("{scheme}://{account}{}/{}{object}", bucket.name, bucket.folder)
            }
            Self::Folder(path) => format!("file://{}/{object}", path.display()),
        }
    }
}

/// The URL without what may hold a secret.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

impl Bucket {
    fn option(&mut self, shown: &str, key: &str, value: &str) -> Result<(), PlaceError> {
        let wrong = |key, what| PlaceError::Value(shown.to_owned(), key, what);
        let truth = |key| match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong(key, "true or false")),
        };
        let word = |key| {
            let fits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if fits { Ok(Some(value.to_owned())) } else { Err(wrong(key, "letters, digits and hyphens")) }
        };
        match (key, self.kind) {
            ("region", Kind::S3) => self.region = word("region")?,
            ("account", Kind::Azure) => self.account = word("account")?,
            ("virtual_hosted", Kind::S3) => self.virtual_hosted = truth("virtual_hosted")?,
            ("allow_http", _) => self.allow_http = truth("allow_http")?,
            ("endpoint", _) => {
                let url =
                    Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
                let plain = |url: &Url| {
                    url.username().is_empty()
                        && url.password().is_none()
                        && url.query().is_none()
                        && url.fragment().is_none()
                };
                self.endpoint = Some(
                    url.filter(plain)
                        .ok_or_else(|| wrong("endpoint", "an http or https URL without a user or a query"))?,
                );
            }
            (other, kind) => {
                let known = match kind {
                    Kind::S3 => "region, endpoint, allow_http and virtual_hosted",
                    Kind::Gcs => "endpoint and allow_http",
                    Kind::Azure => "account, endpoint and allow_http",
                };
                return Err(PlaceError::Option(shown.to_owned(), other.to_owned(), known));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_options() {
        let shown = |url: &str| Place::parse(url).unwrap().of_object("login.flag");
        assert_eq!(shown("s3://bucket-a/quorate?region=eu-west-1"), "s3://bucket-a/quorate/login.flag");
        assert_eq!(shown("s3://bucket-a"), "s3://bucket-a/login.flag");
        assert_eq!(shown("gs://bucket/a/b/"), "gs://bucket/a/b/login.flag");
        assert_eq!(shown("az://flags/q?account=acme"), "az://acme/flags/q/login.flag");
        assert_eq!(shown("file:///srv/flags"), "file:///srv/flags/login.flag");
    }

    #[test]
    fn what_is_no_place_is_refused_with_a_way_out_and_no_secret() {
        for (url, wanted) in [
            ("bucket-a", "is not a URL"),
            ("https://bucket.example/", "s3, gs, az and file"),
            ("s3://key:hunter2@bucket/", "usual chain"),
            ("s3://bucket/#x", "usual chain"),
            ("s3:///folder", "must name a bucket"),
            ("s3://bucket/?regoin=x", "region, endpoint"),
            ("s3://bucket/?secret_access_key=hunter2", "'secret_access_key' is not known"),
            ("s3://bucket/?region=", "letters, digits"),
            ("s3://bucket/?allow_http=yes", "true or false"),
            ("s3://bucket/?endpoint=http://127.0.0.1:9000", "allow_http=true"),
            ("s3://bucket/?endpoint=https://u:hunter2@host/", "without a user"),
            ("s3://bucket/a%20b", "folder names"),
            ("gs://bucket/?region=x", "endpoint and allow_http"),
            ("az://container/", "?account=NAME"),
            ("file:///", "a folder of this machine"),
            ("file:///srv/flags?region=x", "usual chain"),
        ] {
            let error = Place::parse(url).expect_err(url).to_string();
            assert!(error.contains(wanted) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
