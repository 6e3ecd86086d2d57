//! The port `Detector`: asks the rules, then lets explicit values win.

use deploy_core::detect::{Detected, Detection};
use deploy_core::evidence::Evidence;
use deploy_core::path::Inside;
use deploy_core::port::Detector;
use deploy_core::spec::{Profile, Strategy};

use crate::publish;
use crate::rule::{Known, Scene};
use crate::rules::{self, containers};
use crate::unpublishable::unpublishable;

/// Every rule there is.
///
/// What the user fixed wins over what the rules say, in this order:
///
/// 1. A strategy other than `auto` and `static`: the plan decides, nothing is blocked here.
/// 2. `runtime.publish_directory`: it is published, whatever the project is.
/// 3. `runtime.build` alone: the result is published from where the recognised generator puts it.
/// 4. Otherwise as the first rule says that answers; if none does, there is nothing to serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct Catalogue;

impl Catalogue {
    /// The catalogue with every rule.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Detector for Catalogue {
    fn detect(&self, evidence: &Evidence, profile: &Profile) -> Detected {
        let known = Known::new(evidence, profile);
        let base = profile.source.base_directory.as_deref().unwrap_or_default();
        // A base directory that is not inside is refused where the source is opened.
        let base = Inside::parse(base).unwrap_or_default();
        let detection = judge(&known, &Scene::new(&known, base.as_str()));
        let asks = known.into_asks();
        match asks.is_empty() {
            true => Detected::Done(Box::new(Detection { commit: evidence.commit.clone(), ..detection })),
            false => Detected::Needs(asks),
        }
    }
}

fn judge(known: &Known<'_>, scene: &Scene<'_>) -> Detection {
    let recognised = rules::ALL.iter().find_map(|rule| {
        known.take_troubles();
        let mut detection = rule(scene)?;
        detection.blocked.extend(known.take_troubles());
        Some(detection)
    });
    let mut detection = settle(scene, recognised);
    // What a build will write is not there yet, so nothing can stand in its way.
    if let (Some(found), None) = (&detection.publish_directory, &scene.profile().runtime.build)
        && detection.blocked.is_empty()
    {
        detection.blocked = unpublishable(scene, &found.value);
    }
    detection.dockerfile = containers::dockerfile(scene);
    detection
}

fn settle(scene: &Scene<'_>, recognised: Option<Detection>) -> Detection {
    let runtime = &scene.profile().runtime;
    match runtime.strategy {
        Strategy::Dockerfile | Strategy::Compose | Strategy::Image | Strategy::Commands => Detection {
            blocked: Vec::new(),
            warnings: Vec::new(),
            publish_directory: None,
            fallback: None,
            ..recognised.unwrap_or_default()
        },
        Strategy::Auto | Strategy::Static => match (&runtime.publish_directory, &runtime.build) {
            (Some(directory), _) => publish::explicit(scene, directory, recognised.unwrap_or_default()),
            (None, Some(_)) => publish::of_build(scene, recognised.unwrap_or_default()),
            (None, None) => recognised.unwrap_or_else(|| Detection {
                blocked: vec![publish::nothing(scene)],
                ..Detection::default()
            }),
        },
    }
}
