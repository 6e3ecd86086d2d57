//! Looking at a source.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::common::{ask, ask_with, base, codes, list, open, snapshot, source, tree, walk};
use deploy_core::evidence::{Ask, Listing, PassedOver, Refusal, Text, Walk};
use deploy_core::id::Version;
use deploy_core::port::{Layout, Sources};
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Profile, Source};
use deploy_source::{Limits, SourceReader};

fn listed(path: &str) -> Ask {
    Ask::List(path.to_owned())
}

fn whole(path: &str) -> Ask {
    Ask::Read(path.to_owned())
}

#[tokio::test]
async fn a_source_answers_what_was_asked_and_nothing_else() {
    let top = tree(&[("index.html", "<h1>é</h1>"), ("a/b/c.css", "12345"), ("a/x", ""), ("empty/", "")]);
    assert_eq!(list(top.path(), "").await, ["a/", "empty/", "index.html"]);
    assert_eq!(list(top.path(), "a").await, ["b/", "x"]);
    assert_eq!(list(top.path(), "empty").await, [""; 0]);
    let asks = [listed("gone"), listed("index.html"), whole("index.html"), whole("gone"), whole("a/x/y")];
    let evidence = ask(top.path(), &asks).await;
    assert_eq!(evidence.listings["gone"], Listing::Absent);
    assert_eq!(evidence.listings["index.html"], Listing::NotADirectory);
    assert_eq!(evidence.texts["index.html"], Text::Whole("<h1>é</h1>".to_owned()));
    assert_eq!(evidence.texts["gone"], Text::Missing);
    assert_eq!(evidence.texts["a/x/y"], Text::Missing);
    assert_eq!((evidence.listings.len(), evidence.texts.len(), evidence.walks.len()), (2, 3, 0));
    assert_eq!(walk(top.path(), "a").await, (vec!["b/c.css".to_owned(), "x".to_owned()], vec![]));
    assert_eq!(ask(top.path(), &[Ask::Walk("gone".to_owned())]).await.walks["gone"], Walk::Absent);
}

#[tokio::test]
async fn git_ignored_entries_are_marked_and_deployignored_ones_passed_over() {
    let top = tree(&[
        (".gitignore", "dist/\n*.log\n"),
        (".deployignore", "drafts\n!keep.log\n"),
        ("dist/index.html", ""),
        ("dist/sub/x", ""),
        ("drafts/x", ""),
        ("a/x.log", ""),
        ("a/keep.log", ""),
        ("a/.deployignore", "y\n"),
        ("a/y", ""),
        ("y", ""),
    ]);
    assert_eq!(list(top.path(), "").await, [".deployignore", ".gitignore", "a/", "~dist/", "drafts!", "y"]);
    assert_eq!(list(top.path(), "dist").await, ["~index.html", "~sub/"]);
    assert_eq!(list(top.path(), "dist/sub").await, ["~x"]);
    assert_eq!(list(top.path(), "a").await, [".deployignore", "keep.log", "~x.log", "y!"]);
    assert_eq!(ask(top.path(), &[listed("drafts")]).await.listings["drafts"], Listing::Absent);
    let (files, _) = walk(top.path(), "").await;
    assert_eq!(files, ["a/keep.log", "a/x.log", "dist/index.html", "dist/sub/x", "y"], "git does not count");
}

#[tokio::test]
async fn the_ignore_files_of_the_repository_around_the_source_count() {
    let top = tree(&[
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/info/exclude", "local\n"),
        (".gitignore", "*.tmp\n/apps/web/out\n"),
        ("apps/web/a.tmp", ""),
        ("apps/web/local", ""),
        ("apps/web/out/x", ""),
        ("apps/web/src/out/x", ""),
    ]);
    assert_eq!(list(&top.path().join("apps/web"), "").await, ["~a.tmp", "~local", "~out/", "src/"]);
    assert_eq!(list(&top.path().join("apps/web"), "src").await, ["out/"]);
}

#[tokio::test]
async fn a_walk_follows_the_rules_of_publishing() {
    let top = tree(&[
        ("site/index.html", ""),
        ("site/.env", "secret"),
        ("site/.well-known/security.txt", ""),
        ("site/deploy.toml", ""),
        ("site/docs/deploy.toml", ""),
        ("site/node_modules/x/index.js", ""),
    ]);
    let (files, passed_over) = walk(top.path(), "site").await;
    assert_eq!(
        files,
        [".well-known/security.txt", "docs/deploy.toml", "index.html", "node_modules/x/index.js"]
    );
    assert_eq!(passed_over, []);
}

