//! Which server runs a Python application in production, and how.

use deploy_core::detect::{Found, ProjectKind};
use deploy_core::evidence::Fact;

use super::Python;
use super::app::{Entry, is_below_src};
use crate::rules::languages::listen;
use crate::rules::languages::program::{Program, start_unknown};

/// How an application object is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    Asgi,
    Wsgi,
}

/// Packages that answer requests.
pub(super) const WEB: &[&str] = &[
    "django",
    "fastapi",
    "flask",
    "starlette",
    "litestar",
    "quart",
    "sanic",
    "python-fasthtml",
    "blacksheep",
    "bottle",
    "falcon",
    "dash",
    "pyramid",
    "connexion",
    "apiflask",
    "flask-openapi3",
    "uvicorn",
    "gunicorn",
    "hypercorn",
    "granian",
    "waitress",
];

/// Frameworks, each with the package that shows it, what makes its object, and how that is called.
const FRAMEWORKS: &[(&str, &[&str], &[&str], Interface)] = &[
    ("fasthtml", &["python-fasthtml"], &["FastHTML", "fast_app"], Interface::Asgi),
    ("fastapi", &["fastapi"], &["FastAPI"], Interface::Asgi),
    ("litestar", &["litestar"], &["Litestar"], Interface::Asgi),
    ("quart", &["quart"], &["Quart"], Interface::Asgi),
    ("sanic", &["sanic"], &["Sanic"], Interface::Asgi),
    ("blacksheep", &["blacksheep"], &["BlackSheep"], Interface::Asgi),
    ("flask", &["flask", "apiflask", "flask-openapi3"], &["Flask", "APIFlask", "OpenAPI"], Interface::Wsgi),
    ("dash", &["dash"], &["Dash"], Interface::Wsgi),
    ("connexion", &["connexion"], &["FlaskApp", "AsyncApp"], Interface::Asgi),
    ("falcon", &["falcon"], &["falcon.asgi.App"], Interface::Asgi),
    ("falcon", &["falcon"], &["falcon.App", "falcon.API"], Interface::Wsgi),
    ("bottle", &["bottle"], &["Bottle"], Interface::Wsgi),
    ("starlette", &["starlette"], &["Starlette"], Interface::Asgi),
    ("pyramid", &["pyramid"], &["make_wsgi_app"], Interface::Wsgi),
];

/// Frameworks whose programs start a server of their own: package, name, port.
const OWN_SERVER: &[(&str, &str, u16)] = &[
    ("nicegui", "nicegui", 8080),
    ("aiohttp", "aiohttp", 8080),
    ("tornado", "tornado", 8888),
    ("robyn", "robyn", 8080),
    ("cherrypy", "cherrypy", 8080),
    ("flet", "flet", 8550),
    ("fastmcp", "fastmcp", 8000),
    ("mcp", "mcp", 8000),
];

/// Packages of programs that answer no requests.
const WORKERS: &[&str] = &[
    "discord-py",
    "py-cord",
    "nextcord",
    "disnake",
    "hikari",
    "python-telegram-bot",
    "aiogram",
    "pytelegrambotapi",
    "telethon",
    "pyrogram",
    "tweepy",
    "praw",
    "slack-bolt",
    "celery",
    "rq",
    "dramatiq",
    "apscheduler",
    "schedule",
    "scrapy",
    "arq",
    "nio-bot",
    "twitchio",
];

const BIND: &str = "0.0.0.0";

/// The program with its start command.
pub(super) fn run(python: &Python<'_>, entry: Option<Entry>) -> Program {
    let imports =
        entry.as_ref().and_then(Entry::file).and_then(|file| python.scene.text(file)).unwrap_or_default();
    if let Some(program) = data_app(python, imports) {
        return program;
    }
    match entry {
        // It starts the server itself, over the transport that its script names.
        Some(Entry::Object { maker, file, .. }) if maker == "FastMCP" => {
            script(python, &format!("python {file}"), Some(&file))
        }
        Some(Entry::Object { maker, name, file }) => object(python, &maker, name, &file, false),
        Some(Entry::Factory { name, file }) => object(python, "", name, &file, true),
        Some(Entry::Script { file }) => script(python, &format!("python {file}"), Some(&file)),
        Some(Entry::Package { name, file }) => script(python, &format!("python -m {name}"), Some(&file)),
        Some(Entry::Command { name }) => script(python, &name, None),
        None => nothing(python),
    }
}

impl Entry {
    fn file(&self) -> Option<&str> {
        match self {
            Self::Object { file, .. }
            | Self::Factory { file, .. }
            | Self::Script { file }
            | Self::Package { file, .. } => Some(file),
            Self::Command { .. } => None,
        }
    }
}

