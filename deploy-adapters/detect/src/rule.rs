//! What a rule is, and what it sees.
//!
//! # Adding a kind of project
//!
//! 1. Add a file below `rules/` with one `pub(super) const RULE: Rule`, and put it into `rules::ALL` where it belongs:
//!    the first rule that answers wins, so the more specific comes first.
//! 2. Write its tests beside it, over [`crate::tree::Tree`]. The properties in `tests/` (never panics, never differs,
//!    never asks for ever, never serves the source of a page) hold for every rule without further tests.
//!
//! A rule asks its [`Scene`] and goes on with the answer. What is not known yet answers as if it were not there, and is
//! looked up before the rule is asked again; so a rule is written as if everything were known, and must not keep
//! anything between two calls.
//!
//! A rule that recognises a project but can't plan it says so in `Detection::blocked`, with the lines to write, beside
//! everything that it did find out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use deploy_core::detect::{Detection, Found};
use deploy_core::evidence::{
    Ask, Entry, EntryKind, Evidence, Fact, Listing, PassedOver, Refusal, Text, Walk,
};
use deploy_core::path::Inside;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Strategy};

use crate::installed::is_installed;

/// One rule: what it says about the directory it is shown; `None` if that is not one of its kind. Pure.
pub(crate) type Rule = fn(&Scene<'_>) -> Option<Detection>;

/// What is known, and what had to be known.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    evidence: &'a Evidence,
    profile: &'a Profile,
    asks: RefCell<BTreeSet<Ask>>,
    /// What stood in the way of the rule that is being asked, by path.
    troubles: RefCell<BTreeMap<String, Reason>>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(evidence: &'a Evidence, profile: &'a Profile) -> Self {
        Self { evidence, profile, asks: RefCell::default(), troubles: RefCell::default() }
    }

    /// What was asked for and is not known. A walk costs as much as a source is large, so it waits until everything
    /// else is known: a rule that asked for one too early may not answer then.
    pub(crate) fn into_asks(self) -> BTreeSet<Ask> {
        let mut asks = self.asks.into_inner();
        let is_walk = |ask: &Ask| matches!(ask, Ask::Walk(_));
        if !asks.iter().all(is_walk) {
            asks.retain(|ask| !is_walk(ask));
        }
        asks
    }

    /// What stood in the way since the last call.
    pub(crate) fn take_troubles(&self) -> Vec<Reason> {
        self.troubles.take().into_values().collect()
    }

    fn ask(&self, ask: Ask) {
        self.asks.borrow_mut().insert(ask);
    }

    fn listing(&self, directory: &str) -> Option<&'a Listing> {
        let known = self.evidence.listings.get(directory);
        if known.is_none() {
            self.ask(Ask::List(directory.to_owned()));
        }
        if let Some(Listing::Refused(refusal)) = known {
            self.trouble(directory, refusal);
        }
        known
    }

    fn entries(&self, directory: &str) -> Option<&'a BTreeMap<String, Entry>> {
        match self.listing(directory)? {
            Listing::Present(entries) => Some(entries),
            Listing::Absent | Listing::NotADirectory | Listing::Refused(_) => None,
        }
    }

    /// The entry at `path` below the directory `at`. Each directory on the way is asked for in turn, so that nobody
    /// looks below what is not there.
    fn entry(&self, at: &str, path: &str) -> Option<&'a Entry> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !above.is_empty() && self.entry(at, above)?.kind != EntryKind::Directory {
            return None;
        }
        self.entries(&join(at, above))?.get(name)
    }

    fn trouble(&self, path: &str, refusal: &Refusal) {
        let code = match refusal {
            Refusal::Unreadable { .. } => ReasonCode::SourceUnreadable,
            Refusal::TooLarge { .. }
            | Refusal::TooMuch { .. }
            | Refusal::TooManyEntries { .. }
            | Refusal::TooDeep { .. } => ReasonCode::SourceTooLarge,
            Refusal::LeadsOut | Refusal::Special => ReasonCode::SourceUnsafe,
        };
        let shown = if path.is_empty() { "." } else { path };
        let why = refusal.sentence();
        self.report(path, Reason::new(code, format!("{shown} {why}")).because(shown, why));
    }

    fn report(&self, path: &str, reason: Reason) {
        self.troubles.borrow_mut().insert(path.to_owned(), reason);
    }
}

/// One directory of a source, as a rule sees it. Every path is relative to it.
#[derive(Debug, Clone)]
pub(crate) struct Scene<'a> {
    known: &'a Known<'a>,
    at: Rc<str>,
}

impl<'a> Scene<'a> {
    /// The directory at this path of the source.
    pub(crate) fn new(known: &'a Known<'a>, at: &str) -> Self {
        Self { known, at: at.into() }
    }

