//! Ending a deployment whose record is damaged: nobody can say what it did, so a person looks at the target
//! and takes it out of the way of those behind it.

use super::error::EngineError;
use super::handle::Engine;
use crate::deployment::Deployment;
use crate::event::{Cause, Event};
use crate::failure::{Failure, FailureCode};
use crate::hint::{Hint, Remedy};
use crate::id::DeploymentId;
use crate::port::Append;
use crate::reject::Rejection;
use crate::spec::Actor;
use crate::status::{FailureStatus, RunStatus, Status, StatusName, StepStatusName};
use crate::time::Timestamp;
use crate::wire::{Envelope, SCHEMA};

/// The exit code of what needs a person.
const NEEDS_A_PERSON: u8 = 6;

impl Engine {
    /// Ends a deployment whose record can't be folded, as failed; the others of its resource go on then.
    ///
    /// # Errors
    /// [`Rejection::NotDamaged`] when the record is sound, [`Rejection::AlreadyEnded`], and what the store
    /// says: without even a readable status nothing can be recorded.
    pub async fn abandon(&self, id: DeploymentId, by: &Actor) -> Result<Status, EngineError> {
        let before = self.status(id).await?;
        if before.status.is_ended() {
            return Err(Rejection::AlreadyEnded { status: before.status.as_str() }.into());
        }
        let history = self.history(id).await;
        if history.is_ok_and(|history| Deployment::replay(&history).is_ok()) {
            return Err(Rejection::NotDamaged.into());
        }
        let append = ending(before, by, self.inner().previewer.clock().now());
        let status = append.status.clone();
        self.inner().store.append(append).await?;
        self.inner().left_alone().retain(|quarantined| quarantined.id != id);
        self.inner().turnstile.ring();
        Ok(status)
    }
}

/// What ends it: its fence is not known, so the next one takes the resource over.
fn ending(before: Status, by: &Actor, at: Timestamp) -> Append {
    let (code, after) = (FailureCode::RecordDamaged, before.sequence);
    let message = format!("{} ended it: {}", by.0, code.meaning());
    let failure = Failure::new(code, message.clone());
    let phase = before.current_phase;
    let event = Event::Failed { cause: Cause { phase, step: None, failure } };
    let (deployment, sequence) = (before.id, after.next());
    let envelope = Envelope { schema: SCHEMA, deployment, sequence, at, phase, event };
    let hint = "nobody knows what it did: look at the target by hand".to_owned();
    let completed =
        before.steps.iter().filter(|step| step.state == StepStatusName::Completed && !step.undone);
    let status = Status {
        residue: completed.map(|step| step.id.clone()).collect(),
        status: StatusName::Failed,
        run_status: RunStatus::Failed,
        paused: false,
        deferred_reasons: Vec::new(),
        failure: Some(FailureStatus {
            phase,
            step: None,
            code,
            message,
            retryable: code.retryable(),
            profile_field: None,
            evidence: Vec::new(),
            tail: Vec::new(),
            likely: None,
        }),
        recovery_hint: Some(hint.clone()),
        recovery: Some(Hint { hint, next: vec![Remedy::by_hand(code.remedy())] }),
        live_now: None,
        exit_code: Some(NEEDS_A_PERSON),
        sequence,
        updated_at: at,
        ended_at: Some(at),
        ..before
    };
    Append { deployment, after, fence: None, events: vec![envelope], status, release: None }
}
