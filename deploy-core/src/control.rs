//! What somebody may want of a deployment now, and why not: the same judgement that decides commands,
//! asked in advance.

use serde::{Deserialize, Serialize};

use crate::command::{Command, StopMode};
use crate::deployment::Deployment;
use crate::hint::Hint;
use crate::id::Digest;
use crate::lifecycle::Phase;
use crate::reject::Rejection;
use crate::spec::Actor;

/// One thing that can be asked of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ControlName {
    /// Carry out the plan that waits.
    Approve,
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
    /// Skip what remains; what was done stays.
    Stop,
    /// Skip what remains and take back what was done.
    StopAndUndo,
    /// Look at a blocked source again.
    Recheck,
    /// A new attempt at the same.
    Retry,
    /// The same source once more, on purpose.
    Redeploy,
}

impl ControlName {
    /// Every control.
    pub const ALL: [Self; 8] = [
        Self::Approve,
        Self::Pause,
        Self::Resume,
        Self::Stop,
        Self::StopAndUndo,
        Self::Recheck,
        Self::Retry,
        Self::Redeploy,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::StopAndUndo => "stop-and-undo",
            Self::Recheck => "recheck",
            Self::Retry => "retry",
            Self::Redeploy => "redeploy",
        }
    }
}

/// One thing that can be asked of a deployment, and whether it would be refused now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Control {
    /// What.
    pub name: ControlName,
    /// Why it would be refused; absent when it would not.
    pub refused: Option<Refusal>,
}

/// Why something would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The stable code.
    pub code: String,
    /// Why, and what to do instead.
    pub why: Hint,
}

impl Deployment {
    /// Everything that can be asked of it, in a fixed order.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        let refusal = |rejection: Rejection| Refusal {
            code: rejection.code().to_owned(),
            why: rejection.hint(self.id),
        };
        let control = |name| Control { name, refused: self.asked(name).err().map(refusal) };
        ControlName::ALL.map(control).into()
    }

    /// Whether it would be done now.
    fn asked(&self, name: ControlName) -> Result<(), Rejection> {
        let stop = |undo| Command::Stop { mode: StopMode::AfterStep, undo };
        match name {
            ControlName::Approve => {
                let planned = match &self.phase {
                    Phase::Planned(planned) => Some(planned.plan().fingerprint().clone()),
                    Phase::Queued(_)
                    | Phase::Detecting(_)
                    | Phase::Planning(_)
                    | Phase::Blocked(_)
                    | Phase::Executing(_)
                    | Phase::Verifying(_)
                    | Phase::RollingBack(_)
                    | Phase::Ended(_) => None,
                };
                let fingerprint = planned.unwrap_or_else(|| Digest::of(b"no plan waits"));
                self.may(&Command::Approve { fingerprint })
            }
            ControlName::Pause => self.may(&Command::Pause),
            ControlName::Resume => self.may(&Command::Resume),
            ControlName::Stop => self.may(&stop(false)),
            ControlName::StopAndUndo => self.may(&stop(true)),
            ControlName::Recheck => self.may(&Command::Recheck),
            ControlName::Retry | ControlName::Redeploy if self.is_ended() => Ok(()),
            ControlName::Retry | ControlName::Redeploy => Err(Rejection::NotEnded),
        }
    }

    fn may(&self, command: &Command) -> Result<(), Rejection> {
        self.command(command, &Actor(String::new())).map(drop)
    }
}