    /// What the user fixed.
    pub(crate) fn profile(&self) -> &'a Profile {
        self.known.profile
    }

    /// Whether the user said that this is a static site: then programs and containers beside it don't matter.
    pub(crate) fn is_static_by_choice(&self) -> bool {
        self.profile().runtime.strategy == Strategy::Static
    }

    /// Where it is in the source: `apps/web`, or nothing for the source itself.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// A directory below this one.
    pub(crate) fn below(&self, directory: &str) -> Self {
        Self { known: self.known, at: self.path(directory).unwrap_or_else(|| directory.to_owned()).into() }
    }

    /// The directory above this one; `None` for the source itself.
    pub(crate) fn above(&self) -> Option<Self> {
        let at = self.at();
        let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
        (!at.is_empty()).then(|| Self { known: self.known, at: parent.into() })
    }

    /// The path in the source; `None` if it leads out of it. `a/../b` and `./b` are `b`.
    pub(crate) fn path(&self, path: &str) -> Option<String> {
        let mut parts: Vec<&str> = self.at.split('/').filter(|part| !part.is_empty()).collect();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        Some(parts.join("/"))
    }

    /// A fact that a file shows.
    pub(crate) fn fact(&self, file: &str, fact: impl Into<String>) -> Fact {
        Fact::new(self.path(file).unwrap_or_else(|| file.to_owned()), fact)
    }

    /// A value that a file shows.
    pub(crate) fn found<T>(&self, value: T, file: &str, fact: impl Into<String>) -> Found<T> {
        Found { value, evidence: self.fact(file, fact) }
    }

    /// Whether a build would find this file.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.entry(path).is_some_and(|entry| entry.kind == EntryKind::File && !entry.git_ignored)
    }

    /// Whether a build would find this directory.
    pub(crate) fn has_directory(&self, path: &str) -> bool {
        self.entry(path).is_some_and(|entry| entry.kind == EntryKind::Directory && !entry.git_ignored)
    }

    /// The first of these files that a build would find.
    pub(crate) fn first_of<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// Whether this file is there, in a build or not: what is published may be git-ignored.
    pub(crate) fn has_at_all(&self, path: &str) -> bool {
        self.entry(path).is_some_and(|entry| entry.kind == EntryKind::File)
    }

    /// What stands in the place of a path that is no file and no directory.
    pub(crate) fn passed_over(&self, path: &str) -> Option<&'a PassedOver> {
        match &self.entry(path)?.kind {
            EntryKind::PassedOver(why) => Some(why),
            EntryKind::File | EntryKind::Directory => None,
        }
    }

    fn entry(&self, path: &str) -> Option<&'a Entry> {
        let full = self.path(path)?;
        match full.strip_prefix(&*self.at) {
            Some(below) if self.at.is_empty() || below.starts_with('/') => {
                self.known.entry(&self.at, below.trim_start_matches('/'))
            }
            // Above this directory: `../package.json`.
            Some(_) | None => self.known.entry("", &full),
        }
    }

    /// The names of the files in a directory (`""` is this one) that a build would find, in order.
    pub(crate) fn files(&self, directory: &str) -> Vec<&'a str> {
        self.names(directory, |entry| entry.kind == EntryKind::File && !entry.git_ignored)
    }

    /// The names of the directories in a directory that somebody may have written: without hidden ones, installed
    /// packages and what a build would not find.
    pub(crate) fn directories(&self, directory: &str) -> Vec<&'a str> {
        let mut names =
            self.names(directory, |entry| entry.kind == EntryKind::Directory && !entry.git_ignored);
        names.retain(|name| !name.starts_with('.') && !is_installed(name));
        names
    }

    /// The names of everything in a directory, in a build or not; `None` if there is no such directory.
    pub(crate) fn all(&self, directory: &str) -> Option<&'a BTreeMap<String, Entry>> {
        self.known.entries(&self.path(directory)?)
    }

    fn names(&self, directory: &str, keep: impl Fn(&Entry) -> bool) -> Vec<&'a str> {
        let Some(path) = self.path(directory) else { return Vec::new() };
        if !directory.is_empty() && !self.has_directory(directory) {
            return Vec::new();
        }
        let entries = self.known.entries(&path).into_iter().flatten();
        entries.filter(|(_, entry)| keep(entry)).map(|(name, _)| name.as_str()).collect()
    }

    /// The text of a file that a build would find.
    pub(crate) fn text(&self, path: &str) -> Option<&'a str> {
        self.has(path).then(|| self.read(path))?
    }

    /// The text of a file, in a build or not.
    pub(crate) fn text_at_all(&self, path: &str) -> Option<&'a str> {
        self.has_at_all(path).then(|| self.read(path))?
    }

    fn read(&self, path: &str) -> Option<&'a str> {
        let path = self.path(path)?;
        match self.known.evidence.texts.get(&path) {
            None => self.known.ask(Ask::Read(path)),
            Some(Text::Whole(text)) => return Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Some(Text::Missing) => {}
            Some(Text::Refused(refusal)) => self.known.trouble(&path, refusal),
        }
        None
    }

    /// The beginning of the text of a file that a build would find: for lockfiles, which may be large.
    pub(crate) fn head(&self, path: &str) -> Option<&'a str> {
        let path = self.has(path).then(|| self.path(path))??;
        match self.known.evidence.heads.get(&path) {
            None => self.known.ask(Ask::Head(path)),
            Some(Text::Whole(text)) => return Some(text),
            Some(Text::Missing) => {}
            Some(Text::Refused(refusal)) => self.known.trouble(&path, refusal),
        }
        None
    }

    /// What publishing a directory would meet; `None` while that is not known.
    pub(crate) fn walk(&self, directory: &Inside) -> Option<&'a Walk> {
        let path = self.path(directory.as_str())?;
        let known = self.known.evidence.walks.get(&path);
        if known.is_none() {
            self.known.ask(Ask::Walk(path));
        }
        known
    }

    /// A manifest can't be understood: the plan says so, and goes on with what else there is.
    pub(crate) fn broken(&self, path: &str, format: &str, error: &str) {
        let path = self.path(path).unwrap_or_else(|| path.to_owned());
        let error: String = error.chars().filter(|character| !character.is_control()).take(200).collect();
        let message = format!("{path} is not valid {format}: {error}");
        let reason =
            Reason::new(ReasonCode::ManifestInvalid, message).because(&path, format!("not valid {format}"));
        self.known.report(&path, reason);
    }
}

fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        ("", name) => name.to_owned(),
        (directory, "") => directory.to_owned(),
        (directory, name) => format!("{directory}/{name}"),
    }
}