#[tokio::test]
async fn threat_f09_links_count_inside_and_are_named_otherwise() {
    let outside = tree(&[("secret/x", "secret")]);
    let top = tree(&[("site/index.html", "page"), ("shared/logo.svg", "12345678"), ("site/img/a.svg", "")]);
    let at = |path: &str| top.path().join(path);
    symlink("../shared/logo.svg", at("site/logo.svg")).unwrap();
    symlink("img/a.svg", at("site/a.svg")).unwrap();
    symlink("img", at("site/images")).unwrap();
    symlink(outside.path().join("secret/x"), at("site/absolute")).unwrap();
    symlink(outside.path().join("secret"), at("site/directory")).unwrap();
    symlink("../../../../../../../../etc/passwd", at("site/relative")).unwrap();
    symlink("missing", at("site/dangling")).unwrap();
    symlink("loop", at("site/loop")).unwrap();
    symlink("/proc/self/root/etc/passwd", at("site/magic")).unwrap();
    let _socket = UnixListener::bind(at("site/socket")).unwrap();

    let site = ask(top.path(), &[listed("site"), whole("site/logo.svg"), whole("site/absolute")]).await;
    let Listing::Present(entries) = &site.listings["site"] else { panic!("{site:?}") };
    assert_eq!(entries["logo.svg"].kind, deploy_core::evidence::EntryKind::File, "it stays in the source");
    assert_eq!(site.texts["site/logo.svg"], Text::Whole("12345678".to_owned()));
    assert_eq!(site.texts["site/absolute"], Text::Refused(Refusal::LeadsOut));
    let list = list(top.path(), "site").await;
    let passed_over: Vec<&str> = list.iter().filter_map(|name| name.strip_suffix('!')).collect();
    let odd = ["absolute", "dangling", "directory", "images", "loop", "magic", "relative", "socket"];
    assert_eq!(passed_over, odd);

    // Published, only what lies in the published directory itself is inside.
    let (files, passed_over) = walk(top.path(), "site").await;
    assert_eq!(files, ["a.svg", "img/a.svg", "index.html"]);
    let about = |name: &str| &passed_over.iter().find(|(path, _)| path == name).unwrap().1;
    for name in ["absolute", "directory", "relative", "magic", "logo.svg"] {
        assert!(matches!(about(name), PassedOver::LinkOut { .. }), "{name}: {:?}", about(name));
    }
    assert_eq!(*about("images"), PassedOver::LinkToDirectory { target: "img".to_owned() });
    assert_eq!(*about("dangling"), PassedOver::LinkDangling { target: "missing".to_owned() });
    assert_eq!(*about("loop"), PassedOver::LinkLoop { target: "loop".to_owned() });
    assert_eq!(*about("socket"), PassedOver::Special);
    assert_eq!(passed_over.len(), 9);
}

#[tokio::test]
async fn threat_f09_nothing_behind_a_link_out_is_listed_or_read() {
    let outside = tree(&[("secret", "secret")]);
    let top = tree(&[("a.txt", "")]);
    symlink(outside.path(), top.path().join("out")).unwrap();
    let asks =
        [listed("out"), whole("out/secret"), Ask::Head("out/secret".to_owned()), Ask::Walk("out".into())];
    let evidence = ask(top.path(), &asks).await;
    assert_eq!(evidence.listings["out"], Listing::Refused(Refusal::LeadsOut));
    assert_eq!(evidence.texts["out/secret"], Text::Refused(Refusal::LeadsOut));
    assert_eq!(evidence.heads["out/secret"], Text::Refused(Refusal::LeadsOut));
    assert_eq!(evidence.walks["out"], Walk::Refused(Refusal::LeadsOut));
}

#[tokio::test]
async fn a_text_is_whole_or_refused_and_one_that_is_not_utf8_is_mended() {
    let top = tree(&[("large", &"x".repeat(11)), ("fits", &"x".repeat(10)), ("dir/", "")]);
    fs::write(top.path().join("latin1"), b"{\"\xff\"}").unwrap();
    let _socket = UnixListener::bind(top.path().join("socket")).unwrap();
    let sources = SourceReader::new(Limits { text_bytes: 10, texts_bytes: 25, ..Limits::default() });
    let asks = ["fits", "large", "latin1", "dir", "socket"].map(whole);
    let evidence = ask_with(&sources, top.path(), &asks).await;
    assert_eq!(evidence.texts["fits"], Text::Whole("x".repeat(10)));
    assert_eq!(evidence.texts["large"], Text::Refused(Refusal::TooLarge { limit: 10 }));
    assert_eq!(evidence.texts["latin1"], Text::Whole("{\"\u{fffd}\"}".to_owned()));
    assert!(matches!(evidence.texts["dir"], Text::Refused(_)));
    assert!(matches!(evidence.texts["socket"], Text::Refused(_)), "{:?}", evidence.texts["socket"]);

    let sources = SourceReader::new(Limits { texts_bytes: 15, ..Limits::default() });
    let evidence = ask_with(&sources, top.path(), &[whole("fits"), whole("large")]).await;
    assert_eq!(evidence.texts["large"], Text::Refused(Refusal::TooMuch { limit: 15 }));

    fs::write(top.path().join("lock"), "y".repeat(100_000)).unwrap();
    let head = ask(top.path(), &[Ask::Head("lock".to_owned())]).await;
    assert_eq!(head.heads["lock"], Text::Whole("y".repeat(4096)));
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
        let reasons = open(&path, &Profile::default()).await.err().unwrap();
        assert_eq!(codes(&reasons), [code], "{path:?}");
        assert!(reasons[0].message.contains(words), "{}", reasons[0].message);
        assert!(reasons[0].message.contains(path.to_str().unwrap()), "{}", reasons[0].message);
    }
    let release = Source::Release { version: Version(3) };
    let reasons = SourceReader::default().open(&release, &Profile::default()).await.err().unwrap();
    assert_eq!(codes(&reasons), [ReasonCode::SourceUnreadable]);
}

