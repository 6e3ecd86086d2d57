//! The log of a run. Without a script a few hundred lines at a time; the script shows all of them, of which
//! only those on the screen are in the page.

use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LogLevel, LogLine, LogQuery, LogSource};
use deploy_core::status::Status;
use maud::{Markup, html};
use serde::Deserialize;

use super::form::unless_empty;
use super::text::{clean, time};
use crate::api::Api;
use crate::problem::Problem;

/// Lines on a page without a script.
pub(super) const PAGE: usize = 300;

/// Which lines are wanted. A field that is empty, as forms send it, is absent.
#[derive(Debug, Deserialize)]
pub(super) struct LogFilter {
    #[serde(default, deserialize_with = "unless_empty")]
    step: Option<StepId>,
    #[serde(default, deserialize_with = "unless_empty")]
    source: Option<LogSource>,
    #[serde(default, deserialize_with = "unless_empty")]
    level: Option<LogLevel>,
    after: Option<u64>,
}

impl LogFilter {
    fn query(&self, deployment: DeploymentId) -> LogQuery {
        let (step, source, level) = (self.step.clone(), self.source, self.level);
        let (after, newest) = (Seq(self.after.unwrap_or(0)), self.after.is_none());
        LogQuery { deployment, after, step, source, level, limit: PAGE, newest }
    }

    /// The address of the lines after a number.
    fn at(&self, after: u64) -> String {
        let step = self.step.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = self.source.map_or("", source);
        format!("?step={step}&source={source}&level={}&after={after}#log", self.level.map_or("", level))
    }
}

const fn source(source: LogSource) -> &'static str {
    match source {
        LogSource::Build => "build",
        LogSource::Runtime => "runtime",
        LogSource::System => "system",
    }
}

const fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

/// The lines of a page: those after the number that was asked for, else the last ones.
pub(super) async fn lines(api: &Api, id: DeploymentId, filter: &LogFilter) -> Result<Vec<LogLine>, Problem> {
    Ok(api.engine().logs(&filter.query(id)).await?)
}

/// The section; `writes` says whether what the release writes now can be read, too.
pub(super) fn section(status: &Status, filter: &LogFilter, lines: &[LogLine], writes: bool) -> Markup {
    html! {
        section #log.log aria-labelledby="log-title" data-logs={ "/api/deployments/" (status.id) "/logs" } {
            h2 #log-title { "Log" }
            @if writes { p { a href={ "/runs/" (status.id) "/runtime" } { "What the release writes now" } } }
            (filters(status, filter))
            (window(lines.iter()))
            p.more {
                @if lines.is_empty() { span.muted { "No line yet." } }
                @if let Some(first) = lines.first().filter(|first| first.sequence.0 > 1) {
                    a href=(filter.at(first.sequence.0.saturating_sub(PAGE as u64 + 1))) { "← Older" } " "
                }
                @if let Some(last) = lines.last() { a href=(filter.at(last.sequence.0)) { "Newer →" } }
            }
        }
    }
}

/// The lines, of which the script keeps those in the page that are on the screen.
pub(super) fn window<'a>(lines: impl Iterator<Item = &'a LogLine>) -> Markup {
    html! {
        div #lines.lines role="log" aria-live="off" aria-labelledby="log-title" tabindex="0" {
            ol { @for line in lines { (row(line)) } }
        }
    }
}

fn filters(status: &Status, filter: &LogFilter) -> Markup {
    html! {
        form #filters.filters method="get" action={ "/runs/" (status.id) "#log" } {
            label { "Step" select name="step" {
                option value="" { "All steps" }
                @for step in &status.steps {
                    option value=(step.id) selected[filter.step.as_ref() == Some(&step.id)] { (step.id) }
                }
            } }
            label { "From" select name="source" {
                option value="" { "All sources" }
                @for one in [LogSource::Build, LogSource::Runtime, LogSource::System] {
                    option value=(source(one)) selected[filter.source == Some(one)] { (source(one)) }
                }
            } }
            label { "Level" select name="level" {
                option value="" { "All levels" }
                @for one in [LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
                    option value=(level(one)) selected[filter.level == Some(one)] { (level(one)) " and above" }
                }
            } }
            label.scripted hidden { "Find" input type="search" name="find" autocomplete="off"; }
            button.quiet type="submit" { "Show" }
        }
    }
}

fn row(line: &LogLine) -> Markup {
    html! {
        li #{ "L" (line.sequence) } class=(level(line.level)) {
            span.at { (time(line.at)) } " "
            span.from { (source(line.source)) @if let Some(step) = &line.step { "/" (step) } } " "
            span.level { (level(line.level)) } " "
            span.text { (clean(&line.message)) }
        }
    }
}
