use super::*;
use crate::testing::{codes, detect, detect_with};
use deploy_core::spec::Strategy;

const PAGE: &str = "<h1>page</h1>";

fn port(detection: &Detection) -> Option<u16> {
    detection.internal_port.as_ref().map(|found| found.value)
}

#[test]
fn a_dockerfile_says_port_health_and_volume() {
    let text = "# syntax=docker/dockerfile:1\nARG V=22\nFROM node:${V}-slim AS build\nRUN <<EOF\nEXPOSE 1\nEOF\n\
        FROM build AS web\nENV PORT=9000\nEXPOSE 8080/tcp 53/udp\nVOLUME /data\n\
        HEALTHCHECK --interval=5s CMD curl -f http://localhost:8080/healthz || exit 1\n\
        CMD [\"node\", \\\n  # why\n  \"server.js\"]\n";
    let detection = detect(&[("Dockerfile", text), ("index.html", PAGE)]);
    assert_eq!((detection.planner.as_str(), detection.kind), ("dockerfile", ProjectKind::Server));
    assert_eq!(port(&detection), Some(8080));
    assert_eq!(detection.health_path.unwrap().value, "/healthz");
    assert_eq!(codes(&detection.blocked), []);
    assert_eq!(codes(&detection.warnings), [ReasonCode::SingleWriterVolume]);
    assert_eq!(detection.publish_directory, None);
}

#[test]
fn what_a_dockerfile_leaves_open_is_asked_for_or_guessed() {
    let detection = detect(&[("Dockerfile", "FROM alpine:3.22\nCMD ./run\n")]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::PortUnknown]);
    let repaired = detect_with(&[("Dockerfile", "FROM alpine:3.22\n")], |profile| {
        profile.network.internal_port = Some(1);
        profile.health.path = Some("/".to_owned());
    });
    assert_eq!((codes(&repaired.blocked), codes(&repaired.warnings)), (vec![], vec![]));

    let detection = detect(&[("Dockerfile", "FROM nginx\nEXPOSE 443 80\n")]);
    assert_eq!(port(&detection), Some(80));
    let expected = [ReasonCode::PortGuessed, ReasonCode::FloatingBaseImage, ReasonCode::NoHealthPath];
    assert_eq!(codes(&detection.warnings), expected);

    let detection = detect(&[("Dockerfile", "FROM node:22\nCMD npm run dev -- --port 5173\n")]);
    assert_eq!(port(&detection), Some(5173));
    assert!(codes(&detection.warnings).contains(&ReasonCode::DevServerAsStart));
    let detection = detect(&[("Dockerfile", "FROM node:22\nENV PORT 3100\n")]);
    assert_eq!(port(&detection), Some(3100));

    let detection = detect(&[("Dockerfile", "no such thing\n")]);
    assert!(codes(&detection.blocked).contains(&ReasonCode::ManifestInvalid));
}

#[test]
fn stages_are_chosen_by_name() {
    let text = "FROM a:1 AS base\nEXPOSE 1000\nFROM base AS web\nFROM base AS worker\nEXPOSE 2000\n";
    let of = |stage: &str| {
        detect_with(&[("Dockerfile", text)], |profile| profile.runtime.stage = Some(stage.to_owned()))
    };
    assert_eq!(port(&of("web")), Some(1000));
    assert_eq!(of("web").dockerfile_stage.unwrap().value, "web");
    let detection = of("nope");
    assert!(codes(&detection.blocked).contains(&ReasonCode::StageUnknown));
    assert!(
        detection.blocked[0].message.contains("base, web and worker"),
        "{}",
        detection.blocked[0].message
    );
}

#[test]
fn a_dockerfile_that_was_named_is_used_or_missed() {
    let named = |name: &str| {
        detect_with(&[("docker/web.Dockerfile", "FROM a:1\nEXPOSE 5\n"), ("Dockerfile.old", "")], |profile| {
            profile.runtime.dockerfile = Some(name.to_owned());
        })
    };
    assert_eq!(port(&named("docker/web.Dockerfile")), Some(5));
    assert_eq!(codes(&named("Dockerfile").blocked), [ReasonCode::DockerfileMissing]);
    assert_eq!(codes(&named("../x").blocked), [ReasonCode::PathOutsideSource]);
    let strategy = detect_with(&[("Containerfile", "FROM a:1\nEXPOSE 7\n")], |profile| {
        profile.runtime.strategy = Strategy::Dockerfile;
    });
    assert_eq!(port(&strategy), Some(7));
}

#[test]
fn databases_for_development_never_take_over_an_app() {
    let compose = "services:\n  db:\n    image: postgres:${V:-16}\n    ports: ['5432:5432']\n  cache: { image: 'redis:7' }\n";
    let detection = detect(&[("compose.yaml", compose), ("index.html", PAGE)]);
    assert_eq!(detection.planner, "static-html");
    let detection = detect(&[("docker-compose.yml", compose), ("README.md", "")]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::NothingRecognised]);
    assert_eq!(detection.compose, None);
}

