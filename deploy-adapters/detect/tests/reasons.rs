//! Every reason that detection can give is given here: a code without a project that shows it does not compile.

use deploy_core::detect::Detection;
use deploy_core::evidence::PassedOver;
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Profile, Strategy};
use deploy_detect::Catalogue;
use deploy_detect::tree::Tree;

/// Who gives a reason.
enum Giver {
    /// The catalogue, of this project: a plan is blocked.
    Blocks(Tree, Profile),
    /// The catalogue, of this project: a plan is warned of.
    Warns(Tree, Profile),
    /// Another part, whose own tests show it.
    Other(&'static str),
}

use Giver::{Blocks, Other, Warns};

const READER: &str = "deploy-source";
const EXECUTOR: &str = "the executors";
const PLANNER: &str = "deploy-core";
const PAGE: &str = "<!doctype html><title>hello</title>";
const EXPRESS: &str =
    r#"{ "dependencies": { "express": "5.0.0" }, "scripts": { "start": "node server.js" } }"#;

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(files)
}

fn set(change: impl FnOnce(&mut Profile)) -> Profile {
    let mut profile = Profile::default();
    change(&mut profile);
    profile
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn blocks(files: &[(&str, &str)]) -> Giver {
    Blocks(tree(files), Profile::default())
}

fn warns(files: &[(&str, &str)]) -> Giver {
    Warns(tree(files), Profile::default())
}

fn passed_over(why: PassedOver) -> Giver {
    let mut tree = tree(&[("index.html", PAGE)]);
    tree.pass_over("odd", why);
    Blocks(tree, Profile::default())
}

fn giver(code: ReasonCode) -> Giver {
    use ReasonCode as Code;
    match code {
        Code::SourceNotFound
        | Code::SourceNotADirectory
        | Code::SourceUnreadable
        | Code::SourceUnavailable
        | Code::SourceTimeout
        | Code::SourceChanged
        | Code::SourceRefused
        | Code::GitMissing
        | Code::GitRefNotFound
        | Code::GitCredentialMissing
        | Code::ArchiveInvalid
        | Code::UnsafeArchiveEntry
        | Code::ArchiveTooLarge
        | Code::SourceTooLarge
        | Code::BaseDirectoryMissing => Other(READER),
        Code::SourceUnsafe => passed_over(PassedOver::LinkOut { target: "/srv".to_owned() }),
        Code::PathOutsideSource => {
            Blocks(tree(&[]), set(|profile| profile.runtime.publish_directory = text("../x")))
        }
        Code::NothingToServe => blocks(&[]),
        Code::PublishDirectoryMissing => {
            Blocks(tree(&[("a.txt", "")]), set(|profile| profile.runtime.publish_directory = text("dist")))
        }
        Code::PublishDirectoryUnknown => {
            Blocks(tree(&[("Makefile", "")]), set(|profile| profile.runtime.build = text("make")))
        }
        Code::UnsupportedProject => blocks(&[("index.html", "---\nlayout: home\n---\n")]),
        Code::NothingRecognised => blocks(&[("notes.pl", "print 1;")]),
        Code::SeveralApps => blocks(&[("a/package.json", EXPRESS), ("b/package.json", EXPRESS)]),
        Code::ManifestInvalid => blocks(&[("package.json", "{,}")]),
        Code::ConflictingLockfiles => {
            blocks(&[("package.json", EXPRESS), ("yarn.lock", ""), ("package-lock.json", "{}")])
        }
        Code::StartUnknown => blocks(&[("go.mod", "module x"), ("x.go", "package x")]),
        Code::OutputUnknown => blocks(&[
            (
                "package.json",
                r#"{ "devDependencies": { "vite": "7" }, "scripts": { "build": "vite build" } }"#,
            ),
            ("vite.config.ts", "build: { outDir: dir() }"),
        ]),
        Code::PortUnknown => blocks(&[("Dockerfile", "FROM debian:12\nCMD [\"/app\"]\n")]),
        Code::ServiceUnknown => blocks(&[(
            "compose.yaml",
            "services:\n  a:\n    build: a\n    ports: ['3000:3000']\n  b:\n    build: b\n    ports: ['4000:4000']\n",
        )]),
        Code::ComposeDirective => blocks(&[(
            "compose.yaml",
            "services:\n  a:\n    build: a\n    privileged: true\n    ports: ['3000:3000']\n",
        )]),
        Code::ComposeDropped => warns(&[(
            "compose.yaml",
            "services:\n  a:\n    build: a\n    container_name: x\n    ports: ['3000:3000']\n",
        )]),
        Code::ComposeVariable => blocks(&[(
            "compose.yaml",
            "services:\n  a:\n    build: a\n    environment: [TOKEN]\n    ports: ['3000:3000']\n",
        )]),
        Code::StageUnknown => Blocks(
            tree(&[("Dockerfile", "FROM debian:12 AS one\nEXPOSE 80\n")]),
            set(|profile| profile.runtime.stage = text("two")),
        ),
        Code::DockerfileMissing => {
            Blocks(tree(&[("a.txt", "")]), set(|profile| profile.runtime.dockerfile = text("Dockerfile.web")))
        }
        Code::ImageInvalid => Blocks(tree(&[]), set(|profile| profile.runtime.image = text("not an image"))),
        Code::FloatingImage => Warns(tree(&[]), set(|profile| profile.runtime.image = text("nginx"))),
        Code::NoLockfile => warns(&[("package.json", EXPRESS), ("server.js", "app.listen(80)")]),
        Code::DevServerAsStart => {
            warns(&[("Procfile", "web: flask run"), ("requirements.txt", "flask==3.0")])
        }
        Code::FloatingBaseImage => warns(&[("Dockerfile", "FROM node\nEXPOSE 80\n")]),
        Code::PortGuessed => warns(&[("package.json", EXPRESS), ("server.js", "app.listen(port)")]),
        Code::NoHealthPath => warns(&[("Dockerfile", "FROM debian:12\nEXPOSE 80\n")]),
        Code::SingleWriterVolume => warns(&[("Dockerfile", "FROM debian:12\nEXPOSE 80\nVOLUME /data\n")]),
        Code::VersionUnavailable => warns(&[("package.json", EXPRESS), (".nvmrc", "lts/nothing")]),
        Code::UnsupportedTarget | Code::HealthPathInvalid | Code::HostInvalid | Code::InvalidLimit => {
            Other(PLANNER)
        }
        Code::PlanChanged | Code::ReleaseNotFound | Code::ReleaseNotUsable | Code::ReleaseAlreadyLive => {
            Other(PLANNER)
        }
        Code::UnsupportedStrategy
        | Code::HostTaken
        | Code::NotSupportedByTarget
        | Code::ArtifactMissing
        | Code::InsufficientDisk
        | Code::BaseImageUnknown
        | Code::ImageNotPinned
        | Code::VariableNameInvalid
        | Code::SecretMissing
        | Code::EngineUnavailable
        | Code::BrowserMissing
        | Code::Frozen
        | Code::AccountPastDue
        | Code::WorkspaceBusy
        | Code::PolicyUnreadable
        | Code::PolicyRefused
        | Code::PortTaken
        | Code::FlyAppMissing
        | Code::FlyAppInvalid
        | Code::FlyConfigInvalid
        | Code::FlyctlMissing
        | Code::NoCandidate
        | Code::HealthCheckInvalid => Other(EXECUTOR),
    }
}

fn judged(tree: &Tree, profile: &Profile) -> Detection {
    tree.judge(&Catalogue::new(), profile).expect("it asks for ever").0
}

#[test]
fn every_code_of_the_catalogue_has_a_project_that_shows_it() {
    for code in ReasonCode::ALL.iter().copied() {
        let (reasons, kind) = match giver(code) {
            Blocks(tree, profile) => (judged(&tree, &profile).blocked, "blocked"),
            Warns(tree, profile) => (judged(&tree, &profile).warnings, "warnings"),
            Other(part) => {
                assert!(!part.is_empty(), "{code:?}");
                continue;
            }
        };
        let reason = reasons.iter().find(|reason| reason.code == code);
        let reason = reason.unwrap_or_else(|| panic!("{code:?} is not among the {kind}: {reasons:#?}"));
        assert!(!reason.message.is_empty() && !reason.fix.is_empty(), "{reason:#?}");
    }
}

/// What is blocked can be repaired by values alone, whatever was found: explicit always wins.
#[test]
fn inv_explicit_values_repair_every_blocked_project() {
    for code in ReasonCode::ALL.iter().copied() {
        let Blocks(tree, _) = giver(code) else { continue };
        let repaired = set(|profile| {
            profile.runtime.strategy = Strategy::Commands;
            profile.runtime.install = text("true");
            profile.runtime.start = text("./server");
            profile.network.internal_port = Some(8080);
        });
        let detection = judged(&tree, &repaired);
        assert!(detection.blocked.is_empty(), "{code:?}: {:#?}", detection.blocked);
    }
}
