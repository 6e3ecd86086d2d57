//! Paths that users write: relative, with `/`, and never out of the directory they are relative to.
//!
//! Everything that takes a path from a profile goes through [`Inside`], so there is one rule and one list of tests.
//! Where such a path is opened, the kernel enforces the same once more; the check here is for a message that says
//! what is wrong before anything runs.

/// A path inside a directory, without `.` and empty components; empty is the directory itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Inside(String);

impl Inside {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with('/') {
            return Err("it is absolute");
        }
        if text.contains('\\') {
            return Err("it contains a backslash");
        }
        if text.chars().any(char::is_control) {
            return Err("it contains a control character");
        }
        let components: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if components.contains(&"..") {
            return Err("it contains `..`");
        }
        if components.iter().any(|part| is_encoded(part)) {
            return Err("it contains an encoded `.`, `/`, `\\` or `%`");
        }
        Ok(Self(components.join("/")))
    }

    /// The text: `a/b`, or nothing for the directory itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as users write it: `.` for the directory itself.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.0.is_empty() { "." } else { &self.0 }
    }

    /// A path below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> String {
        if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) }
    }

    /// Whether it is `directory` or lies below it.
    #[must_use]
    pub fn is_within(&self, directory: &str) -> bool {
        let rest = self.0.strip_prefix(directory);
        directory.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Nothing of ours decodes paths; whoever writes `%2e%2e` hopes that something else does.
fn is_encoded(component: &str) -> bool {
    let lower = component.to_ascii_lowercase();
    ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|code| lower.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f08_only_plain_relative_paths_are_inside() {
        let inside =
            [("", ""), (".", ""), ("./", ""), ("a", "a"), ("a//b/./c/", "a/b/c"), ("..a/b..", "..a/b..")];
        for (text, path) in inside {
            assert_eq!(Inside::parse(text), Ok(Inside(path.to_owned())), "{text}");
        }
        let outside = [
            "..",
            "../x",
            "a/../b",
            "a/..//..",
            "/",
            "/etc",
            "//etc",
            "..\\..",
            "a\\b",
            "%2e%2e/x",
            "%2E%2e",
            "a%2fb",
            "%252e%252e",
            "a\0b",
            "a\nb",
            "%5c..",
        ];
        for text in outside {
            assert!(Inside::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn within_is_by_component() {
        let path = Inside::parse("target/doc").unwrap();
        assert!(path.is_within("") && path.is_within("target") && path.is_within("target/doc"));
        assert!(!path.is_within("tar") && !path.is_within("target/d") && !path.is_within("target/doc/x"));
    }
}
