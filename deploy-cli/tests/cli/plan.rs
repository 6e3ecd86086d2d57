//! `deploy plan` (invariant 28): a preview that writes nothing, says everything, and is the same
//! wherever it is made.

use std::process::Command;

use serde_json::Value;

use crate::common::{Place, Running, as_nobody, cannot, has_keys, snapshot, tool};

fn built_site(place: &Place, below: &str) {
    place.write(&format!("{below}/index.html"), "<h1>page</h1>\n");
    place.write(&format!("{below}/sub/page.html"), "page\n");
    place.write(&format!("{below}/deploy.toml"), "resource = \"web\"\n[health]\nexpected_body = \"page\"\n");
}

#[test]
fn invariant_28_plan_changes_neither_the_source_nor_the_state_directory() {
    let place = Place::new();
    built_site(&place, "site");
    for state_is_there in [false, true] {
        if state_is_there {
            std::fs::create_dir(place.state()).unwrap();
        }
        let before = snapshot(&place.path(""));
        for arguments in [&["plan", "site"][..], &["plan", "site", "--json"], &["detect", "site"]] {
            place.run(arguments).exits(0);
        }
        assert_eq!(snapshot(&place.path("")), before);
    }
}

#[test]
fn invariant_28_plan_makes_no_system_call_that_writes_or_connects() {
    let place = Place::new();
    built_site(&place, "site");
    if !tool(&["strace", "-f", "-o", "/dev/null", "true"]) {
        cannot("strace", "it is not installed, or may not trace here");
        return;
    }
    for arguments in [&["plan", "site"][..], &["detect", "site", "--json"], &["up", "site", "--dry-run"]] {
        let trace = place.path("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_deploy")).args(arguments);
        command.arg("--state-dir").arg(place.state());
        place.furnish(&mut command);
        Running::start(command).end().exits(0);
        let trace = std::fs::read_to_string(trace).unwrap();
        assert!(trace.contains("openat("), "the trace is empty");
        let offences: Vec<&str> = trace.lines().filter(|line| writes(line)).collect();
        assert!(offences.is_empty(), "{arguments:?}: {offences:#?}");
    }
}

/// Whether a line of a trace is a call that changes a file system or talks to somebody.
fn writes(line: &str) -> bool {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let name = call.split('(').next().unwrap_or_default();
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
        "mount",
        "connect",
        "bind",
        "listen",
        "sendto",
        "sendmsg",
        "fork",
        "vfork",
        "fsync",
        "fdatasync",
        "fallocate",
    ];
    opens || changes.contains(&name) || (name == "execve" && !call.contains("/deploy\""))
}

#[test]
fn the_fingerprint_is_the_same_wherever_and_whenever_the_plan_is_made() {
    let place = Place::new();
    built_site(&place, "site");
    built_site(&place, "elsewhere/deep/site");
    let fingerprint = |directory: &str| place.json(&["plan", directory])["fingerprint"].clone();
    let first = fingerprint("site");
    assert!(first.as_str().unwrap().starts_with("sha256:"), "{first}");
    assert_eq!(fingerprint("site"), first);
    assert_eq!(fingerprint("elsewhere/deep/site"), first);
    // A control plane that runs, and an edge on whatever port it got, change nothing either.
    place.run(&["up", "site"]).exits(0);
    assert_eq!(fingerprint("site"), first);
    assert_eq!(place.newest()["planFingerprint"], first);
    // What is asked for does.
    place.write("site/deploy.toml", "resource = \"web\"\n[health]\nexpected_body = \"other\"\n");
    assert_ne!(fingerprint("site"), first);
}

#[test]
fn two_plans_of_one_source_differ_in_their_time_only() {
    let place = Place::new();
    built_site(&place, "site");
    let plan = || {
        let mut plan = place.json(&["plan", "site"]);
        plan["generatedAt"].take();
        plan
    };
    assert_eq!(plan(), plan());
}

#[test]
fn the_plan_document_has_every_key_of_the_contract() {
    let place = Place::new();
    place.write("site/package.json", "{\"name\": \"x\", \"scripts\": {\"build\": \"true\"}}");
    place.write("site/deploy.toml", "[runtime]\nbuild = \"make site\"\npublish_directory = \"dist\"\n");
    let run = place.run(&["plan", "site", "--json"]);
    let plan: Value = serde_json::from_str(&run.exits(0).out).unwrap();
    assert_eq!(plan["schemaVersion"], "deploy.plan/v1");
    let top = [
        "fingerprint",
        "generatedAt",
        "readiness",
        "source",
        "detection",
        "planner",
        "artifact",
        "commands",
        "network",
        "health",
        "access",
        "steps",
        "changes",
        "warnings",
        "blockedReasons",
        "nextActions",
    ];
    has_keys(&plan, &top);
    has_keys(&plan["readiness"], &["status", "reasonCodes"]);
    has_keys(&plan["source"], &["kind", "locator", "gitRef", "commit", "baseDirectory"]);
    let detection =
        ["language", "runtimeVersion", "framework", "packageManager", "kind", "supportTier", "evidence"];
    has_keys(&plan["detection"], &detection);
    has_keys(&plan["planner"], &["key", "origin"]);
    has_keys(&plan["artifact"], &["kind", "publishDirectory"]);
    has_keys(&plan["commands"][0], &["kind", "command", "origin", "evidence"]);
    let origins: Vec<&Value> =
        plan["commands"].as_array().unwrap().iter().map(|command| &command["origin"]).collect();
    assert_eq!(origins, ["detected", "explicit"], "install was found, build was fixed");
    has_keys(&plan["network"], &["internalPort", "protocol", "origin"]);
    has_keys(&plan["health"], &["origin"]);
    has_keys(&plan["access"], &["url", "host", "origin"]);
    has_keys(&plan["steps"][0], &["id", "phase", "title", "undo"]);
    // As null where they don't apply, like every other key.
    has_keys(&plan["artifact"], &["dockerfile", "image"]);
}

