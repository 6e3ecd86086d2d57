//! Which repositories may be reached, and at which addresses: what is looked up and judged is what git connects to.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use deploy_core::reason::ReasonCode;
use deploy_core::source::{GitUrl, Transport};
use deploy_probe::AddressPolicy;

use crate::fault::Fault;

/// The variables that name a proxy, and those that say what goes without one.
pub(super) const PROXIES: [&str; 7] =
    ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// Which repositories may be reached. A repository on this machine always may: it is a directory like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitPolicy {
    /// The ways; `https` and `ssh` unless said.
    pub transports: BTreeSet<Transport>,
    /// The addresses; public ones unless said.
    pub addresses: AddressPolicy,
}

impl Default for GitPolicy {
    fn default() -> Self {
        Self {
            transports: BTreeSet::from([Transport::Https, Transport::Ssh]),
            addresses: AddressPolicy::public_only(),
        }
    }
}

/// A word of a policy is none of `http`, `git`, `private` and `loopback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPolicy;

impl FromStr for GitPolicy {
    type Err = InvalidPolicy;

    /// What is allowed beside the usual, as a list: `http`, `git`, `private` (networks), `loopback` (this machine).
    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let mut policy = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "http" => drop(policy.transports.insert(Transport::Http)),
                "git" => drop(policy.transports.insert(Transport::Git)),
                "private" => policy.addresses.private = true,
                "loopback" => policy.addresses.loopback = true,
                _ => return Err(InvalidPolicy),
            }
        }
        Ok(policy)
    }
}

/// How a repository is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// At one of these addresses, and no other.
    At(Vec<IpAddr>),
    /// Through the proxy that whoever runs this process set up: it looks the name up, and it is the place for a policy.
    Proxy,
}

impl GitPolicy {
    /// Looks the host up.
    pub(super) fn way_to(&self, url: &GitUrl) -> Result<Way, Fault> {
        let Some(port) = url.port() else { return Ok(Way::At(Vec::new())) };
        if !self.transports.contains(&url.transport()) {
            let name = url.transport().name();
            let message = format!("{url} is reached by {name}, which is not allowed here");
            return Err(Fault::new(ReasonCode::SourceRefused, message));
        }
        if matches!(url.transport(), Transport::Https | Transport::Http) && proxied() {
            return Ok(Way::Proxy);
        }
        let found = (url.host(), port).to_socket_addrs().map_err(|error| {
            Fault::new(
                ReasonCode::SourceUnavailable,
                format!("the host {} can't be looked up: {error}", url.host()),
            )
        })?;
        self.judge(url, found.collect())
    }

    fn judge(&self, url: &GitUrl, found: Vec<SocketAddr>) -> Result<Way, Fault> {
        let mut allowed: Vec<IpAddr> = found
            .into_iter()
            .filter(|address| self.addresses.allows(*address))
            .map(|address| address.ip())
            .collect();
        allowed.dedup();
        if allowed.is_empty() {
            let message = format!(
                "{url} is at an address that may not be reached from here: this machine, a private network, or none"
            );
            return Err(Fault::new(ReasonCode::SourceRefused, message));
        }
        Ok(Way::At(allowed))
    }
}

/// Whether a proxy is set up.
fn proxied() -> bool {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    PROXIES.iter().filter(|name| !name.eq_ignore_ascii_case("no_proxy")).any(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f10_it_is_the_address_that_is_judged() {
        let policy = GitPolicy::default();
        let url: GitUrl = "https://git.example/x".parse().unwrap();
        let at = |addresses: &[&str]| {
            let found =
                addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 443)).collect();
            policy.judge(&url, found).map_err(|fault| fault.into_reason().code)
        };
        let inside = [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "fd00::1",
            "::ffff:7f00:1",
        ];
        for address in inside {
            assert_eq!(at(&[address]), Err(ReasonCode::SourceRefused), "{address}");
        }
        let public: IpAddr = "140.82.121.4".parse().unwrap();
        assert_eq!(
            at(&["140.82.121.4", "127.0.0.1"]),
            Ok(Way::At(vec![public])),
            "only what is allowed is connected to"
        );
    }

    #[test]
    fn threat_f10_spellings_of_this_machine_are_this_machine() {
        let policy = GitPolicy { transports: BTreeSet::from([Transport::Ssh]), ..GitPolicy::default() };
        for host in [
            "localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            let url: GitUrl = format!("ssh://{host}/x").parse().unwrap();
            let refused = policy.way_to(&url).unwrap_err().into_reason();
            // A spelling that this system does not take for an address is no way in either.
            assert!(
                matches!(refused.code, ReasonCode::SourceRefused | ReasonCode::SourceUnavailable),
                "{host}"
            );
        }
    }

    #[test]
    fn a_policy_is_a_list_of_what_is_allowed_too() {
        let wide: GitPolicy = "http, loopback,private".parse().unwrap();
        assert!(wide.transports.contains(&Transport::Http) && !wide.transports.contains(&Transport::Git));
        assert!(wide.addresses.loopback && wide.addresses.private);
        assert_eq!("".parse(), Ok(GitPolicy::default()));
        assert_eq!("ext".parse::<GitPolicy>(), Err(InvalidPolicy));
        let url: GitUrl = "http://localhost/x".parse().unwrap();
        assert_eq!(
            GitPolicy::default().way_to(&url).unwrap_err().into_reason().code,
            ReasonCode::SourceRefused
        );
    }
}
