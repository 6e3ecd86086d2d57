//! Host names that are ours: a page of another site must not reach this API by having its own name
//! resolve here (DNS rebinding), nor by asking from its own origin.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// What is said of a request whose browser says that another site made it.
pub(super) const FROM_ANOTHER_SITE: &str = "the request comes from another site";

/// The host names a listener answers to.
#[derive(Debug, Clone)]
pub(super) enum Hosts {
    /// Any: whoever reaches the listener is its user. A browser may still come through a tunnel, with an
    /// origin that must be ours.
    Any,
    /// Loopback addresses and `localhost`.
    Loopback,
    /// Addresses, and these names. A name that an attacker owns is never an address.
    Named(Vec<String>),
}

impl Hosts {
    fn knows(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>();
        match self {
            Self::Any => true,
            Self::Loopback => {
                host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
            }
            Self::Named(names) => {
                address.is_ok()
                    || host.eq_ignore_ascii_case("localhost")
                    || names.iter().any(|name| host.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// Why a request does not come from where it should; `None` if it does.
pub(super) fn foreign(hosts: &Hosts, headers: &HeaderMap, uri: &Uri) -> Option<&'static str> {
    let one = |name: header::HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok());
        value.filter(|_| values.next().is_none())
    };
    // A request in absolute form names its host twice, and the target wins (RFC 9112, 3.2.2).
    let authority = uri.authority().map(|authority| authority.as_str()).or_else(|| one(header::HOST));
    if !matches!(hosts, Hosts::Any) && !authority.is_some_and(|authority| hosts.knows(host_of(authority))) {
        return Some("the host is not this server's");
    }
    let ours = |origin: &str| authority.is_some_and(|authority| same(origin, authority));
    if headers.contains_key(header::ORIGIN) && !one(header::ORIGIN).is_some_and(ours) {
        return Some("the origin is another site");
    }
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    match site {
        None | Some(b"same-origin" | b"none") => None,
        Some(_) => Some(FROM_ANOTHER_SITE),
    }
}

/// The host of `host`, `host:port`, `[address]` or `[address]:port`.
fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    }
}

/// Whether an origin is the one of this authority. The scheme may differ: TLS can end in front of us.
fn same(origin: &str, authority: &str) -> bool {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(hosts: &Hosts, fields: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                name.parse::<header::HeaderName>().unwrap(),
                value.parse::<axum::http::HeaderValue>().unwrap(),
            );
        }
        foreign(hosts, &headers, &"/health".parse().unwrap()).is_none()
    }

    #[test]
    fn threat_f20_a_name_that_is_not_ours_is_foreign() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.8.9.1:7", "[::1]", "[::1]:80"] {
            assert!(verdict(&Hosts::Loopback, &[("host", host)]), "{host}");
        }
        let foreign = [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "web.localhost",
            "10.0.0.1",
        ];
        for host in foreign {
            assert!(!verdict(&Hosts::Loopback, &[("host", host)]), "{host}");
        }
        assert!(!verdict(&Hosts::Loopback, &[]));
        assert!(!verdict(&Hosts::Loopback, &[("host", "localhost"), ("host", "evil.example")]));
        let named = Hosts::Named(vec!["deploy.example.com".to_owned()]);
        for host in ["deploy.example.com", "DEPLOY.example.com:443", "192.0.2.1:80", "[2001:db8::1]"] {
            assert!(verdict(&named, &[("host", host)]), "{host}");
        }
        assert!(!verdict(&named, &[("host", "evil.example")]));
        assert!(!verdict(&named, &[("host", "xdeploy.example.com")]));
    }

    #[test]
    fn threat_f20_another_origin_is_foreign_even_on_this_machine() {
        let from = |origin: &str| verdict(&Hosts::Loopback, &[("host", "localhost:80"), ("origin", origin)]);
        assert!(from("http://localhost:80") && from("https://LOCALHOST:80"));
        for origin in
            ["null", "http://localhost:81", "http://localhost", "http://evil.example", "localhost:80", ""]
        {
            assert!(!from(origin), "{origin}");
        }
        for (site, ours) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let fields = [("host", "localhost"), ("sec-fetch-site", site)];
            assert_eq!(verdict(&Hosts::Loopback, &fields), ours, "{site}");
        }
    }
}
