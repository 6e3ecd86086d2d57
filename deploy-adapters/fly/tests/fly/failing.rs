//! Every way it can fail: what it is called, and what is left behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deploy_core::acceptance::AcceptanceOutcome;
use deploy_core::cancel::Cancel;
use deploy_core::detect::Detection;
use deploy_core::effect::{Effect, EffectKind};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest, Fence, ReleaseId, StepId, Version};
use deploy_core::log::LogLine;
use deploy_core::plan::{Draft, DraftRequest, Output, Plan, draft};
use deploy_core::port::{
    Executor as _, Keep, Live, LogSink, Probe, ReleaseRecord, ReleaseState, StepContext,
};
use deploy_core::spec::{Source, Spec};
use deploy_core::testkit::contract::ExecutorFixture as _;
use deploy_core::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::lab::{Lab, TOKEN};

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, line: LogLine) {
        self.0.lock().unwrap().push(line.message);
    }
}

/// One deployment, step by step.
pub(crate) struct Bench<'a> {
    lab: &'a Lab,
    spec: Spec,
    plan: Arc<Plan>,
    id: DeploymentId,
    fence: u64,
    live: Option<Live>,
    outputs: Vec<(StepId, Output)>,
    lines: Arc<Lines>,
    cancel: Cancel,
}

impl<'a> Bench<'a> {
    pub(crate) fn image(lab: &'a Lab, image: &str) -> Self {
        let source = Source::Image { reference: image.parse().unwrap() };
        Self::new(lab, lab.specification(source), &Detection::default())
    }

    pub(crate) fn directory(lab: &'a Lab, number: u32) -> Self {
        Self::new(lab, lab.spec(number), &lab.detection(number))
    }

    pub(crate) fn new(lab: &'a Lab, spec: Spec, detection: &Detection) -> Self {
        let request = DraftRequest {
            spec: &spec,
            detection,
            survey: None,
            executor: Some(&lab.executor),
            installed: &["fly"],
        };
        let Draft::Ready(plan) = draft(&request) else { panic!("it is blocked: {:?}", draft(&request)) };
        let id = DeploymentId::new(uuid());
        let (lines, cancel) = (Arc::default(), Cancel::new());
        Self { lab, spec, plan, id, fence: 1, live: None, outputs: Vec::new(), lines, cancel }
    }

    /// The next deployment of the same resource.
    pub(crate) fn after(mut self, before: &Bench<'_>, verified: bool) -> Self {
        self.fence = before.fence + 1;
        let digest = before.outputs.iter().rev().find_map(|(_, output)| output.digest.clone()).unwrap();
        let (host, url) = ("web.localhost".to_owned(), String::new());
        self.live = Some(Live { release: Version::FIRST, digest, host, url, verified });
        self
    }

    fn context(&self) -> StepContext {
        StepContext {
            deployment: self.id,
            plan: Arc::clone(&self.plan),
            outputs: self.outputs.clone(),
            live_before: self.live.clone(),
            version: Version::FIRST,
            source: self.spec.source.clone(),
            cancel: self.cancel.clone(),
            logs: Arc::clone(&self.lines) as Arc<dyn LogSink>,
        }
    }

    fn effect(&self, kind: EffectKind) -> Effect {
        Effect {
            deployment: self.id,
            kind,
            attempt: 1,
            fence: Some(Fence(self.fence)),
            timeout: Span::from_secs(60),
        }
    }

    /// Every step until one fails.
    pub(crate) async fn run(&mut self) -> Result<(), (String, Failure)> {
        self.run_with(|_| {}).await
    }

    /// The same; `before` hears of each step before it begins.
    pub(crate) async fn run_with(&mut self, before: impl Fn(&str)) -> Result<(), (String, Failure)> {
        for step in self.plan.steps().to_vec() {
            before(step.id.as_str());
            let effect = self.effect(EffectKind::Perform { step: step.id.clone() });
            match self.lab.executor.perform(&effect, &step, &self.context()).await {
                Ok(output) => self.outputs.push((step.id, output)),
                Err(failure) => return Err((step.id.to_string(), failure)),
            }
        }
        Ok(())
    }

