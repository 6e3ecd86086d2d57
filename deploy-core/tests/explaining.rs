//! A failed run says what most likely caused it, and an embedder's explainer has the first word.

#![expect(clippy::unwrap_used, reason = "a test, not the pure part")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use deploy_core::cancel::Cancel;
use deploy_core::detect::AnyProject;
use deploy_core::diagnosis::Diagnosis;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::engine::{Engine, Submission};
use deploy_core::evidence::{Ask, Evidence};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::hint::Remedy;
use deploy_core::id::DeploymentId;
use deploy_core::log::LogLine;
use deploy_core::plan::{Outline, Output, Step};
use deploy_core::port::{
    Compiled, Executor, Explainer, Keep, Layout, LeftOut, OpenSource, Probe, Sources, StepContext, WhenBusy,
};
use deploy_core::reason::Reason;
use deploy_core::spec::{Actor, Profile, Source, Spec};
use deploy_core::status::Status;
use deploy_core::testkit::{MemoryStore, ToyTarget};

/// The toy, with a release that ends at once.
struct Crashing(ToyTarget);

const LAST_WORDS: &str = "ModuleNotFoundError: No module named 'flask'";

#[async_trait]
impl Executor for Crashing {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        self.0.compile(outline)
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        let output = self.0.perform(effect, step, cx).await?;
        if step.id.as_str() != "check" {
            return Ok(output);
        }
        let failure = Failure::new(FailureCode::ReleaseExited, "the process ended with exit code 1");
        Err(failure.with_tail([LAST_WORDS.to_owned()]))
    }

    async fn probe(&self, key: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        self.0.probe(key, step, cx).await
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        self.0.undo(effect, step, cx).await
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        self.0.reclaim(keep).await
    }
}

/// A source of which nothing is known.
struct Nothing;

#[async_trait]
impl OpenSource for Nothing {
    fn commit(&self) -> Option<String> {
        None
    }

    async fn look(&mut self, _: &BTreeSet<Ask>, _: &mut Evidence) -> Result<(), Vec<Reason>> {
        Ok(())
    }
}

#[async_trait]
impl Sources for Nothing {
    async fn open(&self, _: &Source, _: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
        Ok(Box::new(Self))
    }

    fn left_out(&self, _: &Path, _: &Path) -> LeftOut {
        Box::new(|_, _| false)
    }

    async fn checkout(
        &self,
        _: &Source,
        _: &Profile,
        _: Layout,
        workspace: &Path,
        _: &Cancel,
    ) -> Result<PathBuf, Failure> {
        Ok(workspace.to_owned())
    }
}

/// Knows one line of one log.
struct Runbook;

#[async_trait]
impl Explainer for Runbook {
    async fn explain(&self, status: &Status, log: &[LogLine]) -> Option<Diagnosis> {
        let line = log.iter().rev().find(|line| line.message == "look whether it is whole")?;
        status.failure.as_ref()?;
        Some(Diagnosis {
            code: "runbook_7".to_owned(),
            cause: "See page 7.".to_owned(),
            line: line.message.clone(),
            next: Remedy::by_hand("turn to page 7"),
        })
    }
}

async fn failed(engine: &Engine) -> DeploymentId {
    let spec =
        Spec::directory("web".parse().unwrap(), "toy".parse().unwrap(), "/srv/web", Actor("anna".into()));
    let submission = Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse };
    let id = engine.submit(submission).await.unwrap().id;
    let end = engine.rested(id).await.unwrap();
    let likely = end.failure.and_then(|failure| failure.likely).expect("a rule knows it");
    assert_eq!((likely.code.as_str(), likely.line.as_str()), ("module_missing", LAST_WORDS));
    assert_eq!(end.recovery.unwrap().next.first(), Some(&likely.next));
    id
}

#[tokio::test]
async fn a_failed_run_names_its_likely_cause() {
    let engine = Engine::builder(MemoryStore::default(), Nothing, AnyProject)
        .executor(Crashing(ToyTarget::default()))
        .build();
    let id = failed(&engine).await;
    assert_eq!(engine.explain(id).await.unwrap().unwrap().code, "module_missing");
}

#[tokio::test]
async fn an_explainer_has_the_first_word_and_sees_the_log() {
    let engine = Engine::builder(MemoryStore::default(), Nothing, AnyProject)
        .executor(Crashing(ToyTarget::default()))
        .explainer(Runbook)
        .build();
    let id = failed(&engine).await;
    assert_eq!(engine.explain(id).await.unwrap().unwrap().code, "runbook_7");
}
