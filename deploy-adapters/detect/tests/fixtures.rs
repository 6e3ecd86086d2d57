//! Projects as evidence, and what the catalogue says about them.

use deploy_core::detect::{Detected, Detection, ProjectKind, SupportTier};
use deploy_core::evidence::{Ask, Evidence, PassedOver};
use deploy_core::port::Detector;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Strategy};
use deploy_detect::Catalogue;
use deploy_detect::tree::Tree;

const PAGE: &str = "<!doctype html><title>hello</title><h1>hello</h1>";

fn detect(files: &[(&str, &str)]) -> Detection {
    detect_with(files, |_| {})
}

fn detect_with(files: &[(&str, &str)], set: impl FnOnce(&mut Profile)) -> Detection {
    let mut profile = Profile::default();
    set(&mut profile);
    judge(&Tree::new(files), &profile)
}

fn judge(tree: &Tree, profile: &Profile) -> Detection {
    tree.judge(&Catalogue::new(), profile).expect("it asks for ever").0
}

fn published(detection: &Detection) -> Option<&str> {
    assert_eq!(codes(&detection.blocked), [], "{:?}", detection.blocked);
    detection.publish_directory.as_ref().map(|found| found.value.as_str())
}

fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

/// The lines a reason offers, overrides last.
fn lines(reason: &Reason) -> Vec<&str> {
    reason.fix.iter().chain(&reason.overrides).filter_map(|fix| fix.set.as_deref()).collect()
}

#[test]
fn a_page_at_the_top_is_a_site() {
    let detection = detect(&[("index.html", PAGE), ("style.css", "")]);
    assert_eq!(published(&detection), Some("."));
    assert_eq!(detection.planner, "static-html");
    assert_eq!((detection.kind, detection.support_tier), (ProjectKind::Static, SupportTier::Full));
    assert_eq!(detection.evidence[0].file, "index.html");
    assert_eq!(detection.warnings, []);
}

#[test]
fn a_page_is_found_in_every_usual_place() {
    for directory in ["public", "site", "dist", "docs", "_site", "build", "out"] {
        let detection = detect(&[(&format!("{directory}/index.html"), PAGE), ("README.md", "")]);
        assert_eq!(published(&detection), Some(directory));
        assert_eq!(detection.evidence[0].file, format!("{directory}/index.html"));
    }
}

#[test]
fn of_several_sites_the_first_is_used_and_the_others_are_named() {
    let detection = detect(&[("dist/index.html", PAGE), ("docs/index.html", PAGE), ("out/index.html", PAGE)]);
    assert_eq!(published(&detection), Some("dist"));
    assert_eq!(codes(&detection.warnings), [ReasonCode::PublishDirectoryUnknown]);
    assert_eq!(
        lines(&detection.warnings[0]),
        [
            "runtime.publish_directory = \"dist\"",
            "runtime.publish_directory = \"docs\"",
            "runtime.publish_directory = \"out\"",
        ]
    );

    let detection = detect(&[("index.html", PAGE), ("docs/index.html", PAGE)]);
    assert_eq!(
        (published(&detection), detection.warnings.len()),
        (Some("."), 0),
        "docs is a part of the site"
    );
    let detection = detect(&[("index.html", PAGE), ("public/index.html", PAGE)]);
    assert_eq!((published(&detection), detection.warnings.len()), (Some("."), 1));
}

#[test]
fn a_package_without_a_build_is_still_a_plain_site() {
    let package = r#"{ "devDependencies": { "prettier": "3" }, "scripts": { "lint": "prettier -c ." } }"#;
    let detection = detect(&[("index.html", PAGE), ("package.json", package)]);
    assert_eq!(published(&detection), Some("."));
}

#[test]
fn a_page_named_200_is_the_fallback() {
    let detection = detect(&[("dist/index.html", PAGE), ("dist/200.html", PAGE)]);
    assert_eq!(detection.fallback.map(|found| found.value).as_deref(), Some("200.html"));
}

