//! From a deployment that did not succeed, or waits for somebody, to why, and to what to do about it.

use std::path::Path;

use crate::asked::{self, Flag};
use crate::deployment::{Deployment, Gate};
use crate::diagnosis::{self, Situation};
use crate::event::{Cause, RollbackCause};
use crate::failure::{Failure, FailureCode};
use crate::hint::{CommandLine, Hint, Remedy, direction};
use crate::id::StepId;
use crate::lifecycle::{Blocked, Outcome, Phase, PhaseName, Run, StepRecord, StepState};
use crate::plan::{CommandKind, Outline, Step};
use crate::reason::Reason;
use crate::spec::{LimitsProfile, Source};
use crate::status::FailureStatus;

impl Deployment {
    /// Why it did not succeed, or what it is being taken back for.
    pub(crate) fn failure(&self) -> Option<FailureStatus> {
        if let Some(blocked) = self.blocked() {
            return Some(self.failure_status(&blocked_cause(blocked, self.phase().name())));
        }
        if let Phase::RollingBack(rolling_back) = self.phase() {
            return match rolling_back.cause() {
                RollbackCause::Failed { cause } => Some(self.failure_status(cause)),
                RollbackCause::Stopped | RollbackCause::Superseded { .. } => None,
            };
        }
        match self.outcome()? {
            Outcome::Succeeded => None,
            Outcome::Failed(cause) | Outcome::RolledBack(cause) => Some(self.failure_status(cause)),
            Outcome::Stopped => {
                Some(self.ended_early(format!("the deployment was stopped in phase {}", self.phase().name())))
            }
            Outcome::Superseded { by } => {
                Some(self.ended_early(format!("the newer deployment {by} took over")))
            }
        }
    }

    fn ended_early(&self, message: String) -> FailureStatus {
        let failure = Failure::new(FailureCode::Cancelled, message);
        self.failure_status(&Cause { phase: self.phase().name(), step: None, failure })
    }

    fn failure_status(&self, cause: &Cause) -> FailureStatus {
        let likely = diagnosis::likely(&cause.failure, &self.situation());
        let Failure { code, message, evidence, tail, observed: _, acceptance: _ } = cause.failure.clone();
        FailureStatus {
            phase: cause.phase,
            step: cause.step.clone(),
            code,
            message,
            retryable: code.retryable(),
            profile_field: code.profile_field().map(str::to_owned),
            evidence,
            tail,
            likely,
        }
    }

    /// What the commands of a diagnosis name.
    fn situation(&self) -> Situation {
        let outline = self.phase().run().map(|run| run.plan().outline());
        let limit = self.spec().profile.limits.memory;
        Situation {
            id: self.id(),
            directory: directory(&self.spec().source, outline),
            again: self.again(),
            memory: limit.unwrap_or(LimitsProfile::MEMORY),
        }
    }

