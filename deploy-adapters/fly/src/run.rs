//! Running flyctl: from an argv that is data, in a process group of its own, with a bound on its time and its output.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode, HEARD_LINES};
use deploy_core::id::DeploymentId;
use deploy_core::lines::Lines;
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::redact::CleanLine;
use deploy_core::redact::Redactor;
use deploy_core::step_log::StepLog;
use deploy_core::time::Span;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::argv::Call;
use crate::executor::Environment;

/// How long flyctl may take to tell the platform that it was stopped, before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// The most bytes of an answer in JSON: far more than 1000 machines.
const ANSWER_BYTES: u64 = 16 * 1024 * 1024;
/// What flyctl inherits, beside every variable that begins with `FLY`. Secrets of anything else are none of its business.
const INHERITED: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// The variable that marks every process of a deployment.
const MARK: &str = "DEPLOY_DEPLOYMENT";
/// The variable that marks the others, by the process that started them.
const READER: &str = "DEPLOY_READER";

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With this code; absent where a signal ended it.
    Exited(Option<i32>),
    /// It was asked to stop.
    Stopped,
    /// It took too long.
    TimedOut,
}

/// What a call left.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) end: End,
    /// What it wrote to its standard output, where that was asked for.
    pub(crate) answer: Vec<u8>,
    /// The last lines it wrote to its standard error.
    pub(crate) said: Vec<String>,
}

/// The program, and what it runs with.
#[derive(Debug, Clone)]
pub(crate) struct Flyctl {
    program: PathBuf,
    environment: Environment,
    /// What its readers carry: who reads, and for which installation.
    reader: OsString,
}

/// What one call runs under.
pub(crate) struct Watch<'a> {
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) cancel: &'a Cancel,
    pub(crate) timeout: Span,
    pub(crate) directory: Option<&'a Path>,
}

impl Flyctl {
    /// The program with what it inherits of an environment.
    pub(crate) fn new(program: PathBuf, environment: &Environment, work: &Path) -> Self {
        let wanted = |name: &OsString| {
            name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("FLY"))
        };
        let inherited = environment.iter().filter(|(name, _)| wanted(name));
        let environment = inherited.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut reader = OsString::from(format!("{}:", std::process::id()));
        reader.push(work);
        Self { program, environment, reader }
    }

    /// The same without the region that flyctl would keep to: fly sets it where this process runs on fly itself.
    pub(crate) fn in_every_region(mut self) -> Self {
        self.environment.remove(OsStr::new("FLY_REGION"));
        self
    }

    /// Asks for an answer in JSON. Nothing of it is logged.
    pub(crate) async fn ask(
        &self,
        call: &Call,
        watch: &Watch<'_>,
        hidden: &Redactor,
    ) -> Result<Ran, Failure> {
        let mut child = self.start(call, watch)?;
        let out = child.stdout.take().map(|out| tokio::spawn(read_all(out)));
        let lines = Lines::new(hidden.clone());
        let err = child.stderr.take().map(|err| {
            tokio::spawn(async move {
                let mut said = VecDeque::new();
                read_lines(err, lines, |line| remember(&mut said, line)).await;
                said
            })
        });
        let end = wait(&mut child, watch).await;
        let answer = ended(out).await.unwrap_or_default();
        let said = ended(err).await.unwrap_or_default().into();
        Ok(Ran { end, answer, said })
    }

    /// Runs it with both its streams in the log: what it writes to its standard output is the build's.
    pub(crate) async fn stream(&self, call: &Call, watch: &Watch<'_>, log: &StepLog) -> Result<Ran, Failure> {
        log.system(LogLevel::Info, &format!("$ {}", call.shown()));
        let mut child = self.start(call, watch)?;
        let told = log.clone();
        let out = child.stdout.take().map(|out| {
            tokio::spawn(async move {
                read_lines(out, told.lines(), |line| told.write(LogSource::Build, LogLevel::Info, line))
                    .await;
            })
        });
        let told = log.clone();
        let err = child.stderr.take().map(|err| {
            tokio::spawn(async move {
                let mut said = VecDeque::new();
                let line = |line: CleanLine| {
                    told.write(LogSource::Build, LogLevel::Warn, line.clone());
                    remember(&mut said, line);
                };
                read_lines(err, told.lines(), line).await;
                said
            })
        });
        let end = wait(&mut child, watch).await;
        ended(out).await;
        let said = ended(err).await.unwrap_or_default().into();
        Ok(Ran { end, answer: Vec::new(), said })
    }

    /// The one place that starts a program: flyctl, with these words and nothing else.
    #[expect(clippy::disallowed_methods, reason = "the named place of this crate")]
    fn start(&self, call: &Call, watch: &Watch<'_>) -> Result<Child, Failure> {
        let mut command = std::process::Command::new(&self.program);
        command.args(&call.arguments).env_clear().envs(&self.environment);
        command.env("NO_COLOR", "1").env("FLY_NO_UPDATE_CHECK", "1");
        match watch.deployment {
            Some(deployment) => command.env(MARK, deployment.to_string()),
            None => command.env(READER, &self.reader),
        };
        if let Some(directory) = watch.directory {
            command.current_dir(directory);
        }
        let mut command = Command::from(command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(|error| {
            let message = format!("{} could not be started: {error}", self.program.display());
            Failure::new(FailureCode::BuildNotStarted, message)
        })
    }
}

