//! The real clock and real ids.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::id::{DeploymentId, ReleaseId, ResourceId};
use crate::port::{Clock, Ids};
use crate::time::Timestamp;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Version 7 UUIDs: they sort by creation and can't be guessed.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn deployment(&self) -> DeploymentId {
        DeploymentId::new(Uuid::now_v7())
    }

    fn resource(&self) -> ResourceId {
        ResourceId::new(Uuid::now_v7())
    }

    fn release(&self) -> ReleaseId {
        ReleaseId::new(Uuid::now_v7())
    }
}
