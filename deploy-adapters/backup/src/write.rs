//! Writing a backup.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use zstd::stream::write::Encoder;

use crate::manifest::{self, hex, is_safe};
use crate::{BackupError, Entry, FORMAT, Manifest};

/// A file to save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the state directory.
    pub path: String,
    /// Where its content is read.
    pub source: PathBuf,
}

type Archive = Builder<Encoder<'static, File>>;

/// Writes a backup. Nothing has the name `to` before it is whole and durable; nothing that has it is replaced.
/// What a crash leaves is `to` with `.partial` behind it; the next backup to the same place removes it.
///
/// # Errors
/// [`BackupError::Exists`]; [`BackupError::Changed`] when a file goes away or changes its size meanwhile;
/// [`BackupError::Io`].
pub fn write(
    to: &Path,
    items: &[Item],
    about: BTreeMap<String, String>,
    not_included: Vec<String>,
) -> Result<Manifest, BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let partial = sibling(to, ".partial");
    let failed = |error: io::Error| BackupError::io(&partial, &error);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let mut encoder = Encoder::new(file.map_err(failed)?, 3).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let mut archive = Builder::new(encoder);
    let mut manifest = Manifest { format: FORMAT.to_owned(), about, not_included, entries: Vec::new() };
    let written = items.iter().try_for_each(|item| {
        manifest.entries.push(add(&mut archive, item, &partial)?);
        Ok(())
    });
    let finished = written.and_then(|()| finish(archive, &manifest).map_err(failed));
    let named = finished.and_then(|()| name(&partial, to));
    if named.is_err() {
        // Half a backup is none. If it can't be removed, the next one does.
        let _ = fs::remove_file(&partial);
    }
    named.map(|()| manifest)
}

/// Adds one file, exactly as many bytes as it had when it was opened.
fn add(archive: &mut Archive, item: &Item, partial: &Path) -> Result<Entry, BackupError> {
    let Item { path, source } = item;
    if !is_safe(path) {
        return Err(BackupError::Unusable { what: format!("{path:?} is no path of a backup") });
    }
    let changed = || BackupError::Changed { path: path.clone() };
    let unreadable = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound { changed() } else { BackupError::io(source, &error) }
    };
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nofollow).open(source).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    let size = found.len();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(found.mode() & 0o777);
    let mut reader = Hashing { inner: file.take(size), hasher: Sha256::new(), read: 0 };
    archive.append_data(&mut header, path, &mut reader).map_err(|error| BackupError::io(partial, &error))?;
    if reader.read != size {
        return Err(changed());
    }
    Ok(Entry { path: path.clone(), size, sha256: hex(&reader.hasher.finalize()) })
}

/// Writes the manifest and makes the file durable.
fn finish(mut archive: Archive, manifest: &Manifest) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(manifest)?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    archive.append_data(&mut header, manifest::NAME, &bytes[..])?;
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()
}

fn name(partial: &Path, to: &Path) -> Result<(), BackupError> {
    match renameat_with(CWD, partial, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => sync_parent(to),
        Err(Errno::EXIST) => Err(BackupError::Exists { path: to.to_owned() }),
        Err(error) => Err(BackupError::io(to, &error.into())),
    }
}

/// Makes the name of a file or directory durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| BackupError::io(parent, &error))
}

/// A path with something added to its last part.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A reader that hashes what goes through it.
pub(crate) struct Hashing<R> {
    pub(crate) inner: R,
    pub(crate) hasher: Sha256,
    pub(crate) read: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.read += read as u64;
        Ok(read)
    }
}
