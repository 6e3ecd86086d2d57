//! Which package of a module, and which module of a workspace, is the program.

use super::SERVERS;
use crate::rule::Scene;

/// The package that a module is run by.
pub(super) enum Main {
    One(String),
    Several(Vec<String>),
    Modules(Vec<String>),
    None,
}

/// The package that is the program.
pub(super) fn main_package(scene: &Scene<'_>, manifest: &str) -> Main {
    if main_file(scene, "").is_some() {
        return Main::One(".".to_owned());
    }
    if !scene.has("go.mod") && scene.has("go.work") {
        let has_program = |module: &&String| {
            let below = scene.below(module);
            !matches!(main_package(&below, below.text("go.mod").unwrap_or_default()), Main::None)
        };
        let modules = used_modules(scene);
        let apps: Vec<String> = modules.iter().filter(has_program).cloned().collect();
        return match &apps[..] {
            [] => Main::None,
            [only] => {
                let below = scene.below(only);
                match main_package(&below, below.text("go.mod").unwrap_or_default()) {
                    Main::One(directory) => Main::One(join(only, &directory)),
                    Main::Several(_) | Main::Modules(_) | Main::None => Main::Modules(apps),
                }
            }
            [_, _, ..] => Main::Modules(apps),
        };
    }
    if main_file(scene, "cmd").is_some() {
        return Main::One("./cmd".to_owned());
    }
    let programs = |parent: &str| -> Vec<String> {
        let names = scene.directories(parent).into_iter();
        let with_main = names.filter(|name| main_file(scene, &join_plain(parent, name)).is_some());
        with_main.map(str::to_owned).collect()
    };
    let of_cmd = programs("cmd");
    if !of_cmd.is_empty() {
        return choose(manifest, of_cmd);
    }
    let below = programs("");
    let preferred =
        SERVERS.iter().chain(&["src", "backend"]).find(|name| below.iter().any(|found| found == *name));
    match (&below[..], preferred) {
        ([only], _) => Main::One(format!("./{only}")),
        (_, Some(name)) => Main::One(format!("./{name}")),
        ([], None) => Main::None,
        (several, None) => Main::Modules(several.to_vec()),
    }
}

/// One of the programs below `cmd`: the only one, the one that is called as the module, or a server.
fn choose(manifest: &str, mut names: Vec<String>) -> Main {
    let module = manifest.lines().find_map(|line| line.strip_prefix("module ")).unwrap_or_default().trim();
    let is_major = |part: &&str| {
        part.len() > 1 && part.starts_with('v') && part[1..].chars().all(|c| c.is_ascii_digit())
    };
    let own = module.rsplit('/').find(|part| !is_major(part)).unwrap_or_default();
    if names.len() == 1 {
        return names.pop().map_or(Main::None, |name| Main::One(format!("./cmd/{name}")));
    }
    let suffixed =
        |name: &&String| name.ends_with("-server") || name.ends_with("-api") || name.ends_with("server");
    let by_name = SERVERS.iter().find_map(|server| names.iter().find(|name| name == server));
    let only_suffixed =
        || Some(names.iter().find(suffixed)?).filter(|_| names.iter().filter(suffixed).count() == 1);
    let own = || names.iter().find(|name| *name == own);
    match by_name.or_else(own).or_else(only_suffixed) {
        Some(name) => Main::One(format!("./cmd/{name}")),
        None => Main::Several(names),
    }
}

fn join(module: &str, directory: &str) -> String {
    match directory.trim_start_matches("./") {
        "" | "." => format!("./{module}"),
        below => format!("./{module}/{below}"),
    }
}

pub(super) fn join_plain(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

/// A file of a directory that belongs to `package main`.
pub(super) fn main_file<'s>(scene: &Scene<'s>, directory: &str) -> Option<&'s str> {
    const READ: usize = 6;
    let files = scene
        .files(directory)
        .into_iter()
        .filter(|name| name.ends_with(".go") && !name.ends_with("_test.go"));
    let mut files: Vec<&str> = files.collect();
    files.sort_by_key(|name| *name != "main.go");
    let is_main = |name: &&str| {
        let text = scene.text(&join_plain(directory, name)).unwrap_or_default();
        let ignored = text
            .lines()
            .any(|line| line.starts_with("//go:build ignore") || line.starts_with("// +build ignore"));
        !ignored
            && text.lines().any(|line| line.trim() == "package main" || line.starts_with("package main "))
    };
    files.into_iter().take(READ).find(is_main)
}

/// The modules that `go.work` uses.
pub(super) fn used_modules(scene: &Scene<'_>) -> Vec<String> {
    let text = scene.text("go.work").unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    let words = lines.flat_map(|line| line.strip_prefix("use ").unwrap_or(line).split_whitespace());
    let paths =
        words.filter_map(|word| word.strip_prefix("./")).map(|path| path.trim_end_matches('/').to_owned());
    paths.filter(|path| !path.is_empty()).collect()
}
