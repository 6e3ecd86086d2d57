//! Where a failure belongs: the phases it can happen in, and the profile field it concerns.

use super::FailureCode;
use crate::lifecycle::PhaseName;

const RUNNING: &[PhaseName] = &[PhaseName::Execute, PhaseName::Verify];
const ON_THE_TARGET: &[PhaseName] = &[PhaseName::Execute, PhaseName::Verify, PhaseName::Rollback];
const ANY: &[PhaseName] =
    &[PhaseName::Detect, PhaseName::Plan, PhaseName::Execute, PhaseName::Verify, PhaseName::Rollback];

impl FailureCode {
    /// The phases it can happen in.
    #[must_use]
    pub const fn phases(self) -> &'static [PhaseName] {
        match self {
            Self::PlanBlocked | Self::BlockedTooLong => &[PhaseName::Detect, PhaseName::Plan],
            Self::ApprovalExpired => &[PhaseName::Plan],
            Self::SourceUnavailable => &[PhaseName::Detect, PhaseName::Execute],
            Self::TargetUnavailable | Self::Cancelled | Self::RecordDamaged | Self::Internal => ANY,
            Self::BuildFailed
            | Self::BuildNotStarted
            | Self::SourceChanged
            | Self::SourceUnsafe
            | Self::PublishDirectoryMissing
            | Self::NothingToPublish
            | Self::TooLarge => &[PhaseName::Execute],
            Self::DiskFull
            | Self::ArtifactMissing
            | Self::StepTimedOut
            | Self::RunTimedOut
            | Self::OutcomeUnknown => RUNNING,
            Self::ImageUnavailable
            | Self::StartRefused
            | Self::SecretMissing
            | Self::NameTaken
            | Self::ServiceChanged => &[PhaseName::Execute],
            Self::Unhealthy
            | Self::ReleaseExited
            | Self::OutOfMemory
            | Self::WrongRelease
            | Self::PageFailed
            | Self::BrowserUnavailable
            | Self::SwitchRefused
            | Self::HostTaken
            | Self::PortUnavailable => &[PhaseName::Verify],
            Self::ProviderAuth
            | Self::AppNotFound
            | Self::ProviderConfig
            | Self::ProviderRefused
            | Self::ProviderCapacity
            | Self::RateLimited
            | Self::ProviderUnavailable => ON_THE_TARGET,
            Self::ReleaseCommandFailed => RUNNING,
            Self::StaleFence | Self::ReplyLost => ON_THE_TARGET,
            Self::UndoFailed => &[PhaseName::Rollback],
        }
    }

    /// The profile field it concerns, as JSON names it, where there is one.
    #[must_use]
    pub const fn profile_field(self) -> Option<&'static str> {
        match self {
            Self::BuildFailed | Self::BuildNotStarted => Some("runtime.build"),
            Self::PublishDirectoryMissing | Self::NothingToPublish => Some("runtime.publishDirectory"),
            Self::StepTimedOut => Some("limits.buildTimeout"),
            Self::RunTimedOut => Some("limits.runTimeout"),
            Self::Unhealthy => Some("health"),
            Self::PageFailed | Self::BrowserUnavailable => Some("health.browser"),
            Self::ReleaseExited => Some("runtime.start"),
            Self::OutOfMemory => Some("limits.memory"),
            Self::ImageUnavailable => Some("runtime.image"),
            Self::SecretMissing => Some("secrets"),
            Self::HostTaken => Some("access.host"),
            Self::PortUnavailable => Some("access.port"),
            Self::AppNotFound => Some("fly.app"),
            Self::ProviderCapacity => Some("fly.primaryRegion"),
            Self::PlanBlocked
            | Self::BlockedTooLong
            | Self::ApprovalExpired
            | Self::SourceUnavailable
            | Self::SourceChanged
            | Self::TargetUnavailable
            | Self::SourceUnsafe
            | Self::TooLarge
            | Self::DiskFull
            | Self::ArtifactMissing
            | Self::StartRefused
            | Self::NameTaken
            | Self::ServiceChanged
            | Self::WrongRelease
            | Self::SwitchRefused
            | Self::StaleFence
            | Self::ReplyLost
            | Self::OutcomeUnknown
            | Self::UndoFailed
            | Self::ProviderAuth
            | Self::ProviderConfig
            | Self::ProviderRefused
            | Self::ReleaseCommandFailed
            | Self::RateLimited
            | Self::ProviderUnavailable
            | Self::Cancelled
            | Self::RecordDamaged
            | Self::Internal => None,
        }
    }
}
