//! Content codings: which one a client prefers (RFC 9110 section 12.5.3).

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// A content coding this server can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// The bytes of the file.
    Identity,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Codings besides identity; the better one first where a client has no preference.
    pub(crate) const COMPRESSED: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The token in `Content-Encoding`.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The extension of a file compressed beforehand.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    pub(crate) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.token())
    }
}

/// The client's preferences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Weight in thousandths per entry of [`Coding::COMPRESSED`].
    compressed: [u16; 3],
    identity: u16,
}

impl Accepted {
    /// Reads Accept-Encoding. Without the header only identity is used: that is always right.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut named = [None; 3];
        let (mut identity, mut star) = (None, None);
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
        for element in values.flat_map(|value| value.split(',')) {
            let (token, weight) = element_of(element);
            if token == "*" {
                star = Some(weight);
            } else if token.eq_ignore_ascii_case("identity") {
                identity = Some(weight);
            } else if let Some(at) = position(token) {
                named[at] = Some(weight);
            }
        }
        Self {
            compressed: named.map(|weight| weight.or(star).unwrap_or(0)),
            // Listed nowhere, identity is acceptable but every accepted coding is preferred to it.
            identity: identity.unwrap_or(0),
        }
    }

    /// The preferred coding among those `available`; identity if no other is accepted. Even a client that excludes
    /// identity gets it then: content it may not understand is better than 406 and none.
    pub(crate) fn best(&self, available: impl Fn(Coding) -> bool) -> Coding {
        let mut best = (Coding::Identity, self.identity);
        let mut found = false;
        for (coding, weight) in Coding::COMPRESSED.into_iter().zip(self.compressed) {
            let better = if found { weight > best.1 } else { weight >= best.1 };
            if weight > 0 && better && available(coding) {
                best = (coding, weight);
                found = true;
            }
        }
        best.0
    }
}

fn position(token: &str) -> Option<usize> {
    // x-gzip is gzip (RFC 9110 section 8.4.1.3).
    let token = token.strip_prefix("x-").unwrap_or(token);
    Coding::COMPRESSED.iter().position(|coding| token.eq_ignore_ascii_case(coding.token()))
}

/// Token and weight of one list element; a malformed weight counts as "not acceptable".
fn element_of(element: &str) -> (&str, u16) {
    let mut parts = element.split(';').map(str::trim);
    let token = parts.next().unwrap_or_default();
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => {
            parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")).and_then(thousandths).unwrap_or(0)
        }
    };
    (token, weight)
}

/// `qvalue` of RFC 9110 section 12.4.2.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(header: &str, available: &[Coding]) -> Coding {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, header.parse().unwrap())]);
        Accepted::of(&headers).best(|coding| available.contains(&coding))
    }

    #[test]
    fn the_clients_weights_decide_then_our_order() {
        use Coding::{Brotli, Gzip, Identity, Zstd};
        let all = [Brotli, Zstd, Gzip];
        let table = [
            ("gzip, deflate, br, zstd", &all[..], Brotli),
            ("gzip, deflate, br", &[Gzip], Gzip),
            ("gzip;q=1.0, br;q=0.5", &all, Gzip),
            ("br;q=0, gzip", &all, Gzip),
            ("*", &[Gzip], Gzip),
            ("*;q=0", &all, Identity),
            ("gzip;q=0, *", &[Gzip], Identity),
            ("identity, gzip;q=0.5", &[Gzip], Identity),
            ("identity;q=0.5, gzip;q=0.5", &[Gzip], Gzip),
            ("identity;q=0", &all, Identity),
            ("GZIP", &all, Gzip),
            ("x-gzip", &all, Gzip),
            ("", &all, Identity),
            ("gzip;q=2", &all, Identity),
            ("gzip;q=0.0001", &all, Identity),
            ("gzip;q=-1, deflate", &all, Identity),
            ("gzip;level=9", &all, Identity),
            ("br;q=0.001", &all, Brotli),
        ];
        for (header, available, expected) in table {
            assert_eq!(best(header, available), expected, "{header}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).best(|_| true), Identity);
    }
}
