//! The state directory, the disk below it, and the process that holds it.

use deploy_core::hint::CommandLine;

use super::Check;
use crate::commands::Context;

/// Less free space than this, and nothing new may be accepted soon: 256 MiB.
const FREE_MIB: u64 = 256;

pub(super) fn state_directory(cx: &Context) -> Check {
    use std::os::unix::fs::MetadataExt;
    let (name, root) = ("state directory", cx.state.root());
    match std::fs::metadata(root) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            let command = CommandLine::from(["chmod", "700"]).with(root.display().to_string());
            Check::bad(name, format!("{} is open to other users", root.display()))
                .command("close it", command)
        }
        Ok(_) => Check::well(name, root.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::well(name, format!("{} is not there yet", root.display()))
        }
        Err(error) => Check::bad(name, format!("{}: {error}", root.display()))
            .hint("let this user reach it, or give another one with --state-dir"),
    }
}

pub(super) async fn control_plane(cx: &Context) -> Check {
    let name = "control plane";
    match (cx.client.is_there().await, cx.state.owner()) {
        (true, Some(owner)) => Check::well(name, format!("running as process {}", owner.pid)),
        (true, None) => Check::well(name, "running"),
        (false, Some(owner)) => {
            let log = cx.state.log("serve");
            Check::bad(name, format!("process {} holds the lock but does not answer", owner.pid))
                .hint(format!("see {}", log.display()))
                .command("end it", "deploy serve --stop")
        }
        (false, None) => Check::well(name, "not running; `deploy up` starts it"),
    }
}

pub(super) fn disk(cx: &Context) -> Check {
    let name = "disk";
    let Some(directory) = cx.state.root().ancestors().find(|directory| directory.is_dir()) else {
        return Check::bad(name, "no directory is there").hint("give another one with --state-dir");
    };
    match rustix::fs::statvfs(directory) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize) >> 20;
            let detail = format!("{free} MiB free, {} free files", space.f_favail);
            if free >= FREE_MIB {
                return Check::well(name, detail);
            }
            Check::bad(name, format!("{detail}; at least {FREE_MIB} MiB are needed"))
                .hint("free space, or keep fewer releases: `rollback.keep` in deploy.toml")
        }
        Err(error) => Check::bad(name, error.to_string()),
    }
}