#[tokio::test]
async fn every_wrong_path_is_named_at_once() {
    let mut profile = base("../x");
    profile.runtime.publish_directory = Some("/srv".to_owned());
    let reasons = open(Path::new("/does/not/exist"), &profile).await.err().unwrap();
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
        let reasons = open(top.path(), &base(path)).await.err().unwrap();
        assert_eq!(codes(&reasons), [code], "{path}");
        assert!(path == "apps/wbe" || !reasons[0].message.is_empty());
        if path == "apps/wbe" {
            assert!(reasons[0].message.contains("there are apps/api, apps/web"), "{}", reasons[0].message);
        }
    }
    for path in ["in", "apps/web", "./apps//web/"] {
        assert!(open(top.path(), &base(path)).await.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_passed_over() {
    let top = tree(&[("a/x", "")]);
    fs::write(top.path().join("a").join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    assert_eq!(list(top.path(), "a").await, ["caf\\xe9!", "x"]);
    let (_, passed_over) = walk(top.path(), "").await;
    assert_eq!(passed_over, [("a/caf\\xe9".to_owned(), PassedOver::NameNotUtf8)]);
}

#[tokio::test]
async fn what_may_not_be_read_says_so() {
    let top =
        tree(&[("a/x", ""), ("b/c/x", ""), ("ignored/x", ""), (".deployignore", "ignored\n"), ("f", "")]);
    let close =
        |path: &str, mode| fs::set_permissions(top.path().join(path), Permissions::from_mode(mode)).unwrap();
    let closed = ["a", "b/c", "ignored", "f"];
    closed.iter().for_each(|path| close(path, 0o000));
    let may_read_anything = fs::read_dir(top.path().join("a")).is_ok();
    let (_, passed_over) = walk(top.path(), "").await;
    let evidence = ask(top.path(), &[listed("a"), whole("f")]).await;
    closed.iter().for_each(|path| close(path, 0o755));
    // The superuser is not kept out of anything.
    if !may_read_anything {
        let names: Vec<&str> = passed_over.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["a", "b/c"]);
        assert!(matches!(evidence.listings["a"], Listing::Refused(Refusal::Unreadable { .. })));
        assert!(matches!(evidence.texts["f"], Text::Refused(Refusal::Unreadable { .. })));
    }
}

#[tokio::test]
async fn threat_f21_what_is_too_large_is_refused_and_never_cut() {
    let top = tree(&[("a/1", ""), ("a/2", ""), ("b/c/d/e", "")]);
    for (entries, depth, refusal) in [
        (7, 3, None),
        (6, 3, Some(Refusal::TooManyEntries { limit: 6 })),
        (7, 2, Some(Refusal::TooDeep { limit: 2 })),
        (0, 0, Some(Refusal::TooManyEntries { limit: 0 })),
    ] {
        let sources = SourceReader::new(Limits { entries, depth, ..Limits::default() });
        let evidence = ask_with(&sources, top.path(), &[Ask::Walk(String::new())]).await;
        match (&evidence.walks[""], refusal) {
            (Walk::Walked { .. }, None) => {}
            (Walk::Refused(found), Some(expected)) => assert_eq!(*found, expected),
            (walk, expected) => panic!("{walk:?} instead of {expected:?}"),
        }
    }
    let sources = SourceReader::new(Limits { listing: 1, ..Limits::default() });
    let evidence = ask_with(&sources, top.path(), &[listed("a"), listed("b")]).await;
    assert_eq!(evidence.listings["a"], Listing::Refused(Refusal::TooManyEntries { limit: 1 }));
    assert!(matches!(evidence.listings["b"], Listing::Present(_)));
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
    let asks = [listed(""), listed("a"), whole("index.html"), Ask::Walk(String::new())];
    let first = ask(top.path(), &asks).await;
    let again = ask(top.path(), &asks).await;
    assert_eq!(first, again);
    let (nowhere, cancel) = (Path::new("/does/not/exist"), Default::default());
    let sources = SourceReader::default();
    let path =
        sources.checkout(&source(top.path()), &Profile::default(), Layout::ReadOnly, nowhere, &cancel).await;
    assert_eq!(path.unwrap(), fs::canonicalize(top.path()).unwrap());
    assert_eq!(snapshot(top.path()), before);
}
