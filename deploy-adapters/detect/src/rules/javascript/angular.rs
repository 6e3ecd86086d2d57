//! Angular: what `angular.json` says about the project that is built.

use deploy_core::detect::Found;
use serde_json::Value;

use super::package::PACKAGE;
use super::shape::{App, Shape, written};
use crate::manifest::Values;

const WORKSPACE: &str = "angular.json";

/// A single-page app; or a program that renders it, where the project has one.
pub(super) fn shape(app: &App<'_, '_>) -> Shape {
    let config = app.scene.jsonc(WORKSPACE).unwrap_or_default();
    let Some((name, project)) = project(&config) else {
        let output = written(app, PACKAGE, "dist", "Angular writes dist");
        return Shape::site("ng build", output).with_fallback(app, "Angular makes a single-page app");
    };
    let build = ["architect", "targets"]
        .iter()
        .map(|key| project.at(&[key, "build"]))
        .find(|build| build.is_object());
    let build = build.unwrap_or(&Value::Null);
    let path = build.at(&["options", "outputPath"]);
    let base = path.text_at(&[]).or_else(|| path.text_at(&["base"])).map(|path| path.trim_end_matches('/'));
    let base = base.map_or_else(|| format!("dist/{name}"), str::to_owned);
    let browser = match build.at(&["options", "outputPath"]).get("browser").and_then(Value::as_str) {
        Some(browser) => browser,
        None if build.text_at(&["builder"]).is_some_and(|builder| builder.ends_with(":application")) => {
            "browser"
        }
        None => "",
    };
    if let Some(start) = rendered(app, &base, build) {
        return Shape::server(Some("ng build"), Some(start), 4000);
    }
    let directory = format!("{base}/{browser}");
    let output = written(
        app,
        WORKSPACE,
        &directory,
        &format!("the build of {name} writes {}", directory.trim_end_matches('/')),
    );
    Shape::site("ng build", output).with_fallback(app, "Angular makes a single-page app")
}

/// The project that `ng build` builds: the default one, else the only application.
fn project(config: &Value) -> Option<(&str, &Value)> {
    let projects = config.at(&["projects"]).as_object()?;
    let application = |(_, project): &(&String, &Value)| {
        project.text_at(&["projectType"]).is_none_or(|kind| kind == "application")
    };
    let default = config.text_at(&["defaultProject"]);
    let named = default.and_then(|name| projects.get_key_value(name));
    let (name, project) = named.or_else(|| projects.iter().find(application))?;
    Some((name, project))
}

/// How the program that renders pages is started, where the build makes one.
fn rendered(app: &App<'_, '_>, base: &str, build: &Value) -> Option<Found<String>> {
    let ssr = build.at(&["options", "ssr"]);
    let server_mode = build.text_at(&["options", "outputMode"]).is_none_or(|mode| mode == "server");
    let has_entry = ssr.text_at(&["entry"]).is_some() || ssr.as_bool() == Some(true);
    if let Some(script) = app.package.scripts().into_iter().find(|name| name.starts_with("serve:ssr")) {
        let command = app.tools.manager.run(script);
        return server_mode.then(|| app.scene.found(command, PACKAGE, format!("the script {script:?}")));
    }
    let start = format!("node {base}/server/server.mjs");
    (has_entry && server_mode).then(|| app.scene.found(start, WORKSPACE, "ssr has an entry"))
}
