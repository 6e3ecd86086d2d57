use deploy_core::detect::ProjectKind;
use deploy_core::reason::ReasonCode;

use crate::testing::{detect, value};

#[test]
fn a_server_of_the_dependencies_runs_the_application_object() {
    for (requirements, file, text, framework, start) in [
        (
            "fastapi\nuvicorn",
            "main.py",
            "app = FastAPI()",
            "fastapi",
            "uvicorn main:app --host 0.0.0.0 --port ${PORT:-8000}",
        ),
        (
            "fastapi[standard]",
            "app/main.py",
            "app: FastAPI = FastAPI(\n",
            "fastapi",
            "uvicorn app.main:app --host 0.0.0.0 --port ${PORT:-8000}",
        ),
        (
            "fastapi\nhypercorn",
            "src/api/main.py",
            "api = FastAPI()",
            "fastapi",
            "hypercorn api.main:api --bind 0.0.0.0:${PORT:-8000}",
        ),
        (
            "Flask==3\ngunicorn",
            "app.py",
            "app = Flask(__name__)",
            "flask",
            "gunicorn --bind 0.0.0.0:${PORT:-8000} app:app",
        ),
        (
            "flask\nwaitress",
            "web/__init__.py",
            "def create_app(config=None):",
            "flask",
            "waitress-serve --listen=0.0.0.0:${PORT:-8000} --call web:create_app",
        ),
        (
            "litestar\ngranian",
            "app.py",
            "app = Litestar([index])",
            "litestar",
            "granian --interface asgi --host 0.0.0.0 --port ${PORT:-8000} app:app",
        ),
        (
            "sanic",
            "server.py",
            "app = Sanic('x')",
            "sanic",
            "sanic server:app --host=0.0.0.0 --port=${PORT:-8000}",
        ),
        (
            "dash\ngunicorn",
            "app.py",
            "app = dash.Dash(__name__)\nserver = app.server",
            "dash",
            "gunicorn --bind 0.0.0.0:${PORT:-8000} app:server",
        ),
        (
            "python-fasthtml",
            "main.py",
            "from fasthtml.common import *\napp, rt = fast_app()",
            "fasthtml",
            "uvicorn main:app --host 0.0.0.0 --port ${PORT:-8000}",
        ),
        (
            "streamlit",
            "app.py",
            "import streamlit as st",
            "streamlit",
            "streamlit run app.py --server.address 0.0.0.0 --server.port ${PORT:-8501} --server.headless true",
        ),
        ("gradio", "app.py", "import gradio as gr", "gradio", "python app.py"),
    ] {
        let detection = detect(&[("requirements.txt", requirements), (file, text)]);
        assert_eq!(value(&detection.start), start);
        assert_eq!(detection.framework.as_deref(), Some(framework));
        assert_eq!((detection.kind, detection.blocked.len()), (ProjectKind::Server, 0), "{framework}");
        assert!(detection.internal_port.is_some() && detection.runtime_image.is_some());
    }
}

#[test]
fn a_server_that_is_not_among_the_dependencies_is_installed_with_a_word() {
    let detection = detect(&[("requirements.txt", "flask==3.0.0\n"), ("app.py", "app = Flask(__name__)")]);
    assert!(value(&detection.install).ends_with("-r requirements.txt gunicorn"), "{:?}", detection.install);
    assert_eq!(detection.warnings[0].code, ReasonCode::NoLockfile);
}

#[test]
fn the_lockfile_says_which_tool_installs() {
    let project = "[project]\nname = \"x\"\nrequires-python = \">=3.10,<3.12\"\n";
    for (lock, manager, install) in [
        ("uv.lock", "uv", "uv sync --locked --no-dev --no-install-project"),
        ("poetry.lock", "poetry", "poetry install --only main --no-root --no-interaction"),
        ("pdm.lock", "pdm", "pdm install --check --prod --no-self --no-editable"),
        ("Pipfile.lock", "pipenv", "pipenv install --deploy --ignore-pipfile"),
    ] {
        let detection = detect(&[("pyproject.toml", project), (lock, ""), ("main.py", "print(1)")]);
        assert_eq!(detection.package_manager.as_deref(), Some(manager));
        assert!(value(&detection.install).ends_with(install), "{:?}", detection.install);
        assert_eq!(detection.kind, ProjectKind::Worker);
        assert_eq!(value(&detection.build_image), "python:3.11-bookworm");
        assert_eq!(value(&detection.start), "python main.py");
    }
    let detection =
        detect(&[("pyproject.toml", project), ("uv.lock", ""), ("poetry.lock", ""), ("main.py", "")]);
    assert_eq!(detection.warnings[0].code, ReasonCode::ConflictingLockfiles);
}

