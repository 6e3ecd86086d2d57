//! A place of its own for every test, and the program run in it with a bound on its time.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http;

/// No command of a test takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Nobody: an id without any rights here.
pub(crate) const NOBODY: &str = "65534";

/// A short directory (a unix socket's path may have 107 bytes) that goes away with what runs in it.
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::below("/tmp")
    }

    /// A place for much: in memory where that is possible.
    pub(crate) fn for_much() -> Self {
        Self::below(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" })
    }

    fn below(directory: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = PathBuf::from(format!("{directory}/dc-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    pub(crate) fn text(&self, below: &str) -> String {
        self.path(below).to_str().unwrap().to_owned()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("s")
    }

    /// Writes a file of a source, with the directories above it.
    pub(crate) fn write(&self, below: &str, content: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The program, with this place's state directory and nothing of the tester's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
        command.arg("--state-dir").arg(self.state()).args(arguments);
        self.furnish(&mut command);
        command
    }

    pub(crate) fn furnish(&self, command: &mut Command) {
        command.env_clear().current_dir(&self.root);
        for name in ["PATH", "HOME", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("DEPLOY_ACTOR", "tester");
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.start(arguments).end()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let run = self.run(&all);
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }

    /// Deploys `directory` as `web` and gives its URL.
    pub(crate) fn live(&self, directory: &str) -> String {
        let run = self.run(&["up", directory, "--resource", "web"]);
        run.exits(0);
        run.out.trim_end().to_owned()
    }

    /// A first release with the text "first" at its top, live as `web`.
    pub(crate) fn with_v1(&self) -> String {
        self.write("v1/index.html", "<h1>first</h1>\n");
        self.live("v1")
    }

    pub(crate) fn show(&self, id: &str) -> Value {
        self.json(&["show", id])
    }

    /// The newest deployment.
    pub(crate) fn newest(&self) -> Value {
        self.json(&["list", "--limit", "1"])[0].clone()
    }

    /// Waits until a deployment satisfies something.
    pub(crate) fn await_status(&self, id: &str, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let mut status = Value::Null;
        wait_for(&format!("{id} to be {what}"), || {
            status = self.show(id);
            done(&status)
        });
        status
    }

    /// Starts an `up` of `web` with this build, and waits until the build runs.
    pub(crate) fn building(&self, build: &str) -> (String, Running) {
        self.write("slow/deploy.toml", &toml_build(build));
        let up = self.start(&["up", "slow", "--resource", "web"]);
        let mut id = None;
        wait_for("a build that runs", || {
            let list = self.run(&["list", "--limit", "1", "--json"]);
            let list: Value = serde_json::from_str(&list.out).unwrap_or_default();
            let steps = list[0]["steps"].as_array();
            let runs = steps.is_some_and(|steps| steps.iter().any(|step| step["state"] == "running"));
            id = list[0]["id"]
                .as_str()
                .filter(|_| runs && list[0]["status"] == "executing")
                .map(str::to_owned);
            id.is_some()
        });
        (id.unwrap(), up)
    }

    /// The processes of this place that are recorded in its state directory.
    pub(crate) fn recorded_processes(&self) -> Vec<i32> {
        let files = ["serve.lock", "edge/edge.json"];
        let texts = files.iter().filter_map(|file| std::fs::read(self.state().join(file)).ok());
        let pids = texts.filter_map(|text| serde_json::from_slice::<Value>(&text).ok()?["pid"].as_i64());
        pids.filter_map(|pid| i32::try_from(pid).ok()).filter(|pid| self.is_ours(*pid)).collect()
    }

    fn is_ours(&self, pid: i32) -> bool {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).split('\0').any(|word| Path::new(word) == self.state())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.state().join("serve.lock").exists() {
            let stop = self.command(&["serve", "--stop"]);
            let _ = Running::start(stop).end_within(Duration::from_secs(15));
        }
        for pid in self.recorded_processes() {
            kill(pid, Signal::KILL);
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Sends a signal; a process that is gone already is as good.
pub(crate) fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

pub(crate) fn toml_build(build: &str) -> String {
    format!("[runtime]\nbuild = '''{build}'''\npublish_directory = \"dist\"\n")
}

/// Waits, but not for ever.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT / 2, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Says on the real stderr why something could not be tested; an error if it was required.
pub(crate) fn cannot(what: &str, why: &str) {
    use std::io::Write as _;
    let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split([',', ' ']).any(|name| name == what), "{what} is required, but {why}");
    let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: {what}: {why} ***\n");
}

/// Whether a tool is there and does its work.
pub(crate) fn tool(words: &[&str]) -> bool {
    let run = Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Run {
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "stderr has no {text:?}: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(&self, text: &str) -> &Self {
        assert!(self.out.contains(text), "stdout has no {text:?}: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn prints_nothing(&self) -> &Self {
        assert_eq!(self.out, "", "{self:#?}");
        self
    }

    /// What a refused command says: one `error:` sentence with its code, no panic, no result.
    #[track_caller]
    pub(crate) fn refuses(&self, exit: i32, code: &str) -> &Self {
        self.exits(exit).prints_nothing().says(&format!("[{code}]"));
        assert_eq!(self.err.matches("error: ").count(), 1, "not one sentence: {self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    /// What clap says of a bad flag or value.
    #[track_caller]
    pub(crate) fn refuses_usage(&self) -> &Self {
        self.exits(2).prints_nothing().says("error: ");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}

/// A program that runs, with both its streams being read.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
    started: Instant,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let started = Instant::now();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = Some(reader(child.stdout.take().unwrap()));
        let err = Some(reader(child.stderr.take().unwrap()));
        Self { child, out, err, started }
    }

    #[track_caller]
    pub(crate) fn end(self) -> Run {
        self.end_within(LIMIT).unwrap_or_else(|| panic!("it took longer than {LIMIT:?}"))
    }

    /// Waits for its end; kills it when that does not come.
    pub(crate) fn end_within(mut self, limit: Duration) -> Option<Run> {
        let status = self.wait(limit);
        let took = self.started.elapsed();
        let mut text = |of: fn(&mut Self) -> &mut Option<JoinHandle<String>>| {
            of(&mut self).take().unwrap().join().unwrap()
        };
        let (out, err) = (text(|run| &mut run.out), text(|run| &mut run.err));
        Some(Run { code: status?.code().unwrap_or(-1), out, err, took })
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if started.elapsed() > limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind; one that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn reader(mut from: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The first release of `web` answers, as if nothing had happened.
#[track_caller]
pub(crate) fn serves(url: &str, text: &str) {
    let answer = http::get(url);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.body.contains(text), "{url} does not serve {text:?} but {:?}", answer.body);
}

/// Every key of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[track_caller]
pub(crate) fn has_keys(value: &Value, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|key| value.get(**key).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?} is missing in {:?}", keys(value));
}

/// Every entry below a directory: path, kind, mode, time of change, content.
pub(crate) fn snapshot(directory: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(found) = std::fs::symlink_metadata(directory) else { return vec!["nothing".to_owned()] };
    let mut lines = Vec::new();
    let content = if found.is_file() { std::fs::read(directory).unwrap() } else { Vec::new() };
    let (mode, changed) =
        (found.mode(), (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()));
    lines.push(format!("{} {mode:o} {changed:?} {content:?}", directory.display()));
    if found.is_dir() {
        let mut below: Vec<_> =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        below.iter().for_each(|path| lines.extend(snapshot(path)));
    }
    lines
}

/// The program as nobody, with everything else alike; `None` (and said) where that can't be done.
pub(crate) fn as_nobody(place: &Place, arguments: &[&str]) -> Option<Command> {
    if !is_root() {
        return Some(place.command(arguments));
    }
    let drop = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
    let program = env!("CARGO_BIN_EXE_deploy");
    let mut probe = vec!["setpriv"];
    probe.extend(drop);
    probe.extend([program, "--version"]);
    if !tool(&probe) {
        cannot("setpriv", "this is root, and rights can't be dropped");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(drop).arg(program).args(arguments).arg("--state-dir").arg(place.state());
    place.furnish(&mut command);
    Some(command)
}

/// A control plane that listens on a port of its own.
pub(crate) fn listening(place: &Place, more: &[&str]) -> (Child, SocketAddr) {
    let log = place.path("log");
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
    arguments.extend(more);
    let mut serve = place.command(&arguments);
    serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let serve = serve.spawn().unwrap();
    let mut address: Option<SocketAddr> = None;
    wait_for("the address", || {
        let text = std::fs::read_to_string(&log).unwrap();
        let url = text.lines().find_map(|line| line.strip_prefix("answering on http://"));
        address = url.and_then(|url| url.trim_end_matches('/').parse().ok());
        address.is_some() && text.contains("ready")
    });
    (serve, address.unwrap())
}
