//! The one place that takes secrets out of what is said: the exact values of secrets in the spellings that programs
//! print them in, and what by its shape can only be a token.
//!
//! The engine passes every log line, output and failure of every executor through it. An executor that knows values
//! (the secrets of a profile) adds those.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::failure::Failure;
use crate::plan::Output;

mod shapes;

/// A shorter value would be found in every second word, and hides nothing.
const SHORTEST: usize = 4;

/// Replaces secrets in text.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a value that holds another one goes whole.
    spellings: Arc<Vec<(String, String)>>,
}

impl Redactor {
    /// Hides these values, by name, and every token shape.
    #[must_use]
    pub fn new(values: &BTreeMap<String, String>) -> Self {
        let mut spellings: Vec<(String, String)> = Vec::new();
        for (name, value) in values {
            // A text of several lines is printed line by line.
            for part in
                value.lines().chain(std::iter::once(value.as_str())).filter(|part| part.len() >= SHORTEST)
            {
                let all =
                    [part.to_owned(), base64(part), percent(part), json(part), shell(part), reversed(part)];
                spellings.extend(all.into_iter().map(|spelling| (spelling, format!("[secret {name}]"))));
            }
        }
        spellings.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self { spellings: Arc::new(spellings) }
    }

    /// The text without them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let found = self.spellings.iter().filter(|(spelling, _)| text.contains(spelling.as_str()));
        let mut cleaned: Option<String> = None;
        for (spelling, shown) in found {
            let text = cleaned.as_deref().unwrap_or(text);
            cleaned = Some(text.replace(spelling.as_str(), shown));
        }
        shapes::hide(cleaned.as_deref().unwrap_or(text)).into_owned()
    }

    /// The text without them, where the text was cut off behind its last character: what could be the beginning of
    /// a value there goes, too.
    #[must_use]
    pub fn clean_head(&self, text: &str) -> String {
        let begins = |(spelling, shown): &(String, String)| {
            let longest = spelling.len().min(text.len());
            let cut = (SHORTEST..=longest).rev().find(|&n| {
                spelling.is_char_boundary(n) && text.as_bytes().ends_with(&spelling.as_bytes()[..n])
            })?;
            Some((cut, shown.clone()))
        };
        match self.spellings.iter().filter_map(begins).max_by_key(|(cut, _)| *cut) {
            Some((cut, shown)) => self.clean(&text[..text.len() - cut]) + &shown,
            None => self.clean(text),
        }
    }

    /// A failure without them.
    #[must_use]
    pub fn clean_failure(&self, mut failure: Failure) -> Failure {
        failure.message = self.clean(&failure.message);
        for fact in &mut failure.evidence {
            fact.fact = self.clean(&fact.fact);
        }
        for acceptance in &mut failure.acceptance {
            acceptance.message = self.clean(&acceptance.message);
        }
        failure.tail = failure.tail.iter().map(|line| self.clean(line)).collect();
        failure
    }

    /// An output without them.
    #[must_use]
    pub fn clean_output(&self, mut output: Output) -> Output {
        for fact in output.facts.values_mut() {
            *fact = self.clean(fact);
        }
        for acceptance in &mut output.acceptance {
            acceptance.message = self.clean(&acceptance.message);
        }
        output
    }
}

/// Base64 without the last group: what follows the value in what is encoded changes that one.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = text.len() - text.len() % 3;
    let mut out = String::with_capacity(text.len() * 4 / 3);
    for group in text.as_bytes()[..whole].chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            out.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    if out.len() < SHORTEST { text.to_owned() } else { out }
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn shell(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(value: &str) -> Redactor {
        Redactor::new(&BTreeMap::from([("TOKEN".to_owned(), value.to_owned())]))
    }

    #[test]
    fn inv_36_no_spelling_of_a_secret_is_said() {
        let value = "C4n'ary \"x\"/+9\\é";
        let redactor = redactor(value);
        for spelling in [
            value.to_owned(),
            "QzRuJ2FyeSAieCIvKzlcw6k=".to_owned(),
            "C4n%27ary%20%22x%22%2F%2B9%5C%C3%A9".to_owned(),
            serde_json::to_string(value).expect("a text"),
            format!("'{}'", value.replace('\'', "'\\''")),
            value.chars().rev().collect(),
        ] {
            let said = redactor.clean(&format!("before {spelling} after"));
            assert!(said.contains("[secret TOKEN]"), "{said}");
            assert!(said.starts_with("before ") && said.ends_with(" after"), "{said}");
            assert!(!said.contains("QzRuJ2Fy") && !said.contains("C4n"), "{said}");
        }
    }

    #[test]
    fn every_line_of_a_secret_of_several_lines_is_hidden() {
        let redactor = redactor("-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----");
        assert_eq!(redactor.clean("> abcdefgh"), "> [secret TOKEN]");
        assert_eq!(redactor.clean("ijklmnop."), "[secret TOKEN].");
    }

    #[test]
    fn inv_36_a_value_that_a_limit_cuts_in_two_is_hidden() {
        let redactor = redactor("correct-horse-battery");
        for cut in 4..="correct-horse-battery".len() {
            let said = redactor.clean_head(&format!("x {}", &"correct-horse-battery"[..cut]));
            assert_eq!(said, "x [secret TOKEN]");
        }
        assert_eq!(redactor.clean_head("x cor"), "x cor");
    }

    #[test]
    fn text_without_a_secret_stays_as_it_is() {
        assert_eq!(redactor("hunter22").clean("nothing here"), "nothing here");
        assert_eq!(redactor("abc").clean("abc is too short to hide"), "abc is too short to hide");
    }
}