    /// The release that was made, as it is recorded.
    pub(crate) fn record(&self) -> ReleaseRecord {
        let digest = self.outputs.iter().rev().find_map(|(_, output)| output.digest.clone()).unwrap();
        ReleaseRecord {
            id: ReleaseId::new(uuid()),
            version: Version::FIRST,
            state: ReleaseState::Live,
            digest,
            url: String::new(),
            deployment: self.id,
            created_at: Timestamp::EPOCH,
            verified: true,
            outline: self.plan.outline().clone(),
        }
    }

    async fn undo(&self) -> Result<(), Failure> {
        let step = self.plan.steps().iter().find(|step| step.id.as_str() == "release").unwrap();
        let effect = self.effect(EffectKind::Undo { step: step.id.clone() });
        self.lab.executor.undo(&effect, step, &self.context()).await
    }

    async fn read_back(&self) -> Probe {
        let step = self.plan.steps().iter().find(|step| step.id.as_str() == "release").unwrap();
        let effect = self.effect(EffectKind::Probe { step: step.id.clone() });
        self.lab.executor.probe(&effect.key().unwrap(), step, &self.context()).await.unwrap()
    }

    fn said(&self) -> String {
        self.lines.0.lock().unwrap().join("\n")
    }
}

/// An id of its own for every deployment of this process.
fn uuid() -> uuid::Uuid {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    uuid::Uuid::from_u128(u128::from(std::process::id()) << 64 | u128::from(number))
}

fn deploys(lab: &Lab) -> usize {
    let releases =
        |call: &&Value| call["argv"][0] == "deploy" && !call["argv"].to_string().contains("--build-only");
    lab.calls().iter().filter(releases).count()
}

/// Plays something, and says at which step it ends and how.
async fn ends(plays: &Value, image: &str) -> (Lab, String, Failure) {
    let lab = Lab::new().await;
    lab.plays(plays);
    let ended = Bench::image(&lab, image).run().await;
    let (step, failure) = ended.expect_err("it did not fail");
    (lab, step, failure)
}

const IMAGE: &str = "ghcr.io/acme/web:1";

#[tokio::test]
async fn inv_34_a_clean_up_beside_the_first_step_of_a_deployment_leaves_its_workspace() {
    let lab = Lab::new().await;
    for _ in 0..10 {
        let bench = Bench::image(&lab, IMAGE);
        let step = bench.plan.steps()[0].clone();
        let (effect, cx) = (bench.effect(EffectKind::Perform { step: step.id.clone() }), bench.context());
        let keep = Keep::default();
        let cleaning = lab.executor.reclaim(&keep);
        let (cleaned, begun) = tokio::join!(cleaning, lab.executor.perform(&effect, &step, &cx));
        cleaned.unwrap();
        let directory = begun.unwrap().facts["directory"].clone();
        assert!(std::path::Path::new(&directory).join("fly.toml").is_file(), "its workspace is gone");
        lab.executor.finish(bench.id).await.unwrap();
    }
}

