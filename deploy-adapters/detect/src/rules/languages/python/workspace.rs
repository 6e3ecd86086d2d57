//! uv workspaces: the members that are programs, each with the lockfile of the root.

use deploy_core::detect::Detection;

use super::app;
use super::dependencies::Dependencies;
use super::manager::{Manager, member_directories};
use crate::apps;
use crate::rule::Scene;

/// The one member that is a program, planned where it is; or the members that are.
pub(super) fn members(scene: &Scene<'_>) -> Option<Detection> {
    let begins = |directory: &String| {
        let below = scene.below(directory);
        app::find(&below, &Dependencies::of(&below, &Manager::of(&below))).is_some()
    };
    let programs: Vec<String> = member_directories(scene).into_iter().filter(begins).collect();
    match &programs[..] {
        [] => None,
        [only] => {
            let below = scene.below(only);
            let detection = super::django::detect(&below).or_else(|| super::detect(&below))?;
            Some(apps::at(scene, only, detection))
        }
        [_, _, ..] => {
            let several = apps::several(scene, &programs);
            let language = Some("python".to_owned());
            let package_manager = Some("uv".to_owned());
            Some(Detection { language, package_manager, ..several })
        }
    }
}
