//! What a live release writes, read from its target while somebody looks. Without a script the newest lines; the
//! script goes on from there.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use deploy_core::engine::{EngineError, RuntimeItem, RuntimeTail};
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::log::LogLine;
use maud::{Markup, html};

use super::layout::{Frame, Place};
use super::log::{PAGE, window};
use crate::access::Caller;
use crate::api::Api;
use crate::extract::PathOf;
use crate::problem::Problem;
use crate::stream::place;

/// How long the target is read for the newest lines.
const READING: Duration = Duration::from_secs(3);

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<DeploymentId>,
) -> Result<Response, Problem> {
    let status = api.engine().status(id).await?;
    let _place = place(api.runtime_followers())?;
    let newest = match api.engine().runtime_log(id, Seq(0), false).await? {
        Some(tail) => Some(Newest::of(tail).await?),
        None => None,
    };
    let key = format!("{}@{}", status.resource, status.environment);
    let version = status.release.map(|version| format!(" {version}")).unwrap_or_default();
    let title = format!("What {key}{version} writes");
    let content = html! {
        p.crumbs { a href="/" { "Runs" } " / " a href={ "/resources/" (key) } { (key) } " / " a href={ "/runs/" (id) } { "its run" } }
        h1 #log-title { (title) }
        @match &newest {
            Some(newest) => { (section(id, newest)) }
            None => { p.empty { "This release serves no more. What it wrote while it was checked is in the log of "
                a href={ "/runs/" (id) "?source=runtime#log" } { "its run" } "." } }
        }
    };
    Ok(Frame::of(&caller).page(Place::new(&title), &content))
}

fn section(id: DeploymentId, newest: &Newest) -> Markup {
    let Newest { lines, before, whole } = newest;
    html! {
        section #log.log aria-labelledby="log-title" data-runtime data-after=(before)
            data-logs={ "/api/deployments/" (id) "/logs?source=runtime" } {
            form #filters.filters method="get" {
                label.scripted hidden { "Find" input type="search" name="find" autocomplete="off"; }
                button.quiet type="submit" { "Read again" }
            }
            (window(lines.iter()))
            p.more { span.muted {
                @if lines.is_empty() { "It has written nothing yet." }
                @else if *whole { "The newest " (lines.len()) " lines." }
                @else { "There is more than could be read in " (READING.as_secs()) " seconds: these lines are not the newest." }
            } }
        }
    }
}

/// The newest lines that a target keeps.
struct Newest {
    lines: VecDeque<LogLine>,
    /// The number of the line before them; 0 when there is none.
    before: Seq,
    /// Whether all was read that there was.
    whole: bool,
}

impl Newest {
    async fn of(mut tail: RuntimeTail) -> Result<Self, EngineError> {
        let mut newest = Self { lines: VecDeque::new(), before: Seq(0), whole: false };
        match tokio::time::timeout(READING, newest.read(&mut tail)).await {
            Ok(read) => read.map(|()| Self { whole: true, ..newest }),
            Err(_) => Ok(newest),
        }
    }

    async fn read(&mut self, tail: &mut RuntimeTail) -> Result<(), EngineError> {
        loop {
            match tail.next().await? {
                RuntimeItem::Line(line) => self.lines.push_back(line),
                RuntimeItem::Gap { .. } => {}
                RuntimeItem::CaughtUp | RuntimeItem::Ended => return Ok(()),
            }
            if self.lines.len() > PAGE {
                self.before = self.lines.pop_front().map_or(self.before, |line| line.sequence);
            }
        }
    }
}
