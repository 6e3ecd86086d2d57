//! Publishing: what goes in, what is refused, and that a failure leaves nothing behind.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use deploy_edge::publish::PublishLimits;
use deploy_edge::{
    Depth, PublishError, PublishRequest, Published, publish, remove_release, sweep_staging, verify_release,
};
use tempfile::TempDir;

use crate::harness::{noise, write_files};

struct Bench {
    source: TempDir,
    state: TempDir,
}

impl Bench {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let temporary = || tempfile::tempdir().expect("temporary directory");
        let bench = Self { source: temporary(), state: temporary() };
        write_files(bench.source.path(), files);
        bench
    }

    fn releases(&self) -> &Path {
        self.state.path()
    }

    fn request(&self) -> PublishRequest<'_> {
        PublishRequest::new(self.source.path(), self.releases(), "attempt-1")
    }

    fn publish(&self) -> Result<Published, PublishError> {
        publish(&self.request())
    }

    fn paths(&self) -> Vec<String> {
        let published = self.publish().expect("publish");
        let manifest =
            verify_release(self.releases(), &published.digest, Depth::Content).expect("an intact release");
        manifest.files.into_iter().map(|file| file.path).collect()
    }

    /// Publishing fails, and nothing is left of it.
    fn refused(&self, request: &PublishRequest<'_>) -> PublishError {
        let error = publish(request).expect_err("must be refused");
        let left: Vec<_> = fs::read_dir(self.releases()).expect("list").collect();
        assert!(left.is_empty(), "{left:?}");
        error
    }
}

#[test]
fn a_directory_becomes_a_read_only_release() {
    let bench = Bench::new(&[("index.html", b"hello"), ("a/b/c.txt", b"deep"), ("empty", b"")]);
    let published = bench.publish().unwrap();
    assert_eq!((published.files, published.bytes, published.reused_files), (3, 9, 0));
    assert_eq!(bench.paths(), ["a/b/c.txt", "empty", "index.html"]);
    let file = bench.releases().join(published.digest.dir_name()).join("files/a/b/c.txt");
    assert_eq!(fs::read(&file).unwrap(), b"deep");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o444);
}

#[test]
fn publishing_is_idempotent_and_named_by_content_alone() {
    let bench = Bench::new(&[("x", b"1"), ("y", b"2")]);
    let first = bench.publish().unwrap();
    let again = bench.publish().unwrap();
    assert_eq!((again.digest, first.already_there, again.already_there), (first.digest, false, true));
    let other = Bench::new(&[("y", b"2"), ("x", b"1")]);
    assert_eq!(other.publish().unwrap().digest, first.digest);
    fs::write(bench.source.path().join("x"), "3").unwrap();
    assert_ne!(bench.publish().unwrap().digest, first.digest);
}

#[test]
fn a_damaged_release_is_repaired_by_publishing_again() {
    let bench = Bench::new(&[("x", b"content")]);
    let digest = bench.publish().unwrap().digest;
    let file = bench.releases().join(digest.dir_name()).join("files/x");
    fs::remove_file(&file).unwrap();
    assert_eq!(
        verify_release(bench.releases(), &digest, Depth::Sizes).unwrap_err().code(),
        "artifact_damaged"
    );
    assert!(!bench.publish().unwrap().already_there);
    verify_release(bench.releases(), &digest, Depth::Content).unwrap();
    assert_eq!(fs::read_dir(bench.releases()).unwrap().count(), 1, "the damaged one is gone");
}

#[test]
fn verification_goes_as_deep_as_asked() {
    let bench = Bench::new(&[("x", b"content")]);
    let digest = bench.publish().unwrap().digest;
    let file = bench.releases().join(digest.dir_name()).join("files/x");
    fs::remove_file(&file).unwrap();
    fs::write(&file, b"CONTENT").unwrap();
    verify_release(bench.releases(), &digest, Depth::Sizes).expect("the size is right");
    let error = verify_release(bench.releases(), &digest, Depth::Content).unwrap_err();
    assert!(error.to_string().contains("\"x\""), "{error}");
    remove_release(bench.releases(), &digest).unwrap();
    remove_release(bench.releases(), &digest).expect("removing twice is fine");
    assert_eq!(
        verify_release(bench.releases(), &digest, Depth::Sizes).unwrap_err().code(),
        "artifact_missing"
    );
}

#[test]
fn identical_files_of_an_earlier_release_are_linked() {
    let big = noise(3 * 1024 * 1024, 1);
    let bench = Bench::new(&[("same", b"same"), ("big", &big), ("moved/old", b"moved"), ("changed", b"1")]);
    let first = bench.publish().unwrap().digest;
    fs::rename(bench.source.path().join("moved/old"), bench.source.path().join("moved/new")).unwrap();
    fs::write(bench.source.path().join("changed"), "2").unwrap();
    let reuse = [first, deploy_edge::Digest::of(b"a release that is gone")];
    let second = publish(&PublishRequest { reuse_from: &reuse, ..bench.request() }).unwrap();
    assert_eq!(second.reused_files, 3);
    verify_release(bench.releases(), &second.digest, Depth::Content).unwrap();
    let inode = |digest: &deploy_edge::Digest, path| {
        fs::metadata(bench.releases().join(digest.dir_name()).join("files").join(path)).unwrap().ino()
    };
    assert_eq!(inode(&first, "big"), inode(&second.digest, "big"));
    remove_release(bench.releases(), &first).unwrap();
    verify_release(bench.releases(), &second.digest, Depth::Content).expect("each release stands on its own");
}

