//! Which version of a language a source asks for, in the files that tools of every language read.

use deploy_core::detect::Found;
use serde_json::Value;

use crate::manifest::Values;
use crate::rule::Scene;

/// The version in a file that holds nothing else, such as `.python-version`. A name before it (`python-3.12`,
/// `ruby-3.3`) is passed over.
pub(super) fn in_file(scene: &Scene<'_>, file: &str) -> Option<Found<String>> {
    let text = scene.text(file)?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let version = line.trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
    let version = version.split([' ', '\t', '@']).next().unwrap_or_default();
    asks(scene, file, version)
}

/// The version that `.tool-versions` or `mise.toml` give a tool, under any of its names.
pub(super) fn of_tool(scene: &Scene<'_>, names: &[&str]) -> Option<Found<String>> {
    tool_versions(scene, names).or_else(|| mise(scene, names))
}

fn tool_versions(scene: &Scene<'_>, names: &[&str]) -> Option<Found<String>> {
    const FILE: &str = ".tool-versions";
    let words = scene.text(FILE)?.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let version = words.into_iter().find_map(|words| match words[..] {
        [name, version, ..] if names.contains(&name) => Some(version.to_owned()),
        _ => None,
    })?;
    asks(scene, FILE, &version)
}

fn mise(scene: &Scene<'_>, names: &[&str]) -> Option<Found<String>> {
    let file = scene.first_of(&["mise.toml", ".mise.toml", "mise/config.toml", ".config/mise.toml"])?;
    let manifest = scene.toml(file)?;
    let version = names.iter().find_map(|name| match manifest.at(&["tools", name]) {
        Value::String(version) => Some(version.clone()),
        Value::Array(versions) => versions.first().and_then(Value::as_str).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        tool @ Value::Object(_) => tool.text_at(&["version"]).map(str::to_owned),
        Value::Null | Value::Bool(_) => None,
    })?;
    asks(scene, file, &version)
}

/// A version or range that a file asks for; `None` if it says nothing, such as `latest` or `system`.
pub(super) fn asks(scene: &Scene<'_>, file: &str, version: &str) -> Option<Found<String>> {
    let version = version.trim().trim_matches(['"', '\'']);
    let says = version.chars().any(|c| c.is_ascii_digit());
    says.then(|| scene.found(version.to_owned(), file, format!("asks for version {version}")))
}
