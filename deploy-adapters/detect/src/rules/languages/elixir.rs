//! Elixir and Erlang: releases that carry their runtime with them.

use deploy_core::detect::{Detection, ProjectKind};

use super::asked;
use super::parts::NODE;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = elixir;
pub(super) const ERLANG: Rule = erlang;

const RELEASES: Releases = Releases {
    language: "Elixir",
    all: &[
        "1.6", "1.7", "1.8", "1.9", "1.10", "1.11", "1.12", "1.13", "1.14", "1.15", "1.16", "1.17", "1.18",
        "1.19", "1.20",
    ],
    usual: "1.18",
};

const ERLANGS: Releases = Releases { language: "Erlang", all: &["24", "25", "26", "27", "28"], usual: "27" };

const MIX: &str = "mix.exs";

fn elixir(scene: &Scene<'_>) -> Option<Detection> {
    let text = scene.text(MIX)?;
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let code = code.join("\n");
    let mut program = Program::new("elixir", scene.fact(MIX, "belongs to an Elixir program"));
    program.detection.package_manager = Some("mix".to_owned());
    let in_mix = || {
        let (_, after) = code.split_once("elixir:")?;
        asked::asks(scene, MIX, after.split('"').nth(1)?)
    };
    let named = asked::of_tool(scene, &["elixir"]).or_else(|| asked::in_file(scene, ".elixir-version"));
    let release = RELEASES.choose(named.or_else(in_mix));
    let version = release.version;
    program.images(release, format!("elixir:{version}"), Some(format!("elixir:{version}-slim")));
    program.variable("MIX_ENV", "prod");
    program.variable("LANG", "C.UTF-8");
    program.packages(&[], &["ca-certificates"]);
    framework(scene, &code, &mut program);
    let install = "mix local.hex --force && mix local.rebar --force && mix deps.get --only prod";
    program.detection.install = Some(scene.found(install.to_owned(), MIX, "names the packages"));
    if !code.contains("path: \"") && !code.contains("apps_path") {
        program.manifests(scene, &[MIX, "mix.lock"]);
    }
    if code.contains("{:") && !scene.has("mix.lock") {
        program.detection.warnings.push(no_lockfile("mix", "mix.lock", "mix deps.get"));
    }
    build(scene, &code, &mut program);
    Some(program.plan(scene))
}

