//! Looking at a source.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::common::{base, codes, publish, read, snapshot, source, tree};
use deploy_core::id::Version;
use deploy_core::port::{Layout, Sources};
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Profile, Source};
use deploy_source::{Directories, Limits};

fn paths(evidence: &deploy_core::evidence::Evidence) -> Vec<&str> {
    evidence.files.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_listing_has_every_file_with_its_size_and_the_texts_that_were_asked_for() {
    let top =
        tree(&[("index.html", "<h1>é</h1>"), ("a/b/c.css", "12345"), ("a/index.html", "x"), ("empty/", "")]);
    let evidence = read(top.path(), &Profile::default()).await.unwrap();
    assert_eq!(paths(&evidence), ["a/b/c.css", "a/index.html", "index.html"]);
    assert_eq!(evidence.files["a/b/c.css"], 5);
    assert_eq!(evidence.texts.into_iter().collect::<Vec<_>>(), [("index.html".into(), "<h1>é</h1>".into())]);
    assert_eq!((evidence.omitted, evidence.commit), (vec![], None));
}

#[tokio::test]
async fn texts_of_the_publish_directory_are_read_too() {
    let top = tree(&[("web/index.html", "x"), ("index.html", "y")]);
    let evidence = read(top.path(), &publish("./web/")).await.unwrap();
    assert_eq!(evidence.texts.keys().collect::<Vec<_>>(), ["index.html", "web/index.html"]);
}

#[tokio::test]
async fn what_is_never_a_site_is_left_out_unless_it_is_published() {
    let top = tree(&[
        ("index.html", ""),
        (".git/HEAD", "nonsense"),
        ("node_modules/x/index.js", ""),
        ("a/__pycache__/x.pyc", ""),
        ("target/CACHEDIR.TAG", ""),
        ("target/debug/x", ""),
        ("target/doc/index.html", "x"),
        ("venv/pyvenv.cfg", ""),
        ("venv/x", ""),
    ]);
    let evidence = read(top.path(), &Profile::default()).await.unwrap();
    assert_eq!(paths(&evidence), ["index.html"]);
    let evidence = read(top.path(), &publish("target/doc")).await.unwrap();
    assert_eq!(paths(&evidence), ["index.html", "target/doc/index.html"]);
    assert_eq!(evidence.texts.len(), 2);
    let evidence = read(top.path(), &publish("target")).await.unwrap();
    assert_eq!(evidence.files.len(), 1, "the publish directory is itself a cache");
}

#[tokio::test]
async fn deployignore_leaves_out_and_gitignore_does_not() {
    let top = tree(&[
        (".gitignore", "dist/\n"),
        (".deployignore", "drafts\n*.psd\n!keep.psd\n"),
        ("dist/index.html", ""),
        ("drafts/x", ""),
        ("a/x.psd", ""),
        ("a/keep.psd", ""),
        ("a/.deployignore", "y\n"),
        ("a/y", ""),
        ("y", ""),
    ]);
    let evidence = read(top.path(), &Profile::default()).await.unwrap();
    assert_eq!(
        paths(&evidence),
        [".deployignore", ".gitignore", "a/.deployignore", "a/keep.psd", "dist/index.html", "y"]
    );
    assert_eq!(evidence.omitted, [] as [&str; 0]);
    let evidence = read(top.path(), &publish("drafts")).await.unwrap();
    assert_eq!(evidence.omitted, ["drafts: left out by .deployignore"]);
    let evidence = read(top.path(), &base("a")).await.unwrap();
    assert_eq!(paths(&evidence), [".deployignore", "keep.psd"], "the files above the base directory count");
}

#[tokio::test]
async fn threat_f09_links_count_inside_and_are_named_otherwise() {
    let outside = tree(&[("secret/x", "secret")]);
    let top = tree(&[("site/index.html", "page"), ("shared/logo.svg", "12345678")]);
    let at = |path: &str| top.path().join(path);
    symlink("../shared/logo.svg", at("site/logo.svg")).unwrap();
    symlink("../shared", at("site/shared")).unwrap();
    symlink(outside.path().join("secret/x"), at("site/absolute")).unwrap();
    symlink(outside.path().join("secret"), at("site/directory")).unwrap();
    symlink("../../../../../../../../etc/passwd", at("site/relative")).unwrap();
    symlink("missing", at("site/dangling")).unwrap();
    symlink("loop", at("site/loop")).unwrap();
    symlink("/proc/self/root/etc/passwd", at("site/magic")).unwrap();
    let _socket = UnixListener::bind(at("site/socket")).unwrap();

    let evidence = read(top.path(), &base("site")).await.unwrap();
    assert_eq!(paths(&evidence), ["index.html", "logo.svg"]);
    assert_eq!(evidence.files["logo.svg"], 8);
    let omitted: Vec<(&str, &str)> =
        evidence.omitted.iter().map(|text| text.split_once(": ").unwrap()).collect();
    let about = |name: &str| omitted.iter().find(|(path, _)| *path == name).unwrap().1;
    for name in ["absolute", "directory", "relative", "magic"] {
        assert!(about(name).starts_with("a link that leaves the source ("), "{name}: {}", about(name));
    }
    assert_eq!(about("shared"), "a link to a directory, not followed (../shared)");
    assert_eq!(about("dangling"), "a link to something that does not exist (missing)");
    assert_eq!(about("loop"), "a link that leads back to itself (loop)");
    assert_eq!(about("socket"), "not a file, but a device, a pipe or a socket");
    assert_eq!(omitted.len(), 8);
}

#[tokio::test]
async fn a_wanted_file_that_links_out_is_not_read() {
    let outside = tree(&[("secret", "secret")]);
    let top = tree(&[("a.txt", "")]);
    symlink(outside.path().join("secret"), top.path().join("package.json")).unwrap();
    let evidence = read(top.path(), &Profile::default()).await.unwrap();
    assert!(evidence.texts.is_empty() && !evidence.has("package.json"));
}

#[tokio::test]
async fn a_text_that_is_too_large_is_not_read_and_one_that_is_not_utf8_is_mended() {
    let top = tree(&[("index.html", &"x".repeat(300 * 1024))]);
    fs::write(top.path().join("package.json"), b"{\"a\": \"\xff\"}").unwrap();
    let evidence = read(top.path(), &Profile::default()).await.unwrap();
    assert_eq!(evidence.files["index.html"], 300 * 1024);
    assert_eq!(evidence.omitted, ["index.html: too large for its contents to be read"]);
    assert_eq!(evidence.texts["package.json"], "{\"a\": \"\u{fffd}\"}");
}

#[tokio::test]
async fn an_unusable_source_says_why() {
    let top = tree(&[("file", ""), ("dir/", "")]);
    let at = |path: &str| top.path().join(path);
    symlink("loop", at("loop")).unwrap();
    symlink("missing", at("dangling")).unwrap();
    for (path, code, words) in [
        (at("missing"), ReasonCode::SourceNotFound, "does not exist"),
        (at("dangling"), ReasonCode::SourceNotFound, "a link to something"),
        (at("file"), ReasonCode::SourceNotADirectory, "is not a directory"),
        (at("loop"), ReasonCode::SourceUnsafe, "leads back to itself"),
        (Path::new("relative").to_owned(), ReasonCode::SourceNotFound, "not an absolute path"),
    ] {
        let reasons = read(&path, &Profile::default()).await.unwrap_err();
        assert_eq!(codes(&reasons), [code], "{path:?}");
        assert!(reasons[0].message.contains(words), "{}", reasons[0].message);
        assert!(reasons[0].message.contains(path.to_str().unwrap()), "{}", reasons[0].message);
    }
    let release = Source::Release { version: Version(3) };
    let reasons = Directories::default().read(&release, &Profile::default(), &[]).await.unwrap_err();
    assert_eq!(codes(&reasons), [ReasonCode::SourceUnreadable]);
}

#[tokio::test]
async fn every_wrong_path_is_named_at_once() {
    let mut profile = base("../x");
    profile.runtime.publish_directory = Some("/srv".to_owned());
    let reasons = read(Path::new("/does/not/exist"), &profile).await.unwrap_err();
    let expected = [ReasonCode::SourceNotFound, ReasonCode::PathOutsideSource, ReasonCode::PathOutsideSource];
    assert_eq!(codes(&reasons), expected);
    assert_eq!(reasons[1].profile_field.as_deref(), Some("source.baseDirectory"));
    assert_eq!(reasons[2].profile_field.as_deref(), Some("runtime.publishDirectory"));
}

#[tokio::test]
async fn threat_f08_a_base_directory_stays_inside() {
    let outside = tree(&[("x", "")]);
    let top = tree(&[("apps/web/index.html", ""), ("apps/api/x", ""), ("file", "")]);
    symlink(outside.path(), top.path().join("out")).unwrap();
    symlink("apps/web", top.path().join("in")).unwrap();
    symlink("loop", top.path().join("loop")).unwrap();
    for (path, code) in [
        ("..", ReasonCode::PathOutsideSource),
        ("apps/../../x", ReasonCode::PathOutsideSource),
        ("/etc", ReasonCode::PathOutsideSource),
        ("%2e%2e", ReasonCode::PathOutsideSource),
        ("..\\..", ReasonCode::PathOutsideSource),
        ("out", ReasonCode::PathOutsideSource),
        ("out/..", ReasonCode::PathOutsideSource),
        ("loop", ReasonCode::SourceUnsafe),
        ("file", ReasonCode::BaseDirectoryMissing),
        ("apps/wbe", ReasonCode::BaseDirectoryMissing),
    ] {
        let reasons = read(top.path(), &base(path)).await.unwrap_err();
        assert_eq!(codes(&reasons), [code], "{path}");
        assert!(path == "apps/wbe" || !reasons[0].message.is_empty());
        if path == "apps/wbe" {
            assert!(reasons[0].message.contains("there are apps/api, apps/web"), "{}", reasons[0].message);
        }
    }
    for path in ["in", "apps/web", "./apps//web/"] {
        assert_eq!(paths(&read(top.path(), &base(path)).await.unwrap()), ["index.html"], "{path}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_unsafe() {
    let top = tree(&[("a/x", "")]);
    fs::write(top.path().join("a").join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    let reasons = read(top.path(), &Profile::default()).await.unwrap_err();
    assert_eq!(codes(&reasons), [ReasonCode::SourceUnsafe]);
    assert!(reasons[0].message.contains("a/caf\\xe9"), "{}", reasons[0].message);
}

#[tokio::test]
async fn every_directory_that_may_not_be_read_is_named() {
    let top = tree(&[("a/x", ""), ("b/c/x", ""), ("ignored/x", ""), (".deployignore", "ignored\n")]);
    let close =
        |path: &str, mode| fs::set_permissions(top.path().join(path), Permissions::from_mode(mode)).unwrap();
    ["a", "b/c", "ignored"].iter().for_each(|path| close(path, 0o000));
    let may_read_anything = fs::read_dir(top.path().join("a")).is_ok();
    let result = read(top.path(), &Profile::default()).await;
    ["a", "b/c", "ignored"].iter().for_each(|path| close(path, 0o755));
    // The superuser is not kept out of anything.
    if !may_read_anything {
        let reasons = result.unwrap_err();
        assert_eq!(codes(&reasons), [ReasonCode::SourceUnreadable; 2]);
        assert!(reasons[0].message.starts_with("a can't be read: "), "{}", reasons[0].message);
        assert!(reasons[1].message.starts_with("b/c can't be read: "), "{}", reasons[1].message);
    }
}

#[tokio::test]
async fn threat_f21_a_source_that_is_too_large_is_refused() {
    let top = tree(&[("a/1", ""), ("a/2", ""), ("b/c/d/e", "")]);
    let limits = |entries, depth| Directories::new(Limits { entries, depth, ..Limits::default() });
    for (limits, fits) in
        [(limits(7, 3), true), (limits(6, 3), false), (limits(7, 2), false), (limits(0, 0), false)]
    {
        let result = limits.read(&source(top.path()), &Profile::default(), &[]).await;
        match result {
            Ok(_) => assert!(fits),
            Err(reasons) => {
                assert!(!fits);
                assert!(
                    reasons.iter().all(|reason| reason.code == ReasonCode::SourceTooLarge),
                    "{reasons:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn invariant_28_reading_changes_nothing() {
    let top = tree(&[
        ("index.html", "x"),
        ("a/b", ""),
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".deployignore", "a\n"),
    ]);
    symlink("index.html", top.path().join("link")).unwrap();
    let before = snapshot(top.path());
    let sources = Directories::default();
    let first = read(top.path(), &publish("a")).await.unwrap();
    let again = read(top.path(), &publish("a")).await.unwrap();
    assert_eq!(first, again);
    let (nowhere, cancel) = (Path::new("/does/not/exist"), Default::default());
    let path =
        sources.checkout(&source(top.path()), &Profile::default(), Layout::ReadOnly, nowhere, &cancel).await;
    assert_eq!(path.unwrap(), fs::canonicalize(top.path()).unwrap());
    assert_eq!(snapshot(top.path()), before);
}
