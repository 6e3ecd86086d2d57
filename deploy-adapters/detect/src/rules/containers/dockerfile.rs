//! Reading a Dockerfile: its stages, and what the release stage says about running.

use std::collections::BTreeMap;

use crate::ports::{self, Port};

/// How many stages and instructions are read; nobody writes more.
const STAGES: usize = 100;
const INSTRUCTIONS: usize = 5_000;

/// The stages, in order.
#[derive(Debug, Default)]
pub(super) struct Dockerfile {
    pub(super) stages: Vec<Stage>,
}

/// One stage, as it is written.
#[derive(Debug, Default, Clone)]
pub(super) struct Stage {
    pub(super) name: Option<String>,
    base: String,
    ports: Vec<u16>,
    port_variable: Option<u16>,
    health: Option<Option<String>>,
    entrypoint: Option<String>,
    command: Option<String>,
    volumes: Vec<String>,
}

/// What a stage and those it is built on say together.
#[derive(Debug, Default)]
pub(super) struct Effective {
    pub(super) ports: Vec<u16>,
    /// The variable `PORT`.
    pub(super) port_variable: Option<u16>,
    /// What the command itself says.
    pub(super) command_port: Option<u16>,
    pub(super) health: Option<String>,
    pub(super) command: Option<String>,
    pub(super) volumes: Vec<String>,
    /// Every image that is needed, without stages.
    pub(super) bases: Vec<String>,
}

impl Dockerfile {
    /// Reads a Dockerfile. What it does not know it passes over.
    pub(super) fn parse(text: &str) -> Self {
        let mut dockerfile = Self::default();
        let mut variables: BTreeMap<String, String> = BTreeMap::new();
        for (name, arguments) in instructions(text).into_iter().take(INSTRUCTIONS) {
            dockerfile.instruction(&name, &arguments, &mut variables);
        }
        dockerfile
    }

    fn instruction(&mut self, name: &str, arguments: &str, variables: &mut BTreeMap<String, String>) {
        let arguments = expanded(arguments, variables);
        if name == "FROM" {
            if self.stages.len() < STAGES {
                self.stages.push(from(&arguments));
            }
            return;
        }
        if matches!(name, "ARG" | "ENV") {
            remember(&arguments, variables);
        }
        let Some(stage) = self.stages.last_mut() else { return };
        match name {
            "ENV" => stage.port_variable = variables.get("PORT").and_then(|port| port.parse().ok()),
            "EXPOSE" => {
                let port = |word: &str| -> Option<u16> { word.split(['/', '-']).next()?.parse().ok() };
                let tcp = arguments.split_whitespace().filter(|word| !word.ends_with("/udp"));
                stage.ports.extend(tcp.filter_map(port));
            }
            "HEALTHCHECK" => stage.health = Some(health_path(&arguments)),
            "CMD" => stage.command = Some(command(&arguments)),
            "ENTRYPOINT" => {
                stage.entrypoint = Some(command(&arguments));
                stage.command = None;
            }
            "VOLUME" => {
                let words = arguments.split([' ', '[', ']', '"', ',']).filter(|word| !word.is_empty());
                stage.volumes.extend(words.map(str::to_owned));
            }
            _ => {}
        }
    }

    /// The stage of that name, or of that number.
    pub(super) fn stage(&self, name: &str) -> Option<usize> {
        let named = |stage: &Stage| stage.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name));
        let numbered = || name.parse().ok().filter(|number| *number < self.stages.len());
        self.stages.iter().position(named).or_else(numbered)
    }

    /// A stage with everything it inherits from stages before it.
    pub(super) fn effective(&self, stage: usize) -> Effective {
        let mut effective = Effective::default();
        let (mut health, mut entrypoint) = (None, None);
        let mut next = Some(stage);
        while let Some(index) = next {
            let Some(stage) = self.stages.get(index) else { break };
            effective.ports.extend(&stage.ports);
            effective.port_variable = effective.port_variable.or(stage.port_variable);
            // A new entry point forgets the command of the stage below it.
            if entrypoint.is_none() {
                effective.command = effective.command.or_else(|| stage.command.clone());
            }
            entrypoint = entrypoint.or_else(|| stage.entrypoint.clone());
            health = health.or_else(|| stage.health.clone());
            effective.volumes.extend(stage.volumes.iter().cloned());
            next = self.stages[..index].iter().rposition(|before| {
                before.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&stage.base))
            });
        }
        effective.ports.sort_unstable();
        effective.ports.dedup();
        effective.health = health.flatten();
        effective.command = match (entrypoint, effective.command) {
            (Some(entrypoint), Some(command)) => Some(format!("{entrypoint} {command}")),
            (entrypoint, command) => entrypoint.or(command),
        };
        effective.command_port =
            effective.command.as_deref().and_then(ports::of_command).and_then(|port| match port {
                Port::Fixed(port) => Some(port),
                Port::Variable(default) => default,
            });
        effective.bases = self.bases();
        effective
    }

    fn bases(&self) -> Vec<String> {
        let is_stage = |base: &str| {
            self.stages.iter().any(|s| s.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(base)))
        };
        let mut bases: Vec<String> = self.stages.iter().map(|stage| stage.base.clone()).collect();
        // A variable without a value is given when it is built.
        bases.retain(|base| base != "scratch" && !base.contains('$') && !is_stage(base));
        bases.sort_unstable();
        bases.dedup();
        bases
    }
}

