//! Traffic while releases switch, fail, go back, and while processes die (inv. 1, 2, 4, 5, 20; threats
//! F34, F36).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use deploy_tests::{
    Installation, Load, Manner, Page, Ran, Running, Site, Started, Story, Visit, processes, wait,
};
use serde_json::Value;

/// How soon an edge that was killed answers again.
const EDGE_BACK: Duration = Duration::from_secs(5);
/// What a run may take until it shows.
const SOON: Duration = Duration::from_secs(10);
/// Releases that are deployed well under load; every third is followed by one that fails.
const DEPLOYS: usize = 21;
const ROLLBACKS: usize = 6;
/// Exit codes of contract.md.
const UNHEALTHY: i32 = 1;
const REFUSED: i32 = 9;

#[test]
fn inv_01_inv_04_no_request_fails_while_releases_switch() {
    let mut installation = ready();
    let mut story = Story::default();
    story.deploy(&installation, &site(&installation, Page(1)), Page(1));
    let slow = [10, 20, 30, 40, 50, 60].map(|pause| Manner::Slow(Duration::from_millis(pause)));
    let quick = [Manner::KeepAlive, Manner::KeepAlive, Manner::OneShot, Manner::OneShot];
    let load = Load::start(installation.edge(), Installation::HOST, &[&quick[..], &slow[..]].concat());

    let mut failures = 0;
    for number in 2..2 + DEPLOYS {
        story.deploy(&installation, &site(&installation, Page(number)), Page(number));
        if number.is_multiple_of(3) {
            fails(&installation, number);
            failures += 1;
        }
    }
    for round in 0..ROLLBACKS / 2 {
        // Twice in a row; more would run out of kept releases.
        story.roll_back(&installation);
        story.roll_back(&installation);
        story.deploy(&installation, &site(&installation, Page(400 + round)), Page(400 + round));
    }
    deploy_across_a_kill(&mut installation, &mut story, Page(500));
    story.deploy(&installation, &site(&installation, Page(501)), Page(501));

    let visits = load.finish();
    story.check(&visits);
    report(&visits, &story, failures);
}

#[test]
fn edge_killed_and_restarted_serves_what_it_served() {
    let installation = &mut ready();
    let _ = installation.up(&site(installation, Page(1)), &[]).well();
    let before = installation.ask();
    let mut away = Vec::new();
    for _ in 0..3 {
        let killed = installation.kill_edge().expect("an edge runs");
        let gone = Instant::now();
        let after = wait::until("the edge to answer again", EDGE_BACK, || {
            deploy_tests::Connection::once(installation.edge(), Installation::HOST, "/").ok()
        });
        away.push(gone.elapsed());
        assert_eq!(after, before);
        assert_ne!(installation.recorded("edge/edge.json"), Some(killed));
    }
    let _ = installation.up(&site(installation, Page(2)), &[]).well();
    assert_eq!(Page::of(&installation.ask().body), Some(Page(2)));
    println!("edge killed 3 times, away for {away:.1?}");
}

#[test]
fn inv_20_two_ups_at_once_one_runs_the_other_is_refused_or_waits() {
    let installation = ready();
    let slow = installation.site("slow", Page(1)).with_build("sleep 1.5", "");
    let first = installation.begin_up(&slow, &[]);
    wait::until("the first to run", SOON, || running(&installation).then_some(()));

    let refused = installation.up(&installation.site("second", Page(2)), &[]);
    assert_eq!(refused.code, REFUSED, "{refused:?}");
    let waiting = installation.begin_up(&installation.site("third", Page(3)), &["--wait-turn"]);

    let (first, waited) = (first.wait().well().json(), waiting.wait().well().json());
    assert_eq!((&first["status"], &waited["status"]), (&"succeeded".into(), &"succeeded".into()));
    assert!(text(&waited, "endedAt") > text(&first, "endedAt"), "the second ran before its turn");
    assert_eq!(Page::of(&installation.ask().body), Some(Page(3)));
    assert_eq!(installation.deployments().len(), 2, "what was refused is recorded");
}

