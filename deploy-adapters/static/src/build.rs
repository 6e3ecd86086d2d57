//! Building: the user's commands, each whole and alone, in a copy of the source.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::plan::{Outline, Output, PlannedCommand};
use deploy_core::port::{Layout, Sources, StepContext};
use deploy_core::step_log::StepLog;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::compile::runs_here;
use crate::leftovers::{MARK, end_processes};
use crate::paths::{Paths, remove_all, write_whole};

/// How long a build that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// The variables a build inherits; everything else is what the profile says.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER"];

/// Lays out the source and runs install and build there.
pub(crate) async fn build(
    paths: &Paths,
    sources: &dyn Sources,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Output, Failure> {
    let workspace = paths.workspace(cx.deployment);
    // An attempt that was cut off may have left processes that still write here.
    end_processes(cx.deployment);
    remove_all(&workspace).map_err(|error| disk(&error, "remove the workspace of an earlier attempt"))?;
    std::fs::create_dir_all(&workspace).map_err(|error| disk(&error, "make a workspace"))?;
    let outline = cx.plan.outline();
    let base =
        sources.checkout(&cx.source, &outline.profile, Layout::Workspace, &workspace, &cx.cancel).await?;
    for command in outline.commands.iter().filter(|command| runs_here(command.kind)) {
        run(command, &base, outline, cx, log).await?;
    }
    let (built, made) = (paths.built(cx.deployment), workspace.clone());
    let recorded = tokio::task::spawn_blocking(move || {
        // What the build made must outlive the power before anything says that it is made.
        rustix::fs::syncfs(std::fs::File::open(made)?)?;
        write_whole(&built, base.to_string_lossy().as_bytes())
    });
    let recorded = recorded.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    recorded.map_err(|error| disk(&error, "record that the build is done"))?;
    Ok(Output::default())
}

async fn run(
    command: &PlannedCommand,
    base: &Path,
    outline: &Outline,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    log.line(LogSource::System, LogLevel::Info, &format!("$ {}", command.command));
    let mut child = shell(&command.command, base, outline, cx).spawn().map_err(|error| {
        Failure::new(
            FailureCode::BuildNotStarted,
            format!("{:?} could not be started: {error}", command.command),
        )
    })?;
    // Asked now: a child that was waited for no longer tells its id, and its group may outlive it.
    let group = Group::of(&child);
    let out = child.stdout.take().map(|out| tokio::spawn(copy_lines(out, log.clone())));
    let err = child.stderr.take().map(|err| tokio::spawn(copy_lines(err, log.clone())));
    let ended = tokio::select! {
        ended = child.wait() => ended,
        () = cx.cancel.cancelled() => {
            stop(&mut child, group).await;
            return Err(Failure::new(FailureCode::Cancelled, format!("{:?} was stopped", command.command)));
        }
    };
    // What the command left in the background ends with it: a build is over when it says so.
    group.end(Signal::KILL);
    for reader in [out, err].into_iter().flatten() {
        let _ = tokio::time::timeout(GRACE, reader).await;
    }
    let status = ended.map_err(|error| Failure::new(FailureCode::BuildFailed, error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(command, status, log)) }
}

/// Reads to the end and writes each line.
async fn copy_lines(mut from: impl AsyncRead + Unpin, log: StepLog) {
    let mut buffer = vec![0; 32 * 1024];
    let mut lines = log.lines();
    let write = |line| log.write(LogSource::Build, LogLevel::Info, line);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        lines.take(&buffer[..read], write);
    }
    lines.finish(write);
}

/// The one place that starts a shell: what the user wrote as a command is handed to it whole and
/// alone, with nothing spliced in.
#[expect(clippy::disallowed_methods, reason = "the named place of this crate")]
fn shell(command: &str, base: &Path, outline: &Outline, cx: &StepContext) -> Command {
    let mut shell = std::process::Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(base).env_clear();
    shell.envs(INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    shell.env("CI", "true").env("TERM", "dumb").envs(&outline.profile.env);
    shell.env(MARK, cx.deployment.to_string());
    let mut shell = Command::from(shell);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    shell
}

/// Asks the group to end, then makes it.
async fn stop(child: &mut Child, group: Group) {
    group.end(Signal::TERM);
    let ended = tokio::time::timeout(GRACE, child.wait()).await;
    group.end(Signal::KILL);
    if ended.is_err() {
        let _ = child.wait().await;
    }
}

/// The process group of a command: the shell that leads it, and everything it started.
#[derive(Clone, Copy)]
struct Group(Option<Pid>);

impl Group {
    fn of(leader: &Child) -> Self {
        Self(leader.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn end(self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone already is as good.
            let _ = kill_process_group(group, signal);
        }
    }
}

fn failed(command: &PlannedCommand, status: ExitStatus, log: &StepLog) -> Failure {
    let how = match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "a signal".to_owned(),
    };
    Failure::new(FailureCode::BuildFailed, format!("{:?} ended with {how}", command.command))
        .because("command", command.command.clone())
        .because("exit", status.to_string())
        .with_tail(log.tail())
}

pub(crate) fn disk(error: &std::io::Error, what: &str) -> Failure {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let code = if full { FailureCode::DiskFull } else { FailureCode::Internal };
    Failure::new(code, format!("could not {what}: {error}"))
}