/// The classic wrong guess: a framework keeps an `index.html` that is a source, and it gets served as the site.
#[test]
fn the_source_of_a_page_is_never_served() {
    let package = |text: &str| {
        format!("{{ \"devDependencies\": {{ \"{text}\": \"1\" }}, \"scripts\": {{ \"build\": \"x\" }} }}")
    };
    let (vite, scripts, angular) = (package("vite"), package("react-scripts"), package("@angular/core"));
    let vite_page = "<div id=\"root\"></div><script type=\"module\" src=\"/src/main.tsx\"></script>";
    let cases: &[&[(&str, &str)]] = &[
        &[("package.json", &vite), ("index.html", vite_page), ("src/main.tsx", "")],
        &[("package.json", &vite), ("index.html", PAGE)],
        &[("index.html", vite_page), ("src/main.tsx", "")],
        &[("package.json", &scripts), ("public/index.html", "<link href=\"%PUBLIC_URL%/a\">")],
        &[("public/index.html", "<link href=\"%PUBLIC_URL%/a\">")],
        &[("package.json", &angular), ("src/index.html", "<app-root></app-root>")],
        &[("_config.yml", ""), ("index.html", "---\nlayout: home\n---\n")],
        &[("index.html", "---\nlayout: home\n---\n")],
        &[("Gemfile", "gem \"jekyll\""), ("index.html", PAGE)],
        &[("hugo.toml", ""), ("public/index.html", PAGE)],
        &[("config.toml", "baseURL = \"/\""), ("public/index.html", PAGE)],
        &[(".eleventy.js", ""), ("index.html", "---\ntitle: x\n---\n")],
        &[("mkdocs.yml", ""), ("docs/index.md", "")],
        &[("index.html", "<?php phpinfo();")],
        &[("Trunk.toml", ""), ("index.html", "<link data-trunk rel=\"rust\">")],
    ];
    for files in cases {
        for strategy in [Strategy::Auto, Strategy::Static] {
            let detection = detect_with(files, |profile| profile.runtime.strategy = strategy);
            let as_it_is = detection.blocked.is_empty() && detection.build.is_none();
            assert!(!as_it_is, "{files:?}: {detection:?}");
        }
    }
}

#[test]
fn programs_and_containers_are_recognised_and_blocked() {
    for (file, text, language, framework) in [
        ("requirements.txt", "Flask==3\n", Some("python"), Some("flask")),
        ("manage.py", "import django", Some("python"), Some("django")),
        ("Gemfile", "gem 'sinatra'", Some("ruby"), Some("sinatra")),
        ("composer.json", "{}", Some("php"), None),
        ("go.mod", "require github.com/gin-gonic/gin v1", Some("go"), Some("gin")),
        ("Cargo.toml", "[package]\nname = \"x\"", Some("rust"), None),
        ("pom.xml", "spring-boot", Some("java"), Some("spring-boot")),
        ("App.csproj", "", Some("dotnet"), None),
        ("mix.exs", "{:phoenix, 1}", Some("elixir"), Some("phoenix")),
    ] {
        let detection = detect(&[(file, text), ("index.html", PAGE)]);
        assert!(!detection.blocked.is_empty(), "{file}");
        assert_eq!(detection.language.as_deref(), language, "{file}");
        assert_eq!(detection.framework.as_deref(), framework, "{file}");
        assert_eq!(detection.evidence[0].file, file);

        let by_choice = detect_with(&[(file, text), ("index.html", PAGE)], |profile| {
            profile.runtime.strategy = Strategy::Static;
        });
        assert_eq!(published(&by_choice), Some("."), "{file}");
        let directory = detect_with(&[(file, text), ("index.html", PAGE)], |profile| {
            profile.runtime.publish_directory = Some(".".to_owned());
        });
        assert_eq!(published(&directory), Some("."), "{file}");
    }
}

