//! The volumes of a service: named ones. A directory of the machine is never one.

use deploy_core::project::ServiceVolume;
use serde_json::Value;

use super::values::scalar;
use crate::manifest::Values;

/// What a service mounts.
pub(super) enum Mount {
    Volume(ServiceVolume),
    Memory(String),
}

/// Reads one entry, in the short form or the long one. `expand` replaces references.
pub(super) fn read(entry: &Value, expand: &dyn Fn(&str) -> Option<String>) -> Result<Mount, String> {
    match entry {
        Value::String(text) => short(&expand(text).ok_or("holds a reference that can't be replaced")?),
        Value::Object(_) => long(entry, expand),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err("is not a mount".to_owned()),
    }
}

fn short(text: &str) -> Result<Mount, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, path, mode) = match parts.as_slice() {
        [path] => {
            return Err(format!(
                "mounts a volume without a name at {path}, which no other release would see"
            ));
        }
        [source, path] => (*source, *path, ""),
        [source, path, mode] => (*source, *path, *mode),
        _ => return Err(format!("mounts {text:?}, which can't be read")),
    };
    let modes: Vec<&str> = mode.split(',').filter(|mode| !mode.is_empty()).collect();
    if let Some(odd) = modes.iter().find(|mode| !["ro", "rw", "z", "Z"].contains(mode)) {
        return Err(format!("mounts {source} in the mode {odd:?}"));
    }
    volume(source, path, modes.contains(&"ro")).map(Mount::Volume)
}

fn long(entry: &Value, expand: &dyn Fn(&str) -> Option<String>) -> Result<Mount, String> {
    let text = |key: &str| entry.text_at(&[key]).and_then(expand);
    let known = ["type", "source", "target", "read_only"];
    if let Some(odd) = entry.keys_at(&[]).into_iter().find(|key| !known.contains(key)) {
        return Err(format!("mounts with the option {odd}"));
    }
    let path = text("target").ok_or("mounts something nowhere")?;
    let read_only = scalar(entry.at(&["read_only"])).as_deref() == Some("true");
    match entry.text_at(&["type"]) {
        Some("volume") => {
            let source = text("source").ok_or_else(|| {
                format!("mounts a volume without a name at {path}, which no other release would see")
            })?;
            volume(&source, &path, read_only).map(Mount::Volume)
        }
        Some("tmpfs") => place(&path).map(Mount::Memory),
        Some("bind") => Err(of_machine(&text("source").unwrap_or_default())),
        kind => Err(format!("mounts something of the type {:?}", kind.unwrap_or_default())),
    }
}

/// A directory in memory.
pub(super) fn memory(path: &str) -> Result<String, String> {
    let (path, options) = path.split_once(':').unwrap_or((path, ""));
    if !options.is_empty() {
        return Err(format!("mounts {path} in memory with options"));
    }
    place(path)
}

fn volume(source: &str, path: &str, read_only: bool) -> Result<ServiceVolume, String> {
    if source.starts_with(['.', '/', '~', '\\']) || source.contains(['/', '\\']) {
        return Err(of_machine(source));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = source.starts_with(word) && source.chars().all(|c| word(c) || matches!(c, '.' | '-'));
    if !named || source.len() > 60 {
        return Err(format!("mounts {source:?}, which is not the name of a volume"));
    }
    Ok(ServiceVolume { name: source.to_owned(), path: place(path)?, read_only })
}

/// An absolute path that is no detour and not everything.
fn place(path: &str) -> Result<String, String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let odd = parts.iter().any(|part| matches!(*part, "." | ".."));
    if !path.starts_with('/') || parts.is_empty() || odd || path.chars().any(char::is_control) {
        return Err(format!("mounts something at {path:?}"));
    }
    Ok(format!("/{}", parts.join("/")))
}

fn of_machine(source: &str) -> String {
    if source.contains("docker.sock") {
        return "mounts the container engine's socket, which would give it the machine".to_owned();
    }
    format!("mounts {source} of the machine; use a named volume, or copy it into the image")
}
