//! The base images of languages that detection names without an image.

use deploy_core::detect::Detection;

/// The images to build and to run in.
pub(super) fn of(detection: &Detection) -> Option<(String, String)> {
    let version = detection.runtime_version.as_deref().filter(|version| is_plain(version));
    let image = match detection.language.as_deref()? {
        "javascript" | "typescript" => format!("node:{}-bookworm-slim", version.unwrap_or("22")),
        "python" => format!("python:{}-slim", version.unwrap_or("3.13")),
        _ => return None,
    };
    Some((image.clone(), image))
}

/// A version that can stand in a tag as it is: `22`, `3.13`.
fn is_plain(version: &str) -> bool {
    version.split('.').all(|part| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit()))
}
