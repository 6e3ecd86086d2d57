//! Whether a work tree has changes that are in no commit.

use std::process::Stdio;
use std::time::Duration;

/// How long git may take to look.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whether there are changes; `None` where git is not there or does not say.
///
/// Only git knows what it calls a change. It gets no shell, none of the repository's hooks or monitors, and nothing
/// of the environment but its path.
pub(crate) async fn changes(directory: &str) -> Option<bool> {
    let mut command = tokio::process::Command::from(git(directory));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output()).await.ok()?.ok()?;
    output.status.success().then_some(!output.stdout.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "git, from an argv built as data")]
fn git(directory: &str) -> std::process::Command {
    let mut command = std::process::Command::new("git");
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks"]);
    command.args(["status", "--porcelain=v1", "--untracked-files=normal", "--", "."]).current_dir(directory);
    command.env_clear().env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
    command
}
