//! Shell scripts, where nothing else says what the source is.

use deploy_core::detect::{Detection, ProjectKind};
use deploy_core::evidence::Fact;

use super::program::Program;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const SCRIPTS: [&str; 6] = ["start.sh", "run.sh", "entrypoint.sh", "main.sh", "server.sh", "app.sh"];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&SCRIPTS)?;
    let text = scene.text(file)?;
    let shell = shell(text);
    let mut program = Program::new("shell", scene.fact(file, "starts the program"));
    let image = || deploy_core::detect::Found {
        value: "debian:bookworm-slim".to_owned(),
        evidence: Fact::new(file, "is a shell script"),
    };
    program.detection.build_image = Some(image());
    program.detection.runtime_image = Some(image());
    if matches!(shell, "zsh" | "fish" | "ksh") {
        program.packages(&[], &[shell]);
    }
    program.detection.start = Some(scene.found(format!("{shell} {file}"), file, "starts the program"));
    program.detection.support_tier = deploy_core::detect::SupportTier::Partial;
    let listens = text.contains("PORT")
        || ["nc -l", "socat", "httpd", "http.server"].iter().any(|word| text.contains(word));
    program.detection.kind = if listens { ProjectKind::Server } else { ProjectKind::Worker };
    program.sources.push(file.to_owned());
    Some(program.plan(scene))
}

/// The shell of the first line.
fn shell(text: &str) -> &'static str {
    let first = text.lines().next().filter(|line| line.starts_with("#!")).unwrap_or_default();
    let word = first.split(['/', ' ']).rev().find(|word| !word.is_empty() && !word.starts_with('-'));
    match word {
        Some("bash") => "bash",
        Some("zsh") => "zsh",
        Some("fish") => "fish",
        Some("ksh") => "ksh",
        Some("dash" | "sh") | None => "sh",
        Some(_) => "bash",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

    #[test]
    fn scripts_run_in_the_shell_that_they_name() {
        for (first, start) in [
            ("#!/usr/bin/env bash\n", "bash start.sh"),
            ("#!/bin/sh -e\n", "sh start.sh"),
            ("#!/usr/bin/zsh\n", "zsh start.sh"),
            ("echo hello", "sh start.sh"),
        ] {
            let detection = detect(&[("start.sh", first)]);
            assert_eq!((value(&detection.start), detection.kind), (start, ProjectKind::Worker));
        }
    }
}
