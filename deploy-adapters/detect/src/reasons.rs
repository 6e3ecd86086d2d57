//! Building reasons with the exact lines to write into `deploy.toml`.

use deploy_core::evidence::Fact;
use deploy_core::hint::{CommandLine, Remedy};
use deploy_core::reason::{Reason, ReasonCode};

/// `runtime.publish_directory = "dist"`.
pub(crate) fn publish_line(directory: &str) -> String {
    line("runtime.publish_directory", directory)
}

/// `network.internal_port = 8080`.
pub(crate) fn number_line(key: &str, value: u16) -> String {
    format!("{key} = {value}")
}

/// The port is what such programs usually listen on.
pub(crate) fn port_guessed(port: u16, why: &str) -> Reason {
    let message = format!("the port {port} is a guess: {why}");
    let fixes = vec![("if it listens there".to_owned(), number_line("network.internal_port", port))];
    with_fixes(Reason::new(ReasonCode::PortGuessed, message), fixes)
}

/// Nothing fixes the versions of what is installed.
pub(crate) fn no_lockfile(manager: &str, lockfile: &str, command: impl Into<CommandLine>) -> Reason {
    let message = format!("there is no {lockfile}: {manager} may install other versions at every build");
    Reason::new(ReasonCode::NoLockfile, message).run(format!("make {lockfile}, and commit it"), command)
}

/// The start command is one for development.
pub(crate) fn dev_server(evidence: Fact, command: &str, what: &str) -> Reason {
    let message = format!("{command:?} starts {what}, which is made for development, not for production");
    let mut reason = Reason::new(ReasonCode::DevServerAsStart, message);
    reason.evidence.push(evidence);
    reason
}

/// `key = "value"` as TOML reads it.
pub(crate) fn line(key: &str, value: &str) -> String {
    let mut text = format!("{key} = \"");
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if control.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

/// Puts fixes, each a label and a line, before those that a reason has.
pub(crate) fn with_fixes(mut reason: Reason, fixes: Vec<(String, String)>) -> Reason {
    let fixes = fixes.into_iter().map(|(label, set)| Remedy::set(label, set));
    reason.fix.splice(0..0, fixes);
    reason
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_toml_whatever_the_value() {
        assert_eq!(publish_line("dist"), "runtime.publish_directory = \"dist\"");
        assert_eq!(line("k", "a\"b\\c\nd"), "k = \"a\\\"b\\\\c\\u000Ad\"");
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
