//! Where a Python program begins: the application object that a server runs, or the script.

use super::dependencies::Dependencies;
use crate::rule::Scene;

/// What a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// An application object: `main:app`.
    Object {
        /// The class or function that makes it, without its module: `FastAPI`.
        maker: String,
        /// As servers name it: `app.main:app`.
        name: String,
        file: String,
    },
    /// A function that makes the application: `app:create_app`.
    Factory { name: String, file: String },
    /// A script that is run as it is.
    Script { file: String },
    /// A package with a `__main__.py`.
    Package { name: String, file: String },
    /// A command that the project installs.
    Command { name: String },
}

/// Names of files that a program begins in, most telling first.
const NAMES: [&str; 24] = [
    "main.py",
    "app.py",
    "application.py",
    "server.py",
    "asgi.py",
    "wsgi.py",
    "api.py",
    "run.py",
    "index.py",
    "web.py",
    "streamlit_app.py",
    "Home.py",
    "home.py",
    "bot.py",
    "start.py",
    "hello.py",
    "service.py",
    "backend.py",
    "worker.py",
    "demo.py",
    "script.py",
    "program.py",
    "cli.py",
    "__init__.py",
];

/// Directories that programs are kept in, most telling first.
const DIRECTORIES: [&str; 9] =
    ["app", "src", "src/app", "api", "backend", "server", "web", "application", "service"];

/// Directories that hold no program.
pub(super) const BESIDE: [&str; 12] = [
    "tests",
    "test",
    "docs",
    "doc",
    "scripts",
    "examples",
    "migrations",
    "alembic",
    "static",
    "templates",
    "data",
    "notebooks",
];

/// How many directories are looked into.
const LOOKED_INTO: usize = 24;

/// The script at the top that a program begins in.
pub(super) fn entry<'n>(scene: &Scene<'n>) -> Option<&'n str> {
    let files = scene.files("");
    let usual = NAMES.iter().filter(|name| **name != "__init__.py");
    let main = usual.chain(&["__main__.py"]).find_map(|name| files.iter().find(|file| *file == name));
    let scripts = || files.iter().filter(|file| file.ends_with(".py") && !is_tool(file));
    main.or_else(|| scripts().next().filter(|_| scripts().count() == 1)).copied()
}

/// Scripts that configure tools.
fn is_tool(file: &str) -> bool {
    const TOOLS: [&str; 10] = [
        "setup.py",
        "conftest.py",
        "noxfile.py",
        "fabfile.py",
        "tasks.py",
        "manage.py",
        "gunicorn.conf.py",
        "gunicorn_config.py",
        "config.py",
        "settings.py",
    ];
    TOOLS.contains(&file) || file.starts_with("test_") || file.ends_with("_test.py")
}

/// Whether there is a script at the top that a program could begin in.
pub(super) fn has_entry(scene: &Scene<'_>) -> bool {
    entry(scene).is_some()
}

/// Where the program begins.
pub(super) fn find(scene: &Scene<'_>, dependencies: &Dependencies) -> Option<Entry> {
    let files = candidates(scene);
    let texts: Vec<(&String, &str)> =
        files.iter().filter_map(|file| Some((file, scene.text(file)?))).collect();
    let object = texts.iter().find_map(|(file, text)| object(scene, file, text));
    let factory = || texts.iter().find_map(|(file, text)| factory(scene, file, text));
    let is_web = dependencies.has_any(super::server::WEB);
    object
        .or_else(|| factory().filter(|_| is_web))
        .or_else(|| Some(Entry::Script { file: entry(scene)?.to_owned() }))
        .or_else(|| package(scene))
        .or_else(|| command(scene))
        .or_else(|| script_below(scene))
}

