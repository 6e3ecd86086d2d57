//! The decider: `decide` reads a state and an input and says what happens; `evolve` folds it.
//!
//! | verb | does |
//! |---|---|
//! | [`Deployment::decide`] | input → events, or a typed refusal. Reads only |
//! | [`Deployment::evolve`] | event → next state. Decides nothing |
//! | [`Deployment::replay`] | a stored history → the state it led to |
//! | [`Deployment::effects`] | the work this state wants running now |
//! | [`Deployment::deadline`] | when this state wants to hear that time has passed |
//! | [`Deployment::status`] | what people and programs see |

use std::sync::Arc;

use crate::command::{Command, Input, Report};
use crate::effect::Effect;
use crate::event::Event;
use crate::id::{DeploymentId, Fence, ResourceId, Seq};
use crate::lifecycle::{Conditions, Folding, Impossible, Outcome, Phase, PhaseName, Queued, Request};
use crate::planted::{self, Bug};
use crate::port::Live;
use crate::reject::{Rejection, ReplayError};
use crate::spec::{Actor, Spec};
use crate::time::Timestamp;
use crate::wire::{Envelope, SCHEMA};

/// Whether new work may start. Orthogonal to the phase.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gate {
    /// It may.
    Open,
    /// Somebody paused the deployment: what runs ends, nothing new starts.
    Held {
        /// Who.
        by: Actor,
        /// Since when.
        since: Timestamp,
    },
}

/// One deployment: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deployment {
    pub(crate) id: DeploymentId,
    pub(crate) resource_id: ResourceId,
    pub(crate) spec: Arc<Spec>,
    pub(crate) seq: Seq,
    pub(crate) fence: Option<Fence>,
    pub(crate) live: Option<Arc<Live>>,
    pub(crate) gate: Gate,
    pub(crate) request: Option<Request>,
    pub(crate) phase: Phase,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
    pub(crate) marks: Vec<(PhaseName, Timestamp)>,
}

/// More follow-ups than any state can have: the bound of the loop in `decide`.
const FOLLOW_UPS: usize = 64;

impl Deployment {
    /// The first event of a deployment.
    #[must_use]
    pub fn accept(id: DeploymentId, resource_id: ResourceId, spec: Arc<Spec>, at: Timestamp) -> Envelope {
        let event = Event::Accepted { spec, resource_id };
        Envelope { schema: SCHEMA, deployment: id, sequence: Seq(1), at, phase: PhaseName::Detect, event }
    }

