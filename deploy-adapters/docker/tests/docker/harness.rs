//! A world to deploy in: an engine, an edge, a source, and an executor that only this test uses.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListContainersOptionsBuilder;
use deploy_core::cancel::Cancel;
use deploy_core::detect::Detection;
use deploy_core::effect::{Effect, EffectKind};
use deploy_core::engine::{SystemClock, SystemIds};
use deploy_core::failure::Failure;
use deploy_core::id::{DeploymentId, Digest, Fence, Name, StepId, Version};
use deploy_core::log::LogLine;
use deploy_core::plan::{Draft, DraftRequest, Output, Plan, Step, Undo, draft};
use deploy_core::port::{
    Executor, Ids as _, Keep, Live, LogSink, Probe, ReleaseRecord, ReleaseState, StepContext, Survey,
};
use deploy_core::reason::Reason;
use deploy_core::size::Size;
use deploy_core::spec::{Actor, Profile, SecretRef, Source, Spec};
use deploy_core::time::Timestamp;
use deploy_docker::{DockerConfig, DockerExecutor};
use deploy_edge::{Config, Edge, Limits, Listen, RunningEdge, control_socket};
use deploy_source::SourceReader;
use tempfile::TempDir;

/// Busybox's own web server, which ends when it is asked to: as the first process of a container it would not hear.
const HTTPD: &str = r#"CMD ["sh","-c","trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait"]"#;

/// Says on the real stderr why something could not be tested; an error if it was required.
pub(crate) fn cannot(why: &str) {
    let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split([',', ' ']).any(|name| name == "docker"), "docker is required, but {why}");
    let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: docker: {why} ***\n");
}

pub(crate) fn docker_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// Makes the base images on an engine, if it has none.
#[expect(clippy::disallowed_methods, reason = "the named place of these tests")]
pub(crate) fn base_images(host: &str, which: &[&str]) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/build.sh");
    let made = Command::new(script).args(which).env("DOCKER_HOST", host).output();
    let made = made.map_err(|error| error.to_string())?;
    if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
}

#[expect(clippy::disallowed_methods, reason = "the named place of these tests")]
pub(crate) fn command(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command
}

/// The log of a deployment, as text.
#[derive(Default)]
pub(crate) struct Said(Mutex<Vec<LogLine>>);

impl LogSink for Said {
    fn line(&self, line: LogLine) {
        self.0.lock().expect("the log").push(line);
    }
}

impl Said {
    pub(crate) fn text(&self) -> String {
        let lines = self.0.lock().expect("the log");
        lines.iter().map(|line| format!("{}\n", line.message)).collect()
    }
}

/// One deployment that is being carried out.
pub(crate) struct Run {
    pub(crate) id: DeploymentId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) version: Version,
    pub(crate) fence: Fence,
    pub(crate) source: Source,
    pub(crate) live_before: Option<Live>,
    pub(crate) outputs: Vec<(StepId, Output)>,
    pub(crate) cancel: Cancel,
}

impl Run {
    pub(crate) fn fact(&self, name: &str) -> String {
        let fact = self.outputs.iter().rev().find_map(|(_, output)| output.facts.get(name));
        fact.unwrap_or_else(|| panic!("no fact {name}")).clone()
    }

    pub(crate) fn digest(&self) -> Digest {
        self.outputs.iter().rev().find_map(|(_, output)| output.digest.clone()).expect("a digest")
    }
}

pub(crate) struct World {
    pub(crate) docker: Docker,
    pub(crate) host: String,
    pub(crate) executor: DockerExecutor,
    config: DockerConfig,
    pub(crate) owner: Name,
    pub(crate) source: TempDir,
    pub(crate) said: Arc<Said>,
    pub(crate) variables: Arc<Mutex<BTreeMap<String, String>>>,
    pub(crate) edge: SocketAddr,
    state: TempDir,
    running: Option<RunningEdge>,
    versions: AtomicU64,
    runs: Mutex<Vec<DeploymentId>>,
}

fn executor(config: &DockerConfig, variables: &Arc<Mutex<BTreeMap<String, String>>>) -> DockerExecutor {
    let known = Arc::clone(variables);
    let resolve =
        Arc::new(move |secret: &SecretRef| known.lock().expect("variables").get(&secret.env).cloned());
    DockerExecutor::new(config.clone(), Arc::new(SourceReader::default()), Arc::new(SystemClock), resolve)
}

