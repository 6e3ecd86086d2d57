//! Executors that each get one thing wrong.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use deploy_core::detect::Detection;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::failure::Failure;
use deploy_core::id::{DeploymentId, Digest, Fence};
use deploy_core::plan::{Outline, Output, Step, StepKind};
use deploy_core::port::{Compiled, Executor, Keep, Probe, StepContext, SurveyRequest};
use deploy_core::reason::Reason;
use deploy_core::spec::Spec;
use deploy_core::testkit::ToyTarget;
use deploy_core::testkit::contract::ExecutorFixture;
use deploy_core::testkit::contract::executor::{LAWS, check};

/// What an executor gets wrong, and the law that must say so.
const MISTAKES: &[(&str, &str)] = &[
    ("counts while compiling", "compiling_is_pure_and_deterministic"),
    ("switches without a check", "compiling_is_pure_and_deterministic"),
    ("writes while surveying", "planning_changes_nothing"),
    ("always finds everything", "reading_back_before_finds_nothing"),
    ("makes something new each time", "performing_twice_under_one_key_is_one_effect"),
    ("forgets what it answered", "reading_back_after_finds_the_same_output"),
    ("never finds anything", "reading_back_after_finds_the_same_output"),
    ("checks something else", "what_is_checked_and_routed_is_what_was_made"),
    ("routes while checking", "before_the_switch_what_serves_stays"),
    ("only says that it switched", "the_switch_makes_exactly_the_new_release_live"),
    ("removes the old artifact", "the_switch_leaves_the_old_artifact_usable"),
    ("undoes by removing the route", "undoing_the_switch_brings_back_what_served"),
    ("fails to undo what is gone", "undoing_twice_is_fine"),
    ("undoes what it never did", "undoing_what_was_never_done_changes_nothing"),
    ("takes any fence", "a_lower_fence_is_refused_at_the_point_of_effect"),
    ("says internal instead of stale", "a_lower_fence_is_refused_at_the_point_of_effect"),
    ("never hears that it is cancelled", "cancelled_work_ends"),
    ("reclaims what was to be kept", "retention_keeps_what_it_is_told_to_keep"),
    ("removes the release when it finishes", "finishing_twice_is_fine_and_leaves_the_release"),
    ("sweeps the whole target", "what_is_not_ours_is_never_touched"),
    ("does anything it is told", "a_step_that_is_not_ours_is_refused"),
    ("writes lines of nobody", "log_lines_say_where_they_belong"),
    ("tells a secret", "secrets_stay_secret"),
];

const SECRET: &str = "correct horse battery staple";

/// The toy with one mistake.
struct Wrong {
    toy: ToyTarget,
    mistake: &'static str,
    count: AtomicU32,
    /// What was undone, for the one that fails to undo what is gone.
    gone: Mutex<Vec<String>>,
}

impl Wrong {
    fn new(mistake: &'static str) -> Self {
        Self { toy: ToyTarget::default(), mistake, count: AtomicU32::new(0), gone: Mutex::default() }
    }

    fn is(&self, mistake: &str) -> bool {
        assert!(MISTAKES.iter().any(|(known, _)| *known == mistake));
        self.mistake == mistake
    }

    fn count(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// Under the highest fence there is: what a router does that takes any.
    fn unfenced(&self, effect: &Effect) -> Effect {
        let any = self.is("takes any fence");
        Effect { fence: if any { Some(Fence(99)) } else { effect.fence }, ..effect.clone() }
    }
}

fn stale_is_internal(failure: Failure) -> Failure {
    Failure::new(deploy_core::failure::FailureCode::Internal, failure.message)
}

#[async_trait]
impl Executor for Wrong {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        let mut compiled = self.toy.compile(outline);
        if self.is("counts while compiling") {
            compiled.steps[0].title = format!("upload number {}", self.count());
        }
        if self.is("switches without a check") {
            compiled.steps.retain(|step| step.id.as_str() != "check");
        }
        compiled
    }