#[test]
fn where_a_build_writes_is_known_for_generators_only() {
    let build = |files: &[(&str, &str)]| {
        detect_with(files, |profile| profile.runtime.build = Some("make".to_owned()))
    };
    let package = |name: &str| format!("{{ \"dependencies\": {{ \"{name}\": \"1\" }} }}");
    let angular = r#"{ "projects": { "shop": { "architect": { "build": {
        "builder": "@angular/build:application", "options": {} } } } } }"#;
    for (files, directory) in [
        (vec![("package.json", package("vite"))], "dist"),
        (
            vec![("package.json", package("vite")), ("vite.config.ts", "build: { outDir: '../web' }".into())],
            "",
        ),
        (
            vec![
                ("package.json", package("vite")),
                ("vite.config.ts", "build: { outDir: 'web/out' }".into()),
            ],
            "web/out",
        ),
        (vec![("package.json", package("vite")), ("vite.config.ts", "build: { outDir: dir() }".into())], ""),
        (vec![("package.json", package("react-scripts"))], "build"),
        (
            vec![("package.json", package("@angular/core")), ("angular.json", angular.into())],
            "dist/shop/browser",
        ),
        (vec![("hugo.toml", String::new())], "public"),
        (vec![("mkdocs.yml", String::new())], "site"),
        (vec![("_config.yml", String::new())], "_site"),
        (vec![("Makefile", String::new())], ""),
        (vec![("index.html", PAGE.into())], ""),
        (vec![("dist/index.html", PAGE.into())], "dist"),
        (vec![("dist/index.html", PAGE.into()), ("out/index.html", PAGE.into())], ""),
        (vec![("index.html", "---\n---\n".into()), ("dist/index.html", PAGE.into())], "dist"),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let detection = build(&files);
        if directory.is_empty() {
            let open = [ReasonCode::PublishDirectoryUnknown, ReasonCode::OutputUnknown];
            assert!(codes(&detection.blocked).iter().any(|code| open.contains(code)), "{files:?}");
            assert_eq!(detection.publish_directory, None);
            assert!(!lines(&detection.blocked[0]).is_empty());
        } else {
            assert_eq!(published(&detection), Some(directory), "{files:?}");
        }
    }
}

#[test]
fn an_explicit_directory_wins_over_everything() {
    let publish = |files: &[(&str, &str)], directory: &str, build: Option<&str>| {
        detect_with(files, |profile| {
            profile.runtime.publish_directory = Some(directory.to_owned());
            profile.runtime.build = build.map(str::to_owned);
        })
    };
    let package = r#"{ "scripts": { "build": "vite build" }, "devDependencies": { "vite": "7" } }"#;
    let files = [("package.json", package), ("web/index.html", PAGE), ("dist/a.js", "")];

    let detection = publish(&files, "./web/", None);
    assert_eq!((published(&detection), detection.warnings.len()), (Some("web"), 0));
    assert_eq!(detection.framework.as_deref(), Some("vite"));

    let detection = publish(&files, "dist", None);
    assert_eq!(published(&detection), Some("dist"));
    assert_eq!(codes(&detection.warnings), [ReasonCode::NothingToServe]);

    let detection = publish(&files, "not-there-yet", Some("npm run build"));
    assert_eq!((published(&detection), detection.warnings.len()), (Some("not-there-yet"), 0));

    let detection = publish(&files, "dits", None);
    assert_eq!(codes(&detection.blocked), [ReasonCode::PublishDirectoryMissing]);
    assert!(detection.blocked[0].message.contains("did you mean dist?"), "{}", detection.blocked[0].message);
    assert_eq!(lines(&detection.blocked[0])[0], "runtime.publish_directory = \"dist\"");

    for outside in ["../x", "/srv", "a\\b", "%2e%2e"] {
        for build in [None, Some("make")] {
            let detection = publish(&files, outside, build);
            assert_eq!(codes(&detection.blocked), [ReasonCode::PathOutsideSource], "{outside}");
            assert_eq!(detection.publish_directory, None);
        }
    }
}

