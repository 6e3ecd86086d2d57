//! Asking the candidate itself: over HTTP or by connecting at its own address, or by a command inside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::health::{HealthCheck, HealthPolicy};
use deploy_core::id::Digest;
use deploy_core::log::LogLevel;
use deploy_core::plan::Outline;
use deploy_core::port::{Clock, StepContext};
use deploy_core::redact::CleanLine;
use deploy_core::step_log::StepLog;
use deploy_core::time::Span;
use deploy_probe::{
    Address, Attempt, Connecting, Judgement, Look, Looks, Passed, Prober, Problem, ProblemKind, Target,
    check, decide,
};
use futures_util::StreamExt as _;

use crate::check::Candidate;
use crate::engine::{Engine, EngineError, Sort};
use crate::image;

/// How many lines of a command's output are kept as evidence.
const SAID_LINES: usize = 20;

/// Asks the candidate as the policy says, until that is decided.
pub(crate) async fn candidate(
    engine: &Engine,
    candidate: &Candidate,
    clock: &Arc<dyn Clock>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Passed, Failure> {
    let outline = cx.plan.outline();
    let policy = &outline.health.policy;
    let words = match &policy.check {
        HealthCheck::Http => return over_http(candidate.address, outline, None, clock, cx, log).await,
        HealthCheck::Tcp => {
            return until_decided(Connecting(candidate.address), policy, clock, cx, log).await;
        }
        // What the user wrote as a command, whole and alone.
        HealthCheck::Command { command } => ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
        HealthCheck::Image => of_image(engine, &candidate.digest).await?,
    };
    let running = Running { engine, container: &candidate.id, words, log };
    until_decided(running, policy, clock, cx, log).await
}

/// Asks an address over HTTP. With a release, only that one can be good.
pub(crate) async fn over_http(
    address: SocketAddr,
    outline: &Outline,
    release: Option<&Digest>,
    clock: &Arc<dyn Clock>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Passed, Failure> {
    let policy = &outline.health.policy;
    let target = Target {
        address: Address::Tcp(address),
        host: outline.access.host.clone(),
        path: policy.path.clone(),
        timeout: policy.timeout,
    };
    let mut said = None;
    let told = |attempt: &Attempt| tell(log, attempt, &mut said);
    check(&Prober::default(), &target, policy, release, || clock.now(), &cx.cancel, told).await
}

async fn until_decided(
    looks: impl Looks,
    policy: &HealthPolicy,
    clock: &Arc<dyn Clock>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Passed, Failure> {
    let mut said = None;
    let told = |attempt: &Attempt| tell(log, attempt, &mut said);
    decide(looks, policy, || clock.now(), &cx.cancel, told).await
}

/// An attempt as a log line, when it says something new.
fn tell(log: &StepLog, attempt: &Attempt, said: &mut Option<String>) {
    let (level, message) = match &attempt.look.judgement {
        Judgement::Good => (LogLevel::Debug, "good".to_owned()),
        Judgement::Bad(problem) => (LogLevel::Warn, problem.message.clone()),
    };
    if said.as_ref() != Some(&message) {
        log.system(level, &format!("attempt {}: {message}", attempt.number));
        *said = Some(message);
    }
}

/// The command of an image's HEALTHCHECK, as words. Its times are not: the policy's are.
async fn of_image(engine: &Engine, digest: &Digest) -> Result<Vec<String>, Failure> {
    let image = image::find(engine, digest.as_str()).await?.ok_or_else(|| image::gone(digest))?;
    let test = image.config.and_then(|config| config.healthcheck).and_then(|health| health.test);
    let words = match test.as_deref() {
        Some([kind, words @ ..]) if kind == "CMD" && !words.is_empty() => words.to_vec(),
        Some([kind, command]) if kind == "CMD-SHELL" => {
            ["/bin/sh", "-c", command].map(str::to_owned).to_vec()
        }
        Some(_) | None => {
            let message = "health.check is \"image\", but the image has no HEALTHCHECK";
            return Err(Failure::new(FailureCode::Unhealthy, message).because("health.check", "image"));
        }
    };
    Ok(words)
}

/// Looking by running a command inside the container: 0 is well.
struct Running<'a> {
    engine: &'a Engine,
    container: &'a str,
    words: Vec<String>,
    log: &'a StepLog,
}

/// How a command ended, and what it said.
struct Ran {
    code: Option<i64>,
    said: String,
}

impl Running<'_> {
    async fn run(&self) -> Result<Ran, EngineError> {
        let error = |error| self.engine.error(error, Sort::Read);
        let docker = self.engine.client().await?.clone();
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(self.words.clone()),
            ..ExecConfig::default()
        };
        let id = docker.create_exec(self.container, config).await.map_err(error)?.id;
        let mut said = Vec::new();
        let started = docker.start_exec(&id, None::<StartExecOptions>).await.map_err(error)?;
        if let StartExecResults::Attached { mut output, .. } = started {
            let mut lines = self.log.lines();
            let mut keep = |line: CleanLine| {
                if said.len() < SAID_LINES {
                    said.push(String::from(line));
                }
            };
            while let Some(Ok(piece)) = output.next().await {
                lines.take(piece.as_ref(), &mut keep);
            }
            lines.finish(&mut keep);
        }
        let ended = docker.inspect_exec(&id).await.map_err(error)?;
        Ok(Ran { code: ended.exit_code, said: said.join("\n") })
    }
}

impl Looks for Running<'_> {
    async fn look(&mut self, timeout: Span) -> Look {
        let began = Instant::now();
        let ran = tokio::time::timeout(timeout.as_duration(), self.run()).await;
        let heard = ran.is_ok();
        let took = Span::from_millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        let (problem, said) = match ran {
            Ok(Ok(Ran { code: Some(0), said })) => (None, said),
            Ok(Ok(Ran { code, said })) => {
                let code = code.map_or("no exit code".to_owned(), |code| format!("exit code {code}"));
                (Some(format!("the health command ended with {code}")), said)
            }
            Ok(Err(error)) => (Some(format!("the health command could not be run: {error}")), String::new()),
            Err(_) => (Some(format!("the health command did not end within {timeout}")), String::new()),
        };
        let seen = problem.as_deref().unwrap_or("the health command ended with exit code 0");
        Look {
            seen: format!("{seen} after {took}"),
            said: (!said.is_empty()).then_some(said),
            heard,
            judgement: problem.map_or(Judgement::Good, |message| {
                Judgement::Bad(Problem { kind: ProblemKind::Command, message })
            }),
        }
    }

    fn expects(&self) -> String {
        format!("`{}` ends with 0", self.words.join(" "))
    }
}
