//! Programs: recognised by the file their language's tools need, one row each.

use deploy_core::detect::{Detection, ProjectKind};
use deploy_core::evidence::Fact;

use super::marker::Marker::{self, Ending, File, Word};
use super::unplanned::Unplanned;
use crate::rule::{Rule, Scene};

/// The rule.
pub(super) const RULE: Rule = detect;

struct Language {
    name: &'static str,
    shown: &'static str,
    markers: &'static [Marker],
    /// Frameworks, each with what shows it; the first that is there counts.
    frameworks: &'static [(&'static str, &'static [Marker])],
}

const LANGUAGES: &[Language] = &[
    Language { name: "python", shown: "Python", markers: PYTHON, frameworks: PYTHON_FRAMEWORKS },
    Language {
        name: "ruby",
        shown: "Ruby",
        markers: &[File("Gemfile"), File("config.ru")],
        frameworks: &[
            ("rails", &[Word("Gemfile", "rails"), File("bin/rails")]),
            ("sinatra", &[Word("Gemfile", "sinatra")]),
        ],
    },
    Language {
        name: "php",
        shown: "PHP",
        markers: &[File("composer.json"), File("artisan"), File("index.php"), File("public/index.php")],
        frameworks: &[
            ("laravel", &[File("artisan"), Word("composer.json", "laravel/framework")]),
            ("symfony", &[Word("composer.json", "symfony/framework-bundle"), File("symfony.lock")]),
            ("wordpress", &[File("wp-config.php"), File("wp-load.php")]),
        ],
    },
    Language {
        name: "go",
        shown: "Go",
        markers: &[File("go.mod"), File("main.go"), File("go.work")],
        frameworks: &[
            ("gin", &[Word("go.mod", "gin-gonic/gin")]),
            ("echo", &[Word("go.mod", "labstack/echo")]),
            ("fiber", &[Word("go.mod", "gofiber/fiber")]),
        ],
    },
    Language {
        name: "rust",
        shown: "Rust",
        markers: &[File("Cargo.toml")],
        frameworks: &[
            ("axum", &[Word("Cargo.toml", "axum")]),
            ("actix-web", &[Word("Cargo.toml", "actix-web")]),
            ("rocket", &[Word("Cargo.toml", "rocket")]),
        ],
    },
    Language {
        name: "java",
        shown: "Java",
        markers: &[File("pom.xml"), File("build.gradle"), File("build.gradle.kts"), File("gradlew")],
        frameworks: &[
            ("spring-boot", SPRING),
            ("quarkus", &[Word("pom.xml", "quarkus"), Word("build.gradle", "quarkus")]),
        ],
    },
    Language {
        name: "dotnet",
        shown: ".NET",
        markers: &[Ending(".csproj"), Ending(".fsproj"), Ending(".sln"), File("global.json")],
        frameworks: &[],
    },
    Language {
        name: "elixir",
        shown: "Elixir",
        markers: &[File("mix.exs")],
        frameworks: &[("phoenix", &[Word("mix.exs", "phoenix")])],
    },
    plain("deno", "Deno", &[File("deno.json"), File("deno.jsonc"), File("deno.lock")]),
    plain("scala", "Scala", &[File("build.sbt")]),
    plain("clojure", "Clojure", &[File("project.clj"), File("deps.edn")]),
    plain("haskell", "Haskell", &[File("stack.yaml"), Ending(".cabal")]),
    plain("swift", "Swift", &[File("Package.swift")]),
    plain("dart", "Dart", &[File("pubspec.yaml")]),
    plain("crystal", "Crystal", &[File("shard.yml")]),
    plain("gleam", "Gleam", &[File("gleam.toml")]),
    plain("zig", "Zig", &[File("build.zig")]),
    plain("elm", "Elm", &[File("elm.json")]),
    plain("cpp", "C or C++", &[File("CMakeLists.txt"), File("meson.build")]),
];

const PYTHON: &[Marker] = &[
    File("requirements.txt"),
    File("pyproject.toml"),
    File("Pipfile"),
    File("setup.py"),
    File("manage.py"),
    File("uv.lock"),
    File("main.py"),
    File("app.py"),
];

const PYTHON_FRAMEWORKS: &[(&str, &[Marker])] = &[
    ("django", &[File("manage.py"), Word("requirements.txt", "Django"), Word("pyproject.toml", "django")]),
    (
        "fastapi",
        &[Word("requirements.txt", "fastapi"), Word("pyproject.toml", "fastapi"), Word("Pipfile", "fastapi")],
    ),
    ("flask", &[Word("requirements.txt", "lask"), Word("pyproject.toml", "lask"), Word("Pipfile", "lask")]),
];

const SPRING: &[Marker] = &[
    Word("pom.xml", "spring-boot"),
    Word("build.gradle", "spring-boot"),
    Word("build.gradle", "springframework.boot"),
    Word("build.gradle.kts", "springframework.boot"),
];

const fn plain(name: &'static str, shown: &'static str, markers: &'static [Marker]) -> Language {
    Language { name, shown, markers, frameworks: &[] }
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    if scene.is_static_by_choice() {
        return None;
    }
    LANGUAGES.iter().find_map(|language| {
        let shows = format!("belongs to a {} project", language.shown);
        let fact = language.markers.iter().find_map(|marker| marker.find(scene, &shows))?;
        let framework = framework(scene, language);
        let what = match &framework {
            Some((name, _)) => format!("a {} program with {name}", language.shown),
            None => format!("a {} program", language.shown),
        };
        let name = framework.as_ref().map(|(name, _)| *name);
        let unplanned = Unplanned {
            planner: name.unwrap_or(language.name),
            what,
            language: Some(language.name),
            framework: name,
            kind: ProjectKind::Server,
            evidence: [fact].into_iter().chain(framework.map(|(_, fact)| fact)).collect(),
            ..Unplanned::default()
        };
        Some(unplanned.into_detection(scene))
    })
}

fn framework(scene: &Scene<'_>, language: &Language) -> Option<(&'static str, Fact)> {
    language.frameworks.iter().find_map(|(name, markers)| {
        let shows = format!("uses {name}");
        Some((*name, markers.iter().find_map(|marker| marker.find(scene, &shows))?))
    })
}
