//! Which paths of a source ignore files leave out, asked one at a time.
//!
//! The same files count as in the copy that a build runs in: `.deployignore` and `.gitignore` of every directory on the
//! way, and those of the repository around the source. Each is read once.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::Gitignore;

use crate::beneath;
use crate::entries::join;
use crate::ignores::{Counted, DEPLOYIGNORE, Ignores, above, load};

/// What ignore files say of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing, or that it stays.
    Kept,
    /// Git leaves it out: it is not in a build's copy.
    GitIgnored,
    /// `.deployignore` leaves it out: for us it does not exist.
    LeftOut,
}

/// The ignore files of one directory.
#[derive(Debug, Default)]
struct Files {
    deploy: Option<Gitignore>,
    git: Option<Gitignore>,
}

/// The ignore files of a source, as far as they were needed.
#[derive(Debug)]
pub(crate) struct Ignored {
    root: Arc<OwnedFd>,
    /// Where the source is in its repository.
    prefix: String,
    /// What counts from above the source.
    above: Ignores,
    directories: BTreeMap<String, Files>,
    counted: Counted,
    text_bytes: u64,
}

impl Ignored {
    /// The ignore files of the source `root`, which is at `path`.
    pub(crate) fn new(root: Arc<OwnedFd>, path: &Path, counted: Counted, text_bytes: u64) -> Self {
        let (prefix, above) = above(path, counted, text_bytes);
        Self { root, prefix, above, directories: BTreeMap::new(), counted, text_bytes }
    }

    /// What they say of a path; of its parents, whoever asks knows already.
    pub(crate) fn verdict(&mut self, path: &str, is_directory: bool) -> Verdict {
        let mut ancestors = Vec::new();
        let mut directory = path;
        while !directory.is_empty() {
            directory = directory.rsplit_once('/').map_or("", |(parent, _)| parent);
            self.enter(directory);
            ancestors.push(directory);
        }
        let full = join(&self.prefix, path);
        let matched = |rules: &Gitignore| rules.matched(Path::new(&full), is_directory).map(|_| ());
        let files = || ancestors.iter().filter_map(|directory| self.directories.get(*directory));
        let decides = |verdict: &Match<()>| !verdict.is_none();
        let deploy = files().filter_map(|files| files.deploy.as_ref()).map(matched).find(decides);
        match deploy {
            Some(Match::Ignore(())) => return Verdict::LeftOut,
            Some(Match::Whitelist(()) | Match::None) => return Verdict::Kept,
            None => {}
        }
        let git = files().filter_map(|files| files.git.as_ref()).map(matched).find(decides);
        let ignored = git.map_or_else(|| self.above.ignores(&full, is_directory), |git| git.is_ignore());
        if ignored { Verdict::GitIgnored } else { Verdict::Kept }
    }

    /// What they say of a directory and of every directory it lies in.
    pub(crate) fn verdict_with_parents(&mut self, path: &str) -> Verdict {
        let mut found = Verdict::Kept;
        for end in path.match_indices('/').map(|(end, _)| end).chain([path.len()]) {
            match self.verdict(&path[..end], true) {
                Verdict::LeftOut => return Verdict::LeftOut,
                Verdict::GitIgnored => found = Verdict::GitIgnored,
                Verdict::Kept => {}
            }
        }
        found
    }

    fn enter(&mut self, directory: &str) {
        if self.directories.contains_key(directory) {
            return;
        }
        let at = join(&self.prefix, directory);
        let files = match beneath::directory(&*self.root, directory) {
            Ok(opened) => Files {
                deploy: load(&opened, &at, DEPLOYIGNORE, self.text_bytes),
                git: match self.counted {
                    Counted::Around | Counted::Inside => load(&opened, &at, ".gitignore", self.text_bytes),
                    Counted::Ours => None,
                },
            },
            Err(_) => Files::default(),
        };
        self.directories.insert(directory.to_owned(), files);
    }
}
