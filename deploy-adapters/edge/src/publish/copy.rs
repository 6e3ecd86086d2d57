//! Reading every source file once: hashing it, and linking or copying it into the staging directory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags, openat};
use sha2::{Digest as _, Sha256};

use super::reuse::Reuse;
use super::scan::{Scan, SourceFile};
use super::stage::Staging;
use super::{Progress, PublishError, PublishRequest};
use crate::beneath;
use crate::digest::ContentHash;
use crate::manifest::FileEntry;

/// Files up to this many bytes are read whole before anything is written.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Threads at most; more only compete for the disk.
const MAX_THREADS: usize = 4;

/// Files between two progress reports.
const PROGRESS_EVERY: u64 = 64;

/// What was copied.
pub(super) struct Copied {
    pub(super) files: Vec<FileEntry>,
    pub(super) reused: u64,
}

/// One copying pass, shared by its threads.
pub(super) struct Copier<'a> {
    request: &'a PublishRequest<'a>,
    scan: &'a Scan,
    staging: &'a Staging,
    reuse: Reuse,
    next: AtomicUsize,
    bytes: AtomicU64,
    done: AtomicU64,
    reused: AtomicU64,
    failed: AtomicBool,
    error: Mutex<Option<PublishError>>,
}

impl<'a> Copier<'a> {
    /// Prepares the staging directory for the files of `scan`.
    pub(super) fn new(
        request: &'a PublishRequest<'a>,
        scan: &'a Scan,
        staging: &'a Staging,
    ) -> Result<Self, PublishError> {
        staging.make_dirs(&scan.dirs)?;
        Ok(Self {
            request,
            scan,
            staging,
            reuse: Reuse::load(request.releases, request.reuse_from),
            next: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            done: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
        })
    }

    /// Copies everything. The first error stops all threads and is returned.
    pub(super) fn run(self) -> Result<Copied, PublishError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(MAX_THREADS).min(self.scan.files.len()).max(1);
        let files = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.work())).collect();
            let mut files = Vec::with_capacity(self.scan.files.len());
            for worker in workers {
                match worker.join() {
                    Ok(mut part) => files.append(&mut part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            files
        });
        self.report_progress();
        let error = self.error.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match error {
            Some(error) => Err(error),
            None => Ok(Copied { files, reused: self.reused.into_inner() }),
        }
    }

    fn work(&self) -> Vec<FileEntry> {
        let mut entries = Vec::new();
        let mut buffer = Vec::new();
        while !self.failed.load(Ordering::Relaxed) {
            let Some(file) = self.scan.files.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match self.place(file, &mut buffer) {
                Ok(entry) => entries.push(entry),
                Err(error) => self.fail(error),
            }
            if self.done.fetch_add(1, Ordering::Relaxed) % PROGRESS_EVERY == PROGRESS_EVERY - 1 {
                self.report_progress();
            }
        }
        entries
    }

    fn fail(&self, error: PublishError) {
        self.failed.store(true, Ordering::Relaxed);
        let mut first = self.error.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        first.get_or_insert(error);
    }

    fn report_progress(&self) {
        if let Some(report) = self.request.progress {
            report(Progress {
                files: self.done.load(Ordering::Relaxed),
                files_total: self.scan.files.len() as u64,
                bytes: self.bytes.load(Ordering::Relaxed),
            });
        }
    }

    /// Puts one file into the staging directory.
    fn place(&self, file: &SourceFile, buffer: &mut Vec<u8>) -> Result<FileEntry, PublishError> {
        let reading = |error: io::Error| PublishError::reading(&file.path, &error);
        let (mut source, size) = beneath::open_file(&self.scan.root, &file.real).map_err(reading)?;
        let whole = self.fill(&mut source, buffer, &file.path)?;
        if whole {
            return self.place_small(file, buffer);
        }
        if self.reuse.has_size(size) {
            let (sha256, size) = self.pass(&mut source, buffer, &file.path, |_| Ok(()))?;
            if self.link(sha256, size, &file.path) {
                return Ok(entry(file, size, sha256));
            }
            source.seek(SeekFrom::Start(0)).map_err(reading)?;
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            self.fill(&mut source, buffer, &file.path)?;
        }
        let mut target = self.create(&file.path)?;
        let (sha256, size) = self.pass(&mut source, buffer, &file.path, |chunk| target.write_all(chunk))?;
        Ok(entry(file, size, sha256))
    }

    fn place_small(&self, file: &SourceFile, content: &[u8]) -> Result<FileEntry, PublishError> {
        let (sha256, size) = (ContentHash::of(content), content.len() as u64);
        if !self.link(sha256, size, &file.path) {
            let written = self.create(&file.path)?.write_all(content);
            written.map_err(|e| PublishError::writing("write a release file", &e))?;
        }
        Ok(entry(file, size, sha256))
    }

    fn link(&self, sha256: ContentHash, size: u64, path: &str) -> bool {
        let linked = self.reuse.link(sha256, size, &self.staging.files, path);
        self.reused.fetch_add(u64::from(linked), Ordering::Relaxed);
        linked
    }

    /// Feeds the filled buffer and then the rest of `source` to a hasher and to `write`.
    fn pass(
        &self,
        source: &mut File,
        buffer: &mut Vec<u8>,
        path: &str,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(ContentHash, u64), PublishError> {
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            hasher.update(&*buffer);
            write(buffer).map_err(|e| PublishError::writing("write a release file", &e))?;
            size += buffer.len() as u64;
            if buffer.len() < BUFFER_BYTES {
                return Ok((ContentHash::finish(hasher), size));
            }
            self.fill(source, buffer, path)?;
        }
    }

    /// Reads up to [`BUFFER_BYTES`] into `buffer`; `true` if the file ended before the buffer was full.
    fn fill(&self, source: &mut File, buffer: &mut Vec<u8>, path: &str) -> Result<bool, PublishError> {
        if self.request.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(PublishError::Cancelled);
        }
        buffer.clear();
        let read = source.take(BUFFER_BYTES as u64).read_to_end(buffer);
        let read = read.map_err(|e| PublishError::reading(path, &e))? as u64;
        let limit = self.request.limits.bytes;
        if self.bytes.fetch_add(read, Ordering::Relaxed) + read > limit {
            return Err(PublishError::TooLarge { limit });
        }
        Ok(buffer.len() < BUFFER_BYTES)
    }

    /// Creates a file that is read-only for everyone but this handle.
    fn create(&self, path: &str) -> Result<File, PublishError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.staging.files, path, flags, Mode::from_raw_mode(0o444))
            .map(File::from)
            .map_err(|e| PublishError::writing("create a release file", &e.into()))
    }
}

fn entry(file: &SourceFile, size: u64, sha256: ContentHash) -> FileEntry {
    FileEntry { path: file.path.clone(), size, sha256 }
}
