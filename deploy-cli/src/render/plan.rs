//! A plan and a detection as text.

use std::fmt::Write as _;

use deploy_core::detect::Detection;
use deploy_core::plan::{Origin, PlanDocument, ReadinessStatus, Undo};
use deploy_core::reason::Reason;

use crate::output::clean;

pub(crate) fn detection(detection: &Detection) -> String {
    let mut text = String::new();
    let named = if detection.planner.is_empty() { "nothing that is known" } else { &detection.planner };
    let _ = writeln!(text, "Detected   {}", clean(named));
    let facts = [
        ("language", &detection.language),
        ("framework", &detection.framework),
        ("packages", &detection.package_manager),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:9}  {}", clean(value));
        }
    }
    if let Some(found) = &detection.publish_directory {
        let _ = writeln!(
            text,
            "  publish    {}  ({}: {})",
            clean(&found.value),
            clean(&found.evidence.file),
            clean(&found.evidence.fact)
        );
    }
    for fact in &detection.evidence {
        let _ = writeln!(text, "  evidence   {}: {}", clean(&fact.file), clean(&fact.fact));
    }
    reasons(&mut text, "blocked", &detection.blocked);
    reasons(&mut text, "warning", &detection.warnings);
    text
}

pub(crate) fn plan(plan: &PlanDocument) -> String {
    let mut text = String::new();
    let readiness = match plan.readiness.status {
        ReadinessStatus::Ready => "ready",
        ReadinessStatus::Warning => "ready, with warnings",
        ReadinessStatus::Blocked => "BLOCKED",
    };
    let _ = writeln!(text, "Plan for {} on {}: {readiness}", plan.resource, clean(&plan.target));
    let _ = writeln!(text, "  source     {} {}", clean(&plan.source.kind), clean(&plan.source.locator));
    let _ = writeln!(text, "  detected   {} ({})", clean(&plan.planner.key), origin(plan.planner.origin));
    if let Some(artifact) = &plan.artifact {
        let directory = artifact.publish_directory.as_deref().unwrap_or("-");
        let _ = writeln!(text, "  publish    {} ({})", clean(directory), origin(artifact.origin));
    }
    for command in &plan.commands {
        let _ = writeln!(text, "  run        {} ({})", clean(&command.command), origin(command.origin));
    }
    let health = &plan.health.policy;
    let _ = writeln!(
        text,
        "  health     GET {}, {} ({})",
        clean(&health.path),
        health.asks_for(),
        origin(plan.health.origin)
    );
    let url = plan.access.url.as_deref().unwrap_or(&plan.access.host);
    let _ = writeln!(text, "  access     {} ({})", clean(url), origin(plan.access.origin));
    let rollback = if plan.policy.automatic_rollback { "automatic" } else { "by hand" };
    let _ = writeln!(text, "  rollback   {rollback}; {} releases are kept", plan.policy.keep);
    if !plan.steps.is_empty() {
        let _ = writeln!(text, "\nWould do");
        for (number, step) in plan.steps.iter().enumerate() {
            let _ =
                writeln!(text, "  {}. {:16} {}{}", number + 1, step.id, clean(&step.title), undo(&step.undo));
        }
    }
    reasons(&mut text, "warning", &plan.warnings);
    reasons(&mut text, "blocked", &plan.blocked_reasons);
    let _ = writeln!(text, "\nfingerprint {}", plan.fingerprint);
    text
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Explicit => "explicit",
        Origin::Detected => "detected",
        Origin::Default => "default",
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
        for fact in &reason.evidence {
            let _ = writeln!(text, "  evidence: {}: {}", clean(&fact.file), clean(&fact.fact));
        }
        for (word, fixes) in [("fix", &reason.fix), ("override", &reason.overrides)] {
            for fix in fixes {
                let exactly =
                    fix.set.as_ref().or(fix.command.as_ref()).map(|text| format!(": {}", clean(text)));
                let _ = writeln!(text, "  {word}: {}{}", clean(&fix.label), exactly.unwrap_or_default());
            }
        }
    }
}
