//! What the user fixed wins over what was found, and what is still missing is said.

use deploy_core::detect::{Detection, ProjectKind, SupportTier};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Strategy};

use crate::publish;
use crate::reasons::{line, listed, number_line, with_fixes};
use crate::rule::{Known, Scene};
use crate::unpublishable::unpublishable;

/// How the release is made, as far as the user fixed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A static site, from a directory that may have to be built.
    Site,
    /// An image that exists.
    Image,
    /// The user's Dockerfile.
    Dockerfile,
    /// The user's Compose file.
    Compose,
    /// Commands, in an image that is generated.
    Commands,
    /// As it is found.
    Found,
}

impl Way {
    /// What the strategy says, else what the explicit values imply.
    pub(crate) fn of(profile: &Profile) -> Self {
        let runtime = &profile.runtime;
        match runtime.strategy {
            Strategy::Static => Self::Site,
            Strategy::Image => Self::Image,
            Strategy::Dockerfile => Self::Dockerfile,
            Strategy::Compose => Self::Compose,
            Strategy::Commands => Self::Commands,
            Strategy::Auto if runtime.publish_directory.is_some() => Self::Site,
            Strategy::Auto if runtime.image.is_some() => Self::Image,
            Strategy::Auto if runtime.dockerfile.is_some() => Self::Dockerfile,
            Strategy::Auto if runtime.service.is_some() => Self::Compose,
            Strategy::Auto if runtime.start.is_some() => Self::Commands,
            Strategy::Auto => Self::Found,
        }
    }
}

/// The detection that the plan is made from.
pub(crate) fn settle(known: &Known<'_>, scene: &Scene<'_>, way: Way, found: Option<Detection>) -> Detection {
    known.take_troubles();
    let runtime = &scene.profile().runtime;
    let mut detection = match (way, &runtime.publish_directory, &runtime.build) {
        (Way::Site, Some(directory), _) => publish::explicit(scene, directory, found.unwrap_or_default()),
        (Way::Site | Way::Found, None, Some(_)) => with_build(scene, found),
        (Way::Site, None, None) => site(scene, found),
        (Way::Found, _, _) => found.unwrap_or_else(|| nothing(scene)),
        (Way::Image, _, _) => image(scene, found.unwrap_or_default()),
        (Way::Dockerfile | Way::Compose, _, _) => program(found.unwrap_or_default()),
        (Way::Commands, _, _) => commands(found.unwrap_or_default()),
    };
    detection.blocked.retain(|reason| !is_repaired(reason, scene.profile()));
    missing(scene, way, &mut detection);
    detection.warnings.retain(|reason| !is_repaired(reason, scene.profile()));
    // What a build will write is not there yet, so nothing can stand in its way.
    if let (Some(found), None, None) = (&detection.publish_directory, &runtime.build, &detection.build)
        && detection.blocked.is_empty()
        && detection.start.is_none()
    {
        detection.blocked = unpublishable(scene, &found.value);
    }
    detection.blocked.extend(known.take_troubles());
    detection
}

/// A build command is given: it replaces the one that was found, and tells of a site where nothing was.
fn with_build(scene: &Scene<'_>, found: Option<Detection>) -> Detection {
    match found {
        Some(detection) if !is_plain(&detection) => detection,
        found => publish::of_build(scene, found.unwrap_or_default()),
    }
}

/// Whether nothing but pages was found, or nothing that says how it is built.
fn is_plain(detection: &Detection) -> bool {
    let codes = [ReasonCode::UnsupportedProject, ReasonCode::NothingRecognised];
    detection.planner == "static-html"
        || detection.planner.is_empty()
        || detection.blocked.iter().any(|reason| codes.contains(&reason.code))
}

/// The user wants a site, but did not say from where.
fn site(scene: &Scene<'_>, found: Option<Detection>) -> Detection {
    match found {
        None => Detection { blocked: vec![publish::nothing(scene)], ..Detection::default() },
        Some(detection) => Detection { start: None, ..detection },
    }
}

/// No rule answered: there are pages where nobody looks for them, or nothing that says what this is.
fn nothing(scene: &Scene<'_>) -> Detection {
    let pages = publish::nothing(scene);
    let files = scene.files("");
    let reason = match pages.evidence.is_empty() && !files.is_empty() {
        true => unrecognised(scene, &files),
        false => pages,
    };
    Detection { blocked: vec![reason], ..Detection::default() }
}

fn unrecognised(scene: &Scene<'_>, files: &[&str]) -> Reason {
    const SHOWN: usize = 5;
    let shown = listed(&files[..files.len().min(SHOWN)]);
    let more = if files.len() > SHOWN { ", among others" } else { "" };
    let message = format!("nothing here says what this is or how it is run; at the top are {shown}{more}");
    let reason = Reason::new(ReasonCode::NothingRecognised, message);
    let reason = files.iter().take(SHOWN).fold(reason, |reason, file| {
        let fact = scene.fact(file, "tells nothing about it");
        reason.because(fact.file, fact.fact)
    });
    let fixes = vec![
        ("if it is a program, say how it is started".to_owned(), line("runtime.start", "./server")),
        ("if the app is in a directory of it, name that".to_owned(), line("source.base_directory", "app")),
        ("if it is a site, say where its pages are".to_owned(), line("runtime.publish_directory", "site")),
    ];
    with_fixes(reason, fixes)
}

