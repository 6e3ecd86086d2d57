//! Java, Kotlin and Groovy on Maven and Gradle.

mod gradle;
mod maven;
mod war;

use deploy_core::detect::{Detection, Found, ProjectKind};

use super::asked;
use super::program::Program;
use super::release::Releases;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

/// The releases with long support, for which every image exists.
const RELEASES: Releases = Releases { language: "Java", all: &["8", "11", "17", "21", "25"], usual: "21" };

/// A framework: what shows it in the build's description, and how it is told its port.
struct Framework {
    markers: &'static [&'static str],
    name: &'static str,
    /// `-D` properties before `-jar`.
    properties: &'static str,
    port: u16,
}

const FRAMEWORKS: &[Framework] = &[
    Framework {
        markers: &["io.quarkus", "quarkus-bom", "quarkus-maven-plugin"],
        name: "quarkus",
        properties: " -Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=${PORT:-8080}",
        port: 8080,
    },
    Framework {
        markers: &["io.micronaut", "micronaut-parent"],
        name: "micronaut",
        properties: " -Dmicronaut.server.port=${PORT:-8080}",
        port: 8080,
    },
    Framework {
        markers: &["spring-boot", "org.springframework.boot", "springboot", "libs.plugins.spring.boot"],
        name: "spring-boot",
        properties: " -Dserver.port=${PORT:-8080}",
        port: 8080,
    },
    plain(&["io.ktor", "ktor-server", "libs.plugins.ktor", "ktor.server"], "ktor", 8080),
    plain(&["io.javalin", "javalin"], "javalin", 7070),
    plain(&["io.helidon"], "helidon", 8080),
    plain(&["io.dropwizard"], "dropwizard", 8080),
    plain(&["io.vertx"], "vertx", 8888),
    plain(&["http4k"], "http4k", 9000),
    plain(&["ratpack"], "ratpack", 5050),
    plain(&["com.sparkjava", "spark-core"], "spark", 4567),
    plain(&["io.grpc"], "grpc", 50051),
    plain(&["jetty-server", "undertow-core"], "jetty", 8080),
];

const fn plain(markers: &'static [&'static str], name: &'static str, port: u16) -> Framework {
    Framework { markers, name, properties: "", port }
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    maven::detect(scene).or_else(|| gradle::detect(scene))
}

/// What Maven and Gradle know of the module that is the program.
struct Module {
    /// `""`, or the directory of the module with a `/` at the end.
    directory: String,
    /// The file that describes it.
    file: String,
    /// Its text, with that of the files around it.
    description: String,
}

/// The program of a module: language, framework, images, port and health, without commands.
fn program(scene: &Scene<'_>, module: &Module, manager: &str) -> Program {
    let has = |path: &str| scene.has_directory(&format!("{}{path}", module.directory));
    let kotlin = has("src/main/kotlin") || has("src/commonMain/kotlin") || has("src/main/kotlin");
    let language = match () {
        () if has("src/main/java") => "java",
        () if kotlin || module.description.contains("kotlin(\"jvm\")") => "kotlin",
        () if has("src/main/scala") => "scala",
        () if has("src/main/groovy") => "groovy",
        () => "java",
    };
    let mut program =
        Program::new(language, scene.fact(&module.file, format!("belongs to a project of {manager}")));
    program.detection.package_manager = Some(manager.to_owned());
    let framework = FRAMEWORKS
        .iter()
        .find(|framework| framework.markers.iter().any(|marker| module.description.contains(marker)));
    program.detection.kind = ProjectKind::Worker;
    if let Some(framework) = framework {
        program.framework(framework.name, scene.fact(&module.file, format!("uses {}", framework.name)));
        let is_spring = framework.name == "spring-boot";
        let answers = [
            "starter-web",
            "starter-webflux",
            "starter-jersey",
            "starter-data-rest",
            "starter-graphql",
            "starter-thymeleaf",
        ];
        let answers = !is_spring || answers.iter().any(|starter| module.description.contains(starter));
        program.detection.kind = if answers { ProjectKind::Server } else { ProjectKind::Worker };
        let port = configured_port(scene, module).unwrap_or(framework.port);
        program.usual_port = Some((port, "listens there unless it is told otherwise"));
        health(scene, module, &mut program);
    }
    program.sources = sources(scene, module);
    let listens = program.sources.iter().filter_map(|file| scene.text(file));
    let words = ["ServerSocket", "HttpServer", "embeddedServer", "listen("];
    if framework.is_none() && listens.into_iter().any(|text| words.iter().any(|word| text.contains(word))) {
        program.detection.kind = ProjectKind::Server;
    }
    program
}

