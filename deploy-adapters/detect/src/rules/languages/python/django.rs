//! Django: `manage.py` names the settings, and those the application.

use deploy_core::detect::Detection;
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use super::server::{Interface, choose, serve};
use super::{Python, app};
use crate::rule::Scene;
use crate::rules::languages::program::start_unknown;

/// Directories that keep a Django project below the top.
const BELOW: [&str; 6] = ["src", "backend", "app", "server", "project", "django"];

/// How many directories are looked into.
const LOOKED_INTO: usize = 24;

pub(super) fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let root = root(scene)?;
    let python = Python::of(scene);
    let manage = join(root, "manage.py");
    let text = scene.text(&manage)?;
    let uses = python
        .dependencies
        .fact("django")
        .or_else(|| text.contains("django").then(|| scene.fact(&manage, "runs the commands of Django")))?;
    let module = application(scene, root, text);
    let is_asgi =
        choose(&python, Interface::Asgi).1.is_none() && choose(&python, Interface::Wsgi).1.is_some();
    let settings = settings_text(scene, root, text).unwrap_or_default();
    let mut program = match &module {
        Some((module, file)) => {
            let asgi = module.replace(".wsgi", ".asgi");
            let has_asgi = scene.has(&file.replace("wsgi", "asgi"));
            let evidence = scene.fact(file, "is the application");
            match is_asgi && has_asgi || !scene.has(file) {
                true => serve(&python, Interface::Asgi, &format!("{asgi}:application"), evidence, false),
                false => serve(&python, Interface::Wsgi, module, evidence, false),
            }
        }
        None => {
            let mut program = python.program(None);
            let message = "this is a Django project, but no wsgi.py or asgi.py was found beside its settings"
                .to_owned();
            let evidence = scene.fact(&manage, "belongs to a Django project");
            program.detection.kind = deploy_core::detect::ProjectKind::Server;
            program.detection.blocked.push(start_unknown(evidence, message, "gunicorn mysite.wsgi"));
            program
        }
    };
    program.framework("django", uses);
    if !root.is_empty()
        && let Some(start) = &mut program.detection.start
    {
        start.value = in_directory(&start.value, root);
    }
    if settings.contains("STATIC_ROOT") {
        let collect = format!("python {manage} collectstatic --noinput");
        let build = match program.detection.build.take() {
            Some(build) => format!("{} && {collect}", build.value),
            None => collect,
        };
        program.detection.build = Some(scene.found(build, &manage, "collects the static files"));
    }
    program.detection.warnings.extend(single_writer(&settings, &manage));
    program.sources.extend(module.map(|(_, file)| file.replace("wsgi.py", "urls.py")));
    Some(program.plan(scene))
}

/// The directory that holds `manage.py`, `""` for the top.
fn root<'s>(scene: &Scene<'s>) -> Option<&'s str> {
    if scene.has("manage.py") {
        return Some("");
    }
    if !super::Manager::is_there(scene) {
        return None;
    }
    let has = |directory: &&str| scene.has(&join(directory, "manage.py"));
    BELOW.into_iter().find(has).or_else(|| {
        // A directory of any name, where the manifest depends on Django.
        let is_django = Python::of(scene).dependencies.has("django");
        let directories = || scene.directories("").into_iter().filter(|name| !app::BESIDE.contains(name));
        directories().take(LOOKED_INTO).find(|directory| is_django && has(directory))
    })
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// `gunicorn x` in another directory: each server has its own flag, so the shell changes there.
fn in_directory(start: &str, directory: &str) -> String {
    format!("cd {directory} && {start}")
}

/// The module that `manage.py` names its settings by: `mysite.settings`.
fn settings(manage: &str) -> Option<&str> {
    let (_, after) = manage.split_once("DJANGO_SETTINGS_MODULE")?;
    after.split(['"', '\'']).map(str::trim).find(|part| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
    })
}

/// The module of the WSGI application, and its file.
fn application(scene: &Scene<'_>, root: &str, manage: &str) -> Option<(String, String)> {
    let at = |module: &str| join(root, &format!("{}.py", module.replace('.', "/")));
    let package = |module: &str| join(root, &format!("{}/__init__.py", module.replace('.', "/")));
    let has = |module: &str| scene.has(&at(module)) || scene.has(&package(module));
    let is_there = |module: &String| has(module) || has(&module.replace(".wsgi", ".asgi"));
    let near = settings(manage).into_iter().flat_map(|settings| {
        let parts: Vec<&str> = settings.split('.').collect();
        (1..parts.len()).rev().map(|length| format!("{}.wsgi", parts[..length].join("."))).collect::<Vec<_>>()
    });
    let directories = || scene.directories(root).into_iter().map(|name| format!("{name}.wsgi"));
    let module = near.chain(directories()).find(is_there);
    let module = module.or_else(|| Some("wsgi".to_owned()).filter(is_there))?;
    let file = if scene.has(&package(&module)) { package(&module) } else { at(&module) };
    Some((module, file))
}

/// The settings: one file, or the base and production of a package.
fn settings_text(scene: &Scene<'_>, root: &str, manage: &str) -> Option<String> {
    let module = settings(manage)?.replace('.', "/");
    let package = match scene.has_directory(&join(root, &module)) {
        true => module.clone(),
        false => module.rsplit_once('/').map_or(module.clone(), |(package, _)| package.to_owned()),
    };
    let names = ["__init__.py", "base.py", "common.py", "production.py", "prod.py"];
    let files = [join(root, &format!("{module}.py"))].into_iter();
    let files = files.chain(names.map(|name| join(root, &format!("{package}/{name}"))));
    let texts: Vec<&str> = files.filter_map(|file| scene.text(&file)).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn single_writer(settings: &str, manage: &str) -> Option<Reason> {
    let has_other = ["postgresql", "mysql", "dj_database_url", "env.db", "DATABASE_URL", "oracle", "mssql"];
    let only =
        settings.contains("backends.sqlite3") && !has_other.iter().any(|other| settings.contains(other));
    let fact = Fact::new(manage, "names settings whose only database is SQLite");
    only.then(|| {
        let message = "the database is a SQLite file in the release: it is lost with the release, and one instance may write to it";
        let mut reason = Reason::new(ReasonCode::SingleWriterVolume, message);
        reason.evidence.push(fact);
        reason
    })
}