/// An image that exists: nothing of the source is needed but what it says about ports and health.
fn image(scene: &Scene<'_>, found: Detection) -> Detection {
    let mut detection = program(Detection {
        blocked: Vec::new(),
        warnings: Vec::new(),
        dockerfile: None,
        compose: None,
        ..found
    });
    detection.planner = "image".to_owned();
    detection.support_tier = SupportTier::Full;
    match scene.profile().runtime.image.as_deref() {
        None => detection.blocked.push(Reason::new(ReasonCode::ImageInvalid, "runtime.image names no image")),
        Some(image) => match crate::image::Reference::parse(image) {
            Err(why) => {
                let message = format!("runtime.image = {image:?} is not an image reference: {why}");
                let reason = Reason::new(ReasonCode::ImageInvalid, message);
                detection.blocked.push(reason.because("deploy.toml", format!("runtime.image is {image:?}")));
            }
            Ok(reference) => {
                detection.warnings.extend(reference.floating(ReasonCode::FloatingImage, "deploy.toml"));
            }
        },
    }
    detection
}

/// It runs as a program, whatever its sources would make of it.
fn program(found: Detection) -> Detection {
    let kind = match found.kind {
        ProjectKind::Worker => ProjectKind::Worker,
        ProjectKind::Server | ProjectKind::Static | ProjectKind::Unknown => ProjectKind::Server,
    };
    Detection { kind, publish_directory: None, fallback: None, ..found }
}

fn commands(found: Detection) -> Detection {
    let mut detection =
        program(Detection { dockerfile: None, dockerfile_stage: None, compose: None, ..found });
    if detection.planner.is_empty() {
        detection.planner = "commands".to_owned();
        detection.support_tier = SupportTier::Custom;
    }
    detection
}

/// Whether what the user fixed is an answer to a reason.
fn is_repaired(reason: &Reason, profile: &Profile) -> bool {
    let runtime = &profile.runtime;
    use ReasonCode as Code;
    // What is published is judged on its own.
    let another_way = runtime.start.is_some() || runtime.image.is_some() || runtime.dockerfile.is_some();
    let unread = runtime.start.is_some() || runtime.image.is_some();
    let answers: [(&[Code], bool); 8] = [
        (
            &[Code::NothingRecognised, Code::NothingToServe, Code::UnsupportedProject, Code::SeveralApps],
            another_way,
        ),
        (&[Code::ManifestInvalid, Code::SourceUnreadable, Code::SourceTooLarge, Code::SourceUnsafe], unread),
        (&[Code::ConflictingLockfiles, Code::NoLockfile], runtime.install.is_some()),
        (&[Code::StartUnknown, Code::DevServerAsStart], runtime.start.is_some()),
        (&[Code::OutputUnknown], runtime.publish_directory.is_some() || runtime.start.is_some()),
        (&[Code::PortUnknown, Code::PortGuessed], profile.network.internal_port.is_some()),
        (&[Code::NoHealthPath], profile.health.path.is_some()),
        (&[Code::ServiceUnknown], runtime.service.is_some()),
    ];
    answers.iter().any(|(codes, answered)| *answered && codes.contains(&reason.code))
}

/// What a program needs and nobody has said.
fn missing(scene: &Scene<'_>, way: Way, detection: &mut Detection) {
    let profile = scene.profile();
    let container = detection.dockerfile.is_some() || detection.compose.is_some();
    let runs_commands = match way {
        Way::Commands => true,
        Way::Found => !container,
        Way::Site | Way::Image | Way::Dockerfile | Way::Compose => false,
    };
    let is_program = matches!(detection.kind, ProjectKind::Server | ProjectKind::Worker) && way != Way::Site;
    if !is_program || !detection.blocked.is_empty() && detection.planner.is_empty() {
        return;
    }
    let says_why = |code: ReasonCode| detection.blocked.iter().any(|reason| reason.code == code);
    // Until these are settled, nothing can be said about what is inside.
    const BEFORE: [ReasonCode; 6] = [
        ReasonCode::UnsupportedProject,
        ReasonCode::SeveralApps,
        ReasonCode::ServiceUnknown,
        ReasonCode::StageUnknown,
        ReasonCode::DockerfileMissing,
        ReasonCode::PathOutsideSource,
    ];
    let unplanned = BEFORE.into_iter().any(says_why);
    let started = profile.runtime.start.is_some() || detection.start.is_some();
    if runs_commands && !started && !unplanned && !says_why(ReasonCode::StartUnknown) {
        detection.blocked.push(start_unknown(detection));
    }
    if detection.kind != ProjectKind::Server || unplanned {
        return;
    }
    if profile.network.internal_port.is_none()
        && detection.internal_port.is_none()
        && started_or(container, started, way)
    {
        detection.blocked.push(port_unknown());
    }
    if profile.health.path.is_none() && detection.health_path.is_none() {
        detection.warnings.push(no_health_path());
    }
}

/// Whether a missing port is worth a word: not beside a missing start command, which says nothing about ports yet.
const fn started_or(container: bool, started: bool, way: Way) -> bool {
    container || started || matches!(way, Way::Image | Way::Dockerfile | Way::Compose)
}

fn start_unknown(detection: &Detection) -> Reason {
    let what = detection.framework.as_deref().or(detection.language.as_deref()).unwrap_or("unknown");
    let message = format!("this is a {what} program, but nothing says how it is started in production");
    let mut reason = Reason::new(ReasonCode::StartUnknown, message);
    reason.evidence.extend(detection.evidence.first().cloned());
    with_fixes(reason, vec![("say how it is started".to_owned(), line("runtime.start", "./server"))])
}

fn port_unknown() -> Reason {
    let reason = Reason::new(ReasonCode::PortUnknown, "nothing says which port the program listens on");
    with_fixes(reason, vec![("if it is 8080".to_owned(), number_line("network.internal_port", 8080))])
}

fn no_health_path() -> Reason {
    let message = "nothing says which path tells health: / is asked, and any 2xx answer counts";
    let fixes = vec![("name the path".to_owned(), line("health.path", "/healthz"))];
    with_fixes(Reason::new(ReasonCode::NoHealthPath, message), fixes)
}
