//! `doctor`: is everything in order? Reads only, with the control plane up or down. Every finding says what to do.

mod clock;
mod edge;
mod engine;
mod place;
mod store;

use deploy_core::hint::{CommandLine, Remedy};
use deploy_store_sqlite::{Limits, Standing, standing};
use serde::Serialize;

use super::Context;
use crate::exit::{Exit, Failed};
use crate::output::{clean, json, remedy, result};

/// What one look found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    /// What to do about it, best first.
    next: Vec<Remedy>,
}

impl Check {
    fn well(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, detail: detail.into(), next: Vec::new() }
    }

    fn bad(name: &'static str, detail: impl Into<String>) -> Self {
        Self { ok: false, ..Self::well(name, detail) }
    }

    /// What to do by hand.
    fn hint(mut self, label: impl Into<String>) -> Self {
        self.next.push(Remedy::by_hand(label));
        self
    }

    /// What to do by a command.
    fn command(mut self, label: impl Into<String>, command: impl Into<CommandLine>) -> Self {
        self.next.push(Remedy::command(label, command));
        self
    }
}

pub(crate) async fn doctor(cx: &Context) -> Result<Exit, Failed> {
    let records = records(cx);
    let records = records.as_ref();
    let looked = engine::look(cx).await;
    let checks = [
        place::state_directory(cx),
        store::store(cx),
        place::control_plane(cx).await,
        edge::edge(cx, records).await,
        engine::engine(&looked, records),
        engine::releases(&looked),
        clock::clocks(cx, &looked, records).await,
        place::disk(cx),
    ];
    let all_well = checks.iter().all(|check| check.ok);
    if cx.json {
        json(&checks);
    } else {
        checks.iter().for_each(show);
    }
    Ok(if all_well { Exit::Done } else { Exit::Internal })
}

fn show(check: &Check) {
    let mark = if check.ok { "ok " } else { "BAD" };
    result(&format!("{mark}  {:15}  {}", check.name, clean(&check.detail)));
    for next in &check.next {
        result(&format!("     {:15}  next: {}", "", remedy(next)));
    }
}

/// What the records say, where there are any that can be read; the check of the store says why not.
fn records(cx: &Context) -> Option<Standing> {
    standing(&cx.state.store(), &Limits::default()).ok()
}