#[tokio::test]
async fn each_failure_ends_at_its_step_under_its_code() {
    use FailureCode as F;
    let fail = |text: &str| json!([{ "fail": text, "always": true }]);
    for (plays, step, code) in [
        (
            json!({ "status": fail("app web could not be found, did you create the app or misspell it in the fly.toml file or via -a?") }),
            "app",
            F::AppNotFound,
        ),
        (
            json!({ "status": fail("no access token available. Please login with 'flyctl auth login'") }),
            "app",
            F::ProviderAuth,
        ),
        (json!({ "status": fail("request failed: status 429") }), "app", F::RateLimited),
        (json!({ "machine list": [{ "partial": true }] }), "app", F::ProviderUnavailable),
        (json!({ "deploy": fail("App configuration is not valid") }), "release", F::ProviderConfig),
        (json!({ "deploy": fail("got 502 Bad Gateway") }), "release", F::ProviderUnavailable),
        (
            json!({ "deploy": fail("insufficient_capacity: could not reserve resource for machine") }),
            "release",
            F::ProviderCapacity,
        ),
        (
            json!({ "deploy": fail("release command failed - aborting deployment. error") }),
            "release",
            F::ReleaseCommandFailed,
        ),
        (json!({ "deploy": fail("image deployment-01J502 is 503 odd") }), "release", F::ProviderRefused),
        (json!({ "deploy": [{ "crash": true }] }), "check-release", F::ReleaseExited),
        (json!({ "deploy": [{ "crash": true, "oom": true }] }), "check-release", F::OutOfMemory),
        (
            json!({ "deploy": [{ "fail": "timeout reached waiting for health checks to pass for machine 1", "does": "half" }] }),
            "check-release",
            F::Unhealthy,
        ),
        (
            json!({ "deploy": [{ "fail": "smoke checks for 1 failed: the app appears to be crashing", "does": "half" }] }),
            "check-release",
            F::ReleaseExited,
        ),
        (json!({ "deploy": [{ "kill": true }] }), "check-release", F::ProviderRefused),
    ] {
        let (lab, at, failure) = ends(&plays, IMAGE).await;
        assert_eq!((at.as_str(), failure.code), (step, code), "{plays} {failure:?}");
        if step != "check-release" {
            assert_eq!(lab.machines(), Vec::<Value>::new(), "{plays}");
        }
    }
}

#[tokio::test]
async fn a_machine_that_the_platform_reverts_is_a_failure_although_flyctl_ends_well() {
    let lab = Lab::new().await;
    let mut first = Bench::image(&lab, IMAGE);
    first.run().await.unwrap();
    lab.plays(&json!({ "deploy": [{ "revert": true }] }));
    let mut second = Bench::image(&lab, "ghcr.io/acme/web:2").after(&first, true);
    let (step, failure) = second.run().await.expect_err("one machine runs the old release");
    assert_eq!((step.as_str(), failure.code), ("check-release", FailureCode::WrongRelease), "{failure:?}");
}

#[tokio::test]
async fn an_error_of_the_api_after_a_good_rollout_is_no_failure() {
    let lab = Lab::new().await;
    lab.plays(&json!({
        "deploy": [{ "fail": "failed to set release status to 'running' (status 503)", "does": "all" }],
        "checks list": [{ "partial": true }, { "fail": "status 429" }],
        "releases": [{ "fail": "connection reset by peer" }],
    }));
    let mut bench = Bench::image(&lab, IMAGE);
    bench.run().await.unwrap();
    assert_eq!(deploys(&lab), 1);
    assert!(bench.said().contains("the machines tell"), "{}", bench.said());
}

#[tokio::test]
async fn checks_that_never_pass_are_a_failure_at_the_deadline() {
    let lab = Lab::new().await;
    lab.plays(&json!({ "deploy": [{ "critical": true }] }));
    let mut spec = lab.specification(Source::Image { reference: IMAGE.parse().unwrap() });
    spec.profile.health.deadline = Some(Span::from_secs(1));
    let (step, failure) = Bench::new(&lab, spec, &Detection::default()).run().await.unwrap_err();
    assert_eq!((step.as_str(), failure.code), ("check-release", FailureCode::Unhealthy));
    assert!(failure.message.contains("502 Bad Gateway"), "{}", failure.message);
}

