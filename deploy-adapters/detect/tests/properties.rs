//! What holds for any evidence and any profile.

use std::collections::BTreeSet;

use deploy_core::detect::Detected;
use deploy_core::evidence::{Ask, Evidence, PassedOver};
use deploy_core::path::Inside;
use deploy_core::port::Detector;
use deploy_core::spec::{Profile, Strategy as Runtime};
use deploy_detect::Catalogue;
use deploy_detect::tree::Tree;
use proptest::prelude::*;

/// Names that rules look for; together they make every path that rules look for, and many that nobody does.
const NAMES: &[&str] = &[
    "package.json",
    "index.html",
    "dist",
    "public",
    "docs",
    "apps",
    "packages",
    "web",
    "src",
    "vite.config.ts",
    "pnpm-lock.yaml",
    "yarn.lock",
    "package-lock.json",
    "pnpm-workspace.yaml",
    "turbo.json",
    "nx.json",
    "angular.json",
    "next.config.js",
    "Dockerfile",
    "compose.yaml",
    "Procfile",
    "Staticfile",
    "deno.json",
    "hugo.toml",
    "config.toml",
    "_config.yml",
    "mkdocs.yml",
    "book.toml",
    "Gemfile",
    "requirements.txt",
    "pyproject.toml",
    "go.mod",
    "go.work",
    "Cargo.toml",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "mix.exs",
    "App.csproj",
    "App.sln",
    "shard.yml",
    "gleam.toml",
    "Package.swift",
    "pubspec.yaml",
    "build.sbt",
    "project.clj",
    "stack.yaml",
    "CMakeLists.txt",
    "settings.gradle",
    "main.go",
    "main.rs",
    "cmd",
    "app.py",
    "manage.py",
    "uv.lock",
    "Gemfile.lock",
    ".tool-versions",
    "index.php",
    "start.sh",
    "server.js",
    "main.py",
    ".nvmrc",
    "deploy.toml",
    "node_modules",
    "..",
    "é",
    "a",
    "b",
];

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![8 => proptest::sample::select(NAMES).prop_map(str::to_owned), 1 => "[a-zé.]{1,6}"];
    proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "\"scripts\":",
        "{\"dependencies\":{\"vite\":1}}",
        "<script ",
        "src=",
        "'",
        "\"",
        ">",
        "<link rel=",
        "---\n",
        "{{",
        "%}",
        "<body",
        "é",
        "outDir:",
        "[package]\nname = \"x\"\n",
        "[workspace]\nmembers = [\"*\", \"../b\"]\n",
        "module x\ngo 1.22\n",
        "package main\n",
        "use ./a\n",
        "app = FastAPI()\n",
        "[project]\ndependencies = [\"fastapi\"]\n",
        "DJANGO_SETTINGS_MODULE', 'a.settings' django",
        "<project><modules><module>a</module></modules>",
        "<parent>",
        "</parent>",
        "include ':a', ':b'\n",
        "application\n",
        "gem 'rails', path: 'a'\n",
        "name: x\n",
        "Microsoft.NET.Sdk.Web\"",
        "web: a -p $PORT\n",
        "listen(",
        "${PORT:",
        "65536",
        "add_executable(${PROJECT_NAME} a)",
        "baseURL",
        "<!--",
        "-->",
        ".tsx",
        "</head>",
        "\u{feff}",
        "<style",
    ];
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let files = proptest::collection::btree_map(path(), text(), 0..16);
    let odd = proptest::collection::vec((path(), 0..3_u8), 0..3);
    let ignored = proptest::collection::vec(path(), 0..3);
    (files, odd, ignored).prop_map(|(files, odd, ignored)| {
        let mut tree = Tree::new(&files.into_iter().collect::<Vec<_>>());
        for (path, which) in odd {
            tree.pass_over(
                &path,
                match which {
                    0 => PassedOver::Special,
                    1 => PassedOver::LinkOut { target: "/x".to_owned() },
                    _ => PassedOver::LeftOut,
                },
            );
        }
        ignored.iter().for_each(|path| tree.git_ignore(path));
        tree
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    let directory = prop_oneof![Just("dist".to_owned()), Just(".".to_owned()), any::<String>()];
    const STRATEGIES: &[Runtime] = &[Runtime::Auto, Runtime::Static, Runtime::Dockerfile, Runtime::Commands];
    let fields = (
        proptest::option::of(directory),
        proptest::option::of(any::<String>()),
        proptest::sample::select(STRATEGIES),
    );
    fields.prop_map(|(publish_directory, build, strategy)| {
        let mut profile = Profile::default();
        profile.runtime.publish_directory = publish_directory;
        profile.runtime.build = build;
        profile.runtime.strategy = strategy;
        profile
    })
}

/// The asks of every round until it is done.
fn rounds(tree: &Tree, profile: &Profile) -> (Vec<BTreeSet<Ask>>, Evidence, Detected) {
    let (mut asked, mut evidence) = (Vec::new(), Evidence::default());
    loop {
        match Catalogue::new().detect(&evidence, profile) {
            Detected::Needs(asks) => {
                asks.iter().for_each(|ask| tree.answer(ask, &mut evidence));
                asked.push(asks);
            }
            done @ Detected::Done(_) => return (asked, evidence, done),
        }
        assert!(asked.len() < 20, "it asks for ever: {asked:?}");
    }
}

proptest! {
    #[test]
    fn detection_is_total_and_deterministic(tree in tree(), profile in profile()) {
        let (_, _, Detected::Done(first)) = rounds(&tree, &profile) else { unreachable!() };
        let (_, _, Detected::Done(again)) = rounds(&tree.clone(), &profile.clone()) else { unreachable!() };
        prop_assert_eq!(serde_json::to_vec(&first).unwrap(), serde_json::to_vec(&again).unwrap());

        if let Some(found) = &first.publish_directory {
            let inside = Inside::parse(&found.value);
            prop_assert_eq!(inside.map(|inside| inside.shown().to_owned()), Ok(found.value.clone()));
        }
        for reason in first.blocked.iter().chain(&first.warnings) {
            prop_assert!(!reason.message.is_empty() && !reason.fix.is_empty());
        }
    }

    /// Knowing more of a source changes nothing: detection depends on what it asked for only.
    #[test]
    fn answers_do_not_depend_on_what_else_is_known(tree in tree(), profile in profile()) {
        let (_, evidence, done) = rounds(&tree, &profile);
        let mut everything = tree.everything();
        everything.listings.extend(evidence.listings);
        everything.texts.extend(evidence.texts);
        everything.heads.extend(evidence.heads);
        everything.walks.extend(evidence.walks);
        prop_assert_eq!(Catalogue::new().detect(&everything, &profile), done);
    }

    /// Every ask is new, and no round asks without need: a source is never made to answer twice.
    #[test]
    fn nothing_is_asked_twice(tree in tree(), profile in profile()) {
        let (asked, _, _) = rounds(&tree, &profile);
        let mut before = BTreeSet::new();
        for asks in asked {
            prop_assert!(!asks.is_empty());
            for ask in asks {
                prop_assert!(before.insert(ask.clone()), "{ask:?} was asked twice");
            }
        }
    }
}
