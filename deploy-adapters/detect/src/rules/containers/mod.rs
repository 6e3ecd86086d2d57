//! Containers: a Dockerfile or a Compose file, around whatever is inside.
//!
//! A Dockerfile at the usual place is how its authors run a program, so it wins over what its contents would be planned
//! as; a static site that is known how to build is served without one. A Compose file is as often a set of databases for development as a way to deploy; it is planned only where nothing
//! else is there, and never for its databases.

mod compose;
mod dockerfile;
mod services;

use deploy_core::detect::{ComposeProject, Detection, Found, ProjectKind, SupportTier};
use deploy_core::path::Inside;
use deploy_core::reason::{Reason, ReasonCode};

use self::compose::Compose;
use self::dockerfile::Dockerfile;
use crate::development;
use crate::reasons::{dev_server, line, listed, port_guessed, with_fixes};
use crate::rule::{Known, Scene};

const DOCKERFILES: [&str; 2] = ["Dockerfile", "Containerfile"];

/// What was found, with the Dockerfile or Compose file around it that says how it runs.
pub(crate) fn around(known: &Known<'_>, scene: &Scene<'_>, app: Option<Detection>) -> Option<Detection> {
    known.take_troubles();
    if let Some(file) = scene.first_of(&DOCKERFILES) {
        if let Some(mut app) = app.clone().filter(is_built_site) {
            app.evidence.push(scene.fact(file, "describes an image, which a static site does not need"));
            return Some(app);
        }
        let mut detection = of_dockerfile(scene, file, app.unwrap_or_default());
        detection.blocked.extend(known.take_troubles());
        return Some(detection);
    }
    let compose = Compose::find(scene);
    let Some(compose) = compose.filter(Compose::runs_something) else { return app };
    match app {
        Some(mut app) => {
            app.evidence.push(scene.fact(&compose.file, "describes services, beside the app itself"));
            Some(app)
        }
        None => {
            let mut detection = of_compose(scene, &compose, Detection::default());
            detection.blocked.extend(known.take_troubles());
            Some(detection)
        }
    }
}

/// Whether it is a static site for certain, and how it is built is known: serving its files needs no image, and any
/// target can do it.
fn is_built_site(app: &Detection) -> bool {
    let is_site = app.kind == ProjectKind::Static && app.publish_directory.is_some();
    is_site && app.build.is_some() && app.blocked.is_empty()
}

/// The user says that it is built from a Dockerfile.
pub(crate) fn dockerfile_only(
    known: &Known<'_>,
    scene: &Scene<'_>,
    app: Option<Detection>,
) -> Option<Detection> {
    known.take_troubles();
    let named = scene.profile().runtime.dockerfile.as_deref();
    let inside = named.map(Inside::parse).transpose();
    let file = match &inside {
        Err(wrong) => return Some(unusable(named.unwrap_or_default(), wrong, app)),
        Ok(Some(file)) => file.as_str().to_owned(),
        Ok(None) => scene.first_of(&DOCKERFILES).unwrap_or(DOCKERFILES[0]).to_owned(),
    };
    if !scene.has(&file) {
        return Some(absent(scene, &file, app));
    }
    let mut detection = of_dockerfile(scene, &file, app.unwrap_or_default());
    detection.blocked.extend(known.take_troubles());
    Some(detection)
}

/// The user says that it is run with Compose.
pub(crate) fn compose_only(
    known: &Known<'_>,
    scene: &Scene<'_>,
    app: Option<Detection>,
) -> Option<Detection> {
    known.take_troubles();
    let app = app.unwrap_or_default();
    let Some(compose) = Compose::find(scene) else {
        let message = format!("there is no {}", compose::FILES[0]);
        let blocked = vec![Reason::new(ReasonCode::UnsupportedProject, message)];
        return Some(Detection { blocked, warnings: Vec::new(), ..app });
    };
    let mut detection = of_compose(scene, &compose, app);
    detection.blocked.extend(known.take_troubles());
    Some(detection)
}

fn unusable(file: &str, wrong: &str, app: Option<Detection>) -> Detection {
    let message = format!("runtime.dockerfile = {file:?} may not be used: {wrong}");
    let mut reason = Reason::new(ReasonCode::PathOutsideSource, message)
        .because("deploy.toml", format!("runtime.dockerfile is {file:?}"));
    reason.profile_field = Some("runtime.dockerfile".to_owned());
    Detection { blocked: vec![reason], warnings: Vec::new(), ..app.unwrap_or_default() }
}

