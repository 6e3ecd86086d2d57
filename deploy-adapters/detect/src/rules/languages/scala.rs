//! Scala on sbt.

use deploy_core::detect::{Detection, ProjectKind};

use super::parts::assets;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases { language: "Java", all: &["17"], usual: "17" };

/// The only image of sbt with everything in it; sbt itself fetches the versions that the project names.
const BUILD: &str = "sbtscala/scala-sbt:eclipse-temurin-17.0.4_1.7.1_3.2.0";

const FRAMEWORKS: &[(&[&str], &str, u16)] = &[
    (&["PlayScala", "PlayJava", "sbt-plugin\" % \"2", "playframework"], "play", 9000),
    (&["http4s"], "http4s", 8080),
    (&["zio-http"], "zio-http", 8080),
    (&["akka-http"], "akka-http", 8080),
    (&["pekko-http"], "pekko-http", 8080),
    (&["scalatra"], "scalatra", 8080),
    (&["tapir"], "tapir", 8080),
    (&["finatra"], "finatra", 8888),
    (&["cask"], "cask", 8080),
];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let build = scene.text("build.sbt")?;
    let plugins =
        ["plugins.sbt", "build.sbt"].map(|name| scene.text(&format!("project/{name}")).unwrap_or_default());
    let plugins = plugins.join("\n");
    let mut program = Program::new("scala", scene.fact("build.sbt", "belongs to a project of sbt"));
    program.detection.package_manager = Some("sbt".to_owned());
    program.images(RELEASES.choose(None), BUILD.to_owned(), Some("eclipse-temurin:17-jre".to_owned()));
    program.caches(&["/root/.sbt", "/root/.ivy2", "/root/.cache/coursier"]);
    program.fetch_ahead(scene, "sbt update", &["build.sbt", "project/"]);
    program.detection.kind = ProjectKind::Worker;
    let all = format!("{build}\n{plugins}");
    let framework =
        FRAMEWORKS.iter().find(|(markers, _, _)| markers.iter().any(|marker| all.contains(marker)));
    if let Some((_, name, port)) = framework {
        program.framework(name, scene.fact("build.sbt", format!("uses {name}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((*port, "is where such programs listen"));
    }
    let is_play = framework.is_some_and(|(_, name, _)| *name == "play");
    let packs = ["JavaAppPackaging", "JavaServerAppPackaging", "sbt-native-packager"];
    let name = setting(build, "executableScriptName").or_else(|| setting(build, "name"));
    let name = name.map(normal).or_else(|| lazy_name(build));
    match name {
        Some(name) if is_play || packs.iter().any(|marker| all.contains(marker)) => {
            let flags = if is_play { " -Dhttp.port=${PORT:-9000} -Dpidfile.path=/dev/null" } else { "" };
            let start = format!("./target/universal/stage/bin/{name}{flags}");
            program.detection.build =
                Some(scene.found("sbt stage".to_owned(), "build.sbt", "packs the program"));
            program.detection.start =
                Some(scene.found(start, "build.sbt", format!("names the program {name}")));
            program.detection.runtime_files = vec!["target/universal/stage/".to_owned()];
            program.detection.runtime_files.extend(assets(scene));
        }
        _ if plugins.contains("sbt-assembly") => {
            let start = "java -jar target/scala-*/*-assembly-*.jar";
            program.detection.build =
                Some(scene.found("sbt assembly".to_owned(), "build.sbt", "packs the program"));
            program.detection.start =
                Some(scene.found(start.to_owned(), "build.sbt", "packs the program into one jar"));
        }
        _ => {
            let message = "nothing in this project of sbt packs a program: neither sbt-native-packager nor sbt-assembly";
            let evidence = scene.fact("build.sbt", "belongs to a project of sbt");
            let suggestion = "./target/universal/stage/bin/app";
            program.detection.blocked.push(start_unknown(evidence, message.to_owned(), suggestion));
        }
    }
    let resources = ["src/main/resources/application.conf", "conf/application.conf"];
    program.sources = resources.into_iter().filter(|file| scene.has(file)).map(str::to_owned).collect();
    Some(program.plan(scene))
}

/// `name := "shop"`.
fn setting<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().map(str::trim).find_map(|line| {
        let line = line.trim_start_matches("ThisBuild / ");
        let value = line.strip_prefix(key)?.trim_start().strip_prefix(":=")?;
        value.split('"').nth(1)
    })
}

/// `lazy val shop = (project in file("."))`: a project without a name is called as its value.
fn lazy_name(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("lazy val ") && line.contains("file(\".\")"))?;
    let name = line.strip_prefix("lazy val ")?.split([' ', ':', '=']).next()?;
    Some(normal(name))
}

/// As sbt makes a file's name of a project's.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'), "-")
}

#[cfg(test)]
mod tests {
    use crate::testing::{detect, value};
    use deploy_core::reason::ReasonCode;

    #[test]
    fn packed_programs_are_started_by_their_script() {
        let build = ("build.sbt", "name := \"My Shop\"\nenablePlugins(PlayScala)");
        let detection = detect(&[
            build,
            ("project/plugins.sbt", "addSbtPlugin(\"org.playframework\" % \"sbt-plugin\" % \"3.0\")"),
        ]);
        assert_eq!(value(&detection.build), "sbt stage");
        assert!(value(&detection.start).starts_with("./target/universal/stage/bin/my-shop -Dhttp.port"));
        assert_eq!(
            (detection.framework.as_deref(), detection.internal_port.unwrap().value),
            (Some("play"), 9000)
        );
        let detection = detect(&[("build.sbt", "name := \"x\""), ("project/plugins.sbt", "sbt-assembly")]);
        assert_eq!(value(&detection.build), "sbt assembly");
        assert_eq!(detect(&[("build.sbt", "")]).blocked[0].code, ReasonCode::StartUnknown);
    }
}
