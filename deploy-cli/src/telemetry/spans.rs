//! A deployment that ended as a trace: one span for all of it, one for each phase, one for each step that ran. The
//! trace has the deployment's own id, and every span the same id each time, so telling it twice changes nothing.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use deploy_core::id::Digest;
use deploy_core::status::{Status, StepStatus, StepStatusName};
use deploy_core::time::Timestamp;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status as Outcome, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// The spans of a deployment.
pub(super) fn spans(status: &Status) -> Vec<SpanData> {
    let trace = Trace { status, id: trace_id(status) };
    let ended = status.ended_at.unwrap_or(status.updated_at);
    let name = format!("deploy {}", status.resource);
    let mut spans = vec![trace.span("", name, (status.created_at, ended), None, whole(status))];
    spans[0].status = outcome(status);
    for timing in &status.phases {
        let (phase, ended) = (timing.phase.to_string(), timing.ended_at.unwrap_or(ended));
        spans.push(trace.span(&phase, phase.clone(), (timing.started_at, ended), Some(""), Vec::new()));
    }
    for step in &status.steps {
        spans.extend(trace.step(step, ended));
    }
    spans
}

struct Trace<'a> {
    status: &'a Status,
    id: TraceId,
}

impl Trace<'_> {
    fn step(&self, step: &StepStatus, ended: Timestamp) -> Option<SpanData> {
        let (begun, phase) = (step.started_at?, step.phase.to_string());
        let attributes = vec![
            KeyValue::new("deploy.step.title", step.title.clone()),
            KeyValue::new("deploy.step.attempts", i64::from(step.attempts)),
            KeyValue::new("deploy.step.undone", step.undone),
        ];
        let times = (begun, step.ended_at.unwrap_or(ended));
        let mut span =
            self.span(&format!("{phase}/{}", step.id), step.id.to_string(), times, Some(&phase), attributes);
        if step.state == StepStatusName::Failed {
            span.status = outcome(self.status);
        }
        Some(span)
    }

    /// A span that is known by a path within its trace.
    fn span(
        &self,
        path: &str,
        name: String,
        (begun, ended): (Timestamp, Timestamp),
        parent: Option<&str>,
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let id = |path: &str| span_id(&format!("{}/{path}", self.status.id));
        SpanData {
            span_context: SpanContext::new(self.id, id(path), TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent.map_or(SpanId::INVALID, id),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: Cow::Owned(name),
            start_time: time(begun),
            end_time: time(ended),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Outcome::Unset,
            instrumentation_scope: InstrumentationScope::builder("deploy").build(),
        }
    }
}

fn whole(status: &Status) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("deploy.id", status.id.to_string()),
        KeyValue::new("deploy.resource", status.resource.to_string()),
        KeyValue::new("deploy.environment", status.environment.to_string()),
        KeyValue::new("deploy.target", status.target.to_string()),
        KeyValue::new("deploy.status", status.status.as_str()),
    ];
    attributes.extend(status.release.map(|release| KeyValue::new("deploy.release", release.to_string())));
    attributes
        .extend(status.failure.iter().map(|failure| KeyValue::new("deploy.failure", failure.code.code())));
    attributes
}

fn outcome(status: &Status) -> Outcome {
    status.failure.as_ref().map_or(Outcome::Ok, |failure| Outcome::error(failure.message.clone()))
}

/// The digits of the deployment's id: whoever knows one finds the other.
fn trace_id(status: &Status) -> TraceId {
    let id = status.id.to_string();
    let digits = id.rsplit('_').next().unwrap_or_default();
    TraceId::from_hex(digits).unwrap_or(TraceId::INVALID)
}

fn span_id(text: &str) -> SpanId {
    let digest = Digest::of(text.as_bytes());
    SpanId::from_hex(digest.hex().get(..16).unwrap_or_default()).unwrap_or(SpanId::INVALID)
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}
