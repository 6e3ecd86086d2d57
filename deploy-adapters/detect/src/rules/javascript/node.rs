//! The version of Node a project asks for, and the image that has it.

use deploy_core::detect::Found;
use deploy_core::reason::{Reason, ReasonCode};

use super::package::{PACKAGE, Package};
use crate::manifest::Values;
use crate::rule::Scene;
use crate::version::{Range, Version};

/// Majors with images, in order.
const MAJORS: [u64; 9] = [10, 12, 14, 16, 18, 20, 22, 24, 26];
/// The one that is used where nothing is asked for, and for "the newest".
const DEFAULT: u64 = 24;
/// The names of long-term releases.
const NAMES: [(&str, u64); 8] = [
    ("dubnium", 10),
    ("erbium", 12),
    ("fermium", 14),
    ("gallium", 16),
    ("hydrogen", 18),
    ("iron", 20),
    ("jod", 22),
    ("krypton", 24),
];

/// The version to use, as the tag of an image, with a warning if it is not what was asked for.
pub(super) fn version(scene: &Scene<'_>, package: &Package) -> (Found<String>, Option<Reason>) {
    let Some(asked) = asked(scene, package) else {
        let default = scene.found(DEFAULT.to_string(), PACKAGE, "no version of Node is asked for");
        return (default, None);
    };
    match resolved(&asked.value) {
        Some(value) => (Found { value, evidence: asked.evidence }, None),
        None => {
            let message = format!(
                "{} asks for Node {:?}, which is no version that can be resolved; {DEFAULT} is used",
                asked.evidence.file, asked.value
            );
            let warning = Reason::new(ReasonCode::VersionUnavailable, message)
                .because(asked.evidence.file.clone(), asked.evidence.fact.clone());
            (Found { value: DEFAULT.to_string(), evidence: asked.evidence }, Some(warning))
        }
    }
}

/// What is asked for: files that pin a version come before ranges.
fn asked(scene: &Scene<'_>, package: &Package) -> Option<Found<String>> {
    let mut here = Some(scene.clone());
    while let Some(directory) = here {
        if let Some(found) = pinned(&directory) {
            return Some(found);
        }
        here = directory.above();
    }
    let by_package = [
        (package.volta("node"), "volta.node"),
        (package.runtime("node"), "devEngines.runtime"),
        (package.engine("node"), "engines.node"),
    ];
    let (version, field) = by_package.into_iter().find_map(|(version, field)| Some((version?, field)))?;
    Some(scene.found(version.to_owned(), PACKAGE, format!("{field} is {version}")))
}

fn pinned(scene: &Scene<'_>) -> Option<Found<String>> {
    for file in [".nvmrc", ".node-version"] {
        let version = scene.text(file).and_then(first_word);
        if let Some(version) = version {
            return Some(scene.found(version.to_owned(), file, format!("asks for Node {version}")));
        }
    }
    tool_version(scene, &["nodejs", "node"]).map(|found| Found { value: found.value, ..found })
}

/// The version of a tool in `.tool-versions` or `mise.toml`.
pub(super) fn tool_version(scene: &Scene<'_>, names: &[&str]) -> Option<Found<String>> {
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        names.contains(&name).then(|| words.next().map(str::to_owned))?
    };
    if let Some(version) = scene.text(".tool-versions").and_then(|text| text.lines().find_map(of_line)) {
        let fact = format!("asks for {} {version}", names[0]);
        return Some(scene.found(version, ".tool-versions", fact));
    }
    ["mise.toml", ".mise.toml"].into_iter().find_map(|file| {
        let tools = scene.toml(file)?;
        let version = names.iter().find_map(|name| {
            let tool = tools.at(&["tools", name]);
            tool.text_at(&[]).or_else(|| tool.text_at(&["version"])).or_else(|| tool.get(0)?.as_str())
        })?;
        Some(scene.found(version.to_owned(), file, format!("asks for {} {version}", names[0])))
    })
}

fn first_word(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.starts_with('#')).find_map(|line| line.split_whitespace().next())
}

/// The tag for what is asked for: an exact version as it is, a range as the newest major in it.
fn resolved(asked: &str) -> Option<String> {
    let asked = asked.trim().trim_start_matches("node-").to_lowercase();
    if matches!(asked.as_str(), "node" | "latest" | "current" | "stable" | "lts" | "lts/*" | "*" | "x") {
        return Some(DEFAULT.to_string());
    }
    let name = asked.strip_prefix("lts/").or_else(|| asked.strip_prefix("lts-")).unwrap_or(&asked);
    if let Some((_, major)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(major.to_string());
    }
    let plain = asked.trim_start_matches(['v', '=']);
    let is_plain = !plain.is_empty() && plain.split('.').all(|part| part.chars().all(|c| c.is_ascii_digit()));
    if is_plain {
        return Version::parse(plain).map(|version| version.to_string());
    }
    let range = Range::parse(&asked)?;
    let majors = MAJORS.map(|major| Version { major, minor: None, patch: None });
    let usual: Vec<Version> = majors.into_iter().filter(|version| version.major <= DEFAULT).collect();
    let best = range.best(&usual).or_else(|| range.best(&majors));
    // A range within one minor, or beyond what is listed here: its own lowest version has an image.
    best.map(|version| version.major.to_string()).or_else(|| Some(range.lowest()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_becomes_a_tag() {
        for (asked, tag) in [
            ("v20.11.1", "20.11.1"),
            ("20", "20"),
            ("20.x", "20"),
            (">=18", "24"),
            (">=18 <21", "20"),
            ("^18.17.0 || >=20.0.0", "24"),
            ("lts/*", "24"),
            ("lts/Iron", "20"),
            ("jod", "22"),
            ("14.x", "14"),
            ("~20.5.1", "20.5.1"),
            (">=26", "26"),
        ] {
            assert_eq!(resolved(asked).as_deref(), Some(tag), "{asked}");
        }
        for asked in ["lts/nothing", "", "banana"] {
            assert_eq!(resolved(asked), None, "{asked}");
        }
    }
}
