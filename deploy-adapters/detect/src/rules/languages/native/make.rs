//! C and C++ with nothing but a Makefile, and a `configure` where there is one.

use std::collections::BTreeMap;

use deploy_core::detect::Detection;

use super::{DEBIAN, SLIM, commands, kind, known};
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::{Program, start_unknown};

pub(in crate::rules::languages) const RULE: Rule = detect;

const FILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// Targets that are no files, by their usual names.
const PHONY: [&str; 14] = [
    "all",
    "default",
    "build",
    "clean",
    "distclean",
    "install",
    "uninstall",
    "test",
    "tests",
    "check",
    "run",
    "help",
    "debug",
    "release",
];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&FILES)?;
    // Every language has a Makefile now and then: only the sources tell.
    let sources = sources(scene);
    if sources.is_empty() || scene.has("package.json") {
        return None;
    }
    let text = scene.text(file)?;
    let is_c = sources.iter().all(|source| source.ends_with(".c"));
    let language = if is_c { "c" } else { "cpp" };
    let mut program = Program::new(language, scene.fact(file, "describes the build of a C or C++ program"));
    program.detection.package_manager = Some("make".to_owned());
    program.images(known("Debian", &["12"]).choose(None), DEBIAN.to_owned(), Some(SLIM.to_owned()));
    program.detection.runtime_version = None;
    program.packages(&["build-essential", "pkg-config"], &["ca-certificates", "libstdc++6"]);
    if text.contains("ssl") {
        program.packages(&["libssl-dev"], &["libssl3"]);
    }
    let build = if scene.has("configure") { "sh ./configure && make" } else { "make" };
    program.sources = sources;
    match executable(text) {
        Some(name) => commands(scene, &mut program, file, build, &format!("./{name}")),
        None => {
            let message = format!("{file} names no program that it makes");
            let evidence = scene.fact(file, "has no target that is a program");
            program.detection.blocked.push(start_unknown(evidence, message, "./app"));
        }
    }
    kind(scene, &mut program);
    Some(program.plan(scene))
}

/// The sources at the top and in `src`, that of the program itself first.
fn sources(scene: &Scene<'_>) -> Vec<String> {
    const MOST: usize = 8;
    let is_source = |name: &&str| [".c", ".cc", ".cpp", ".cxx"].iter().any(|ending| name.ends_with(ending));
    let at = |directory: &str| -> Vec<String> {
        let names = scene.files(directory).into_iter().filter(is_source);
        names
            .map(|name| if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") })
            .collect()
    };
    let mut found = [at(""), at("src")].concat();
    found.sort_by_key(|path| {
        !["main.", "server."]
            .iter()
            .any(|name| path.rsplit('/').next().is_some_and(|file| file.starts_with(name)))
    });
    found.truncate(MOST);
    found
}

/// The program that is made: what the first target comes to, else what a variable of a usual name says.
fn executable(text: &str) -> Option<String> {
    let variables = variables(text);
    let plain = |name: &str| {
        let name = expanded(name, &variables);
        let name = name.trim_start_matches("./").to_owned();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
        (!name.is_empty() && name.chars().all(is_word) && !PHONY.contains(&name.as_str())).then_some(name)
    };
    let rules: Vec<(&str, &str)> = text.lines().filter_map(rule).collect();
    let made =
        |name: &str| rules.iter().any(|(targets, _)| targets.split_whitespace().any(|target| target == name));
    let first = rules.iter().find_map(|(targets, needs)| match PHONY.contains(targets) {
        true => needs.split_whitespace().filter(|need| made(need)).find_map(plain),
        false => targets.split_whitespace().find_map(plain),
    });
    let named = || {
        let names = ["TARGET", "PROGRAM", "PROG", "BIN", "EXE", "EXECUTABLE", "NAME", "OUT"];
        names.into_iter().find_map(|name| plain(variables.get(name)?))
    };
    first.or_else(named)
}

/// `program: main.o util.o`, without what is special to make and what is a pattern.
fn rule(line: &str) -> Option<(&str, &str)> {
    let (targets, needs) = line.split_once(':')?;
    let is_rule = !line.starts_with(['\t', '#', '.', ' '])
        && !needs.starts_with([':', '='])
        && !targets.contains(['=', '%']);
    is_rule.then_some((targets.trim(), needs.trim()))
}

/// `NAME = value`, `NAME := value`, `NAME ?= value`.
fn variables(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with(['\t', '#']));
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let name = name.trim_end_matches([':', '?', '+']).trim();
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
            is_name.then(|| (name, value.split('#').next().unwrap_or_default().trim()))
        })
        .collect()
}

/// A name with its variables put in. What is still none afterwards is no plain name.
fn expanded(name: &str, variables: &BTreeMap<&str, &str>) -> String {
    const ROUNDS: usize = 4;
    const LONGEST: usize = 200;
    let mut name = name.to_owned();
    for _ in 0..ROUNDS {
        let Some(start) = name.find("$(").or_else(|| name.find("${")) else { break };
        let Some(length) = name[start..].find([')', '}']) else { break };
        let value = variables.get(&name[start + 2..start + length]).copied().unwrap_or_default().to_owned();
        name.replace_range(start..=start + length, &value);
        if name.len() > LONGEST {
            break;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use deploy_core::detect::ProjectKind;
    use deploy_core::reason::ReasonCode;

    use super::*;
    use crate::testing::{detect, value};

    #[test]
    fn a_makefile_names_its_program() {
        for (makefile, name) in [
            ("all: kilo\n\nkilo: kilo.c\n\t$(CC) -o kilo kilo.c\n", Some("kilo")),
            ("CC=gcc\nTARGET := bin/web\n\n$(TARGET): main.c\n\tcc\n", Some("bin/web")),
            (".PHONY: all\nPROG=a\nall: ${PROG}\n${PROG}: main.o\n%.o: %.c\n", Some("a")),
            ("EXE = srv # the server\n%.o: %.c\n\tcc\n", Some("srv")),
            ("A = $(A)$(A)\n$(A): x\n", None),
            ("lib.a: x.o\n", None),
            ("test:\n\techo\n", None),
        ] {
            assert_eq!(executable(makefile).as_deref(), name, "{makefile}");
        }
    }

    #[test]
    fn only_sources_make_it_a_program_of_c() {
        let makefile = ("Makefile", "kilo: kilo.c\n\tcc -o kilo kilo.c\n");
        let detection = detect(&[makefile, ("kilo.c", "int main() {}")]);
        assert_eq!((detection.language.as_deref(), detection.kind), (Some("c"), ProjectKind::Worker));
        assert_eq!((value(&detection.build), value(&detection.start)), ("make", "./kilo"));
        let listens = "#include <sys/socket.h>\naddr.sin_port = htons(8081); listen(fd, 5);";
        let detection = detect(&[makefile, ("configure", ""), ("main.cpp", listens)]);
        assert_eq!((detection.language.as_deref(), detection.kind), (Some("cpp"), ProjectKind::Server));
        assert_eq!(value(&detection.build), "sh ./configure && make");
        assert_eq!(detect(&[makefile]).language, None);
        let detection = detect(&[("Makefile", "test:\n"), ("x.c", "")]);
        assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
    }
}
