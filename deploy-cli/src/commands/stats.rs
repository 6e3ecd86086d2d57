//! `stats` and searching: looking back over all runs.

use deploy_core::history::Stats;
use deploy_core::log::Found;

use super::Context;
use crate::args::{LogsArgs, StatsArgs};
use crate::exit::{Exit, Failed};
use crate::output::{clean, json, result, tell};
use crate::render::table;
use crate::request::Query;

pub(crate) async fn stats(cx: &Context, args: StatsArgs) -> Result<Exit, Failed> {
    let mut query = Query::new("/api/stats");
    if let Some(key) = args.resource {
        query = query.with("resource", &key.resource).with("environment", &key.environment);
    }
    let query =
        query.maybe("since", args.since.map(|since| since.0)).maybe("until", args.until.map(|until| until.0));
    let stats: Stats = cx.client.get(&query.path()).await?;
    if cx.json {
        json(&stats);
    } else {
        result(table::stats(&stats).trim_end());
    }
    Ok(Exit::Done)
}

/// Lines of all logs that hold a text.
pub(crate) async fn search(cx: &Context, args: &LogsArgs, text: &str) -> Result<Exit, Failed> {
    let mut query = Query::new("/api/logs").with("search", &text);
    if let Some(key) = &args.resource {
        query = query.with("resource", &key.resource).with("environment", &key.environment);
    }
    let found: Found = cx.client.get(&query.path()).await?;
    if cx.json {
        json(&found);
    } else {
        for line in &found.lines {
            let from = format!("{}  {:>6}  {}", line.deployment, line.sequence, line.at);
            result(&clean(&format!("{from}  {}", line.message)));
        }
        if !found.complete {
            tell("there is more than one answer holds: name a deployment, a resource or a longer text");
        }
    }
    Ok(Exit::Done)
}
