//! Gradle: the project that is the program, and the task that packs it.

use deploy_core::detect::Detection;

use super::{Module, RELEASES, plain_version, program, start_jar, version, war};
use crate::apps;
use crate::rule::Scene;
use crate::rules::languages::asked;
use crate::rules::languages::parts::Around;
use crate::rules::languages::program::{APP, Program, start_unknown};
use crate::version::Version;

const FILES: [&str; 2] = ["build.gradle", "build.gradle.kts"];
const SETTINGS: [&str; 2] = ["settings.gradle", "settings.gradle.kts"];

/// What a project does that is a program, each with the task that packs it and where the result is.
const PACKED: &[(&[&str], &str, &str)] = &[
    (&["org.springframework.boot", "spring.boot", "springBoot"], "bootJar", "build/libs/*.jar"),
    (&["io.quarkus", "quarkus"], "quarkusBuild", "build/quarkus-app/quarkus-run.jar"),
    (&["io.ktor.plugin", "plugins.ktor"], "buildFatJar", "build/libs/*-all.jar"),
    (&["shadow", "io.micronaut.application"], "shadowJar", "build/libs/*-all.jar"),
    (&["application", "mainClassName"], "installDist", "build/install"),
    (&["Main-Class"], "jar", "build/libs/*.jar"),
    (&["war"], "war", "build/libs/*.war"),
];

pub(super) fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&FILES).or_else(|| scene.first_of(&SETTINGS))?;
    let root = scene.first_of(&FILES).and_then(|file| scene.text(file)).unwrap_or_default();
    let settings = scene.first_of(&SETTINGS).and_then(|file| scene.text(file)).unwrap_or_default();
    let projects = projects(scene, settings);
    let packs = |directory: &&(String, &'static str)| {
        let text = scene.text(&format!("{}/{}", directory.0, directory.1)).unwrap_or_default();
        packed(text).is_some()
    };
    let programs: Vec<&(String, &'static str)> = projects.iter().filter(packs).collect();
    let has_sources = scene.has_directory("src/main");
    match (&programs[..], packed(root).filter(|_| has_sources || projects.is_empty())) {
        (_, Some(_)) => {
            let owns = |root: &Scene<'_>, member: &str| {
                let settings = root.first_of(&SETTINGS).and_then(|file| root.text(file)).unwrap_or_default();
                self::projects(root, settings).iter().any(|(name, _)| name == member)
            };
            let around = Around::of(scene, owns).filter(|_| settings.is_empty());
            Some(plan(scene, file, root, settings, None, around.as_ref()))
        }
        ([only], None) => Some(plan(scene, only.1, root, settings, Some(&only.0), None)),
        ([], None) => Some(plan(scene, file, root, settings, None, None)),
        (several, None) => {
            let directories: Vec<String> = several.iter().map(|(directory, _)| directory.clone()).collect();
            let mut program = Program::new("java", scene.fact(file, "belongs to a project of Gradle"));
            program.detection.package_manager = Some("gradle".to_owned());
            let several = apps::several(scene, &directories);
            Some(Detection { blocked: several.blocked, planner: several.planner, ..program.detection })
        }
    }
}

/// How a project is packed, if it is a program. A plugin that is only made known (`apply false`) doesn't count.
fn packed(text: &str) -> Option<(&'static str, &'static str)> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.contains("apply false"));
    let text: Vec<&str> = lines.collect();
    let plugin = |line: &str, marker: &str| match marker {
        "application" => {
            line == "application"
                || line == "application {"
                || line.contains("'application'")
                || line.contains("\"application\"")
        }
        "shadow" => {
            line.contains("shadow")
                && (line.contains("id") || line.contains("plugin") || line.contains("alias"))
        }
        "war" => line == "war" || line.contains("'war'") || line.contains("\"war\""),
        "quarkus" => line.contains("quarkus") && line.contains("plugin"),
        marker => line.contains(marker),
    };
    let found = PACKED
        .iter()
        .find(|(markers, _, _)| markers.iter().any(|marker| text.iter().any(|line| plugin(line, marker))));
    found.map(|(_, task, output)| (*task, *output))
}

