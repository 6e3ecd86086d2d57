//! Archives: every format, and entries that try to get out.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use deploy_core::cancel::Cancel;
use deploy_core::evidence::{Ask, Evidence, Listing, Text};
use deploy_core::failure::FailureCode;
use deploy_core::plan::SourceSummary;
use deploy_core::port::{Layout, OpenSource, Sources};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::source::Source;
use deploy_core::spec::Profile;
use deploy_source::{Limits, SourceReader};
use tar::{EntryType, Header};
use tempfile::TempDir;

use crate::common::{base, codes, snapshot, tree};

/// An entry as it stands in an archive, whatever it says.
pub(crate) struct Raw<'a> {
    kind: EntryType,
    path: &'a [u8],
    target: &'a [u8],
    mode: u32,
    content: &'a [u8],
}

fn raw<'a>(kind: EntryType, path: &'a str, target: &'a str) -> Raw<'a> {
    Raw { kind, path: path.as_bytes(), target: target.as_bytes(), mode: 0o644, content: b"" }
}

fn file<'a>(path: &'a str, content: &'a str) -> Raw<'a> {
    Raw { content: content.as_bytes(), ..raw(EntryType::Regular, path, "") }
}

fn block(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().div_ceil(512) * 512, 0);
    padded
}

fn header(entry: &Raw<'_>, size: u64) -> Header {
    let mut header = Header::new_ustar();
    let fields = header.as_ustar_mut().unwrap();
    fields.name[..entry.path.len()].copy_from_slice(entry.path);
    fields.linkname[..entry.target.len()].copy_from_slice(entry.target);
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode);
    header.set_size(size);
    header.set_cksum();
    header
}