#[test]
fn django_is_found_by_what_manage_py_names() {
    let manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.config.settings')\nimport django";
    let files = [
        ("manage.py", manage),
        ("requirements.txt", "Django==5.1\ngunicorn==23\npsycopg2==2.9"),
        ("shop/config/wsgi.py", ""),
        ("shop/config/settings.py", "STATIC_ROOT = 'x'\n'django.db.backends.postgresql'"),
        ("shop/config/urls.py", "path('/health', x)"),
        ("package.json", "{\"scripts\":{\"build\":\"tailwindcss\"}}"),
    ];
    let detection = detect(&files);
    assert_eq!(value(&detection.start), "gunicorn --bind 0.0.0.0:${PORT:-8000} shop.config.wsgi");
    assert_eq!(value(&detection.build), "python manage.py collectstatic --noinput");
    assert_eq!(detection.framework.as_deref(), Some("django"));
    assert!(detection.runtime_packages.contains("libpq5"));
    assert_eq!(detection.internal_port.as_ref().map(|port| port.value), Some(8000));
}

#[test]
fn sqlite_alone_is_said_to_be_lost() {
    let manage = "'DJANGO_SETTINGS_MODULE', 'a.settings' django";
    let settings = "'ENGINE': 'django.db.backends.sqlite3'";
    let files = [
        ("manage.py", manage),
        ("a/wsgi.py", ""),
        ("a/settings.py", settings),
        ("requirements.txt", "django==5\ngunicorn==1"),
    ];
    let codes: Vec<ReasonCode> = detect(&files).warnings.iter().map(|reason| reason.code).collect();
    assert!(codes.contains(&ReasonCode::SingleWriterVolume), "{codes:?}");
}

#[test]
fn scripts_are_workers_unless_they_listen() {
    let kind = |text: &str, requirements: &str| {
        detect(&[("main.py", text), ("requirements.txt", requirements)]).kind
    };
    assert_eq!(kind("print('hello')", ""), ProjectKind::Worker);
    assert_eq!(kind("client.run(token)", "discord.py"), ProjectKind::Worker);
    assert_eq!(kind("HTTPServer(('', 8000), Handler).serve_forever()", ""), ProjectKind::Server);
    assert_eq!(kind("web.run_app(app, port=9000)", "aiohttp"), ProjectKind::Server);
    let detection = detect(&[("main.py", "HTTPServer(('', 9001), H).serve_forever()")]);
    assert_eq!(detection.internal_port.map(|port| port.value), Some(9001));
}

#[test]
fn a_project_without_a_beginning_is_blocked_with_the_line_to_write() {
    let detection = detect(&[("pyproject.toml", "[project]\nname = \"x\"\ndependencies = [\"requests\"]")]);
    assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
    assert_eq!(detection.package_manager.as_deref(), Some("pip"));
    let detection = detect(&[("pyproject.toml", "[project"), ("main.py", "")]);
    assert!(detection.blocked.iter().any(|reason| reason.code == ReasonCode::ManifestInvalid));
}

#[test]
fn the_procfile_wins_and_development_servers_are_named() {
    let files = [
        ("Procfile", "web: python manage.py runserver 0.0.0.0:$PORT"),
        ("requirements.txt", "x==1"),
        ("main.py", ""),
    ];
    let detection = detect(&files);
    assert_eq!(value(&detection.start), "python manage.py runserver 0.0.0.0:$PORT");
    assert_eq!(detection.warnings[0].code, ReasonCode::DevServerAsStart);
    let detection = detect(&[
        ("Procfile", "worker: celery -A x worker"),
        ("requirements.txt", "flask==1"),
        ("app.py", "app = Flask(x)"),
    ]);
    assert_eq!(detection.kind, ProjectKind::Worker);
}

#[test]
fn a_script_beside_a_node_project_is_a_tool_of_it() {
    let detection = detect(&[
        ("package.json", "{\"dependencies\":{\"next\":\"15\"}}"),
        ("main.py", ""),
        ("requirements.txt", "flask"),
    ]);
    assert_ne!(detection.language.as_deref(), Some("python"));
}

