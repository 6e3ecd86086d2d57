//! Each screen on a real engine, as a person walks them.

use deploy_core::engine::Submission;
use deploy_core::port::{ReleaseState, WhenBusy};
use serde_json::json;

use super::driver::How;
use super::screens::Site;
use crate::fixture::Setup;

const NO_SCRIPT: How = How { script: false, ..How::USUAL };

fn with_lines(lines: usize) -> Setup {
    Setup { lines, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_watched_paused_resumed_and_ends() {
    let site = Site::new(with_lines(20)).await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    let id = site.bench.deploy().await;
    site.run(id, &browser).await;
    browser.says(".steps li:nth-child(1)", "Running").await;
    browser.says(".steps li:nth-child(2)", "Pending").await;
    browser.click("#do-pause").await;
    browser.says(".head", "Paused").await;
    assert!(!browser.is_enabled("#do-pause").await);
    browser.says(".whys", "paused already").await;
    // What runs ends, and nothing new starts: the page shows it without being loaded again.
    browser.eval("document.body.dataset.same = 'page'").await;
    site.bench.let_through(1);
    browser.says(".steps li:nth-child(1)", "Completed").await;
    browser.says(".steps li:nth-child(2)", "Pending").await;
    assert_eq!(browser.eval("return document.body.dataset.same").await, json!("page"));
    browser.click("#do-resume").await;
    browser.says(".steps li:nth-child(2)", "Running").await;
    site.bench.let_through(10);
    browser.says(".head", "Completed").await;
    browser.says(".more", "80 of 80 lines").await;
    // A step's own log, and only its errors of that word.
    browser.click("[data-step=act-1]").await;
    browser.says(".more", "20 of 80 lines").await;
    browser.fill("input[name=find]", "19 xx").await;
    browser.says(".more", "1 of 80 lines").await;
    assert!(!browser.is_enabled("#do-stop").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_stopped_and_then_tried_again() {
    let site = Site::new(Setup::default()).await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    let id = site.bench.deploy().await;
    site.run(id, &browser).await;
    browser.says(".steps li:nth-child(1)", "Running").await;
    browser.click("#do-stop").await;
    // The step that runs may end once the stop is recorded, not before.
    browser.says(".whys", "being stopped already").await;
    site.bench.let_through(1);
    browser.says(".head", "Stopped").await;
    browser.says(".steps li:nth-child(2)", "Skipped").await;
    browser.says(".outcome", "stopped").await;
    browser.click("#do-retry").await;
    browser.says(".steps li:nth-child(1)", "Running").await;
    assert!(!browser.url().await.ends_with(&id.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_says_what_changes_and_does_it() {
    let site = Site::new(Setup::default()).await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    site.bench.deployed().await;
    let mut spec = site.bench.spec();
    spec.profile.rollback.keep = Some(3);
    let submission = Submission { spec, idempotency_key: None, busy: WhenBusy::Wait };
    let second = site.bench.api.engine().submit(submission).await.unwrap().id;
    site.bench.api.engine().rested(second).await.unwrap();
    browser.go(&site.url("/resources/web@production")).await;
    browser.says(".releases li:nth-child(1)", "Live").await;
    browser.says(".releases li:nth-child(1)", "v2 is live already").await;
    browser.click(".releases li:nth-child(2) a.button").await;
    browser.says("main", "Will change").await;
    browser.says("main", "rollback.keep").await;
    browser.says("main", "Data in databases").await;
    browser.click("button.primary").await;
    browser.says(".head", "Completed").await;
    let releases = site.bench.api.engine().releases(&"web".parse().unwrap()).await.unwrap();
    let live: Vec<String> = releases
        .iter()
        .filter(|release| release.state == ReleaseState::Live)
        .map(|release| release.version.to_string())
        .collect();
    assert_eq!(live, ["v1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_plan_becomes_ready_by_the_value_that_is_suggested() {
    let site = Site::new(Setup::default()).await;
    for how in [How::USUAL, NO_SCRIPT] {
        let Some(browser) = site.visited(how).await else { return };
        let blocked = site.blocked().await;
        site.run(blocked, &browser).await;
        browser.says(".head", "Blocked").await;
        browser.says(".reason", "not an absolute path").await;
        browser.click(".outcome a.button").await;
        browser.click("form.card button.primary").await;
        browser.says("#readiness", "Blocked (1)").await;
        assert!(!browser.is_enabled("#result form.buttons button").await);
        browser.click(".set button").await;
        browser.says("#readiness", "Ready").await;
        site.bench.let_through(10);
        browser.click("#result form.buttons button").await;
        browser.says(".head", "Completed").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_live_release_writes_is_read_and_followed_until_it_serves_no_more() {
    let site = Site::new(Setup::default()).await;
    let id = site.bench.deployed().await;
    let first = crate::runtime::now() + 1_000_000;
    (0..400).for_each(|n| site.bench.written.write(first + n, format!("line {n}")));
    let Some(browser) = site.visited(NO_SCRIPT).await else { return };
    site.run(id, &browser).await;
    browser.click("#log a[href$='/runtime']").await;
    browser.says(".more", "The newest 300 lines").await;
    browser.says("#lines li:last-child", "line 399").await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    site.run(id, &browser).await;
    browser.click("#log a[href$='/runtime']").await;
    browser.says(".more", "300 of 300 lines").await;
    // No text of a release becomes markup.
    site.bench.written.write(first + 1_000, "<b>now</b>".to_owned());
    browser.says(".more", "301 of 301 lines").await;
    browser.says("#lines", "<b>now</b>").await;
    browser.fill("input[name=find]", "NOW").await;
    browser.says(".more", "1 of 301 lines").await;
    site.bench.deployed().await;
    browser.says(".more", "serves no more").await;
    browser.go(&site.url(&format!("/runs/{id}/runtime"))).await;
    browser.says("main", "serves no more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_are_compared() {
    let site = Site::new(Setup::default()).await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    let (a, b) = (site.bench.deployed().await, site.blocked().await);
    browser.go(&site.url(&format!("/compare?a={a}&b={b}"))).await;
    browser.says("main", "health.policy.path").await;
    browser.says("table", "Blocked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_script_the_same_can_be_read_and_done() {
    let site = Site::new(with_lines(400)).await;
    let Some(browser) = site.visited(NO_SCRIPT).await else { return };
    let id = site.bench.deploy().await;
    site.run(id, &browser).await;
    browser.says(".steps li:nth-child(1)", "Running").await;
    browser.click("#do-pause").await;
    browser.says(".head", "Paused").await;
    browser.click("#do-resume").await;
    browser.says(".head", "Running").await;
    // It is loaded again by itself while something moves.
    site.bench.let_through(10);
    browser.says(".head", "Completed").await;
    browser.says("#zone", "UTC").await;
    site.run(id, &browser).await;
    browser.says("#L1600", "399 xxx").await;
    browser.click(".more a:nth-child(1)").await;
    browser.says("#L1001", "200 xxx").await;
    browser.go(&site.url("/")).await;
    browser.says("table", "web@production").await;
    browser.says(".live", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_has_not_signed_in_looks_and_is_told_why_nothing_else() {
    let site = Site::new(Setup::default()).await;
    let Some(browser) = super::driver::Browser::open(How::USUAL).await else { return };
    let id = site.bench.deploy().await;
    site.run(id, &browser).await;
    assert!(!browser.is_enabled("#do-pause").await);
    browser.says(".whys", "sign in").await;
    browser.go(&site.url("/plan")).await;
    browser.fill("input[name=token]", "dpl_wrong").await;
    browser.click("main button").await;
    browser.says("[role=alert]", "not valid").await;
    browser.fill("input[name=token]", &site.token).await;
    browser.click("main button").await;
    browser.says("h1", "Plan").await;
    browser.click(".who .quiet").await;
    browser.says(".who", "Sign in").await;
    site.bench.let_through(10);
}

/// Everything by keys alone: Tab leads to every control, Enter uses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_paused_with_the_keyboard() {
    let site = Site::new(Setup::default()).await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    let id = site.bench.deploy().await;
    site.run(id, &browser).await;
    browser.says(".steps li:nth-child(1)", "Running").await;
    for _ in 0..40 {
        browser.press("\u{e004}").await;
        if browser.eval("return document.activeElement.id").await == json!("do-pause") {
            browser.press("\u{e007}").await;
            browser.says(".head", "Paused").await;
            site.bench.let_through(10);
            return;
        }
    }
    panic!("the keyboard does not lead to the button");
}

/// Threats F17, F22: a hostile log of 10^5 lines is text, and few of its lines are elements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_40_a_hundred_thousand_lines_are_a_window_and_never_markup() {
    use deploy_store_sqlite::{Limits, LogLimits, SqliteStore};
    let place = tempfile::tempdir().unwrap();
    let logs = LogLimits {
        lines: 200_000,
        queue_lines: 200_000,
        queue_bytes: 64 * 1_024 * 1_024,
        ..LogLimits::default()
    };
    let store = SqliteStore::open(place.path(), Limits { logs, ..Limits::default() }).unwrap();
    let site = Site::over(Setup { steps: 1, lines: 40_000, ..Setup::default() }, store).await;
    let Some(browser) = site.visited(How::USUAL).await else { return };
    let id = site.bench.deployed().await;
    site.run(id, &browser).await;
    browser.says(".more", "120,000 of 120,000 lines").await;
    let rows = browser.eval("return document.querySelectorAll('#lines li').length").await;
    assert!(rows.as_u64().unwrap() < 200, "{rows}");
    // A jump to the middle draws in one frame's time: measured over sixty jumps.
    let script = "const box = document.querySelector('#lines'); let n = 0; const times = []; let before = performance.now();
        const turn = () => { const now = performance.now(); times.push(now - before); before = now;
            box.scrollTop = (n * 7919 * 20) % box.scrollHeight; if (++n < 60) requestAnimationFrame(turn);
            else done(times.sort((a, b) => a - b)[Math.floor(times.length / 2)]); }; requestAnimationFrame(turn);";
    let median = browser.eval_later(script).await;
    println!("120,000 lines: {rows} rows in the page, median frame {median} ms");
    assert!(median.as_f64().unwrap() < 250.0, "{median}");
}
