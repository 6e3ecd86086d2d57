//! Bad input: one clear sentence with a typed code, the right exit code, and the first release is
//! still served.

use std::net::TcpListener;
use std::os::unix::fs::symlink;

use crate::common::{Place, Run, Running, as_nobody, is_root, serves, tool};
use crate::http;

/// With v1 live, whatever `prepare` does to `v2` must be refused with one of these codes and exits.
#[track_caller]
fn refused(prepare: impl FnOnce(&Place), exits: &[i32], codes: &[&str]) -> Run {
    let place = Place::new();
    let url = place.with_v1();
    prepare(&place);
    let run = place.run(&["up", "v2", "--resource", "web"]);
    check(&run, exits, codes);
    serves(&url, "first");
    // And nothing stays in the way of the next one.
    place.write("v3/index.html", "third");
    let next = place.run(&["up", "v3", "--resource", "web"]);
    assert_eq!(next.code, 0, "after {codes:?} the next deployment is not possible: {next:#?}");
    serves(&url, "third");
    run
}

#[track_caller]
fn check(run: &Run, exits: &[i32], codes: &[&str]) {
    run.prints_nothing();
    assert!(exits.contains(&run.code), "{run:#?}");
    assert!(codes.iter().any(|code| run.err.contains(&format!("[{code}]"))), "none of {codes:?}: {run:#?}");
    assert!(!run.err.contains("panicked"), "{run:#?}");
}

#[test]
fn a_missing_directory() {
    refused(|_| {}, &[4], &["source_not_found"]).says("v2");
}

#[test]
fn a_file_instead_of_a_directory() {
    refused(|place| place.write("v2", "a file"), &[4], &["source_not_a_directory"]).says("v2");
}

#[test]
fn an_empty_directory() {
    refused(|place| std::fs::create_dir(place.path("v2")).unwrap(), &[4], &["nothing_to_serve"]);
}

#[test]
fn a_link_loop_as_the_source() {
    let prepare = |place: &Place| {
        symlink(place.path("loop"), place.path("v2")).unwrap();
        symlink(place.path("v2"), place.path("loop")).unwrap();
    };
    refused(prepare, &[4], &["source_unsafe", "source_not_found", "source_unreadable"]);
}

#[test]
fn threat_f09_a_link_loop_inside_the_source() {
    let prepare = |place: &Place| {
        place.write("v2/index.html", "second");
        symlink("b", place.path("v2/a")).unwrap();
        symlink("a", place.path("v2/b")).unwrap();
    };
    refused(prepare, &[3, 4], &["source_unsafe"]);
}

#[test]
fn threat_f09_a_link_to_the_directory_above() {
    let prepare = |place: &Place| {
        place.write("v2/index.html", "second");
        symlink("..", place.path("v2/up")).unwrap();
    };
    refused(prepare, &[3, 4], &["source_unsafe"]);
}

#[test]
fn threat_f09_a_link_out_of_the_source() {
    for target in ["/etc/passwd", "/", "../v1/index.html"] {
        let prepare = |place: &Place| {
            place.write("v2/index.html", "second");
            symlink(target, place.path("v2/page.html")).unwrap();
        };
        refused(prepare, &[3, 4], &["source_unsafe"]).says("page.html");
    }
}

#[test]
fn threat_f09_a_link_out_of_the_source_that_only_the_build_makes() {
    let toml =
        crate::common::toml_build("mkdir dist; echo second > dist/index.html; ln -s /etc/passwd dist/x");
    refused(|place| place.write("v2/deploy.toml", &toml), &[3], &["source_unsafe"]);
    let toml = crate::common::toml_build("ln -s /etc dist");
    refused(
        |place| place.write("v2/deploy.toml", &toml),
        &[3],
        &["source_unsafe", "publish_directory_missing"],
    );
}

#[test]
fn a_pipe_in_the_source() {
    let prepare = |place: &Place| {
        place.write("v2/index.html", "second");
        assert!(tool(&["mkfifo", &place.text("v2/pipe")]));
    };
    refused(prepare, &[3, 4], &["source_unsafe"]).says("pipe");
}

#[test]
fn a_name_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let prepare = |place: &Place| {
        place.write("v2/index.html", "second");
        std::fs::write(place.path("v2").join(std::ffi::OsStr::from_bytes(b"a\xff.html")), "x").unwrap();
    };
    refused(prepare, &[3, 4], &["source_unsafe"]);
}