#[test]
fn dotfiles_are_left_out_except_well_known() {
    let bench = Bench::new(&[
        ("index.html", b""),
        (".env", b"secret"),
        (".git/config", b"secret"),
        ("a/.htpasswd", b"secret"),
        (".well-known/acme", b""),
        ("a/.well-known/x", b""),
        (".well-known/.hidden", b"secret"),
    ]);
    assert_eq!(bench.paths(), [".well-known/acme", "a/.well-known/x", "index.html"]);
}

#[test]
fn links_inside_the_source_are_followed_and_copied() {
    let bench = Bench::new(&[("real/a.txt", b"A"), ("real/sub/b.txt", b"B")]);
    let root = bench.source.path();
    symlink("real/a.txt", root.join("relative.txt")).unwrap();
    symlink(root.canonicalize().unwrap().join("real"), root.join("absolute")).unwrap();
    symlink("../relative.txt", root.join("real/chain.txt")).unwrap();
    let paths = bench.paths();
    let expected = [
        "absolute/a.txt",
        "absolute/chain.txt",
        "absolute/sub/b.txt",
        "real/a.txt",
        "real/chain.txt",
        "real/sub/b.txt",
        "relative.txt",
    ];
    assert_eq!(paths, expected);
    let digest = bench.publish().unwrap().digest;
    let copy = bench.releases().join(digest.dir_name()).join("files/absolute/a.txt");
    assert!(fs::symlink_metadata(copy).unwrap().is_file());
}

#[test]
fn threat_f09_links_that_lead_out_dangle_or_loop_are_refused_by_name() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let sibling = |bench: &Bench| format!("{}-evil", bench.source.path().canonicalize().unwrap().display());
    let cases: &[(&str, &str, &str)] = &[
        ("/etc/passwd", "x", "link_outside_root"),
        ("/", "x", "link_outside_root"),
        ("..", "x", "link_outside_root"),
        ("../../../../etc", "d/x", "link_outside_root"),
        ("nothing", "x", "link_broken"),
        ("index.html/x", "x", "link_broken"),
        ("x", "x", "link_loop"),
        (".", "x", "link_loop"),
        ("..", "d/x", "link_loop"),
        ("../d", "d/x", "link_loop"),
    ];
    for (target, link, code) in cases {
        let bench = Bench::new(&[("index.html", b""), ("d/f", b"")]);
        symlink(target, bench.source.path().join(link)).unwrap();
        let error = bench.refused(&bench.request());
        assert_eq!(error.code(), *code, "{target}");
        assert!(error.to_string().contains(link), "{error}");
        assert!(!error.remedy().is_empty());
    }
    // A directory whose name merely begins like the root is outside.
    let bench = Bench::new(&[("index.html", b"")]);
    fs::create_dir(sibling(&bench)).unwrap();
    symlink(sibling(&bench), bench.source.path().join("x")).unwrap();
    assert_eq!(bench.refused(&bench.request()).code(), "link_outside_root");
    fs::remove_dir(sibling(&bench)).unwrap();
}

#[test]
fn mutual_directory_links_end_as_a_loop() {
    let bench = Bench::new(&[("a/f", b""), ("b/f", b"")]);
    symlink("../b", bench.source.path().join("a/to-b")).unwrap();
    symlink("../a", bench.source.path().join("b/to-a")).unwrap();
    assert_eq!(bench.refused(&bench.request()).code(), "link_loop");
}

#[test]
fn inv_39_links_that_multiply_a_tree_meet_the_bound() {
    let bench = Bench::new(&[("d0/f", b"")]);
    for n in 1..30 {
        let dir = bench.source.path().join(format!("d{n}"));
        fs::create_dir(&dir).unwrap();
        symlink(format!("../d{}", n - 1), dir.join("left")).unwrap();
        symlink(format!("../d{}", n - 1), dir.join("right")).unwrap();
    }
    let limits = PublishLimits { files: 5_000, ..PublishLimits::default() };
    assert_eq!(bench.refused(&PublishRequest { limits, ..bench.request() }).code(), "too_many_files");
}

#[test]
fn pipes_sockets_and_bad_names_are_refused() {
    let bench = Bench::new(&[("f", b"")]);
    let _socket = std::os::unix::net::UnixListener::bind(bench.source.path().join("s")).unwrap();
    assert_eq!(bench.refused(&bench.request()).code(), "unsupported_file_type");
    for (name, code) in [
        (&b"a\xffb"[..], "name_not_utf8"),
        (b"a\nb", "name_not_allowed"),
        (b"a\x1b[31m", "name_not_allowed"),
        (b"a\\b", "name_not_allowed"),
    ] {
        let bench = Bench::new(&[("f", b"")]);
        fs::write(bench.source.path().join(OsStr::from_bytes(name)), "").unwrap();
        let error = bench.refused(&bench.request());
        assert_eq!(error.code(), code);
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    }
}

