//! `verify`: one health check of something that is already running.

use deploy_core::cancel::Cancel;
use deploy_core::engine::SystemClock;
use deploy_core::health::HealthPolicy;
use deploy_core::port::Clock;
use deploy_core::time::Span;
use deploy_probe::{AddressPolicy, Prober, SystemResolver, check, resolve_and_check};
use serde_json::json;

use super::Context;
use crate::args::VerifyArgs;
use crate::exit::{Exit, Failed};
use crate::output::{clean, json, result, tell};

/// How long resolving, and one attempt, may take.
const TIMEOUT: Span = Span::from_secs(5);

pub(crate) async fn verify(cx: &Context, args: VerifyArgs) -> Result<Exit, Failed> {
    let target = resolve_and_check(&args.url, &AddressPolicy::local(), &SystemResolver, TIMEOUT)
        .await
        .map_err(|error| Failed::usage("url_refused", error.to_string()))?;
    let policy = HealthPolicy {
        path: target.path.clone(),
        interval: Span::from_millis(250),
        timeout: TIMEOUT,
        healthy_after: 1,
        deadline: args.deadline,
        expected_body: args.expected_body,
        ..HealthPolicy::default()
    };
    let clock = || SystemClock.now();
    let checked = check(&Prober::default(), &target, &policy, None, clock, &Cancel::new(), |_| {}).await;
    match checked {
        Ok(passed) => {
            if cx.json {
                json(&json!({ "healthy": true, "url": args.url, "attempts": passed.attempts }));
            } else {
                result(&args.url);
            }
            Ok(Exit::Done)
        }
        Err(failure) => {
            if cx.json {
                json(&json!({ "healthy": false, "url": args.url, "failure": failure }));
            }
            tell(&format!("unhealthy: {} [{}]", clean(&failure.message), failure.code.code()));
            for fact in &failure.evidence {
                tell(&format!("  {}: {}", clean(&fact.file), clean(&fact.fact)));
            }
            Ok(Exit::Unhealthy)
        }
    }
}