#[test]
fn threat_f08_paths_that_leave_the_source() {
    let escapes = ["../v1", "../../etc", "/etc", "a/../../v1", "..", "\\\\..\\\\..", "%2e%2e/v1"];
    for key in ["[source]\nbase_directory", "[runtime]\npublish_directory"] {
        let place = Place::new();
        let url = place.with_v1();
        for escape in escapes {
            place.write("v2/index.html", "second");
            place.write("v2/deploy.toml", &format!("{key} = \"{escape}\"\n"));
            let run = place.run(&["plan", "v2"]);
            assert_eq!(run.code, 4, "{key} = {escape}: {run:#?}");
            let plan = place.json(&["plan", "v2"]);
            let codes = plan["readiness"]["reasonCodes"].to_string();
            let typed = [
                "path_outside_source",
                "base_directory_missing",
                "publish_directory_missing",
                "nothing_to_serve",
            ];
            assert!(typed.iter().any(|code| codes.contains(code)), "{key} = {escape}: {codes}");
            if escape.starts_with("..") || escape.starts_with('/') {
                assert!(codes.contains("path_outside_source"), "{key} = {escape}: {codes}");
            }
        }
        let run = place.run(&["up", "v2", "--resource", "web"]);
        run.exits(4).prints_nothing();
        serves(&url, "first");
    }
}

#[test]
fn threat_f04_names_and_hosts_that_are_no_names() {
    let place = Place::new();
    let url = place.with_v1();
    let bad = [
        "../x",
        "a/b",
        "-x",
        "A B",
        "",
        ".",
        "..",
        "a_b",
        "x;y",
        "$(id)",
        "`id`",
        "@/etc/passwd",
        "x\ny",
        "é",
        &"a".repeat(64),
    ];
    for name in bad {
        for option in ["--resource", "--environment", "--target"] {
            let run = place.run(&["up", "v1", &format!("{option}={name}")]);
            run.refuses_usage();
            assert!(run.err.contains(option), "it does not say where: {run:#?}");
        }
        place.run(&["rollback", "--", name]).refuses_usage();
        place.run(&["releases", "--", name]).refuses_usage();
        place.write("v2/index.html", "second");
        place.write("v2/deploy.toml", &format!("resource = {name:?}\n").replace("\\u{e9}", "é"));
        place.run(&["plan", "v2"]).refuses(2, "config_invalid").says("resource");
    }
    for host in ["../x", "a b", "*", "-a", "a..b", "a/b", "@/etc/passwd", "[::1]", ""] {
        place.write("v2/deploy.toml", &format!("[access]\nhost = {host:?}\n"));
        let run = place.run(&["up", "v2", "--resource", "web"]);
        check(&run, &[4], &["host_invalid"]);
    }
    serves(&url, "first");
}

#[test]
fn threat_f03_options_in_the_place_of_values() {
    let place = Place::new();
    let url = place.with_v1();
    place.run(&["up", "v1", "--resource", "-x"]).refuses_usage();
    place.run(&["up", "-x"]).refuses_usage();
    place.run(&["up", "--resource"]).refuses_usage();
    place.run(&["rollback", "web", "--to", "-1"]).refuses_usage();
    place.run(&["show", "--version=1"]).refuses_usage();
    check(&place.run(&["up", "--resource", "web", "--", "--help"]), &[4], &["source_not_found"]);
    place.run(&["up", "v1", "--detach", "--wait-timeout", "1s"]).refuses_usage();
    place.run(&["up", "v1", "--wait-timeout", "soon"]).refuses_usage();
    place.run(&["frobnicate"]).refuses_usage();
    serves(&url, "first");
}

#[test]
fn threat_f03_a_value_that_begins_with_an_at_sign_is_never_expanded() {
    let place = Place::new();
    let url = place.with_v1();
    let at = "@/etc/passwd";
    for arguments in [
        &["up", at, "--resource", "web"][..],
        &["up", at],
        &["plan", at],
        &["detect", at],
        &["up", "v1", "--resource", at],
        &["up", "v1", "--environment", at],
        &["up", "v1", "--target", at],
        &["up", "v1", "--config", at],
        &["up", "v1", "--plan", at],
        &["up", "v1", "--wait-timeout", at],
        &["show", at],
        &["events", at],
        &["logs", at],
        &["releases", at],
        &["rollback", at],
        &["rollback", "web", "--to", at],
        &["pause", at],
        &["resume", at],
        &["stop", at],
        &["recheck", at],
        &["list", "--resource", at],
        &["list", "--status", at],
        &["list", "--before", at],
        &["verify", "--url", at],
        &["serve", "--listen", at],
        &["schema", at],
        &["completions", at],
        &[at],
    ] {
        let run = place.run(arguments);
        assert!([2, 4].contains(&run.code), "{arguments:?}: {run:#?}");
        assert!(!format!("{}{}", run.out, run.err).contains("root:"), "{arguments:?}: {run:#?}");
    }
    serves(&url, "first");
}