fn absent(scene: &Scene<'_>, file: &str, app: Option<Detection>) -> Detection {
    let message = format!("the Dockerfile {file} does not exist, or an ignore file leaves it out");
    let reason = Reason::new(ReasonCode::DockerfileMissing, message);
    let near = scene.files("").into_iter().filter(|name| name.to_lowercase().contains("dockerfile"));
    let fixes = near.map(|name| (format!("use {name}"), line("runtime.dockerfile", name))).collect();
    let blocked = vec![with_fixes(reason, fixes)];
    Detection { blocked, warnings: Vec::new(), ..app.unwrap_or_default() }
}

/// The Dockerfile replaces commands, images and everything that was doubtful about them.
fn of_dockerfile(scene: &Scene<'_>, file: &str, app: Detection) -> Detection {
    let text = scene.text(file).unwrap_or_default();
    let found = scene.found(file.to_owned(), file, "says how the image is built");
    let mut detection = Detection {
        planner: "dockerfile".to_owned(),
        kind: match app.kind {
            ProjectKind::Worker => ProjectKind::Worker,
            ProjectKind::Server | ProjectKind::Static | ProjectKind::Unknown => ProjectKind::Server,
        },
        support_tier: SupportTier::Full,
        evidence: [found.evidence.clone()].into_iter().chain(app.evidence).collect(),
        dockerfile: Some(found),
        publish_directory: None,
        fallback: None,
        workspace: None,
        build_image: None,
        runtime_image: None,
        blocked: Vec::new(),
        warnings: Vec::new(),
        ..app
    };
    let dockerfile = Dockerfile::parse(text);
    let stage = match scene.profile().runtime.stage.as_deref() {
        None => dockerfile.stages.len().checked_sub(1),
        Some(name) => match dockerfile.stage(name) {
            None => {
                detection.blocked.push(no_stage(scene, file, name, &dockerfile));
                None
            }
            stage => {
                detection.dockerfile_stage = Some(scene.found(name.to_owned(), file, "a stage"));
                stage
            }
        },
    };
    if dockerfile.stages.is_empty() && !text.is_empty() {
        scene.broken(file, "as a Dockerfile", "it has no FROM");
    }
    if let Some(stage) = stage {
        of_stage(scene, file, &dockerfile, stage, &mut detection);
    }
    detection
}

fn no_stage(scene: &Scene<'_>, file: &str, name: &str, dockerfile: &Dockerfile) -> Reason {
    let names: Vec<&str> = dockerfile.stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
    let there = if names.is_empty() { "none has a name".to_owned() } else { listed(&names) };
    let message = format!("{file} has no stage {name:?}; there is {there}");
    let fact = scene.fact(file, format!("stages: {there}"));
    let fixes = names.iter().map(|name| (format!("use {name}"), line("runtime.stage", name))).collect();
    with_fixes(Reason::new(ReasonCode::StageUnknown, message).because(fact.file, fact.fact), fixes)
}

fn of_stage(scene: &Scene<'_>, file: &str, dockerfile: &Dockerfile, stage: usize, detection: &mut Detection) {
    let run = dockerfile.effective(stage);
    let by_app = detection.internal_port.take();
    // A program whose image exposes a port is reached there, whatever its sources look like.
    if !run.ports.is_empty() || run.health.is_some() {
        detection.kind = ProjectKind::Server;
    }
    match run.ports.as_slice() {
        [] => match (run.port_variable.or(run.command_port), by_app) {
            (Some(port), _) => {
                detection.internal_port = Some(scene.found(port, file, format!("sets the port {port}")));
            }
            (None, Some(found)) => {
                let why = format!("{file} exposes none, and {}", found.evidence.fact);
                detection.warnings.push(port_guessed(found.value, &why));
                detection.internal_port = Some(found);
            }
            (None, None) => {}
        },
        [only] => detection.internal_port = Some(scene.found(*only, file, format!("exposes {only}"))),
        several => {
            let port = preferred(several);
            let why =
                format!("{file} exposes {}", listed(&several.iter().map(u16::to_string).collect::<Vec<_>>()));
            detection.warnings.push(port_guessed(port, &why));
            detection.internal_port = Some(scene.found(port, file, format!("exposes {port}, among others")));
        }
    }
    detection.health_path = match run.health {
        Some(path) => Some(scene.found(path, file, "its HEALTHCHECK asks this path")),
        None => detection.health_path.take(),
    };
    for base in &run.bases {
        let reference = crate::image::Reference::parse(base).ok();
        detection.warnings.extend(reference.and_then(|reference| {
            reference.floating(ReasonCode::FloatingBaseImage, &scene.fact(file, "").file)
        }));
    }
    if let Some((command, what)) =
        run.command.and_then(|command| Some((command.clone(), development::command(&command)?)))
    {
        detection.warnings.push(dev_server(scene.fact(file, "CMD"), &command, what));
    }
    if let Some(volume) = run.volumes.first() {
        detection.warnings.push(single_writer(scene, file, &format!("declares the volume {volume}")));
    }
}

