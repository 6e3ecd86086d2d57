//! From the version that a source asks for to one that an official image has.

use deploy_core::detect::Found;
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use crate::version::{Range, Version};

/// The releases of a language that have an image, oldest first, and the one for sources that ask for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Releases {
    /// For people: `Python`.
    pub(super) language: &'static str,
    pub(super) all: &'static [&'static str],
    pub(super) usual: &'static str,
}

/// The release that is used.
#[derive(Debug, Clone)]
pub(super) struct Release {
    pub(super) version: &'static str,
    pub(super) evidence: Option<Fact>,
    pub(super) warning: Option<Reason>,
}

impl Releases {
    /// The release for what a source asks for: the usual one if it will do, else the newest that will.
    pub(super) fn choose(&self, asked: Option<Found<String>>) -> Release {
        let Some(Found { value, evidence }) = asked else {
            return Release { version: self.usual, evidence: None, warning: None };
        };
        let fitting = self.fitting(&value);
        let warning = fitting.is_none().then(|| self.unavailable(&value, &evidence));
        let version = fitting.unwrap_or_else(|| self.nearest(&value));
        Release { version, evidence: Some(evidence), warning }
    }

    fn fitting(&self, asked: &str) -> Option<&'static str> {
        let range = Range::parse(asked)?;
        let exact = Version::parse(asked);
        let fits = |release: &&&str| {
            let Some(version) = Version::parse(release) else { return false };
            range.contains(version) || exact.is_some_and(|exact| is_of(exact, version))
        };
        let usual = self.all.iter().filter(|release| **release == self.usual).find(fits);
        usual.or_else(|| self.all.iter().rev().find(fits)).copied()
    }

    /// The oldest that is newer than everything that was asked for, else the newest.
    fn nearest(&self, asked: &str) -> &'static str {
        let lowest = Range::parse(asked).and_then(|range| range.lowest()).or_else(|| Version::parse(asked));
        let Some(lowest) = lowest else { return self.usual };
        let key = |version: Version| (version.major, version.minor.unwrap_or(0));
        let above =
            |release: &&&str| Version::parse(release).is_some_and(|version| key(version) >= key(lowest));
        self.all.iter().find(above).or(self.all.last()).copied().unwrap_or(self.usual)
    }

    fn unavailable(&self, asked: &str, evidence: &Fact) -> Reason {
        let nearest = self.nearest(asked);
        let message =
            format!("there is no image for {} {asked}; {nearest} is used, the nearest one", self.language);
        Reason::new(ReasonCode::VersionUnavailable, message).because(&evidence.file, &evidence.fact)
    }
}

/// Whether an exact version is one of a release's: 3.12.4 of 3.12.
fn is_of(exact: Version, release: Version) -> bool {
    exact.major == release.major
        && release.minor.is_none_or(|minor| exact.minor == Some(minor))
        && release.patch.is_none_or(|patch| exact.patch == Some(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASES: Releases =
        Releases { language: "Python", all: &["3.9", "3.11", "3.12", "3.13"], usual: "3.12" };

    #[test]
    fn the_usual_release_is_kept_where_it_will_do() {
        for (asked, version, is_exact) in [
            (">=3.9", "3.12", true),
            ("3.11.4", "3.11", true),
            ("^3.9", "3.12", true),
            (">=3.13", "3.13", true),
            ("3.9.18", "3.9", true),
            ("3.10", "3.11", false),
            ("2.7", "3.9", false),
            ("4", "3.13", false),
            ("pypy", "3.12", false),
            (">=3.9,<3.12", "3.11", true),
        ] {
            let found = Found { value: asked.to_owned(), evidence: Fact::new("x", "asks") };
            let release = RELEASES.choose(Some(found));
            assert_eq!((release.version, release.warning.is_none()), (version, is_exact), "{asked}");
        }
        assert_eq!(RELEASES.choose(None).version, "3.12");
    }
}