#[test]
fn threat_f04_no_value_of_the_configuration_but_a_command_reaches_a_shell() {
    let place = Place::new();
    let proof = place.text("proof");
    let value = format!("$(touch {proof})`touch {proof}`;touch {proof}|touch {proof}");
    for key in [
        "[runtime]\npublish_directory",
        "[source]\nbase_directory",
        "[runtime]\nfallback",
        "[access]\nhost",
        "[health]\npath",
    ] {
        place.write("site/index.html", "page");
        place.write("site/deploy.toml", &format!("{key} = '{value}'\n"));
        assert_ne!(place.run(&["up", "site"]).code, 10);
    }
    // Beside a real command too: as its environment, and as the name of the directory it runs in.
    let toml = crate::common::toml_build("mkdir dist; echo page > dist/index.html")
        + &format!("[env]\nX = '{value}'\n");
    place.write("$(touch proof);touch proof/deploy.toml", &toml);
    place.run(&["up", "$(touch proof);touch proof"]).exits(0);
    assert!(!place.path("proof").exists(), "a value was executed");
}

#[test]
fn a_broken_configuration_names_the_line_and_the_key() {
    let place = Place::new();
    let url = place.with_v1();
    let broken = [
        ("# one\nresource = \n", 2, ""),
        ("[runtime\n", 1, ""),
        ("# one\n# two\nresoruce = \"web\"\n", 3, "resoruce"),
        ("[runtime]\nstrategy = \"static\"\nbuidl = \"make\"\n", 3, "buidl"),
        ("[health]\nhealthy_after = \"two\"\n", 2, "healthy_after"),
        ("[health]\n\ninterval = \"soon\"\n", 3, "interval"),
        ("[access]\nport = 70000\n", 2, "port"),
        ("[runtime]\nstrategy = \"magic\"\n", 2, "strategy"),
        ("[secrets]\nDATABASE_URL = \"postgres://user:hunter2@db\"\n", 2, "DATABASE_URL"),
        ("resource = \"web\"\nresource = \"web\"\n", 2, "resource"),
    ];
    for (toml, line, key) in broken {
        place.write("v2/index.html", "second");
        place.write("v2/deploy.toml", toml);
        for command in ["plan", "up", "detect"] {
            let run = place.run(&[command, "v2"]);
            run.refuses(2, "config_invalid").says("v2/deploy.toml").says(&format!("line {line}"));
            assert!(run.err.contains(key), "{key} is not named: {run:#?}");
        }
    }
    place.run(&["up", "v1", "--config", "nowhere.toml"]).refuses(2, "config_unreadable").says("nowhere.toml");
    place.run(&["up", "v1", "--config", "v1"]).refuses(2, "config_unreadable");
    serves(&url, "first");
}

#[test]
fn a_configuration_that_is_not_text_or_far_too_large() {
    let place = Place::new();
    place.write("site/index.html", "page");
    std::fs::write(place.path("site/deploy.toml"), b"resource = \"\xff\"\n").unwrap();
    place.run(&["plan", "site"]).refuses(2, "config_unreadable");
    place.write("site/deploy.toml", &"# comment\n".repeat(200_000));
    place.run(&["plan", "site"]).refuses(2, "config_unreadable");
}

#[test]
fn what_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    std::fs::create_dir(place.state()).unwrap();
    if is_root() {
        assert!(tool(&["chown", crate::common::NOBODY, &place.text("s")]));
    }
    place.write("v1/index.html", "first");
    place.write("v2/index.html", "second");
    place.write("v3/index.html", "third");
    place.write("v3/page.html", "third");
    let Some(up) = as_nobody(&place, &["up", "v1", "--resource", "web"]) else { return };
    let url = Running::start(up).end();
    let url = url.exits(0).out.trim_end();
    let close = |below: &str| {
        std::fs::set_permissions(place.path(below), std::fs::Permissions::from_mode(0o000)).unwrap();
    };
    close("v2");
    close("v3/page.html");
    for (directory, named) in [("v2", "v2"), ("v3", "page.html")] {
        let up = as_nobody(&place, &["up", directory, "--resource", "web"]).unwrap();
        let run = Running::start(up).end();
        check(&run, &[3, 4], &["source_unreadable", "source_unavailable"]);
        run.says(named);
        serves(url, "first");
    }
    // Whoever stops them must be who started them.
    if let Some(stop) = as_nobody(&place, &["serve", "--stop"]) {
        Running::start(stop).end().exits(0);
    }
    let _ = tool(&["chmod", "-R", "u+rwX", &place.text("v2"), &place.text("v3")]);
}