#[test]
fn inv_20_twenty_ups_at_once_all_end_and_the_last_accepted_is_live() {
    let installation = ready();
    let sites: Vec<Site> =
        (1..=20).map(|number| installation.site(&format!("s{number}"), Page(number))).collect();
    let ups: Vec<Running> = sites.iter().map(|site| installation.begin_up(site, &["--wait-turn"])).collect();
    let ended: Vec<Value> = ups.into_iter().map(|up| up.wait().well().json()).collect();

    assert!(ended.iter().all(|status| status["status"] == "succeeded"), "{ended:#?}");
    let ids: BTreeSet<String> = ended.iter().map(|status| text(status, "id")).collect();
    assert_eq!(ids.len(), 20);
    let listed = installation.deployments();
    assert_eq!(listed.len(), 20);
    let last = &listed[0];
    assert_eq!(installation.ask().release, digest(last), "the last accepted is not the live one");
    println!("20 ups at once: all succeeded, the last accepted is live");
}

// ---------------------------------------------------------------------------------------------
// Parts

fn ready() -> Installation {
    let mut installation = Installation::new();
    assert_eq!(installation.start(None), Started::Ready);
    installation
}

fn site(installation: &Installation, page: Page) -> Site {
    installation.site("site", page).with_download(page)
}

/// A deploy that must fail, by its build or by its check.
fn fails(installation: &Installation, number: usize) {
    let site = installation.site("failing", Page(1000 + number));
    let (site, code) = if number.is_multiple_of(2) {
        (site.with_build("exit 1", ""), None)
    } else {
        let config = "[health]\nexpected_body = \"never there\"\ndeadline = \"200ms\"\n";
        (site.with_config(config), Some(UNHEALTHY))
    };
    let ran: Ran = installation.up(&site, &[]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(code.is_none_or(|code| code == ran.code), "{ran:?}");
    assert_eq!(text(&ran.json(), "status"), "failed");
}

/// Kills the control plane while a deploy is under way; the waiting command sees it through.
fn deploy_across_a_kill(installation: &mut Installation, story: &mut Story, page: Page) {
    let marker = installation.path("building");
    let script = format!("touch {}\nsleep 0.5", marker.display());
    let built = site(installation, page).with_build(&script, "");
    let asked = Instant::now();
    let up = installation.begin_up(&built, &[]);
    wait::until("the build to begin", SOON, || marker.exists().then_some(()));
    installation.kill_control_plane();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(installation.start(None), Started::Ready);
    assert!(processes::is_alive(up.pid), "the waiting command gave up");
    story.deployed(asked, up, page);
}

fn running(installation: &Installation) -> bool {
    installation.deployments().iter().any(|status| status["status"] == "executing")
}

fn report(visits: &[Visit], story: &Story, failures: usize) {
    let of = |wanted: fn(&Manner) -> bool| visits.iter().filter(|visit| wanted(&visit.manner)).count();
    println!(
        "{} requests ({} keep-alive, {} one-shot, {} slow downloads), 0 failed, 0 mixed, 0 late; {} switches, \
         {failures} failed deploys, {ROLLBACKS} of them rollbacks, 1 kill",
        visits.len(),
        of(|manner| *manner == Manner::KeepAlive),
        of(|manner| *manner == Manner::OneShot),
        of(|manner| matches!(manner, Manner::Slow(_))),
        story.switches(),
    );
    let slow = visits.iter().filter(|visit| matches!(visit.manner, Manner::Slow(_)));
    let across = slow.filter(|visit| story.is_across_a_switch(visit)).count();
    println!("{across} of the downloads went on across a switch");
    assert!(visits.len() > 1000 && across > 5, "too little load to say anything");
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn digest(status: &Value) -> String {
    text(status, "digest")
}
