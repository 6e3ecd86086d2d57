//! Deno: its tasks, else the file it starts with.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use serde_json::Value;

use crate::development;
use crate::manifest::Values;
use crate::ports::{self, Port};
use crate::reasons::{dev_server, port_guessed};
use crate::rule::{Rule, Scene};

/// The rule.
pub(super) const RULE: Rule = detect;

const CONFIGS: [&str; 2] = ["deno.json", "deno.jsonc"];
const ENTRIES: [&str; 12] = [
    "main.ts",
    "main.tsx",
    "main.js",
    "server.ts",
    "server.tsx",
    "server.js",
    "mod.ts",
    "index.ts",
    "app.ts",
    "index.js",
    "src/main.ts",
    "src/index.ts",
];
/// The version where none is asked for.
const DEFAULT: &str = "2.5.0";

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let named = || scene.first_of(&CONFIGS).or_else(|| scene.first_of(&["deno.lock"]));
    let file = named().or_else(|| unnamed(scene))?;
    // A project for Node may use Deno for its tools.
    if scene.has("package.json") && !scene.has("deno.lock") {
        return None;
    }
    let config = CONFIGS.iter().find_map(|file| scene.jsonc(file)).unwrap_or_default();
    let start = task(scene, file, &config, "start").or_else(|| by_entry(scene));
    let build = match task(scene, file, &config, "build") {
        Some(build) => Some(build),
        None => start.as_ref().and_then(|start| fetch(scene, &start.value)),
    };
    let version = version(scene, file);
    let fresh = config.at(&["imports"]).to_string().contains("fresh")
        || scene.has("fresh.gen.ts")
        || scene.has("fresh.config.ts");
    let image = |value: String| Found { value, evidence: version.evidence.clone() };
    let mut detection = Detection {
        planner: if fresh { "fresh" } else { "deno" }.to_owned(),
        language: Some("deno".to_owned()),
        framework: fresh.then(|| "fresh".to_owned()),
        package_manager: Some("deno".to_owned()),
        kind: ProjectKind::Server,
        support_tier: SupportTier::Full,
        evidence: vec![scene.fact(file, "a project for Deno")],
        build,
        build_image: Some(image(format!("denoland/deno:{}", version.value))),
        runtime_image: Some(image(format!("denoland/deno:{}", version.value))),
        // What a build fetches goes along into the release, and may be written there.
        environment: [("DENO_DIR", "/app/.deno"), ("DENO_ENV", "production")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Detection::default()
    };
    detection.runtime_version = Some(version.value);
    if let Some(start) = &start {
        listen(scene, file, start, &mut detection);
    }
    detection.start = start;
    Some(detection)
}

