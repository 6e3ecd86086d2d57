//! What clients send. Unknown fields are refused: a misspelt field must not be ignored.

use deploy_core::asked::Asked;
use deploy_core::id::{DeploymentId, Digest, Name, ResourceKey, Version};
use deploy_core::port::WhenBusy;
use deploy_core::spec::{Actor, Approval, Profile, Source, Spec, Trigger, default_workspace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn production() -> Name {
    "production".parse().expect("a valid name")
}

/// The body of `POST /api/plans`, and the first part of `POST /api/deployments`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// What is deployed.
    pub resource: Name,
    /// In which environment; `production` when absent.
    #[serde(default = "production")]
    pub environment: Name,
    /// The executor.
    pub target: Name,
    /// Where it comes from.
    pub source: Source,
    /// What was fixed explicitly.
    #[serde(default)]
    pub profile: Profile,
    /// How a command line asked for it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl PlanRequest {
    /// The specification it asks for.
    #[must_use]
    pub fn into_spec(self, actor: Actor, approval: Approval) -> Spec {
        Spec {
            resource: ResourceKey { resource: self.resource, environment: self.environment },
            target: self.target,
            source: self.source,
            profile: self.profile,
            trigger: Trigger::Create,
            actor,
            approval,
            workspace: default_workspace(),
            asked: self.asked,
        }
    }
}

/// The body of `POST /api/deployments`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployRequest {
    /// What to deploy.
    pub plan: PlanRequest,
    /// Only this plan: any other is blocked as `plan_changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_fingerprint: Option<Digest>,
    /// What happens while another deployment of the resource is not finished.
    #[serde(default)]
    pub when_busy: WhenBusy,
}

/// The body of `POST /api/resources/{id}/rollback`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackRequest {
    /// The release to go back to; the one before the live one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
    /// What happens while another deployment of the resource is not finished.
    #[serde(default)]
    pub when_busy: WhenBusy,
}

/// The body of `POST /api/deployments/{id}/stop`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopRequest {
    /// Whether the running step is cancelled.
    #[serde(default)]
    pub now: bool,
    /// Whether completed steps are taken back.
    #[serde(default)]
    pub undo: bool,
}

/// The answer to a submission.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// The deployment.
    pub id: DeploymentId,
    /// Whether the same request had been recorded before.
    pub known: bool,
}
