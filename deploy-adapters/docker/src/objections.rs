//! Why the docker target can't carry a plan out, or doubts it. Pure.

use deploy_core::plan::{Artifact, ArtifactKind, CommandKind, Outline};
use deploy_core::reason::{Reason, ReasonCode};

use crate::project::Project;
use crate::recipe::Recipe;
use crate::reference::ImageReference;
use crate::site;

/// Why not.
pub(crate) fn objections(outline: &Outline, serves_sites: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match &outline.artifact {
        // Detection has said why.
        None if !outline.detection.blocked.is_empty() => {}
        None => {
            reasons.push(Reason::new(ReasonCode::StartUnknown, "nothing was found that could be started"));
        }
        Some(artifact) => of_artifact(artifact, outline, serves_sites, &mut reasons),
    }
    reasons.extend(variables(outline));
    reasons
}

fn of_artifact(artifact: &Artifact, outline: &Outline, serves_sites: bool, reasons: &mut Vec<Reason>) {
    let restoring = artifact.digest.is_some();
    match artifact.kind {
        ArtifactKind::DockerfileImage => {}
        ArtifactKind::GeneratedImage if restoring => {}
        ArtifactKind::GeneratedImage => reasons.extend(generated(outline)),
        ArtifactKind::PrebuiltImage if restoring => {}
        ArtifactKind::PrebuiltImage => reasons.extend(prebuilt(artifact)),
        ArtifactKind::StaticSite if restoring => {}
        ArtifactKind::StaticSite if serves_sites => reasons.extend(of_site(artifact, outline)),
        ArtifactKind::StaticSite => {
            let message = "this installation has no server that an image of a finished site could hold";
            let reason = Reason::new(ReasonCode::UnsupportedStrategy, message);
            reasons.push(reason.set("serve it from the static target", "target = \"static\""));
            return;
        }
        ArtifactKind::ComposeProject => {
            if Project::of(outline).is_none() {
                // Detection has said why, unless nothing was detected at all.
                if outline.detection.blocked.is_empty() {
                    let message = "nothing was found in a Compose file that could be carried out";
                    let reason = Reason::new(ReasonCode::UnsupportedStrategy, message);
                    let fix = "runtime.strategy = \"dockerfile\"";
                    reasons.push(reason.set("deploy its web service from its Dockerfile", fix));
                }
                return;
            }
        }
    }
    let said = |code| outline.detection.blocked.iter().any(|reason| reason.code == code);
    if site::port(outline).is_none() && !said(ReasonCode::PortUnknown) {
        let message = "it is not known on which port the app listens inside its container";
        reasons.push(
            Reason::new(ReasonCode::PortUnknown, message).set("say which", "network.internal_port = 3000"),
        );
    }
    if outline.access.port.is_some() {
        let mut reason = Reason::new(
            ReasonCode::NotSupportedByTarget,
            "access.port is set, but containers are reached by host name",
        );
        reason.profile_field = Some("access.port".to_owned());
        reasons.push(reason);
    }
}

fn of_site(artifact: &Artifact, outline: &Outline) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !site::is_nameable(artifact) {
        let message = format!("{:?} can't be the publish directory of an image", site::directory(artifact));
        reasons.push(Reason::new(ReasonCode::PathOutsideSource, message));
    }
    if site::is_built(outline) && Recipe::of(outline).is_none() {
        reasons.push(no_base_image(outline));
    }
    reasons
}

fn no_base_image(outline: &Outline) -> Reason {
    let what = outline.detection.language.as_deref().unwrap_or("this kind of project");
    Reason::new(ReasonCode::BaseImageUnknown, format!("no base image is known for {what}"))
}

fn generated(outline: &Outline) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if Recipe::of(outline).is_none() {
        reasons.push(no_base_image(outline));
    }
    let said = outline.detection.blocked.iter().any(|reason| reason.code == ReasonCode::StartUnknown);
    if !said && !outline.commands.iter().any(|command| command.kind == CommandKind::Start) {
        let message = "no command that starts the app is set or was found";
        reasons.push(
            Reason::new(ReasonCode::StartUnknown, message)
                .set("say how it starts", "runtime.start = \"node server.js\""),
        );
    }
    reasons
}

fn prebuilt(artifact: &Artifact) -> Option<Reason> {
    let image = artifact.image.as_deref().unwrap_or_default();
    let why = image.parse::<ImageReference>().err()?;
    Some(Reason::new(ReasonCode::ImageInvalid, why.to_string()))
}

/// Names that an environment can't hold, and values it can't.
fn variables(outline: &Outline) -> Vec<Reason> {
    let profile = &outline.profile;
    let names = profile.env.keys().chain(profile.secrets.keys()).chain(profile.runtime.build_args.keys());
    let bad = names.filter(|name| !is_variable(name)).map(|name| {
        Reason::new(ReasonCode::VariableNameInvalid, format!("{name:?} can't be the name of a variable"))
    });
    let twice = profile.secrets.keys().filter(|name| profile.env.contains_key(*name)).map(|name| {
        Reason::new(ReasonCode::VariableNameInvalid, format!("{name} is both a variable and a secret"))
    });
    let values = profile.env.iter().chain(&profile.runtime.build_args);
    let nul = values.filter(|(_, value)| value.contains('\0')).map(|(name, _)| {
        Reason::new(ReasonCode::VariableNameInvalid, format!("the value of {name} holds a NUL byte"))
    });
    bad.chain(twice).chain(nul).collect()
}

pub(crate) fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit()) && name.len() <= 255
}

/// What is doubtful.
pub(crate) fn doubts(outline: &Outline) -> Vec<Reason> {
    let artifact = outline.artifact.as_ref().filter(|artifact| artifact.digest.is_none());
    let image = artifact.and_then(|artifact| artifact.image.as_deref());
    let reference = image.and_then(|image| image.parse::<ImageReference>().ok());
    let loose = reference.filter(|reference| reference.digest.is_none());
    let doubt = loose.map(|reference| {
        let message = format!("{reference} is named by a tag; what it means now is what will run");
        Reason::new(ReasonCode::ImageNotPinned, message)
    });
    doubt.into_iter().collect()
}
