//! A site with a second factor on loopback, whose codes are checked by pyotp, which nobody here wrote. It is installed from
//! PyPI once; each test gets a server of its own.

use std::process::Command;

use url::Url;

use super::python::interpreter_with;
use super::spawned::Spawned;

const PACKAGE: &str = "pyotp==2.9.0";
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/totp.py");

/// The user who can log in.
pub(crate) const USER: &str = "probe-ada";
/// That user's password.
pub(crate) const PASSWORD: &str = "zanz&bar h<rse";
/// The seed of the codes, in Base32.
pub(crate) const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// A running site; it ends when dropped.
pub(crate) struct TotpSite(Spawned);

impl TotpSite {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let mut python = Command::new(interpreter_with(PACKAGE));
        python.arg(SERVER).envs([("PROBED_USER", USER), ("PROBED_PASSWORD", PASSWORD), ("PROBED_SEED", SEED)]);
        Self(Spawned::start(&mut python))
    }

    /// The base URL.
    pub(crate) fn url(&self) -> Url {
        self.0.url()
    }
}
