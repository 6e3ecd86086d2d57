//! File content in memory: a cache with a byte budget, shared by all releases and keyed by content, so that what two
//! releases have in common survives a switch.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;

use crate::beneath;
use crate::digest::ContentHash;
use crate::limits::Limits;
use crate::site::{Entry, FoundFile, Site};

/// Bookkeeping bytes an entry costs besides its content.
const ENTRY_OVERHEAD: u64 = 256;

/// Level 6 is gzip's own default; higher ones cost much more time for little.
const GZIP_LEVEL: u32 = 6;

/// Reads file content, keeping small files in memory.
#[derive(Debug)]
pub(crate) struct Content {
    cache: Cache<Key, Cached, Weight>,
    disk: Semaphore,
    max_cached: u64,
    compress_min: u64,
}

/// Content that can be sent.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it.
    Bytes(Bytes),
    /// An open file of the expected size.
    File(File),
}

/// The content is not what the release promised, or cannot be read; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentError {
    /// The file was changed, replaced or removed after publishing.
    #[error("{0}")]
    Damaged(String),
    /// The system is out of something for now.
    #[error("{0}")]
    Unavailable(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    content: ContentHash,
    gzipped: bool,
}

/// `None` records that compressing does not make it smaller.
type Cached = Option<Bytes>;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Key, Cached> for Weight {
    fn weight(&self, _: &Key, cached: &Cached) -> u64 {
        ENTRY_OVERHEAD + cached.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }
}

impl Content {
    pub(crate) fn new(limits: &Limits) -> Self {
        let options = OptionsBuilder::new()
            // Few, so that the largest cached file fits a shard's part of the budget.
            .shards(2)
            .estimated_items_capacity(1024)
            .weight_capacity(limits.cache_bytes)
            .build()
            .expect("capacity and estimate are both given");
        Self {
            cache: Cache::with_options(
                options,
                Weight,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            disk: Semaphore::new(limits.disk_reads),
            max_cached: limits.cached_file_bytes,
            compress_min: limits.compress_min_bytes,
        }
    }

    /// Whether a file may be compressed on the fly.
    pub(crate) fn can_gzip(&self, entry: &Entry) -> bool {
        entry.compressible && (self.compress_min..=self.max_cached).contains(&entry.size)
    }

    /// The bytes of a file. What is kept in memory has been checked against its hash: the cache is shared between
    /// sites, so a damaged file of one must never answer for another. A larger file is only checked for its size.
    pub(crate) async fn plain(&self, site: &Site, file: FoundFile<'_>) -> Result<Payload, ContentError> {
        if file.entry.size > self.max_cached {
            let (files, path, size) = (Arc::clone(&site.files), file.path.to_owned(), file.entry.size);
            return self.on_disk(move || open(&files, &path, size).map(Payload::File)).await;
        }
        self.small(site, file).await.map(Payload::Bytes)
    }

    /// The gzip form of a file for which [`Self::can_gzip`] holds, or `None` if that would not be smaller.
    pub(crate) async fn gzipped(
        &self,
        site: &Site,
        file: FoundFile<'_>,
    ) -> Result<Option<Bytes>, ContentError> {
        let key = Key { content: file.entry.content, gzipped: true };
        if let Some(cached) = self.cache.get(&key) {
            return Ok(cached);
        }
        let compress = async {
            let plain = self.small(site, file).await?;
            self.on_disk(move || Ok(gzip(&plain))).await
        };
        self.cache.get_or_insert_async(&key, compress).await
    }

    async fn small(&self, site: &Site, file: FoundFile<'_>) -> Result<Bytes, ContentError> {
        let key = Key { content: file.entry.content, gzipped: false };
        if let Some(Some(bytes)) = self.cache.get(&key) {
            return Ok(bytes);
        }
        let read = async {
            let (files, path, entry) =
                (Arc::clone(&site.files), file.path.to_owned(), (file.entry.size, key.content));
            self.on_disk(move || read_checked(&files, &path, entry.0, entry.1).map(Some)).await
        };
        let bytes = self.cache.get_or_insert_async(&key, read).await?;
        Ok(bytes.unwrap_or_default())
    }

    /// Runs blocking work, a bounded number at once.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
    ) -> Result<T, ContentError> {
        let unavailable = |e: &dyn std::error::Error| ContentError::Unavailable(e.to_string());
        let _permit = self.disk.acquire().await.map_err(|e| unavailable(&e))?;
        tokio::task::spawn_blocking(work).await.map_err(|e| unavailable(&e))?
    }
}

fn open(files: &std::os::fd::OwnedFd, path: &str, size: u64) -> Result<File, ContentError> {
    let (file, found) = beneath::open_file(files, path).map_err(|error| {
        let text = format!("{path:?}: {error}");
        if beneath::is_swapped(&error) || error.kind() == io::ErrorKind::NotFound {
            ContentError::Damaged(text)
        } else {
            ContentError::Unavailable(text)
        }
    })?;
    if found != size {
        return Err(ContentError::Damaged(format!("{path:?}: {found} bytes instead of {size}")));
    }
    Ok(file)
}

fn read_checked(
    files: &std::os::fd::OwnedFd,
    path: &str,
    size: u64,
    content: ContentHash,
) -> Result<Bytes, ContentError> {
    let file = open(files, path, size)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(size)
        .read_to_end(&mut bytes)
        .map_err(|e| ContentError::Unavailable(format!("{path:?}: {e}")))?;
    if ContentHash::of(&bytes) != content {
        return Err(ContentError::Damaged(format!("{path:?}: the content has changed")));
    }
    Ok(bytes.into())
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(plain).ok()?;
    let zipped = encoder.finish().ok()?;
    (zipped.len() < plain.len()).then(|| zipped.into())
}
