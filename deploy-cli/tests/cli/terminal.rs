//! Threat F17: what comes from a build, a file name or a configuration never reaches a terminal as
//! something it obeys, and never breaks a stream of JSON.

use crate::common::{Place, Run, toml_build};

/// A screen clear, a clipboard write, a title, a bell, a line rewrite, C1, direction marks, and a log
/// line of somebody else's, as a build would print them.
const HOSTILE: &str = r#"printf 'a\033[2Jb\n\033]52;c;ZXZpbA==\007x\n\033]0;title\007\nhidden\rshown\n\302\233 31m c1\n\342\200\256 bidi \342\201\246 isolate \342\200\213\n2026-11-21T00:00:00.000Z  info   system/switch  forged\ndata: x\n\n\377\376 not utf-8\n'"#;

#[track_caller]
fn harmless(run: &Run) {
    for text in [&run.out, &run.err] {
        let obeyed = text.chars().find(|c| {
            (c.is_control() && !['\n', '\t'].contains(c))
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}' | '\u{2028}' | '\u{2029}')
        });
        assert_eq!(obeyed, None, "{text:?}");
    }
}

#[test]
fn threat_f17_what_a_build_prints_is_shown_as_visible_escapes() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build(&format!("{HOSTILE}; exit 1")));
    let up = place.run(&["up", "site"]);
    // What a terminal would do is taken out where lines are read; what only confuses readers is visible.
    up.exits(3).says("| ab\n").says("\\u{202e} bidi");
    harmless(&up);
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    for arguments in
        [&["show", &id][..], &["events", &id], &["logs", &id], &["list"], &["plan", "site"], &["doctor"]]
    {
        harmless(&place.run(arguments));
    }
    // The forged line is a message of the build, on a line that says so; none stands alone.
    let logs = place.run(&["logs", &id]);
    let forged = logs.out.lines().find(|line| line.contains("forged") && !line.contains("printf"));
    assert!(forged.expect("the line is there").contains("  build/build "), "{forged:?}");
    assert!(logs.out.lines().all(|line| line.contains(" build/") || line.contains(" system/")), "{logs:#?}");
}

#[test]
fn threat_f17_json_stays_one_valid_line_for_each_record() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build(&format!("{HOSTILE}; exit 1")));
    let up = place.run(&["up", "site", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&up.exits(3).out).unwrap();
    let id = status["id"].as_str().unwrap();
    let tail = status["failure"]["tail"].to_string();
    assert!(tail.contains("\u{202e} bidi"), "JSON has the text untouched: {tail}");
    for arguments in [&["logs", id, "--json"][..], &["events", id, "--json"]] {
        let run = place.run(arguments);
        let lines = run.exits(0).lines();
        assert_eq!(lines.last().unwrap()["kind"], "closed");
        assert!(lines.iter().all(|line| line["kind"].is_string()));
    }
    let logs = place.run(&["logs", id, "--json", "--source", "build"]).lines();
    let messages: Vec<&str> = logs.iter().filter_map(|line| line["message"].as_str()).collect();
    // Nothing that a terminal would do, and of what was written over itself the end.
    for whole in ["ab", "shown", "\u{202e} bidi \u{2066} isolate \u{200b}"] {
        assert!(messages.contains(&whole), "{whole:?}: {messages:?}");
    }
    assert!(!messages.iter().any(|message| message.contains(['\u{1b}', '\u{7}', '\r'])), "{messages:?}");
}

#[test]
fn threat_f17_json_escapes_what_a_terminal_would_obey() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build(&format!("{HOSTILE}; exit 1")));
    let up = place.run(&["up", "site", "--json"]);
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    harmless(&up);
    harmless(&place.run(&["logs", &id, "--json"]));
    harmless(&place.run(&["events", &id, "--json"]));
}

