//! The build's context: the source as a stream of tar, the same bytes for the same files.

use std::collections::BTreeMap;
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::ignore::Ignore;

/// How much is sent at a time, and how many of those wait for the engine.
const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS: usize = 16;
/// The time every file seems to be of: 2000-01-01. A copy's own times differ from build to build.
const MTIME: u64 = 946_684_800;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Context {
    /// The directory.
    pub(crate) root: PathBuf,
    /// What is left out of it.
    pub(crate) ignore: Ignore,
    /// Files that are sent whatever the ignore file says.
    pub(crate) always: Vec<String>,
    /// Files that are not in the directory, by path; they win over what is.
    pub(crate) added: BTreeMap<String, String>,
    /// Files of this machine that are sent beside the directory, by path.
    pub(crate) beside: BTreeMap<String, PathBuf>,
}

/// What comes of a stream.
pub(crate) type Chunks = mpsc::Receiver<io::Result<Bytes>>;

impl Context {
    /// Starts sending. An error of reading ends the stream with it.
    pub(crate) fn stream(self) -> Chunks {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        tokio::task::spawn_blocking(move || {
            let mut sink = Sink { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK_BYTES) };
            if let Err(error) = self.write(&mut sink) {
                // Nobody listens any more: the build has ended.
                let _ = sender.blocking_send(Err(error));
            }
        });
        chunks
    }

    fn write(&self, sink: &mut impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(sink);
        tar.mode(tar::HeaderMode::Deterministic);
        self.directory(&mut tar, "")?;
        for (path, text) in &self.added {
            let mut header = header(tar::EntryType::Regular, 0o644);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path, text.as_bytes())?;
        }
        for (path, full) in &self.beside {
            file(&mut tar, path, full)?;
        }
        tar.into_inner()?.flush()
    }

    fn directory(&self, tar: &mut tar::Builder<impl Write>, path: &str) -> io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(self.root.join(path))?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| io::Error::other(format!("{name:?} is not UTF-8")))?;
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            self.entry(tar, &path, entry.file_type()?)?;
        }
        Ok(())
    }

    fn entry(&self, tar: &mut tar::Builder<impl Write>, path: &str, kind: FileType) -> io::Result<()> {
        let inside = |file: &String| file == path || file.starts_with(&format!("{path}/"));
        let wanted = self.always.iter().any(inside);
        let excluded = self.ignore.excludes(path) && !wanted;
        if self.added.contains_key(path) {
            return Ok(());
        }
        if kind.is_dir() {
            if !excluded {
                let mut header = header(tar::EntryType::Directory, 0o755);
                tar.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            return if excluded && !self.ignore.has_exceptions() {
                Ok(())
            } else {
                self.directory(tar, path)
            };
        }
        if excluded {
            return Ok(());
        }
        let full = self.root.join(path);
        if kind.is_symlink() {
            let mut header = header(tar::EntryType::Symlink, 0o777);
            return tar.append_link(&mut header, path, fs::read_link(full)?);
        }
        if kind.is_file() { file(tar, path, &full) } else { Ok(()) }
    }
}

fn file(tar: &mut tar::Builder<impl Write>, path: &str, full: &Path) -> io::Result<()> {
    let file = File::open(full)?;
    let metadata = file.metadata()?;
    let mut header = header(tar::EntryType::Regular, if is_executable(&metadata) { 0o755 } else { 0o644 });
    header.set_size(metadata.len());
    tar.append_data(&mut header, path, io::Read::take(file, metadata.len()))
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(MTIME);
    header.set_size(0);
    header
}

/// Sends what is written, a chunk at a time.
struct Sink {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn context(root: &Path, ignore: &str) -> Context {
        Context {
            root: root.to_owned(),
            ignore: Ignore::parse(ignore).expect("patterns"),
            always: Vec::new(),
            added: BTreeMap::new(),
            beside: BTreeMap::new(),
        }
    }

    fn written(context: &Context) -> Vec<u8> {
        let mut bytes = Vec::new();
        context.write(&mut bytes).expect("a tar");
        bytes
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().expect("entries");
        entries.map(|entry| entry.expect("an entry").path().expect("a path").display().to_string()).collect()
    }

    fn source() -> tempfile::TempDir {
        let source = tempfile::tempdir().expect("a directory");
        for (path, text) in [("Dockerfile", "FROM x"), ("a/b.txt", "b"), ("a/c.txt", "c"), ("z", "z")] {
            let path = source.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        source
    }

    #[test]
    fn the_same_files_give_the_same_bytes_whenever_they_were_written() {
        let (one, other) = (source(), source());
        let file = File::options().write(true).open(other.path().join("z")).expect("a file");
        file.set_modified(std::time::UNIX_EPOCH).expect("a time");
        assert_eq!(written(&context(one.path(), "")), written(&context(other.path(), "")));
    }

    #[test]
    fn what_is_ignored_is_not_sent_but_for_what_is_always_sent() {
        let source = source();
        let mut context = context(source.path(), "a\nDockerfile\n!a/c.txt");
        assert_eq!(names(&written(&context)), ["a/c.txt", "z"]);
        context.always = vec!["Dockerfile".to_owned()];
        assert_eq!(names(&written(&context)), ["Dockerfile", "a/c.txt", "z"]);
    }

    #[test]
    fn an_added_file_wins_over_one_of_the_source() {
        let source = source();
        let mut context = context(source.path(), "");
        context.added.insert("z".to_owned(), "ours".to_owned());
        let bytes = written(&context);
        let mut archive = tar::Archive::new(&*bytes);
        let mut texts = Vec::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            if entry.path().expect("a path").as_ref() == Path::new("z") {
                let mut text = String::new();
                entry.read_to_string(&mut text).expect("a text");
                texts.push(text);
            }
        }
        assert_eq!(texts, ["ours"]);
    }
}
