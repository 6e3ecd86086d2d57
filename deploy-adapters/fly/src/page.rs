//! Having a browser load the page, and what that says about going back: users meet the release already.

use deploy_browser::Look;
use deploy_core::acceptance::Acceptance;
use deploy_core::auto_rollback::Observed;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::LogLevel;
use deploy_core::time::{Span, Timestamp};
use deploy_probe::{SystemResolver, resolve_and_check};

use crate::executor::Work;
use crate::release::BEGAN;

/// How long resolving the app's name may take.
const RESOLVE: Span = Span::from_secs(10);

/// Once the address answers as the health policy says: whether a browser agrees. Nothing where the plan asks for no
/// look.
pub(crate) async fn agrees(work: &Work<'_>) -> Result<Option<Acceptance>, Failure> {
    match look(work).await {
        None => Ok(None),
        Some(Ok(checked)) => {
            let said = format!("{} {}: {}", checked.name.as_str(), checked.outcome.as_str(), checked.message);
            work.log.system(LogLevel::Info, &said);
            Ok(Some(checked))
        }
        Some(Err(failure)) if failure.code == FailureCode::Cancelled => Err(failure),
        Some(Err(mut failure)) => {
            let page = page(&failure);
            let (status, console_errors) = (page.map(|page| page.0), page.map(|page| page.1));
            let observed =
                Observed { status: status.flatten(), healthy: true, console_errors, elapsed: elapsed(work) };
            failure.observed = Some(Box::new(observed));
            Err(failure)
        }
    }
}

/// Where the address does not answer well: what a browser finds on the console there, because what happens next depends
/// on it.
pub(crate) async fn explains(work: &Work<'_>, mut failure: Failure) -> Failure {
    let Some(observed) = &mut failure.observed else { return failure };
    match look(work).await {
        None => {}
        Some(Ok(checked)) => {
            observed.console_errors = checked.page.as_ref().map(|page| page.console_errors);
            failure.acceptance.push(checked);
        }
        Some(Err(looked)) => {
            observed.console_errors = page(&looked).map(|(_, errors)| errors);
            if observed.console_errors.is_none() {
                let said = "no browser could look at the page: the health policy alone decides";
                work.log.system(LogLevel::Warn, &format!("{said} ({})", looked.message));
            }
            failure.evidence.extend(looked.evidence);
            failure.acceptance.extend(looked.acceptance);
        }
    }
    failure
}

/// The time since users could meet the new release.
pub(crate) fn elapsed(work: &Work<'_>) -> Span {
    let began = work.fact(BEGAN).and_then(|began| began.parse::<Timestamp>().ok());
    began.map_or(Span::ZERO, |began| work.target.clock.now().since(began))
}

/// The status and the errors of the page that a failure shows.
fn page(failure: &Failure) -> Option<(Option<u16>, u32)> {
    let mut pages = failure.acceptance.iter().filter_map(|checked| checked.page.as_ref());
    pages.next().map(|page| (page.status, page.console_errors))
}

async fn look(work: &Work<'_>) -> Option<Result<Acceptance, Failure>> {
    let outline = work.cx.plan.outline();
    let policy = outline.health.policy.browser.as_ref()?;
    let url = work.target.url(outline)?;
    let url = format!("{}{}", url.trim_end_matches('/'), policy.path);
    let addresses = work.target.addresses(outline);
    let target = match resolve_and_check(&url, &addresses, &SystemResolver, RESOLVE).await {
        Ok(target) => target,
        Err(error) => return Some(Err(Failure::new(FailureCode::PageFailed, error.to_string()))),
    };
    let look = Look {
        url,
        target,
        policy,
        others: addresses,
        neighbours: None,
        profile: work.target.paths.workspace(work.cx.deployment).join("browser"),
        hidden: work.log.hidden().clone(),
        cancel: &work.cx.cancel,
    };
    Some(work.target.browser.check(work.cx.deployment, outline, look).await)
}
