//! `events` and `logs`: with `--json` the envelopes as they are, else one plain line each.

use std::time::{Duration, Instant};

use deploy_core::log::{LogLevel, LogSource};
use serde_json::Value;

use super::Context;
use super::stats::search;
use super::watch::is_away;
use crate::args::{EventsArgs, LogLevelArg, LogSourceArg, LogsArgs};
use crate::exit::{Exit, Failed};
use crate::output::{clean, escaped, result, tell};
use crate::request::Query;

/// How long a control plane that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The wait between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn events(cx: &Context, args: EventsArgs) -> Result<Exit, Failed> {
    let EventsArgs { id, follow, after } = args;
    let path = format!("/api/deployments/{id}/events?follow={follow}");
    Stream { cx, path, line_of: event_line, follow, after }.print().await
}

pub(crate) async fn logs(cx: &Context, args: LogsArgs) -> Result<Exit, Failed> {
    let Some(id) = args.id else {
        // The parser sees to it that there is a text then.
        return search(cx, &args, args.search.as_deref().unwrap_or_default()).await;
    };
    let LogsArgs { follow, after, step, source, level, search, .. } = args;
    let path = Query::new(&format!("/api/deployments/{id}/logs"))
        .with("follow", &follow)
        .maybe("step", step)
        .maybe("source", source.map(|source| word(&source.as_core())))
        .maybe("level", level.map(|level| word(&level.as_core())))
        .maybe("search", search)
        .path();
    Stream { cx, path, line_of: log_line, follow, after }.print().await
}

/// A stream that is printed to its end.
struct Stream<'a> {
    cx: &'a Context,
    path: String,
    line_of: fn(&Value) -> String,
    follow: bool,
    /// The last number that was printed.
    after: u64,
}

/// How one connection ended.
enum Ended {
    /// The stream said that it was complete.
    Complete,
    /// The control plane went away: the story goes on when it is back.
    Away,
}

impl Stream<'_> {
    /// Prints every line once. A follower waits for a control plane that is being started again, and goes
    /// on after the last number it has.
    async fn print(mut self) -> Result<Exit, Failed> {
        let mut last_there: Option<Instant> = None;
        loop {
            let gone = match self.once().await {
                Ok(Ended::Complete) => return Ok(Exit::Done),
                Ok(Ended::Away) => {
                    last_there = Some(Instant::now());
                    broke_off()
                }
                Err(gone) if is_away(&gone) => gone,
                Err(error) => return Err(error),
            };
            match last_there {
                // Who was never there is not waited for.
                None => return Err(gone),
                Some(there) if !self.follow || there.elapsed() > PATIENCE => return Err(broke_off()),
                Some(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Prints what one connection gives.
    async fn once(&mut self) -> Result<Ended, Failed> {
        let mut lines = self.cx.client.lines(&format!("{}&after={}", self.path, self.after)).await?;
        while let Some(line) = lines.next().await {
            let envelope: Value =
                serde_json::from_str(&line).map_err(|error| Failed::internal("read the stream", error))?;
            let kind = envelope["kind"].as_str().unwrap_or_default();
            if self.follow && kind == "closed" && envelope["reason"] == "shutting-down" {
                return Ok(Ended::Away);
            }
            self.show(kind, &line, &envelope);
            if kind == "closed" {
                return Ok(Ended::Complete);
            }
            if kind == "error" {
                return Err(broke_off());
            }
        }
        Ok(Ended::Away)
    }

    fn show(&mut self, kind: &str, line: &str, envelope: &Value) {
        let reached = [&envelope["sequence"], &envelope["to"], &envelope["cursor"]];
        self.after = reached.into_iter().find_map(Value::as_u64).unwrap_or(self.after).max(self.after);
        if self.cx.json {
            result(&escaped(line));
        } else if kind == "event" || kind == "log" {
            result(&(self.line_of)(envelope));
        } else if kind == "error" {
            tell(&format!("the stream ended with {}", clean(&text(envelope, "code"))));
        }
    }
}

fn broke_off() -> Failed {
    let title = "the stream broke off before its end";
    let failed = Failed::new(Exit::Internal, "stream_broke_off", title);
    failed.hint("give the same command again with --after and the last number")
}

fn text(envelope: &Value, field: &str) -> String {
    let value = &envelope[field];
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_null() => String::new(),
        None => value.to_string(),
    }
}

fn event_line(event: &Value) -> String {
    let mut line = format!(
        "{:>4}  {}  {:8}  {}",
        text(event, "sequence"),
        text(event, "at"),
        text(event, "phase"),
        text(event, "type")
    );
    for field in ["step", "doubt", "until"] {
        let value = text(event, field);
        if !value.is_empty() {
            line.push_str(&format!("  {field}={value}"));
        }
    }
    for failure in [&event["failure"], &event["cause"]["failure"], &event["cause"]["cause"]["failure"]] {
        if failure.is_object() {
            line.push_str(&format!("  {}: {}", text(failure, "code"), text(failure, "message")));
        }
    }
    clean(&line)
}

fn log_line(log: &Value) -> String {
    let from = format!("{}/{}", text(log, "source"), text(log, "step"));
    clean(&format!("{}  {:5}  {:22}  {}", text(log, "at"), text(log, "level"), from, text(log, "message")))
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl LogSourceArg {
    const fn as_core(self) -> LogSource {
        match self {
            Self::Build => LogSource::Build,
            Self::Runtime => LogSource::Runtime,
            Self::System => LogSource::System,
        }
    }
}

impl LogLevelArg {
    const fn as_core(self) -> LogLevel {
        match self {
            Self::Debug => LogLevel::Debug,
            Self::Info => LogLevel::Info,
            Self::Warn => LogLevel::Warn,
            Self::Error => LogLevel::Error,
        }
    }
}
