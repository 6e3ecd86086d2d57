//! The walk over a source: every file that could matter, and what was passed over.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use deploy_core::reason::{Reason, ReasonCode};
use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};

use crate::beneath::{self, Trouble, trouble};
use crate::entries::{Entry, Kind, entries, join, kind};
use crate::ignores::{DEPLOYIGNORE, Ignores};
use crate::limits::Limits;
use crate::skip;
use deploy_detect::omitted;
use deploy_detect::path::Inside;

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Path to size, regular files and links to regular files.
    pub(crate) files: BTreeMap<String, u64>,
    /// `path: why it was passed over`, by path.
    pub(crate) omitted: Vec<String>,
}

/// Lists everything below `base`. `publish` is listed even where well-known directories are left out.
///
/// `root` is the source: links may lead anywhere in it, and `base_path` is where `base` is in it.
pub(crate) fn list(
    root: BorrowedFd<'_>,
    base: BorrowedFd<'_>,
    base_path: &str,
    publish: Option<&Inside>,
    limits: &Limits,
) -> Result<Listing, Vec<Reason>> {
    let mut walk = Walk {
        root,
        base,
        base_path,
        publish,
        limits,
        files: Vec::new(),
        omitted: Vec::new(),
        refused: Refused::default(),
        ignores: Ignores::default(),
        seen: 0,
    };
    walk.enter_above();
    walk.directory(base, "", 0);
    let reasons = walk.refused.into_reasons(limits);
    if !reasons.is_empty() {
        return Err(reasons);
    }
    walk.omitted.sort_unstable();
    let unnamed = walk.omitted.len().saturating_sub(limits.named);
    walk.omitted.truncate(limits.named);
    if unnamed > 0 {
        walk.omitted.push(format!("and {unnamed} more paths"));
    }
    Ok(Listing { files: walk.files.into_iter().collect(), omitted: walk.omitted })
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    base: BorrowedFd<'a>,
    base_path: &'a str,
    publish: Option<&'a Inside>,
    limits: &'a Limits,
    files: Vec<(String, u64)>,
    omitted: Vec<String>,
    refused: Refused,
    ignores: Ignores,
    seen: usize,
}