/// A server, with the arguments that it takes for an object. `None` for one that the interface does not have.
fn command(server: &str, interface: Interface, object: &str, port: u16, factory: bool) -> String {
    let called = format!("\"{object}()\"");
    let object_of_wsgi = if factory { called.as_str() } else { object };
    let flag = if factory { " --factory" } else { "" };
    match (server, interface) {
        ("gunicorn", Interface::Wsgi) => format!("gunicorn --bind {BIND}:${{PORT:-{port}}} {object_of_wsgi}"),
        ("gunicorn", Interface::Asgi) => {
            format!(
                "gunicorn --worker-class uvicorn.workers.UvicornWorker --bind {BIND}:${{PORT:-{port}}} {object_of_wsgi}"
            )
        }
        ("waitress", _) => {
            let call = if factory { " --call" } else { "" };
            format!("waitress-serve --listen={BIND}:${{PORT:-{port}}}{call} {object}")
        }
        ("uwsgi", _) => format!("uwsgi --http {BIND}:${{PORT:-{port}}} --master --module {object_of_wsgi}"),
        ("hypercorn", _) => format!("hypercorn {object_of_wsgi} --bind {BIND}:${{PORT:-{port}}}"),
        ("daphne", _) => format!("daphne -b {BIND} -p ${{PORT:-{port}}} {object}"),
        ("granian", interface) => {
            let interface = if interface == Interface::Asgi { "asgi" } else { "wsgi" };
            format!("granian --interface {interface} --host {BIND} --port ${{PORT:-{port}}}{flag} {object}")
        }
        ("sanic", _) => format!("sanic {object} --host={BIND} --port=${{PORT:-{port}}}{flag}"),
        (_, _) => format!("uvicorn {object} --host {BIND} --port ${{PORT:-{port}}}{flag}"),
    }
}

/// The server among the dependencies, or the usual one and that it has to be installed.
pub(super) fn choose(python: &Python<'_>, interface: Interface) -> (&'static str, Option<&'static str>) {
    let servers: &[&'static str] = match interface {
        Interface::Asgi => &["uvicorn", "hypercorn", "granian", "daphne"],
        Interface::Wsgi => &["gunicorn", "waitress", "uwsgi", "granian", "hypercorn"],
    };
    let found = servers.iter().find(|server| python.dependencies.has(server));
    let usual = servers.first().copied().unwrap_or_default();
    found.map_or((usual, Some(usual)), |server| (*server, None))
}

/// The start command of an object, with the program around it.
pub(super) fn serve(
    python: &Python<'_>,
    interface: Interface,
    object: &str,
    evidence: Fact,
    factory: bool,
) -> Program {
    let (server, extra) = choose(python, interface);
    let mut program = python.program(extra);
    program.usual_port = Some((8000, "is where such servers listen"));
    program.detection.kind = ProjectKind::Server;
    program.detection.start =
        Some(Found { value: command(server, interface, object, 8000, factory), evidence });
    program
}

fn object(python: &Python<'_>, maker: &str, name: String, file: &str, factory: bool) -> Program {
    let scene = python.scene;
    let text = scene.text(file).unwrap_or_default();
    let by_maker = FRAMEWORKS.iter().find(|(_, _, makers, _)| makers.contains(&maker));
    let by_package = || FRAMEWORKS.iter().find(|(_, packages, _, _)| python.dependencies.has_any(packages));
    let framework = by_maker.or_else(by_package);
    let interface = match maker {
        "get_asgi_application" | "ASGIApp" => Interface::Asgi,
        "get_wsgi_application" | "WSGIApp" => Interface::Wsgi,
        _ => framework.map_or(Interface::Wsgi, |(_, _, _, interface)| *interface),
    };
    let module = name.split(':').next().unwrap_or_default().to_owned();
    // Dash keeps its WSGI application in an attribute.
    let name = match maker {
        "Dash" if text.lines().any(|line| line.starts_with("server = ")) => format!("{module}:server"),
        "Dash" => format!("{name}.server"),
        _ => name,
    };
    let verb = if factory { "makes" } else { "is" };
    let evidence = scene.fact(file, format!("{verb} the application {name}"));
    let is_sanic = framework.is_some_and(|(framework, ..)| *framework == "sanic");
    let mut program = match is_sanic {
        true => {
            let mut program = python.program(None);
            program.detection.kind = ProjectKind::Server;
            let value = command("sanic", interface, &name, 8000, factory);
            program.detection.start = Some(Found { value, evidence: evidence.clone() });
            program
        }
        false => serve(python, interface, &name, evidence.clone(), factory),
    };
    if let Some((framework, packages, ..)) = framework {
        let fact = packages.iter().find_map(|package| python.dependencies.fact(package));
        program.framework(framework, fact.unwrap_or(evidence));
    }
    if is_below_src(scene, file, &module) {
        program.variable("PYTHONPATH", "src");
    }
    program.sources.push(file.to_owned());
    program
}

