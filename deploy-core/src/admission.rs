//! Who may deploy now: rules as data, and facts that somebody else looked up. Pure: no clock, no file.
//!
//! | rule | says |
//! |---|---|
//! | `plans`, `workspaces` | how much a workspace may have running and waiting at once; see [`Allowance`] |
//! | `workspaces.*.supersede` | of the submissions of one resource that wait, only the newest is deployed |
//! | `workspaces.*.past_due_since` | after the plan's grace nothing new is deployed; what runs goes on |
//! | `freezes` | from when until when nothing is deployed, once or every week, why, and who may all the same |
//! | `disk.floor` | how much space must be free before anything is built |
//!
//! A rollback is never refused: it builds nothing, and it is how people get out of trouble.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Name, ResourceKey};
use crate::reason::{Reason, ReasonCode};
use crate::size::Size;
use crate::spec::{Actor, Trigger, default_workspace};
use crate::time::{Span, Timestamp};

mod window;

pub use window::{Boundary, WeekTime};

/// No limit.
pub const UNLIMITED: u32 = u32::MAX;

/// How much a workspace may have going on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allowance {
    /// Deployments that own their resource at the same time.
    pub concurrent: u32,
    /// Deployments that wait for their turn, or for a policy.
    pub waiting: u32,
}

impl Allowance {
    /// As much as the engine can take.
    pub const UNLIMITED: Self = Self { concurrent: UNLIMITED, waiting: UNLIMITED };
}

/// Somebody wants to deploy.
#[derive(Debug, Clone, Copy)]
pub struct Petition<'a> {
    /// What.
    pub resource: &'a ResourceKey,
    /// For whom it counts.
    pub workspace: &'a Name,
    /// Who.
    pub actor: &'a Actor,
    /// Why.
    pub trigger: &'a Trigger,
    /// When.
    pub at: Timestamp,
}

/// What was looked up for the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Bytes that are free where releases are made; unknown when absent.
    pub free_bytes: Option<u64>,
}

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Why it may not be carried out now. Nothing speaks against it when empty.
    pub blocked: Vec<Reason>,
    /// What somebody should know before.
    pub warnings: Vec<Reason>,
}

impl Verdict {
    /// Nothing speaks against it.
    pub const ALLOW: Self = Self { blocked: Vec::new(), warnings: Vec::new() };

    /// What a rule of your own says when it says no, for people; see also [`Reason::linked`] and
    /// [`Reason::until`].
    #[must_use]
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self { blocked: vec![Reason::new(ReasonCode::PolicyRefused, reason)], warnings: Vec::new() }
    }

    /// Whether it says the same as what was recorded; texts may differ, as they show amounts and times.
    #[must_use]
    pub fn blocks_like(&self, recorded: &[Reason]) -> bool {
        let same = |(a, b): (&Reason, &Reason)| a.code == b.code && a.until == b.until && a.link == b.link;
        self.blocked.len() == recorded.len() && self.blocked.iter().zip(recorded).all(same)
    }

    /// When everything that blocks has ended by itself, where that is known.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.blocked.iter().map(|reason| reason.until).collect();
        ends?.into_iter().max()
    }
}

/// The built-in rules. What is not set limits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rules {
    /// What a workspace may have, by the name of its plan.
    pub plans: BTreeMap<Name, Plan>,
    /// Workspaces by name. What belongs to none of them belongs to `default`.
    pub workspaces: BTreeMap<Name, Workspace>,
    /// Times in which nothing is deployed.
    pub freezes: Vec<Freeze>,
    /// Space that must be free.
    pub disk: Disk,
}

/// What a workspace may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// Deployments that run at the same time; at least 1.
    pub concurrent: u32,
    /// Deployments that wait.
    pub waiting: u32,
    /// How long an invoice may be past due before nothing new is deployed.
    pub grace: Span,
}

impl Default for Plan {
    fn default() -> Self {
        Self { concurrent: UNLIMITED, waiting: UNLIMITED, grace: Span::ZERO }
    }
}

/// Whose resources they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workspace {
    /// Its plan; unlimited when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Name>,
    /// Its resources: `web` in every environment, `web@staging` in that one.
    pub resources: Vec<String>,
    /// Whether of the submissions of one resource that wait only the newest is deployed.
    pub supersede: bool,
    /// Since when an invoice is past due, with the offset of its time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past_due_since: Option<Timestamp>,
    /// Where the account is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A time in which nothing is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Freeze {
    /// Its beginning, with the offset of its time zone: `2026-12-24T18:00:00+01:00`, or every week `Fri 16:00+01:00`.
    pub from: Boundary,
    /// Its end, of the same kind.
    pub until: Boundary,
    /// Why, for people.
    pub reason: String,
    /// Where more about it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Only these environments; all when empty.
    #[serde(default)]
    pub environments: Vec<Name>,
    /// Only these workspaces; all when empty.
    #[serde(default)]
    pub workspaces: Vec<Name>,
    /// Who may deploy all the same, as the history names them.
    #[serde(default, rename = "override")]
    pub may_override: Vec<String>,
}