#[test]
fn a_blocked_plan_gives_all_its_reasons_and_everything_that_was_resolved() {
    let place = Place::new();
    place.write("site/index.html", "page");
    place.write(
        "site/deploy.toml",
        "[runtime]\npublish_directory = \"nope\"\n[access]\nhost = \"no host\"\n[health]\npath = \"relative\"\n",
    );
    let codes = ["publish_directory_missing", "host_invalid", "health_path_invalid"];
    let run = place.run(&["plan", "site", "--json"]);
    let plan: Value = serde_json::from_str(&run.exits(4).out).unwrap();
    assert_eq!(plan["readiness"]["status"], "blocked");
    let reasons = plan["blockedReasons"].as_array().unwrap();
    for code in codes {
        let reason = reasons.iter().find(|reason| reason["code"] == code);
        let reason = reason.unwrap_or_else(|| panic!("{code} is not among {reasons:#?}"));
        has_keys(reason, &["code", "phase", "message", "evidence", "fix", "override", "profileField"]);
        assert!(!reason["fix"].as_array().unwrap().is_empty(), "{reason}");
        assert!(plan["readiness"]["reasonCodes"].as_array().unwrap().contains(&code.into()));
    }
    assert!(
        plan["artifact"].is_object() && plan["detection"]["kind"] == "static",
        "what was resolved: {plan:#}"
    );
    assert_eq!(plan["source"]["locator"].as_str().unwrap(), place.text("site"));
    assert_eq!(plan["detection"]["evidence"][0]["file"], "index.html");

    let text = place.run(&["plan", "site"]);
    text.exits(4).prints("BLOCKED");
    codes.iter().for_each(|code| {
        text.prints(code);
    });
}

#[test]
fn a_source_that_may_only_be_read_can_be_planned_and_deployed() {
    let place = Place::new();
    built_site(&place, "site");
    std::fs::create_dir(place.state()).unwrap();
    assert!(tool(&["chmod", "-R", "a-w", &place.text("site")]));
    if crate::common::is_root() {
        assert!(tool(&["chown", crate::common::NOBODY, &place.text("s")]));
    }
    let before = snapshot(&place.path("site"));
    let (Some(plan), Some(up)) = (as_nobody(&place, &["plan", "site"]), as_nobody(&place, &["up", "site"]))
    else {
        return;
    };
    Running::start(plan).end().exits(0);
    let up = Running::start(up).end();
    crate::common::serves(up.exits(0).out.trim_end(), "page");
    assert_eq!(snapshot(&place.path("site")), before);
    let _ = tool(&["chmod", "-R", "u+w", &place.text("site")]);
}

#[test]
fn plan_write_adds_what_was_resolved_and_keeps_what_is_there() {
    let place = Place::new();
    let package = "{\"scripts\": {\"build\": \"vite build\"}, \"devDependencies\": {\"vite\": \"7\"}}";
    place.write("site/package.json", package);
    place.write("site/package-lock.json", "{}");
    let mine = "# mine\nresource = \"web\" # stays\n\n[runtime]\nbuild = \"make\"\n\n[env]\nA = \"1\"\n";
    place.write("site/deploy.toml", mine);
    let before = place.json(&["plan", "site"]);
    place.run(&["plan", "site", "--write"]).exits(0);
    let written = std::fs::read_to_string(place.path("site/deploy.toml")).unwrap();
    assert!(
        written.starts_with("# mine\nresource = \"web\" # stays\n\n[runtime]\nbuild = \"make\"\n"),
        "{written}"
    );
    for line in
        ["install = \"npm ci\"  # package-lock.json:", "publish_directory = \"dist\"  #", "[env]\nA = \"1\""]
    {
        assert!(written.contains(line), "{line} is not in {written}");
    }
    // The same is planned from the file alone, and there is nothing more to write.
    let after = place.json(&["plan", "site"]);
    for key in ["artifact", "commands"] {
        let plain = |plan: &Value| match key {
            "artifact" => plan[key]["publishDirectory"].to_string(),
            _ => plan[key].as_array().unwrap().iter().map(|command| command["command"].to_string()).collect(),
        };
        assert_eq!(plain(&before), plain(&after));
    }
    place.run(&["plan", "site", "--write"]).exits(0);
    assert_eq!(std::fs::read_to_string(place.path("site/deploy.toml")).unwrap(), written);
    place.write("fresh/index.html", "page");
    place.run(&["plan", "fresh", "--write"]).exits(0);
    let fresh = std::fs::read_to_string(place.path("fresh/deploy.toml")).unwrap();
    assert!(fresh.contains("[runtime]\npublish_directory = \".\""), "{fresh}");
}
