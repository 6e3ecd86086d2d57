//! A plan and a detection as text.

use std::fmt::Write as _;

use deploy_core::detect::{Detection, ProjectKind};
use deploy_core::evidence::Fact;
use deploy_core::plan::{
    ArtifactKind, Change, CommandKind, Origin, PlanDocument, ReadinessStatus, Reuse, SourceSummary, Undo,
    Verb,
};
use deploy_core::reason::Reason;

use crate::output::{clean, command, remedy};

pub(crate) fn detection(detection: &Detection) -> String {
    let mut text = format!("Found {}\n", what(detection));
    facts(&mut text, &detection.evidence);
    let values = [
        ("install", &detection.install),
        ("build", &detection.build),
        ("start", &detection.start),
        ("publish", &detection.publish_directory),
        ("image", &detection.build_image),
        ("runs in", &detection.runtime_image),
        ("health", &detection.health_path),
    ];
    for (name, found) in values {
        if let Some(found) = found {
            row(&mut text, name, &found.value, Some(&found.evidence), Origin::Detected);
        }
    }
    if let Some(found) = &detection.internal_port {
        row(&mut text, "port", &found.value.to_string(), Some(&found.evidence), Origin::Detected);
    }
    reasons(&mut text, "warning", &detection.warnings);
    reasons(&mut text, "blocked", &detection.blocked);
    text
}

pub(crate) fn plan(plan: &PlanDocument) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} on {}: {}", plan.resource, clean(&plan.target), readiness(plan));
    let _ = writeln!(text, "\nFound {}", what(&plan.detection));
    facts(&mut text, &plan.detection.evidence);
    values(&mut text, plan);
    if !plan.steps.is_empty() {
        let _ = writeln!(text, "\nWhat will happen");
        for (number, step) in plan.steps.iter().enumerate() {
            let _ =
                writeln!(text, "  {}. {:16} {}{}", number + 1, step.id, clean(&step.title), undo(&step.undo));
        }
    }
    reuses(&mut text, &plan.reuses);
    changes(&mut text, &plan.changes);
    reasons(&mut text, "warning", &plan.warnings);
    reasons(&mut text, "blocked", &plan.blocked_reasons);
    next(&mut text, plan);
    let _ = writeln!(text, "\nfingerprint {}", plan.fingerprint);
    text
}

fn readiness(plan: &PlanDocument) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    match plan.readiness.status {
        ReadinessStatus::Ready => "ready".to_owned(),
        ReadinessStatus::Warning => format!("ready, with {}", count(plan.warnings.len(), "warning")),
        ReadinessStatus::Blocked => format!("BLOCKED, for {}", count(plan.blocked_reasons.len(), "reason")),
    }
}

/// `a static site: vite, typescript with pnpm`.
fn what(detection: &Detection) -> String {
    let kind = match detection.kind {
        ProjectKind::Server => "a program that answers requests",
        ProjectKind::Static => "a static site",
        ProjectKind::Worker => "a program without a port",
        ProjectKind::Unknown if detection.planner.is_empty() => return "nothing that is known".to_owned(),
        ProjectKind::Unknown => "a project",
    };
    let language = detection.language.iter().map(|language| match &detection.runtime_version {
        Some(version) => format!("{language} {version}"),
        None => language.clone(),
    });
    let manager = detection.package_manager.iter().map(|manager| format!("with {manager}"));
    let parts: Vec<String> = detection.framework.iter().cloned().chain(language).chain(manager).collect();
    let named = if parts.is_empty() { detection.planner.clone() } else { parts.join(", ") };
    format!("{kind}: {}", clean(&named))
}

fn facts(text: &mut String, facts: &[Fact]) {
    for fact in facts {
        let _ = writeln!(text, "  {:28}  {}", clean(&fact.file), clean(&fact.fact));
    }
}

/// One value: its name, what it is, and where it comes from.
fn row(text: &mut String, name: &str, value: &str, fact: Option<&Fact>, from: Origin) {
    let from = match (from, fact) {
        (Origin::Detected, Some(fact)) => format!("{}: {}", clean(&fact.file), clean(&fact.fact)),
        (Origin::Explicit, _) => "explicit".to_owned(),
        (Origin::Detected, None) => "detected".to_owned(),
        (Origin::Default, _) => "default".to_owned(),
    };
    let _ = writeln!(text, "  {name:9}  {}  ({from})", clean(value));
}

