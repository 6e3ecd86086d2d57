//! The port `Detector`: asks the rules, then lets explicit values win.

use deploy_core::detect::{Detected, Detection};
use deploy_core::evidence::Evidence;
use deploy_core::path::Inside;
use deploy_core::port::Detector;
use deploy_core::spec::Profile;

use crate::apps;
use crate::rule::{Known, Scene};
use crate::rules::{self, containers, procfile, static_html};
use crate::settle::{Way, settle};

/// Every rule there is.
///
/// The first rule that answers says what the project is; if none does, the directories below are looked at for the one
/// app there may be. A Dockerfile or Compose file that describes how the project runs is put around it. Then what the
/// user fixed wins over all of that.
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
    let way = Way::of(scene.profile());
    let app = recognise(known, scene);
    let found = match way {
        Way::Found => match app {
            Some(manual) if static_html::is_manual(&manual) => {
                containers::around(known, scene, apps::beside_manual(known, scene).or(Some(manual)))
            }
            app => containers::around(known, scene, app).or_else(|| apps::below(known, scene)),
        },
        Way::Dockerfile => containers::dockerfile_only(known, scene, app),
        Way::Compose => containers::compose_only(known, scene, app),
        Way::Commands => app.or_else(|| apps::below(known, scene)),
        Way::Site | Way::Image => app,
    };
    settle(known, scene, way, found)
}

/// What the first rule says that answers, with what stood in its way.
pub(crate) fn recognise(known: &Known<'_>, scene: &Scene<'_>) -> Option<Detection> {
    rules::ALL.iter().find_map(|rule| {
        known.take_troubles();
        let mut detection = procfile::over(scene, rule(scene)?);
        detection.blocked.extend(known.take_troubles());
        Some(detection)
    })
}
