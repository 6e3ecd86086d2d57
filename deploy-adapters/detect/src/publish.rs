//! `runtime.publish_directory`: what the user fixed, or what is missing beside a build command.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::{EntryKind, Fact, Walk};
use deploy_core::path::Inside;
use deploy_core::reason::{Reason, ReasonCode};

use crate::installed::is_installed;
use crate::page::unfinished;
use crate::reasons::{listed, publish_line, with_fixes};
use crate::rule::Scene;
use crate::rules::static_html;

/// The user said what to publish: that wins over whatever the rules said.
pub(crate) fn explicit(scene: &Scene<'_>, text: &str, mut detection: Detection) -> Detection {
    detection.blocked.clear();
    detection.warnings.clear();
    detection.kind = ProjectKind::Static;
    detection.publish_directory = None;
    let directory = match Inside::parse(text) {
        Ok(directory) => directory,
        Err(wrong) => {
            detection.blocked.push(outside(text, wrong));
            return detection;
        }
    };
    let built = scene.profile().runtime.build.is_some();
    let exists = built || is_there(scene, &directory);
    detection.planner = if built { "static-build" } else { "static-directory" }.to_owned();
    detection.support_tier = SupportTier::Full;
    detection.fallback = static_html::fallback(scene, directory.shown());
    if !exists {
        detection.blocked.push(missing(scene, &directory));
        return detection;
    }
    // What a build will write can't be judged by what is there now.
    if !built {
        detection.warnings.extend(page_warning(scene, &directory));
    }
    let evidence = Fact::new("deploy.toml", format!("runtime.publish_directory is {}", directory.shown()));
    detection.evidence.push(evidence.clone());
    detection.publish_directory = Some(Found { value: directory.shown().to_owned(), evidence });
    detection
}

fn outside(text: &str, wrong: &str) -> Reason {
    let message = format!("runtime.publish_directory = {text:?} may not be used: {wrong}");
    let mut reason = Reason::new(ReasonCode::PathOutsideSource, message)
        .because("deploy.toml", format!("runtime.publish_directory is {text:?}"))
        .set("write a directory below the base directory", publish_line("dist"));
    reason.profile_field = Some("runtime.publishDirectory".to_owned());
    reason
}

/// How many directories are offered in place of one that is missing.
const OFFERED: usize = 3;

/// Whether there is anything to publish, and no link on the way to it that leaves the source.
fn is_there(scene: &Scene<'_>, directory: &Inside) -> bool {
    match scene.walk(directory) {
        Some(Walk::Walked { files, passed_over }) => !files.is_empty() || !passed_over.is_empty(),
        // What stands in the way is said when the directory is looked at for publishing.
        Some(Walk::Refused(_)) | None => true,
        Some(Walk::Absent) => false,
    }
}

fn missing(scene: &Scene<'_>, directory: &Inside) -> Reason {
    let shown = directory.shown();
    let near = near(scene, directory.as_str());
    let question = match near.first() {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    };
    let message = format!("the publish directory {shown} does not exist, and no build makes it{question}");
    let mut reason = Reason::new(ReasonCode::PublishDirectoryMissing, message)
        .because("deploy.toml", format!("runtime.publish_directory is {shown}"));
    if let Some(why) = scene.passed_over(directory.as_str()) {
        reason = reason.because(shown, why.sentence());
    } else if scene.has_at_all(directory.as_str()) {
        reason = reason.because(shown, "is a file");
    }
    let fixes = near.iter().map(|name| (format!("publish {name}"), publish_line(name))).collect();
    with_fixes(reason, fixes)
}

/// The directories whose names are most like a wanted one, then those that hold a page.
fn near(scene: &Scene<'_>, wanted: &str) -> Vec<String> {
    let mut near: Vec<(usize, String)> = Vec::new();
    for directory in directories(scene) {
        let holds_page = scene.has_at_all(&format!("{directory}/index.html"));
        let name = directory.rsplit('/').next().unwrap_or(&directory);
        let distance = distance(wanted, &directory).min(distance(wanted, name) + 1);
        if distance <= wanted.len() / 2 {
            near.push((distance, directory));
        } else if holds_page {
            near.push((usize::MAX, directory));
        }
    }
    near.sort_unstable();
    near.into_iter().take(OFFERED).map(|(_, directory)| directory).collect()
}

/// How many directories are looked into for something to offer.
const LOOKED_INTO: usize = 64;