#[tokio::test]
async fn a_public_address_that_answers_badly_is_recorded_with_what_was_observed() {
    let lab = Lab::new().await;
    lab.plays(&json!({ "deploy": [{ "answers": 500 }] }));
    let mut spec = lab.specification(Source::Image { reference: IMAGE.parse().unwrap() });
    spec.profile.health.deadline = Some(Span::from_secs(1));
    let (step, failure) = Bench::new(&lab, spec, &Detection::default()).run().await.unwrap_err();
    assert_eq!((step.as_str(), failure.code), ("check-public", FailureCode::Unhealthy), "{failure:?}");
    let observed = failure.observed.unwrap();
    assert_eq!((observed.status, observed.healthy, observed.console_errors), (Some(500), false, None));
    assert_eq!(failure.acceptance[0].outcome, AcceptanceOutcome::Failed);
}

#[tokio::test]
async fn a_rollout_that_hangs_takes_no_longer_than_the_run_may() {
    let lab = Lab::new().await;
    lab.plays(&json!({ "deploy": [{ "hang": true }] }));
    let mut spec = lab.specification(Source::Image { reference: IMAGE.parse().unwrap() });
    spec.profile.limits.run_timeout = Some(Span::from_secs(2));
    let began = std::time::Instant::now();
    let mut bench = Bench::new(&lab, spec, &Detection::default());
    let title = bench.plan.steps().iter().find(|step| step.id.as_str() == "release").unwrap().title.clone();
    assert!(title.ends_with("within 2s"), "{title}");
    let (step, failure) = bench.run().await.unwrap_err();
    assert_eq!(step, "release", "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(60), "{failure:?}");
    assert_eq!(failure.code, FailureCode::ProviderUnavailable, "{failure:?}");
    assert!(failure.message.contains("did not end in time"), "{failure:?}");
}

/// The one place where these tests start a program beside flyctl.
#[expect(clippy::disallowed_methods, reason = "the source is a checkout")]
fn git(directory: &std::path::Path, words: &[&str]) {
    let mut git = std::process::Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(words).current_dir(directory);
    assert!(git.output().unwrap().status.success(), "{words:?}");
}

#[tokio::test]
async fn a_source_that_moved_to_another_commit_since_the_plan_is_not_deployed() {
    let lab = Lab::new().await;
    let source = lab.source(1);
    git(&source, &["init", "-q"]);
    git(&source, &["add", "."]);
    git(&source, &["commit", "-qm", "first"]);
    let planned = Detection { commit: Some("7a6e84d2".repeat(5)), ..lab.detection(1) };
    let (step, failure) = Bench::new(&lab, lab.spec(1), &planned).run().await.unwrap_err();
    assert_eq!((step.as_str(), failure.code), ("check-commit", FailureCode::SourceChanged), "{failure:?}");
    assert_eq!(failure.acceptance[0].outcome, AcceptanceOutcome::Failed);
    assert!(failure.message.contains("7a6e84d2"), "{failure:?}");
    assert_eq!(deploys(&lab), 0);
}

#[tokio::test]
async fn a_good_run_records_both_acceptance_checks() {
    let lab = Lab::new().await;
    let mut bench = Bench::directory(&lab, 1);
    bench.run().await.unwrap();
    let settled: Vec<_> = bench.outputs.iter().flat_map(|(_, output)| output.acceptance.clone()).collect();
    let names: Vec<_> = settled.iter().map(|checked| (checked.name.as_str(), checked.outcome)).collect();
    assert_eq!(
        names,
        [
            ("DEPLOY-COMMIT-MATCH", AcceptanceOutcome::SoftPassed),
            ("DEPLOY-HEALTH-200", AcceptanceOutcome::Passed)
        ]
    );
    assert!(settled[1].message.contains("first byte after"), "{}", settled[1].message);
}

#[tokio::test]
async fn inv_06_going_back_restores_the_verified_image_by_its_content_and_checks_it() {
    let lab = Lab::new().await;
    let mut first = Bench::directory(&lab, 1);
    first.run().await.unwrap();
    let served = lab.live().await;
    lab.plays(&json!({ "deploy": [{ "fail": "timeout reached waiting for health checks to pass", "does": "half" }] }));
    let mut second = Bench::directory(&lab, 2).after(&first, true);
    second.run().await.unwrap_err();
    second.undo().await.unwrap();
    assert_eq!(lab.live().await, served);
    let last = lab.calls().into_iter().rfind(|call| call["argv"][0] == "deploy").unwrap();
    let image = format!("--image=registry.fly.io/web@{}", served.unwrap());
    let words = last["argv"].as_array().unwrap();
    assert!(
        words.contains(&image.as_str().into()) && words.contains(&"--skip-release-command".into()),
        "{last}"
    );
    assert!(
        words.iter().any(|word| word.as_str().unwrap().starts_with("--config=")),
        "its fly.toml comes back too"
    );
}

#[tokio::test]
async fn inv_33_without_a_verified_release_nothing_is_touched() {
    for verified in [Some(false), None] {
        let lab = Lab::new().await;
        let mut first = Bench::directory(&lab, 1);
        first.run().await.unwrap();
        let mut second = Bench::directory(&lab, 2).after(&first, verified.unwrap_or(true));
        second.live = second.live.filter(|_| verified.is_some());
        second.run().await.unwrap();
        let before = (lab.machines(), deploys(&lab));
        assert_eq!(second.undo().await.unwrap_err().code, FailureCode::UndoFailed);
        assert_eq!((lab.machines(), deploys(&lab)), before);
    }
}

#[tokio::test]
async fn a_rollback_that_does_not_answer_is_no_rollback() {
    let lab = Lab::new().await;
    let bench = |number| {
        let mut spec = lab.spec(number);
        spec.profile.health.deadline = Some(Span::from_secs(3));
        Bench::new(&lab, spec, &lab.detection(number))
    };
    let mut first = bench(1);
    first.run().await.unwrap();
    let mut second = bench(2).after(&first, true);
    second.run().await.unwrap();
    lab.plays(&json!({ "deploy": [{ "answers": 503, "always": true }] }));
    assert_eq!(second.undo().await.unwrap_err().code, FailureCode::Unhealthy);
}

#[tokio::test]
async fn inv_30_a_flyctl_that_hangs_ends_with_all_it_started_when_it_is_asked_to_stop() {
    let lab = Lab::new().await;
    lab.plays(&json!({ "deploy": [{ "hang": true }] }));
    let mut bench = Bench::image(&lab, IMAGE);
    let cancel = bench.cancel.clone();
    let (ended, pid) = tokio::join!(bench.run(), async {
        let pid = loop {
            let found =
                lab.calls().iter().find(|call| call["argv"][0] == "deploy").map(|call| call["pid"].clone());
            if let Some(pid) = found.and_then(|pid| pid.as_u64()).filter(|pid| children(*pid) > 0) {
                break pid;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        cancel.cancel();
        pid
    });
    assert_eq!(ended.unwrap_err().1.code, FailureCode::Cancelled);
    for _ in 0..500 {
        if members(pid) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("something of group {pid} still runs");
}

fn stats() -> Vec<(u64, u64, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parse = |stat: String| {
        let rest: Vec<String> = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
        Some((rest[1].parse().ok()?, rest[2].parse().ok()?, rest[0].clone()))
    };
    stats.filter_map(parse).collect()
}

fn children(pid: u64) -> usize {
    stats().iter().filter(|(parent, ..)| *parent == pid).count()
}

/// The processes of a group that still run.
fn members(group: u64) -> usize {
    stats().iter().filter(|(_, of, state)| *of == group && state != "Z").count()
}

#[tokio::test]
async fn inv_11_a_release_that_was_cut_off_is_read_back_from_the_machines() {
    let lab = Lab::new().await;
    let mut first = Bench::directory(&lab, 1);
    assert_eq!(first.read_back().await, Probe::Absent);
    first.run().await.unwrap();
    assert!(matches!(first.read_back().await, Probe::Present { .. }));
    lab.plays(&json!({ "deploy": [{ "kill": true }] }));
    let mut second = Bench::directory(&lab, 2).after(&first, true);
    second.run().await.unwrap_err();
    assert_eq!(second.read_back().await, Probe::Unknown);
    assert_eq!(first.read_back().await, Probe::Unknown);
}

#[tokio::test]
async fn inv_36_flyctl_gets_its_token_and_nobody_elses_secrets_and_no_argv_holds_one() {
    let lab = Lab::new().await;
    Bench::directory(&lab, 1).run().await.unwrap();
    assert!(lab.calls().len() > 5);
    for call in lab.calls() {
        let names: Vec<&str> =
            call["env"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(names.contains(&"FLY_API_TOKEN") && !names.contains(&"DATABASE_URL"), "{names:?}");
        assert!(!call["argv"].to_string().contains(&TOKEN[4..20]));
    }
}

#[tokio::test]
async fn inv_36_a_failure_says_no_token() {
    let said = format!("request to https://api.fly.io failed: FlyV1 {TOKEN} was refused");
    for plays in
        [json!({ "status": [{ "fail": said }] }), json!({ "deploy": [{ "fail": said, "say": [TOKEN] }] })]
    {
        let (_lab, _, failure) = ends(&plays, IMAGE).await;
        let text = format!("{failure:?}");
        assert!(!text.contains("canary") && text.contains("FlyV1 [secret FLY_API_TOKEN 0]"), "{text}");
    }
}

#[tokio::test]
async fn a_push_that_does_not_say_what_it_pushed_is_a_failure() {
    let lab = Lab::new().await;
    lab.plays(&json!({ "build": [{ "quiet": true }] }));
    let (step, failure) = Bench::directory(&lab, 1).run().await.unwrap_err();
    assert_eq!((step.as_str(), failure.code), ("build", FailureCode::ProviderRefused));
}

#[tokio::test]
async fn threat_f10_a_host_that_a_user_names_is_only_asked_at_a_public_address() {
    let lab = Lab::new().await;
    let mut spec = lab.specification(Source::Image { reference: IMAGE.parse().unwrap() });
    spec.profile.access.host = Some("localhost".to_owned());
    spec.profile.health.deadline = Some(Span::from_secs(1));
    let (step, failure) = Bench::new(&lab, spec, &Detection::default()).run().await.unwrap_err();
    assert_eq!(step, "check-public");
    assert!(failure.message.contains("may not be connected to"), "{}", failure.message);
}

#[tokio::test]
async fn a_tag_becomes_the_content_that_the_machines_run() {
    let lab = Lab::new().await;
    let mut bench = Bench::image(&lab, IMAGE);
    bench.run().await.unwrap();
    let digest: Digest = lab.live().await.unwrap();
    let released = bench.outputs.iter().find(|(step, _)| step.as_str() == "release").unwrap();
    assert_eq!(released.1.digest, Some(digest));
}

#[tokio::test]
async fn inv_34_a_clean_up_that_began_before_a_deployment_takes_nothing_of_it() {
    let lab = Lab::new().await;
    let mut bench = Bench::directory(&lab, 1);
    bench.run().await.unwrap();
    let listing = || {
        let apps = std::fs::read_dir(lab.dir.path().join("releases")).unwrap().flatten();
        apps.map(|app| std::fs::read_dir(app.path()).unwrap().count()).sum::<usize>()
    };
    let workspace = lab.dir.path().join("work").join(bench.id.to_string());
    lab.executor.reclaim(&Keep::default()).await.unwrap();
    assert!(workspace.is_dir() && listing() == 1);
    lab.executor.finish(bench.id).await.unwrap();
    lab.executor.reclaim(&Keep::default()).await.unwrap();
    assert!(!workspace.exists() && listing() == 0);
}
