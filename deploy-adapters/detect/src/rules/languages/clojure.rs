//! Clojure on Leiningen and the Clojure tools.

use deploy_core::detect::{Detection, ProjectKind};

use super::asked;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases { language: "Java", all: &["11", "17", "21", "25"], usual: "21" };

const FRAMEWORKS: &[(&str, &str, u16)] = &[
    ("luminus", "luminus", 3000),
    ("io.pedestal", "pedestal", 8080),
    ("duct/", "duct", 3000),
    ("metosin/reitit", "reitit", 3000),
    ("compojure", "compojure", 3000),
    ("http-kit", "http-kit", 8090),
    ("lein-ring", "ring", 3000),
    ("ring/ring", "ring", 3000),
];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&["project.clj", "deps.edn"])?;
    let is_lein = file == "project.clj";
    let text = scene.text(file)?;
    let code: Vec<&str> = text.lines().map(|line| line.split(';').next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut program = Program::new("clojure", scene.fact(file, "belongs to a Clojure program"));
    let asked = asked::in_file(scene, ".jdk-version")
        .or_else(|| asked::in_file(scene, ".java-version"))
        .or_else(|| asked::of_tool(scene, &["java"]));
    let release = RELEASES.choose(asked);
    let version = release.version;
    let build = match is_lein {
        true => format!("clojure:temurin-{version}-lein-bookworm"),
        false => format!("clojure:temurin-{version}-tools-deps-bookworm"),
    };
    program.images(release, build, Some(format!("eclipse-temurin:{version}-jre")));
    program.caches(&["/root/.m2"]);
    let fetch = if is_lein { "lein deps" } else { "clojure -P" };
    program.fetch_ahead(scene, fetch, &[file]);
    program.detection.package_manager = Some(if is_lein { "lein" } else { "clojure" }.to_owned());
    program.detection.kind = ProjectKind::Worker;
    if let Some((marker, name, port)) = FRAMEWORKS.iter().find(|(marker, _, _)| code.contains(marker)) {
        program.framework(name, scene.fact(file, format!("depends on {marker}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((*port, "is where such programs listen"));
    }
    if is_lein {
        leiningen(scene, &code, &mut program);
    } else {
        tools(scene, &mut program);
    }
    Some(program.plan(scene))
}

fn leiningen(scene: &Scene<'_>, code: &str, program: &mut Program) {
    const FILE: &str = "project.clj";
    let is_ring = code.contains(":ring") && code.contains("lein-ring");
    if !is_ring && !code.contains(":main") {
        let message =
            "project.clj names neither :main nor a handler of Ring, so no program can be made of it"
                .to_owned();
        let reason =
            start_unknown(scene.fact(FILE, "has no :main"), message, "java -jar target/app-standalone.jar");
        program.detection.blocked.push(reason);
        return;
    }
    let build = if is_ring { "lein ring uberjar" } else { "lein uberjar" };
    let after = |key: &str| Some(code.split_once(key)?.1.split('"').nth(1)?.to_owned());
    let directory = match after(":target-path") {
        Some(path) if path.contains("%s") => path.replace("%s", "uberjar"),
        Some(path) => path,
        None => "target".to_owned(),
    };
    let name = after(":uberjar-name").unwrap_or_else(|| "*-standalone.jar".to_owned());
    let jar = format!("{}/{name}", directory.trim_end_matches('/'));
    program.detection.build = Some(scene.found(build.to_owned(), FILE, "describes the build"));
    program.detection.start = Some(scene.found(format!("java -jar {jar}"), FILE, format!("makes {jar}")));
    program.detection.runtime_files = vec![format!("{directory}/")];
}

/// `clojure -T:build uber` is the convention of tools.build; without it, the main function is run from the sources.
fn tools(scene: &Scene<'_>, program: &mut Program) {
    let build = scene.text("build.clj").unwrap_or_default();
    let task = ["uber", "uberjar", "ci"]
        .into_iter()
        .find(|name| build.contains(&format!("(defn {name} ")) || build.contains(&format!("(defn {name}\n")));
    if let Some(task) = task {
        let command = format!("clojure -T:build {task}");
        program.detection.build = Some(scene.found(command, "build.clj", format!("has the task {task}")));
        program.detection.start =
            Some(scene.found("java -jar target/*.jar".to_owned(), "build.clj", "makes a jar"));
        program.detection.runtime_files = vec!["target/".to_owned()];
        return;
    }
    let text = scene.text("deps.edn").unwrap_or_default();
    let alias = [":run", ":run-m", ":prod", ":main", ":start", ":server"]
        .into_iter()
        .find(|alias| text.contains(&format!("{alias} ")) || text.contains(&format!("{alias}\n")));
    match alias.filter(|_| text.contains(":main-opts")) {
        Some(alias) => {
            program.detection.install =
                Some(scene.found("clojure -P".to_owned(), "deps.edn", "names the packages"));
            program.detection.runtime_image = None;
            program.detection.start =
                Some(scene.found(format!("clojure -M{alias}"), "deps.edn", format!("has the alias {alias}")));
        }
        None => {
            let message =
                "deps.edn has no alias that runs it, and there is no build.clj that packs it".to_owned();
            let evidence = scene.fact("deps.edn", "belongs to a Clojure program");
            program.detection.blocked.push(start_unknown(evidence, message, "clojure -M -m app.core"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

    #[test]
    fn uberjars_are_built_and_started() {
        let detection = detect(&[(
            "project.clj",
            "(defproject x \"1\" ; :ring\n :main x.core :target-path \"target/%s\")",
        )]);
        assert_eq!(
            (value(&detection.build), value(&detection.start)),
            ("lein uberjar", "java -jar target/uberjar/*-standalone.jar")
        );
        assert_eq!(detection.kind, ProjectKind::Worker);
        let ring = "(defproject x \"1\" :plugins [[lein-ring \"0.12\"]] :ring {:handler x})";
        let detection = detect(&[("project.clj", ring)]);
        assert_eq!(
            (value(&detection.build), detection.framework.as_deref()),
            ("lein ring uberjar", Some("ring"))
        );
        let detection = detect(&[("deps.edn", "{}"), ("build.clj", "(defn uber [_])")]);
        assert_eq!(value(&detection.build), "clojure -T:build uber");
        assert_eq!(detect(&[("deps.edn", "{}")]).blocked.len(), 1);
    }
}
