//! Plugging the adapters into the engine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use deploy_browser::{Browser, Pictures};
use deploy_core::engine::{Previewer, SystemClock};
use deploy_core::failure::Failure;
use deploy_core::id::Name;
use deploy_core::port::{Clock, Executor, Sources};
use deploy_core::size::Size;
use deploy_core::spec::{FlyProfile, SecretRef};
use deploy_detect::Catalogue;
use deploy_docker::{DockerConfig, DockerExecutor, EngineFacts, ImageUse};
use deploy_fly::{FlyConfig, FlyExecutor};
use deploy_source::{GitPolicy, SourceReader};
use deploy_static::{StaticConfig, StaticExecutor};
use serde::Deserialize;

use crate::exit::Failed;
use crate::state::State;

/// The targets, by name.
pub(crate) const TARGETS: [&str; 3] = ["static", "docker", "fly"];

/// Where the data plane listens unless it is told otherwise.
pub(crate) const EDGE_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7480);

/// The variable that says what may be fetched from beside public hosts over https and ssh.
const GIT_ALLOW: &str = "DEPLOY_GIT_ALLOW";

/// The variable that says how much the engine's builder may keep for later builds.
const BUILD_CACHE: &str = "DEPLOY_DOCKER_BUILD_CACHE";
/// Many builds of ordinary projects, and no small disk full.
const BUILD_CACHE_SIZE: Size = Size::from_mib(20 * 1024);

/// Reads sources, and fetches them from where `DEPLOY_GIT_ALLOW` says.
pub(crate) fn sources() -> SourceReader {
    let allowed = std::env::var(GIT_ALLOW).unwrap_or_default();
    let policy = allowed.parse::<GitPolicy>().unwrap_or_else(|_| {
        // The narrow policy is the safe one: what was meant to be allowed is refused, and says so.
        tracing::warn!("{GIT_ALLOW} is not a list of http, git, private and loopback; it is passed over");
        GitPolicy::default()
    });
    SourceReader::default().with_policy(policy)
}

/// The static target of a state directory.
pub(crate) fn static_executor(state: &State) -> StaticExecutor {
    let config = StaticConfig {
        releases: state.releases(),
        work: state.work(),
        edge_socket: deploy_edge::control_socket(&state.edge()),
        edge_address: Some(edge_address(state)),
    };
    let sources: Arc<dyn Sources> = Arc::new(sources());
    StaticExecutor::new(config, sources, Arc::new(SystemClock)).with_browser(browser(state))
}

/// The browser of a state directory: what `DEPLOY_CHROMIUM` names, else the Chromium on `PATH`.
fn browser(state: &State) -> Browser {
    Browser::new(named_chromium(), Some(Pictures::new(state.screenshots())))
}

/// The program that `DEPLOY_CHROMIUM` names.
pub(crate) fn named_chromium() -> Option<PathBuf> {
    std::env::var_os("DEPLOY_CHROMIUM").filter(|named| !named.is_empty()).map(PathBuf::from)
}

/// The docker target of a state directory. `installation` marks what it makes on the engine.
pub(crate) fn docker_executor(state: &State, installation: Name) -> DockerExecutor {
    let config = DockerConfig {
        work: state.work().join("docker"),
        owner: installation,
        host: docker_host(),
        edge_socket: deploy_edge::control_socket(&state.edge()),
        edge_address: Some(edge_address(state)),
        serves_sites: true,
        build_cache: Some(build_cache()),
    };
    let sources: Arc<dyn Sources> = Arc::new(sources());
    let resolve = Arc::new(|secret: &SecretRef| std::env::var(&secret.env).ok());
    DockerExecutor::new(config, sources, Arc::new(SystemClock), resolve).with_browser(browser(state))
}

/// The same for the control plane, which records what it hands to releases.
pub(crate) fn recording_docker(state: &State) -> Result<DockerExecutor, Failed> {
    Ok(docker_executor(state, state.installation()?).recording_secrets(state.secret_key()?))
}

