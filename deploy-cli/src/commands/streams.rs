//! `events` and `logs`: with `--json` the envelopes as they are, else one plain line each.

use deploy_core::log::{LogLevel, LogSource};
use serde_json::Value;

use super::Context;
use crate::args::{EventsArgs, LogLevelArg, LogSourceArg, LogsArgs};
use crate::exit::{Exit, Failed};
use crate::output::{clean, escaped, result, tell};

pub(crate) async fn events(cx: &Context, args: EventsArgs) -> Result<Exit, Failed> {
    let path = format!("/api/deployments/{}/events?after={}&follow={}", args.id, args.after, args.follow);
    print(cx, &path, event_line).await
}

pub(crate) async fn logs(cx: &Context, args: LogsArgs) -> Result<Exit, Failed> {
    let mut path = format!("/api/deployments/{}/logs?after={}&follow={}", args.id, args.after, args.follow);
    if let Some(step) = args.step {
        path.push_str(&format!("&step={step}"));
    }
    if let Some(source) = args.source {
        path.push_str(&format!("&source={}", word(&source.as_core())));
    }
    if let Some(level) = args.level {
        path.push_str(&format!("&level={}", word(&level.as_core())));
    }
    print(cx, &path, log_line).await
}

async fn print(cx: &Context, path: &str, line_of: fn(&Value) -> String) -> Result<Exit, Failed> {
    let mut lines = cx.client.lines(path).await?;
    let mut closed = false;
    while let Some(line) = lines.next().await {
        let envelope: Value =
            serde_json::from_str(&line).map_err(|error| Failed::internal("read the stream", error))?;
        let kind = envelope["kind"].as_str().unwrap_or_default();
        closed |= kind == "closed";
        if cx.json {
            result(&escaped(&line));
        } else if kind == "event" || kind == "log" {
            result(&line_of(&envelope));
        } else if kind == "error" {
            tell(&format!("the stream ended with {}", clean(&text(&envelope, "code"))));
        }
    }
    if closed {
        Ok(Exit::Done)
    } else {
        let broke_off =
            Failed::new(Exit::Internal, "stream_broke_off", "the stream broke off before its end");
        Err(broke_off.hint("give the same command again with --after and the last number"))
    }
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