/// Streamlit, Gradio and Chainlit: a script and a server of their own.
fn data_app(python: &Python<'_>, imports: &str) -> Option<Program> {
    let scene = python.scene;
    let dependencies = &python.dependencies;
    let scripts = || scene.files("").into_iter().filter(|file| file.ends_with(".py"));
    let imports_it = |text: &str, name: &str| {
        text.lines().any(|line| {
            line.starts_with(&format!("import {name}")) || line.starts_with(&format!("from {name}"))
        })
    };
    let other = ["fastapi", "flask", "django"].into_iter().any(|name| imports_it(imports, name));
    let script = |name: &str| {
        let usual = [
            "streamlit_app.py",
            "app.py",
            "main.py",
            "Home.py",
            "src/app.py",
            "src/main.py",
            "app/main.py",
            "app/app.py",
        ];
        let usual = usual.into_iter().filter(|file| scene.has(file));
        let mut files = usual.chain(scripts().take(8));
        files.find(|file| scene.text(file).is_some_and(|text| imports_it(text, name)))
    };
    let apps = [("streamlit", "streamlit", 8501), ("chainlit", "chainlit", 8000), ("gradio", "gradio", 7860)];
    let (name, port, file) = apps.into_iter().find_map(|(name, package, port)| {
        (!other && dependencies.has(package)).then(|| Some((name, port, script(name)?)))?
    })?;
    let mut program = python.program(None);
    let fact = scene.fact(file, format!("is a {name} application"));
    let start = match name {
        "streamlit" => {
            program.detection.health_path =
                Some(Found { value: "/_stcore/health".to_owned(), evidence: fact.clone() });
            format!(
                "streamlit run {file} --server.address {BIND} --server.port ${{PORT:-{port}}} --server.headless true"
            )
        }
        "chainlit" => format!("chainlit run {file} --host {BIND} --port ${{PORT:-{port}}} --headless"),
        _ => {
            let explicit = scene.profile().network.internal_port.unwrap_or(port);
            program.variable("GRADIO_SERVER_NAME", BIND);
            program.variable("GRADIO_SERVER_PORT", explicit.to_string());
            format!("python {file}")
        }
    };
    program.framework(name, dependencies.fact(name).unwrap_or_else(|| fact.clone()));
    program.detection.kind = ProjectKind::Server;
    program.detection.start = Some(Found { value: start, evidence: fact });
    program.usual_port = Some((port, "listens there unless it is told otherwise"));
    if name == "gradio" {
        program.sources.push(file.to_owned());
    }
    Some(program)
}

/// A script, a package or an installed command, run as it is.
fn script(python: &Python<'_>, start: &str, file: Option<&str>) -> Program {
    let scene = python.scene;
    let mut program = python.program(None);
    let dependencies = &python.dependencies;
    let own = OWN_SERVER.iter().find(|(package, _, _)| dependencies.has(package));
    let text = file.and_then(|file| scene.text(file)).unwrap_or_default();
    let serves = [
        "serve_forever",
        "HTTPServer",
        "uvicorn.run",
        "waitress",
        ".run_server",
        "run_app(",
        "make_server",
        "streamable-http",
        "transport=\"http\"",
        "transport=\"sse\"",
        "serve(",
    ]
    .iter()
    .any(|word| text.contains(word));
    let framework = FRAMEWORKS.iter().find(|(_, packages, _, _)| dependencies.has_any(packages));
    let listens = listen::port(text).is_some()
        && (serves || own.is_some() || framework.is_some() || text.contains("socket"));
    let is_worker = dependencies.has_any(WORKERS) && !serves;
    if let Some((name, packages, _, _)) = framework
        && let Some(fact) = packages.iter().find_map(|package| dependencies.fact(package))
    {
        program.framework(name, fact);
    } else if let Some((package, name, port)) = own.filter(|_| !is_worker && (listens || serves))
        && let Some(fact) = dependencies.fact(package)
    {
        program.framework(name, fact);
        program.usual_port = Some((*port, "listens there unless it is told otherwise"));
    }
    let is_server = !is_worker && (listens || serves || framework.is_some());
    program.detection.kind = if is_server { ProjectKind::Server } else { ProjectKind::Worker };
    if framework.is_some() {
        program.usual_port = Some((8000, "is where such programs listen"));
    }
    let evidence = match file {
        Some(file) => scene.fact(file, "is where the program begins"),
        None => scene.fact("pyproject.toml", format!("installs the command {start}")),
    };
    if file.is_some_and(|file| file.starts_with("src/")) {
        program.variable("PYTHONPATH", "src");
    }
    program.sources.extend(file.map(str::to_owned));
    program.detection.start = Some(Found { value: start.to_owned(), evidence });
    program
}

fn nothing(python: &Python<'_>) -> Program {
    let mut program = python.program(None);
    let dependencies = &python.dependencies;
    let framework = FRAMEWORKS.iter().find(|(_, packages, _, _)| dependencies.has_any(packages));
    let own = || dependencies.has_any(&["streamlit", "gradio", "chainlit", "tornado", "aiohttp"]);
    program.detection.kind = match framework {
        Some(_) => ProjectKind::Server,
        None if own() => ProjectKind::Server,
        None => ProjectKind::Unknown,
    };
    if let Some((name, packages, _, _)) = framework
        && let Some(fact) = packages.iter().find_map(|package| dependencies.fact(package))
    {
        program.framework(name, fact);
    }
    let message = "this is a Python project, but no file shows where a program begins: looked for an application object \
                   or a script such as main.py or app.py"
        .to_owned();
    let evidence = python.manager.evidence.clone();
    program.detection.blocked.push(start_unknown(evidence, message, "python main.py"));
    program
}
