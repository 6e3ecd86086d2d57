//! `doctor`: is everything in order? Reads only.

use deploy_edge::{EdgeClient, control_socket};
use deploy_store_sqlite::{CheckReport, Limits, inspect};
use serde::Serialize;

use super::Context;
use crate::exit::{Exit, Failed};
use crate::output::{clean, json, result};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn doctor(cx: &Context) -> Result<Exit, Failed> {
    let checks = vec![state_directory(cx), store(cx), control_plane(cx).await, edge(cx).await, disk(cx)];
    let all_well = checks.iter().all(|check| check.ok);
    if cx.json {
        json(&checks);
    } else {
        for check in &checks {
            let mark = if check.ok { "ok " } else { "BAD" };
            result(&format!("{mark}  {:15}  {}", check.name, clean(&check.detail)));
        }
    }
    Ok(if all_well { Exit::Done } else { Exit::Internal })
}

fn state_directory(cx: &Context) -> Check {
    use std::os::unix::fs::MetadataExt;
    let root = cx.state.root();
    let (ok, detail) = match std::fs::metadata(root) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            (false, format!("{} is open to other users: chmod 700 it", root.display()))
        }
        Ok(_) => (true, root.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (true, format!("{} is not there yet", root.display()))
        }
        Err(error) => (false, format!("{}: {error}", root.display())),
    };
    Check { name: "state directory", ok, detail }
}

fn store(cx: &Context) -> Check {
    let name = "store";
    if !cx.state.store().exists() {
        return Check { name, ok: true, detail: "nothing was deployed yet".to_owned() };
    }
    match inspect(&cx.state.store(), &Limits::default()) {
        Ok(report) => Check { name, ok: report.is_sound(), detail: summary(&report) },
        Err(error) => Check { name, ok: false, detail: error.to_string() },
    }
}

fn summary(report: &CheckReport) -> String {
    let CheckReport { deployments, unfinished, events, database_bytes, sqlite, reserve, .. } = report;
    let size = database_bytes >> 10;
    let mut text = format!(
        "{deployments} deployments ({unfinished} unfinished), {events} events, {size} KiB, SQLite {sqlite}"
    );
    if !reserve {
        text.push_str("; space is short, nothing new is accepted");
    }
    for problem in &report.problems {
        text.push_str(&format!("; {problem:?}"));
    }
    text
}

async fn control_plane(cx: &Context) -> Check {
    let (there, owner) = (cx.client.is_there().await, cx.state.owner());
    let (ok, detail) = match (there, owner) {
        (true, Some(owner)) => (true, format!("running as process {}", owner.pid)),
        (true, None) => (true, "running".to_owned()),
        (false, Some(owner)) => (false, format!("process {} holds the lock but does not answer", owner.pid)),
        (false, None) => (true, "not running; `deploy up` starts it".to_owned()),
    };
    Check { name: "control plane", ok, detail }
}

async fn edge(cx: &Context) -> Check {
    let name = "edge";
    match EdgeClient::new(control_socket(&cx.state.edge())).status().await {
        Ok(status) => {
            let routes = status.routes.len();
            let mut detail = format!("process {} on {}, {routes} routes", status.pid, status.address);
            status.warnings.iter().for_each(|warning| detail.push_str(&format!("; {warning}")));
            Check { name, ok: status.warnings.is_empty(), detail }
        }
        Err(_) if cx.state.owner().is_none() => {
            Check { name, ok: true, detail: "not running; `deploy up` starts it".to_owned() }
        }
        Err(error) => Check { name, ok: false, detail: format!("{error}; `deploy serve` starts it") },
    }
}

fn disk(cx: &Context) -> Check {
    let name = "disk";
    let Some(directory) = cx.state.root().ancestors().find(|directory| directory.is_dir()) else {
        return Check { name, ok: false, detail: "no directory is there".to_owned() };
    };
    match rustix::fs::statvfs(directory) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize) >> 20;
            Check { name, ok: free >= 256, detail: format!("{free} MiB free, {} free files", space.f_favail) }
        }
        Err(error) => Check { name, ok: false, detail: error.to_string() },
    }
}
