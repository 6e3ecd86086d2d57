//! The two streams: results on stdout, everything for people on stderr; and the one place where
//! untrusted text is made safe for a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::sync::OnceLock;

use deploy_core::hint::{CommandLine, Remedy};
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::problem;

/// Whether JSON was asked for: flag over `DEPLOY_OUTPUT` over what the terminal suggests (text).
pub(crate) fn wants_json(flag: bool) -> bool {
    flag || std::env::var("DEPLOY_OUTPUT").is_ok_and(|output| output == "json")
}

/// One result line on stdout. A reader that went away is not an error.
pub(crate) fn result(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// One JSON result on stdout.
pub(crate) fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("every key is a string");
    result(&escaped(&text));
}

/// JSON in which also those characters are escaped that JSON allows but a terminal obeys: they can only
/// stand in texts, so the value stays the same.
pub(crate) fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_obeyed(c) && c != '\n' {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// What clap says: help on stdout, a usage error on stderr, where it repeats what was typed.
pub(crate) fn usage(said: &clap::Error) -> Exit {
    let text = said.render().to_string();
    if said.use_stderr() {
        tell(clean_lines(&text).trim_end());
        // What was typed could not be read, but this much of it can.
        if wants_json(std::env::args_os().any(|word| word == "--json")) {
            let sentence = text.lines().next().unwrap_or_default();
            let sentence = sentence.strip_prefix("error: ").unwrap_or(sentence);
            problem::print(&Failed::usage("usage", sentence).command("see what there is", "deploy --help"));
        }
        Exit::Usage
    } else {
        result(text.trim_end());
        Exit::Done
    }
}

/// Whether a terminal would take a character for an order instead of showing it.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line for people on stderr.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Whether progress may be drawn over.
pub(crate) fn is_live() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("CI").is_none()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Says why a command failed, and what to do.
pub(crate) fn complain(failed: &Failed) {
    tell(&format!("error: {} [{}]", clean_lines(&failed.message), failed.code));
    for remedy in &failed.next {
        tell(&format!("  next: {}", self::remedy(remedy)));
    }
}

/// What can be done, on one line: the instruction, the line of `deploy.toml`, the command.
pub(crate) fn remedy(Remedy { label, set, command: run }: &Remedy) -> String {
    let label = clean(label);
    match (set.as_deref().map(clean), run.as_ref().map(command)) {
        (None, None) => label,
        (Some(line), None) => format!("{label}: {line}"),
        (None, Some(run)) => format!("{label}: {run}"),
        (Some(line), Some(run)) => format!("{label}: {line}; then: {run}"),
    }
}

/// Where this process was told to look for its state by a flag: whoever runs the next command must say so again.
static STATE_DIRECTORY: OnceLock<String> = OnceLock::new();

/// Notes a state directory that was given with the flag; one from the environment is still there next time.
pub(crate) fn note_state_directory(given: Option<&Path>) {
    let environment = std::env::var_os("DEPLOY_STATE_DIR");
    let flag = given.filter(|given| environment.as_deref() != Some(given.as_os_str()));
    if let Some(directory) = flag.and_then(|given| std::path::absolute(given).ok()) {
        // It is noted once, when the command line was read.
        let _ = STATE_DIRECTORY.set(directory.to_string_lossy().into_owned());
    }
}

/// A command, to be run as it is printed.
pub(crate) fn command(line: &CommandLine) -> String {
    let own = line.words().first().is_some_and(|program| program == "deploy");
    let said = line.words().iter().any(|word| word == "--state-dir");
    let complete = match STATE_DIRECTORY.get() {
        Some(directory) if own && !said => line.clone().option("--state-dir", directory),
        Some(_) | None => line.clone(),
    };
    clean(&complete.to_string())
}

/// Text from outside without anything a terminal would obey: control characters, escape sequences
/// and direction marks become visible escapes.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) && c != '\t' {
            // Writing to a String cannot fail.
            let _ = write!(cleaned, "\\u{{{:x}}}", u32::from(c));
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// The same for text whose line ends are ours.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// A number and what is amount: `1 run`, `2 runs`.
pub(crate) fn amount(number: impl TryInto<u64>, one: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}
