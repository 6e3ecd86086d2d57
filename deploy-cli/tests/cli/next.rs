//! What is printed as the next command does what was promised, run exactly as it is printed, from anywhere.

use std::path::Path;
use std::process::Command;

use crate::common::{Place, Run, Running, serves};

/// Runs a line as a person would: in a shell, in another directory than the one it was printed in.
fn typed(place: &Place, line: &str) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_deploy")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line);
    place.furnish(&mut shell);
    shell.env("PATH", format!("{}:{path}", program.display())).current_dir("/");
    Running::start(shell).end()
}

/// The command that a plan prints as the next one.
fn next(plan: &Run) -> &str {
    let line = plan.out.lines().find(|line| line.starts_with("  deploy up "));
    line.unwrap_or_else(|| panic!("no next command: {plan:?}")).trim_start()
}

#[test]
fn the_next_command_of_a_plan_carries_out_exactly_that_plan() {
    let place = Place::new();
    place.write("my site/out/index.html", "one");
    place.write("my site/deploy.toml", "resource = \"wrong\"\ntarget = \"docker\"\n");
    place.write("other.toml", "environment = \"wrong\"\n[runtime]\npublish_directory = \"out\"\n");
    let wanted =
        ["plan", "my site", "--config", "other.toml", "--environment", "staging", "--resource", "web"];
    let plan = place.run(&wanted);
    let line = next(plan.exits(0));
    let run = typed(&place, line);
    assert_eq!(run.code, 0, "{line}: {run:?}");
    serves(run.out.trim_end(), "one");
    let newest = place.newest();
    assert_eq!((&newest["resource"], &newest["environment"]), (&"web".into(), &"staging".into()));
    assert_eq!(newest["planFingerprint"], place.json(&wanted)["fingerprint"]);
}

#[test]
fn the_next_command_of_a_plan_of_a_commit_says_all_of_it() {
    let place = Place::new();
    place.write("repo/index.html", "one");
    let git = |arguments: &[&str]| {
        let done = Command::new("git").arg("-C").arg(place.path("repo")).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "one"]);
    let plan = place.run(&["plan", "repo", "--ref", "main", "--target", "static", "--rebuild"]);
    let line = next(plan.exits(0));
    for word in ["--ref main", "--target static", "--rebuild", "--plan sha256:"] {
        assert!(line.contains(word), "{line}");
    }
    let run = typed(&place, line);
    assert_eq!(run.code, 0, "{line}: {run:?}");
}

/// A rule's command that the program would not understand helps nobody.
#[test]
fn every_command_of_ours_that_a_cause_leads_to_is_understood() {
    let place = Place::new();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy-core/docs/causes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let ours = page.split('`').filter(|text| text.starts_with("deploy "));
    let commands: std::collections::BTreeSet<&str> = ours.collect();
    assert!(commands.len() > 2, "{commands:?}");
    for command in commands {
        let run = typed(&place, &format!("{command} --help"));
        assert_eq!(run.code, 0, "{command}: {run:?}");
    }
}

/// The first command below a failure mends its cause, or deploys again: here, once the script is there.
#[test]
fn what_a_failure_says_to_run_next_can_be_run() {
    let place = Place::new();
    place.write("app/index.html", "one");
    let toml =
        "[runtime]\nbuild = \"sh -c 'echo sh: 1: vite: not found; exit 1'\"\npublish_directory = \".\"\n";
    place.write("named.toml", toml);
    let failed = place.run(&["up", "app", "--config", "named.toml", "--resource", "web"]);
    assert_eq!(failed.code, 3, "{failed:?}");
    let said = format!("{}{}", failed.out, failed.err);
    assert!(said.contains("The program vite is not installed."), "{said}");
    let status = place.newest();
    let first = &status["recovery"]["next"][0]["command"];
    assert_eq!(first, &status["failure"]["likely"]["next"]["command"]);
    assert!(first.as_str().unwrap().contains("/named.toml"), "{first}");
    let line = said.lines().find_map(|line| line.split_once(": deploy up ")).unwrap().1;
    place.write("named.toml", "");
    let run = typed(&place, &format!("deploy up {line}"));
    assert_eq!(run.code, 0, "{line}: {run:?}");
    serves(run.out.trim_end(), "one");
}
