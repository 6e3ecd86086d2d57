//! What going back to a kept release asks for, and which release is meant where none is named.

use super::{Engine, EngineError};
use crate::id::{ResourceKey, Version};
use crate::port::{ReleaseRecord, ReleaseState};
use crate::spec::{Actor, Approval, Profile, Source, Spec, Trigger, default_workspace};

impl Engine {
    /// The specification that goes back: to the release that is named, else to the newest usable one that is older
    /// than what is live. Whether a named one can be used is for its plan to say.
    ///
    /// # Errors
    /// [`EngineError::NothingBefore`], [`EngineError::NeverDeployed`], or the store can't be read.
    pub async fn going_back(
        &self,
        resource: ResourceKey,
        to: Option<Version>,
        actor: Actor,
    ) -> Result<Spec, EngineError> {
        let releases = self.releases(&resource).await?;
        let Some(version) = to.or_else(|| before_the_live_one(&releases)) else {
            let newer = newest_usable(&releases);
            return Err(EngineError::NothingBefore { resource, newer });
        };
        let meant = releases.iter().find(|release| release.version == version).or_else(|| releases.first());
        let Some(target) = meant.map(|release| release.outline.target.clone()) else {
            return Err(EngineError::NeverDeployed(resource));
        };
        Ok(Spec {
            resource,
            target,
            source: Source::Release { version },
            profile: Profile::default(),
            trigger: Trigger::Rollback,
            actor,
            approval: Approval::Automatic,
            workspace: default_workspace(),
            asked: None,
        })
    }
}

/// The newest release that can be gone back to.
fn newest_usable(releases: &[ReleaseRecord]) -> Option<Version> {
    usable(releases).max()
}

/// The newest of them that is older than the live one.
fn before_the_live_one(releases: &[ReleaseRecord]) -> Option<Version> {
    let live = releases.iter().find(|release| release.state == ReleaseState::Live);
    let older = |version: &Version| live.is_none_or(|live| *version < live.version);
    usable(releases).filter(older).max()
}

fn usable(releases: &[ReleaseRecord]) -> impl Iterator<Item = Version> {
    let usable = releases.iter().filter(|release| release.state == ReleaseState::Previous);
    usable.map(|release| release.version)
}