/// Instructions with their arguments on one line, without comments and the bodies of here-documents.
fn instructions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = line.to_owned();
        while let Some(kept) = whole.strip_suffix('\\').map(str::to_owned) {
            whole = kept;
            match lines.by_ref().map(str::trim).find(|next| !next.starts_with('#')) {
                Some(next) => {
                    whole.push(' ');
                    whole.push_str(next);
                }
                None => break,
            }
        }
        if let Some(end) = here_document(&whole) {
            lines.by_ref().find(|line| line.trim() == end);
        }
        if let Some((name, arguments)) = whole.split_once(char::is_whitespace) {
            found.push((name.to_ascii_uppercase(), arguments.trim().to_owned()));
        }
    }
    found
}

/// The word that ends a here-document, where one begins.
fn here_document(line: &str) -> Option<String> {
    let upper = line.get(..4)?.to_ascii_uppercase();
    if !matches!(upper.as_str(), "RUN " | "COPY" | "ADD ") {
        return None;
    }
    let word = line.split_once("<<")?.1.trim_start_matches('-').trim_start_matches(['"', '\'']);
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
    (end > 0).then(|| word[..end].to_owned())
}

fn from(arguments: &str) -> Stage {
    let words: Vec<&str> = arguments.split_whitespace().filter(|word| !word.starts_with("--")).collect();
    let name = match words.as_slice() {
        [_, keyword, name, ..] if keyword.eq_ignore_ascii_case("as") => Some((*name).to_owned()),
        _ => None,
    };
    Stage { name, base: words.first().copied().unwrap_or_default().to_owned(), ..Stage::default() }
}

/// `KEY=value`, several of them, or the old `KEY value`.
fn remember(arguments: &str, variables: &mut BTreeMap<String, String>) {
    let unquoted = |value: &str| value.trim_matches(['"', '\'']).to_owned();
    let first = arguments.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        if let Some((key, value)) = arguments.split_once(char::is_whitespace) {
            variables.insert(key.to_owned(), unquoted(value.trim()));
        }
        return;
    }
    for (key, value) in arguments.split_whitespace().filter_map(|word| word.split_once('=')) {
        variables.insert(key.to_owned(), unquoted(value));
    }
}

/// `$NAME`, `${NAME}` and `${NAME:-default}`; what has no value stays as it is.
fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    const LONGEST: usize = 64 * 1024;
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (name, default, length) = match rest.strip_prefix("${") {
            Some(inner) => match inner.find('}') {
                Some(end) => {
                    let (name, default) = inner[..end].split_once(":-").unwrap_or((&inner[..end], ""));
                    (name, default, end + 3)
                }
                None => ("", "", 1),
            },
            None => {
                let word = &rest[1..];
                let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
                (&word[..end], "", end + 1)
            }
        };
        match variables.get(name).map(String::as_str).or((!default.is_empty()).then_some(default)) {
            Some(value) if out.len() < LONGEST => out.push_str(value),
            Some(_) | None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The words of the JSON form, or the text of the other.
fn command(arguments: &str) -> String {
    match serde_json::from_str::<Vec<String>>(arguments) {
        Ok(words) => words.join(" "),
        Err(_) => arguments.to_owned(),
    }
}

/// The path that `curl` or `wget` asks in a health check.
pub(super) fn health_path(arguments: &str) -> Option<String> {
    let address = arguments.split(['"', '\'', ' ', ',', '[', ']', '(', ')', '\t']).find_map(|word| {
        let rest = word.strip_prefix("http://").or_else(|| word.strip_prefix("https://"));
        rest.or_else(|| word.strip_prefix("localhost:").or_else(|| word.strip_prefix("127.0.0.1:")))
    })?;
    let path = address.find('/').map_or("/", |at| &address[at..]);
    let plain =
        path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '$' | '`' | '|' | ';' | '\\' | '<' | '>'));
    (plain && !path.starts_with("//")).then(|| path.to_owned())
}
