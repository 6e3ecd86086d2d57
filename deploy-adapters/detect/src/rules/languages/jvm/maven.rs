//! Maven: the module that is the program, and the jar that it makes.

use deploy_core::detect::Detection;

use super::{Module, RELEASES, plain_version, program, start_jar, version, war};
use crate::apps;
use crate::rule::Scene;
use crate::rules::languages::asked;
use crate::rules::languages::parts::Around;
use crate::rules::languages::program::Program;

const POM: &str = "pom.xml";

/// Plugins that make a jar which runs by itself.
const EXECUTABLE: [&str; 7] = [
    "spring-boot-maven-plugin",
    "quarkus-maven-plugin",
    "maven-shade-plugin",
    "maven-assembly-plugin",
    "micronaut-maven-plugin",
    "<mainClass>",
    "vertx-maven-plugin",
];

pub(super) fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let text = scene.text(POM)?;
    if !text.contains("<project") {
        scene.broken(POM, "XML of Maven", "it has no <project>");
    }
    let modules = modules(scene, text);
    let runs = |directory: &&String| {
        let pom = scene.text(&format!("{directory}/{POM}")).unwrap_or_default();
        // A plugin of the parent counts for the modules that have a program.
        let inherited = text.contains("spring-boot-maven-plugin") && has_main(scene, directory);
        EXECUTABLE.iter().any(|marker| pom.contains(marker)) || inherited
    };
    let programs: Vec<String> = modules.iter().filter(runs).cloned().collect();
    match (modules.is_empty(), &programs[..]) {
        (true, _) => {
            let owns = |root: &Scene<'_>, member: &str| {
                root.text(POM).is_some_and(|pom| self::modules(root, pom).iter().any(|name| name == member))
            };
            Some(plan(scene, text, None, Around::of(scene, owns).as_ref()))
        }
        (false, [only]) => Some(plan(scene, text, Some(only), None)),
        (false, []) if has_main(scene, "") => Some(plan(scene, text, None, None)),
        (false, programs) => Some(many(scene, if programs.is_empty() { &modules } else { programs })),
    }
}

fn many(scene: &Scene<'_>, directories: &[String]) -> Detection {
    let mut program = Program::new("java", scene.fact(POM, "belongs to a project of Maven"));
    program.detection.package_manager = Some("maven".to_owned());
    let several = apps::several(scene, directories);
    Detection { blocked: several.blocked, planner: several.planner, ..program.detection }
}

fn modules(scene: &Scene<'_>, pom: &str) -> Vec<String> {
    let names = pom.split("<module>").skip(1).filter_map(|rest| rest.split("</module>").next());
    let names = names.map(|name| name.trim().trim_matches('/').to_owned());
    names.filter(|name| scene.has(&format!("{name}/{POM}"))).collect()
}

fn has_main(scene: &Scene<'_>, directory: &str) -> bool {
    let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
    let module = Module { directory: prefix, file: POM.to_owned(), description: String::new() };
    let mut files = super::sources(scene, &module).into_iter();
    files.any(|file| {
        scene.text(&file).is_some_and(|text| text.contains("static void main(") || text.contains("fun main("))
    })
}

fn plan(scene: &Scene<'_>, root: &str, member: Option<&str>, around: Option<&Around<'_>>) -> Detection {
    let above = around.and_then(|around| around.root.text(POM)).unwrap_or_default();
    let directory = member.map_or(String::new(), |member| format!("{member}/"));
    let file = format!("{directory}{POM}");
    let own = scene.text(&file).unwrap_or_default();
    let description = format!("{own}\n{}", if member.is_some() { root } else { above });
    let module = Module { directory, file, description };
    let mut program = program(scene, &module, "maven");
    images(scene, &module, &mut program);
    let top = around.map_or(scene, |around| &around.root);
    let up = around.map_or("./", |around| &around.up);
    let has_wrapper = top.has("mvnw") && top.has(".mvn/wrapper/maven-wrapper.properties");
    let maven = if has_wrapper { format!("sh {up}mvnw") } else { "mvn".to_owned() };
    let which = match (member, around) {
        (Some(member), _) => format!(" --projects {member} --also-make"),
        (None, Some(around)) => format!(" --file {up}{POM} --projects {} --also-make", around.member),
        (None, None) => String::new(),
    };
    let build = format!("{maven} --batch-mode -DskipTests{which} package");
    program.detection.build = Some(scene.found(build, &module.file, "describes the build"));
    if around.is_none() {
        ahead(scene, root, &maven, &mut program);
    }
    let made = jar(own, &module);
    let is_archive = made.ends_with(".war") && !module.description.contains("spring-boot");
    if is_archive {
        war::serve(scene, &module, &mut program, &made);
    } else {
        let start = start_jar(&program, &made);
        program.detection.start = Some(scene.found(start, &module.file, format!("makes {made}")));
        let keeps = if made.contains("quarkus-app") {
            format!("{}target/quarkus-app/", module.directory)
        } else {
            made
        };
        program.detection.runtime_files = vec![keeps];
    }
    if let Some(around) = around {
        around.note(&mut program, POM);
    }
    program.plan(scene)
}