#[test]
fn a_uv_workspace_is_planned_if_one_member_is_a_program() {
    let root = ("pyproject.toml", "[tool.uv.workspace]\nmembers = [\"backend\", \"libs/*\"]");
    let app = ("backend/pyproject.toml", "[project]\nname = \"app\"\ndependencies = [\"fastapi[standard]\"]");
    let library = ("libs/core/pyproject.toml", "[project]\nname = \"core\"\n");
    let files = [root, ("uv.lock", ""), app, ("backend/app/main.py", "app = FastAPI()"), library];
    let detection = detect(&files);
    assert_eq!(value(&detection.start), "uvicorn app.main:app --host 0.0.0.0 --port ${PORT:-8000}");
    assert_eq!(
        (value(&detection.base_directory), detection.package_manager.as_deref()),
        ("backend", Some("uv"))
    );
    assert_eq!(detection.workspace.map(|found| found.value), Some(String::new()));
    let more = [&files[..], &[("libs/core/main.py", "print(1)")]].concat();
    assert_eq!(detect(&more).blocked[0].code, ReasonCode::SeveralApps);
}

/// Pipenv takes an environment that it is told of for one that is there, and makes none.
#[test]
fn no_manager_is_told_of_an_environment_before_it_made_one() {
    for (file, text) in
        [("Pipfile", "[packages]\nflask = '*'\n"), ("requirements.txt", "flask==3.0"), ("uv.lock", "")]
    {
        let detection = detect(&[(file, text), ("app.py", "app = Flask(__name__)")]);
        assert!(!detection.environment.contains_key("VIRTUAL_ENV"), "{file}");
        assert!(detection.environment["PATH"].starts_with("/app/.venv/bin:"), "{file}");
    }
}

#[test]
fn conda_brings_its_own_python() {
    let environment = "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - conda-forge::flask=3.0\n  - pip:\n    - gunicorn==22.0\n";
    let detection = detect(&[("environment.yml", environment), ("app.py", "app = Flask(__name__)")]);
    assert_eq!(detection.package_manager.as_deref(), Some("conda"));
    assert_eq!(
        (detection.framework.as_deref(), detection.runtime_version.as_deref()),
        (Some("flask"), Some("3.11"))
    );
    let install = "/opt/conda/bin/conda env create --prefix .venv --file environment.yml";
    assert_eq!(value(&detection.install), install);
    assert_eq!(value(&detection.start), "gunicorn --bind 0.0.0.0:${PORT:-8000} app:app");
    assert_eq!(detection.manifests, ["environment.yml"]);
    assert!(detection.warnings.iter().all(|reason| reason.code != ReasonCode::NoLockfile));
    let loose = environment.replace("==22.0", "");
    let detection = detect(&[("environment.yaml", &loose), ("app.py", "app = Flask(__name__)")]);
    assert!(detection.warnings.iter().any(|reason| reason.code == ReasonCode::NoLockfile));
}

#[test]
fn a_server_of_tools_starts_itself() {
    let code = "mcp = FastMCP('weather')\nmcp.run(transport=\"streamable-http\")\n";
    let detection = detect(&[("requirements.txt", "fastmcp==2.1"), ("weather.py", code)]);
    assert_eq!((value(&detection.start), detection.kind), ("python weather.py", ProjectKind::Server));
    let local = "mcp = FastMCP('weather')\nmcp.run()\n";
    let detection = detect(&[("requirements.txt", "fastmcp==2.1"), ("weather.py", local)]);
    assert_eq!(detection.kind, ProjectKind::Worker);
}

#[test]
fn django_is_found_in_a_directory_of_any_name_and_in_packages() {
    let manage =
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nfrom django.core import x";
    let below = [
        ("requirements.txt", "django==5\ngunicorn==22"),
        ("box/manage.py", manage),
        ("box/shop/wsgi.py", ""),
    ];
    assert_eq!(value(&detect(&below).start), "cd box && gunicorn --bind 0.0.0.0:${PORT:-8000} shop.wsgi");
    let package = [
        ("requirements.txt", "django==5\ngunicorn==22"),
        ("manage.py", manage),
        ("shop/wsgi/__init__.py", ""),
    ];
    assert_eq!(value(&detect(&package).start), "gunicorn --bind 0.0.0.0:${PORT:-8000} shop.wsgi");
}
