//! Commits of repositories, made with the real program.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use deploy_core::cancel::Cancel;
use deploy_core::evidence::{Ask, Evidence, Listing, Text};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::plan::SourceSummary;
use deploy_core::port::{Layout, OpenSource, Sources};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::source::{Credential, Source};
use deploy_core::spec::Profile;
use deploy_source::{GitPolicy, Limits, SourceReader};
use tempfile::TempDir;

use crate::common::{base, codes, fill, snapshot, tree};

/// Runs git as a person would, and gives what it prints.
#[expect(clippy::disallowed_methods, reason = "the tests make repositories")]
pub(crate) fn git(at: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(at).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for (name, value) in [("NAME", "tester"), ("EMAIL", "tester@example.invalid")] {
        git.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    let out = git.args(["-c", "protocol.file.allow=always"]).args(arguments).output().unwrap();
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit of these files, on `main`.
pub(crate) fn repository(files: &[(&str, &str)]) -> TempDir {
    let top = tree(files);
    git(top.path(), &["init", "-q", "-b", "main"]);
    commit(top.path());
    top
}

/// Commits everything, and gives the commit.
pub(crate) fn commit(at: &Path) -> String {
    git(at, &["add", "-A", "-f"]);
    git(at, &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(at, &["rev-parse", "HEAD"])
}

fn at(url: &str, git_ref: Option<&str>) -> Source {
    Source::Git {
        url: url.parse().unwrap(),
        git_ref: git_ref.map(|name| name.parse().unwrap()),
        commit: None,
        credential: None,
    }
}

fn local(top: &Path, git_ref: Option<&str>) -> Source {
    at(top.to_str().unwrap(), git_ref)
}

fn reader() -> SourceReader {
    SourceReader::default().with_policy("http,git,loopback".parse::<GitPolicy>().unwrap())
}

async fn open(source: &Source) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
    reader().open(source, &Profile::default()).await
}

async fn refused(source: &Source) -> Reason {
    let reasons = open(source).await.err().unwrap();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.into_iter().next().unwrap()
}

async fn look(opened: &mut Box<dyn OpenSource>, asks: &[Ask]) -> Evidence {
    let mut evidence = Evidence::default();
    opened.look(&asks.iter().cloned().collect(), &mut evidence).await.unwrap();
    evidence
}

async fn text(opened: &mut Box<dyn OpenSource>, path: &str) -> Text {
    look(opened, &[Ask::Read(path.to_owned())]).await.texts.remove(path).unwrap()
}

/// A program on loopback that serves repositories, ended with the test.
struct Server {
    child: std::process::Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The daemon serves by children of its own.
        let group = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// `git daemon` over everything below a directory.
#[expect(clippy::disallowed_methods, reason = "the tests serve repositories")]
fn serve(top: &Path) -> Server {
    use std::os::unix::process::CommandExt as _;
    for _ in 0..20 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut daemon = Command::new("git");
        daemon.env("GIT_CONFIG_GLOBAL", "/dev/null").args([
            "-c",
            "safe.directory=*",
            "daemon",
            "--export-all",
        ]);
        daemon.args(["--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")]);
        daemon.arg(format!("--base-path={}", top.display())).arg(top);
        let child = daemon.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let mut server = Server { child, url: format!("git://127.0.0.1:{port}") };
        loop {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            if server.child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    panic!("git daemon found no port")
}

#[tokio::test]
async fn a_branch_a_tag_a_commit_and_the_head_are_found_here_and_over_the_network() {
    let top = repository(&[("web/index.html", "one")]);
    let first = git(top.path().join("web").as_path(), &["rev-parse", "HEAD"]);
    git(top.path(), &["tag", "-a", "v1", "-m", "one"]);
    git(top.path(), &["branch", "tag"]);
    fill(top.path(), &[("web/index.html", "two")]);
    let second = commit(top.path());
    git(top.path(), &["branch", "feature/x;y"]);
    let parent = top.path().parent().unwrap();
    let server = serve(parent);
    let remote = format!("{}/{}/.git", server.url, top.path().file_name().unwrap().to_str().unwrap());
    for url in [top.path().to_str().unwrap(), &remote] {
        for (git_ref, commit, content) in [
            (None, &second, "two"),
            (Some("main"), &second, "two"),
            (Some("refs/heads/main"), &second, "two"),
            (Some("v1"), &first, "one"),
            (Some("tag"), &first, "one"),
            (Some("feature/x;y"), &second, "two"),
            (Some(first.as_str()), &first, "one"),
        ] {
            let mut opened =
                open(&at(url, git_ref)).await.unwrap_or_else(|why| panic!("{url} {git_ref:?}: {why:?}"));
            assert_eq!(opened.commit().as_ref(), Some(commit), "{url} {git_ref:?}");
            assert_eq!(text(&mut opened, "web/index.html").await, Text::Whole(content.to_owned()));
        }
        for missing in ["nope", "main2", &"0".repeat(40), "v1^x"].iter().filter(|name| !name.contains('^')) {
            let reason = refused(&at(url, Some(missing))).await;
            assert_eq!(reason.code, ReasonCode::GitRefNotFound, "{url} {missing}: {reason:?}");
        }
    }
    let nothing = refused(&at(&format!("{}/nothing.git", server.url), None)).await;
    assert_eq!(nothing.code, ReasonCode::SourceUnavailable);
}

#[tokio::test]
async fn what_was_planned_is_what_is_checked_out_whatever_became_of_the_branch() {
    let top = repository(&[("site/index.html", "planned")]);
    let server = serve(top.path().parent().unwrap());
    let remote = format!("{}/{}/.git", server.url, top.path().file_name().unwrap().to_str().unwrap());
    for url in [top.path().to_str().unwrap(), &remote] {
        let source = at(url, Some("main"));
        let planned = open(&source).await.unwrap().commit();
        fill(top.path(), &[("site/index.html", "moved")]);
        commit(top.path());
        let mut summary = SourceSummary::of_source(&source, None);
        summary.commit = planned;
        for layout in [Layout::ReadOnly, Layout::Workspace] {
            let workspace = tree(&[]);
            let path =
                checkout(&source.pinned(&summary), &base("site"), layout, workspace.path()).await.unwrap();
            assert!(path.starts_with(fs::canonicalize(workspace.path()).unwrap()), "{path:?}");
            assert_eq!(fs::read_to_string(path.join("index.html")).unwrap(), "planned");
        }
        // History that was written anew, and cleaned up: the commit is gone.
        git(top.path(), &["checkout", "-q", "--orphan", "new"]);
        commit(top.path());
        git(top.path(), &["branch", "-q", "-M", "new", "main"]);
        git(top.path(), &["reflog", "expire", "--expire=now", "--all"]);
        git(top.path(), &["gc", "-q", "--prune=now"]);
        let workspace = tree(&[]);
        let gone =
            checkout(&source.pinned(&summary), &base("site"), Layout::Workspace, workspace.path()).await;
        assert_eq!(gone.unwrap_err().code, FailureCode::SourceChanged, "{url}");
        assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 0, "nothing is left behind");
        fill(top.path(), &[("site/index.html", "planned")]);
        commit(top.path());
    }
}

async fn checkout(
    source: &Source,
    profile: &Profile,
    layout: Layout,
    workspace: &Path,
) -> Result<PathBuf, Failure> {
    reader().checkout(source, profile, layout, workspace, &Cancel::new()).await
}

#[tokio::test]
async fn what_is_committed_counts_although_gitignore_names_it() {
    let top = repository(&[
        (".gitignore", "dist/\n"),
        (".deployignore", "raw\n"),
        (".gitattributes", "kept export-ignore\n*.txt export-subst\n"),
        ("dist/index.html", "x"),
        ("raw", ""),
        ("kept", ""),
        ("a.txt", "$Format:%H$"),
    ]);
    let mut opened = open(&local(top.path(), None)).await.unwrap();
    let evidence = look(&mut opened, &[Ask::List(String::new())]).await;
    let Listing::Present(entries) = &evidence.listings[""] else { panic!("{evidence:?}") };
    assert!(!entries["dist"].git_ignored && entries.contains_key("kept"));
    assert_eq!(text(&mut opened, "a.txt").await, Text::Whole("$Format:%H$".to_owned()));
    let workspace = tree(&[]);
    let path = checkout(&local(top.path(), None), &Profile::default(), Layout::Workspace, workspace.path())
        .await
        .unwrap();
    assert!(
        path.join("dist/index.html").exists() && path.join("kept").exists() && !path.join("raw").exists()
    );
}

#[tokio::test]
async fn threat_f06_nothing_of_a_repository_runs() {
    let canary = tree(&[]);
    let touch = |name: &str| format!("touch {}", canary.path().join(name).display());
    let top = repository(&[("a.txt", "x"), (".gitattributes", "*.txt filter=evil diff=evil\n")]);
    for (key, name) in [
        ("filter.evil.smudge", "smudge"),
        ("filter.evil.clean", "clean"),
        ("core.fsmonitor", "fsmonitor"),
        ("core.sshCommand", "ssh"),
        ("core.pager", "pager"),
        ("uploadpack.packObjectsHook", "pack"),
        ("credential.helper", "helper"),
        ("core.alternateRefsCommand", "alternates"),
        ("tar.tar.command", "tar"),
        ("diff.evil.textconv", "textconv"),
        ("core.gitProxy", "proxy"),
    ] {
        git(top.path(), &["config", key, &touch(name)]);
    }
    for hook in ["post-checkout", "pre-commit", "reference-transaction", "post-merge", "fsmonitor-watchman"] {
        let path = top.path().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{}\n", touch(hook))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let server = serve(top.path().parent().unwrap());
    let remote = format!("{}/{}/.git", server.url, top.path().file_name().unwrap().to_str().unwrap());
    let before = snapshot(top.path());
    let mut opened = open(&local(top.path(), Some("main"))).await.unwrap();
    assert_eq!(text(&mut opened, "a.txt").await, Text::Whole("x".to_owned()));
    assert_eq!(snapshot(top.path()), before, "somebody's repository is only read");
    open(&at(&remote, Some("main"))).await.unwrap();
    // What the server runs is its own affair; here nothing ran.
    let found: Vec<_> =
        fs::read_dir(canary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn threat_f06_submodules_are_left_out_and_links_are_judged_as_in_a_directory() {
    let (top, other) = (repository(&[("index.html", "x")]), repository(&[("secret", "")]));
    git(top.path(), &["submodule", "--quiet", "add", other.path().to_str().unwrap(), "sub"]);
    symlink("/etc/passwd", top.path().join("out")).unwrap();
    symlink("index.html", top.path().join("in")).unwrap();
    commit(top.path());
    let mut opened = open(&local(top.path(), None)).await.unwrap();
    let asks = [Ask::List(String::new()), Ask::List("sub".to_owned()), Ask::Read("out".to_owned())];
    let evidence = look(&mut opened, &asks).await;
    let Listing::Present(sub) = &evidence.listings["sub"] else { panic!("{evidence:?}") };
    assert!(sub.is_empty());
    assert!(matches!(evidence.texts["out"], Text::Refused(_)), "{evidence:?}");
    let workspace = tree(&[]);
    let built =
        checkout(&local(top.path(), None), &Profile::default(), Layout::Workspace, workspace.path()).await;
    assert_eq!(built.unwrap_err().code, FailureCode::SourceUnsafe);
}

/// A commit whose tree holds an entry that git itself would never write.
#[tokio::test]
async fn threat_f06_a_tree_with_names_that_lead_out_is_refused() {
    for name in ["..", ".git"] {
        let top = repository(&[("a", "x")]);
        let blob = git(top.path(), &["rev-parse", "HEAD:a"]);
        let inner = mktree(top.path(), &[("100644", "evil", &blob)]);
        let tree = mktree(top.path(), &[("40000", name, &inner)]);
        let evil = git(top.path(), &["commit-tree", &tree, "-m", "x"]);
        git(top.path(), &["update-ref", "refs/heads/evil", &evil]);
        match open(&local(top.path(), Some("evil"))).await {
            // Git itself may refuse to read such a tree; where it does not, we do.
            Err(reasons) => {
                let code = reasons[0].code;
                assert!(
                    matches!(code, ReasonCode::SourceUnsafe | ReasonCode::SourceUnavailable),
                    "{reasons:?}"
                );
            }
            Ok(mut opened) => {
                assert_eq!(name, ".git");
                let evidence = look(&mut opened, &[Ask::List(String::new())]).await;
                assert_eq!(evidence.listings[""], Listing::Present(Default::default()), "it is not laid out");
            }
        }
    }
}

/// A tree object, byte by byte: `git mktree` would refuse.
#[expect(clippy::disallowed_methods, reason = "the tests make repositories")]
fn mktree(at: &Path, entries: &[(&str, &str, &str)]) -> String {
    use std::io::Write as _;
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        bytes.extend((0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()));
    }
    let mut hash = Command::new("git");
    hash.current_dir(at).args(["hash-object", "-w", "--literally", "-t", "tree", "--stdin"]);
    let mut child = hash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn threat_f10_an_address_or_a_way_that_is_not_allowed_is_refused_before_anything_is_asked() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for (url, policy) in [
        (format!("https://127.0.0.1:{port}/x"), ""),
        (format!("https://localhost:{port}/x"), "private"),
        (format!("ssh://127.0.0.1:{port}/x"), ""),
        (format!("http://127.0.0.1:{port}/x"), "loopback"),
        (format!("git://127.0.0.1:{port}/x"), "loopback"),
        (format!("https://[::ffff:127.0.0.1]:{port}/x"), ""),
        ("https://169.254.169.254/latest".to_owned(), "loopback,private"),
    ] {
        let reader = SourceReader::default().with_policy(policy.parse().unwrap());
        let reasons = reader.open(&at(&url, None), &Profile::default()).await.err().unwrap();
        assert_eq!(codes(&reasons), [ReasonCode::SourceRefused], "{url}");
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

/// Accepts, reads the request, answers with this and nothing more, again and again.
fn answering(answer: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (requests, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let _ = requests.send(String::from_utf8_lossy(&request[..read]).into_owned());
            let _ = stream.write_all(answer.as_bytes());
            if answer.is_empty() {
                // Says nothing, for as long as the test goes on.
                kept.push(stream);
            }
        }
    });
    (port, seen)
}

#[tokio::test]
async fn threat_f10_a_redirect_is_not_followed() {
    let (inner, inner_seen) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let to: &'static str = Box::leak(
        format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{inner}/x/info/refs\r\ncontent-length: 0\r\n\r\n")
            .into_boxed_str(),
    );
    let (port, seen) = answering(to);
    let reason = refused(&at(&format!("http://127.0.0.1:{port}/x"), None)).await;
    assert_eq!(reason.code, ReasonCode::SourceUnavailable, "{reason:?}");
    assert!(seen.try_recv().is_ok(), "the server was asked");
    assert!(inner_seen.try_recv().is_err(), "the redirect was followed");
}

#[tokio::test]
async fn threat_f21_a_server_that_stalls_ends_in_time_and_leaves_nothing() {
    let (port, seen) = answering("");
    let limits = Limits { fetch_time: Duration::from_millis(700), ..Limits::default() };
    let reader = SourceReader::new(limits).with_policy("http,loopback".parse().unwrap());
    let source = at(&format!("http://127.0.0.1:{port}/x"), None);
    let reasons = reader.open(&source, &Profile::default()).await.err().unwrap();
    assert_eq!(codes(&reasons), [ReasonCode::SourceTimeout]);
    assert!(seen.try_recv().is_ok(), "the server was asked");

    // On request, and when nobody waits any more.
    let (workspace, cancel) = (tree(&[]), Cancel::new());
    let reader = SourceReader::default().with_policy("http,loopback".parse().unwrap());
    let (profile, stop) = (Profile::default(), cancel.clone());
    let waiting = reader.checkout(&source, &profile, Layout::Workspace, workspace.path(), &cancel);
    let asked = tokio::task::spawn_blocking(move || seen.recv().map(|_| stop.cancel()));
    assert_eq!(waiting.await.unwrap_err().code, FailureCode::Cancelled);
    asked.await.unwrap().unwrap();
    assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn threat_f21_a_repository_that_is_too_large_is_refused_while_it_comes() {
    let top = repository(&[]);
    // What does not compress.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(4 << 20)
    .flatten()
    .collect();
    fs::write(top.path().join("noise"), noise).unwrap();
    commit(top.path());
    let server = serve(top.path().parent().unwrap());
    let remote = format!("{}/{}/.git", server.url, top.path().file_name().unwrap().to_str().unwrap());
    let of = |limits: Limits| SourceReader::new(limits).with_policy("git,loopback".parse().unwrap());
    let fetched = of(Limits { fetch_bytes: 1 << 20, ..Limits::default() });
    let reasons = fetched.open(&at(&remote, None), &Profile::default()).await.err().unwrap();
    assert_eq!(codes(&reasons), [ReasonCode::SourceTooLarge]);
    for limits in
        [Limits { copy_bytes: 1 << 20, ..Limits::default() }, Limits { entries: 0, ..Limits::default() }]
    {
        let reasons = of(limits).open(&local(top.path(), None), &Profile::default()).await.err().unwrap();
        assert_eq!(codes(&reasons), [ReasonCode::SourceTooLarge]);
    }
}

#[tokio::test]
async fn a_credential_is_only_what_may_be_one() {
    let source = |env: &str, url: &str| Source::Git {
        url: url.parse().unwrap(),
        git_ref: None,
        commit: None,
        credential: Some(Credential { env: env.to_owned() }),
    };
    for (env, url) in [
        ("PATH", "https://127.0.0.1/x"),
        ("DEPLOY_GIT_NOT_SET", "https://127.0.0.1/x"),
        ("DEPLOY_GIT_X", "git://127.0.0.1/x"),
    ] {
        let reason = refused(&source(env, url)).await;
        assert_eq!(reason.code, ReasonCode::GitCredentialMissing, "{env}");
    }
}

#[tokio::test]
async fn what_is_no_repository_says_so() {
    let top = tree(&[("x", "")]);
    let reason = refused(&local(top.path(), None)).await;
    assert!(matches!(reason.code, ReasonCode::GitRefNotFound | ReasonCode::SourceUnavailable), "{reason:?}");
    let reason = refused(&local(&top.path().join("missing"), None)).await;
    assert_eq!(reason.code, ReasonCode::SourceNotFound);
    // A directory in a repository is not its top.
    let inner = repository(&[("a/x", "")]);
    let reason = refused(&local(&inner.path().join("a"), None)).await;
    assert!(matches!(reason.code, ReasonCode::GitRefNotFound | ReasonCode::SourceUnavailable), "{reason:?}");
    // What is wrong with the profile is said beside it.
    let reasons =
        reader().open(&local(&top.path().join("missing"), None), &base("../x")).await.err().unwrap();
    assert_eq!(codes(&reasons), [ReasonCode::SourceNotFound, ReasonCode::PathOutsideSource]);
}
