//! Which hosts a check may ask: its target, and those that its configuration lists. A script that reached everything would be a way into
//! whatever network its agent is in.

use std::net::IpAddr;

use super::ending::Ending;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    hosts: Vec<String>,
}

impl Reach {
    /// The hosts in lower case; `*.example.com` stands for every name below `example.com`.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self { hosts: hosts.into_iter().map(|host| plain(&host)).collect() }
    }

    /// The hosts, as they were listed.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Whether the host may be asked: the target's own, or one that is listed.
    pub(super) fn permits(&self, target: &str, host: &str) -> Result<(), Ending> {
        let host = plain(host);
        let listed = |pattern: &String| match pattern.strip_prefix("*.") {
            // An address is below no name.
            Some(_) if host.parse::<IpAddr>().is_ok() => false,
            Some(parent) => host.strip_suffix(parent).is_some_and(|child| child.len() > 1 && child.ends_with('.')),
            None => *pattern == host,
        };
        if host == plain(target) || self.hosts.iter().any(listed) {
            return Ok(());
        }
        let what =
            format!("the check may not ask '{host}': it is neither the target's host nor listed in its `reach`");
        Err(Ending::Inconclusive(what))
    }
}

fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_target_and_what_is_listed_may_be_asked() {
        let hosts = ["idp.example.net", "*.example.org", "::1", "*.0.0.1"];
        let reach = Reach::new(hosts.map(str::to_owned));
        for permitted in ["login.example.com", "LOGIN.example.com.", "idp.example.net", "a.b.example.org", "[::1]"] {
            assert_eq!(reach.permits("login.example.com", permitted), Ok(()), "{permitted}");
        }
        for refused in ["example.com", "example.org", "evil-example.org", ".example.org", "127.0.0.1", ""] {
            assert!(reach.permits("login.example.com", refused).is_err(), "{refused}");
        }
    }
}
