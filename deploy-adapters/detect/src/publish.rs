//! `runtime.publish_directory`: what the user fixed, or what is missing beside a build command.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::{Evidence, Fact};
use deploy_core::reason::{Reason, ReasonCode};

use crate::page::unfinished;
use crate::path::Inside;
use crate::reasons::{listed, publish_line, with_fixes};
use crate::rule::Scene;
use crate::rules::static_html;

/// The user said what to publish: that wins over whatever the rules said.
pub(crate) fn explicit(scene: Scene<'_>, text: &str, mut detection: Detection) -> Detection {
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
    let built = scene.profile.runtime.build.is_some();
    let exists = scene.evidence.has_directory(directory.as_str());
    detection.planner = if built { "static-build" } else { "static-directory" }.to_owned();
    detection.support_tier = SupportTier::Full;
    detection.fallback = static_html::fallback(scene, directory.shown());
    if !exists && !built {
        detection.blocked.push(missing(scene.evidence, &directory));
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

fn missing(evidence: &Evidence, directory: &Inside) -> Reason {
    let shown = directory.shown();
    let near = near(evidence, directory.as_str());
    let question = match near.first() {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    };
    let message = format!("the publish directory {shown} does not exist, and no build makes it{question}");
    let mut reason = Reason::new(ReasonCode::PublishDirectoryMissing, message)
        .because("deploy.toml", format!("runtime.publish_directory is {shown}"));
    // A link out of the source, or a directory left out by an ignore file, is there but was not listed.
    let prefix = format!("{shown}: ");
    for why in evidence.omitted.iter().filter_map(|omitted| omitted.strip_prefix(&prefix)) {
        reason = reason.because(shown, why);
    }
    if evidence.has(directory.as_str()) {
        reason = reason.because(shown, "is a file");
    }
    let fixes = near.iter().map(|name| (format!("publish {name}"), publish_line(name))).collect();
    with_fixes(reason, fixes)
}

/// The directories whose names are most like a wanted one, then those that hold a page.
fn near(evidence: &Evidence, wanted: &str) -> Vec<String> {
    let mut near: Vec<(usize, &str)> = Vec::new();
    for directory in directories(evidence) {
        let holds_page = evidence.has(&format!("{directory}/index.html"));
        let name = directory.rsplit('/').next().unwrap_or(directory);
        let distance = distance(wanted, directory).min(distance(wanted, name) + 1);
        if distance <= wanted.len() / 2 {
            near.push((distance, directory));
        } else if holds_page {
            near.push((usize::MAX, directory));
        }
    }
    near.sort_unstable();
    near.into_iter().take(OFFERED).map(|(_, directory)| directory.to_owned()).collect()
}

/// Every directory of the first two levels, in order.
fn directories(evidence: &Evidence) -> Vec<&str> {
    let mut directories = Vec::new();
    for path in evidence.files.keys() {
        let ends = path.match_indices('/').map(|(end, _)| end).take(2);
        directories.extend(ends.map(|end| &path[..end]));
        directories.dedup();
    }
    directories.sort_unstable();
    directories.dedup();
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

fn page_warning(scene: Scene<'_>, directory: &Inside) -> Option<Reason> {
    let page = directory.join("index.html");
    let shown = directory.shown();
    if !scene.evidence.has(&page) {
        let message = format!("{shown} holds no index.html: its top will answer 404");
        return Some(Reason::new(ReasonCode::NothingToServe, message).because(page, "does not exist"));
    }
    let why = unfinished(scene.text(&page)?)?;
    let message = format!("{page} {why}; it is published as it is, because you said so");
    Some(Reason::new(ReasonCode::UnsupportedProject, message).because(page, why))
}

/// A build command is given, but not where its result is.
pub(crate) fn of_build(scene: Scene<'_>, mut detection: Detection) -> Detection {
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

fn unknown(scene: Scene<'_>, finished: &[&str]) -> Reason {
    let build = scene.profile.runtime.build.as_deref().unwrap_or_default();
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
pub(crate) fn nothing(evidence: &Evidence) -> Reason {
    let looked = static_html::DIRECTORIES.map(|directory| match directory {
        "." => "index.html".to_owned(),
        other => format!("{other}/index.html"),
    });
    let message = match evidence.files.is_empty() {
        true => "the source is empty".to_owned(),
        false => "there is no index.html where a site keeps it".to_owned(),
    };
    let mut reason =
        Reason::new(ReasonCode::NothingToServe, format!("{message}; looked for {}", listed(&looked)));
    for file in pages_elsewhere(evidence) {
        reason = reason.because(file, "a page, but not where it is looked for");
    }
    let directories = pages_elsewhere(evidence).filter(|file| file.ends_with("/index.html"));
    let fixes = directories.filter_map(|file| file.rsplit_once('/'));
    let fixes =
        fixes.map(|(directory, _)| (format!("publish {directory}"), publish_line(directory))).collect();
    with_fixes(reason, fixes)
}

/// What may have been meant as the page: an `index.html` deeper down, or one in another spelling at the top.
fn pages_elsewhere(evidence: &Evidence) -> impl Iterator<Item = &str> {
    let mut pages: Vec<&str> =
        evidence.files.keys().map(String::as_str).filter(|path| is_page(path)).collect();
    pages.sort_by_key(|path| (path.matches('/').count(), *path));
    pages.into_iter().take(OFFERED)
}

fn is_page(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let at_top = !path.contains('/');
    name == "index.html"
        || at_top && [".html", ".htm"].iter().any(|ending| name.to_lowercase().ends_with(ending))
}