#[test]
fn a_directory_that_was_passed_over_says_why_it_is_missing() {
    let mut tree = Tree::new(&[("a.txt", "")]);
    tree.pass_over("dist", PassedOver::LinkOut { target: "/srv".to_owned() });
    let mut profile = Profile::default();
    profile.runtime.publish_directory = Some("dist".to_owned());
    let detection = judge(&tree, &profile);
    let facts: Vec<&str> = detection.blocked[0].evidence.iter().map(|fact| fact.fact.as_str()).collect();
    assert!(facts.contains(&"a link that leaves the source (/srv)"), "{facts:?}");
}

#[test]
fn nothing_to_serve_says_what_was_looked_for() {
    let detection = detect(&[]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::NothingToServe]);
    assert!(detection.blocked[0].message.contains("_site/index.html"));

    let detection = detect(&[("Index.HTML", PAGE), ("web/app/index.html", PAGE), ("home.htm", PAGE)]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::NothingToServe]);
    let files: Vec<&str> = detection.blocked[0].evidence.iter().map(|fact| fact.file.as_str()).collect();
    assert_eq!(files, ["Index.HTML", "home.htm", "web/app/index.html"]);
    assert_eq!(lines(&detection.blocked[0]), ["runtime.publish_directory = \"web/app\""]);
}

#[test]
fn another_strategy_is_left_to_the_plan() {
    for strategy in [Strategy::Dockerfile, Strategy::Compose, Strategy::Image, Strategy::Commands] {
        let detection = detect_with(&[("go.mod", ""), ("Dockerfile", "")], |profile| {
            profile.runtime.strategy = strategy;
            profile.runtime.publish_directory = Some("missing".to_owned());
        });
        assert_eq!(detection.publish_directory, None, "{strategy:?}");
        assert_eq!(detection.language.as_deref(), Some("go"), "{strategy:?}");
        assert_eq!(detection.dockerfile.is_some(), strategy == Strategy::Dockerfile, "{strategy:?}");
    }
}

#[test]
fn a_package_that_is_no_json_is_not_guessed_at() {
    let detection = detect(&[("package.json", "{,}"), ("index.html", PAGE)]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::ManifestInvalid]);
    assert!(detection.blocked[0].message.contains("not valid JSON"));
}

#[test]
fn what_cannot_be_published_blocks_before_anything_runs() {
    let mut tree = Tree::new(&[("dist/index.html", PAGE)]);
    let target = || "gone".to_owned();
    for (path, why) in [
        ("dist/a.js", PassedOver::LinkOut { target: target() }),
        ("dist/x: y/z", PassedOver::LinkDangling { target: target() }),
        ("dist/.cache/s", PassedOver::Special),
        ("dist/shared", PassedOver::LinkToDirectory { target: target() }),
        ("other/loop", PassedOver::LinkLoop { target: target() }),
    ] {
        tree.pass_over(path, why);
    }
    let mut profile = Profile::default();
    let detection = judge(&tree, &profile);
    assert_eq!(codes(&detection.blocked), [ReasonCode::SourceUnsafe; 2]);
    let files: Vec<&str> = detection.blocked.iter().map(|reason| reason.evidence[0].file.as_str()).collect();
    assert_eq!(files, ["dist/a.js", "dist/x: y/z"]);
    profile.runtime.build = Some("make".to_owned());
    assert_eq!(published(&judge(&tree, &profile)), Some("dist"));
}

/// A walk reads as much as a source is large: what is built is never walked, whatever page lies at its top.
#[test]
fn what_is_built_is_never_walked() {
    let package = r#"{ "scripts": { "build": "vite build" }, "devDependencies": { "vite": "7" } }"#;
    let tree = Tree::new(&[("index.html", PAGE), ("package.json", package), ("src/main.ts", "")]);
    let (mut evidence, profile) = (Evidence::default(), Profile::default());
    while let Detected::Needs(asks) = Catalogue::new().detect(&evidence, &profile) {
        assert!(!asks.iter().any(|ask| matches!(ask, Ask::Walk(_))), "{asks:?}");
        asks.iter().for_each(|ask| tree.answer(ask, &mut evidence));
    }
}
