//! The data plane: whether it answers, and whether it serves what the records say is live.

use deploy_core::hint::CommandLine;
use deploy_core::port::ReleaseRecord;
use deploy_edge::{EdgeClient, Route, Status, control_socket};
use deploy_store_sqlite::Standing;

use super::Check;
use crate::commands::Context;
use crate::output::amount;

const NAME: &str = "edge";

pub(super) async fn edge(cx: &Context, records: Option<&Standing>) -> Check {
    match EdgeClient::new(control_socket(&cx.state.edge())).status().await {
        Ok(status) => answered(&status, records),
        Err(_) if cx.state.owner().is_none() => Check::well(NAME, "not running; `deploy up` starts it"),
        Err(error) => Check::bad(NAME, error.to_string())
            .hint(format!("see {}", cx.state.log("edge").display()))
            .command("start it", "deploy edge"),
    }
}

fn answered(status: &Status, records: Option<&Standing>) -> Check {
    let detail =
        format!("process {} on {}, {}", status.pid, status.address, amount(status.routes.len(), "route"));
    let differences = records.map(|records| differences(&status.routes, records)).unwrap_or_default();
    if status.warnings.is_empty() && differences.is_empty() {
        return Check::well(NAME, detail);
    }
    let warnings = status.warnings.iter().cloned();
    let says = warnings.chain(differences.iter().map(|difference| difference.what.clone()));
    let mut check = Check::bad(NAME, format!("{detail}; {}", says.collect::<Vec<_>>().join("; ")));
    for difference in differences {
        check = check.command(difference.label, difference.command);
    }
    check
}

/// Something in which the route table and the records do not agree.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    what: String,
    label: &'static str,
    command: CommandLine,
}

/// Compares what is served with what is recorded. A resource that is being deployed is passed over: there both
/// are about to change.
fn differences(routes: &[Route], records: &Standing) -> Vec<Difference> {
    let settled = records.live.iter().filter(|release| !records.moving.contains(&release.outline.resource));
    settled.filter_map(|release| difference(routes, release)).collect()
}

fn difference(routes: &[Route], release: &ReleaseRecord) -> Option<Difference> {
    let resource = release.outline.resource.to_string();
    let mut own = routes.iter().filter(|route| route.target == resource).peekable();
    // What a target does not put behind the edge has no route.
    if own.peek().is_none() && release.outline.target.as_str() != "static" {
        return None;
    }
    let serves: Vec<String> = own.map(|route| route.digest.to_string()).collect();
    if serves.iter().any(|digest| digest == release.digest.as_str()) {
        return None;
    }
    let recorded = format!("{resource}: {} is live in the records", release.version);
    let what = match serves.first() {
        None => format!("{recorded}, the edge serves nothing"),
        Some(digest) => format!("{recorded}, the edge serves {digest}"),
    };
    let command = CommandLine::from(["deploy", "show"]).with(release.deployment.to_string());
    Some(Difference {
        what,
        label: "see what was meant to serve, then deploy it again with `deploy retry`",
        command,
    })
}