#[test]
fn inv_39_every_bound_on_the_source_holds() {
    let default = PublishLimits::default();
    let files: &[(&str, &[u8])] = &[("a/b/c", b"12345"), ("d", b"67890")];
    let cases = [
        (PublishLimits { files: 3, ..default }, "too_many_files"),
        (PublishLimits { bytes: 9, ..default }, "too_large"),
        (PublishLimits { depth: 1, ..default }, "too_deep"),
        (PublishLimits { path_bytes: 4, ..default }, "path_too_long"),
    ];
    for (limits, code) in cases {
        let bench = Bench::new(files);
        assert_eq!(bench.refused(&PublishRequest { limits, ..bench.request() }).code(), code);
    }
    let bench = Bench::new(files);
    let just_enough = PublishLimits { files: 4, bytes: 10, depth: 2, path_bytes: 5 };
    publish(&PublishRequest { limits: just_enough, ..bench.request() }).unwrap();
}

#[test]
fn sources_that_are_nothing_are_refused() {
    let bench = Bench::new(&[(".hidden", b"")]);
    assert_eq!(bench.refused(&bench.request()).code(), "source_empty");
    let missing = bench.source.path().join("missing");
    assert_eq!(
        bench.refused(&PublishRequest { source: &missing, ..bench.request() }).code(),
        "source_unusable"
    );
    let file = bench.source.path().join(".hidden");
    assert_eq!(bench.refused(&PublishRequest { source: &file, ..bench.request() }).code(), "source_unusable");
    for key in ["", "a/b", "../x", "a b"] {
        let bench = Bench::new(&[("f", b"")]);
        assert_eq!(bench.refused(&PublishRequest { key, ..bench.request() }).code(), "invalid_key");
    }
}

#[test]
fn cancelling_stops_and_leaves_nothing() {
    let bench = Bench::new(&[("f", b"")]);
    let cancel = AtomicBool::new(true);
    assert_eq!(
        bench.refused(&PublishRequest { cancel: Some(&cancel), ..bench.request() }).code(),
        "cancelled"
    );
    // Also in the middle of copying.
    let files: Vec<(String, Vec<u8>)> = (0..500).map(|n| (format!("f{n}"), noise(100, n))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(p, c)| (p.as_str(), c.as_slice())).collect();
    let bench = Bench::new(&files);
    let cancel = AtomicBool::new(false);
    let stop = |_| cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let request = PublishRequest { cancel: Some(&cancel), progress: Some(&stop), ..bench.request() };
    assert_eq!(bench.refused(&request).code(), "cancelled");
}

#[test]
fn leftovers_of_a_crash_are_removed_by_the_next_attempt_or_a_sweep() {
    let bench = Bench::new(&[("f", b"")]);
    for key in ["attempt-1", "other", "running"] {
        write_files(bench.releases(), &[(&format!(".staging-{key}/files/old"), b"half")]);
    }
    let digest = bench.publish().unwrap().digest;
    assert_eq!(verify_release(bench.releases(), &digest, Depth::Content).unwrap().files.len(), 1);
    assert!(!bench.releases().join(".staging-attempt-1").exists());
    assert_eq!(sweep_staging(bench.releases(), &["running"]).unwrap(), 1);
    assert!(bench.releases().join(".staging-running").exists());
    verify_release(bench.releases(), &digest, Depth::Content).expect("a sweep leaves releases alone");
}

#[test]
fn progress_ends_at_the_total() {
    let bench = Bench::new(&[("a", b"12"), ("b", b"345")]);
    let last = Mutex::new(None);
    let note = |progress| *last.lock().unwrap() = Some(progress);
    publish(&PublishRequest { progress: Some(&note), ..bench.request() }).unwrap();
    let last = last.into_inner().unwrap().unwrap();
    assert_eq!((last.files, last.files_total, last.bytes), (2, 2, 5));
}

#[test]
fn threat_f09_a_component_swapped_for_a_link_never_leads_out() {
    let outside = tempfile::tempdir().unwrap();
    write_files(outside.path(), &[("f", b"SECRET")]);
    let bench = Bench::new(&[("d/f", b"public"), ("keep", b"")]);
    let (dir, aside) = (bench.source.path().join("d"), bench.source.path().join(".aside"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(&dir, &aside).unwrap();
                symlink(outside.path(), &dir).unwrap();
                fs::remove_file(&dir).unwrap();
                fs::rename(&aside, &dir).unwrap();
            }
        });
        let (mut published, mut refused) = (0, 0);
        for _ in 0..150 {
            match bench.publish() {
                Ok(release) => {
                    published += 1;
                    let file = bench.releases().join(release.digest.dir_name()).join("files/d/f");
                    assert_ne!(fs::read(file).unwrap_or_default(), b"SECRET");
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        matches!(error.code(), "source_changed" | "link_outside_root" | "link_broken"),
                        "{error}"
                    );
                }
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(published + refused == 150);
    });
}