fn single_writer(scene: &Scene<'_>, file: &str, what: &str) -> Reason {
    let fact = scene.fact(file, what);
    let message = format!("{file} {what}: two releases can't write to it at once");
    Reason::new(ReasonCode::SingleWriterVolume, message).because(fact.file, fact.fact)
}

/// Of several ports, the one that people are most likely to reach.
fn preferred(ports: &[u16]) -> u16 {
    const USUAL: [u16; 7] = [80, 8080, 3000, 8000, 5000, 4000, 8888];
    let usual = USUAL.into_iter().find(|port| ports.contains(port));
    usual.or_else(|| ports.iter().copied().find(|port| *port != 443)).unwrap_or(443)
}

fn of_compose(scene: &Scene<'_>, compose: &Compose, app: Detection) -> Detection {
    let wanted = scene.profile().runtime.service.as_deref();
    let candidates = compose.candidates();
    let web = match wanted {
        Some(name) => compose.services.iter().find(|service| service.name == name),
        None if candidates.len() == 1 => candidates.first().copied(),
        None => None,
    };
    let services: Vec<String> = compose.services.iter().map(|service| service.name.clone()).collect();
    let read = web.map(|web| services::read(scene, compose, &web.name)).unwrap_or_default();
    let project = ComposeProject {
        file: compose.file.clone(),
        web: web.map(|web| web.name.clone()),
        services,
        definitions: read.services,
    };
    let found: Found<ComposeProject> = scene.found(project, &compose.file, "describes the services to run");
    let mut detection = Detection {
        planner: "compose".to_owned(),
        kind: ProjectKind::Server,
        support_tier: SupportTier::Partial,
        evidence: [found.evidence.clone()].into_iter().chain(app.evidence).collect(),
        compose: Some(found),
        dockerfile: None,
        publish_directory: None,
        fallback: None,
        internal_port: None,
        blocked: read.blocked,
        warnings: read.warnings,
        ..app
    };
    match web {
        None => detection.blocked.push(which_service(scene, compose, wanted, &candidates)),
        Some(web) => {
            let fact = |what: String| format!("the service {} {what}", web.name);
            if let Some(port) = web.port {
                detection.internal_port =
                    Some(scene.found(port, &compose.file, fact(format!("listens on {port}"))));
            }
            if let Some(path) = &web.health {
                detection.health_path =
                    Some(scene.found(path.clone(), &compose.file, fact("asks this path".into())));
            }
            if let Some(volume) = &web.volume {
                let what = fact(format!("keeps data in the volume {volume}"));
                detection.warnings.push(single_writer(scene, &compose.file, &what));
            }
        }
    }
    for service in &compose.services {
        let image = service.image.as_deref().and_then(|image| crate::image::Reference::parse(image).ok());
        let file = scene.fact(&compose.file, "").file;
        detection
            .warnings
            .extend(image.and_then(|image| image.floating(ReasonCode::FloatingBaseImage, &file)));
    }
    detection
}

fn which_service(
    scene: &Scene<'_>,
    compose: &Compose,
    wanted: Option<&str>,
    candidates: &[&compose::Service],
) -> Reason {
    let all: Vec<&compose::Service> = compose.services.iter().collect();
    let offered = if candidates.is_empty() { &all[..] } else { candidates };
    let names: Vec<&str> = offered.iter().map(|service| service.name.as_str()).collect();
    let file = &compose.file;
    let message = match wanted {
        Some(name) => format!("{file} has no service {name:?}; there are {}", listed(&names)),
        None => format!("{file} has several services that people could reach: {}", listed(&names)),
    };
    let fact = scene.fact(file, format!("services: {}", listed(&names)));
    let fixes = names.iter().map(|name| (format!("people reach {name}"), line("runtime.service", name)));
    let reason = Reason::new(ReasonCode::ServiceUnknown, message).because(fact.file, fact.fact);
    let mut reason = with_fixes(reason, fixes.collect());
    if wanted.is_some() {
        reason.code = ReasonCode::ServiceUnknown;
    }
    reason
}

#[cfg(test)]
mod tests;
