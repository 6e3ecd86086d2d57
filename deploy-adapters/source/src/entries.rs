//! The entries of one directory, typed and in a fixed order.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, FileType, statat};

/// What an entry is, without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Special,
}

/// One entry of a directory.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name; `Err` holds a printable form of a name that is not UTF-8.
    pub(crate) name: Result<String, String>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// The entries of a directory, by name; at most `limit + 1`, so that the caller can tell there are too many.
pub(crate) fn entries(directory: impl AsFd, limit: usize) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes == b"." || bytes == b".." {
            continue;
        }
        let mut file_type = entry.file_type();
        if file_type == FileType::Unknown {
            // Some file systems don't say.
            let stat = statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            file_type = FileType::from_raw_mode(stat.st_mode);
        }
        let name =
            String::from_utf8(bytes.to_vec()).map_err(|error| error.as_bytes().escape_ascii().to_string());
        entries.push(Entry { name, kind: kind(file_type) });
        if entries.len() > limit {
            break;
        }
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// What a file type means here.
pub(crate) fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Special,
    }
}

/// `directory/name`; either may be empty, for the top.
pub(crate) fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        ("", name) => name.to_owned(),
        (directory, "") => directory.to_owned(),
        (directory, name) => format!("{directory}/{name}"),
    }
}