/// A tar of these entries, without any of a builder's scruples.
pub(crate) fn tarball(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(header(entry, entry.content.len() as u64).as_bytes());
        bytes.extend(block(entry.content));
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn zipped(entries: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, mode, content) in entries {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        match mode & 0o170_000 {
            0o120_000 => zip.add_symlink(*path, *content, options).unwrap(),
            _ => {
                zip.start_file(*path, options).unwrap();
                zip.write_all(content.as_bytes()).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Archives of every format; some hold a link to `outside`, and what would be written through it.
pub(crate) fn samples(outside: &Path) -> Vec<Vec<u8>> {
    let outside = outside.to_str().unwrap();
    let good = tarball(&[
        file("a", "x"),
        raw(EntryType::Directory, "d", ""),
        raw(EntryType::Symlink, "d/l", "../a"),
        raw(EntryType::Link, "h", "a"),
        Raw { content: b"13 path=long\n", ..raw(EntryType::XHeader, "x", "") },
        file("b", "y"),
    ]);
    let bad = tarball(&[raw(EntryType::Symlink, "l", outside), file("l/file", "overwritten")]);
    let zip = zipped(&[("a", 0o100_644, "x"), ("d/b", 0o100_755, "y"), ("l", 0o120_777, "a")]);
    let zstd = zstd::encode_all(good.as_slice(), 1).unwrap();
    vec![gzip(&good), gzip(&bad), zstd, zip, good, bad]
}

struct Packed {
    top: TempDir,
}

impl Packed {
    fn new(bytes: &[u8]) -> Self {
        let top = tree(&[]);
        fs::write(top.path().join("app.tar"), bytes).unwrap();
        Self { top }
    }

    fn path(&self) -> PathBuf {
        self.top.path().join("app.tar")
    }

    fn source(&self) -> Source {
        Source::Archive { path: self.path().to_str().unwrap().to_owned(), digest: None }
    }

    async fn open(&self, profile: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
        SourceReader::default().open(&self.source(), profile).await
    }

    async fn files(&self, profile: &Profile) -> Vec<String> {
        let mut opened = self.open(profile).await.unwrap();
        let mut evidence = Evidence::default();
        opened.look(&[Ask::List(String::new())].into(), &mut evidence).await.unwrap();
        let Listing::Present(entries) = &evidence.listings[""] else { panic!("{evidence:?}") };
        entries.keys().cloned().collect()
    }
}

async fn refused(bytes: &[u8]) -> Reason {
    let reasons = Packed::new(bytes).open(&Profile::default()).await.err();
    let reasons = reasons.unwrap_or_else(|| panic!("it was unpacked"));
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.into_iter().next().unwrap()
}

#[tokio::test]
async fn every_format_is_told_by_its_content() {
    let plain = tarball(&[file("index.html", "page"), file("sub/x", "x")]);
    for bytes in [
        plain.clone(),
        gzip(&plain),
        zstd::encode_all(plain.as_slice(), 3).unwrap(),
        zipped(&[("index.html", 0o100_644, "page"), ("sub/x", 0o100_644, "x")]),
        // A gzip stream may be several.
        [gzip(&plain[..700]), gzip(&plain[700..])].concat(),
    ] {
        let packed = Packed::new(&bytes);
        let mut opened = packed.open(&Profile::default()).await.unwrap();
        let mut evidence = Evidence::default();
        opened.look(&[Ask::Read("index.html".to_owned())].into(), &mut evidence).await.unwrap();
        assert_eq!(evidence.texts["index.html"], Text::Whole("page".to_owned()));
        assert_eq!(
            opened.digest(),
            Some(deploy_core::id::Digest::of(&bytes)),
            "the digest is of the whole file"
        );
        assert_eq!(opened.commit(), None);
    }
    for bytes in [
        &b""[..],
        b"<html>",
        &[0; 1024],
        b"PK\x03\x04",
        &plain[..512],
        &gzip(&plain)[..40],
        b"\x28\xb5\x2f\xfd",
    ] {
        let reason = refused(bytes).await;
        assert_eq!(reason.code, ReasonCode::ArchiveInvalid, "{bytes:?} {reason:?}");
    }
    let missing = Source::Archive { path: "/does/not/exist.tar".to_owned(), digest: None };
    let reasons = SourceReader::default().open(&missing, &Profile::default()).await.err().unwrap();
    assert_eq!(codes(&reasons), [ReasonCode::SourceNotFound]);
}

#[tokio::test]
async fn one_directory_at_the_top_is_the_source_unless_the_base_directory_names_it() {
    let bytes = tarball(&[
        raw(EntryType::XGlobalHeader, "pax_global_header", ""),
        file("app-1.0/a", ""),
        file("app-1.0/b/c", ""),
    ]);
    let packed = Packed::new(&bytes);
    assert_eq!(packed.files(&Profile::default()).await, ["a", "b"]);
    assert_eq!(packed.files(&base("b")).await, ["a", "b"]);
    assert_eq!(packed.files(&base("app-1.0/b")).await, ["app-1.0"]);
    let two = Packed::new(&tarball(&[file("x/a", ""), file("y/a", "")]));
    assert_eq!(two.files(&Profile::default()).await, ["x", "y"]);
    let beside = Packed::new(&tarball(&[file("x/a", ""), file("README", "")]));
    assert_eq!(beside.files(&Profile::default()).await, ["README", "x"]);
}

#[tokio::test]
async fn what_was_planned_is_what_is_checked_out() {
    let packed =
        Packed::new(&tarball(&[file("site/index.html", "planned"), file("x", ""), file(".gitignore", "x")]));
    let source = packed.source();
    let mut summary = SourceSummary::of_source(&source, None);
    summary.digest = packed.open(&Profile::default()).await.unwrap().digest();
    let pinned = source.pinned(&summary);
    let checkout = async |layout| {
        let workspace = tree(&[]);
        let reader = SourceReader::default();
        let made = reader.checkout(&pinned, &base("site"), layout, workspace.path(), &Cancel::new()).await;
        (made, workspace)
    };
    for layout in [Layout::ReadOnly, Layout::Workspace] {
        let (path, _workspace) = checkout(layout).await;
        let path = path.unwrap();
        assert_eq!(fs::read_to_string(path.join("index.html")).unwrap(), "planned");
        assert_eq!(
            path.join("../x").exists(),
            layout == Layout::ReadOnly,
            "ignore files count in a build's copy"
        );
    }
    fs::write(packed.path(), tarball(&[file("site/index.html", "other")])).unwrap();
    let (changed, workspace) = checkout(Layout::Workspace).await;
    assert_eq!(changed.unwrap_err().code, FailureCode::SourceChanged);
    assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn threat_f07_no_entry_gets_out_or_brings_something_strange() {
    let outside = tree(&[("file", "untouched")]);
    let before = snapshot(outside.path());
    let out = outside.path().join("file").to_str().unwrap().to_owned();
    let cases: Vec<(&str, Vec<Raw<'_>>)> = vec![
        ("climbs", vec![file("../x", "")]),
        ("climbs later", vec![file("a/../../x", "")]),
        ("climbs and returns", vec![file("a/../b", "")]),
        ("absolute", vec![file(&out, "x")]),
        ("two slashes", vec![file("//etc/x", "")]),
        ("backslash", vec![file("..\\x", "")]),
        ("windows", vec![file("C:\\x", "")]),
        ("control", vec![file("a\nb", "")]),
        ("absolute link", vec![raw(EntryType::Symlink, "l", &out)]),
        ("link out", vec![raw(EntryType::Symlink, "l", "../x")]),
        ("link out later", vec![raw(EntryType::Symlink, "a/b/l", "../../../x")]),
        (
            "link out by a link",
            vec![raw(EntryType::Symlink, "a/l", ".."), raw(EntryType::Symlink, "m", "a/l/../..")],
        ),
        ("link loop", vec![raw(EntryType::Symlink, "a", "b"), raw(EntryType::Symlink, "b", "a")]),
        ("through a link", vec![raw(EntryType::Symlink, "l", "/tmp"), file("l/x", "")]),
        ("through a link inside", vec![raw(EntryType::Symlink, "l", "d"), file("d/y", ""), file("l/x", "")]),
        ("file then link", vec![file("l", ""), raw(EntryType::Symlink, "l", "x")]),
        ("twice", vec![file("a", "1"), file("a", "2")]),
        ("file as directory", vec![file("a", ""), file("a/b", "")]),
        ("directory as file", vec![file("a/b", ""), file("a", "")]),
        ("hard link out", vec![raw(EntryType::Link, "l", &out)]),
        ("hard link climbs", vec![raw(EntryType::Link, "l", "../x")]),
        ("hard link to nothing", vec![raw(EntryType::Link, "l", "x")]),
        ("hard link to a directory", vec![file("d/x", ""), raw(EntryType::Link, "l", "d")]),
        ("hard link to a link", vec![raw(EntryType::Symlink, "s", "x"), raw(EntryType::Link, "l", "s")]),
        ("device", vec![raw(EntryType::Char, "d", "")]),
        ("disk", vec![raw(EntryType::Block, "d", "")]),
        ("pipe", vec![raw(EntryType::Fifo, "d", "")]),
        ("sparse", vec![raw(EntryType::GNUSparse, "d", "")]),
        ("link to nothing", vec![raw(EntryType::Symlink, "d", "")]),
        ("no name", vec![file("./", "x"), file(".", "x")]),
    ];
    for (what, entries) in cases {
        let reason = refused(&tarball(&entries)).await;
        assert_eq!(reason.code, ReasonCode::UnsafeArchiveEntry, "{what}: {reason:?}");
    }
    let latin = Raw { path: b"caf\xe9", ..file("", "") };
    assert_eq!(refused(&tarball(&[latin])).await.code, ReasonCode::UnsafeArchiveEntry);
    for entries in [
        &[("../x", 0o100_644, "")][..],
        &[("/x", 0o100_644, "")],
        &[("l", 0o120_777, "/etc/passwd")],
        &[("a", 0o100_644, ""), ("a/b", 0o100_644, "")],
    ] {
        assert_eq!(refused(&zipped(entries)).await.code, ReasonCode::UnsafeArchiveEntry, "{entries:?}");
    }
    assert_eq!(snapshot(outside.path()), before);
}

#[tokio::test]
async fn threat_f07_what_is_allowed_keeps_nothing_of_the_archives_powers() {
    let setuid = Raw { mode: 0o6777, ..file("run", "x") };
    let entries = [
        setuid,
        raw(EntryType::Directory, "d", ""),
        file(".git/hooks/post-checkout", "x"),
        file("sub/.GIT/config", "x"),
        raw(EntryType::Link, "hard", "run"),
        raw(EntryType::Symlink, "d/in", "../run"),
        raw(EntryType::Symlink, "later", "made-by-the-build"),
    ];
    let packed = Packed::new(&tarball(&entries));
    let workspace = tree(&[]);
    let reader = SourceReader::default();
    let (source, profile, cancel) = (packed.source(), Profile::default(), Cancel::new());
    let path = reader.checkout(&source, &profile, Layout::ReadOnly, workspace.path(), &cancel).await.unwrap();
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode();
    assert_eq!(mode("run") & 0o7000, 0);
    assert_eq!(fs::read_to_string(path.join("d/in")).unwrap(), "x");
    assert_eq!(fs::read_to_string(path.join("hard")).unwrap(), "x");
    assert!(!path.join(".git").exists() && !path.join("sub/.GIT").exists());
}

#[tokio::test]
async fn threat_f07_headers_that_disagree_or_are_too_long_are_refused() {
    let pax = |records: &str, entry: Raw<'_>| {
        let extension = Raw { content: records.as_bytes(), ..raw(EntryType::XHeader, "x", "") };
        tarball(&[extension, entry])
    };
    let record = format!(" path={}b\n", "a/".repeat(60));
    // The length counts its own three digits.
    let good = format!("{}{record}", record.len() + 3);
    assert_eq!(Packed::new(&pax(&good, file("short", "x"))).files(&Profile::default()).await, ["a"]);
    for records in
        ["10 size=5\n", "22 GNU.sparse.major=1\n", "5 path", "x path=a\n", "99 path=a\n", "9 path\n\n\n"]
    {
        let reason = refused(&pax(records, file("a", "x"))).await;
        assert_eq!(reason.code, ReasonCode::ArchiveInvalid, "{records}: {reason:?}");
    }
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader]
    {
        let name = "x".repeat(1 << 20);
        let entries = [Raw { content: name.as_bytes(), ..raw(kind, "x", "") }, file("a", "")];
        assert_eq!(refused(&tarball(&entries)).await.code, ReasonCode::ArchiveInvalid, "{kind:?}");
    }
    let climbs = Raw { content: b"../../x\0", ..raw(EntryType::GNULongName, "x", "") };
    assert_eq!(refused(&tarball(&[climbs, file("a", "")])).await.code, ReasonCode::UnsafeArchiveEntry);
    let endless = header(&file("a", ""), (1 << 33) - 1);
    assert_eq!(refused(endless.as_bytes()).await.code, ReasonCode::ArchiveInvalid);
}

#[tokio::test]
async fn threat_f18_bombs_are_refused_by_what_comes_out() {
    // 512 MiB of zeros, packed to less than one.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(header(&file("zeros", ""), 512 << 20).as_bytes()).unwrap();
    (0..512).for_each(|_| packed.write_all(&vec![0; 1 << 20]).unwrap());
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    assert_eq!(refused(&packed).await.code, ReasonCode::ArchiveTooLarge);

    let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let many = tarball(&many.iter().map(|name| file(name, "")).collect::<Vec<_>>());
    let deep = tarball(&[file(&"d/".repeat(45), "")]);
    for (bytes, limits) in [
        (&many, Limits { entries: 999, ..Limits::default() }),
        (&deep, Limits { depth: 40, ..Limits::default() }),
        (&many, Limits { fetch_bytes: 1000, ..Limits::default() }),
        (&tarball(&[file("a", "12345"), file("b", "12345")]), Limits { copy_bytes: 9, ..Limits::default() }),
    ] {
        let packed = Packed::new(bytes);
        let reader = SourceReader::new(limits.clone());
        let reasons = reader.open(&packed.source(), &Profile::default()).await.err().unwrap();
        assert_eq!(codes(&reasons), [ReasonCode::ArchiveTooLarge], "{limits:?}");
    }
    let mut zip = zipped(&[("a", 0o100_644, "x")]);
    let end = zip.len() - 22;
    // More entries than there are: more than a reader should make room for.
    zip[end + 8..end + 12].copy_from_slice(&[0xff; 4]);
    assert_eq!(refused(&zip).await.code, ReasonCode::ArchiveInvalid);
}

#[tokio::test]
async fn nothing_stays_when_an_opened_archive_is_dropped() {
    let ours = || {
        let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| holds(path, "of-this-test-alone")).collect::<Vec<_>>()
    };
    let packed = Packed::new(&tarball(&[file("of-this-test-alone", ""), file("x", "")]));
    let opened = packed.open(&Profile::default()).await.unwrap();
    assert_eq!(ours().len(), 1);
    drop(opened);
    assert_eq!(ours(), Vec::<PathBuf>::new());
}

fn holds(place: &Path, name: &str) -> bool {
    place.join("tree").join(name).exists()
}
