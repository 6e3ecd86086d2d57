//! Version ranges of every ecosystem, and the published version that fits one best.
//!
//! One grammar for all: alternatives (`||`, `|`) of comparators that must all hold (space or comma between them), with
//! the operators `=`, `==`, `>`, `>=`, `<`, `<=`, `!=`, `^`, `~`, `~>`, `~=`, the wildcards `x`, `X` and `*`, and
//! `A - B`. What the operators mean is the same wherever they are written.

use std::cmp::Ordering;

/// `1`, `1.2` or `1.2.3`; a part that is not written is not fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Version {
    pub(crate) major: u64,
    pub(crate) minor: Option<u64>,
    pub(crate) patch: Option<u64>,
}

impl Version {
    /// Reads `v1.2.3-rc.1` and the like: what follows the numbers is passed over.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['v', 'V', '=']).trim_start();
        let end = text.find(|end: char| !(end.is_ascii_alphanumeric() || matches!(end, '.' | '*')));
        let mut parts = text[..end.unwrap_or(text.len())].split('.');
        let number = |part: &str| -> Option<Option<u64>> {
            if matches!(part, "x" | "X" | "*") {
                return Some(None);
            }
            let digits: &str = &part[..part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len())];
            Some(Some(digits.parse().ok()?))
        };
        let major = number(parts.next()?)??;
        let minor = parts.next().map_or(Some(None), number)?;
        let patch = match minor {
            None => None,
            Some(_) => parts.next().map_or(Some(None), number)?,
        };
        Some(Self { major, minor, patch })
    }

    /// The lowest version it can stand for.
    fn low(self) -> (u64, u64, u64) {
        (self.major, self.minor.unwrap_or(0), self.patch.unwrap_or(0))
    }

    /// The highest version it can stand for.
    fn high(self) -> (u64, u64, u64) {
        (self.major, self.minor.unwrap_or(u64::MAX), self.patch.unwrap_or(u64::MAX))
    }

    /// The lowest version above everything it can stand for.
    fn after(self) -> (u64, u64, u64) {
        match (self.minor, self.patch) {
            (Some(minor), Some(patch)) => (self.major, minor, patch.saturating_add(1)),
            (Some(minor), None) => (self.major, minor.saturating_add(1), 0),
            (None, _) => (self.major.saturating_add(1), 0, 0),
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.major)?;
        if let Some(minor) = self.minor {
            write!(f, ".{minor}")?;
        }
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        Ok(())
    }
}

type Bound = (u64, u64, u64);

/// From the first version to the one before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Bound,
    until: Bound,
}

const LAST: Bound = (u64::MAX, u64::MAX, u64::MAX);

impl Span {
    const ALL: Self = Self { from: (0, 0, 0), until: LAST };

    fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    alternatives: Vec<Span>,
}

impl Range {
    /// Reads a range; `None` if it is none, such as `lts/*` or `latest`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let alternatives = text.split('|').filter(|part| !part.trim().is_empty()).map(alternative);
        let alternatives = alternatives.collect::<Option<Vec<Span>>>()?;
        (!alternatives.is_empty()).then_some(Self { alternatives })
    }

    /// Whether a version is in it. One with open parts stands for the newest of its kind.
    pub(crate) fn contains(&self, version: Version) -> bool {
        let version = version.high();
        self.alternatives.iter().any(|span| span.from <= version && version < span.until)
    }

    /// The highest of some versions that is in it.
    pub(crate) fn best(&self, versions: &[Version]) -> Option<Version> {
        let fitting = versions.iter().copied().filter(|version| self.contains(*version));
        fitting.max_by(|a, b| a.high().cmp(&b.high()).then(Ordering::Equal))
    }

    /// The lowest version it allows, where it has a lower bound.
    pub(crate) fn lowest(&self) -> Option<Version> {
        let (major, minor, patch) = self.alternatives.iter().map(|span| span.from).min()?;
        let version = Version { major, minor: Some(minor), patch: Some(patch) };
        ((major, minor, patch) != (0, 0, 0)).then_some(version)
    }
}

/// Comparators that must all hold.
fn alternative(text: &str) -> Option<Span> {
    if let Some((from, to)) = text.split_once(" - ") {
        return Some(Span { from: Version::parse(from)?.low(), until: Version::parse(to)?.after() });
    }
    // An operator may stand apart from its version: `>= 18`.
    let mut joined = String::new();
    for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        joined.push_str(word);
        if !word.ends_with(['=', '>', '<', '~', '^', '!']) {
            joined.push(' ');
        }
    }
    joined.split_whitespace().map(comparator).try_fold(Span::ALL, |span, next| Some(span.and(next?)))
}