    /// Folds a stored history.
    ///
    /// # Errors
    /// [`ReplayError`] when it does not begin with an acceptance, has a gap, or holds an event that
    /// can't happen where it stands.
    pub fn replay<'a>(history: impl IntoIterator<Item = &'a Envelope>) -> Result<Self, ReplayError> {
        let mut history = history.into_iter();
        let mut deployment = Self::begin(history.next().ok_or(ReplayError::NoBeginning)?)?;
        for envelope in history {
            deployment = deployment.evolve(envelope)?;
        }
        Ok(deployment)
    }

    fn begin(first: &Envelope) -> Result<Self, ReplayError> {
        let Event::Accepted { spec, resource_id } = &first.event else {
            return Err(ReplayError::NoBeginning);
        };
        if first.sequence != Seq(1) {
            return Err(ReplayError::Gap { last: Seq(0), found: first.sequence });
        }
        Ok(Self {
            id: first.deployment,
            resource_id: *resource_id,
            spec: Arc::clone(spec),
            seq: first.sequence,
            fence: None,
            live: None,
            gate: Gate::Open,
            request: None,
            phase: Phase::Queued(Queued::new()),
            created_at: first.at,
            started_at: None,
            updated_at: first.at,
            marks: vec![(PhaseName::Detect, first.at)],
        })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> DeploymentId {
        self.id
    }

    /// What was asked for.
    #[must_use]
    pub const fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// The number of its last event.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// The fence it holds its resource under.
    #[must_use]
    pub const fn fence(&self) -> Option<Fence> {
        self.fence
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What the records said served when it claimed the resource.
    #[must_use]
    pub fn live_before(&self) -> Option<&Live> {
        self.live.as_deref()
    }

    /// Whether new work may start.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whether nothing will ever change again.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Ended(ended) => Some(ended.outcome()),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Blocked(_)
            | Phase::Planned(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_) => None,
        }
    }

    /// Whether it owns its resource, or must before it goes on.
    #[must_use]
    pub const fn holds_resource(&self) -> bool {
        self.phase.holds_resource()
    }

    pub(crate) const fn is_held(&self) -> bool {
        matches!(self.gate, Gate::Held { .. })
    }

    // -----------------------------------------------------------------------------------------
    // Deciding

    /// What an input leads to: the events, in order, numbered from the last one.
    ///
    /// # Errors
    /// A [`Rejection`] when the state forbids it; nothing has changed then.
    pub fn decide(&self, input: &Input) -> Result<Vec<Envelope>, Rejection> {
        let at = input.at();
        if planted::is(Bug::OrderedByWallClock) && at < self.updated_at {
            return Ok(Vec::new());
        }
        let first = match input {
            Input::Command { command, by, .. } => self.command(command, by)?,
            Input::Report { report, fence, .. } => self.report(report, *fence, at)?,
            Input::Recover { fence, .. } => self.recover(*fence)?,
            Input::Tick { .. } => self.phase.tick(&self.conditions(self.fence, at)),
        };
        Ok(self.with_follow_ups(first, at))
    }

    fn conditions(&self, fence: Option<Fence>, at: Timestamp) -> Conditions<'_> {
        let held = self.is_held() && !planted::is(Bug::PauseIgnored);
        let request = self.request.as_ref().filter(|_| !planted::is(Bug::StopIgnored));
        Conditions { spec: &self.spec, fence, held, request, at }
    }

    fn report(&self, report: &Report, fence: Option<Fence>, at: Timestamp) -> Result<Vec<Event>, Rejection> {
        let claiming = matches!((report, &self.phase), (Report::Claimed { .. }, Phase::Queued(_)));
        if !claiming && fence != self.fence && !planted::is(Bug::StaleFenceAccepted) {
            return Err(Rejection::StaleFence);
        }
        self.phase.report(report, &self.conditions(fence, at))
    }

    fn recover(&self, fence: Option<Fence>) -> Result<Vec<Event>, Rejection> {
        if let Phase::Ended(ended) = &self.phase {
            return Err(Rejection::AlreadyEnded { status: ended.status().as_str() });
        }
        if fence < self.fence {
            return Err(Rejection::StaleFence);
        }
        Ok(vec![Event::Recovered { fence }])
    }

    pub(crate) fn command(&self, command: &Command, by: &Actor) -> Result<Vec<Event>, Rejection> {
        if let Phase::Ended(ended) = &self.phase {
            return Err(Rejection::AlreadyEnded { status: ended.status().as_str() });
        }
        let by = by.clone();
        let event = match command {
            Command::Pause if self.is_held() => return Err(Rejection::AlreadyPaused),
            Command::Pause => Event::Paused { by },
            Command::Resume if self.is_held() => Event::Resumed { by },
            Command::Resume => return Err(Rejection::NotPaused),
            Command::Stop { mode, undo } => {
                self.may_end_early()?;
                match &self.request {
                    Some(Request::Stop { mode: now, undo: undoing, .. })
                        if now >= mode && undoing >= undo =>
                    {
                        return Err(Rejection::AlreadyStopping);
                    }
                    Some(Request::Supersede { .. }) => return Err(Rejection::AlreadyStopping),
                    Some(Request::Stop { .. }) | None => {
                        Event::StopRequested { by, mode: *mode, undo: *undo }
                    }
                }
            }
            Command::Supersede { by } => {
                self.may_end_early()?;
                match &self.request {
                    Some(Request::Supersede { .. }) => return Err(Rejection::AlreadyStopping),
                    Some(Request::Stop { .. }) | None => Event::SupersedeRequested { by: *by },
                }
            }
            Command::Recheck if matches!(self.phase, Phase::Blocked(_)) => Event::Rechecked { by },
            Command::Recheck => return Err(Rejection::NotBlocked),
            Command::Approve { fingerprint } => self.approve(fingerprint, by)?,
            Command::Attest { step, found } => {
                let nothing = || Rejection::NothingToAttest { step: step.clone() };
                self.forward_run().ok_or_else(nothing)?.attested(step, found)?;
                Event::Attested { step: step.clone(), found: found.clone(), by }
            }
        };
        Ok(vec![event])
    }

    fn approve(&self, fingerprint: &crate::id::Digest, by: Actor) -> Result<Event, Rejection> {
        let Phase::Planned(planned) = &self.phase else { return Err(Rejection::NotWaitingForApproval) };
        let waiting = planned.plan().fingerprint();
        if fingerprint == waiting {
            Ok(Event::Approved { by: Some(by) })
        } else {
            Err(Rejection::OtherPlan { waiting: waiting.clone() })
        }
    }

    /// Once traffic moves the run ends by itself, forward or back: never half a route.
    fn may_end_early(&self) -> Result<(), Rejection> {
        let rolling_back = matches!(self.phase, Phase::RollingBack(_));
        let switching = self.phase.run().is_some_and(crate::lifecycle::Run::switch_began);
        if rolling_back || switching { Err(Rejection::PastTheSwitch) } else { Ok(()) }
    }

    fn forward_run(&self) -> Option<&crate::lifecycle::Run> {
        match &self.phase {
            Phase::Executing(executing) => Some(executing.run()),
            Phase::Verifying(verifying) => Some(verifying.run()),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Blocked(_)
            | Phase::Planned(_)
            | Phase::RollingBack(_)
            | Phase::Ended(_) => None,
        }
    }

    /// Numbers the first events and lets everything follow that follows by itself.
    fn with_follow_ups(&self, first: Vec<Event>, at: Timestamp) -> Vec<Envelope> {
        let mut state = self.clone();
        let mut decided = Vec::with_capacity(first.len() + 2);
        let mut queue = first;
        for _ in 0..FOLLOW_UPS {
            for event in queue.drain(..) {
                let mut envelope = state.number(event, at);
                state = state.evolve(&envelope).expect("what a phase decides it can fold: model_test.rs");
                envelope.phase = state.phase.name();
                decided.push(envelope);
            }
            match state.phase.follow_up(&state.conditions(state.fence, at)) {
                Some(event) => queue.push(event),
                None => return decided,
            }
        }
        decided
    }

    fn number(&self, event: Event, at: Timestamp) -> Envelope {
        let phase = self.phase.name();
        Envelope { schema: SCHEMA, deployment: self.id, sequence: self.seq.next(), at, phase, event }
    }

    // -----------------------------------------------------------------------------------------
    // Folding

    /// The state after an event.
    ///
    /// # Errors
    /// [`ReplayError`] when the event is not the next one or can't happen here.
    pub fn evolve(mut self, envelope: &Envelope) -> Result<Self, ReplayError> {
        if envelope.sequence != self.seq.next() {
            return Err(ReplayError::Gap { last: self.seq, found: envelope.sequence });
        }
        let (from, before) = (self.phase.kind(), self.phase.name());
        let seq = envelope.sequence;
        self = self.fold(&envelope.event, envelope.at).map_err(|Impossible| ReplayError::Impossible {
            seq,
            event: envelope.event.name(),
            phase: from.name(),
        })?;
        self.seq = seq;
        self.updated_at = envelope.at;
        let now = self.phase.name();
        // A blocked plan points back at the phase that says no; that is not the phase running again.
        let resting = matches!(self.phase, Phase::Ended(_) | Phase::Blocked(_));
        if now != before && !resting && self.marks.last().is_none_or(|(last, _)| *last != now) {
            self.marks.push((now, envelope.at));
        }
        Ok(self)
    }

    fn fold(mut self, event: &Event, at: Timestamp) -> Result<Self, Impossible> {
        if self.is_ended() {
            return Err(Impossible);
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other event is the phase's own")]
        match event {
            Event::Accepted { .. } => return Err(Impossible),
            Event::Paused { by } => self.gate = Gate::Held { by: by.clone(), since: at },
            Event::Resumed { .. } => self = self.opened(at),
            Event::StopRequested { by, mode, undo } => {
                // Ending a deployment starts nothing, so it need not be resumed first.
                self = self.opened(at);
                self.request = Some(Request::Stop { by: by.clone(), mode: *mode, undo: *undo });
            }
            Event::SupersedeRequested { by } => {
                self = self.opened(at);
                self.request = Some(Request::Supersede { by: *by });
            }
            Event::Recovered { fence } => {
                self.fence = *fence;
                self.phase = self.phase.recovered();
                if planted::is(Bug::StopOnlyInMemory) {
                    self.request = None;
                }
            }
            _ => self = self.fold_in_phase(event, at)?,
        }
        Ok(self)
    }

    fn fold_in_phase(mut self, event: &Event, at: Timestamp) -> Result<Self, Impossible> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "no other event changes what is owned or known to be live"
        )]
        match event {
            Event::Claimed { fence, live } => {
                self.fence = Some(*fence);
                self.live = live.clone().map(Arc::new);
                self.started_at = Some(at);
            }
            Event::Planned { live, .. } | Event::Blocked { live, .. } => {
                self.live = live.clone().map(Arc::new);
            }
            _ => {}
        }
        let folding = Folding { fence: self.fence, live: self.live.clone(), at };
        self.phase = self.phase.evolve(event, &folding)?;
        if !self.phase.holds_resource() {
            self.fence = None;
        }
        Ok(self)
    }

    fn opened(mut self, at: Timestamp) -> Self {
        if let Gate::Held { since, .. } = self.gate {
            self.phase = self.phase.resumed(at.since(since));
        }
        self.gate = Gate::Open;
        self
    }

    // -----------------------------------------------------------------------------------------
    // What the state wants

    /// The work this state wants running now. Effects are a function of the state, never the output
    /// of a transition: a lost message can't lose work and a doubled one can't double it.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let effect = |(kind, attempt, timeout)| Effect {
            deployment: self.id,
            kind,
            attempt,
            fence: self.fence,
            timeout,
        };
        self.phase.wanted(self.is_held()).into_iter().map(effect).collect()
    }

    /// When this state wants an [`Input::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.phase.deadline(self.is_held(), self.request.is_some())
    }
}