/// Reads to the end and gives every line.
async fn read_lines(mut from: impl AsyncRead + Unpin, mut lines: Lines, mut line: impl FnMut(CleanLine)) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        lines.take(&buffer[..read], &mut line);
    }
    lines.finish(line);
}

fn remember(said: &mut VecDeque<String>, line: CleanLine) {
    said.push_back(line.into());
    if said.len() > HEARD_LINES {
        said.pop_front();
    }
}

/// The process group of a call. However the call is let go, everything in it ends.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn tell(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone already is as good.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.tell(Signal::KILL);
    }
}

/// Waits for its end, and brings it about when that is asked for or its time is up. What it started ends with it.
async fn wait(child: &mut Child, watch: &Watch<'_>) -> End {
    let group = Group::of(child);
    let end = tokio::select! {
        status = child.wait() => End::Exited(status.ok().and_then(|status| status.code())),
        () = watch.cancel.cancelled() => End::Stopped,
        () = tokio::time::sleep(watch.timeout.as_duration()) => End::TimedOut,
    };
    if matches!(end, End::Stopped | End::TimedOut) {
        group.tell(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, child.wait()).await;
    }
    drop(group);
    let _ = child.wait().await;
    end
}

async fn ended<T>(reader: Option<tokio::task::JoinHandle<T>>) -> Option<T> {
    // A grandchild that left the group could hold a stream open for ever.
    tokio::time::timeout(GRACE, reader?).await.ok()?.ok()
}

async fn read_all(from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut limited = from.take(ANSWER_BYTES);
    // What was read before an error is not JSON, and is refused as such.
    let _ = limited.read_to_end(&mut bytes).await;
    bytes
}

/// Ends what a crashed attempt left running for this deployment.
pub(crate) fn end_leftovers(deployment: DeploymentId) {
    let mark = format!("{MARK}={deployment}").into_bytes();
    end_marked(|variable| variable == mark);
}

/// Ends what a control plane of this installation, which works below `work`, left reading when it went.
pub(crate) fn end_orphans(work: &Path) {
    let reader = format!("{READER}=").into_bytes();
    end_marked(|variable| {
        let mut parts = variable.strip_prefix(&*reader).unwrap_or_default().splitn(2, |&byte| byte == b':');
        let pid = parts.next().and_then(|pid| std::str::from_utf8(pid).ok()).filter(|pid| !pid.is_empty());
        parts.next() == Some(work.as_os_str().as_bytes())
            && pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    });
}

fn end_marked(is_mark: impl Fn(&[u8]) -> bool) {
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    let own = std::process::id();
    // A number means a process only where it was given: in a container there are others.
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let here = namespace(own);
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let marked = environment.split(|&byte| byte == 0).any(&is_mark);
        let ours = pid != own && marked && namespace(pid) == here;
        if let (true, Some(pid)) = (ours, i32::try_from(pid).ok().and_then(Pid::from_raw)) {
            // One that ends by itself meanwhile is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
