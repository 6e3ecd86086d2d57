//! A source in memory: what embedders and tests plan without a disk.

use std::collections::{BTreeMap, BTreeSet};

use deploy_core::detect::{Detected, Detection};
use deploy_core::evidence::{Ask, Entry, EntryKind, Evidence, HEAD_BYTES, Listing, PassedOver, Text, Walk};
use deploy_core::port::Detector;
use deploy_core::spec::Profile;

/// Files by path, with their texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<String, String>,
    directories: BTreeSet<String>,
    passed_over: BTreeMap<String, PassedOver>,
    git_ignored: BTreeSet<String>,
    /// The commit it is at.
    pub commit: Option<String>,
}

impl Tree {
    /// A tree with these files. A path that ends with `/` is an empty directory.
    #[must_use]
    pub fn new<P: AsRef<str>, T: AsRef<str>>(files: &[(P, T)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add(path.as_ref(), text.as_ref());
        }
        tree
    }

    /// Adds a file, with every directory on the way. A path below a file is not added: no disk could hold it.
    pub fn add(&mut self, path: &str, text: &str) {
        let is_directory = path.ends_with('/');
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some((name, above)) = parts.split_last() else { return };
        if parts.iter().any(|part| matches!(*part, "." | "..")) {
            return;
        }
        let mut directory = String::new();
        for part in above.iter().chain(is_directory.then_some(name)) {
            directory = join(&directory, part);
            if self.files.contains_key(&directory) {
                return;
            }
            self.directories.insert(directory.clone());
        }
        let path = parts.join("/");
        if !is_directory && !self.directories.contains(&path) {
            self.files.insert(path, text.to_owned());
        }
    }

    /// Adds something that is neither a file nor a directory.
    pub fn pass_over(&mut self, path: &str, why: PassedOver) {
        self.add(path, "");
        self.files.remove(path);
        self.passed_over.insert(path.to_owned(), why);
    }

    /// Says that git ignores a path, with everything below it.
    pub fn git_ignore(&mut self, path: &str) {
        self.git_ignored.insert(path.to_owned());
    }

    /// Answers an ask.
    pub fn answer(&self, ask: &Ask, evidence: &mut Evidence) {
        match ask {
            Ask::List(path) => {
                evidence.listings.insert(path.clone(), self.list(path));
            }
            Ask::Read(path) => {
                evidence.texts.insert(path.clone(), self.text(path, usize::MAX));
            }
            Ask::Head(path) => {
                let most = usize::try_from(HEAD_BYTES).unwrap_or(usize::MAX);
                evidence.heads.insert(path.clone(), self.text(path, most));
            }
            Ask::Walk(path) => {
                evidence.walks.insert(path.clone(), self.walk(path));
            }
        }
    }

    /// Everything that could be asked of it.
    #[must_use]
    pub fn everything(&self) -> Evidence {
        let mut evidence = Evidence { commit: self.commit.clone(), ..Evidence::default() };
        for directory in self.directories.iter().map(String::as_str).chain([""]) {
            self.answer(&Ask::List(directory.to_owned()), &mut evidence);
            self.answer(&Ask::Walk(directory.to_owned()), &mut evidence);
        }
        for file in self.files.keys() {
            self.answer(&Ask::Read(file.clone()), &mut evidence);
            self.answer(&Ask::Head(file.clone()), &mut evidence);
        }
        evidence
    }

    /// What a detector says of it, and in how many rounds; `None` if it asks for ever.
    #[must_use]
    pub fn judge(&self, detector: &dyn Detector, profile: &Profile) -> Option<(Detection, usize)> {
        const MOST: usize = 32;
        let mut evidence = Evidence { commit: self.commit.clone(), ..Evidence::default() };
        for round in 1..=MOST {
            match detector.detect(&evidence, profile) {
                Detected::Done(detection) => return Some((*detection, round)),
                Detected::Needs(asks) => asks.iter().for_each(|ask| self.answer(ask, &mut evidence)),
            }
        }
        None
    }

    fn list(&self, directory: &str) -> Listing {
        if self.files.contains_key(directory) {
            return Listing::NotADirectory;
        }
        if !directory.is_empty() && !self.directories.contains(directory) {
            return Listing::Absent;
        }
        let mut entries = BTreeMap::new();
        let mut add = |path: &str, kind: EntryKind| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if parent == directory {
                let git_ignored = self.is_git_ignored(path);
                entries.insert(name.to_owned(), Entry { kind, git_ignored });
            }
        };
        self.files.keys().for_each(|path| add(path, EntryKind::File));
        self.directories.iter().for_each(|path| add(path, EntryKind::Directory));
        self.passed_over.iter().for_each(|(path, why)| add(path, EntryKind::PassedOver(why.clone())));
        Listing::Present(entries)
    }

    fn is_git_ignored(&self, path: &str) -> bool {
        self.git_ignored.iter().any(|ignored| path == ignored || is_below(path, ignored))
    }

    fn text(&self, path: &str, most: usize) -> Text {
        let Some(text) = self.files.get(path) else { return Text::Missing };
        let mut end = text.len().min(most);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Text::Whole(text[..end].to_owned())
    }

    fn walk(&self, directory: &str) -> Walk {
        if !directory.is_empty() && !self.directories.contains(directory) {
            return Walk::Absent;
        }
        let below = |path: &String| {
            let path = if directory.is_empty() { Some(path.as_str()) } else { path.strip_prefix(directory) };
            let path = path?.trim_start_matches('/');
            let hidden = path.split('/').any(|name| name.starts_with('.') && name != ".well-known");
            (!hidden && path != "deploy.toml").then(|| path.to_owned())
        };
        let here = |path: &&String| directory.is_empty() || is_below(path, directory);
        Walk::Walked {
            files: self.files.keys().filter(here).filter_map(below).collect(),
            passed_over: self
                .passed_over
                .iter()
                .filter(|(path, _)| here(path))
                .filter_map(|(path, why)| Some((below(path)?, why.clone())))
                .collect(),
        }
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}
