//! The entries of one directory.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use deploy_core::evidence::{Entry, EntryKind, Listing, PassedOver, Refusal};

use crate::beneath::{self, Trouble, trouble};
use crate::entries::{self, Kind, join};
use crate::ignored::{Ignored, Verdict};
use crate::limits::Limits;
use crate::links;

/// Lists `path`, a directory below `root`. What an ignore file of ours names is there, but passed over.
pub(crate) fn list(root: BorrowedFd<'_>, path: &str, ignored: &mut Ignored, limits: &Limits) -> Listing {
    let above = match path {
        "" => Verdict::Kept,
        path => ignored.verdict_with_parents(path),
    };
    if above == Verdict::LeftOut {
        return Listing::Absent;
    }
    let directory = match beneath::directory(root, path) {
        Ok(directory) => directory,
        Err(error) => return refused(&error),
    };
    let found = match entries::entries(&directory, limits.listing) {
        Ok(found) if found.len() > limits.listing => {
            return Listing::Refused(Refusal::TooManyEntries { limit: limits.listing });
        }
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let mut listing = BTreeMap::new();
    for entry in found {
        let (name, kind) = match entry.name {
            Err(printable) => (printable, EntryKind::PassedOver(PassedOver::NameNotUtf8)),
            Ok(name) => {
                let kind = match entry.kind {
                    Kind::File => EntryKind::File,
                    Kind::Directory => EntryKind::Directory,
                    Kind::Special => EntryKind::PassedOver(PassedOver::Special),
                    Kind::Link => match links::follow(root, directory.as_fd(), &join(path, &name), &name) {
                        Ok(()) => EntryKind::File,
                        Err(passed_over) => EntryKind::PassedOver(passed_over),
                    },
                };
                (name, kind)
            }
        };
        let verdict = ignored.verdict(&join(path, &name), entry.kind == Kind::Directory);
        let kind = match verdict {
            Verdict::LeftOut => EntryKind::PassedOver(PassedOver::LeftOut),
            Verdict::Kept | Verdict::GitIgnored => kind,
        };
        let git_ignored = above == Verdict::GitIgnored || verdict == Verdict::GitIgnored;
        listing.insert(name, Entry { kind, git_ignored });
    }
    Listing::Present(listing)
}

fn refused(error: &std::io::Error) -> Listing {
    match trouble(error) {
        Trouble::Missing => Listing::Absent,
        Trouble::NotADirectory => Listing::NotADirectory,
        Trouble::LeadsOut | Trouble::Loop => Listing::Refused(Refusal::LeadsOut),
        Trouble::Other => Listing::Refused(Refusal::Unreadable { error: error.to_string() }),
    }
}