/// Space that must be free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disk {
    /// With less than this, nothing is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Size>,
}

impl Rules {
    /// What contradicts itself, by the name of the key; the types alone can't say it.
    ///
    /// # Errors
    /// The first contradiction, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        if let Some((name, _)) = self.plans.iter().find(|(_, plan)| plan.concurrent == 0) {
            return Err(format!("plans.{name}.concurrent is 0: nothing would ever run"));
        }
        for (name, workspace) in &self.workspaces {
            if let Some(plan) = workspace.plan.as_ref().filter(|plan| !self.plans.contains_key(*plan)) {
                return Err(format!("workspaces.{name}.plan is {plan}, and plans has none of that name"));
            }
            for resource in &workspace.resources {
                if let Err(error) = resource.parse::<ResourceKey>() {
                    return Err(format!("workspaces.{name}.resources: {error}"));
                }
                let others = self.workspaces.iter().filter(|(other, _)| *other != name);
                if let Some((other, _)) = others.clone().find(|(_, w)| w.resources.contains(resource)) {
                    return Err(format!("{resource} is a resource of both workspaces {name} and {other}"));
                }
            }
        }
        self.freezes.iter().try_for_each(|freeze| window::check(freeze.from, freeze.until))
    }

    /// The workspace of a resource. One that names its environment goes before one that does not.
    #[must_use]
    pub fn workspace(&self, resource: &ResourceKey) -> Name {
        let exact = resource.to_string();
        let of = |text: &str| {
            let found = self.workspaces.iter().find(|(_, known)| known.resources.iter().any(|r| r == text));
            found.map(|(name, _)| name.clone())
        };
        of(&exact).or_else(|| of(resource.resource.as_str())).unwrap_or_else(default_workspace)
    }

    /// How much a workspace may have going on.
    #[must_use]
    pub fn allowance(&self, workspace: &Name) -> Allowance {
        let plan = self.plan_of(workspace);
        plan.map_or(Allowance::UNLIMITED, |plan| Allowance {
            concurrent: plan.concurrent,
            waiting: plan.waiting,
        })
    }

    /// Whether a submission that waits supersedes those of its resource that wait already.
    #[must_use]
    pub fn supersedes(&self, workspace: &Name) -> bool {
        self.workspaces.get(workspace).is_some_and(|workspace| workspace.supersede)
    }

    fn plan_of(&self, workspace: &Name) -> Option<&Plan> {
        self.plans.get(self.workspaces.get(workspace)?.plan.as_ref()?)
    }

    /// What the rules say.
    #[must_use]
    pub fn judge(&self, petition: &Petition<'_>, facts: Facts) -> Verdict {
        let mut verdict = Verdict::ALLOW;
        if *petition.trigger == Trigger::Rollback {
            return verdict;
        }
        self.freezes.iter().for_each(|freeze| freeze.judge(petition, &mut verdict));
        self.standing(petition, &mut verdict);
        if let (Some(floor), Some(free)) = (self.disk.floor, facts.free_bytes)
            && free < floor.bytes()
        {
            let message = format!("less than {floor} of disk space is free");
            verdict.blocked.push(Reason::new(ReasonCode::InsufficientDisk, message));
        }
        verdict
    }

    fn standing(&self, petition: &Petition<'_>, verdict: &mut Verdict) {
        let Some(workspace) = self.workspaces.get(petition.workspace) else { return };
        let Some(since) = workspace.past_due_since.filter(|since| *since <= petition.at) else { return };
        let grace = self.plan_of(petition.workspace).map_or(Span::ZERO, |plan| plan.grace);
        let ends = since.after(grace);
        let name = petition.workspace;
        let reason =
            |message: String| Reason::new(ReasonCode::AccountPastDue, message).linked(workspace.link.clone());
        if petition.at < ends {
            let message = format!(
                "the account of workspace {name} is past due since {since}; nothing new is deployed from {ends} on"
            );
            verdict.warnings.push(reason(message));
        } else {
            let message = format!("the account of workspace {name} is past due since {since}");
            verdict.blocked.push(reason(message));
        }
    }
}

impl Freeze {
    fn judge(&self, petition: &Petition<'_>, verdict: &mut Verdict) {
        let named = |names: &[Name], name: &Name| names.is_empty() || names.contains(name);
        let concerned = named(&self.environments, &petition.resource.environment)
            && named(&self.workspaces, petition.workspace);
        let Some(until) = window::end(self.from, self.until, petition.at).filter(|_| concerned) else {
            return;
        };
        let reason =
            |message| Reason::new(ReasonCode::Frozen, message).linked(self.link.clone()).until(Some(until));
        if self.may_override.contains(&petition.actor.0) {
            let message = format!("{} may deploy although it is frozen: {}", petition.actor.0, self.reason);
            verdict.warnings.push(reason(message));
        } else {
            verdict.blocked.push(reason(format!("frozen until {until}: {}", self.reason)));
        }
    }
}

#[cfg(test)]
mod tests;
