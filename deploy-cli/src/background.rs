//! Starting the background processes: the control plane, and through it the data plane.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::exit::Failed;
use crate::output::tell;
use crate::state::State;

/// How long a process may take until it answers.
const START: Duration = Duration::from_secs(20);
/// The command that is the data plane.
pub(crate) const EDGE: &str = "edge";
/// A log larger than this is moved aside when its process starts.
const LOG_BYTES: u64 = 8 * 1024 * 1024;

/// Makes sure that a control plane runs, and says so once if it had to be started.
pub(crate) async fn ensure_control_plane(state: &State, client: &Client) -> Result<(), Failed> {
    if client.is_there().await {
        return Ok(());
    }
    state.create()?;
    let mut child = spawn(state, "serve", Vec::new())?;
    let started = Instant::now();
    while !client.is_there().await {
        let ended =
            child.try_wait().map_err(|error| Failed::internal("look after the control plane", error))?;
        // Another command may have started one at the same time: then ours ends, and that one answers.
        if ended.is_some() && state.owner().is_none() {
            return Err(did_not_start(state, "the control plane ended at once"));
        }
        if started.elapsed() > START {
            return Err(did_not_start(state, "the control plane does not answer"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tell(&format!(
        "started the control plane and the edge in the background (state in {}; `deploy serve --stop` ends them)",
        state.root().display()
    ));
    Ok(())
}

fn did_not_start(state: &State, what: &str) -> Failed {
    let log = state.log("serve");
    match reported(&log) {
        Some(failed) => failed,
        None if is_full(state) => {
            let message = format!("{what}: no space is left for {}", state.root().display());
            Failed::usage("disk_full", message).hint("free disk space, then try again")
        }
        None => Failed::usage("control_plane_not_started", what).hint(format!("see {}", log.display())),
    }
}

/// The last error a process reported in its log, as this program prints errors: a sentence with its
/// code, and what to do.
pub(crate) fn reported(log: &Path) -> Option<Failed> {
    let text = std::fs::read_to_string(log).ok()?;
    let last = text.rfind("error: ")?;
    let mut lines = text[last..].lines();
    let sentence = lines.next()?.strip_prefix("error: ")?;
    let (message, code) = sentence.strip_suffix(']')?.rsplit_once(" [")?;
    let mut failed = Failed::usage(code, message);
    for next in lines.map_while(|line| line.strip_prefix("  next: ")) {
        failed = failed.hint(next);
    }
    Some(failed)
}

/// Whether not even a log could be written.
fn is_full(state: &State) -> bool {
    let space = rustix::fs::statvfs(state.root());
    space.is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < 1024 * 1024)
}

/// Starts this program again as a process of its own, with its output in a log file.
#[expect(clippy::disallowed_methods, reason = "the named place of this crate: our own program, argv as data")]
pub(crate) fn spawn(state: &State, process: &str, more: Vec<String>) -> Result<std::process::Child, Failed> {
    let failed = |error: std::io::Error| Failed::internal("start a background process", error);
    let program = std::env::current_exe().map_err(failed)?;
    let log = open_log(&state.log(process)).map_err(failed)?;
    let mut command = Command::new(program);
    if process == EDGE {
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_for_the_edge(name)));
    }
    command.arg(process).arg("--background").arg("--state-dir").arg(state.root()).args(more);
    command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
    command.spawn().map_err(failed)
}

/// Whether the data plane may know a variable. It serves whoever asks, and has no use for the secrets that the control
/// plane was given.
fn is_for_the_edge(name: &OsStr) -> bool {
    const PLAIN: [&str; 7] = ["HOME", "LANG", "NO_COLOR", "PATH", "RUST_BACKTRACE", "TERM", "TZ"];
    const OURS: [&str; 3] = ["DEPLOY_EDGE_LISTEN", "DEPLOY_LOG", "DEPLOY_STATE_DIR"];
    name.to_str().is_some_and(|name| PLAIN.contains(&name) || OURS.contains(&name))
}

fn open_log(file: &Path) -> std::io::Result<File> {
    if std::fs::metadata(file).is_ok_and(|log| log.len() > LOG_BYTES) {
        std::fs::rename(file, file.with_extension("log.1"))?;
    }
    File::options().create(true).append(true).open(file)
}

/// Leaves the terminal's session, so that neither its end nor its Ctrl-C reaches this process.
pub(crate) fn leave_session() {
    // It fails only for a process that leads a group, which one started by `spawn` never does.
    let _ = rustix::process::setsid();
}
