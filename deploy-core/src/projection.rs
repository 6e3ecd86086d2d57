//! From a deployment to what people and programs see: status words, exit codes, releases.

use crate::acceptance::Acceptance;
use crate::deployment::{Deployment, Gate};
use crate::id::ReleaseId;
use crate::lifecycle::{Blocked, Outcome, Phase, Run, StepRecord, StepState, UndoState};
use crate::plan::{SourceSummary, Step};
use crate::port::{ReleaseChange, ReleaseRecord, ReleaseState};
use crate::reason::Reason;
use crate::spec::Trigger;
use crate::status::{LiveNow, PhaseTiming, RunStatus, Status, StatusName, StepStatus, StepStatusName};

impl Deployment {
    /// What people and programs see of this state.
    #[must_use]
    pub fn status(&self) -> Status {
        let run = self.phase.run();
        let failure = self.failure();
        let recovery = self.hint();
        let ended = self.is_ended();
        Status {
            id: self.id,
            resource_id: self.resource_id,
            resource: self.spec.resource.resource.clone(),
            environment: self.spec.resource.environment.clone(),
            workspace: self.spec.workspace.clone(),
            target: self.spec.target.clone(),
            trigger: self.spec.trigger.clone(),
            actor: self.spec.actor.clone(),
            status: self.status_name(),
            run_status: self.run_status(),
            current_phase: self.phase.name(),
            paused: self.is_held() && !ended,
            source_summary: self.source_summary(),
            plan_fingerprint: self.plan_fingerprint(),
            steps: run.map(step_statuses).unwrap_or_default(),
            blocked_reasons: self.blocked().map(|blocked| blocked.reasons().to_vec()).unwrap_or_default(),
            deferred_reasons: self.deferred().to_vec(),
            failure,
            recovery_hint: recovery.as_ref().map(|recovery| recovery.hint.clone()),
            recovery,
            residue: self.residue(),
            live_now: self.live_now(),
            acceptance: run.map(acceptance).unwrap_or_default(),
            release: matches!(self.outcome(), Some(Outcome::Succeeded))
                .then(|| run.map(Run::version))
                .flatten(),
            digest: run.and_then(Run::digest).cloned(),
            exit_code: self.exit_code(),
            sequence: self.seq,
            created_at: self.created_at,
            started_at: self.started_at,
            updated_at: self.updated_at,
            ended_at: ended.then_some(self.updated_at),
            phases: self.phase_timings(),
        }
    }

    /// Why a policy does not let it go on yet.
    #[must_use]
    pub fn deferred(&self) -> &[Reason] {
        match &self.phase {
            Phase::Queued(queued) => queued.deferred(),
            Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Blocked(_)
            | Phase::Planned(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_)
            | Phase::Ended(_) => &[],
        }
    }

    fn status_name(&self) -> StatusName {
        match &self.phase {
            Phase::Queued(_) => StatusName::Queued,
            Phase::Detecting(_) => StatusName::Detecting,
            Phase::Planning(_) => StatusName::Planning,
            Phase::Blocked(_) => StatusName::Blocked,
            Phase::Planned(_) => StatusName::Planned,
            Phase::Executing(_) => StatusName::Executing,
            Phase::Verifying(_) => StatusName::Verifying,
            Phase::RollingBack(_) => StatusName::RollingBack,
            Phase::Ended(ended) => ended.status(),
        }
    }

    fn run_status(&self) -> RunStatus {
        let name = self.status_name();
        if !name.is_ended() && matches!(self.gate, Gate::Held { .. }) {
            return RunStatus::Paused;
        }
        match name {
            StatusName::Queued => RunStatus::Started,
            StatusName::Detecting
            | StatusName::Planning
            | StatusName::Planned
            | StatusName::Executing
            | StatusName::Verifying
            | StatusName::RollingBack => RunStatus::InProgress,
            StatusName::Succeeded => RunStatus::Completed,
            StatusName::Blocked | StatusName::Failed | StatusName::RolledBack => RunStatus::Failed,
            StatusName::Stopped | StatusName::Superseded => RunStatus::Stopped,
        }
    }

    /// The exit code of contract.md, once the deployment rests.
    fn exit_code(&self) -> Option<u8> {
        match &self.phase {
            Phase::Ended(ended) => Some(ended.exit_code()),
            Phase::Blocked(_) => Some(4),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Planned(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_) => None,
        }
    }

    pub(crate) const fn blocked(&self) -> Option<&Blocked> {
        match &self.phase {
            Phase::Blocked(blocked) => Some(blocked),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Planned(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_)
            | Phase::Ended(_) => None,
        }
    }

