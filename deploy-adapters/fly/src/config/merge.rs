//! The effective `fly.toml`: what the plan says, in a file that is there or in a new one.

use std::collections::BTreeMap;

use deploy_core::spec::Rollout;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

/// Where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// From a Dockerfile, relative to the directory that is built.
    Dockerfile(String),
    /// It exists.
    Reference(String),
    /// As the file says.
    AsTheFileSays,
}

/// What the plan says about a `fly.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The app.
    pub app: String,
    /// Where new machines are made.
    pub primary_region: Option<String>,
    /// Where the image comes from.
    pub image: Image,
    /// The port the app listens on, and whether somebody fixed it.
    pub port: Option<(u16, bool)>,
    /// The path that fly asks, where the file has no check.
    pub check_path: String,
    /// How machines are replaced.
    pub strategy: Option<Rollout>,
    /// Plain variables.
    pub env: BTreeMap<String, String>,
}

/// The port that fly takes for the usual one.
const PORT: u16 = 8080;

/// Sets what is wanted in a file that is there.
pub(super) fn merge(file: &mut DocumentMut, wanted: &Wanted) {
    common(file.as_table_mut(), wanted);
    if let Some(build) = table(file.as_table_mut(), "build", needs_build(wanted)) {
        match &wanted.image {
            Image::Reference(reference) => {
                for other in ["builder", "buildpacks", "builtin", "dockerfile", "build-target"] {
                    build.remove(other);
                }
                set(build, "image", reference.as_str().into());
            }
            // The image of a file that is there would win over every Dockerfile.
            Image::Dockerfile(file) => {
                build.remove("image");
                set(build, "dockerfile", file.as_str().into());
            }
            Image::AsTheFileSays => {}
        }
    }
    let served = file.contains_key("http_service") || file.contains_key("services");
    if !served {
        file.insert("http_service", Item::Table(http_service(wanted)));
    } else if let (Some((port, true)), Some(service)) =
        (wanted.port, table(file.as_table_mut(), "http_service", false))
    {
        set(service, "internal_port", i64::from(port).into());
    }
}

fn needs_build(wanted: &Wanted) -> bool {
    wanted.image != Image::AsTheFileSays
}

/// A new file.
pub(super) fn generated(wanted: &Wanted) -> DocumentMut {
    let mut file = DocumentMut::new();
    set(file.as_table_mut(), "app", wanted.app.as_str().into());
    if let Some(region) = &wanted.primary_region {
        set(file.as_table_mut(), "primary_region", region.as_str().into());
    }
    let mut build = Table::new();
    match &wanted.image {
        Image::Dockerfile(dockerfile) => set(&mut build, "dockerfile", dockerfile.as_str().into()),
        Image::Reference(reference) => set(&mut build, "image", reference.as_str().into()),
        Image::AsTheFileSays => {}
    }
    if !build.is_empty() {
        file.insert("build", Item::Table(build));
    }
    file.insert("http_service", Item::Table(http_service(wanted)));
    common(file.as_table_mut(), wanted);
    file
}

/// What is set in either.
fn common(file: &mut Table, wanted: &Wanted) {
    set(file, "app", wanted.app.as_str().into());
    if let Some(region) = &wanted.primary_region {
        set(file, "primary_region", region.as_str().into());
    }
    if let (Some(strategy), Some(deploy)) =
        (wanted.strategy, table(file, "deploy", wanted.strategy.is_some()))
    {
        set(deploy, "strategy", strategy.as_str().into());
    }
    if let Some(env) = table(file, "env", !wanted.env.is_empty()) {
        for (name, value) in &wanted.env {
            set(env, name, value.as_str().into());
        }
    }
}

fn http_service(wanted: &Wanted) -> Table {
    let mut service = Table::new();
    let port = wanted.port.map_or(PORT, |(port, _)| port);
    set(&mut service, "internal_port", i64::from(port).into());
    set(&mut service, "force_https", true.into());
    set(&mut service, "auto_stop_machines", "stop".into());
    set(&mut service, "auto_start_machines", true.into());
    set(&mut service, "min_machines_running", 0.into());
    set(&mut service, "processes", Value::Array(Array::from_iter(["app"])));
    let mut check = Table::new();
    for (key, value) in [
        ("grace_period", "10s"),
        ("interval", "30s"),
        ("method", "GET"),
        ("timeout", "5s"),
        ("path", wanted.check_path.as_str()),
    ] {
        set(&mut check, key, value.into());
    }
    let mut checks = ArrayOfTables::new();
    checks.push(check);
    service.insert("checks", Item::ArrayOfTables(checks));
    service
}

/// A table of the file, made if it has to be there.
fn table<'a>(file: &'a mut Table, name: &str, make: bool) -> Option<&'a mut dyn TableLike> {
    if make && !file.contains_key(name) {
        file.insert(name, Item::Table(Table::new()));
    }
    file.get_mut(name)?.as_table_like_mut()
}

/// Sets a value; the comment beside the one before stays.
fn set(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(before) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = before.decor().clone();
    }
    match table.get_mut(key) {
        Some(item) => *item = Item::Value(value),
        None => drop(table.insert(key, Item::Value(value))),
    }
}
