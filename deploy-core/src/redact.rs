//! The one place that takes secrets out of what is said: the exact values of secrets in the spellings that programs
//! print them in, and what by its shape can only be a token.
//!
//! The engine passes every log line, output and failure of every executor through it. An executor that knows values
//! (the secrets of a profile) adds those.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::acceptance::Acceptance;
use crate::failure::Failure;
use crate::lines::printed;
use crate::log::{HEAD_BYTES, LINE_BYTES, left_out};
use crate::plan::Output;

mod shapes;

/// A shorter value would be found in every second word, and hides nothing.
const SHORTEST: usize = 4;

/// A line without secrets, of at most [`LINE_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanLine(String);

impl Deref for CleanLine {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<CleanLine> for String {
    fn from(line: CleanLine) -> Self {
        line.0
    }
}

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
            let parts: BTreeSet<String> = printed(value)
                .into_iter()
                .chain(value.lines().map(str::to_owned))
                .chain([value.clone()])
                .collect();
            for part in parts.iter().filter(|part| part.len() >= SHORTEST) {
                let mut all = base64(part);
                all.extend([part.clone(), percent(part), json(part), shell(part), reversed(part)]);
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
        show(text, &self.places(text, false), usize::MAX).0
    }

    /// The text without them, where the text was cut off behind its last character: what could be the beginning of
    /// a value there goes, too.
    #[must_use]
    pub fn clean_head(&self, text: &str) -> String {
        show(text, &self.places(text, true), usize::MAX).0
    }

    /// The text without them, cut visibly to [`LINE_BYTES`].
    #[must_use]
    pub fn clean_line(&self, text: &str) -> CleanLine {
        self.clean_kept(text.as_bytes(), 0)
    }

    /// The same for a line of which so many bytes more are not here.
    pub(crate) fn clean_kept(&self, bytes: &[u8], beyond: usize) -> CleanLine {
        let mut text = String::from_utf8_lossy(bytes);
        if beyond > 0
            && let Some(whole) = text.strip_suffix(char::REPLACEMENT_CHARACTER)
        {
            // A character that is not whole would hide that a secret begins before it.
            text = whole.to_owned().into();
        }
        let places = self.places(&text, beyond > 0);
        let (shown, used) = show(&text, &places, LINE_BYTES);
        if beyond == 0 && used == text.len() {
            return CleanLine(shown);
        }
        let (head, used) = show(&text, &places, HEAD_BYTES);
        CleanLine(head + &left_out(bytes.len() + beyond - raw_bytes(bytes, used)))
    }

    /// Where something is hidden, in the order of the text. With `cut`, also what may be the beginning of a value that
    /// goes on behind it.
    fn places(&self, text: &str, cut: bool) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        for (spelling, shown) in self.spellings.iter() {
            let found = every(text, spelling).map(|at| at..at + spelling.len());
            let beginning = cut.then(|| beginning(text, spelling)).flatten();
            places.extend(found.chain(beginning).map(|range| Place { range, shown }));
        }
        places.extend(shapes::find(text).into_iter().map(|range| Place { range, shown: shapes::SHOWN }));
        // Stable: of two that begin alike, the longer spelling of a secret names them.
        places.sort_by_key(|place| place.range.start);
        places.dedup_by(|next, before| {
            let overlaps = next.range.start < before.range.end;
            if overlaps {
                before.range.end = before.range.end.max(next.range.end);
            }
            overlaps
        });
        places
    }

    /// A failure without them.
    #[must_use]
    pub fn clean_failure(&self, mut failure: Failure) -> Failure {
        failure.message = self.clean(&failure.message);
        for fact in &mut failure.evidence {
            // Evidence is often the beginning of something longer.
            fact.fact = self.clean_head(&fact.fact);
        }
        failure.acceptance.iter_mut().for_each(|acceptance| self.clean_acceptance(acceptance));
        failure.tail = failure.tail.iter().map(|line| self.clean(line)).collect();
        failure
    }

    /// An output without them.
    #[must_use]
    pub fn clean_output(&self, mut output: Output) -> Output {
        for fact in output.facts.values_mut() {
            *fact = self.clean(fact);
        }
        output.acceptance.iter_mut().for_each(|acceptance| self.clean_acceptance(acceptance));
        output
    }

    fn clean_acceptance(&self, acceptance: &mut Acceptance) {
        acceptance.message = self.clean(&acceptance.message);
        let Some(page) = &mut acceptance.page else { return };
        let texts = [&mut page.asked, &mut page.url].into_iter();
        for text in texts.chain(&mut page.not_loaded).chain(&mut page.messages) {
            *text = self.clean(text);
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} spellings)", self.spellings.len())
    }
}