/// A world on the machine's engine, or `None` where there is none.
pub(crate) async fn world() -> Option<World> {
    static IMAGES: OnceLock<Result<(), String>> = OnceLock::new();
    let host = docker_host();
    let docker = Docker::connect_with_host(&host).ok();
    let answers = match &docker {
        Some(docker) => docker.ping().await.is_ok(),
        None => false,
    };
    if !answers {
        cannot(&format!("no engine answers at {host}"));
        return None;
    }
    let images = IMAGES.get_or_init(|| base_images(&host, &["busybox"]));
    if let Err(why) = images {
        cannot(&format!("the base images could not be made: {why}"));
        return None;
    }
    Some(World::on(&host).await)
}

impl World {
    /// A world on an engine that has the base images.
    pub(crate) async fn on(host: &str) -> Self {
        Self::with(host, None).await
    }

    /// The same, with a bound on what the builder keeps.
    pub(crate) async fn with(host: &str, build_cache: Option<Size>) -> Self {
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        let docker = Docker::connect_with_host(host).expect("an engine");
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let owner: Name = format!("test-{}-{number}", std::process::id()).parse().expect("a name");
        let (state, source) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let config = Config {
            dir: state.path().join("edge"),
            releases: state.path().join("releases"),
            listen: Listen::Exact(([127, 0, 0, 1], 0).into()),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
        };
        let socket = control_socket(&config.dir);
        let running = Edge::start(config).await.expect("an edge");
        let variables: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let config = DockerConfig {
            work: state.path().join("work"),
            owner: owner.clone(),
            host: host.to_owned(),
            edge_socket: socket,
            edge_address: None,
            serves_sites: false,
            build_cache,
        };
        let executor = executor(&config, &variables);
        Self {
            docker,
            host: host.to_owned(),
            executor,
            owner,
            source,
            config,
            said: Arc::default(),
            variables,
            edge: running.public_addr(),
            state,
            running: Some(running),
            versions: AtomicU64::new(0),
            runs: Mutex::default(),
        }
    }

    /// An executor that knows nothing of what the one before did, as after a crash.
    pub(crate) fn restart(&mut self) {
        self.executor = executor(&self.config, &self.variables);
    }

    /// Writes a file of the source.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.source.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    /// An app of busybox's own web server, that answers with `text` on port 8080.
    pub(crate) fn app(&self, text: &str) -> Profile {
        self.write("www/index.html", text);
        self.dockerfile(HTTPD)
    }

    /// A Dockerfile that ends with these lines.
    pub(crate) fn dockerfile(&self, end: &str) -> Profile {
        self.write("www/keep", "");
        self.write("Dockerfile", &format!("FROM busybox:stable\nCOPY www /www\nUSER 1000\n{end}\n"));
        let mut profile = Profile::default();
        profile.runtime.dockerfile = Some("Dockerfile".to_owned());
        profile.network.internal_port = Some(8080);
        profile.health.deadline = Some("20s".parse().expect("a span"));
        profile
    }

    /// A plan for the source, or why not.
    pub(crate) fn try_plan(
        &self,
        profile: Profile,
        kept: Option<ReleaseRecord>,
    ) -> Result<(Arc<Plan>, Source), Vec<Reason>> {
        self.try_plan_of(profile, &Detection::default(), kept)
    }

    /// The same, of a source in which something was found.
    pub(crate) fn try_plan_of(
        &self,
        profile: Profile,
        detection: &Detection,
        kept: Option<ReleaseRecord>,
    ) -> Result<(Arc<Plan>, Source), Vec<Reason>> {
        let path = self.source.path().to_string_lossy().into_owned();
        let resource = "web".parse().expect("a resource");
        let mut spec =
            Spec::directory(resource, "docker".parse().expect("a name"), path, Actor("test".into()));
        spec.profile = profile;
        if let Some(kept) = &kept {
            spec.source = Source::Release { version: kept.version };
        }
        self.drafted(spec, detection, kept)
    }

    /// A run of the source as an archive: its content is known before anything is read.
    pub(crate) fn archived(&self, profile: Profile) -> Run {
        let file = self.state.path().join(format!("{}.tar", self.versions.load(Ordering::Relaxed)));
        let mut tar = command("tar", &["--sort=name", "--mtime=@0", "-cf"]);
        tar.arg(&file).arg("-C").arg(self.source.path()).arg(".");
        assert!(tar.status().expect("tar").success());
        let digest = Some(Digest::of(&std::fs::read(&file).expect("an archive")));
        let resource = "web".parse().expect("a resource");
        let target = "docker".parse().expect("a name");
        let mut spec = Spec::directory(resource, target, String::new(), Actor("test".into()));
        spec.profile = profile;
        spec.source = Source::Archive { path: file.to_string_lossy().into_owned(), digest: digest.clone() };
        let detection = Detection { source_digest: digest, ..Detection::default() };
        let (plan, source) = self.drafted(spec, &detection, None).expect("a plan");
        self.run_of(plan, source)
    }