fn framework(scene: &Scene<'_>, code: &str, program: &mut Program) {
    let umbrella = |package: &str| {
        code.contains("apps_path")
            && scene.directories("apps").iter().any(|app| {
                scene
                    .text(&format!("apps/{app}/{MIX}"))
                    .is_some_and(|text| text.contains(&format!("{{:{package},")))
            })
    };
    let uses = |package: &str| code.contains(&format!("{{:{package},")) || umbrella(package);
    program.detection.kind = ProjectKind::Worker;
    let frameworks = [("phoenix", "phoenix"), ("plug_cowboy", "plug"), ("bandit", "plug"), ("plug", "plug")];
    if let Some((package, name)) = frameworks.into_iter().find(|(package, _)| uses(package)) {
        program.framework(name, scene.fact(MIX, format!("depends on {package}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((4000, "is where such programs listen"));
        program.variable("PHX_SERVER", "true");
    }
    let configs = ["config/runtime.exs", "config/releases.exs"];
    program.sources = configs
        .into_iter()
        // A port without the variable is the one of the public address.
        .filter(|file| scene.text(file).is_some_and(|text| text.contains("\"PORT\"")))
        .map(str::to_owned)
        .collect();
}

fn build(scene: &Scene<'_>, code: &str, program: &mut Program) {
    let mut steps = vec!["mix compile"];
    let npm = if scene.has("assets/package-lock.json") {
        "npm ci --prefix assets"
    } else {
        "npm install --prefix assets"
    };
    if scene.has("assets/package.json") {
        program.tool(NODE, "/usr/local/", "/usr/local/");
        steps.push(npm);
    }
    let aliases = ["assets.deploy", "assets.build"];
    let assets = aliases.into_iter().find(|alias| code.contains(&format!("\"{alias}\"")));
    let assets = assets.map(|alias| format!("mix {alias}"));
    steps.extend(assets.as_deref());
    let released = release_name(code);
    let app =
        code.split_once("app:").and_then(|(_, after)| after.trim_start().strip_prefix(':')).map(|after| {
            after.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default()
        });
    let Some(name) = released.or(app.filter(|_| !code.contains("apps_path"))).filter(|name| !name.is_empty())
    else {
        let message = "this umbrella project defines no release in mix.exs".to_owned();
        let suggestion = "_build/prod/rel/app/bin/app start";
        program.detection.blocked.push(start_unknown(
            scene.fact(MIX, "has no releases"),
            message,
            suggestion,
        ));
        return;
    };
    let release =
        if code.contains("apps_path") { format!("mix release {name}") } else { "mix release".to_owned() };
    steps.push(&release);
    let start = format!("_build/prod/rel/{name}/bin/{name} start");
    program.detection.build = Some(scene.found(steps.join(" && "), MIX, "describes the build"));
    program.detection.start = Some(scene.found(start, MIX, format!("releases {name}")));
    program.detection.runtime_files = vec![format!("_build/prod/rel/{name}/")];
}

/// The first of `releases: [name: […]]`.
fn release_name(code: &str) -> Option<&str> {
    let (_, after) = code.split_once("releases: [")?;
    let name = after.trim_start().split(':').next()?.trim();
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

fn erlang(scene: &Scene<'_>) -> Option<Detection> {
    const FILE: &str = "rebar.config";
    let text = scene.text(FILE)?;
    let lines = text.lines().map(|line| line.split('%').next().unwrap_or_default());
    let code: Vec<&str> = lines.collect();
    let code = code.join("\n");
    let mut program = Program::new("erlang", scene.fact(FILE, "belongs to an Erlang program"));
    program.detection.package_manager = Some("rebar3".to_owned());
    let release = ERLANGS.choose(asked::of_tool(scene, &["erlang"]));
    let version = release.version;
    program.images(release, format!("erlang:{version}"), Some(format!("erlang:{version}-slim")));
    program.detection.kind = ProjectKind::Worker;
    let servers = [
        ("cowboy", "cowboy"),
        ("elli", "elli"),
        ("mochiweb", "mochiweb"),
        ("yaws", "yaws"),
        ("nova", "nova"),
    ];
    if let Some((package, name)) = servers.into_iter().find(|(package, _)| code.contains(package)) {
        program.framework(name, scene.fact(FILE, format!("depends on {package}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((8080, "is where such programs listen"));
    }
    program.sources = ["config/sys.config", "config/sys.config.src"].into_iter().map(str::to_owned).collect();
    let name = code.split_once("{release,").and_then(|(_, after)| {
        let name = after.trim_start().trim_start_matches(['{', ' ', '\n']);
        name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().filter(|name| !name.is_empty())
    });
    match name {
        Some(name) => {
            let start = format!("_build/default/rel/{name}/bin/{name} foreground");
            program.detection.build =
                Some(scene.found("rebar3 release".to_owned(), FILE, "describes a release"));
            program.detection.start = Some(scene.found(start, FILE, format!("releases {name}")));
        }
        None => {
            let message = "rebar.config describes no release".to_owned();
            let suggestion = "_build/default/rel/app/bin/app foreground";
            program.detection.blocked.push(start_unknown(
                scene.fact(FILE, "has no release"),
                message,
                suggestion,
            ));
        }
    }
    Some(program.plan(scene))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

    #[test]
    fn phoenix_is_released_with_its_assets() {
        let mix = "project: [app: :shop, elixir: \"~> 1.14\", deps: [{:phoenix, \"~> 1.7\"}], aliases: [\"assets.deploy\": []]]";
        let files = [
            ("mix.exs", mix),
            ("mix.lock", ""),
            ("config/runtime.exs", "port = String.to_integer(System.get_env(\"PORT\") || \"4001\")"),
        ];
        let detection = detect(&files);
        assert_eq!(value(&detection.build), "mix compile && mix assets.deploy && mix release");
        assert_eq!(value(&detection.start), "_build/prod/rel/shop/bin/shop start");
        assert_eq!(detection.internal_port.unwrap().value, 4001);
        assert_eq!(
            (value(&detection.build_image), detection.framework.as_deref()),
            ("elixir:1.18", Some("phoenix"))
        );
        let umbrella = detect(&[("mix.exs", "apps_path: \"apps\""), ("apps/web/mix.exs", "")]);
        assert_eq!(umbrella.blocked.len(), 1);
        let umbrella = detect(&[
            ("mix.exs", "apps_path: \"apps\", releases: [\n all: [x: 1]]"),
            ("apps/web/mix.exs", "{:phoenix, 1}"),
        ]);
        assert_eq!(value(&umbrella.start), "_build/prod/rel/all/bin/all start");
        assert_eq!(umbrella.kind, ProjectKind::Server);
    }

    #[test]
    fn erlang_is_released() {
        let rebar = "{deps, [cowboy]}.\n{relx, [{release, {shop, \"1\"}, [shop]}]}.";
        let detection = detect(&[("rebar.config", rebar)]);
        assert_eq!(value(&detection.start), "_build/default/rel/shop/bin/shop foreground");
        assert_eq!(detection.kind, ProjectKind::Server);
        assert_eq!(detect(&[("rebar.config", "")]).blocked.len(), 1);
    }
}