/// The projects that the settings include, each with its build file.
fn projects(scene: &Scene<'_>, settings: &str) -> Vec<(String, &'static str)> {
    let mut names: Vec<String> = Vec::new();
    let mut is_list = false;
    for line in settings.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        is_list = is_list
            || line.starts_with("include ")
            || line.starts_with("include(")
            || line.starts_with("include '");
        if is_list {
            let quoted = line.split(['"', '\'']).skip(1).step_by(2);
            names.extend(quoted.map(|name| name.trim_start_matches(':').replace(':', "/")));
            is_list = line.ends_with([',', '(']);
        }
    }
    let file = |name: &String| FILES.into_iter().find(|file| scene.has(&format!("{name}/{file}")));
    names.into_iter().filter_map(|name| Some((name.clone(), file(&name)?))).collect()
}

fn plan(
    scene: &Scene<'_>,
    file: &str,
    root: &str,
    settings: &str,
    member: Option<&str>,
    around: Option<&Around<'_>>,
) -> Detection {
    let directory = member.map_or(String::new(), |member| format!("{member}/"));
    let own = scene.text(&format!("{directory}{file}")).unwrap_or_default();
    let catalog = scene.text("gradle/libs.versions.toml").unwrap_or_default();
    let catalog = if own.contains("libs.") { catalog } else { "" };
    let above = around.and_then(|around| around.root.text(around.root.first_of(&FILES)?));
    let outer = if member.is_some() { root } else { above.unwrap_or_default() };
    let description = format!("{own}\n{outer}\n{catalog}");
    let module = Module { file: format!("{directory}{file}"), directory, description };
    let mut program = program(scene, &module, "gradle");
    images(scene, &module, &mut program);
    let has_wrapper = around.map_or(scene, |around| &around.root).has("gradlew");
    let up = around.map_or("./", |around| &around.up);
    let project = around.map(|around| around.member.as_str());
    let gradle = match (has_wrapper, project) {
        (true, None) => format!("sh {up}gradlew"),
        (true, Some(_)) => format!("sh {up}gradlew --project-dir {up}"),
        (false, None) => "gradle".to_owned(),
        (false, Some(_)) => format!("gradle --project-dir {up}"),
    };
    let (task, output) = packed(own).unwrap_or(("build -x test", "build/libs/*.jar"));
    let task = match member.or(project) {
        Some(member) => format!(":{}:{task}", member.replace('/', ":")),
        None => task.to_owned(),
    };
    let build = format!("{gradle} --no-daemon {task}");
    program.detection.build = Some(scene.found(build, &module.file, "describes the build"));
    if around.is_none() {
        ahead(scene, settings, &gradle, member, &mut program);
    }
    let output = format!("{}{output}", module.directory);
    let fact = |made: &str| format!("makes {made}");
    if let Some(install) = output.strip_suffix("build/install") {
        let last = member.or(project).and_then(|member| member.rsplit('/').next());
        // Without a name of its own, the root project is called as its directory.
        let directory = || APP.trim_start_matches('/').to_owned();
        let name = last.map(str::to_owned).or_else(|| name(settings)).unwrap_or_else(directory);
        let start = format!("./{install}build/install/{name}/bin/{name}");
        program.detection.runtime_files = vec![format!("{install}build/install/{name}/")];
        program.detection.start = Some(scene.found(start, &module.file, fact("a distribution")));
    } else if output.ends_with(".war") {
        war::serve(scene, &module, &mut program, &output);
    } else if packed(own).is_some() {
        let start = start_jar(&program, &output);
        program.detection.runtime_files = vec![match output.contains("quarkus-app") {
            true => format!("{}build/quarkus-app/", module.directory),
            false => format!("{}build/libs/", module.directory),
        }];
        program.detection.start = Some(scene.found(start, &module.file, fact(&output)));
    } else {
        let message = "this project of Gradle makes no program: none of its projects applies the plugin application or one \
                       that packs a jar which runs by itself"
            .to_owned();
        let evidence = scene.fact(&module.file, "applies no such plugin");
        program.detection.blocked.push(start_unknown(evidence, message, "java -jar build/libs/app.jar"));
    }
    if let Some(around) = around {
        around.note(&mut program, SETTINGS[0]);
    }
    program.plan(scene)
}

