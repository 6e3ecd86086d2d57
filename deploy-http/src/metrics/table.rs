//! The metrics, each with its name, help and labels.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deploy_core::event::Event;
use deploy_core::id::DeploymentId;
use deploy_core::port::Append;
use deploy_core::status::{Status, StatusName};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::edge::EdgeCounters;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Place {
    status: &'static str,
    phase: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ending {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Phase {
    phase: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

/// From a millisecond to about nine minutes.
fn of_runs() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 3.0, 13))
}

/// From 50 microseconds to about three seconds.
fn of_commits() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 3.0, 11))
}

type Durations = Family<Phase, Histogram, fn() -> Histogram>;

/// The metrics. No label names a deployment, a resource or a person, so their number is bounded.
pub(super) struct Table {
    registry: Registry,
    unfinished: Family<Place, Gauge>,
    places: Mutex<HashMap<DeploymentId, Place>>,
    ended: Family<Ending, Counter>,
    phases: Durations,
    queue: Gauge,
    queue_wait: Histogram,
    transitions: Family<Kind, Counter>,
    step_failures: Family<Code, Counter>,
    followers: Family<Kind, Gauge>,
    commits: Histogram,
    requests: Family<Class, Counter>,
    switches: Counter,
    connections: Gauge,
    edge: Mutex<EdgeCounters>,
}

impl Default for Table {
    fn default() -> Self {
        let mut table = Self {
            registry: Registry::with_prefix("deploy"),
            unfinished: Family::default(),
            places: Mutex::default(),
            ended: Family::default(),
            phases: Family::new_with_constructor(of_runs),
            queue: Gauge::default(),
            queue_wait: of_runs(),
            transitions: Family::default(),
            step_failures: Family::default(),
            followers: Family::default(),
            commits: of_commits(),
            requests: Family::default(),
            switches: Counter::default(),
            connections: Gauge::default(),
            edge: Mutex::default(),
        };
        table.register();
        table
    }
}

impl Table {
    #[rustfmt::skip]
    fn register(&mut self) {
        let of = &mut self.registry;
        of.register("deployments", "Unfinished deployments", self.unfinished.clone());
        of.register("deployments_ended", "Deployments that ended", self.ended.clone());
        of.register("phase_duration_seconds", "How long a phase took", self.phases.clone());
        of.register("queue_length", "Deployments that wait for their turn", self.queue.clone());
        of.register("queue_wait_seconds", "From acceptance until the resource was got", self.queue_wait.clone());
        of.register("transitions", "Events that were recorded", self.transitions.clone());
        of.register("step_failures", "Attempts of steps that failed", self.step_failures.clone());
        of.register("stream_followers", "Clients that follow a stream", self.followers.clone());
        of.register("journal_commit_seconds", "Until a write was durable", self.commits.clone());
        of.register("edge_requests", "Requests the edge answered", self.requests.clone());
        of.register("edge_switches", "Route changes the edge accepted", self.switches.clone());
        of.register("edge_open_connections", "Public connections of the edge", self.connections.clone());
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Clients that follow a stream of this kind.
    pub(super) fn followers(&self, kind: &'static str) -> Gauge {
        self.followers.get_or_create(&Kind { kind }).clone()
    }

    pub(super) fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }

    /// Counts what an append made durable.
    pub(super) fn appended(&self, append: &Append) {
        for envelope in &append.events {
            self.transitions.get_or_create(&Kind { kind: envelope.event.name() }).inc();
            if let Event::StepFailed { failure, .. } | Event::StepRetried { failure, .. } = &envelope.event {
                self.step_failures.get_or_create(&Code { code: failure.code.code() }).inc();
            }
            if let Event::Claimed { .. } = &envelope.event {
                let waited = envelope.at.since(append.status.created_at).as_duration();
                self.queue_wait.observe(waited.as_secs_f64());
            }
        }
        self.stands(&append.status);
        if append.status.status.is_ended() {
            self.ended(&append.status);
        }
    }

    fn ended(&self, status: &Status) {
        self.ended.get_or_create(&Ending { status: status.status.as_str() }).inc();
        for timing in &status.phases {
            let took = timing.ended_at.unwrap_or(status.updated_at).since(timing.started_at).as_duration();
            let phase = Phase { phase: word(&timing.phase) };
            self.phases.get_or_create(&phase).observe(took.as_secs_f64());
        }
    }

    /// Counts a deployment where it stands now, and no longer where it stood before.
    pub(super) fn stands(&self, status: &Status) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = places.remove(&status.id) {
            self.unfinished.get_or_create(&before).dec();
        }
        if !status.status.is_ended() {
            let place = Place { status: status.status.as_str(), phase: word(&status.current_phase) };
            self.unfinished.get_or_create(&place).inc();
            places.insert(status.id, place);
        }
        let queued = places.values().filter(|place| place.status == StatusName::Queued.as_str()).count();
        self.queue.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }

    /// An edge that was started again counts from 0 again.
    pub(super) fn edge(&self, now: &EdgeCounters) {
        let mut last = self.edge.lock().unwrap_or_else(PoisonError::into_inner);
        let more = |now: u64, last: u64| if now >= last { now - last } else { now };
        let classes = [
            ("2xx", now.success, last.success),
            ("3xx", now.redirection, last.redirection),
            ("4xx", now.client_error, last.client_error),
            ("5xx", now.server_error, last.server_error),
        ];
        for (class, now, last) in classes {
            self.requests.get_or_create(&Class { class }).inc_by(more(now, last));
        }
        self.switches.inc_by(more(now.switches, last.switches));
        self.connections.set(i64::try_from(now.open_connections).unwrap_or(i64::MAX));
        *last = *now;
    }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_begins_again_is_counted_on() {
        let table = Table::default();
        let at = |success| EdgeCounters { success, ..EdgeCounters::default() };
        table.edge(&at(10));
        table.edge(&at(15));
        table.edge(&at(3));
        let text = table.text();
        assert!(text.contains("deploy_edge_requests_total{class=\"2xx\"} 18"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
