//! conda: `environment.yml` names packages that are compiled already, Python among them.

use deploy_core::detect::Found;
use serde_json::Value;

use crate::manifest::Values;
use crate::rule::Scene;
use crate::rules::languages::asked;

/// Where an environment is described.
pub(super) const FILES: [&str; 2] = ["environment.yml", "environment.yaml"];

/// The image that has conda, at `/opt/conda/bin/conda`.
pub(super) const IMAGE: &str = "condaforge/miniforge3:26.3.2-3";

/// What is installed, conda's packages and pip's, as they are written: `flask=3.0`, `gunicorn==22.0`.
pub(super) fn requirements(scene: &Scene<'_>) -> Vec<String> {
    let Some(environment) = scene.first_of(&FILES).and_then(|file| scene.yaml(file)) else {
        return Vec::new();
    };
    let entries = environment.at(&["dependencies"]).as_array().into_iter().flatten();
    let own = |entry: &Value| match entry {
        // `conda-forge::flask`.
        Value::String(text) => vec![text.rsplit("::").next().unwrap_or(text).to_owned()],
        Value::Object(_) => entry.texts_at(&["pip"]).into_iter().map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Vec::new(),
    };
    entries.flat_map(own).collect()
}

/// The version of Python that the environment asks for.
pub(super) fn python(scene: &Scene<'_>) -> Option<Found<String>> {
    let file = scene.first_of(&FILES)?;
    let requirements = requirements(scene);
    let version = requirements.iter().find_map(|requirement| {
        let version = requirement.trim().strip_prefix("python")?;
        version
            .starts_with(['=', '>', '<', '~', ' '])
            .then(|| version.trim().trim_start_matches('=').to_owned())
    })?;
    asked::asks(scene, file, &version)
}

/// Whether every package has one version.
pub(super) fn is_pinned(scene: &Scene<'_>) -> bool {
    scene.has("conda-lock.yml") || requirements(scene).iter().all(|requirement| requirement.contains('='))
}