fn candidates(scene: &Scene<'_>) -> Vec<String> {
    let named = |directory: &str| -> Vec<String> {
        let files = scene.files(directory);
        let names = NAMES.iter().filter(|name| files.contains(*name));
        names
            .map(|name| if directory.is_empty() { (*name).to_owned() } else { format!("{directory}/{name}") })
            .collect()
    };
    let usual = DIRECTORIES.iter().filter(|name| scene.has_directory(name)).map(|name| (*name).to_owned());
    let below = |parent: &str| -> Vec<String> {
        let directories = scene.directories(parent).into_iter();
        let others = directories.filter(|name| !BESIDE.contains(name));
        others
            .map(|name| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") })
            .collect()
    };
    let mut directories: Vec<String> = vec![String::new()];
    for directory in usual.chain(below("")).chain(below("src")) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    let mut files: Vec<String> =
        directories.iter().take(LOOKED_INTO).flat_map(|directory| named(directory)).collect();
    // `app/__init__.py` may hold a factory, but a script that calls it says more.
    files.sort_by_key(|file| file.ends_with("__init__.py"));
    files.extend(
        scene
            .files("")
            .into_iter()
            .filter(|file| file.ends_with(".py") && !is_tool(file))
            .take(8)
            .map(str::to_owned),
    );
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files
}

/// What makes an application object.
const MAKERS: [&str; 24] = [
    "FastAPI",
    "Flask",
    "APIFlask",
    "OpenAPI",
    "Starlette",
    "Litestar",
    "Quart",
    "Sanic",
    "FastHTML",
    "fast_app",
    "BlackSheep",
    "Bottle",
    "Dash",
    "FlaskApp",
    "AsyncApp",
    "FastMCP",
    "ASGIApp",
    "WSGIApp",
    "get_asgi_application",
    "get_wsgi_application",
    "create_app",
    "make_app",
    "make_wsgi_app",
    "get_app",
];

/// `app = FastAPI(…)` at the top level of a module.
fn object(scene: &Scene<'_>, file: &str, text: &str) -> Option<Entry> {
    text.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let variable = left.split([':', ',']).next()?.trim_end();
        let is_name = |name: &str| {
            name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let call = right.trim_start_matches(['=', ' ']).split_once('(')?.0.trim();
        let maker = call.rsplit('.').next()?.trim();
        let is_falcon = matches!(call, "falcon.App" | "falcon.API" | "falcon.asgi.App");
        let makes =
            is_falcon || MAKERS.contains(&maker) || maker.ends_with("_app") && variable.ends_with("app");
        if !is_name(variable) || !makes {
            return None;
        }
        let maker = if is_falcon { call } else { maker };
        let name = format!("{}:{variable}", module(scene, file));
        Some(Entry::Object { maker: maker.to_owned(), name, file: file.to_owned() })
    })
}

/// `def create_app(…)` at the top level of a module, callable without arguments as far as can be seen.
fn factory(scene: &Scene<'_>, file: &str, text: &str) -> Option<Entry> {
    let functions = text.lines().filter_map(|line| line.strip_prefix("def "));
    let name = functions.filter_map(|line| Some(line.split_once('(')?.0)).find(|name| {
        matches!(
            *name,
            "create_app" | "make_app" | "create_application" | "get_app" | "build_app" | "app_factory"
        )
    })?;
    Some(Entry::Factory { name: format!("{}:{name}", module(scene, file)), file: file.to_owned() })
}

/// `app/main.py` is `app.main`; `src/app/main.py` is `app.main` where `src` is no package.
fn module(scene: &Scene<'_>, file: &str) -> String {
    let path = file.strip_suffix(".py").unwrap_or(file);
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    let path = match path.strip_prefix("src/") {
        Some(below) if below.contains('/') && !scene.has("src/__init__.py") => below,
        Some(_) | None => path,
    };
    path.replace('/', ".")
}

/// Whether servers must be told to look for modules in `src`.
pub(super) fn is_below_src(scene: &Scene<'_>, file: &str, name: &str) -> bool {
    file.starts_with("src/") && !scene.has("src/__init__.py") && !name.starts_with("src.")
}

fn package(scene: &Scene<'_>) -> Option<Entry> {
    ["", "src"].iter().find_map(|parent| {
        let name = scene.directories(parent).into_iter().find(|name| {
            let directory = if parent.is_empty() { (*name).to_owned() } else { format!("{parent}/{name}") };
            !BESIDE.contains(name) && scene.has(&format!("{directory}/__main__.py"))
        })?;
        let directory = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        Some(Entry::Package { name: name.to_owned(), file: format!("{directory}/__main__.py") })
    })
}

/// The only command that the project installs.
fn command(scene: &Scene<'_>) -> Option<Entry> {
    use crate::manifest::Values;
    let project = scene.toml("pyproject.toml")?;
    let keys = [&["project", "scripts"][..], &["tool", "poetry", "scripts"]];
    let names = keys.into_iter().flat_map(|path| project.keys_at(path)).collect::<Vec<_>>();
    let own = project.text_at(&["project", "name"]).or_else(|| project.text_at(&["tool", "poetry", "name"]));
    let name = names
        .iter()
        .find(|name| Some(**name) == own)
        .or_else(|| names.first().filter(|_| names.len() == 1))?;
    Some(Entry::Command { name: (*name).to_owned() })
}

/// `src/main.py`, and the like.
fn script_below(scene: &Scene<'_>) -> Option<Entry> {
    let names = ["main.py", "app.py", "server.py", "bot.py", "run.py", "__main__.py"];
    let files =
        DIRECTORIES.iter().flat_map(|directory| names.iter().map(move |name| format!("{directory}/{name}")));
    let file = files.into_iter().find(|file| scene.has(file))?;
    Some(Entry::Script { file })
}
