//! Where links lead.

use std::os::fd::{AsFd, BorrowedFd};

use deploy_core::evidence::PassedOver;
use rustix::fs::{FileType, readlinkat};

use crate::beneath::{self, Trouble, trouble};
use crate::entries::{Kind, kind};

/// Whether the link `name` in `directory`, which is at `path` below `root`, counts as a regular file.
pub(crate) fn follow(
    root: BorrowedFd<'_>,
    directory: impl AsFd,
    path: &str,
    name: &str,
) -> Result<(), PassedOver> {
    let target = || {
        readlinkat(directory, name, Vec::new())
            .map_or_else(|_| "?".to_owned(), |target| target.to_bytes().escape_ascii().to_string())
    };
    match beneath::look(root, path) {
        Ok(stat) => match kind(FileType::from_raw_mode(stat.st_mode)) {
            Kind::File => Ok(()),
            Kind::Directory => Err(PassedOver::LinkToDirectory { target: target() }),
            Kind::Special | Kind::Link => Err(PassedOver::LinkSpecial { target: target() }),
        },
        Err(error) => Err(match trouble(&error) {
            Trouble::LeadsOut => PassedOver::LinkOut { target: target() },
            Trouble::Loop => PassedOver::LinkLoop { target: target() },
            Trouble::Missing | Trouble::NotADirectory => PassedOver::LinkDangling { target: target() },
            Trouble::Other => PassedOver::Unreadable { error: error.to_string() },
        }),
    }
}
