//! The contents of the few files that rules ask for.

use std::os::fd::BorrowedFd;

use deploy_core::evidence::{HEAD_BYTES, Refusal, Text};
use rustix::io::Errno;

use crate::beneath::{self, Trouble, trouble};
use crate::limits::Limits;

/// How much text of this source may still be read.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

impl Budget {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { left: limits.texts_bytes }
    }

    /// Reads a file whole.
    pub(crate) fn read(&mut self, root: BorrowedFd<'_>, path: &str, limits: &Limits) -> Text {
        match beneath::read(root, path, limits.text_bytes) {
            Ok(None) => Text::Refused(Refusal::TooLarge { limit: limits.text_bytes }),
            Ok(Some(bytes)) => self.take(bytes, limits),
            Err(error) => refused(&error),
        }
    }

    /// Reads the beginning of a file.
    pub(crate) fn head(&mut self, root: BorrowedFd<'_>, path: &str, limits: &Limits) -> Text {
        match beneath::head(root, path, HEAD_BYTES) {
            Ok(bytes) => self.take(bytes, limits),
            Err(error) => refused(&error),
        }
    }

    fn take(&mut self, bytes: Vec<u8>, limits: &Limits) -> Text {
        match self.left.checked_sub(bytes.len() as u64) {
            None => Text::Refused(Refusal::TooMuch { limit: limits.texts_bytes }),
            Some(left) => {
                self.left = left;
                let text = String::from_utf8(bytes);
                Text::Whole(
                    text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
                )
            }
        }
    }
}

fn refused(error: &std::io::Error) -> Text {
    match trouble(error) {
        Trouble::Missing | Trouble::NotADirectory => Text::Missing,
        Trouble::LeadsOut | Trouble::Loop => Text::Refused(Refusal::LeadsOut),
        // `beneath` says this of what is not a regular file.
        Trouble::Other if Errno::from_io_error(error) == Some(Errno::NXIO) => Text::Refused(Refusal::Special),
        Trouble::Other => Text::Refused(Refusal::Unreadable { error: error.to_string() }),
    }
}