fn comparator(text: &str) -> Option<Span> {
    const OPERATORS: [&str; 10] = [">=", "<=", "==", "!=", "~>", "~=", ">", "<", "^", "~"];
    if matches!(text, "*" | "x" | "X") {
        return Some(Span::ALL);
    }
    let operator = OPERATORS.into_iter().find(|operator| text.starts_with(operator)).unwrap_or("");
    let version = Version::parse(&text[operator.len()..])?;
    let low = version.low();
    Some(match operator {
        ">=" => Span { from: low, until: LAST },
        ">" => Span { from: version.after(), until: LAST },
        "<" => Span { from: (0, 0, 0), until: low },
        "<=" => Span { from: (0, 0, 0), until: version.after() },
        // A version that is left out is hardly ever the newest of its kind.
        "!=" => Span::ALL,
        "^" => Span { from: low, until: caret(version) },
        "~" => Span { from: low, until: Version { patch: None, ..version }.after() },
        // The last part that is written may grow.
        "~>" | "~=" => Span { from: low, until: pessimistic(version) },
        _ => Span { from: low, until: version.after() },
    })
}

/// The first part that is not zero stays.
fn caret(version: Version) -> Bound {
    match (version.major, version.minor, version.patch) {
        (0, Some(0), Some(patch)) => (0, 0, patch.saturating_add(1)),
        (0, Some(minor), _) => (0, minor.saturating_add(1), 0),
        (major, _, _) => (major.saturating_add(1), 0, 0),
    }
}

fn pessimistic(version: Version) -> Bound {
    match (version.minor, version.patch) {
        (Some(minor), Some(_)) => (version.major, minor.saturating_add(1), 0),
        (Some(_) | None, _) => (version.major.saturating_add(1), 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_read_with_what_is_not_fixed() {
        for (text, shown) in [
            ("v20.11.1", "20.11.1"),
            ("20", "20"),
            ("20.x", "20"),
            ("3.11.*", "3.11"),
            ("1.22.0-rc1", "1.22.0"),
            ("8.2.0RC1", "8.2.0"),
            (" =18 ", "18"),
            ("25.0+36", "25.0"),
        ] {
            assert_eq!(version(text).to_string(), shown, "{text}");
        }
        for text in ["", "lts/*", "x", "latest", "v", "99999999999999999999999"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_of_every_ecosystem_pick_the_newest_that_fits() {
        let node = ["18", "20", "22", "24"].map(version);
        let python = ["3.9", "3.10", "3.11", "3.12", "3.13"].map(version);
        for (range, versions, best) in [
            (">=18", &node[..], Some("24")),
            (">= 18.17.0 < 21", &node, Some("20")),
            ("^18.17 || ^20", &node, Some("20")),
            ("18 || 22", &node, Some("22")),
            ("18.x", &node, Some("18")),
            ("20.11.1", &node, None),
            ("16 - 20", &node, Some("20")),
            ("<21", &node, Some("20")),
            ("<=20", &node, Some("20")),
            ("*", &node, Some("24")),
            ("~20.5", &node, None),
            (">=99", &node, None),
            (">=3.10,<3.13", &python, Some("3.12")),
            ("~=3.11", &python, Some("3.13")),
            ("~=3.11.2", &python, Some("3.11")),
            ("^3.10", &python, Some("3.13")),
            ("==3.11.*", &python, Some("3.11")),
            ("~> 3.10", &python, Some("3.13")),
            ("~> 3.10.1", &python, Some("3.10")),
            (">=3.9, !=3.9.1", &python, Some("3.13")),
        ] {
            let found = Range::parse(range).unwrap().best(versions).map(|version| version.to_string());
            assert_eq!(found.as_deref(), best, "{range}");
        }
        for text in ["", "lts/*", "latest", "node", "^", ">=", "||"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
        assert_eq!(
            Range::parse("^0.2.3").unwrap().best(&["0.2.9", "0.3.0"].map(version)).unwrap().patch,
            Some(9)
        );
        assert_eq!(Range::parse(">=3.10,<4").unwrap().lowest().unwrap().to_string(), "3.10.0");
    }

    proptest! {
        #[test]
        fn any_text_is_a_range_or_none(text in "[ 0-9.x*^~<>=!|,v-]{0,24}|[~^>]{1,2}18446744073709551615(\\.18446744073709551615){0,2}|.{0,20}") {
            if let Some(range) = Range::parse(&text) {
                let _ = (range.best(&[version("1"), version("2.3")]), range.lowest());
            }
            let _ = Version::parse(&text);
        }
    }
}
