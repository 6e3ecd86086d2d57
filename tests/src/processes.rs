//! Looking at processes and ending them, by id and only if they are ours.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Whether a process runs; one that has ended and is only not yet waited for does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name in parentheses may hold anything; the state comes after it.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Whether a process names a directory in its arguments: its id was not given to another one since.
#[must_use]
pub fn belongs_to(pid: u32, directory: &Path) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let directory = directory.as_os_str().as_encoded_bytes();
    arguments.split(|&byte| byte == 0).any(|argument| argument == directory)
}

/// Ends a process at once. One that has ended already is fine.
pub fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Every process that works in a directory or below, or did before it was removed.
#[must_use]
pub fn working_below(directory: &Path) -> Vec<u32> {
    let below =
        |pid: u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(directory));
    all().filter(|&pid| pid != std::process::id() && is_alive(pid) && below(pid)).collect()
}

/// Every process that carries `name=value` in its environment.
#[must_use]
pub fn marked(name: &str, value: &str) -> Vec<u32> {
    let mark = format!("{name}={value}").into_bytes();
    all().filter(|&pid| is_alive(pid) && carries(pid, &mark)).collect()
}

/// What every process was started with.
pub fn arguments() -> impl Iterator<Item = (u32, Vec<u8>)> {
    all().filter_map(|pid| Some((pid, std::fs::read(format!("/proc/{pid}/cmdline")).ok()?)))
}

fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn carries(pid: u32, mark: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|variable| variable == mark)
}
