//! A state directory and the processes that belong to it.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::connection::{Answer, Connection};
use crate::site::{Page, Site};
use crate::{binary, processes, wait};

/// How long any command may take.
const COMMAND: Duration = Duration::from_secs(120);
/// How long a process may take to start or to be gone.
const PROCESS: Duration = Duration::from_secs(30);
/// The resource that is deployed.
const RESOURCE: &str = "web";

/// A state directory below the system's temporary one, and everything that runs for it. Dropping it
/// ends the processes and removes the directory.
#[derive(Debug)]
pub struct Installation {
    root: PathBuf,
    listen: SocketAddr,
    control_plane: Option<Child>,
    variables: Vec<(String, String)>,
}

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It answers.
    Ready,
    /// It is gone already.
    Gone,
}

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; -1 for a signal.
    pub code: i32,
    /// Its results.
    pub stdout: String,
    /// What it told people.
    pub stderr: String,
}

impl Ran {
    /// Its result as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The same, if it ended well.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    pub fn well(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Default for Installation {
    fn default() -> Self {
        Self::new()
    }
}

impl Installation {
    /// The host name under which the edge serves the resource.
    pub const HOST: &'static str = "web.localhost";

    /// An empty one. Its path is short: a unix socket's has room for about a hundred bytes.
    ///
    /// # Panics
    /// If the directory can't be made.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = Path::new("/tmp").join(format!("dt-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).expect("the temporary directory can be written");
        Self { root, listen: free_address(), control_plane: None, variables: Vec::new() }
    }

    /// A variable of the environment that the control plane is started with from now on, and it alone.
    pub fn knows(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("s")
    }

    /// A new site in its directory.
    #[must_use]
    pub fn site(&self, name: &str, page: Page) -> Site {
        Site::new(self.root.join(name), page)
    }

    /// A path for whatever else the test needs.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where the edge listens.
    #[must_use]
    pub fn edge(&self) -> SocketAddr {
        self.listen
    }

    // -----------------------------------------------------------------------------------------
    // Commands

    /// A command line for this state directory.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary::command(binary::deploy());
        for name in ["DEPLOY_CONFIG", "DEPLOY_CRASH_AT", "DEPLOY_LOG", "DEPLOY_STATE_DIR"] {
            command.env_remove(name);
        }
        command.env("DEPLOY_EDGE_LISTEN", self.listen.to_string());
        command.args(arguments).arg("--state-dir").arg(self.state()).current_dir(&self.root);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a command and does not wait; [`Running::wait`] does.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn begin(&self, arguments: &[&str]) -> Running {
        let child = self.command(arguments).spawn().expect("the binary can be started");
        let (pid, what) = (child.id(), arguments.join(" "));
        let (done, output) = mpsc::channel();
        // The thread ends with the command.
        std::thread::spawn(move || done.send(child.wait_with_output()));
        Running { pid, what, output }
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it can't be started, or does not end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.begin(arguments).wait()
    }

    /// Deploys a site and gives what the command said.
    #[must_use]
    pub fn up(&self, site: &Site, more: &[&str]) -> Ran {
        self.begin_up(site, more).wait()
    }

    /// Begins to deploy a site.
    #[must_use]
    pub fn begin_up(&self, site: &Site, more: &[&str]) -> Running {
        self.begin(&[&["up", site.argument(), "--resource", RESOURCE, "--json"], more].concat())
    }

    /// Every deployment, newest first.
    #[must_use]
    pub fn deployments(&self) -> Vec<Value> {
        array(&self.run(&["list", "--json", "--limit", "200"]).well().json())
    }

    /// Every release, newest first.
    #[must_use]
    pub fn releases(&self) -> Vec<Value> {
        array(&self.run(&["releases", RESOURCE, "--json"]).well().json())
    }

    /// One request to the edge on a connection of its own.
    ///
    /// # Panics
    /// If it is not answered.
    #[must_use]
    pub fn ask(&self) -> Answer {
        let answer = Connection::once(self.listen, Self::HOST, "/");
        answer.unwrap_or_else(|error| panic!("the edge does not answer: {error}"))
    }

    // -----------------------------------------------------------------------------------------
    // Processes

    /// Starts the control plane, to crash at a moment if one is given.
    ///
    /// # Panics
    /// If it neither answers nor ends.
    pub fn start(&mut self, crash_at: Option<usize>) -> Started {
        let mut command = self.command(&["serve"]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(moment) = crash_at {
            command.env("DEPLOY_CRASH_AT", moment.to_string());
        }
        let log = std::fs::File::options().create(true).append(true).open(self.path("serve.log"));
        let log = log.expect("the test's directory can be written");
        command.stdout(Stdio::null()).stderr(log);
        self.control_plane = Some(command.spawn().expect("the binary can be started"));
        let socket = self.state().join("control.sock");
        wait::until("the control plane to answer", PROCESS, || {
            if self.is_gone() {
                return Some(Started::Gone);
            }
            UnixStream::connect(&socket).is_ok().then_some(Started::Ready)
        })
    }

    /// Whether the control plane that was started has ended.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn is_gone(&mut self) -> bool {
        let Some(child) = self.control_plane.as_mut() else { return true };
        child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Ends the control plane without a word.
    pub fn kill_control_plane(&mut self) {
        if let Some(mut child) = self.control_plane.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // One that a command started in the background.
        self.kill_recorded("serve.lock");
    }

    /// Ends the edge without a word and gives its process id.
    pub fn kill_edge(&mut self) -> Option<u32> {
        self.kill_recorded("edge/edge.json")
    }

    /// The process id in a file of the state directory.
    #[must_use]
    pub fn recorded(&self, file: &str) -> Option<u32> {
        let text = std::fs::read(self.state().join(file)).ok()?;
        let record: Value = serde_json::from_slice(&text).ok()?;
        u32::try_from(record["pid"].as_u64()?).ok()
    }

    fn kill_recorded(&self, file: &str) -> Option<u32> {
        let state = self.state();
        let pid = self.recorded(file).filter(|&pid| processes::belongs_to(pid, &state))?;
        processes::kill(pid);
        wait::until("a killed process to be gone", PROCESS, || (!processes::is_alive(pid)).then_some(pid))
            .into()
    }

    /// Ends everything that runs for it.
    pub fn kill_all(&mut self) {
        self.kill_control_plane();
        self.kill_edge();
    }

    // -----------------------------------------------------------------------------------------
    // Going back

    /// Ends everything and keeps a copy of the state directory.
    ///
    /// # Panics
    /// If it can't be copied.
    pub fn save(&mut self) {
        self.kill_all();
        copy(&self.state(), &self.path("saved"));
    }

    /// Ends everything and goes back to the copy.
    ///
    /// # Panics
    /// If it can't be copied.
    pub fn restore(&mut self) {
        self.kill_all();
        let _ = std::fs::remove_dir_all(self.state());
        copy(&self.path("saved"), &self.state());
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // A panic in here while another one is under way would end the process before it is told.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.kill_all()));
        // Commands that were not waited for, and what builds left behind.
        processes::working_below(&self.root).into_iter().for_each(processes::kill);
        if std::thread::panicking() && std::env::var_os("DEPLOY_TEST_KEEP").is_some() {
            return;
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    what: String,
    output: mpsc::Receiver<std::io::Result<Output>>,
}

impl Running {
    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end; it is ended then.
    #[must_use]
    pub fn wait(self) -> Ran {
        let Ok(output) = self.output.recv_timeout(COMMAND) else {
            processes::kill(self.pid);
            panic!("`deploy {}` did not end within {COMMAND:?}", self.what);
        };
        output.expect("a child's output can be read").into()
    }
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| panic!("not a list: {value}"))
}

/// An address nobody listens on, below the ports that the kernel gives to connections: a connection of
/// this test must not take it while the edge is down.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("less than 10 000");
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let written = "the test's directory can be copied";
    std::fs::create_dir_all(to).expect(written);
    let permissions = std::fs::metadata(from).expect(written).permissions();
    std::fs::set_permissions(to, permissions).expect(written);
    for entry in std::fs::read_dir(from).expect(written) {
        let entry = entry.expect(written);
        let kind = entry.file_type().expect(written);
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).expect(written);
        }
    }
}
