//! References to variables in the values of a Compose file: `$NAME`, `${NAME}`, `${NAME:-otherwise}`,
//! `${NAME:?message}`, `${NAME:+instead}`, and `$$` for a dollar. Pure.

use thiserror::Error;

/// Why a value can't be known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpandError {
    /// It refers to a variable that has no value.
    #[error("the variable {name} is not set{}", said.as_ref().map_or(String::new(), |said| format!(": {said}")))]
    Unset {
        /// The variable.
        name: String,
        /// What the file says about that.
        said: Option<String>,
    },
    /// A dollar that begins no reference.
    #[error("{0:?} is no reference to a variable; $$ is a dollar")]
    Malformed(String),
}

/// The text with every reference replaced by what `lookup` knows of its variable. Nothing else is looked at: no
/// environment of any process.
///
/// # Errors
/// What can't be replaced.
pub fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or_else(|| malformed(rest))?;
            out.push_str(&braced(&after[..end], lookup)?);
            rest = &after[end + 1..];
        } else {
            let (name, after) = rest.split_at(name_length(rest));
            out.push_str(&value(name, lookup).ok_or_else(|| unset_or_malformed(name, rest))?);
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between the braces of `${NAME:-otherwise}`.
fn braced(inside: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let (name, rest) = inside.split_at(name_length(inside));
    if name.is_empty() || rest.contains('$') {
        return Err(malformed(&format!("{{{inside}}}")));
    }
    let found = value(name, lookup);
    let (empty_counts, operator) = rest.strip_prefix(':').map_or((true, rest), |operator| (false, operator));
    let there = found.filter(|value| empty_counts || !value.is_empty());
    let unset = |said: Option<String>| ExpandError::Unset { name: name.to_owned(), said };
    match (operator.chars().next(), operator.get(1..).unwrap_or_default()) {
        (None, _) if empty_counts => there.ok_or_else(|| unset(None)),
        (Some('-'), otherwise) => Ok(there.unwrap_or_else(|| otherwise.to_owned())),
        (Some('?'), said) => there.ok_or_else(|| unset((!said.is_empty()).then(|| said.to_owned()))),
        (Some('+'), instead) => Ok(there.map_or(String::new(), |_| instead.to_owned())),
        _ => Err(malformed(&format!("{{{inside}}}"))),
    }
}

fn value(name: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if name.is_empty() { None } else { lookup(name) }
}

fn unset_or_malformed(name: &str, rest: &str) -> ExpandError {
    if name.is_empty() { malformed(rest) } else { ExpandError::Unset { name: name.to_owned(), said: None } }
}

fn malformed(rest: &str) -> ExpandError {
    ExpandError::Malformed(format!("${}", rest.chars().take(40).collect::<String>()))
}

/// How many bytes of a text are the name of a variable.
fn name_length(text: &str) -> usize {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let length = text.find(|c: char| !first(c) && !c.is_ascii_digit()).unwrap_or(text.len());
    if text.starts_with(first) { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn done(text: &str) -> Result<String, ExpandError> {
        expand(text, &known)
    }

    #[test]
    fn references_are_replaced_as_compose_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$A-${A}.$$A", "one-one.$A"),
            ("${B:-two}${B-two}", "twotwo"),
            ("${EMPTY:-two}|${EMPTY-two}|${EMPTY}", "two||"),
            ("${A:+yes}${B:+yes}${EMPTY+yes}", "yesyes"),
            ("${A?must}", "one"),
            ("postgres://u:${A}@db/${B:-x:y/z?w}", "postgres://u:one@db/x:y/z?w"),
        ] {
            assert_eq!(done(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_never_taken_for_nothing() {
        let unset = |said: Option<&str>| {
            Err(ExpandError::Unset { name: "B".to_owned(), said: said.map(str::to_owned) })
        };
        assert_eq!(done("$B"), unset(None));
        assert_eq!(done("${B}"), unset(None));
        assert_eq!(done("${B:?say it}"), unset(Some("say it")));
        for text in ["$", "${", "${}", "${1}", "$1", "${A:}", "${A!x}", "${B:-${A}}", "a$ b"] {
            assert!(matches!(done(text), Err(ExpandError::Malformed(_))), "{text}: {:?}", done(text));
        }
    }

    proptest! {
        /// Any text has a value or none; a text without a dollar stays as it is, and one whose dollars are doubled comes
        /// back.
        #[test]
        fn any_text_is_expanded_or_refused(text in "[$a{}:A?+-]{0,12}|\\PC{0,20}") {
            let _ = done(&text);
            prop_assert_eq!(done(&text.replace('$', "$$")), Ok(text));
        }
    }
}
