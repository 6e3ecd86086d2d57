//! Looking for the app in the directories below, where the top says nothing.

use deploy_core::detect::{Detection, ProjectKind};
use deploy_core::reason::{Reason, ReasonCode};

use crate::catalogue::recognise;
use crate::reasons::{line, listed, with_fixes};
use crate::rule::{Known, Scene};
use crate::rules::containers;

/// How many directories are looked at, and how many apps are named.
const LOOKED_AT: usize = 48;
const NAMED: usize = 12;

/// Where apps are kept, one level deeper.
const PARENTS: [&str; 8] = ["apps", "packages", "services", "projects", "sites", "examples", "src", "cmd"];

/// Directories that go with an app and are none.
const BESIDE: [&str; 14] = [
    "docs",
    "doc",
    "test",
    "tests",
    "e2e",
    "examples",
    "example",
    "scripts",
    "tools",
    "infra",
    "terraform",
    "fixtures",
    "bench",
    "benchmarks",
];

/// The one app below a directory, planned where it is; or a detection that names them all.
pub(crate) fn below(known: &Known<'_>, scene: &Scene<'_>) -> Option<Detection> {
    beside_manual(known, scene)
        .or_else(|| one_of(scene, found_in(known, scene, |name| BESIDE.contains(&name))))
}

/// The same, without what goes with an app: its manual, its examples.
pub(crate) fn beside_manual(known: &Known<'_>, scene: &Scene<'_>) -> Option<Detection> {
    one_of(scene, found_in(known, scene, |name| !BESIDE.contains(&name)))
}

fn one_of(scene: &Scene<'_>, apps: Vec<(String, Detection)>) -> Option<Detection> {
    let mut apps = apps.into_iter();
    match (apps.next(), apps.next()) {
        (None, _) => None,
        (Some((directory, detection)), None) => Some(at(scene, &directory, detection)),
        (Some(first), Some(second)) => {
            let names: Vec<String> = [first, second].into_iter().chain(apps).map(|(name, _)| name).collect();
            Some(several(scene, &names))
        }
    }
}

fn found_in(known: &Known<'_>, scene: &Scene<'_>, which: impl Fn(&str) -> bool) -> Vec<(String, Detection)> {
    let first = scene.directories("").into_iter().filter(|name| which(name)).map(str::to_owned);
    let deeper = PARENTS.iter().filter(|name| which(name)).flat_map(|parent| {
        let children = scene.directories(parent).into_iter();
        children.map(|name| format!("{parent}/{name}")).collect::<Vec<_>>()
    });
    let directories: Vec<String> = first.chain(deeper).take(LOOKED_AT).collect();
    let app = |directory: String| {
        let below = scene.below(&directory);
        let found = containers::around(known, &below, recognise(known, &below))?;
        is_app(&found).then_some((directory, found))
    };
    directories.into_iter().filter_map(app).collect()
}

/// Something that runs or is served. Pages alone are as likely a template or a report.
fn is_app(detection: &Detection) -> bool {
    let runs =
        detection.start.is_some() || detection.dockerfile.is_some() || detection.publish_directory.is_some();
    let known = detection.kind != ProjectKind::Unknown && detection.planner != "static-html";
    runs && known
}

/// A detection of what is in a directory below, as one of the source.
pub(crate) fn at(scene: &Scene<'_>, directory: &str, mut detection: Detection) -> Detection {
    let found = scene.found(directory.to_owned(), directory, "the only app in the source");
    detection.evidence.insert(0, found.evidence.clone());
    let base = scene.path(directory).unwrap_or_default();
    detection.base_directory = Some(deploy_core::detect::Found { value: base, ..found });
    detection
}

/// A detection that is blocked until somebody says which one.
pub(crate) fn several(scene: &Scene<'_>, directories: &[String]) -> Detection {
    let base = |directory: &String| scene.path(directory).unwrap_or_default();
    let names: Vec<String> = directories.iter().take(NAMED).map(base).collect();
    let more = directories.len().saturating_sub(NAMED);
    let and_more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let message = format!("the source holds several apps: {}{and_more}", listed(&names));
    let mut reason = Reason::new(ReasonCode::SeveralApps, message);
    for name in &names {
        reason = reason.because(name, "an app that can be deployed");
    }
    let fixes = names.iter().map(|name| (format!("deploy {name}"), line("source.base_directory", name)));
    let blocked = vec![with_fixes(reason, fixes.collect())];
    Detection { planner: "workspace".to_owned(), blocked, ..Detection::default() }
}