#[test]
fn of_several_services_the_web_one_is_found() {
    let compose = "services:\n  web:\n    build: .\n    ports: ['127.0.0.1:8080:80/tcp']\n    volumes: ['data:/d']\n    healthcheck: { test: [CMD, curl, -f, 'http://localhost/up'] }\n  db: { image: 'postgres:16', ports: [5432] }\n  tool: { image: x, profiles: [debug], ports: ['1:1'] }\nvolumes: { data: }\n";
    let detection = detect(&[("compose.yml", compose)]);
    let project = detection.compose.clone().unwrap().value;
    assert_eq!((project.web.as_deref(), project.services.len()), (Some("web"), 3));
    assert_eq!((detection.planner.as_str(), port(&detection)), ("compose", Some(80)));
    assert_eq!(detection.health_path.as_ref().unwrap().value, "/up");
    assert_eq!(codes(&detection.blocked), []);
    let expected =
        [ReasonCode::ComposeDropped, ReasonCode::SingleWriterVolume, ReasonCode::FloatingBaseImage];
    assert_eq!(codes(&detection.warnings), expected);

    let two = "services:\n  api: { build: a, ports: ['${PORT:-3000}:3000'] }\n  web: { build: b, ports: [{ target: 4000, published: '4000' }] }\n";
    let detection = detect(&[("compose.yaml", two)]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::ServiceUnknown]);
    let lines: Vec<&str> = detection.blocked[0].fix.iter().filter_map(|fix| fix.set.as_deref()).collect();
    assert_eq!(lines, ["runtime.service = \"api\"", "runtime.service = \"web\""]);
    let chosen = detect_with(&[("compose.yaml", two)], |profile| {
        profile.runtime.service = Some("api".to_owned());
    });
    assert_eq!((codes(&chosen.blocked), port(&chosen)), (vec![], Some(3000)));

    let door = "services:\n  app: { build: ., ports: ['3000:3000'] }\n  nginx: { image: 'nginx:1', ports: ['80:80'] }\n";
    let detection = detect(&[("compose.yaml", door)]);
    assert_eq!(detection.compose.unwrap().value.web.as_deref(), Some("nginx"));
}

#[test]
fn a_broken_compose_file_is_named_where_it_matters() {
    let detection = detect_with(&[("compose.yaml", "a: [")], |profile| {
        profile.runtime.strategy = Strategy::Compose;
    });
    assert!(codes(&detection.blocked).contains(&ReasonCode::ManifestInvalid), "{:?}", detection.blocked);
    let none = detect_with(&[("a", "")], |profile| profile.runtime.strategy = Strategy::Compose);
    assert_eq!(codes(&none.blocked), [ReasonCode::UnsupportedProject]);
}

#[test]
fn a_git_ignored_dockerfile_is_not_in_the_copy_that_is_built() {
    let mut tree = crate::tree::Tree::new(&[("Dockerfile", "FROM a:1\nEXPOSE 5\n"), ("index.html", PAGE)]);
    tree.git_ignore("Dockerfile");
    let detection = crate::testing::judge(&tree, &deploy_core::spec::Profile::default());
    assert_eq!(detection.planner, "static-html");
}

proptest::proptest! {
    /// Any text is a Dockerfile, a Compose file or a Procfile, or says what is wrong with it.
    #[test]
    fn any_text_is_read_or_refused(
        text in "((FROM|ARG|ENV|EXPOSE|CMD|HEALTHCHECK|RUN|services:|web:|ports:|  - ) ?[a-z0-9${}:=\\[\\]\"/<\\\\ \\-]{0,20}\n){0,8}|.{0,40}",
    ) {
        for file in ["Dockerfile", "compose.yaml", "Procfile", "Staticfile", "package.json", "deno.json", "angular.json"] {
            let _ = detect(&[(file, &text), ("package.json", "{ \"dependencies\": { \"@angular/core\": \"1\" } }")]);
        }
    }
}

#[test]
fn what_an_image_exposes_is_reached_whatever_its_sources_look_like() {
    let tool = ("main.go", "package main\nfunc main() { println(1) }");
    let image = |expose: &str| {
        let text = format!("FROM debian:12\n{expose}CMD [\"/app\"]\n");
        let detection = detect(&[("go.mod", "module x\ngo 1.24"), tool, ("Dockerfile", &text)]);
        (detection.kind, detection.internal_port.map(|port| port.value))
    };
    assert_eq!(image("EXPOSE 3000\n"), (ProjectKind::Server, Some(3000)));
    assert_eq!(image(""), (ProjectKind::Worker, None));
}