/// The resources that configure the program, and the usual names of its main file.
fn sources(scene: &Scene<'_>, module: &Module) -> Vec<String> {
    let resources = ["application.conf", "application.yaml", "application.yml"]
        .map(|name| format!("src/main/resources/{name}"));
    let mains = ["kotlin", "java"].iter().flat_map(|language| {
        ["Application", "App", "Main", "Server"].iter().map(move |name| {
            let ending = if *language == "kotlin" { "kt" } else { "java" };
            format!("src/main/{language}/{name}.{ending}")
        })
    });
    let files = resources.into_iter().chain(mains).map(|file| format!("{}{file}", module.directory));
    let mut files: Vec<String> = files.filter(|file| scene.has(file)).collect();
    // The package of most programs is a path of single directories.
    for language in ["kotlin", "java"] {
        let mut directory = format!("{}src/main/{language}", module.directory);
        for _ in 0..6 {
            let found = scene.files(&directory);
            files.extend(
                found
                    .iter()
                    .filter(|name| name.ends_with(".kt") || name.ends_with(".java"))
                    .take(4)
                    .map(|name| format!("{directory}/{name}")),
            );
            match (&scene.directories(&directory)[..], found.is_empty()) {
                ([only], true) => directory = format!("{directory}/{only}"),
                (_, _) => break,
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files
}

/// `server.port` of Spring, `quarkus.http.port`, `micronaut.server.port`.
fn configured_port(scene: &Scene<'_>, module: &Module) -> Option<u16> {
    let at = |name: &str| format!("{}src/main/resources/{name}", module.directory);
    let number = |text: &str| {
        let text = text.trim().trim_matches(['"', '\'']);
        // `${PORT:8080}`.
        let text = text
            .strip_prefix("${")
            .and_then(|rest| rest.split_once(':')?.1.strip_suffix('}'))
            .unwrap_or(text);
        text.parse().ok().filter(|port| *port > 0)
    };
    let properties = scene.text(&at("application.properties")).and_then(|text| {
        let keys = ["server.port", "quarkus.http.port", "micronaut.server.port"];
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(['=', ':'])?;
            keys.contains(&key.trim()).then(|| number(value))?
        })
    });
    properties.or_else(|| {
        use crate::manifest::Values;
        let file = ["application.yml", "application.yaml"].into_iter().find(|name| scene.has(&at(name)))?;
        // Templates of Spring are not always YAML; that is no reason to say no.
        let config = crate::manifest::yaml(scene.text(&at(file))?).ok()?;
        let paths = [&["server", "port"][..], &["quarkus", "http", "port"], &["micronaut", "server", "port"]];
        paths.into_iter().find_map(|path| {
            let port = config.at(path);
            port.as_str().and_then(number).or_else(|| u16::try_from(port.as_u64()?).ok())
        })
    })
}

fn health(scene: &Scene<'_>, module: &Module, program: &mut Program) {
    let paths = [
        ("spring-boot-starter-actuator", "/actuator/health"),
        ("smallrye-health", "/q/health"),
        ("micronaut-management", "/health"),
    ];
    let found = paths.into_iter().find(|(marker, _)| module.description.contains(marker));
    program.detection.health_path = found
        .map(|(marker, path)| scene.found(path.to_owned(), &module.file, format!("{marker} answers {path}")));
}

/// The version of Java in the files that tools read.
fn version(scene: &Scene<'_>) -> Option<Found<String>> {
    asked::in_file(scene, ".java-version")
        .or_else(|| {
            let found = asked::of_tool(scene, &["java"])?;
            let version = found.value.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned();
            Some(Found { value: version, ..found })
        })
        .or_else(|| {
            let text = scene.text("system.properties")?;
            let line = text.lines().find_map(|line| line.split_once("java.runtime.version"))?;
            asked::asks(scene, "system.properties", line.1.trim_start_matches([' ', '=', ':']))
        })
        .or_else(|| {
            let line = scene.text(".sdkmanrc")?.lines().find_map(|line| line.strip_prefix("java="))?;
            asked::asks(scene, ".sdkmanrc", line.split('-').next()?)
        })
        .map(|found| Found { value: plain_version(&found.value), ..found })
}

/// `1.8.0` is 8, and only the first number has an image.
fn plain_version(text: &str) -> String {
    let text = text.strip_prefix("1.").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].to_owned()
}

/// What starts a jar.
fn start_jar(program: &Program, jar: &str) -> String {
    let framework = program.detection.framework.as_deref();
    let properties = FRAMEWORKS.iter().find(|known| Some(known.name) == framework);
    let port = program.usual_port.map_or(8080, |(port, _)| port);
    let properties =
        properties.map_or(String::new(), |known| known.properties.replace("8080", &port.to_string()));
    let properties = if program.detection.kind == ProjectKind::Server { properties } else { String::new() };
    format!("java{properties} -jar {jar}")
}

#[cfg(test)]
mod tests;
