//! `verify`: one health check of something that is already running.

mod page;

use deploy_core::cancel::Cancel;
use deploy_core::engine::SystemClock;
use deploy_core::health::HealthPolicy;
use deploy_core::port::Clock;
use deploy_core::time::Span;
use deploy_probe::{
    AddressPolicy, AskingUrl, Paths, Prober, SystemResolver, UrlError, decide, resolve_and_check,
};
use serde_json::json;

use super::Context;
use crate::args::VerifyArgs;
use crate::exit::{Exit, Failed};
use crate::output::{clean, json, result, tell};

/// How long resolving, and one attempt, may take.
const TIMEOUT: Span = Span::from_secs(5);

pub(crate) async fn verify(cx: &Context, args: VerifyArgs) -> Result<Exit, Failed> {
    let (addresses, resolver) = (AddressPolicy::local(), SystemResolver);
    let path = match resolve_and_check(&args.url, &addresses, &resolver, TIMEOUT).await {
        Ok(target) => target.path,
        Err(error @ (UrlError::Invalid { .. } | UrlError::Refused { .. })) => {
            return Err(Failed::usage("url_refused", error.to_string()));
        }
        // A name that does not resolve now is what an outage looks like.
        Err(UrlError::Unresolved { .. }) => path_of(&args.url).to_owned(),
    };
    let paths = if path_of(&args.url).is_empty() { Paths::Cascade } else { Paths::One(path.clone()) };
    let policy = HealthPolicy {
        path,
        interval: Span::from_millis(250),
        timeout: TIMEOUT,
        healthy_after: 1,
        deadline: args.deadline,
        expected_status: args.expected_status,
        expected_body: args.expected_body.clone(),
        first_byte: args.first_byte,
        ..HealthPolicy::default()
    };
    let prober = Prober::default();
    let mut asking = AskingUrl::new(&prober, (&args.url, paths), (&addresses, &resolver), &policy);
    let clock = || SystemClock.now();
    let cancel = Cancel::new();
    let passed = decide(&mut asking, &policy, clock, &cancel, |_| {}).await;
    let looked = match (&passed, args.browser) {
        (Ok(_), true) => Some(page::look(&args, &cancel).await?),
        (Ok(_) | Err(_), _) => None,
    };
    let (passed, page) = match (passed, looked) {
        (Ok(_), Some(Err(failure))) => (Err(failure), None),
        (passed, looked) => (passed, looked.and_then(Result::ok)),
    };
    match passed {
        Ok(passed) => {
            if cx.json {
                let good = asking.answered();
                json(&json!({
                    "healthy": true,
                    "url": args.url,
                    "attempts": passed.attempts,
                    "path": good.map(|good| &good.path),
                    "status": good.map(|good| good.status),
                    "firstByteMs": good.map(|good| good.first_byte.as_millis()),
                    "page": page.and_then(|checked| checked.page),
                }));
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

/// What stands behind the host of a URL.
fn path_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or("", |(_, behind)| behind);
    behind.find(['/', '?']).map_or("", |at| &behind[at..])
}
