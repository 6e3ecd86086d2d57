//! Entity tags: the number of a deployment's last event, in quotes.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use deploy_core::id::Seq;

/// The strong tag of a status.
pub(crate) fn tag(sequence: Seq) -> HeaderValue {
    // A number in quotes is always a valid value.
    HeaderValue::from_str(&format!("\"{sequence}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What a client says that it holds (`If-None-Match`, RFC 9110 13.1.2).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    any: bool,
    sequences: Vec<Seq>,
}

impl Known {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut known = Self::default();
        for tag in values.flat_map(|value| value.split(',')).map(str::trim) {
            known.any |= tag == "*";
            known.sequences.extend(sequence(tag));
        }
        known
    }

    /// Whether the client holds this one: then it need not be sent.
    pub(crate) fn holds(&self, sequence: Seq) -> bool {
        self.any || self.sequences.contains(&sequence)
    }

    /// The newest it holds.
    pub(crate) fn newest(&self) -> Option<Seq> {
        self.sequences.iter().max().copied()
    }
}

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// `If-None-Match` compares weakly: what a cache on the way made of a tag still counts.
fn sequence(tag: &str) -> Option<Seq> {
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    strong.strip_prefix('"')?.strip_suffix('"')?.parse().ok().map(Seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Known {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, text.parse().unwrap());
        Known::of(&headers)
    }

    #[test]
    fn every_tag_of_the_list_counts() {
        assert!(known("\"3\"").holds(Seq(3)));
        assert!(known("\"1\", W/\"3\"").holds(Seq(3)));
        assert!(known("*").holds(Seq(9)));
        assert_eq!(known("\"1\", \"7\",\"3\"").newest(), Some(Seq(7)));
        for other in ["3", "\"4\"", "\"03x\"", "", "\"", "\"\""] {
            assert!(!known(other).holds(Seq(3)), "{other}");
        }
    }

    #[test]
    fn what_is_sent_is_understood_when_it_comes_back() {
        assert!(known(tag(Seq(42)).to_str().unwrap()).holds(Seq(42)));
    }
}
