//! Tar streams, header by header: nothing that a header states is believed before it is bounded.

use std::io::{self, Read};

use tar::{Archive, EntryType, Header};

use crate::fault::Fault;
use crate::unpack::Unpack;

/// The most bytes a long name or a set of extended attributes may have; they are read whole.
const EXTENSION_BYTES: u64 = 64 * 1024;

/// Whether a file that begins so is a tar archive.
pub(super) fn begins(head: &[u8]) -> bool {
    if head.len() < 512 {
        return false;
    }
    // The sum counts its own eight bytes as spaces.
    let sum: u32 = head
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    let stated = Header::from_byte_slice(head).cksum();
    stated.is_ok_and(|stated| stated == sum) && head.iter().any(|byte| *byte != 0)
}

/// What extension headers say of the entry after them.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Unpacks a stream. Gives the one directory that everything is in, if it is.
pub(crate) fn unpack(stream: impl Read, mut to: Unpack<'_>) -> Result<Option<String>, Fault> {
    let mut archive = Archive::new(stream);
    let entries = archive.entries().map_err(|error| to.damaged(&error))?.raw(true);
    let mut extended = Extended::default();
    for entry in entries {
        let mut entry = entry.map_err(|error| to.damaged(&error))?;
        let kind = entry.header().entry_type();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the format's own list, which `one` knows or refuses"
        )]
        match kind {
            EntryType::GNULongName => extended.path = Some(name(&mut entry, &to)?),
            EntryType::GNULongLink => extended.target = Some(name(&mut entry, &to)?),
            EntryType::XHeader => attributes(&bounded(&mut entry, &to)?, &mut extended, &to)?,
            // A comment for the whole archive: git writes the commit there.
            EntryType::XGlobalHeader => drop(bounded(&mut entry, &to)?),
            _ => one(&mut entry, std::mem::take(&mut extended), &mut to)?,
        }
    }
    to.finish()
}

fn one(entry: &mut tar::Entry<'_, impl Read>, extended: Extended, to: &mut Unpack<'_>) -> Result<(), Fault> {
    let header = entry.header();
    let (kind, size) = (header.entry_type(), header.entry_size().map_err(|error| to.damaged(&error))?);
    let path = extended.path.unwrap_or_else(|| header.path_bytes().into_owned());
    // Two readers that believe different sizes see different archives.
    if extended.size.is_some_and(|stated| stated != size) {
        return Err(to.damaged(&io::Error::other("the size of an entry is stated twice, and differently")));
    }
    let target = extended.target.or_else(|| header.link_name_bytes().map(|target| target.into_owned()));
    let executable = header.mode().is_ok_and(|mode| mode & 0o100 != 0);
    match (kind, target) {
        // Old archives mark a directory by a slash at the end of its name.
        (EntryType::Directory, _) => to.directory(&path),
        (EntryType::Regular, _) if path.ends_with(b"/") => to.directory(&path),
        (EntryType::Regular | EntryType::Continuous, _) => to.file(&path, executable, entry),
        (EntryType::Symlink, Some(target)) => to.symlink(&path, &target),
        (EntryType::Link, Some(target)) => to.hard_link(&path, &target),
        _ => Err(to.special(&path)),
    }
}

fn bounded(entry: &mut tar::Entry<'_, impl Read>, to: &Unpack<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    entry.take(EXTENSION_BYTES + 1).read_to_end(&mut bytes).map_err(|error| to.damaged(&error))?;
    match bytes.len() as u64 > EXTENSION_BYTES {
        true => Err(to.damaged(&io::Error::other("a name or an attribute is too long"))),
        false => Ok(bytes),
    }
}

fn name(entry: &mut tar::Entry<'_, impl Read>, to: &Unpack<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = bounded(entry, to)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    Ok(bytes)
}

/// `LENGTH KEY=VALUE\n`, again and again.
fn attributes(text: &[u8], extended: &mut Extended, to: &Unpack<'_>) -> Result<(), Fault> {
    let wrong = || to.damaged(&io::Error::other("an extended attribute is not as it should be"));
    let mut rest = text;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let length =
            length.filter(|length| *length > space + 1 && *length <= rest.len()).ok_or_else(wrong)?;
        let (record, after) = rest.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extended.path = Some(value.to_owned()),
            b"linkpath" => extended.target = Some(value.to_owned()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                extended.size = Some(size.ok_or_else(wrong)?);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(to.damaged(&io::Error::other("it holds a sparse file")));
            }
            // Times, owners, comments: not kept.
            _ => {}
        }
        rest = after;
    }
    Ok(())
}
