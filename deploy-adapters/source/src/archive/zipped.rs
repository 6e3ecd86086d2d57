//! Zip archives, by their central directory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

use crate::fault::Fault;
use crate::unpack::Unpack;

/// The end of the central directory, without its comment.
const END_BYTES: u64 = 22;
/// The longest comment.
const COMMENT_BYTES: u64 = 65_535;
/// The number that says that the true number is elsewhere.
const ELSEWHERE: u16 = u16::MAX;

/// Unpacks an archive. Gives the one directory that everything is in, if it is.
pub(super) fn unpack(mut file: File, mut to: Unpack<'_>) -> Result<Option<String>, Fault> {
    let stated = stated_entries(&mut file).map_err(|error| to.damaged(&error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| to.damaged(&io::Error::other(error)))?;
    // The reader keeps one of two entries of one name.
    if archive.len() != usize::from(stated) {
        return Err(to.damaged(&io::Error::other("it names an entry twice, or miscounts its entries")));
    }
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| to.damaged(&io::Error::other(error)))?;
        let path = entry.name_raw().to_owned();
        let mode = entry.unix_mode().unwrap_or(0o644);
        match mode & 0o170_000 {
            _ if path.ends_with(b"/") => to.directory(&path)?,
            0o040_000 => to.directory(&path)?,
            0o120_000 => {
                let mut target = Vec::new();
                (&mut entry).take(4097).read_to_end(&mut target).map_err(|error| to.damaged(&error))?;
                to.symlink(&path, &target)?;
            }
            0 | 0o100_000 => to.file(&path, mode & 0o100 != 0, &mut entry)?,
            _ => return Err(to.special(&path)),
        }
    }
    to.finish()
}

/// How many entries the end of the archive states, before a reader makes room for them.
fn stated_entries(file: &mut File) -> io::Result<u16> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES + COMMENT_BYTES)))?;
    let mut tail = Vec::new();
    file.take(END_BYTES + COMMENT_BYTES).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let end = tail.windows(22).rposition(|window| window.starts_with(b"PK\x05\x06"));
    let Some(end) = end else { return Err(io::Error::other("it has no end")) };
    let stated = u16::from_le_bytes([tail[end + 10], tail[end + 11]]);
    match stated {
        ELSEWHERE => Err(io::Error::other("a zip of 65 535 entries or more is not read; use tar")),
        stated => Ok(stated),
    }
}
