//! A command that a person can run: kept as words, and quoted where it is shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A program and its arguments. It is shown, and written as JSON, as one line that a POSIX shell takes for
/// exactly these words, whatever they hold.
///
/// ```
/// use deploy_core::hint::CommandLine;
///
/// let line = CommandLine::new(["deploy", "up"]).with("/srv/my site").option("--resource", "web");
/// assert_eq!(line.to_string(), "deploy up '/srv/my site' --resource web");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// The program and its first arguments.
    pub fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        words.into_iter().fold(Self(Vec::new()), Self::with)
    }

    /// With one more argument. What no argument can hold, the character NUL, is left out.
    #[must_use]
    pub fn with(mut self, word: impl Into<String>) -> Self {
        self.0.push(word.into().replace('\0', ""));
        self
    }

    /// With one more option and its value.
    #[must_use]
    pub fn option(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name).with(value)
    }

    /// The program and its arguments.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = shlex::try_join(self.0.iter().map(String::as_str)).map_err(|_| fmt::Error)?;
        f.write_str(&line)
    }
}

impl From<CommandLine> for String {
    fn from(line: CommandLine) -> Self {
        line.to_string()
    }
}

/// A line as it was written. What no shell would take, because a quote is left open, is split at its spaces.
impl From<String> for CommandLine {
    fn from(line: String) -> Self {
        let words = shlex::split(&line);
        Self::new(words.unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect()))
    }
}

/// A line that was written by us.
impl From<&'static str> for CommandLine {
    fn from(line: &'static str) -> Self {
        Self::from(line.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for CommandLine {
    fn from(words: [&str; N]) -> Self {
        Self::new(words)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::CommandLine;

    proptest! {
        #[test]
        fn a_shell_reads_back_the_words_whatever_they_hold(words in prop::collection::vec("\\PC{0,20}|[ -~\n\t]{0,20}", 0..6)) {
            let line = CommandLine::new(words.clone());
            prop_assert_eq!(line.words(), &words[..]);
            prop_assert_eq!(CommandLine::from(line.to_string()), line);
        }

        #[test]
        fn any_text_can_be_read(text: String) {
            let line = CommandLine::from(text);
            prop_assert_eq!(CommandLine::from(line.to_string()), line);
        }
    }
}