/// Fetches what the poms name. A module that needs another one can't be resolved before that is built, which is no
/// failure here.
fn ahead(scene: &Scene<'_>, root: &str, maven: &str, program: &mut Program) {
    let command = format!("{maven} --batch-mode --fail-never dependency:go-offline");
    program.fetch_ahead(scene, &command, &[POM, "mvnw", ".mvn/"]);
    program
        .detection
        .manifests
        .extend(modules(scene, root).into_iter().map(|module| format!("{module}/{POM}")));
}

fn images(scene: &Scene<'_>, module: &Module, program: &mut Program) {
    let tags = [
        "maven.compiler.release",
        "java.version",
        "maven.compiler.source",
        "maven.compiler.target",
        "jdk.version",
        "release",
    ];
    let in_pom = || {
        let value = tags.iter().find_map(|tag| {
            let value = tag_text(&module.description, tag)?;
            value.starts_with(|c: char| c.is_ascii_digit()).then_some(value)
        })?;
        asked::asks(scene, &module.file, &plain_version(value))
    };
    let release = RELEASES.choose(version(scene).or_else(in_pom));
    let build = format!("maven:3.9-eclipse-temurin-{}", release.version);
    let runtime = format!("eclipse-temurin:{}-jre", release.version);
    program.images(release, build, Some(runtime));
    program.caches(&["/root/.m2"]);
}

/// The text of the first element of that name.
fn tag_text<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
    let (_, after) = text.split_once(&format!("<{tag}>"))?;
    Some(after.split_once("</")?.0.trim())
}

/// The pom without the parts in which others' names and versions stand.
fn head(pom: &str) -> String {
    let mut head = pom.to_owned();
    for part in ["parent", "dependencies", "dependencyManagement", "build", "profiles", "properties"] {
        while let (Some(start), Some(end)) =
            (head.find(&format!("<{part}>")), head.find(&format!("</{part}>")))
        {
            if end < start {
                break;
            }
            head.replace_range(start..end + part.len() + 3, "");
        }
    }
    head
}

/// The jar or war that the build makes.
fn jar(pom: &str, module: &Module) -> String {
    let target = format!("{}target", module.directory);
    let has = |marker: &str| module.description.contains(marker);
    if has("quarkus-maven-plugin") {
        return format!("{target}/quarkus-app/quarkus-run.jar");
    }
    let head = head(pom);
    let is_war = tag_text(&head, "packaging") == Some("war");
    let ending = if is_war { "war" } else { "jar" };
    let is_plain = |text: &&str| !text.is_empty() && !text.contains("${");
    let version = tag_text(&head, "version").or_else(|| {
        let (_, after) = pom.split_once("<parent>")?;
        tag_text(after.split_once("</parent>")?.0, "version")
    });
    let build = pom.split_once("<build>").map_or("", |(_, build)| build);
    let named = tag_text(build, "finalName").filter(is_plain).map(str::to_owned);
    let named = named.or_else(|| {
        let name = tag_text(&head, "artifactId").filter(is_plain)?;
        Some(format!("{name}-{}", version.filter(is_plain)?))
    });
    let assembled = has("jar-with-dependencies") && !has("<appendAssemblyId>false");
    let suffix = if assembled { "-jar-with-dependencies" } else { "" };
    match named {
        Some(name) => format!("{target}/{name}{suffix}.{ending}"),
        None => format!("{target}/*{suffix}.{ending}"),
    }
}
