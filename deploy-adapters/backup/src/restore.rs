//! Proving a backup whole, and unpacking it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::syncfs;
use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType};
use zstd::stream::read::Decoder;

use crate::manifest::{self, hex, is_safe};
use crate::write::{Hashing, sibling, sync_parent};
use crate::{BackupError, Entry, Manifest};

/// What is done with a file of the archive: its path, its mode, its content.
type Each<'a> = dyn FnMut(&str, u32, &mut dyn Read) -> io::Result<()> + 'a;

/// Reads a backup to its end and compares everything with its manifest. Writes nothing.
///
/// # Errors
/// [`BackupError::Damaged`] naming the first thing that is not as it was written; [`BackupError::Format`];
/// [`BackupError::Io`].
pub fn verify(backup: &Path) -> Result<Manifest, BackupError> {
    walk(backup, &mut |_, _, content| io::copy(content, &mut io::sink()).map(drop))
}

/// Restores a backup into `directory`, which must be empty or not there. `check` looks at what was unpacked, in
/// a directory beside it, before it gets its name; what it says no to is not restored.
///
/// What a crash leaves is `directory` with `.restoring` behind it; the next restore to the same place removes it.
///
/// # Errors
/// As [`verify`]; [`BackupError::NotEmpty`]; [`BackupError::Unusable`] with what `check` said.
pub fn restore(
    backup: &Path,
    directory: &Path,
    check: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Manifest, BackupError> {
    must_be_empty(directory)?;
    let manifest = verify(backup)?;
    let staged = sibling(directory, ".restoring");
    remove_tree(&staged)?;
    let unpacked = unpack(backup, &manifest, &staged)
        .and_then(|()| check(&staged).map_err(|what| BackupError::Unusable { what }))
        .and_then(|()| settle(&staged, directory));
    if unpacked.is_err() {
        // If it can't be removed, the next one does.
        let _ = remove_tree(&staged);
    }
    unpacked.map(|()| manifest)
}

fn must_be_empty(directory: &Path) -> Result<(), BackupError> {
    match fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::NotEmpty { path: directory.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::io(directory, &error)),
    }
}

fn unpack(backup: &Path, verified: &Manifest, staged: &Path) -> Result<(), BackupError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(staged).map_err(|error| BackupError::io(staged, &error))?;
    let manifest = walk(backup, &mut |path, mode, content| {
        let to = staged.join(path);
        builder.create(to.parent().unwrap_or(staged))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        io::copy(content, &mut file)?;
        file.set_permissions(Permissions::from_mode(mode))
    })?;
    if manifest != *verified {
        return Err(BackupError::damaged("it changed while it was being restored"));
    }
    let root = File::open(staged).map_err(|error| BackupError::io(staged, &error))?;
    syncfs(&root).map_err(|error| BackupError::io(staged, &error.into()))
}

/// Gives what was unpacked its name. A directory that is not empty any more stops the rename by itself.
fn settle(staged: &Path, directory: &Path) -> Result<(), BackupError> {
    fs::rename(staged, directory).map_err(|error| {
        if error.kind() == io::ErrorKind::DirectoryNotEmpty {
            BackupError::NotEmpty { path: directory.to_owned() }
        } else {
            BackupError::io(directory, &error)
        }
    })?;
    sync_parent(directory)
}

/// Reads an archive to its end, hands every file on, and compares it with the manifest behind them.
fn walk(backup: &Path, each: &mut Each<'_>) -> Result<Manifest, BackupError> {
    let file = File::open(backup).map_err(|error| BackupError::io(backup, &error))?;
    let mut archive = Archive::new(Decoder::new(file).map_err(BackupError::damaged)?);
    let (mut seen, mut paths) = (Vec::new(), BTreeSet::new());
    let mut found = None;
    for entry in archive.entries().map_err(BackupError::damaged)? {
        let mut entry = entry.map_err(BackupError::damaged)?;
        let path = String::from_utf8(entry.path_bytes().into_owned()).map_err(BackupError::damaged)?;
        if found.is_some() || entry.header().entry_type() != EntryType::Regular {
            return Err(BackupError::damaged(format!("{path:?} does not belong there")));
        }
        if path == manifest::NAME {
            found = Some(Manifest::read(&small(&mut entry)?)?);
            continue;
        }
        if !is_safe(&path) || !paths.insert(path.clone()) {
            return Err(BackupError::damaged(format!("{path:?} is no path of a backup")));
        }
        let mode = entry.header().mode().map_err(BackupError::damaged)? & 0o777;
        seen.push(one(path, mode, &mut entry, each)?);
    }
    // The rest of the stream: behind it stands the checksum of all.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(BackupError::damaged)?;
    let manifest = found.ok_or_else(|| BackupError::damaged("it ends before its manifest"))?;
    compare(&seen, &manifest.entries)?;
    Ok(manifest)
}

fn one(path: String, mode: u32, content: &mut dyn Read, each: &mut Each<'_>) -> Result<Entry, BackupError> {
    let mut reader = Hashing { inner: content, hasher: Sha256::new(), read: 0 };
    each(&path, mode, &mut reader).map_err(|error| BackupError::damaged(format!("{path:?}: {error}")))?;
    Ok(Entry { path, size: reader.read, sha256: hex(&reader.hasher.finalize()) })
}

fn small(entry: &mut impl Read) -> Result<Vec<u8>, BackupError> {
    let mut bytes = Vec::new();
    entry.take(manifest::BYTES).read_to_end(&mut bytes).map_err(BackupError::damaged)?;
    Ok(bytes)
}

fn compare(seen: &[Entry], stated: &[Entry]) -> Result<(), BackupError> {
    let differs = seen.iter().zip(stated).find(|(seen, stated)| seen != stated);
    if let Some((seen, _)) = differs {
        return Err(BackupError::damaged(format!("{:?} is not what was saved", seen.path)));
    }
    if seen.len() != stated.len() {
        return Err(BackupError::damaged(format!("{} files instead of {}", seen.len(), stated.len())));
    }
    Ok(())
}

fn remove_tree(directory: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::io(directory, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
