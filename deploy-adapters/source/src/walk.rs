//! What publishing a directory would meet: every file, and what would stand in the way.
//!
//! It follows the rules of publishing: names that begin with a dot are passed over but for `.well-known`, links are
//! judged from the published directory, and `.deployignore` and our own configuration are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

use deploy_core::evidence::{PassedOver, Refusal, Walk};

use crate::beneath::{self, Trouble, trouble};
use crate::entries::{Entry, Kind, entries, join};
use crate::ignored::{Ignored, Verdict};
use crate::limits::Limits;
use crate::links;

/// Our own configuration: it says how the site is made and is not a part of it.
const CONFIGURATION: &str = "deploy.toml";

/// Walks `path`, a directory below `root`.
pub(crate) fn walk(root: BorrowedFd<'_>, path: &str, ignored: &mut Ignored, limits: &Limits) -> Walk {
    let top = match beneath::directory(root, path) {
        Ok(top) => top,
        Err(error) => {
            return match trouble(&error) {
                Trouble::Missing | Trouble::NotADirectory => Walk::Absent,
                Trouble::LeadsOut | Trouble::Loop => Walk::Refused(Refusal::LeadsOut),
                Trouble::Other => Walk::Refused(Refusal::Unreadable { error: error.to_string() }),
            };
        }
    };
    let mut walking = Walking {
        top: top.as_fd(),
        at: path,
        ignored,
        limits,
        files: BTreeSet::new(),
        passed_over: BTreeMap::new(),
        seen: 0,
    };
    match walking.directory(top.as_fd(), "", 0) {
        Ok(()) => Walk::Walked { files: walking.files, passed_over: walking.passed_over },
        Err(refusal) => Walk::Refused(refusal),
    }
}

struct Walking<'a> {
    top: BorrowedFd<'a>,
    /// Where the top is in the source.
    at: &'a str,
    ignored: &'a mut Ignored,
    limits: &'a Limits,
    files: BTreeSet<String>,
    passed_over: BTreeMap<String, PassedOver>,
    seen: usize,
}

impl Walking<'_> {
    fn directory(&mut self, directory: BorrowedFd<'_>, path: &str, depth: usize) -> Result<(), Refusal> {
        if depth > self.limits.depth {
            return Err(Refusal::TooDeep { limit: self.limits.depth });
        }
        let left = self.limits.entries - self.seen;
        let found = match entries(directory, left) {
            Ok(found) if found.len() > left => {
                return Err(Refusal::TooManyEntries { limit: self.limits.entries });
            }
            Ok(found) => found,
            Err(error) => {
                self.passed_over.insert(path.to_owned(), PassedOver::Unreadable { error: error.to_string() });
                return Ok(());
            }
        };
        self.seen += found.len();
        found.into_iter().try_for_each(|entry| self.entry(directory, path, entry, depth))
    }

    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        parent: &str,
        entry: Entry,
        depth: usize,
    ) -> Result<(), Refusal> {
        let name = match entry.name {
            Ok(name) => name,
            Err(printable) => {
                self.passed_over.insert(join(parent, &printable), PassedOver::NameNotUtf8);
                return Ok(());
            }
        };
        if name.starts_with('.') && name != ".well-known" || parent.is_empty() && name == CONFIGURATION {
            return Ok(());
        }
        let path = join(parent, &name);
        let verdict = self.ignored.verdict(&join(self.at, &path), entry.kind == Kind::Directory);
        if verdict == Verdict::LeftOut {
            return Ok(());
        }
        match entry.kind {
            Kind::File => {
                self.files.insert(path);
            }
            Kind::Directory => match beneath::child(directory, &name) {
                Ok(child) => return self.directory(child.as_fd(), &path, depth + 1),
                // Somebody removed it while we looked: it is not there any more.
                Err(error) if trouble(&error) == Trouble::Missing => {}
                Err(error) => {
                    self.passed_over.insert(path, PassedOver::Unreadable { error: error.to_string() });
                }
            },
            Kind::Link => match links::follow(self.top, directory, &path, &name) {
                Ok(()) => {
                    self.files.insert(path);
                }
                Err(passed_over) => {
                    self.passed_over.insert(path, passed_over);
                }
            },
            Kind::Special => {
                self.passed_over.insert(path, PassedOver::Special);
            }
        }
        Ok(())
    }
}