    async fn survey(&self, request: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        if self.is("writes while surveying") {
            self.toy.add_foreign("surveyed");
        }
        self.toy.survey(request).await
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        let effect = self.unfenced(effect);
        let is_switch = matches!(step.action, StepKind::Switch { .. });
        if self.is("never hears that it is cancelled") && cx.cancel.is_cancelled() {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if self.is("makes something new each time") && step.action == StepKind::Act {
            self.toy.add_foreign(&format!("copy {}", self.count()));
        }
        if self.is("writes lines of nobody") {
            let mut cx = cx.clone();
            cx.deployment = "dep_00000000000000000000000000000001".parse().unwrap();
            let _ = self.toy.perform(&effect, step, &cx).await;
        }
        if self.is("only says that it switched") && is_switch {
            return Ok(Output::of(cx.digest().unwrap().clone()));
        }
        if self.is("does anything it is told") && step.id.as_str().starts_with("no-such") {
            return Ok(Output::default());
        }
        if self.is("routes while checking") && step.id.as_str() == "check" {
            let switch = Step { id: "switch".parse().unwrap(), ..step.clone() };
            self.toy.perform(&effect, &switch, cx).await?;
        }
        let result = self.toy.perform(&effect, step, cx).await;
        if self.is("removes the old artifact") && is_switch {
            let keep = Keep { digests: cx.digest().cloned().into_iter().collect(), deployments: Vec::new() };
            self.toy.reclaim(&keep).await?;
        }
        if self.is("says internal instead of stale") {
            return result.map_err(stale_is_internal);
        }
        let mut output = result?;
        if self.is("checks something else") && step.id.as_str() == "check" {
            output.digest = Some(Digest::of(b"something else"));
        }
        if self.is("forgets what it answered") && step.action == StepKind::Act {
            output = output.with("took", self.count().to_string());
        }
        if self.is("tells a secret") {
            output = output.with("environment", format!("TOKEN={SECRET}"));
        }
        Ok(output)
    }

    async fn probe(&self, key: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        if self.is("always finds everything") {
            return Ok(Probe::Present { output: Output::default() });
        }
        if self.is("never finds anything") {
            return Ok(Probe::Absent);
        }
        self.toy.probe(key, step, cx).await
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        let effect = self.unfenced(effect);
        let is_switch = matches!(step.action, StepKind::Switch { .. });
        if self.is("fails to undo what is gone") {
            let name = format!("{} {}", cx.deployment, step.id);
            let mut gone = self.gone.lock().unwrap();
            if gone.contains(&name) {
                return Err(Failure::new(deploy_core::failure::FailureCode::ArtifactMissing, "gone already"));
            }
            gone.push(name);
        }
        if is_switch && (self.is("undoes by removing the route") || self.is("undoes what it never did")) {
            let performed = self.toy.probe(&effect.key().unwrap(), step, cx).await? != Probe::Absent;
            if self.is("undoes by removing the route") || !performed {
                let mut first = cx.clone();
                first.deployment = "dep_00000000000000000000000000000002".parse().unwrap();
                first.outputs = vec![("upload".parse().unwrap(), Output::of(Digest::of(b"nothing")))];
                self.toy.perform(&effect, step, &first).await?;
                return Ok(());
            }
        }
        let result = self.toy.undo(&effect, step, cx).await;
        if self.is("says internal instead of stale") { result.map_err(stale_is_internal) } else { result }
    }

    async fn finish(&self, deployment: DeploymentId) -> Result<(), Failure> {
        if self.is("removes the release when it finishes") {
            self.toy.clear();
        }
        self.toy.finish(deployment).await
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        if self.is("sweeps the whole target") {
            self.toy.clear();
        }
        let nothing = Keep::default();
        let keep = if self.is("reclaims what was to be kept") { &nothing } else { keep };
        self.toy.reclaim(keep).await
    }
}

#[async_trait]
impl ExecutorFixture for Wrong {
    fn executor(&self) -> &dyn Executor {
        self
    }

    fn spec(&self, number: u32) -> Spec {
        super::toy_spec(number)
    }

    fn detection(&self, _: u32) -> Detection {
        super::detection()
    }

    async fn live(&self) -> Option<Digest> {
        self.toy.live(&super::toy_spec(1).resource)
    }

    async fn has_artifact(&self, digest: &Digest) -> bool {
        self.toy.has(digest)
    }

    async fn everything(&self) -> String {
        self.toy.everything()
    }

    async fn add_foreign(&self) {
        self.toy.add_foreign("somebody's");
    }

    async fn foreign(&self) -> String {
        self.toy.foreign().join(" ")
    }

    fn canaries(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
}

#[tokio::test(start_paused = true)]
async fn every_mistake_is_caught_by_the_law_named_for_it() {
    for (mistake, law) in MISTAKES {
        let verdict = check(law, &Wrong::new(mistake)).await.unwrap();
        let breach = verdict.expect_err(&format!("an executor that {mistake} passes {law}"));
        println!("an executor that {mistake}: {breach}\n");
        assert_eq!(breach.law, *law);
        assert!(!breach.seen.is_empty() && !breach.remedy.is_empty());
    }
    let untested: Vec<_> =
        LAWS.iter().filter(|law| !MISTAKES.iter().any(|(_, named)| named == *law)).collect();
    assert!(untested.is_empty(), "laws without a mistake that they catch: {untested:?}");
}
