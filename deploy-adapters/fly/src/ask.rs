//! What flyctl is asked. An answer that is not whole is one that did not come.

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::redact::Redactor;
use deploy_core::time::Span;
use serde::de::DeserializeOwned;

use crate::app::VERSION;
use crate::argv::{self, Call};
use crate::classify;
use crate::compile::ASK_TIMEOUT;
use crate::executor::Work;
use crate::platform::{self, AppStatus, Checks, Machine, ReleaseEntry};
use crate::run::{End, Flyctl, Watch};

/// One question that is answered in JSON. `app_is_known` says whether the app exists for certain.
pub(crate) async fn ask<T: DeserializeOwned>(
    flyctl: &Flyctl,
    call: &Call,
    watch: &Watch<'_>,
    hidden: &Redactor,
    app_is_known: bool,
) -> Result<T, Failure> {
    let ran = flyctl.ask(call, watch, hidden).await?;
    if ran.end == End::TimedOut {
        let message = format!("{} did not end within {}", call.shown(), watch.timeout);
        return Err(Failure::new(FailureCode::ProviderUnavailable, message));
    }
    if let Some(failure) = classify::failure(&ran, app_is_known) {
        return Err(failure.because("command", call.shown()));
    }
    let unreadable =
        |what| Failure::new(FailureCode::ProviderUnavailable, what).because("command", call.shown());
    platform::read(&ran.answer).map_err(unreadable)
}

impl Work<'_> {
    pub(crate) fn watch(&self, timeout: Span) -> Watch<'_> {
        Watch { deployment: Some(self.cx.deployment), cancel: &self.cx.cancel, timeout, directory: None }
    }

    pub(crate) async fn status(&self) -> Result<AppStatus, Failure> {
        self.ask(&argv::status(self.app)).await
    }

    pub(crate) async fn machines(&self) -> Result<Vec<Machine>, Failure> {
        self.ask(&argv::machines(self.app)).await
    }

    pub(crate) async fn checks(&self) -> Result<Checks, Failure> {
        self.ask(&argv::checks(self.app)).await
    }

    pub(crate) async fn releases(&self) -> Result<Vec<ReleaseEntry>, Failure> {
        self.ask(&argv::releases(self.app)).await
    }

    async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        // Only the first question can find out that there is no such app.
        let known = self.fact(VERSION).is_some();
        ask(&self.flyctl, call, &self.watch(ASK_TIMEOUT), self.log.hidden(), known).await
    }
}
