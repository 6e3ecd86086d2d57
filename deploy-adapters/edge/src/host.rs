//! Host names as route keys: every spelling of one name must meet at one key, or a host could be hijacked.

/// Longest host name in bytes (RFC 1035 section 2.3.4, without the final dot).
const MAX_HOST_BYTES: usize = 253;

/// Longest label in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Why a text is not a host that can be routed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host:?} is not a host name: letters, digits and dashes in labels joined by dots, at most 253 bytes, no wildcard"
)]
pub struct InvalidHost {
    /// The text.
    pub host: String,
}

/// The one spelling of a host name under which its route is kept: lower case, without a port and without the final
/// dot. Internationalised names must come in their ASCII form (`xn--...`, RFC 5890).
///
/// # Errors
/// [`InvalidHost`] for anything that is not letters, digits and inner dashes (RFC 1123 section 2.1): wildcards,
/// underscores, non-ASCII, bracketed addresses, empty labels, names that are too long.
pub fn normalize_host(host: &str) -> Result<String, InvalidHost> {
    let name = without_port(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    let valid = !name.is_empty() && name.len() <= MAX_HOST_BYTES && name.split('.').all(is_label);
    if !valid {
        return Err(InvalidHost { host: host.chars().take(MAX_HOST_BYTES + 8).collect() });
    }
    Ok(name.to_ascii_lowercase())
}

/// The host without a port, otherwise as written.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn threat_f43_all_spellings_of_a_host_meet_at_one_key() {
        for spelling in [
            "web.example.com",
            "WEB.Example.COM",
            "web.example.com.",
            "web.example.com:8080",
            "Web.example.com.:443",
        ] {
            assert_eq!(normalize_host(spelling).unwrap(), "web.example.com");
        }
        assert_eq!(normalize_host("127.0.0.1:8080").unwrap(), "127.0.0.1");
        assert_eq!(normalize_host("XN--BCHER-KVA.example").unwrap(), "xn--bcher-kva.example");
    }

    #[test]
    fn threat_f43_what_is_no_single_host_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["a".repeat(60); 5].join(".");
        let hostile = [
            "",
            ".",
            "..",
            "*",
            "*.example.com",
            "a..b",
            ".a",
            "a.b..",
            "-a.example",
            "a-.example",
            "a_b.example",
            "bücher.example",
            "a b",
            "a/b",
            "a@b",
            "a%2eb",
            "[::1]",
            "[::1]:80",
            "::1",
            "a:80:80",
            "a:http",
            "a\0b",
            "a\n",
            &long_label,
            &long_name,
        ];
        for host in hostile {
            assert!(normalize_host(host).is_err(), "{host:?}");
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(host in "[a-zA-Z0-9.:-]{1,40}") {
            if let Ok(once) = normalize_host(&host) {
                prop_assert_eq!(normalize_host(&once), Ok(once.clone()));
            }
        }
    }
}
