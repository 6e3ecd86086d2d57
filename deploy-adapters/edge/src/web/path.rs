//! From a request target's path to the path of a file in a release.
//!
//! Nothing here touches a file: the result is only ever looked up in a release's index, so even a mistake in this
//! file could not open anything a release does not list. The rules keep ambiguous spellings out all the same.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A decoded request path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestPath<'a> {
    /// Segments joined by `/`, without leading and trailing slash; empty for the root.
    pub(crate) name: Cow<'a, str>,
    /// Whether the path ends with a slash, which asks for a directory.
    pub(crate) directory: bool,
}

/// The path is not one this server answers: 400.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadPath;

/// Decodes the path of a request target (RFC 3986 section 3.3), percent-decoding exactly once.
///
/// Refused: no leading slash, malformed escapes, invalid UTF-8 (overlong forms included), control characters, encoded
/// slashes, backslashes in any form, and empty, `.` or `..` segments, written plainly or encoded. A server that
/// "cleans" such paths disagrees sooner or later with whatever stands in front of it.
pub(crate) fn decode(path: &str) -> Result<RequestPath<'_>, BadPath> {
    let rest = path.strip_prefix('/').ok_or(BadPath)?;
    if rest.is_empty() {
        return Ok(RequestPath { name: Cow::Borrowed(""), directory: true });
    }
    let (segments, directory) = match rest.strip_suffix('/') {
        Some(segments) => (segments, true),
        None => (rest, false),
    };
    let name = decode_escapes(segments)?;
    let allowed = name.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
        && !name.chars().any(|c| c.is_control() || c == '\\');
    if !allowed {
        return Err(BadPath);
    }
    Ok(RequestPath { name, directory })
}

fn decode_escapes(text: &str) -> Result<Cow<'_, str>, BadPath> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    for escape in text.split('%').skip(1) {
        let digits = escape.as_bytes().get(..2).ok_or(BadPath)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) || digits.eq_ignore_ascii_case(b"2f") {
            return Err(BadPath);
        }
    }
    percent_decode(text.as_bytes()).decode_utf8().map_err(|_| BadPath)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::is_release_path;
    use proptest::prelude::*;

    fn name(path: &str) -> Result<String, BadPath> {
        decode(path).map(|path| path.name.into_owned())
    }

    #[test]
    fn plain_and_escaped_paths_are_decoded_once() {
        assert_eq!(name("/"), Ok(String::new()));
        assert_eq!(name("/a/b.txt"), Ok("a/b.txt".into()));
        assert_eq!(name("/a%20b/%C3%BC"), Ok("a b/ü".into()));
        assert_eq!(name("/%2541"), Ok("%41".into()));
        assert!(decode("/dir/").unwrap().directory);
        assert!(!decode("/dir").unwrap().directory);
    }

    #[test]
    fn threat_f09_every_spelling_of_a_way_out_is_refused() {
        let hostile = [
            "",
            "a",
            "*",
            "//",
            "//evil.example",
            "/a//b",
            "/..",
            "/../etc/passwd",
            "/a/../b",
            "/./a",
            "/a/.",
            "/a/./",
            "/%2e%2e/etc/passwd",
            "/%2E%2e%2Fetc",
            "/..%2f..%2f",
            "/.%2e/",
            "/..%5c..%5cwindows",
            r"/..\..\x",
            "/%5c%5cevil",
            "/a%00.html",
            "/%00",
            "/a%0d%0ab",
            "/%7f",
            "/%c0%ae%c0%ae/",
            "/%e0%80%ae",
            "/%c0%af",
            "/%ff",
            "/%",
            "/%2",
            "/%zz",
            "/%%32%65",
            "/%u002e",
            "/a%2fb",
            "/\u{85}",
        ];
        for path in hostile {
            assert_eq!(name(path), Err(BadPath), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn threat_f09_an_accepted_path_is_a_possible_release_path(path in "/[a.%2eEfF5cC0/\\\\ü-]{0,24}") {
            if let Ok(decoded) = decode(&path) {
                prop_assert!(decoded.name.is_empty() || is_release_path(&decoded.name), "{:?}", decoded);
            }
        }
    }
}