impl Walk<'_> {
    /// The ignore files between the source and its base directory count as well.
    fn enter_above(&mut self) {
        let mut above = String::new();
        for component in self.base_path.split('/').filter(|component| !component.is_empty()) {
            if let Ok(directory) = beneath::directory(self.root, &above) {
                self.ignores.enter_deploy(directory, &above, 0, self.limits.text_bytes);
            }
            above = join(&above, component);
        }
    }

    fn directory(&mut self, directory: BorrowedFd<'_>, path: &str, depth: usize) {
        if depth > self.limits.depth {
            self.refused.too_deep = true;
            return;
        }
        let left = self.limits.entries - self.seen;
        let found = match entries(directory, left) {
            Ok(found) if found.len() > left => {
                self.refused.too_many = true;
                return;
            }
            Ok(found) => found,
            Err(error) => return self.unreadable(path, &error),
        };
        if depth > 0 && found.iter().any(|entry| entry.name.as_deref().is_ok_and(skip::by_marker)) {
            return self.only_publish(path, depth);
        }
        self.seen += found.len();
        self.ignores.enter_deploy(directory, &join(self.base_path, path), depth, self.limits.text_bytes);
        for entry in found {
            self.entry(directory, path, entry, depth);
            if self.refused.too_many {
                break;
            }
        }
        self.ignores.leave(depth);
    }

    fn entry(&mut self, directory: BorrowedFd<'_>, parent: &str, entry: Entry, depth: usize) {
        let name = match entry.name {
            Ok(name) => name,
            Err(printable) => return self.refused.unsafe_names.push(join(parent, &printable)),
        };
        let path = join(parent, &name);
        if self.ignores.ignores(&join(self.base_path, &path), entry.kind == Kind::Directory) {
            if self.leads_to_publish(&path) {
                self.omitted.push(format!("{path}: left out by {DEPLOYIGNORE}"));
            }
            return;
        }
        match entry.kind {
            Kind::Directory if skip::by_name(&name) => self.only_publish(&path, depth + 1),
            Kind::Directory => match beneath::child(directory, &name) {
                Ok(child) => self.directory(child.as_fd(), &path, depth + 1),
                Err(error) => self.unreadable(&path, &error),
            },
            Kind::File => match statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => self.file(path, &stat),
                Err(error) => self.unreadable(&path, &error.into()),
            },
            Kind::Link => self.link(directory, path, &name),
            Kind::Special => {
                self.omitted.push(format!("{path}: {}", omitted::SPECIAL));
            }
        }
    }

    /// A directory is left out, but not the publish directory in it.
    fn only_publish(&mut self, path: &str, depth: usize) {
        let Some(publish) = self.publish.filter(|publish| publish.is_within(path)) else { return };
        // A publish directory that is not there yet is for the detector to judge.
        if let Ok(directory) = beneath::directory(self.base, publish.as_str()) {
            let below = publish.as_str().matches('/').count() - path.matches('/').count();
            self.publish = None;
            self.directory(directory.as_fd(), publish.as_str(), depth + below);
            self.publish = Some(publish);
        }
    }

    fn leads_to_publish(&self, path: &str) -> bool {
        self.publish.is_some_and(|publish| publish.is_within(path))
    }

    fn file(&mut self, path: String, stat: &Stat) {
        self.files.push((path, u64::try_from(stat.st_size).unwrap_or(0)));
    }

    /// A link counts as the regular file it leads to; anything else it leads to is passed over.
    fn link(&mut self, directory: BorrowedFd<'_>, path: String, name: &str) {
        let why = match beneath::look(self.root, &join(self.base_path, &path)) {
            Ok(stat) => match kind(FileType::from_raw_mode(stat.st_mode)) {
                Kind::File => return self.file(path, &stat),
                Kind::Directory => "a link to a directory, not followed",
                Kind::Special | Kind::Link => omitted::LINK_SPECIAL,
            },
            Err(error) => match trouble(&error) {
                Trouble::LeadsOut => omitted::LINK_OUT,
                Trouble::Loop => omitted::LINK_LOOP,
                Trouble::Missing | Trouble::NotADirectory => omitted::LINK_DANGLING,
                Trouble::Other => "a link that can't be followed",
            },
        };
        let target = readlinkat(directory, name, Vec::new())
            .map(|target| target.to_bytes().escape_ascii().to_string());
        self.omitted.push(match target {
            Ok(target) => format!("{path}: {why} ({target})"),
            Err(_) => format!("{path}: {why}"),
        });
    }

    fn unreadable(&mut self, path: &str, error: &io::Error) {
        match trouble(error) {
            // Somebody removed or replaced it while we looked: it is not there any more.
            Trouble::Missing | Trouble::NotADirectory | Trouble::Loop => {}
            Trouble::LeadsOut | Trouble::Other => {
                self.refused.unreadable.push((path.to_owned(), error.to_string()));
            }
        }
    }
}

/// What makes a source unusable as it is.
#[derive(Debug, Default)]
struct Refused {
    too_many: bool,
    too_deep: bool,
    unsafe_names: Vec<String>,
    unreadable: Vec<(String, String)>,
}

impl Refused {
    fn into_reasons(self, limits: &Limits) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for (path, error) in self.unreadable.iter().take(limits.named) {
            let path = if path.is_empty() { "." } else { path };
            let message =
                format!("{path} can't be read: {error}; permit it, or leave it out with {DEPLOYIGNORE}");
            reasons.push(Reason::new(ReasonCode::SourceUnreadable, message).because(path, error.as_str()));
        }
        for name in self.unsafe_names.iter().take(limits.named) {
            let message = format!("the name of {name} is not UTF-8; rename or remove it");
            reasons.push(
                Reason::new(ReasonCode::SourceUnsafe, message).because(name, "a name that is not UTF-8"),
            );
        }
        if self.too_many {
            let message = format!("the source has more than {} files and directories", limits.entries);
            reasons.push(Reason::new(ReasonCode::SourceTooLarge, message));
        }
        if self.too_deep {
            let message = format!("the source has directories nested more than {} deep", limits.depth);
            reasons.push(Reason::new(ReasonCode::SourceTooLarge, message));
        }
        reasons
    }
}