    fn drafted(
        &self,
        spec: Spec,
        detection: &Detection,
        kept: Option<ReleaseRecord>,
    ) -> Result<(Arc<Plan>, Source), Vec<Reason>> {
        let survey = Survey { release: kept.map(Arc::new), ..Survey::default() };
        let request = DraftRequest {
            spec: &spec,
            detection,
            survey: Some(&survey),
            executor: Some(&self.executor),
            installed: &["docker"],
        };
        match draft(&request) {
            Draft::Ready(plan) => Ok((plan, spec.source)),
            Draft::Blocked(blocked) => Err(blocked.reasons().to_vec()),
        }
    }

    /// A run of a plan, which nothing was done of yet.
    pub(crate) fn run_of(&self, plan: Arc<Plan>, source: Source) -> Run {
        let number = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        let id = SystemIds.deployment();
        self.runs.lock().expect("the runs").push(id);
        Run {
            id,
            plan,
            version: Version(u32::try_from(number).expect("few versions")),
            fence: Fence(number),
            source,
            live_before: None,
            outputs: Vec::new(),
            cancel: Cancel::new(),
        }
    }

    pub(crate) fn run(&self, profile: Profile) -> Run {
        let (plan, source) = self.try_plan(profile, None).expect("a plan");
        self.run_of(plan, source)
    }

    pub(crate) fn context(&self, run: &Run) -> StepContext {
        StepContext {
            deployment: run.id,
            plan: Arc::clone(&run.plan),
            outputs: run.outputs.clone(),
            live_before: run.live_before.clone(),
            version: run.version,
            source: run.source.clone(),
            cancel: run.cancel.clone(),
            logs: Arc::clone(&self.said) as Arc<dyn LogSink>,
        }
    }

    fn effect(run: &Run, kind: EffectKind, step: &Step) -> Effect {
        Effect { deployment: run.id, kind, attempt: 1, fence: Some(run.fence), timeout: step.timeout }
    }

    pub(crate) async fn perform(&self, run: &Run, step: &Step) -> Result<Output, Failure> {
        let effect = Self::effect(run, EffectKind::Perform { step: step.id.clone() }, step);
        self.executor.perform(&effect, step, &self.context(run)).await
    }

    pub(crate) async fn probe(&self, run: &Run, step: &Step) -> Result<Probe, Failure> {
        let effect = Self::effect(run, EffectKind::Probe { step: step.id.clone() }, step);
        self.executor.probe(&effect.key().expect("a key"), step, &self.context(run)).await
    }

    pub(crate) async fn undo(&self, run: &Run, step: &Step) -> Result<(), Failure> {
        let effect = Self::effect(run, EffectKind::Undo { step: step.id.clone() }, step);
        self.executor.undo(&effect, step, &self.context(run)).await
    }

    /// Carries out the steps up to and without `until`.
    pub(crate) async fn steps(&self, run: &mut Run, until: &str) -> Result<(), (String, Failure)> {
        let done = run.outputs.len();
        for step in run.plan.clone().steps().iter().skip(done) {
            if step.id.as_str() == until {
                break;
            }
            let output = self.perform(run, step).await;
            let output = output.map_err(|failure| (step.id.to_string(), failure))?;
            run.outputs.push((step.id.clone(), output));
        }
        Ok(())
    }

    /// Takes everything back, newest first.
    pub(crate) async fn undo_all(&self, run: &Run) {
        for step in run.plan.steps().iter().rev().filter(|step| matches!(step.undo, Undo::Automatic { .. })) {
            self.undo(run, step).await.unwrap_or_else(|failure| panic!("undo of {}: {failure:?}", step.id));
        }
    }

    /// Deploys; a failure is taken back.
    pub(crate) async fn deploy(&self, run: &mut Run) -> Result<(), (String, Failure)> {
        let done = self.steps(run, "").await;
        if done.is_err() {
            self.undo_all(run).await;
        }
        self.executor.finish(run.id).await.expect("a clean end");
        done
    }

    /// What the records keep of a run that succeeded.
    pub(crate) fn record(&self, run: &Run, state: ReleaseState) -> ReleaseRecord {
        ReleaseRecord {
            id: SystemIds.release(),
            version: run.version,
            state,
            digest: run.digest(),
            url: String::new(),
            deployment: run.id,
            verified: true,
            created_at: Timestamp::EPOCH,
            outline: run.plan.outline().clone(),
        }
    }

    /// What the public address answers.
    pub(crate) async fn get(&self) -> (u16, String) {
        http_get(self.edge, "web.localhost").await
    }

