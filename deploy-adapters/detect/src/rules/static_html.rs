//! Plain pages: a directory with an `index.html` that is served as it is.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use crate::page::unfinished;
use crate::reasons::{listed, publish_line, with_fixes};
use crate::rule::{Rule, Scene};
use deploy_core::path::Inside;

/// The rule.
pub(super) const RULE: Rule = detect;

/// Where a finished site is looked for, best first.
///
/// The directory itself comes first: whoever names a directory means that one. Then `public` and `site`, which people
/// fill by hand; `dist`, the most common name of a result; `docs`, the convention of GitHub Pages, which may as well
/// hold the documentation of something else; the names that only tools give to their results; and last those of servers'
/// own directories.
///
/// Only `index.html` counts, in exactly this spelling: it is the one name that static servers agree on.
pub(crate) const DIRECTORIES: [&str; 10] =
    [".", "public", "site", "dist", "docs", "_site", "build", "out", "htdocs", "www"];

const PAGES: [&str; 10] = [
    "index.html",
    "public/index.html",
    "site/index.html",
    "dist/index.html",
    "docs/index.html",
    "_site/index.html",
    "build/index.html",
    "out/index.html",
    "htdocs/index.html",
    "www/index.html",
];

/// The directories that hold a finished page, best first.
pub(crate) fn finished(scene: &Scene<'_>) -> Vec<&'static str> {
    let pages = DIRECTORIES.iter().zip(PAGES);
    let finished = pages.filter(|(_, page)| {
        scene.has_at_all(page) && scene.text_at_all(page).is_none_or(|html| unfinished(html).is_none())
    });
    finished.map(|(directory, _)| *directory).collect()
}

/// Whether it is pages in `docs` and nothing else: as often the manual of what lies beside them.
pub(crate) fn is_manual(detection: &Detection) -> bool {
    let published = detection.publish_directory.as_ref();
    detection.planner == "static-html" && published.is_some_and(|found| found.value == "docs")
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let unfinished = unfinished_pages(scene);
    let finished = finished(scene);
    match finished.split_first() {
        Some((first, others)) => Some(site(scene, first, others, unfinished)),
        None if unfinished.is_empty() => None,
        None => Some(source_only(unfinished)),
    }
}

/// The pages that are there but not finished, each with the reason.
fn unfinished_pages(scene: &Scene<'_>) -> Vec<Fact> {
    let why = |page: &str| Some(scene.fact(page, unfinished(scene.text_at_all(page)?)?));
    PAGES.iter().filter(|page| scene.has_at_all(page)).filter_map(|page| why(page)).collect()
}

fn site(scene: &Scene<'_>, directory: &str, others: &[&str], unfinished: Vec<Fact>) -> Detection {
    let page = Inside::parse(directory).unwrap_or_default().join("index.html");
    let evidence = scene.fact(&page, "the page of a finished site");
    let mut warnings = Vec::new();
    // `docs` beside an index page is a part of that site.
    let others: Vec<&str> =
        others.iter().copied().filter(|other| directory != "." || *other != "docs").collect();
    if !others.is_empty() {
        warnings.push(ambiguous(directory, &others));
    }
    if !unfinished.is_empty() {
        warnings.push(passed_over(directory, &unfinished));
    }
    Detection {
        planner: "static-html".to_owned(),
        language: Some("html".to_owned()),
        kind: ProjectKind::Static,
        support_tier: SupportTier::Full,
        evidence: [evidence.clone()].into_iter().chain(unfinished).collect(),
        fallback: fallback(scene, directory),
        publish_directory: Some(Found { value: directory.to_owned(), evidence }),
        warnings,
        ..Detection::default()
    }
}

/// `200.html` is how static sites say "answer with this page where there is no other".
pub(crate) fn fallback(scene: &Scene<'_>, directory: &str) -> Option<Found<String>> {
    let file = Inside::parse(directory).ok()?.join("200.html");
    let evidence = scene.fact(&file, "by its name the page for every path without a file");
    scene.has_at_all(&file).then(|| Found { value: "200.html".to_owned(), evidence })
}

fn ambiguous(directory: &str, others: &[&str]) -> Reason {
    let message = format!(
        "{} could be the site; {directory} is used because it comes first",
        listed(&[&[directory], others].concat())
    );
    let mut fixes = vec![(format!("keep {directory}, without this warning"), publish_line(directory))];
    fixes.extend(others.iter().map(|other| (format!("publish {other} instead"), publish_line(other))));
    let mut reason = Reason::new(ReasonCode::PublishDirectoryUnknown, message);
    for other in [&[directory], others].concat() {
        let page = Inside::parse(other).unwrap_or_default().join("index.html");
        reason = reason.because(page, "the page of a finished site");
    }
    with_fixes(Reason { fix: Vec::new(), ..reason }, fixes)
}

fn passed_over(directory: &str, unfinished: &[Fact]) -> Reason {
    let pages: Vec<String> = unfinished.iter().map(|page| format!("{} {}", page.file, page.fact)).collect();
    let message = format!("{}: not a finished page; {directory} is used", listed(&pages));
    let mut reason = Reason::new(ReasonCode::UnsupportedProject, message);
    reason.evidence = unfinished.to_vec();
    let fix = ("if that is the finished site".to_owned(), publish_line(directory));
    with_fixes(reason, vec![fix])
}

/// There are pages, but only the sources of pages.
fn source_only(unfinished: Vec<Fact>) -> Detection {
    let pages: Vec<String> = unfinished.iter().map(|page| format!("{} {}", page.file, page.fact)).collect();
    let message = format!("{}: a source that has to be built, but nothing here says how", listed(&pages));
    let mut reason = Reason::new(ReasonCode::UnsupportedProject, message);
    reason.evidence.clone_from(&unfinished);
    let page = unfinished.first().map_or("index.html", |page| &page.file);
    let directory = page.rsplit_once('/').map_or(".", |(directory, _)| directory);
    reason.overrides = with_fixes(
        Reason { fix: Vec::new(), ..reason.clone() },
        vec![(format!("publish {directory} as it is"), publish_line(directory))],
    )
    .fix;
    Detection {
        kind: ProjectKind::Static,
        support_tier: SupportTier::Custom,
        evidence: unfinished,
        blocked: vec![reason],
        ..Detection::default()
    }
}
