//! The port `Detector`: asks the rules, then lets explicit values win.

use std::collections::BTreeSet;

use deploy_core::detect::Detection;
use deploy_core::evidence::Evidence;
use deploy_core::port::Detector;
use deploy_core::spec::{Profile, Strategy};

use crate::omitted::unpublishable;
use crate::publish;
use crate::rule::Scene;
use crate::rules::{self, containers};

/// Every rule there is.
///
/// What the user fixed wins over what the rules say, in this order:
///
/// 1. A strategy other than `auto` and `static`: the plan decides, nothing is blocked here.
/// 2. `runtime.publish_directory`: it is published, whatever the project is.
/// 3. `runtime.build` alone: the result is published from where the recognised generator puts it.
/// 4. Otherwise as the first rule says that answers; if none does, there is nothing to serve.
#[derive(Debug, Clone)]
pub struct Catalogue {
    wanted: Vec<&'static str>,
}

impl Catalogue {
    /// The catalogue with every rule.
    #[must_use]
    pub fn new() -> Self {
        let wanted: BTreeSet<&str> = rules::ALL.iter().flat_map(|rule| rule.wanted).copied().collect();
        Self { wanted: wanted.into_iter().collect() }
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector for Catalogue {
    fn wanted(&self) -> &[&str] {
        &self.wanted
    }

    fn detect(&self, evidence: &Evidence, profile: &Profile) -> Detection {
        let scene = Scene { evidence, profile };
        let recognised = rules::ALL.iter().find_map(|rule| (rule.detect)(scene));
        let mut detection = settle(scene, recognised);
        // What a build will write is not there yet, so nothing can stand in its way.
        if let (Some(found), None) = (&detection.publish_directory, &profile.runtime.build)
            && detection.blocked.is_empty()
        {
            detection.blocked = unpublishable(evidence, &found.value);
        }
        detection.dockerfile = containers::dockerfile(scene);
        detection.commit.clone_from(&evidence.commit);
        detection
    }
}

fn settle(scene: Scene<'_>, recognised: Option<Detection>) -> Detection {
    let runtime = &scene.profile.runtime;
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
                blocked: vec![publish::nothing(scene.evidence)],
                ..Detection::default()
            }),
        },
    }
}