    pub(crate) async fn inspect(&self, id: &str) -> Option<ContainerInspectResponse> {
        self.docker.inspect_container(id, None).await.ok()
    }

    /// The names of this world's containers, with their states.
    pub(crate) async fn containers(&self) -> BTreeMap<String, String> {
        let filters =
            std::collections::HashMap::from([("label", vec![format!("deploy.owner={}", self.owner)])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.docker.list_containers(Some(options)).await.expect("a list");
        let pair = |c: bollard::models::ContainerSummary| {
            let name = c.names.unwrap_or_default().first().cloned().unwrap_or_default();
            (
                name.trim_start_matches('/').to_owned(),
                c.state.map(|state| state.to_string()).unwrap_or_default(),
            )
        };
        found.into_iter().map(pair).collect()
    }

    /// The tags of this world's images (an engine lists them in no order of its own).
    pub(crate) async fn images(&self) -> BTreeSet<String> {
        let options = bollard::query_parameters::ListImagesOptionsBuilder::default().build();
        let images = self.docker.list_images(Some(options)).await.expect("a list");
        let ours = format!("deploy.local/{}/", self.owner);
        images.into_iter().flat_map(|image| image.repo_tags).filter(|tag| tag.starts_with(&ours)).collect()
    }

    /// The names of this world's networks.
    pub(crate) async fn networks(&self) -> BTreeSet<String> {
        let filters =
            std::collections::HashMap::from([("label", vec![format!("deploy.owner={}", self.owner)])]);
        let options =
            bollard::query_parameters::ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = self.docker.list_networks(Some(options)).await.expect("a list");
        networks.into_iter().filter_map(|network| network.name).collect()
    }

    /// The edge's control socket.
    pub(crate) fn edge_socket(&self) -> PathBuf {
        control_socket(&self.state.path().join("edge"))
    }

    /// Removes everything this world made. It is an error if anything stays.
    pub(crate) async fn close(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        // A new edge of its own, without routes: nothing is live any more.
        let config = Config {
            dir: self.state.path().join("edge"),
            releases: self.state.path().join("releases"),
            listen: Listen::Exact(([127, 0, 0, 1], 0).into()),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
        };
        std::fs::remove_dir_all(&config.dir).expect("no routes");
        let running = Edge::start(config).await.expect("an edge");
        let runs = std::mem::take(&mut *self.runs.lock().expect("the runs"));
        for run in runs {
            self.executor.finish(run).await.expect("a clean end");
        }
        self.executor.reclaim(&Keep::default()).await.expect("a clean world");
        assert_eq!(self.containers().await, BTreeMap::new());
        assert_eq!(self.images().await, BTreeSet::new());
        running.stop().await;
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.state.path().join("work")
    }
}

/// A test that failed, or that has no end of its own, leaves nothing running either.
impl Drop for World {
    fn drop(&mut self) {
        let (docker, owner) = (self.docker.clone(), self.owner.clone());
        let swept = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                let sweeping = async {
                    tokio::time::timeout(std::time::Duration::from_secs(20), sweep(&docker, &owner)).await
                };
                let _ = runtime.block_on(sweeping);
            }
        });
        let _ = swept.join();
    }
}

/// Removes what carries the label of a test.
async fn sweep(docker: &Docker, owner: &Name) -> Option<()> {
    use bollard::query_parameters::{ListImagesOptionsBuilder, ListNetworksOptionsBuilder};
    let filters = std::collections::HashMap::from([("label", vec![format!("deploy.owner={owner}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    for container in docker.list_containers(Some(options)).await.ok()? {
        let options = bollard::query_parameters::RemoveContainerOptionsBuilder::default().force(true).build();
        let _ = docker.remove_container(&container.id?, Some(options)).await;
    }
    let ours = format!("deploy.local/{owner}/");
    for image in docker.list_images(Some(ListImagesOptionsBuilder::default().build())).await.ok()? {
        for tag in image.repo_tags.iter().filter(|tag| tag.starts_with(&ours)) {
            let _ =
                docker.remove_image(tag, None::<bollard::query_parameters::RemoveImageOptions>, None).await;
        }
    }
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    for network in docker.list_networks(Some(options)).await.ok()? {
        let _ = docker.remove_network(&network.id?).await;
    }
    Some(())
}

/// One request over a connection of its own: status and body.
pub(crate) async fn http_get(address: SocketAddr, host: &str) -> (u16, String) {
    let (status, _, body) = http_exchange(address, host).await;
    (status, body)
}

/// One request over a connection of its own: status, head and body.
pub(crate) async fn http_exchange(address: SocketAddr, host: &str) -> (u16, String, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (status, head.to_owned(), body.to_owned())
}
