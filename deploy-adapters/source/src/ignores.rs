//! What ignore files leave out, with git's syntax and git's precedence: deeper files win, later lines win.
//!
//! `.deployignore` wins over `.gitignore`, and `.gitignore` over `.git/info/exclude`. The user's global ignore file is
//! not read: the same source has to give the same result on every machine.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::beneath;
use crate::commit::Repository;

/// The ignore file of this product.
pub(crate) const DEPLOYIGNORE: &str = ".deployignore";

/// Which ignore files count in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Those in it, and those of the repository around it: a directory.
    Around,
    /// Those in it: an archive.
    Inside,
    /// Ours only: what is in a commit was committed on purpose.
    Ours,
}

/// The ignore files on the way from the top to the directory that is being read.
///
/// All paths are relative to the top: the source, or the repository that the source is a part of.
#[derive(Debug, Default)]
pub(crate) struct Ignores {
    /// One per directory that has one, outermost first, each with the depth of its directory.
    deploy: Vec<(usize, Gitignore)>,
    git: Vec<(usize, Gitignore)>,
}

impl Ignores {
    /// Takes up the `.deployignore` of a directory, `path` relative to the source.
    pub(crate) fn enter_deploy(&mut self, directory: impl AsFd, path: &str, depth: usize, limit: u64) {
        if let Some(found) = load(directory, path, DEPLOYIGNORE, limit) {
            self.deploy.push((depth, found));
        }
    }

    /// Takes up a file with git's patterns that holds for the directory `path`.
    pub(crate) fn enter_git(
        &mut self,
        directory: impl AsFd,
        path: &str,
        file: &str,
        depth: usize,
        limit: u64,
    ) {
        if let Some(found) = load(directory, path, file, limit) {
            self.git.push((depth, found));
        }
    }

    /// Forgets the files of directories at this depth or deeper.
    pub(crate) fn leave(&mut self, depth: usize) {
        self.deploy.retain(|(at, _)| *at < depth);
        self.git.retain(|(at, _)| *at < depth);
    }

    /// Whether a path is left out.
    pub(crate) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        self.deploy
            .iter()
            .rev()
            .chain(self.git.iter().rev())
            .map(|(_, rules)| rules.matched(Path::new(path), is_directory))
            .find(|found| !matches!(found, Match::None))
            .is_some_and(|found| found.is_ignore())
    }
}

/// If the source is a part of a repository, the ignore files above it count too. Also returns where the source is in
/// the repository, as the beginning of every path that is matched.
pub(crate) fn above(path: &Path, counted: Counted, text_bytes: u64) -> (String, Ignores) {
    let mut ignores = Ignores::default();
    if counted != Counted::Around {
        return (String::new(), ignores);
    }
    let repository = std::fs::canonicalize(path).ok().and_then(|path| Some((Repository::of(&path)?, path)));
    let Some((repository, path)) = repository else { return (String::new(), ignores) };
    let prefix = path.strip_prefix(&repository.work_tree).ok().and_then(Path::to_str);
    let Some(prefix) = prefix else { return (String::new(), ignores) };
    if let Ok(common) = beneath::root(&repository.common_directory) {
        ignores.enter_git(common, "", "info/exclude", 0, text_bytes);
    }
    let mut above = PathBuf::new();
    for component in Path::new(prefix).components() {
        if let Ok(directory) = beneath::root(&repository.work_tree.join(&above)) {
            let at = above.to_string_lossy();
            ignores.enter_git(directory, &at, ".gitignore", 0, text_bytes);
        }
        above.push(component);
    }
    (prefix.to_owned(), ignores)
}

/// The patterns of one file. Lines that are no valid pattern are passed over, as git does.
pub(crate) fn load(directory: impl AsFd, path: &str, file: &str, limit: u64) -> Option<Gitignore> {
    let bytes = beneath::read(directory, file, limit).ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let mut rules = GitignoreBuilder::new(path);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let _ = rules.add_line(None, line);
    }
    rules.build().ok().filter(|rules| !rules.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeper_files_win_and_deployignore_wins_over_gitignore() {
        let top = tempfile::tempdir().unwrap();
        std::fs::write(top.path().join(".gitignore"), "dist/\n*.log\n/only-top\n").unwrap();
        std::fs::write(top.path().join(DEPLOYIGNORE), "!dist/\nsecret\n[bad\n").unwrap();
        std::fs::create_dir(top.path().join("sub")).unwrap();
        std::fs::write(top.path().join("sub/.gitignore"), "!keep.log\n").unwrap();
        let root = beneath::root(top.path()).unwrap();
        let mut ignores = Ignores::default();
        ignores.enter_git(&root, "", ".gitignore", 0, 1024);
        ignores.enter_deploy(&root, "", 0, 1024);
        ignores.enter_git(beneath::child(&root, "sub").unwrap(), "sub", ".gitignore", 1, 1024);

        assert!(!ignores.ignores("dist", true));
        assert!(ignores.ignores("secret", false) && ignores.ignores("sub/secret", false));
        assert!(ignores.ignores("sub/a.log", false) && !ignores.ignores("sub/keep.log", false));
        assert!(ignores.ignores("only-top", false) && !ignores.ignores("sub/only-top", false));
        ignores.leave(1);
        assert!(ignores.ignores("sub/keep.log", false));
    }
}
