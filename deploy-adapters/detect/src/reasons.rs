//! Building reasons with the exact lines to write into `deploy.toml`.

use deploy_core::reason::{Fix, Reason};

/// `runtime.publish_directory = "dist"`.
pub(crate) fn publish_line(directory: &str) -> String {
    line("runtime.publish_directory", directory)
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
    let fixes = fixes.into_iter().map(|(label, set)| Fix { label, set: Some(set), command: None });
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