    /// What to do now; absent while nothing needs to be done.
    #[must_use]
    pub fn hint(&self) -> Option<Hint> {
        if let Some((step, _)) = self.phase().run().and_then(unknown_step) {
            let what = format!("look at the target, then attest step {} as present or absent", step.id);
            let hint = format!("nobody could read back whether step {} took effect", step.id);
            return Some(Hint { hint, next: vec![Remedy::by_hand(what)] });
        }
        if let Gate::Held { by, .. } = self.gate()
            && !self.is_ended()
        {
            let next = vec![Remedy::command("go on", self.cli("resume"))];
            return Some(Hint { hint: format!("paused by {}", by.0), next });
        }
        match self.phase() {
            Phase::Blocked(blocked) => Some(self.blocked_hint(blocked)),
            Phase::Planned(planned) => {
                let approve = format!("approve the plan {}", planned.plan().fingerprint());
                let next = vec![Remedy::by_hand(approve)];
                Some(Hint { hint: "the plan waits for approval".to_owned(), next })
            }
            Phase::Ended(ended) => self.ended_hint(ended.outcome()),
            Phase::Queued(queued) if !queued.deferred().is_empty() => Some(deferred_hint(queued.deferred())),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_) => None,
        }
    }

    /// A command of the CLI about this deployment.
    fn cli(&self, name: &str) -> CommandLine {
        CommandLine::from(["deploy", name]).with(self.id().to_string())
    }

    /// The command that asks for the same again; what no command line asked for is repeated by its id.
    fn again(&self) -> CommandLine {
        asked::again(self.spec()).unwrap_or_else(|| self.cli("retry"))
    }

    fn ended_hint(&self, outcome: &Outcome) -> Option<Hint> {
        let again = || Remedy::command("deploy again", self.again());
        match outcome {
            Outcome::Succeeded => None,
            Outcome::Failed(cause) | Outcome::RolledBack(cause) => Some(self.failed_hint(cause)),
            Outcome::Stopped => {
                let hint = "stopped on request; completed steps stay".to_owned();
                Some(Hint { hint, next: vec![again()] })
            }
            Outcome::Superseded { by } => {
                let show = CommandLine::from(["deploy", "show"]).with(by.to_string());
                let next = vec![Remedy::command("look at it", show)];
                Some(Hint { hint: "a newer deployment took over".to_owned(), next })
            }
        }
    }

    /// First what mends the likely cause, then where to look, then the way to try again; no command twice.
    fn failed_hint(&self, cause: &Cause) -> Hint {
        let likely = diagnosis::likely(&cause.failure, &self.situation()).map(|diagnosis| diagnosis.next);
        let general = likely.is_none().then(|| Remedy::by_hand(cause.failure.code.remedy()));
        let has_log = cause.phase >= PhaseName::Execute;
        let log = has_log.then(|| Remedy::command("read the log", self.cli("logs")));
        let again = Some(Remedy::command("deploy again", self.again()));
        let mut next: Vec<Remedy> = Vec::new();
        for remedy in [likely, log, general, again].into_iter().flatten() {
            if remedy.command.is_none() || next.iter().all(|said| said.command != remedy.command) {
                next.push(remedy);
            }
        }
        let mut hint = direction(cause.phase).to_owned();
        let residue = self.residue();
        if !residue.is_empty() {
            let steps: Vec<&str> = residue.iter().map(StepId::as_str).collect();
            hint.push_str("; still in place: ");
            hint.push_str(&steps.join(", "));
        }
        Hint { hint, next }
    }

    fn blocked_hint(&self, blocked: &Blocked) -> Hint {
        let mut next: Vec<Remedy> =
            blocked.reasons().iter().filter_map(|reason| reason.fix.first()).cloned().collect();
        // A flag would win over the line that is to be written.
        let written = |flag: &Flag| {
            let key = |line: &String| line.split(' ').next() == Some(flag.key());
            next.iter().any(|remedy| remedy.set.as_ref().is_some_and(key))
        };
        let overruled: Vec<Flag> = Flag::ALL.iter().copied().filter(written).collect();
        let again = asked::again_without(self.spec(), &overruled);
        next.push(match again {
            Some(again) => Remedy::command("deploy again", again),
            None => Remedy::command("look at the source again", self.cli("recheck")),
        });
        Hint { hint: "remove what blocks the plan, then deploy again".to_owned(), next }
    }
}

/// Where the project's own tools work: where its dependencies are installed from. Relative to a checkout where the
/// source is no directory.
fn directory(source: &Source, outline: Option<&Outline>) -> String {
    let install = outline.and_then(|outline| {
        let command = outline.commands.iter().find(|command| command.kind == CommandKind::Install)?;
        let shown = Path::new(command.evidence.as_ref()?.file.as_str()).parent()?;
        shown.to_str().map(str::to_owned)
    });
    let base = || outline.and_then(|outline| outline.source.base_directory.clone());
    let inside = install.or_else(base).unwrap_or_default();
    match source {
        Source::Directory { path } => Path::new(path).join(inside).to_string_lossy().into_owned(),
        Source::Git { .. } | Source::Archive { .. } | Source::Image { .. } | Source::Release { .. } => {
            if inside.is_empty() {
                ".".to_owned()
            } else {
                inside
            }
        }
    }
}

fn unknown_step(run: &Run) -> Option<(&Step, &StepRecord)> {
    run.steps().find(|(_, record)| matches!(record.state, StepState::Unknown { .. }))
}

fn deferred_hint(reasons: &[Reason]) -> Hint {
    let said = |reason: &Reason| match &reason.link {
        Some(link) => format!("{} ({link})", reason.message),
        None => reason.message.clone(),
    };
    let said: Vec<String> = reasons.iter().map(said).collect();
    let next = reasons.iter().filter_map(|reason| reason.fix.first()).cloned().collect();
    Hint { hint: format!("waits: {}", said.join("; ")), next }
}

fn blocked_cause(blocked: &Blocked, phase: PhaseName) -> Cause {
    let reasons = blocked.reasons();
    let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    let mut failure = Failure::new(FailureCode::PlanBlocked, messages.join("; "));
    failure.evidence = reasons.iter().flat_map(|reason| reason.evidence.iter().cloned()).collect();
    Cause { phase, step: None, failure }
}
