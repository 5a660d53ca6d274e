//! An OpenID provider on loopback that nobody here wrote: panva's `oidc-provider`, certified by the OpenID Foundation.
//! It is installed from npm once; each test gets a server of its own.

use url::Url;

use super::node;
use super::spawned::Spawned;

/// The last line that runs on Debian's Node 18.
const PACKAGE: &str = "oidc-provider@8.8.1";
const SERVER: &str = include_str!("../servers/oidc.mjs");

/// The user who can log in.
pub(crate) const USER: &str = "probe-ada";
/// That user's password.
pub(crate) const PASSWORD: &str = "zanz&bar h<rse";
/// The one client.
pub(crate) const CLIENT: &str = "probe-client";
/// The client's secret.
pub(crate) const CLIENT_SECRET: &str = "a-client-secret-for-tests-on-loopback";

/// A running provider; it ends when dropped.
pub(crate) struct Provider(Spawned);

impl Provider {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let mut node = node::module(SERVER, PACKAGE);
        node.envs([("PROBED_USER", USER), ("PROBED_PASSWORD", PASSWORD)]);
        node.envs([("PROBED_CLIENT", CLIENT), ("PROBED_CLIENT_SECRET", CLIENT_SECRET)]);
        // It warns of everything that is meant for development only.
        node.stderr(std::process::Stdio::null());
        Self(Spawned::start(&mut node))
    }

    /// The issuer's URL.
    pub(crate) fn url(&self) -> Url {
        self.0.url()
    }
}
