//! Finding files of earlier releases that have the content being published.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, linkat, statat, unlinkat};

use crate::digest::{ContentHash, Digest};
use crate::release::{self, FILES_DIR};

/// The files of some earlier releases, by content.
#[derive(Default)]
pub(super) struct Reuse {
    dirs: Vec<OwnedFd>,
    by_content: HashMap<(ContentHash, u64), (usize, String)>,
    sizes: HashSet<u64>,
}

impl Reuse {
    /// Reads the manifests of `digests`; a release that cannot be read is left out.
    pub(super) fn load(releases: &Path, digests: &[Digest]) -> Self {
        let mut reuse = Self::default();
        for digest in digests {
            let Ok(manifest) = release::read_manifest(releases, digest) else {
                continue;
            };
            let Ok(dir) = crate::beneath::anchor(&release::dir(releases, digest).join(FILES_DIR)) else {
                continue;
            };
            for file in manifest.files {
                reuse.sizes.insert(file.size);
                let place = (reuse.dirs.len(), file.path);
                reuse.by_content.insert((file.sha256, file.size), place);
            }
            reuse.dirs.push(dir);
        }
        reuse
    }

    /// Whether any earlier file has this size, so that hashing before copying may save the copy.
    pub(super) fn has_size(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }

    /// Links an earlier file with this content as `path` in `into`. `false` if there is none or it cannot be linked
    /// (for instance because it has too many links already): the caller then copies.
    ///
    /// Only type and size of the earlier file are checked. Should its bytes be damaged, the server notices when it
    /// loads them and a deep verification names it.
    pub(super) fn link(&self, content: ContentHash, size: u64, into: impl AsFd, path: &str) -> bool {
        let Some((dir, earlier)) = self.by_content.get(&(content, size)) else {
            return false;
        };
        if linkat(&self.dirs[*dir], earlier.as_str(), &into, path, AtFlags::empty()).is_err() {
            return false;
        }
        let intact = statat(&into, path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && u64::try_from(stat.st_size) == Ok(size)
        });
        if !intact {
            // If this fails the copy that follows fails too, on the name that is taken.
            let _ = unlinkat(&into, path, AtFlags::empty());
        }
        intact
    }
}
