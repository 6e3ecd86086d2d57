//! What a browser saw decides whether a release that users meet already is taken back: the strict rule, row by row.

use deploy_core::auto_rollback::{Verdict, verdict};
use deploy_core::detect::Detection;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::spec::{BrowserProfile, Source};
use deploy_core::time::Span;
use serde_json::json;

use crate::failing::Bench;
use crate::lab::Lab;

const IMAGE: &str = "ghcr.io/acme/web:1";
const BROKEN: &str = "<script>console.error('no basket')</script>";
const WELL: &str = "<h1>well</h1>";

fn has_chromium() -> bool {
    if deploy_browser::Browser::new(None, None).program().is_some() {
        return true;
    }
    let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split_whitespace().any(|name| name == "chromium"), "chromium is missing");
    eprintln!("PASSED OVER: there is no chromium, so nothing is known about pages on fly");
    false
}

/// One deployment of an app that answers so, whose public check begins so long after its rollout.
async fn ends(page: &str, answers: u16, later: Span) -> Option<Failure> {
    let lab = Lab::new().await;
    lab.shows(page);
    lab.plays(&json!({ "deploy": [{ "answers": answers }] }));
    let mut spec = lab.specification(Source::Image { reference: IMAGE.parse().unwrap() });
    spec.profile.health.deadline = Some(Span::from_secs(1));
    let wait = Some(Span::from_millis(200));
    spec.profile.health.browser = Some(BrowserProfile { wait, ..BrowserProfile::default() });
    let mut bench = Bench::new(&lab, spec, &Detection::default());
    let before = |step: &str| {
        if step == "check-public" {
            lab.clock.forward(later);
        }
    };
    let ended = bench.run_with(before).await;
    ended.err().map(|(step, failure)| {
        assert_eq!(step, "check-public", "{failure:?}");
        failure
    })
}

#[tokio::test]
async fn the_strict_rule_row_by_row() {
    if !has_chromium() {
        return;
    }
    let (soon, late) = (Span::ZERO, Span::from_secs(31));
    for (page, answers, later, code, errors, expected) in [
        (BROKEN, 500, late, FailureCode::Unhealthy, 1, Verdict::Trigger),
        (BROKEN, 500, soon, FailureCode::Unhealthy, 1, Verdict::WithinWarmUp),
        (WELL, 500, late, FailureCode::Unhealthy, 0, Verdict::NoConsoleErrors),
        (BROKEN, 200, late, FailureCode::PageFailed, 1, Verdict::StatusOk),
    ] {
        let failure = ends(page, answers, later).await.unwrap();
        assert_eq!(failure.code, code, "{failure:?}");
        let observed = failure.observed.as_deref().unwrap();
        assert_eq!((observed.status, observed.console_errors), (Some(answers), Some(errors)), "{failure:?}");
        assert_eq!(verdict(Some(observed), true), expected, "{page} {answers} {later}: {observed:?}");
        assert!(failure.acceptance.iter().any(|checked| checked.page.is_some()), "{failure:?}");
    }
    assert_eq!(ends(WELL, 200, late).await, None);
}
