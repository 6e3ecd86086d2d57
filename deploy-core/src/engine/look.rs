//! A deployment as somebody sees it who may want something of it.

use std::sync::Arc;

use super::error::EngineError;
use super::handle::Engine;
use crate::control::Control;
use crate::deployment::Deployment;
use crate::detect::Detection;
use crate::id::DeploymentId;
use crate::port::StoreError;
use crate::spec::Spec;
use crate::status::Status;

/// A deployment with what can be asked of it, both at the same event.
#[derive(Debug, Clone)]
pub struct View {
    /// Where it is.
    pub status: Status,
    /// What can be asked of it now, and why not.
    pub controls: Vec<Control>,
    /// What was asked for.
    pub spec: Arc<Spec>,
}

impl Engine {
    /// What a source is, and why it can't be read if it can't. Reads only.
    pub async fn inspect(&self, spec: &Spec) -> Detection {
        self.previewer().inspect(spec).await
    }

    /// Folds a deployment's history anew and says what can be asked of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`EngineError::Quarantined`], or the store can't be read.
    pub async fn look(&self, id: DeploymentId) -> Result<View, EngineError> {
        let history = self.history(id).await?;
        if history.is_empty() {
            return Err(StoreError::NotFound.into());
        }
        let deployment = Deployment::replay(&history).map_err(|_| EngineError::Quarantined(id))?;
        let (status, controls) = (deployment.status(), deployment.controls());
        Ok(View { status, controls, spec: Arc::clone(deployment.spec()) })
    }
}
