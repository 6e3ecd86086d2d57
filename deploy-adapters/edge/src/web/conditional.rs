//! Entity tags: If-None-Match and If-Range (RFC 9110 sections 8.8.3, 13.1.2, 13.1.5).

use http::header::{IF_NONE_MATCH, IF_RANGE};
use http::{HeaderMap, HeaderValue};

/// Whether the client has the representation tagged `etag` already, so that 304 is the answer.
///
/// Comparison is weak, as section 13.1.2 demands. If-Modified-Since is ignored on purpose: a release has no
/// modification time that means anything, and no Last-Modified is ever sent.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| lists(list, etag))
}

/// Whether a Range header counts: there is no If-Range, or it holds exactly this strong tag. A date never matches,
/// because no Last-Modified is sent.
pub(crate) fn range_applies(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    match headers.get(IF_RANGE) {
        None => true,
        Some(value) => value == etag,
    }
}

/// Whether a comma-separated list of entity tags holds `etag` or is `*`. Our tags contain no comma, so splitting
/// there cannot cut one of ours apart.
fn lists(list: &str, etag: &HeaderValue) -> bool {
    list.trim() == "*"
        || list.split(',').map(str::trim).any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_NONE_MATCH, value.parse().unwrap());
        }
        not_modified(&headers, &HeaderValue::from_static("\"abc\""))
    }

    #[test]
    fn if_none_match_takes_lists_weak_tags_and_the_star() {
        for values in [
            &["\"abc\""][..],
            &["*"],
            &["W/\"abc\""],
            &["\"x\", \"abc\""],
            &["\"x\"", "\"abc\""],
            &["\"x\",W/\"abc\" "],
        ] {
            assert!(matches(values), "{values:?}");
        }
        for values in [&[][..], &["abc"], &["\"ABC\""], &["\"abc-gz\""], &["w/\"abc\""], &[""]] {
            assert!(!matches(values), "{values:?}");
        }
    }

    #[test]
    fn if_range_is_strong() {
        let applies = |value: &str| {
            let headers = HeaderMap::from_iter([(IF_RANGE, value.parse().unwrap())]);
            range_applies(&headers, &HeaderValue::from_static("\"abc\""))
        };
        assert!(applies("\"abc\""));
        assert!(!applies("W/\"abc\"") && !applies("\"x\"") && !applies("Wed, 21 Oct 2015 07:28:00 GMT"));
        assert!(range_applies(&HeaderMap::new(), &HeaderValue::from_static("\"abc\"")));
    }
}