/// Fetches what the build files name. A plugin that reads the source may not find it, which is no failure here.
fn ahead(scene: &Scene<'_>, settings: &str, gradle: &str, member: Option<&str>, program: &mut Program) {
    let projects = projects(scene, settings);
    // The name of a member is as its directory is called: the shell gets it as an argument.
    let of_member = member.map_or(String::new(), |member| format!(":{}:", member.replace('/', ":")));
    let words = ["/bin/sh", "-c", &format!("{gradle} --no-daemon --quiet \"$0\" || true")].map(str::to_owned);
    program.detection.ahead = vec![words.into_iter().chain([format!("{of_member}dependencies")]).collect()];
    program.manifests(scene, &FILES);
    program.manifests(scene, &SETTINGS);
    program.manifests(scene, &["gradle.properties", "gradle/", "gradlew", "buildSrc/", "build-logic/"]);
    program.detection.manifests.extend(projects.into_iter().map(|(name, file)| format!("{name}/{file}")));
}

/// The name of the root project.
fn name(settings: &str) -> Option<String> {
    let line = settings.lines().find(|line| line.trim_start().starts_with("rootProject.name"))?;
    line.split(['"', '\'']).nth(1).map(str::to_owned)
}

fn images(scene: &Scene<'_>, module: &Module, program: &mut Program) {
    let release =
        RELEASES.choose(version(scene).or_else(|| in_build(scene, module)).or_else(|| of_wrapper(scene)));
    let version = release.version;
    let build = match (scene.has("gradlew"), version) {
        (true, _) => format!("eclipse-temurin:{version}-jdk"),
        (false, "25") => "gradle:9-jdk25".to_owned(),
        (false, "8") => "gradle:7-jdk8".to_owned(),
        (false, _) => format!("gradle:8-jdk{version}"),
    };
    program.images(release, build, Some(format!("eclipse-temurin:{version}-jre")));
    program.caches(&["/root/.gradle"]);
}

fn in_build(scene: &Scene<'_>, module: &Module) -> Option<deploy_core::detect::Found<String>> {
    const WORDS: [&str; 6] = [
        "JavaLanguageVersion.of(",
        "jvmToolchain(",
        "sourceCompatibility",
        "JavaVersion.VERSION_",
        "jvmTarget",
        "javaVersion",
    ];
    let value = WORDS.iter().find_map(|word| {
        let (_, after) = module.description.split_once(word)?;
        let line = after.lines().next()?.replace("VERSION_1_", "").replace("_", ".");
        let start = line.find(|c: char| c.is_ascii_digit())?;
        let number = plain_version(&line[start..]);
        (!number.is_empty() && number.len() <= 2).then_some(number)
    })?;
    asked::asks(scene, &module.file, &value)
}

/// The newest Java that an old Gradle runs on.
fn of_wrapper(scene: &Scene<'_>) -> Option<deploy_core::detect::Found<String>> {
    const FILE: &str = "gradle/wrapper/gradle-wrapper.properties";
    let (_, after) = scene.text(FILE)?.split_once("gradle-")?;
    let version = Version::parse(after.split('-').next()?)?;
    let java = match (version.major, version.minor.unwrap_or(0)) {
        (0..=4, _) => "8",
        (5..=6, _) | (7, 0..=2) => "11",
        (7, _) | (8, 0..=4) => "17",
        (_, _) => return None,
    };
    Some(scene.found(java.to_owned(), FILE, format!("names a Gradle that runs on Java {java}")))
}