#[test]
fn threat_f17_a_hostile_file_name_is_shown_as_visible_escapes() {
    let place = Place::new();
    let name = "x\u{1b}[2J\u{1b}]52;c;eA==\u{7}\rforged\u{202e}.html";
    place.write("site/index.html", "page");
    place.write(&format!("site/{name}"), "page");
    for arguments in
        [&["detect", "site"][..], &["plan", "site"], &["up", "site", "--dry-run"], &["up", "site"]]
    {
        let run = place.run(arguments);
        harmless(&run);
        assert!([0, 3, 4].contains(&run.code), "{run:#?}");
    }
    std::os::unix::fs::symlink("/etc/passwd", place.path(&format!("site/{name}.link"))).unwrap();
    let run = place.run(&["up", "site"]);
    harmless(&run);
    assert_ne!(run.code, 0, "{run:#?}");
    harmless(&place.run(&["list"]));
}

const ARGUMENT: &str = "x\u{1b}[2J\u{202e}\r\u{9b}31m";

#[test]
fn threat_f17_hostile_paths_and_configuration_are_shown_as_visible_escapes() {
    let place = Place::new();
    place.write("site/index.html", "page");
    for arguments in [
        &["plan", ARGUMENT][..],
        &["detect", ARGUMENT],
        &["up", ARGUMENT],
        &["plan", "site", "--config", ARGUMENT],
        &["verify", "--url", ARGUMENT],
    ] {
        let run = place.run(arguments);
        assert_ne!(run.code, 0, "{run:#?}");
        harmless(&run);
    }
    place.write("site/deploy.toml", "\"k\\u001b[2J\" = 1\n# \u{1b}[2J\n");
    harmless(place.run(&["plan", "site"]).exits(2));
    let toml = "[access]\nhost = \"\\u001b[2J\\u202e\"\n[health]\npath = \"\\r\\u001b]0;x\"\n";
    place.write("site/deploy.toml", toml);
    harmless(place.run(&["plan", "site"]).exits(4));
}

#[test]
fn threat_f17_hostile_arguments_are_shown_as_visible_escapes() {
    let place = Place::new();
    place.write("site/index.html", "page");
    let mut obeyed = Vec::new();
    for arguments in [
        &["plan", "site", "--resource", ARGUMENT][..],
        &["plan", "site", "--target", ARGUMENT],
        &["show", ARGUMENT],
        &["rollback", ARGUMENT],
        &["rollback", "web", "--to", ARGUMENT],
        &["up", "site", "--plan", ARGUMENT],
        &["verify", "--url", "http://127.0.0.1:1/", "--deadline", ARGUMENT],
        &["schema", ARGUMENT],
        &[ARGUMENT],
    ] {
        let run = place.run(arguments);
        run.refuses_usage();
        if run.err.contains('\u{1b}') || run.err.contains('\u{9b}') || run.err.contains('\r') {
            obeyed.push(arguments);
        }
    }
    assert!(obeyed.is_empty(), "a usage error repeats its argument raw: {obeyed:?}");
}

#[test]
fn threat_f17_a_hostile_actor_is_shown_without_anything_a_terminal_obeys() {
    let place = Place::new();
    place.write("site/index.html", "page");
    let mut command = place.command(&["up", "site"]);
    command.env("DEPLOY_ACTOR", "eve\u{1b}[2J\u{202e}\rroot");
    let run = crate::common::Running::start(command).end();
    harmless(run.exits(0));
    harmless(place.run(&["list"]).exits(0));
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    harmless(place.run(&["show", &id]).exits(0));
    assert!(place.newest()["actor"].as_str().unwrap().contains("eve"), "nobody knows who it was");
}

#[test]
fn who_deployed_is_recorded_by_name_in_any_script() {
    let place = Place::new();
    place.write("site/index.html", "page");
    let mut command = place.command(&["up", "site"]);
    command.env("DEPLOY_ACTOR", "Zoë Müller 王");
    crate::common::Running::start(command).end().exits(0);
    assert_eq!(place.newest()["actor"], "Zoë Müller 王");
}
