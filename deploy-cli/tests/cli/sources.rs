//! Repositories, archives and images as sources: what is planned, what is refused, and what a preview does meanwhile.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Place, Running, cannot, keys, serves, snapshot, tool};

/// Runs git as a person would, and gives what it prints.
fn git(at: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(at).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "tester")
            .env(format!("GIT_{who}_EMAIL"), "tester@example.invalid");
    }
    let out = git.args(arguments).output().unwrap();
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// A page on the branch `main` of a repository, and its commit.
fn page(place: &Place, below: &str, content: &str) -> String {
    place.write(&format!("{below}/index.html"), content);
    let at = place.path(below);
    if !at.join(".git").exists() {
        git(&at, &["init", "-q", "-b", "main"]);
    }
    git(&at, &["add", "-A"]);
    git(&at, &["commit", "-q", "-m", content]);
    git(&at, &["rev-parse", "HEAD"])
}

fn packed(place: &Place, name: &str, below: &str) {
    let done = Command::new("tar")
        .arg("-caf")
        .arg(place.path(name))
        .arg("-C")
        .arg(place.path(below))
        .arg(".")
        .status();
    assert!(done.unwrap().success());
}

fn json(run: &crate::common::Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

#[test]
fn threat_f02_what_is_no_repository_or_ref_or_image_is_refused_and_not_repeated() {
    let place = Place::new();
    page(&place, "repo", "x");
    for (arguments, code) in [
        (&["plan", "https://anna:canary-7@host/x.git"][..], "invalid_url"),
        (&["plan", "https://canary-7@host/x.git"], "invalid_url"),
        (&["plan", "https://host/x.git;touch canary-7"], "invalid_url"),
        (&["plan", "ext::sh -c touch% canary-7"], "invalid_url"),
        (&["plan", "file:///etc/canary-7"], "invalid_url"),
        (&["plan", "fd::17"], "invalid_url"),
        (&["plan", "ssh://-oProxyCommand=canary-7/x"], "invalid_url"),
        (&["plan", "git@host:x --upload-pack=canary-7"], "invalid_url"),
        (&["plan", "https://host/x.git#--upload-pack=canary-7"], "invalid_ref"),
        (&["plan", "https://host/x.git#main", "--ref", "other"], "invalid_ref"),
        (&["plan", "repo", "--ref=-canary-7"], "invalid_ref"),
        (&["plan", "repo", "--ref", "main^{/canary-7}"], "invalid_ref"),
        (&["plan", "repo", "--ref", "refs/heads/../../canary-7"], "invalid_ref"),
        (&["plan", "repo", "--ref", "@{-1}"], "invalid_ref"),
        (&["plan", "repo", "--ref", "main\ncanary-7"], "invalid_ref"),
        (&["plan", "--image", "canary 7"], "invalid_image"),
        (&["plan", "--image=--privileged"], "invalid_image"),
        (&["up", "--image", "user:canary-7@host/x"], "invalid_image"),
    ] {
        let run = place.run(arguments);
        run.refuses(2, code);
        assert!(!format!("{run:?}").contains("canary"), "{arguments:?}: {run:?}");
    }
    place.run(&["plan", "repo", "--image", "nginx:1"]).refuses_usage();
    assert!(!place.path("canary-7").exists());
}

#[test]
fn threat_f10_a_repository_inside_is_refused_in_a_blocked_plan() {
    let place = Place::new();
    for url in [
        "https://127.0.0.1:1/x",
        "ssh://localhost:1/x",
        "https://169.254.169.254/x",
        "git://127.0.0.1:1/x",
        "http://127.0.0.1:1/x",
    ] {
        let run = place.run(&["plan", url, "--json"]);
        let plan = json(run.exits(4));
        assert_eq!(plan["blockedReasons"][0]["code"], "source_refused", "{plan:#}");
        assert_eq!(plan["source"]["locator"], url);
    }
}

#[test]
fn a_commit_is_planned_deployed_and_shown() {
    let place = Place::new();
    let first = page(&place, "repo", "first");
    place.write("repo/index.html", "not committed");
    let plan = place.json(&["plan", "repo", "--ref", "main"]);
    let source = &plan["source"];
    let mut known = keys(source);
    known.sort_unstable();
    assert_eq!(known, ["baseDirectory", "commit", "gitRef", "kind", "locator"], "{source}");
    assert_eq!(
        (&source["kind"], &source["gitRef"], &source["commit"]),
        (&"git".into(), &"main".into(), &first.clone().into())
    );
    let next = plan["nextActions"][0]["command"].as_str().unwrap();
    assert!(next.contains("/repo --ref main --plan sha256:"), "{next}");
    let fingerprint = plan["fingerprint"].as_str().unwrap();

    let run = place.run(&["up", "repo", "--ref", "main", "--resource", "web", "--json"]);
    let status = json(run.exits(0));
    serves(status["liveNow"]["url"].as_str().unwrap(), "first");
    assert_eq!(status["sourceSummary"]["commit"], first.as_str());
    let id = status["id"].as_str().unwrap();
    place.run(&["show", id]).exits(0).prints(&format!("/repo at main ({})", &first[..12]));
    place.run(&["list"]).exits(0).prints(&format!("main@{}", &first[..7]));

    // The branch moves: what was planned is not what would be deployed.
    let second = page(&place, "repo", "second");
    assert_ne!(place.json(&["plan", "repo", "--ref", "main"])["fingerprint"], fingerprint);
    let changed = place.run(&["up", "repo", "--ref", "main", "--plan", fingerprint, "--json"]);
    assert!(changed.exits(4).out.contains("plan_changed"), "{changed:?}");
    let old = place.run(&["up", "repo", "--ref", &first, "--resource", "web", "--json"]);
    serves(json(old.exits(0))["liveNow"]["url"].as_str().unwrap(), "first");
    let missing = json(place.run(&["plan", "repo", "--ref", "nope", "--json"]).exits(4));
    assert_eq!(missing["blockedReasons"][0]["code"], "git_ref_not_found");
    assert_ne!(first, second);
}

#[test]
fn an_archive_is_planned_and_deployed() {
    let place = Place::new();
    place.write("app/index.html", "packed");
    packed(&place, "app.tar.gz", "app");
    let plan = place.json(&["plan", "app.tar.gz"]);
    assert_eq!(plan["source"]["kind"], "archive");
    assert!(plan["source"]["digest"].as_str().unwrap().starts_with("sha256:"), "{plan:#}");
    assert_eq!(plan["resource"]["resource"], "app");
    let status = json(place.run(&["up", "app.tar.gz", "--json"]).exits(0));
    serves(status["liveNow"]["url"].as_str().unwrap(), "packed");
    place.write("broken.zip", "PK\u{3}\u{4}");
    let broken = json(place.run(&["plan", "broken.zip", "--json"]).exits(4));
    assert_eq!(broken["blockedReasons"][0]["code"], "archive_invalid");
    let missing = json(place.run(&["plan", "missing.tgz", "--json"]).exits(4));
    assert_eq!(missing["blockedReasons"][0]["code"], "source_not_found");
}

#[test]
fn an_image_is_planned_as_one_and_nothing_is_pulled() {
    let place = Place::new();
    for (reference, floating) in [("ghcr.io/acme/web", true), ("nginx:latest", true), ("nginx:1.27", false)] {
        // The static target has no use for an image; what was resolved is there all the same.
        let run = place.run(&["plan", "--image", reference, "--json"]);
        let plan = json(run.exits(4));
        assert_eq!(
            (&plan["planner"]["key"], &plan["planner"]["origin"]),
            (&"image".into(), &"explicit".into())
        );
        assert_eq!(
            (&plan["source"]["kind"], &plan["source"]["locator"]),
            (&"image".into(), &reference.into())
        );
        assert_eq!(
            (&plan["artifact"]["kind"], &plan["artifact"]["image"]),
            (&"prebuilt-image".into(), &reference.into())
        );
        let warnings = plan["warnings"].as_array().unwrap();
        assert_eq!(warnings.iter().any(|reason| reason["code"] == "floating_image"), floating, "{plan:#}");
    }
}

#[test]
fn invariant_28_a_preview_of_any_source_runs_git_only_and_writes_below_the_temporary_directory_only() {
    if !tool(&["strace", "-f", "-o", "/dev/null", "true"]) {
        cannot("strace", "it is not installed, or may not trace here");
        return;
    }
    let place = Place::new();
    page(&place, "repo", "x");
    packed(&place, "app.tar.zst", "repo");
    packed(&place, "app.tar", "repo");
    std::fs::create_dir(place.path("tmp")).unwrap();
    let before = snapshot(&place.path("repo"));
    for arguments in [
        &["plan", "repo"][..],
        &["plan", "repo", "--ref", "main", "--json"],
        &["plan", "app.tar"],
        &["plan", "app.tar.zst"],
        &["up", "repo", "--ref", "main", "--dry-run"],
        &["plan", "--image", "nginx:1.27"],
    ] {
        let trace = place.path("trace");
        let mut command = Command::new("strace");
        command
            .args(["-f", "-y", "-s", "4096", "-o"])
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_deploy"))
            .args(arguments);
        command.arg("--state-dir").arg(place.state());
        place.furnish(&mut command);
        command.env("TMPDIR", place.path("tmp"));
        Running::start(command).end();
        let trace = std::fs::read_to_string(trace).unwrap();
        let offences: Vec<&str> = trace.lines().filter(|line| offends(line, &place.text("tmp"))).collect();
        assert!(offences.is_empty(), "{arguments:?}: {offences:#?}");
        assert_eq!(trace.contains("/git\""), arguments.contains(&"--ref"), "{arguments:?}");
        let left: Vec<_> = std::fs::read_dir(place.path("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{arguments:?}: {left:?}");
    }
    assert_eq!(snapshot(&place.path("repo")), before);
}

/// Whether a line of a trace is a call that runs another program than git, writes elsewhere, or talks to somebody.
fn offends(line: &str, temporary: &str) -> bool {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let name = call.split('(').next().unwrap_or_default();
    // Arguments that are paths come first; what is written is not a path.
    let path = call.split(", O_").next().unwrap_or_default();
    let inside = path.contains(temporary);
    let opens = ["open", "openat", "openat2", "creat"].contains(&name)
        && ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"].iter().any(|flag| call.contains(flag))
        && !call.contains("\"/dev/null\"");
    let changes = [
        "mkdir",
        "mkdirat",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "rmdir",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "truncate",
        "ftruncate",
        "chmod",
        "fchmod",
        "fchmodat",
        "chown",
        "fchown",
        "fchownat",
        "utimensat",
        "mknod",
        "mknodat",
        "setxattr",
        "fsetxattr",
        "fsync",
        "fdatasync",
        "fallocate",
    ];
    match name {
        "mount" | "connect" | "bind" | "listen" | "sendto" | "sendmsg" => true,
        // A path that is tried and is not there runs nothing.
        "execve" => !call.contains("/deploy\"") && !call.contains("/git\"") && !call.contains("ENOENT"),
        name => (opens || changes.contains(&name)) && !inside,
    }
}