fn values(text: &mut String, plan: &PlanDocument) {
    let _ = writeln!(text, "\nThe plan");
    row(
        text,
        "source",
        &super::source(&SourceSummary { base_directory: None, ..plan.source.clone() }),
        None,
        Origin::Explicit,
    );
    if let Some(base) = &plan.source.base_directory {
        let found = plan.detection.base_directory.as_ref().map(|found| &found.evidence);
        row(text, "in", base, found, if found.is_some() { Origin::Detected } else { Origin::Explicit });
    }
    for command in &plan.commands {
        let name = match command.kind {
            CommandKind::Install => "install",
            CommandKind::Build => "build",
            CommandKind::Start => "start",
            CommandKind::Package => "package",
        };
        row(text, name, &command.command, command.evidence.as_ref(), command.origin);
    }
    if let Some(artifact) = &plan.artifact {
        let found = &plan.detection;
        let (name, value, fact) = match artifact.kind {
            ArtifactKind::StaticSite => (
                "publish",
                artifact.publish_directory.clone(),
                found.publish_directory.as_ref().map(|f| &f.evidence),
            ),
            ArtifactKind::DockerfileImage => {
                ("image", artifact.dockerfile.clone(), found.dockerfile.as_ref().map(|f| &f.evidence))
            }
            ArtifactKind::PrebuiltImage => ("image", artifact.image.clone(), None),
            ArtifactKind::ComposeProject => {
                ("service", artifact.service.clone(), found.compose.as_ref().map(|f| &f.evidence))
            }
            ArtifactKind::GeneratedImage => {
                let image = found.runtime_image.as_ref().or(found.build_image.as_ref());
                ("image", image.map(|f| f.value.clone()), image.map(|f| &f.evidence))
            }
        };
        row(text, name, value.as_deref().unwrap_or("-"), fact, artifact.origin);
    }
    if let Some(port) = plan.network.internal_port {
        let found = plan.detection.internal_port.as_ref().map(|found| &found.evidence);
        row(text, "port", &port.to_string(), found, plan.network.origin);
    }
    let health = &plan.health.policy;
    let asked = format!("GET {}, healthy within {}", health.path, health.deadline);
    let found = plan.detection.health_path.as_ref().map(|found| &found.evidence);
    row(text, "health", &asked, found, plan.health.origin);
    if let Some(browser) = &health.browser {
        row(text, "browser", &browser.asks_for(), None, Origin::Explicit);
    }
    let url = plan.access.url.as_deref().unwrap_or(&plan.access.host);
    row(text, "address", url, None, plan.access.origin);
    let rollback = if plan.policy.automatic_rollback { "automatic" } else { "by hand" };
    let _ = writeln!(text, "  rollback   {rollback}; {} releases are kept", plan.policy.keep);
}

fn reuses(text: &mut String, reuses: &[Reuse]) {
    if reuses.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nWhat is there already");
    for reuse in reuses {
        let _ = writeln!(text, "  {:16} {}", reuse.step, clean(&reuse.what));
        for fact in &reuse.evidence {
            let _ = writeln!(text, "  {:16} {}: {}", "", clean(&fact.file), clean(&fact.fact));
        }
    }
}

fn changes(text: &mut String, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nWhat changes");
    for change in changes {
        let sign = match change.verb {
            Verb::Added => "+",
            Verb::Changed => "~",
            Verb::Removed => "-",
        };
        let values = [&change.before, &change.after].map(|value| value.as_deref().map(clean));
        let values = match values {
            [Some(before), Some(after)] => format!("{before} -> {after}"),
            [Some(one), None] | [None, Some(one)] => one,
            [None, None] => String::new(),
        };
        let _ = writeln!(text, "  {sign} {:26}  {values}", clean(&change.field));
    }
}

fn undo(undo: &Undo) -> String {
    match undo {
        Undo::NotNeeded => String::new(),
        Undo::Automatic { title } => format!("  [undo: {}]", clean(title)),
        Undo::Irreversible { why } => format!("  [can't be undone: {}]", clean(why)),
    }
}

pub(super) fn reasons(text: &mut String, what: &str, reasons: &[Reason]) {
    for reason in reasons {
        let _ = writeln!(text, "\n{what}: {} [{}]", clean(&reason.message), reason.code.code());
        if let Some(link) = &reason.link {
            let _ = writeln!(text, "  see: {}", clean(link));
        }
        for fact in &reason.evidence {
            let _ = writeln!(text, "  evidence: {}: {}", clean(&fact.file), clean(&fact.fact));
        }
        for (word, fixes) in [("fix", &reason.fix), ("override", &reason.overrides)] {
            for fix in fixes {
                let _ = writeln!(text, "  {word}: {}", remedy(fix));
            }
        }
    }
}

fn next(text: &mut String, plan: &PlanDocument) {
    for action in plan.next_actions.iter().filter(|_| plan.blocked_reasons.is_empty()) {
        if let Some(line) = &action.command {
            let _ = writeln!(text, "\nnext: {}\n  {}", clean(&action.label), command(line));
        }
    }
}
