//! How the screens look, in light, dark and on a phone; and whether everybody can use them (axe-core).

use std::path::PathBuf;

use serde_json::Value;

use super::driver::{Browser, How};
use super::screens::Site;
use crate::fixture::Setup;

/// Every screen that a person meets.
async fn screens(site: &Site) -> Vec<(&'static str, String)> {
    let done = site.bench.deployed().await;
    let first = crate::runtime::now() + 1_000_000;
    (0..40).for_each(|n| site.bench.written.write(first + n, format!("GET /{n} answered 200 in {n} ms")));
    let blocked = site.blocked().await;
    let failed = site.bench.failed().await;
    site.bench.hold();
    let running = site.bench.deploy().await;
    site.bench.let_through(2);
    vec![
        ("runs", "/".to_owned()),
        ("run-done", format!("/runs/{done}")),
        ("run-running", format!("/runs/{running}")),
        ("run-failed", format!("/runs/{failed}")),
        ("run-blocked", format!("/runs/{blocked}")),
        ("runtime", format!("/runs/{done}/runtime")),
        ("figures", "/stats".to_owned()),
        ("releases", "/resources/web".to_owned()),
        ("rollback", "/resources/web/rollback/v1".to_owned()),
        ("compare", format!("/compare?a={done}&b={blocked}")),
        ("plan", format!("/plan?from={blocked}")),
        ("sign-in", "/sign-in".to_owned()),
        ("missing", "/nothing".to_owned()),
    ]
}

/// What axe-core calls serious or critical; `None` where axe-core is not there.
async fn serious(browser: &Browser, axe: &str) -> Vec<String> {
    browser.eval(axe).await;
    let script =
        "axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations));";
    let found = browser.eval_later(script).await;
    let grave = |violation: &&Value| matches!(violation["impact"].as_str(), Some("serious" | "critical"));
    let told = |violation: &Value| {
        let nodes: Vec<&Value> =
            violation["nodes"].as_array().into_iter().flatten().map(|node| &node["html"]).take(3).collect();
        format!("{}: {nodes:?}", violation["id"])
    };
    found.as_array().unwrap_or_else(|| panic!("{found}")).iter().filter(grave).map(told).collect()
}

/// axe-core's text, from where `.ci/run` has put it.
fn axe() -> Option<String> {
    let path = std::env::var_os("DEPLOY_TEST_AXE");
    if path.is_none() {
        let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.split_whitespace().any(|name| name == "axe"), "DEPLOY_TEST_AXE names no file");
        eprintln!(
            "PASSED OVER: DEPLOY_TEST_AXE names no axe.min.js, so nothing is known about accessibility"
        );
    }
    path.map(|path| std::fs::read_to_string(path).unwrap())
}

/// Pictures are kept where DEPLOY_TEST_PICTURES says, for people to look at.
async fn picture(browser: &Browser, name: &str) {
    use base64::Engine as _;
    let Some(place) = std::env::var_os("DEPLOY_TEST_PICTURES").map(PathBuf::from) else { return };
    let png = base64::engine::general_purpose::STANDARD.decode(browser.picture().await).unwrap();
    std::fs::write(place.join(format!("{name}.png")), png).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_screen_is_usable_by_everybody_in_light_dark_and_on_a_phone() {
    let site = Site::new(Setup { steps: 3, lines: 12, ..Setup::default() }).await;
    let axe = axe();
    let looks = [
        ("light", How::USUAL),
        ("dark", How { dark: true, ..How::USUAL }),
        ("phone", How { size: (390, 844), ..How::USUAL }),
    ];
    let mut screens_of_all = None;
    for (look, how) in looks {
        let Some(browser) = site.visited(how).await else { return };
        let screens = match &screens_of_all {
            Some(screens) => screens,
            None => screens_of_all.insert(screens(&site).await),
        };
        for (name, path) in screens {
            browser.go(&site.url(path)).await;
            browser.says("footer", "Times are in").await;
            picture(&browser, &format!("{name}-{look}")).await;
            let wide = browser.eval("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(wide.as_i64().unwrap() <= 0, "{name} is wider than the {look} screen by {wide}");
            if let Some(axe) = &axe {
                let found = serious(&browser, axe).await;
                assert!(found.is_empty(), "{name} in {look}: {found:#?}");
            }
        }
    }
    site.bench.let_through(100);
}
