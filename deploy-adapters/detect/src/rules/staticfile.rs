//! `Staticfile`: a project says by itself that it is a static site, and where.

use deploy_core::detect::{Detection, ProjectKind, SupportTier};

use crate::manifest::Values;
use crate::rule::{Rule, Scene};
use crate::rules::static_html;

/// The rule.
pub(super) const RULE: Rule = detect;

const FILE: &str = "Staticfile";

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let content = scene.yaml(FILE)?;
    let root = content.text_at(&["root"]).map(str::to_owned);
    let found = static_html::finished(scene).first().map(|directory| (*directory).to_owned());
    let directory = root.or(found).unwrap_or_else(|| ".".to_owned());
    let directory = deploy_core::path::Inside::parse(&directory).unwrap_or_default();
    let falls_back = ["index_fallback", "pushstate"]
        .iter()
        .any(|key| content.at(&[key]).as_bool() == Some(true) || content.text_at(&[key]) == Some("enabled"));
    let page = scene.found("index.html".to_owned(), FILE, "index_fallback is set");
    Some(Detection {
        planner: "staticfile".to_owned(),
        language: Some("html".to_owned()),
        kind: ProjectKind::Static,
        support_tier: SupportTier::Full,
        evidence: vec![scene.fact(FILE, "says that this is a static site")],
        fallback: falls_back.then_some(page).or_else(|| static_html::fallback(scene, directory.shown())),
        publish_directory: Some(scene.found(directory.shown().to_owned(), FILE, "the root of the site")),
        ..Detection::default()
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::detect;

    #[test]
    fn it_names_the_root_and_the_fallback() {
        let detection =
            detect(&[("Staticfile", "root: site\nindex_fallback: true\n"), ("site/index.html", "x")]);
        assert_eq!(detection.publish_directory.unwrap().value, "site");
        assert_eq!(detection.fallback.unwrap().value, "index.html");
        let detection = detect(&[("Staticfile", ""), ("index.html", "x")]);
        assert_eq!((detection.publish_directory.unwrap().value.as_str(), detection.fallback), (".", None));
    }
}
