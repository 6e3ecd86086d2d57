//! What a look is worth to a deployment.

use deploy_core::acceptance::{Acceptance, AcceptanceName, AcceptanceOutcome};
use deploy_core::browser::{BrowserPolicy, PageSeen};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::DeploymentId;
use deploy_core::plan::Outline;
use deploy_core::port::Compiled;
use deploy_core::reason::{Reason, ReasonCode};

use crate::browser::{Browser, Look};

impl Browser {
    /// Looks once for a deployment, and keeps the picture. Where a kept release comes back, a browser that is gone
    /// meanwhile does not stand in the way: then the check says that nobody looked.
    ///
    /// # Errors
    /// [`FailureCode::PageFailed`] with what was seen, and what [`Browser::look`] says.
    pub async fn check(
        &self,
        deployment: DeploymentId,
        outline: &Outline,
        look: Look<'_>,
    ) -> Result<Acceptance, Failure> {
        if restoring(outline) && self.program().is_none() {
            let message = "there is no Chromium here any more: the page was not looked at";
            return Ok(Acceptance::new(AcceptanceName::Browser, AcceptanceOutcome::SoftPassed, message));
        }
        let policy = look.policy;
        let (mut seen, picture) = self.look(look).await?;
        if let (Some(pictures), Some(png)) = (&self.pictures, picture) {
            // Evidence that can't be kept changes no verdict.
            match pictures.keep(deployment, &png) {
                Ok(screenshot) => seen.screenshot = Some(screenshot),
                Err(error) => tracing::warn!(%deployment, %error, "the picture of the page is not kept"),
            }
        }
        judge(policy, seen)
    }

    /// Adds to a plan what it lacks here: a plan that asks for a browser is blocked where there is none. A kept release
    /// that comes back is only doubtful then.
    pub fn object(&self, outline: &Outline, compiled: &mut Compiled) {
        if outline.health.policy.browser.is_none() || self.program().is_some() {
            return;
        }
        let message = "health.browser asks for a look in a browser, and there is no Chromium on the PATH";
        let reason = Reason::new(ReasonCode::BrowserMissing, message)
            .set("do without", "health.browser.enabled = false")
            .run("install it, on Debian", "apt-get install chromium");
        if restoring(outline) { compiled.warnings.push(reason) } else { compiled.blocked.push(reason) }
    }
}

/// Whether what was seen is what a policy asks for.
///
/// # Errors
/// [`FailureCode::PageFailed`] with what was seen.
pub fn judge(policy: &BrowserPolicy, seen: PageSeen) -> Result<Acceptance, Failure> {
    match seen.objection(policy) {
        None => {
            let message = seen.seen();
            let passed = Acceptance::new(AcceptanceName::Browser, AcceptanceOutcome::Passed, message);
            Ok(passed.shown_by(seen))
        }
        Some(objection) => Err(failed(objection, seen)),
    }
}

fn restoring(outline: &Outline) -> bool {
    outline.source.kind == "release"
}

fn failed(objection: String, seen: PageSeen) -> Failure {
    let mut failure = Failure::new(FailureCode::PageFailed, objection.clone()).because("page", seen.seen());
    for message in &seen.messages {
        failure = failure.because("console", message.as_str());
    }
    if let Some(picture) = &seen.screenshot {
        failure = failure.because("screenshot", format!("{} ({})", picture.file, picture.digest.short()));
    }
    let acceptance = Acceptance::new(AcceptanceName::Browser, AcceptanceOutcome::Failed, objection);
    failure.acceptance.push(acceptance.shown_by(seen));
    failure
}