/// The fly target of a state directory.
pub(crate) fn fly_executor(state: &State) -> FlyExecutor {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let config = FlyConfig {
        work: state.work().join("fly"),
        releases: state.work().join("fly-releases"),
        flyctl: set("DEPLOY_FLYCTL").unwrap_or_else(|| "flyctl".to_owned()).into(),
        app_url: set("DEPLOY_FLY_APP_URL"),
        environment: std::env::vars_os().collect(),
        recipe: Arc::new(deploy_docker::dockerfile),
    };
    FlyExecutor::new(config, Arc::new(sources()), Arc::new(SystemClock)).with_browser(browser(state))
}

/// An error that helps where there is no flyctl to deploy with.
pub(crate) fn require_flyctl(state: &State, fly: &FlyProfile) -> Result<(), Failed> {
    if fly_executor(state).flyctl(fly).is_some() {
        return Ok(());
    }
    let message = match &fly.flyctl {
        Some(path) => format!("{path} is not a program"),
        None => "there is no program flyctl on PATH".to_owned(),
    };
    Err(Failed::usage("flyctl_missing", message)
        .hint("install flyctl: https://fly.io/docs/flyctl/install")
        .hint("or say where it is with --flyctl"))
}

/// Where the engine is: what the docker command asks first.
fn docker_host() -> String {
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
}

/// How much the engine's builder may keep for later builds.
fn build_cache() -> Size {
    let said = std::env::var(BUILD_CACHE).ok().filter(|said| !said.is_empty());
    let Some(said) = said else { return BUILD_CACHE_SIZE };
    said.parse().unwrap_or_else(|error| {
        tracing::warn!("{BUILD_CACHE}: {error}; {BUILD_CACHE_SIZE} are kept");
        BUILD_CACHE_SIZE
    })
}

/// What the images of this installation's releases take on the engine's disk.
pub(crate) async fn docker_disk_use(state: &State) -> Result<Vec<ImageUse>, Failure> {
    match state.named() {
        Some(installation) => docker_executor(state, installation).disk_use().await,
        None => Ok(Vec::new()),
    }
}

/// What the engine says about itself.
pub(crate) async fn docker_facts(state: &State) -> Result<EngineFacts, Failure> {
    docker_executor(state, nobody()).engine_facts().await
}

/// An error that helps where there is no engine to deploy to.
pub(crate) async fn require_docker(state: &State) -> Result<(), Failed> {
    let reached = docker_executor(state, nobody()).reach().await;
    reached.map_err(|failure| {
        Failed::usage("engine_unavailable", failure.message)
            .hint("install Docker and start it (on Debian: apt-get install docker.io)")
            .hint("let this user reach its socket, or say where it is with DOCKER_HOST")
    })
}

/// The installation of whoever makes nothing.
fn nobody() -> Name {
    "preview".parse().expect("a valid name")
}

/// The address the edge recorded, else the one it will try first.
fn edge_address(state: &State) -> SocketAddr {
    #[derive(Deserialize)]
    struct Recorded {
        address: SocketAddr,
    }
    let text = std::fs::read(state.edge().join("edge.json")).ok();
    let recorded = text.and_then(|text| serde_json::from_slice::<Recorded>(&text).ok());
    recorded.map_or(EDGE_ADDRESS, |recorded| recorded.address)
}

/// Previews without a control plane.
pub(crate) fn previewer(state: &State) -> Previewer {
    let installation = state.named().unwrap_or_else(nobody);
    let executors: Vec<Arc<dyn Executor>> = vec![
        Arc::new(static_executor(state)),
        Arc::new(docker_executor(state, installation)),
        Arc::new(fly_executor(state)),
    ];
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Previewer::from_parts(Arc::new(sources()), Arc::new(Catalogue), executors, clock)
}