#[test]
fn a_state_directory_that_can_not_be_used() {
    let place = Place::new();
    place.write("site/index.html", "page");
    place.write("file", "a file");
    for state in [place.text("file"), place.text("file/below"), "/proc/deploy".to_owned()] {
        let mut up = std::process::Command::new(env!("CARGO_BIN_EXE_deploy"));
        up.args(["up", "site", "--state-dir", &state]);
        place.furnish(&mut up);
        let run = Running::start(up).end();
        run.refuses(2, "state_dir_unusable").says(&state).says("--state-dir");
    }
    std::fs::create_dir(place.path("closed")).unwrap();
    let Some(mut up) = as_nobody(&place, &["up", "site"]) else { return };
    up.args(["--json"]);
    let run = Running::start(up).end();
    run.exits(2).says("[state_dir_unusable]").prints("\"code\":\"state_dir_unusable\"");
}

#[test]
fn a_state_directory_with_a_path_too_long_for_a_socket() {
    let place = Place::new();
    place.write("site/index.html", "page");
    let state = place.path(&"long".repeat(40));
    let mut up = std::process::Command::new(env!("CARGO_BIN_EXE_deploy"));
    up.args(["up", "site", "--state-dir"]).arg(&state);
    place.furnish(&mut up);
    let run = Running::start(up).end();
    assert!(run.took.as_secs() < 10, "{run:#?}");
    run.exits(2).prints_nothing().says("too long").says(state.to_str().unwrap());
    assert_eq!(run.err.matches("error: ").count(), 1, "not one sentence: {run:#?}");
    run.says("shorter");
}

#[test]
fn a_port_that_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let prepare = |place: &Place| {
        place.write("v2/index.html", "second");
        place.write("v2/deploy.toml", &format!("[access]\nport = {port}\n"));
    };
    refused(prepare, &[3, 4], &["port_unavailable", "port_taken"]).says(&port.to_string());
}

#[test]
fn a_port_of_its_own_that_is_free_answers() {
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    place.write("site/index.html", "page");
    place.write("site/deploy.toml", &format!("[access]\nport = {port}\n"));
    let url = place.run(&["up", "site", "--resource", "web"]);
    serves(url.exits(0).out.trim_end(), "page");
    let own = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let answer = http::request(own, "GET", "/", &format!("127.0.0.1:{port}"), "", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "page"), "by the port alone");
    // Another resource can't have it.
    let other = place.run(&["up", "site", "--resource", "other"]);
    check(&other, &[4], &["port_taken"]);
}

#[test]
fn an_exact_edge_address_that_is_in_use() {
    let place = Place::new();
    place.write("site/index.html", "page");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = place.run(&["serve", "--edge-listen", &address]);
    serve.exits(2).prints_nothing().says(&address).says("[address_in_use]");
    assert_eq!(serve.err.matches("error: ").count(), 1, "{serve:#?}");
    let mut up = place.command(&["up", "site"]);
    up.env("DEPLOY_EDGE_LISTEN", &address);
    let up = Running::start(up).end();
    up.exits(2).prints_nothing().says(&address);
    drop(taken);
    serves(place.run(&["up", "site"]).exits(0).out.trim_end(), "page");
}

#[test]
fn an_unsupported_target_is_refused_and_the_supported_ones_are_listed() {
    let place = Place::new();
    let url = place.with_v1();
    for target in ["vercel", "cloudflare", "kamal", "anything"] {
        for command in [&["plan"][..], &["up"], &["up", "--dry-run"]] {
            let rest = ["v1", "--resource", "web", "--target", target];
            let run = place.run(&[command, &rest].concat());
            run.refuses(2, "unsupported_target").says(target).says("static, docker, fly");
        }
    }
    serves(&url, "first");
}

#[test]
fn another_resource_can_not_take_the_host() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v2/index.html", "thief");
    place.write("v2/deploy.toml", "[access]\nhost = \"WEB.localhost.\"\n");
    let run = place.run(&["up", "v2", "--resource", "thief"]);
    check(&run, &[3, 4], &["host_taken"]);
    serves(&url, "first");
}

#[test]
fn threat_f08_a_fallback_outside_of_the_source_is_never_served_and_the_plan_says_no() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("private.txt", "CANARY");
    place.write("v2/index.html", "second");
    let mut ready = Vec::new();
    for escape in ["../private.txt", "/etc/passwd", "a/../../private.txt"] {
        place.write("v2/deploy.toml", &format!("[runtime]\nfallback = \"{escape}\"\n"));
        let run = place.run(&["up", "v2", "--resource", "web"]);
        run.prints_nothing();
        assert_ne!(run.code, 0, "{run:#?}");
        assert!(!http::get_path(&url, "/nowhere").body.contains("CANARY"));
        serves(&url, "first");
        if place.run(&["plan", "v2"]).code != 4 {
            ready.push((escape, run));
        }
    }
    assert!(ready.is_empty(), "`plan` calls these ready, and `up` fails: {ready:#?}");
}