/// A program of a single file needs no configuration: what it imports or calls says that it is Deno's.
fn unnamed(scene: &Scene<'_>) -> Option<&'static str> {
    const SIGNS: [&str; 4] = ["https://deno.land/", "\"jsr:", "'jsr:", "Deno."];
    let file = entry(scene)?;
    scene.text(file).is_some_and(|text| SIGNS.iter().any(|sign| text.contains(sign))).then_some(file)
}

/// A task: the command itself where it is a single one of Deno's, which is what the task would run.
fn task(scene: &Scene<'_>, file: &str, config: &Value, name: &str) -> Option<Found<String>> {
    let task = config.at(&["tasks", name]);
    let command = task.text_at(&[]).or_else(|| task.text_at(&["command"]))?;
    let single = command.starts_with("deno ") && !command.contains(['&', '|', ';', '>', '<', '$', '`', '*']);
    let command = if single { command.to_owned() } else { format!("deno task {name}") };
    Some(scene.found(command, file, format!("has the task {name:?}")))
}

/// Fetches what the file that is run imports, so that the release doesn't have to when it starts.
fn fetch(scene: &Scene<'_>, start: &str) -> Option<Found<String>> {
    let mut words = start.split_whitespace();
    let runs = words.next() == Some("deno") && matches!(words.next(), Some("run" | "serve"));
    let entry = words.find(|word| !word.starts_with('-')).filter(|_| runs)?;
    let is_file = ![':', '"', '\''].iter().any(|sign| entry.contains(*sign)) && scene.has(entry);
    is_file.then(|| scene.found(format!("deno cache {entry}"), entry, "fetches what it imports"))
}

fn entry(scene: &Scene<'_>) -> Option<&'static str> {
    scene.first_of(&ENTRIES)
}

fn by_entry(scene: &Scene<'_>) -> Option<Found<String>> {
    let entry = entry(scene)?;
    Some(scene.found(format!("deno run --allow-all {entry}"), entry, "the file it starts with"))
}

fn version(scene: &Scene<'_>, file: &str) -> Found<String> {
    for file in [".deno-version", ".dvmrc"] {
        let version = scene.text(file).map(|text| text.trim().trim_start_matches('v'));
        let exact = version
            .filter(|v| v.split('.').count() == 3 && v.chars().all(|c| c.is_ascii_digit() || c == '.'));
        if let Some(version) = exact {
            return scene.found(version.to_owned(), file, format!("asks for Deno {version}"));
        }
    }
    scene.found(DEFAULT.to_owned(), file, "no version of Deno is asked for")
}

fn listen(scene: &Scene<'_>, file: &str, start: &Found<String>, detection: &mut Detection) {
    if let Some(what) = development::command(&start.value) {
        detection.warnings.push(dev_server(start.evidence.clone(), &start.value, what));
    }
    let words = start.value.split_whitespace();
    let code =
        words.filter(|word| word.contains(".ts") || word.contains(".js")).find_map(|word| scene.text(word));
    let code = code.unwrap_or_default();
    let said = ports::of_command(&start.value).or_else(|| {
        let after = code.split_once("port:")?.1.trim_start();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(Port::Fixed)
    });
    let serves = ["Deno.serve", "serve(", ".listen(", "start(", "export default"]
        .iter()
        .any(|sign| code.contains(sign));
    match said {
        Some(Port::Fixed(port)) => {
            detection.internal_port =
                Some(scene.found(port, &start.evidence.file, format!("listens on {port}")));
        }
        _ if code.is_empty() || serves || start.value.contains("deno serve") => {
            let is_known = serves || start.value.contains("deno serve");
            if !is_known {
                detection.warnings.push(port_guessed(8000, "it is where Deno's servers listen"));
            }
            detection.internal_port = Some(scene.found(8000, file, "Deno's servers listen on 8000"));
        }
        _ => detection.kind = ProjectKind::Worker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{codes, detect};

    #[test]
    fn tasks_and_entries_start_it() {
        let config = "{ // x\n \"tasks\": { \"start\": \"deno run -A main.ts\", \"build\": \"a && b\" } }";
        let detection = detect(&[("deno.jsonc", config), ("main.ts", "Deno.serve(() => new Response())")]);
        let value = |found: &Option<Found<String>>| found.as_ref().map(|found| found.value.clone());
        assert_eq!(value(&detection.start).as_deref(), Some("deno run -A main.ts"));
        assert_eq!(value(&detection.build).as_deref(), Some("deno task build"));
        assert_eq!(detection.internal_port.unwrap().value, 8000);
        assert_eq!((detection.kind, codes(&detection.blocked)), (ProjectKind::Server, vec![]));

        let config = r#"{ "tasks": { "start": "deno run -A --port 1 main.ts" } }"#;
        let detection = detect(&[("deno.json", config), ("main.ts", "Deno.serve(f)")]);
        assert_eq!(value(&detection.build), None, "what follows an option may be its value");

        let config = r#"{ "tasks": { "start": "deno run --allow-net src/main.ts" } }"#;
        let detection = detect(&[("deno.json", config), ("src/main.ts", "Deno.serve(f)")]);
        assert_eq!(value(&detection.build).as_deref(), Some("deno cache src/main.ts"));

        let files = [("deno.json", "{}"), ("main.ts", "console.log(1)"), (".deno-version", "2.1.4\n")];
        let detection = detect(&files);
        assert_eq!(value(&detection.start).as_deref(), Some("deno run --allow-all main.ts"));
        assert_eq!(value(&detection.build).as_deref(), Some("deno cache main.ts"));
        assert_eq!(value(&detection.build_image).as_deref(), Some("denoland/deno:2.1.4"));
        assert_eq!(detection.kind, ProjectKind::Worker);

        let text = "import * as o from \"https://deno.land/x/cowsay/mod.ts\";\nconsole.log(o.say({}));\n";
        let detection = detect(&[("src/index.ts", text)]);
        assert_eq!(value(&detection.start).as_deref(), Some("deno run --allow-all src/index.ts"));
        assert_eq!(detect(&[("index.js", "console.log(1)")]).planner, "");

        let detection = detect(&[("deno.json", "{}"), ("a.ts", "")]);
        assert_eq!(codes(&detection.blocked), [deploy_core::reason::ReasonCode::StartUnknown]);
    }
}