    fn source_summary(&self) -> SourceSummary {
        let planned = match &self.phase {
            Phase::Planned(planned) => Some(planned.plan().outline()),
            Phase::Blocked(blocked) => Some(blocked.plan().outline()),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_)
            | Phase::Ended(_) => self.phase.run().map(|run| run.plan().outline()),
        };
        planned.map_or_else(|| SourceSummary::of(&self.spec), |outline| outline.source.clone())
    }

    fn plan_fingerprint(&self) -> Option<crate::id::Digest> {
        if let Phase::Planned(planned) = &self.phase {
            return Some(planned.plan().fingerprint().clone());
        }
        let blocked = self.blocked().map(|blocked| blocked.plan().fingerprint());
        blocked.or_else(|| self.phase.run().map(|run| run.plan().fingerprint())).cloned()
    }

    fn live_now(&self) -> Option<LiveNow> {
        let live = match self.phase.run() {
            Some(run) => run.live_now().ok().flatten(),
            None => self.live_before().cloned(),
        };
        live.map(|live| LiveNow { release: live.release, url: live.url })
    }

    pub(crate) fn residue(&self) -> Vec<crate::id::StepId> {
        match self.outcome() {
            None | Some(Outcome::Succeeded) => Vec::new(),
            Some(
                Outcome::Failed(_) | Outcome::RolledBack(_) | Outcome::Stopped | Outcome::Superseded { .. },
            ) => self.phase.run().map(|run| run.residue().cloned().collect()).unwrap_or_default(),
        }
    }

    fn phase_timings(&self) -> Vec<PhaseTiming> {
        let ends = self.marks.iter().skip(1).map(|(_, at)| Some(*at));
        let last = self.is_ended().then_some(self.updated_at);
        let timing = |(&(phase, started_at), ended_at)| PhaseTiming { phase, started_at, ended_at };
        self.marks.iter().zip(ends.chain(std::iter::once(last))).map(timing).collect()
    }

    // -----------------------------------------------------------------------------------------
    // Releases

    /// What this ending changes about releases; `id` is used if a new one is recorded.
    ///
    /// A release whose traffic could not be taken back is recorded as live: retention must never
    /// touch what may be serving.
    #[must_use]
    pub fn release_change(&self, id: ReleaseId) -> Option<ReleaseChange> {
        let Phase::Ended(ended) = &self.phase else { return None };
        let run = ended.run()?;
        let digest = run.digest()?.clone();
        let serves_now = match run.live_now() {
            Ok(live) => live.is_some_and(|live| live.release == run.version() && live.digest == digest),
            Err(_) => true,
        };
        let restoring = self.spec.trigger == Trigger::Rollback;
        let record = |state| {
            let url = run.outputs().rev().find_map(|(_, output)| output.url.clone());
            let outline = run.plan().outline().clone();
            Box::new(ReleaseRecord {
                id,
                version: run.version(),
                state,
                digest: digest.clone(),
                url: url.or_else(|| outline.access.url.clone()).unwrap_or_default(),
                deployment: self.id,
                created_at: self.updated_at,
                verified: matches!(ended.outcome(), Outcome::Succeeded),
                outline,
            })
        };
        match (serves_now, restoring) {
            (true, true) => Some(ReleaseChange::Restored(run.version())),
            (true, false) => Some(ReleaseChange::Made(record(ReleaseState::Live))),
            (false, true) => None,
            (false, false) => Some(ReleaseChange::Failed(record(ReleaseState::Failed))),
        }
    }
}

/// The acceptance checks that the steps settled, in order.
fn acceptance(run: &Run) -> Vec<Acceptance> {
    let settled = run.steps().filter_map(|(_, record)| match &record.state {
        StepState::Done { output, .. } => Some(&output.acceptance),
        StepState::Failed { failure } => Some(&failure.acceptance),
        StepState::Pending
        | StepState::Running { .. }
        | StepState::InDoubt { .. }
        | StepState::Waiting { .. }
        | StepState::Unknown { .. }
        | StepState::Skipped => None,
    });
    settled.flatten().cloned().collect()
}

fn step_statuses(run: &Run) -> Vec<StepStatus> {
    let one = |(step, record): (&Step, &StepRecord)| StepStatus {
        id: step.id.clone(),
        phase: step.phase,
        title: step.title.clone(),
        state: match record.state {
            StepState::Pending => StepStatusName::Pending,
            StepState::Running { .. }
            | StepState::InDoubt { .. }
            | StepState::Waiting { .. }
            | StepState::Unknown { .. } => StepStatusName::Running,
            StepState::Done { .. } => StepStatusName::Completed,
            StepState::Failed { .. } => StepStatusName::Failed,
            StepState::Skipped => StepStatusName::Skipped,
        },
        undone: record.undo == UndoState::Undone,
        attempts: record.attempts,
        started_at: record.started_at,
        ended_at: record.ended_at,
    };
    run.steps().map(one).collect()
}
