//! What a file's name says about it: media type, whether compressing helps, and how long it may be cached.

use http::HeaderValue;

/// Extensions of build artefacts that bundlers name after their content.
const ASSETS: &[&str] = &[
    "js", "mjs", "css", "map", "wasm", "woff", "woff2", "ttf", "otf", "png", "jpg", "jpeg", "gif", "svg",
    "webp", "avif", "ico", "mp3", "mp4", "webm", "ogg",
];

/// The media type for a path, with `charset=utf-8` for text. Unknown extensions are bytes, never sniffed.
pub(crate) fn content_type(path: &str) -> String {
    let Some(mime) = mime_guess::from_path(path).first() else {
        return "application/octet-stream".to_owned();
    };
    // RFC 9239 section 6: text/javascript is the one type for scripts, whatever a table says.
    if matches!(mime.essence_str(), "application/javascript" | "text/javascript") {
        return "text/javascript; charset=utf-8".to_owned();
    }
    if mime.type_() == "text" {
        return format!("{}; charset=utf-8", mime.essence_str());
    }
    mime.essence_str().to_owned()
}

/// Whether content of this type usually gets smaller.
pub(crate) fn is_compressible(content_type: &HeaderValue) -> bool {
    let Ok(media) = content_type.to_str() else {
        return false;
    };
    let media = media.split(';').next().unwrap_or_default();
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || matches!(
            media,
            "application/json"
                | "application/xml"
                | "application/wasm"
                | "font/ttf"
                | "font/otf"
                | "image/bmp"
                | "image/x-icon"
        )
}

/// Whether the file's name carries a hash of its content, so that the name never means other bytes.
///
/// A wrong "yes" would show visitors an old file for a year, a wrong "no" costs one revalidation; so only asset types
/// count, and only two forms of the last part of the stem (after `.` or `-`):
/// - 8 or more lowercase hex digits with both a digit and a letter: `app.3f9a2b1c.js`;
/// - exactly 8 base64url characters that change between upper case, lower case, digit and sign at least four times:
///   `index-B8x_9aZq.css`, but not `guide-Chapter1.png` or `photo-20240131.jpg`.
pub(crate) fn is_content_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    ASSETS.contains(&extension) && (ends_in_hex_hash(stem) || ends_in_base64_hash(stem))
}

fn ends_in_hex_hash(stem: &str) -> bool {
    let Some(at) = stem.rfind(['.', '-']) else {
        return false;
    };
    let token = &stem.as_bytes()[at + 1..];
    token.len() >= 8
        && token.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && token.iter().any(u8::is_ascii_digit)
        && token.iter().any(u8::is_ascii_lowercase)
}

fn ends_in_base64_hash(stem: &str) -> bool {
    let stem = stem.as_bytes();
    // The hash itself may contain a dash, so its place is counted from the end.
    let Some(at) = stem.len().checked_sub(9) else {
        return false;
    };
    let token = &stem[at + 1..];
    let classes: Vec<u8> = token.iter().map(|b| class(*b)).collect();
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    matches!(stem[at], b'.' | b'-') && !classes.contains(&0) && changes >= 4
}

fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        b'-' | b'_' => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_types_carry_a_charset() {
        assert_eq!(content_type("a/index.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("app.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("app.mjs"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("a.json"), "application/json");
        assert_eq!(content_type("a.wasm"), "application/wasm");
        assert_eq!(content_type("a.svg"), "image/svg+xml");
        assert_eq!(content_type("LICENSE"), "application/octet-stream");
        assert_eq!(content_type(".well-known/x"), "application/octet-stream");
    }

    #[test]
    fn only_names_that_carry_a_hash_are_immutable() {
        for name in [
            "app.3f9a2b1c.js",
            "a/index-B8x_9aZq.css",
            "chunk-0123abcd4567.mjs",
            "x-aB9_x-Q2.js",
            "logo.0a1b2c3d4e.svg",
        ] {
            assert!(is_content_hashed(name), "{name}");
        }
        for name in [
            "index.html",
            "app.js",
            "index-B8x_9aZq.html",
            "photo-20240131.jpg",
            "guide-Chapter1.png",
            "my-document.css",
            "a-deadbeef.js",
            "jquery-3.7.1.min.js",
            "3f9a2b1c",
            "3f9a2b1c.js",
            "a.js/b",
            "report-IMG_2024.png",
            "x-ümläut-.js",
        ] {
            assert!(!is_content_hashed(name), "{name}");
        }
    }

    #[test]
    fn compressed_formats_are_not_compressed_again() {
        let compressible = |t: &'static str| is_compressible(&HeaderValue::from_static(t));
        assert!(
            compressible("text/html; charset=utf-8")
                && compressible("image/svg+xml")
                && compressible("application/json")
        );
        assert!(
            !compressible("image/png")
                && !compressible("font/woff2")
                && !compressible("application/octet-stream")
        );
    }
}
