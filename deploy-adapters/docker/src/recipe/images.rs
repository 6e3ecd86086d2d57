//! The base images: what detection says, else a language's own.

use deploy_core::detect::Detection;

/// The images to build and to run in. Where only one is known, it is both.
pub(super) fn of(detection: &Detection) -> Option<(String, String)> {
    let build = detection.build_image.as_ref().map(|found| found.value.clone());
    let runtime = detection.runtime_image.as_ref().map(|found| found.value.clone());
    let build = build.or_else(|| runtime.clone()).or_else(|| of_language(detection))?;
    let runtime = runtime.unwrap_or_else(|| build.clone());
    Some((build, runtime))
}

/// For a language that is known and an app that is not: its commands were given by hand.
fn of_language(detection: &Detection) -> Option<String> {
    let version = detection.runtime_version.as_deref().filter(|version| is_plain(version));
    match detection.language.as_deref()? {
        "javascript" | "typescript" => Some(format!("node:{}-bookworm-slim", version.unwrap_or("22"))),
        "python" => Some(format!("python:{}-slim", version.unwrap_or("3.13"))),
        _ => None,
    }
}

/// A version that can stand in a tag as it is: `22`, `3.13`.
fn is_plain(version: &str) -> bool {
    version
        .split('.')
        .all(|part| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit()))
}
