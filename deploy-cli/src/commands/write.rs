//! `plan --write`: what was resolved, as lines of `deploy.toml`. What is there already stays as it is.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use deploy_core::plan::{CommandKind, Origin, PlanDocument};
use toml_edit::{DocumentMut, Item, Table, Value};

use crate::exit::Failed;
use crate::output::{clean, tell};

/// A value to write: where, what, and what shows it.
struct Line {
    table: &'static str,
    key: &'static str,
    value: Value,
    why: Option<String>,
}

/// Writes every resolved value into `file` that it does not set yet, and says which.
pub(crate) fn write(document: &PlanDocument, file: &Path) -> Result<(), Failed> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failed::usage("config_unwritable", format!("{} can't be written: {error}", file.display()))
    };
    let before = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unusable(&error)),
    };
    let mut config: DocumentMut = before.parse().map_err(|error| unusable(&error))?;
    let mut added = Vec::new();
    for line in lines(document) {
        let name = format!("{}.{}", line.table, line.key);
        if set(&mut config, line) {
            added.push(name);
        }
    }
    let shown = clean(&file.display().to_string());
    if added.is_empty() {
        tell(&format!("{shown}: nothing to add"));
        return Ok(());
    }
    replace(file, &config.to_string()).map_err(|error| unusable(&error))?;
    tell(&format!("{shown}: added {}", added.join(", ")));
    Ok(())
}

/// What was detected; what is only a default needs no line.
fn lines(document: &PlanDocument) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line =
        |table, key, value: Value, why: Option<String>| lines.push(Line { table, key, value, why });
    if let Some(found) = &document.detection.base_directory {
        line("source", "base_directory", found.value.as_str().into(), Some(found.evidence.fact.clone()));
    }
    for command in document.commands.iter().filter(|command| command.origin == Origin::Detected) {
        let key = match command.kind {
            CommandKind::Install => "install",
            CommandKind::Build => "build",
            CommandKind::Start => "start",
            CommandKind::Package => continue,
        };
        let why = command.evidence.as_ref().map(|fact| format!("{}: {}", fact.file, fact.fact));
        line("runtime", key, command.command.as_str().into(), why);
    }
    if let Some(artifact) = document.artifact.as_ref().filter(|artifact| artifact.origin == Origin::Detected)
    {
        let found = document.detection.publish_directory.as_ref();
        let why = found.map(|found| format!("{}: {}", found.evidence.file, found.evidence.fact));
        let texts = [
            ("publish_directory", &artifact.publish_directory, why),
            ("fallback", &artifact.fallback, None),
            ("dockerfile", &artifact.dockerfile, None),
            ("stage", &artifact.stage, None),
            ("service", &artifact.service, None),
            ("image", &artifact.image, None),
        ];
        for (key, text, why) in texts {
            if let Some(text) = text {
                line("runtime", key, text.as_str().into(), why);
            }
        }
    }
    if let (Some(port), Origin::Detected) = (document.network.internal_port, document.network.origin) {
        let found = document.detection.internal_port.as_ref();
        let why = found.map(|found| format!("{}: {}", found.evidence.file, found.evidence.fact));
        line("network", "internal_port", i64::from(port).into(), why);
    }
    if document.health.origin == Origin::Detected {
        line("health", "path", document.health.policy.path.as_str().into(), None);
    }
    lines
}

/// Sets a value unless there is one. Returns whether it did.
fn set(config: &mut DocumentMut, line: Line) -> bool {
    let Line { table, key, mut value, why } = line;
    let entry = config.as_table_mut().entry(table).or_insert_with(|| Item::Table(Table::new()));
    // A comment would end an inline table.
    if let (Some(why), Item::Table(_)) = (why, &*entry) {
        let why: String = why.chars().filter(|c| !c.is_control()).collect();
        value.decor_mut().set_suffix(format!("  # {}", clean(&why)));
    }
    let Some(table) = entry.as_table_like_mut().filter(|table| !table.contains_key(key)) else {
        return false;
    };
    table.insert(key, Item::Value(value));
    true
}

/// Beside the file, then in its place: nobody ever reads half of it.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut beside: PathBuf = file.to_owned();
    beside.set_extension(format!("toml.{}", std::process::id()));
    let mut new = std::fs::File::create_new(&beside)?;
    let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
    let placed = written.and_then(|()| std::fs::rename(&beside, file));
    if placed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    placed
}
