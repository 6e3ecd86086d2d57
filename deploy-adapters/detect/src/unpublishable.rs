//! What stands in the way of publishing a directory as it is.

use deploy_core::evidence::{PassedOver, Refusal, Walk};
use deploy_core::path::Inside;
use deploy_core::reason::{Reason, ReasonCode};

use crate::rule::Scene;

/// How many things are named before the rest is only counted.
const NAMED: usize = 20;

/// One reason for each thing in the publish directory that can't be published.
pub(crate) fn unpublishable(scene: &Scene<'_>, publish_directory: &str) -> Vec<Reason> {
    let Ok(directory) = Inside::parse(publish_directory) else { return Vec::new() };
    match scene.walk(&directory) {
        None | Some(Walk::Absent) => Vec::new(),
        Some(Walk::Refused(refusal)) => vec![refused(scene, &directory, refusal)],
        Some(Walk::Walked { passed_over, .. }) => {
            let bad = passed_over.iter().filter(|(_, why)| why.is_unpublishable());
            let (named, unnamed) = (bad.clone().take(NAMED), bad.count().saturating_sub(NAMED));
            let mut reasons: Vec<Reason> =
                named.map(|(path, why)| in_the_way(scene, &directory.join(path), why)).collect();
            if let (Some(last), 1..) = (reasons.last_mut(), unnamed) {
                last.message.push_str(&format!("; so do {unnamed} more"));
            }
            reasons
        }
    }
}

fn in_the_way(scene: &Scene<'_>, path: &str, why: &PassedOver) -> Reason {
    let fact = scene.fact(path, why.sentence());
    let (code, remedy) = match why {
        PassedOver::Unreadable { .. } => {
            (ReasonCode::SourceUnreadable, "permit it, or leave it out with .deployignore")
        }
        PassedOver::NameNotUtf8 => (ReasonCode::SourceUnsafe, "rename or remove it"),
        PassedOver::LinkOut { .. }
        | PassedOver::LinkLoop { .. }
        | PassedOver::LinkDangling { .. }
        | PassedOver::LinkSpecial { .. }
        | PassedOver::LinkToDirectory { .. }
        | PassedOver::Special
        | PassedOver::LeftOut => (ReasonCode::SourceUnsafe, "remove it, or put a file in its place"),
    };
    let message = format!("{} can't be published: {}; {remedy}", fact.file, fact.fact);
    Reason::new(code, message).because(fact.file, fact.fact)
}

fn refused(scene: &Scene<'_>, directory: &Inside, refusal: &Refusal) -> Reason {
    let code = match refusal {
        Refusal::Unreadable { .. } => ReasonCode::SourceUnreadable,
        Refusal::LeadsOut | Refusal::Special => ReasonCode::SourceUnsafe,
        Refusal::TooLarge { .. }
        | Refusal::TooMuch { .. }
        | Refusal::TooManyEntries { .. }
        | Refusal::TooDeep { .. } => ReasonCode::SourceTooLarge,
    };
    let fact = scene.fact(directory.as_str(), refusal.sentence());
    let shown = if fact.file.is_empty() { "the source" } else { &fact.file };
    Reason::new(code, format!("{shown} can't be published: it {}", fact.fact)).because(shown, &fact.fact)
}