/// A part of a text that is hidden, and what is shown instead.
struct Place<'a> {
    range: Range<usize>,
    shown: &'a str,
}

/// Every place where a spelling stands, also where it overlaps itself.
fn every<'t>(text: &'t str, spelling: &'t str) -> impl Iterator<Item = usize> + 't {
    let step = spelling.chars().next().map_or(1, char::len_utf8);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text.get(from..)?.find(spelling)?;
        from = at + step;
        Some(at)
    })
}

/// The longest end of a text that a spelling begins with.
fn beginning(text: &str, spelling: &str) -> Option<Range<usize>> {
    let longest = spelling.len().min(text.len());
    let cut = (SHORTEST..=longest)
        .rev()
        .find(|&n| spelling.is_char_boundary(n) && text.as_bytes().ends_with(&spelling.as_bytes()[..n]))?;
    Some(text.len() - cut..text.len())
}

/// The text with something else in these places, as far as it fits into so many bytes, and how much of the text that
/// is. What stands for a place is shown whole or not at all.
fn show(text: &str, places: &[Place<'_>], room: usize) -> (String, usize) {
    let (mut out, mut used) = (String::new(), 0);
    for place in places {
        let between = &text[used..place.range.start];
        if out.len() + between.len() + place.shown.len() > room {
            break;
        }
        out.push_str(between);
        out.push_str(place.shown);
        used = place.range.end;
    }
    let next = places.iter().find(|place| place.range.start >= used);
    let rest = &text[used..next.map_or(text.len(), |place| place.range.start)];
    let fits = (0..=rest.len().min(room - out.len())).rev().find(|&n| rest.is_char_boundary(n)).unwrap_or(0);
    out.push_str(&rest[..fits]);
    (out, used + fits)
}

/// How many bytes so much of their text was.
fn raw_bytes(bytes: &[u8], text: usize) -> usize {
    let (mut raw, mut seen) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().len();
        if seen + valid >= text {
            return raw + text - seen;
        }
        raw += valid + chunk.invalid().len();
        seen += valid + if chunk.invalid().is_empty() { 0 } else { char::REPLACEMENT_CHARACTER.len_utf8() };
    }
    raw
}

/// The value in base64, wherever it begins in what is encoded: without the groups that it shares with what is before
/// and behind it. Both alphabets.
fn base64(text: &str) -> Vec<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encoded = |bytes: &[u8]| {
        let mut out = String::with_capacity(bytes.len() * 4 / 3);
        for group in bytes.chunks_exact(3) {
            let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
            for shift in [18, 12, 6, 0] {
                out.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
            }
        }
        out
    };
    let standard = (0..3).filter_map(|skipped| text.as_bytes().get(skipped..)).map(encoded);
    let standard = standard.filter(|spelling| spelling.len() >= 2 * SHORTEST);
    standard.flat_map(|spelling| [spelling.replace('+', "-").replace('/', "_"), spelling]).collect()
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
            "dXNlcjpDNG4nYXJ5ICJ4Ii8rOVzDqQ==".to_owned(),
            "C4n%27ary%20%22x%22%2F%2B9%5C%C3%A9".to_owned(),
            serde_json::to_string(value).expect("a text"),
            format!("'{}'", value.replace('\'', "'\\''")),
            value.chars().rev().collect(),
        ] {
            let said = redactor.clean(&format!("before {spelling} after"));
            assert!(said.contains("[secret TOKEN]"), "{said}");
            assert!(said.starts_with("before ") && said.ends_with(" after"), "{said}");
            let left = said.replace("[secret TOKEN]", "").replace("before ", "").replace(" after", "");
            assert!(left.len() <= 14, "{said}");
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
    fn inv_36_secrets_that_overlap_are_hidden_whole() {
        let both = BTreeMap::from([
            ("A".to_owned(), "left-and-middle".to_owned()),
            ("B".to_owned(), "middle-and-right".to_owned()),
        ]);
        assert_eq!(Redactor::new(&both).clean("x left-and-middle-and-right y"), "x [secret A] y");
        assert_eq!(redactor("abcabcabc").clean("abcabcabcabcab"), "[secret TOKEN]ab");
    }

    #[test]
    fn what_stands_for_a_secret_is_not_looked_into() {
        let redactor = redactor("secret");
        assert_eq!(redactor.clean("a secret, Bearer secret"), "a [secret TOKEN], Bearer [secret TOKEN]");
        assert_eq!(Redactor::default().clean("Bearer [secret TOKEN]"), "Bearer [secret TOKEN]");
    }

    #[test]
    fn text_without_a_secret_stays_as_it_is() {
        assert_eq!(redactor("hunter22").clean("nothing here"), "nothing here");
        assert_eq!(redactor("abc").clean("abc is too short to hide"), "abc is too short to hide");
    }
}
