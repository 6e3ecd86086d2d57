//! Having a browser load the page of the candidate, under its public name, from where nobody else can reach it.

use std::net::SocketAddr;
use std::path::PathBuf;

use deploy_browser::{Browser, Look};
use deploy_core::acceptance::Acceptance;
use deploy_core::failure::Failure;
use deploy_core::log::LogLevel;
use deploy_core::port::StepContext;
use deploy_core::time::Span;
use deploy_probe::{Address, AddressPolicy, Target};

use crate::check::Candidate;
use deploy_core::step_log::StepLog;

/// What it comes to; nothing where the plan asks for no look.
pub(crate) async fn look(
    browser: &Browser,
    (url, edge): (String, SocketAddr),
    profile: PathBuf,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Option<Acceptance>, Failure> {
    let outline = cx.plan.outline();
    let Some(policy) = &outline.health.policy.browser else { return Ok(None) };
    let target = Target {
        address: Address::Tcp(Candidate::of(cx)?.address),
        host: outline.access.host.clone(),
        path: policy.path.clone(),
        timeout: Span::ZERO,
    };
    let look = Look {
        url: format!("{}{}", url.trim_end_matches('/'), policy.path),
        target,
        policy,
        others: AddressPolicy::public_only(),
        neighbours: Some(edge),
        profile,
        hidden: log.hidden().clone(),
        cancel: &cx.cancel,
    };
    let checked = browser.check(cx.deployment, outline, look).await?;
    let said = format!("{} {}: {}", checked.name.as_str(), checked.outcome.as_str(), checked.message);
    log.system(LogLevel::Info, &said);
    Ok(Some(checked))
}