/// The directories of the first two levels, in order, git-ignored ones too.
fn directories(scene: &Scene<'_>) -> Vec<String> {
    let below = |directory: &str| -> Vec<String> {
        let entries = scene.all(directory).into_iter().flatten();
        let directories = entries.filter(|(name, entry)| {
            entry.kind == EntryKind::Directory && !name.starts_with('.') && !is_installed(name)
        });
        let join = |name: &String| match directory {
            "" => name.clone(),
            directory => format!("{directory}/{name}"),
        };
        directories.map(|(name, _)| join(name)).take(LOOKED_INTO).collect()
    };
    let first = below("");
    let second: Vec<String> = first.iter().flat_map(|directory| below(directory)).take(LOOKED_INTO).collect();
    let mut directories = [first, second].concat();
    directories.sort_unstable();
    directories
}

/// How many letters have to be inserted, removed or replaced. Long texts are not alike, whatever they say.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX - 1;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn page_warning(scene: &Scene<'_>, directory: &Inside) -> Option<Reason> {
    let page = directory.join("index.html");
    let shown = directory.shown();
    if !scene.has_at_all(&page) {
        let message = format!("{shown} holds no index.html: its top will answer 404");
        return Some(Reason::new(ReasonCode::NothingToServe, message).because(page, "does not exist"));
    }
    let why = unfinished(scene.text_at_all(&page)?)?;
    let message = format!("{page} {why}; it is published as it is, because you said so");
    Some(Reason::new(ReasonCode::UnsupportedProject, message).because(page, why))
}

/// A build command is given, but not where its result is.
pub(crate) fn of_build(scene: &Scene<'_>, mut detection: Detection) -> Detection {
    detection.kind = ProjectKind::Static;
    detection.planner = "static-build".to_owned();
    detection.support_tier = SupportTier::Partial;
    detection.blocked.clear();
    detection.warnings.clear();
    detection.fallback = None;
    // Generators know where they write. A page that is there already shows it only if it is the only one, and not at
    // the top, where sources and results look the same.
    let finished = static_html::finished(scene);
    let is_plain = detection.evidence.iter().any(|fact| fact.file.ends_with("index.html"));
    let is_obvious = !is_plain || finished.len() == 1 && finished != ["."];
    detection.publish_directory = detection.publish_directory.filter(|_| is_obvious);
    if detection.publish_directory.is_none() {
        detection.blocked.push(unknown(scene, &finished));
    }
    detection
}

fn unknown(scene: &Scene<'_>, finished: &[&str]) -> Reason {
    let build = scene.profile().runtime.build.as_deref().unwrap_or_default();
    let there = match finished.is_empty() {
        true => String::new(),
        false => format!("; an index.html is in {}", listed(finished)),
    };
    let message = format!("runtime.build is set, but not where its result is{there}");
    let reason = Reason::new(ReasonCode::PublishDirectoryUnknown, message)
        .because("deploy.toml", format!("runtime.build is {build:?}"));
    let candidates: Vec<&str> =
        if finished.is_empty() { vec!["dist", "build", "public"] } else { finished.to_vec() };
    let fixes = candidates.iter().map(|name| (format!("if it is {name}"), publish_line(name))).collect();
    with_fixes(reason, fixes)
}

/// Nothing was recognised, and there is no page.
pub(crate) fn nothing(scene: &Scene<'_>) -> Reason {
    let looked = static_html::DIRECTORIES.map(|directory| match directory {
        "." => "index.html".to_owned(),
        other => format!("{other}/index.html"),
    });
    let message = match scene.all("").is_none_or(std::collections::BTreeMap::is_empty) {
        true => "the source is empty".to_owned(),
        false => "there is no index.html where a site keeps it".to_owned(),
    };
    let mut reason =
        Reason::new(ReasonCode::NothingToServe, format!("{message}; looked for {}", listed(&looked)));
    let pages = pages_elsewhere(scene);
    for file in &pages {
        reason = reason.because(file, "a page, but not where it is looked for");
    }
    let directories = pages.iter().filter_map(|file| file.strip_suffix("/index.html"));
    let fixes =
        directories.map(|directory| (format!("publish {directory}"), publish_line(directory))).collect();
    with_fixes(reason, fixes)
}

/// What may have been meant as the page: one in another spelling at the top, or an `index.html` deeper down.
fn pages_elsewhere(scene: &Scene<'_>) -> Vec<String> {
    let is_page = |name: &str| [".html", ".htm"].iter().any(|ending| name.to_lowercase().ends_with(ending));
    let top = scene.all("").into_iter().flatten().map(|(name, _)| name);
    let top = top.filter(|name| is_page(name) && scene.has_at_all(name)).cloned();
    let below = directories(scene).into_iter().map(|directory| format!("{directory}/index.html"));
    let mut pages: Vec<String> = top.chain(below.filter(|page| scene.has_at_all(page))).collect();
    pages.sort_by_key(|path| (path.matches('/').count(), path.clone()));
    pages.truncate(OFFERED);
    pages
}
