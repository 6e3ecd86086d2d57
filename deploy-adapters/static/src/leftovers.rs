//! Processes that a crashed attempt left running.
//!
//! Every build process carries its deployment's id in its environment, and a child inherits it, so
//! all of them are found again whatever group or session they moved to.

use std::fs;

use deploy_core::id::DeploymentId;
use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks every process of a build.
pub(crate) const MARK: &str = "DEPLOY_DEPLOYMENT";

/// Ends every process that a build of this deployment left, and returns how many there were.
pub(crate) fn end_processes(deployment: DeploymentId) -> usize {
    let mark = format!("{MARK}={deployment}").into_bytes();
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let marked = entries.filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        (pid != own && environment.split(|&byte| byte == 0).any(|variable| variable == mark)).then_some(pid)
    });
    let ended = marked.filter(|&pid| {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // One that ends by itself meanwhile is as good.
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    });
    ended.count()
}
