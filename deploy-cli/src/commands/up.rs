//! `up`: plan, submit, follow. stdout is exactly the URL.

use std::collections::BTreeSet;

use deploy_core::engine::SystemIds;
use deploy_core::evidence::{Ask, Evidence, Walk};
use deploy_core::id::DeploymentId;
use deploy_core::path::Inside;
use deploy_core::plan::{Draft, PlanDocument};
use deploy_core::port::{Ids, Sources, WhenBusy};
use deploy_core::spec::{Profile, Source};
use deploy_core::time::Span;
use deploy_http::{DeployRequest, Submission};
use serde_json::json;

use super::{Context, preview, watch};
use crate::args::UpArgs;
use crate::background::ensure_control_plane;
use crate::exit::{Exit, Failed};
use crate::fly;
use crate::interrupts::Interrupts;
use crate::output::{json, result, tell};
use crate::request::{plan_request, spec};
use crate::wiring::{previewer, require_docker, require_flyctl, sources};

pub(crate) async fn up(cx: &Context, args: UpArgs) -> Result<Exit, Failed> {
    if args.dry_run {
        return dry_run(cx, &args).await;
    }
    let plan = plan_request(&args.source)?;
    if plan.target.as_str() == "docker" {
        require_docker(&cx.state).await?;
    }
    if plan.target.as_str() == "fly" {
        fly::require_app(&plan.profile)?;
        require_flyctl(&cx.state, &plan.profile.fly)?;
    }
    let when_busy = match (args.supersede, args.wait_turn) {
        (true, _) => WhenBusy::Supersede,
        (false, true) => WhenBusy::Wait,
        (false, false) => WhenBusy::Refuse,
    };
    let request = DeployRequest { plan, plan_fingerprint: args.plan, when_busy };
    let following = (!args.detach).then_some(args.wait_timeout);
    submit_and_follow(cx, "/api/deployments", &request, following).await
}

pub(crate) async fn retry(cx: &Context, id: DeploymentId) -> Result<Exit, Failed> {
    submit_and_follow(cx, &format!("/api/deployments/{id}/retry"), &json!({}), Some(None)).await
}

pub(crate) async fn redeploy(cx: &Context, id: DeploymentId) -> Result<Exit, Failed> {
    submit_and_follow(cx, &format!("/api/deployments/{id}/redeploy"), &json!({}), Some(None)).await
}

/// Submits, and follows for as long as `following` says; only prints the id when it is absent. From the
/// submission on an interrupt no longer ends this process, so that nobody is left without a word.
pub(crate) async fn submit_and_follow(
    cx: &Context,
    path: &str,
    request: &impl serde::Serialize,
    following: Option<Option<Span>>,
) -> Result<Exit, Failed> {
    ensure_control_plane(&cx.state, &cx.client).await?;
    let mut interrupts = Interrupts::listen()?;
    let submission: Submission = tokio::select! {
        submission = submit(cx, path, request) => submission?,
        () = interrupts.next() => {
            tell("interrupted while it was submitted: `deploy list` shows whether it was accepted");
            return Ok(Exit::StillRunning);
        }
    };
    match following {
        Some(limit) => watch::watch(cx, submission.id, limit, interrupts).await,
        None => Ok(detached(cx, &submission)),
    }
}

/// How often a request is made whose answer breaks off.
const ATTEMPTS: u32 = 4;

/// Submits once, whatever happens to the answer: if the control plane breaks off, the same request is
/// made again under the same key, so it is either recorded now or was already.
async fn submit(cx: &Context, path: &str, request: &impl serde::Serialize) -> Result<Submission, Failed> {
    let key = SystemIds.deployment().to_string();
    let mut attempt = 1;
    loop {
        ensure_control_plane(&cx.state, &cx.client).await?;
        match cx.client.post(path, request, Some(&key)).await {
            Err(failed) if failed.code == "control_plane_gone" && attempt < ATTEMPTS => attempt += 1,
            answered => return answered,
        }
    }
}

fn detached(cx: &Context, submission: &Submission) -> Exit {
    if cx.json {
        json(submission);
    } else {
        result(&submission.id.to_string());
    }
    Exit::Done
}

/// What would be handed to the target: for a static site, its files. Nothing is touched.
async fn dry_run(cx: &Context, args: &UpArgs) -> Result<Exit, Failed> {
    let document = preview::document(cx, &args.source).await?;
    if document.target.as_str() == "fly" {
        fly::require_app(&plan_request(&args.source)?.profile)?;
    }
    if preview::exit_of(&document) == Exit::Blocked {
        return Ok(preview::show(cx, &document));
    }
    let request = plan_request(&args.source)?;
    if request.target.as_str() == "fly" {
        return fly::dry_run(cx, &args.source, &document).await;
    }
    let dockerfile = dockerfile(cx, args).await?;
    let files = match document.commands.is_empty() {
        true => files(&request.source, &request.profile, &document).await,
        // What a build will make is known when it has made it.
        false => Vec::new(),
    };
    if cx.json {
        let ignored = dockerfile.is_some().then_some(deploy_docker::NEVER_SENT);
        json(&json!({ "plan": document, "files": files, "dockerfile": dockerfile, "dockerignore": ignored }));
    } else if let Some(text) = dockerfile {
        tell("never sent to the build, besides what the project's .dockerignore names:");
        deploy_docker::NEVER_SENT.lines().for_each(|line| tell(&format!("  {line}")));
        result(text.trim_end());
    } else {
        for command in &document.commands {
            result(&format!("$ {}", crate::output::clean(&command.command)));
        }
        files.iter().for_each(|file| result(&crate::output::clean(file)));
    }
    Ok(Exit::Done)
}

/// The Dockerfile that would be generated, if one would.
async fn dockerfile(cx: &Context, args: &UpArgs) -> Result<Option<String>, Failed> {
    let spec = spec(plan_request(&args.source)?);
    let previewer = previewer(&cx.state);
    let detection = previewer.inspect(&spec).await;
    Ok(match previewer.draft(&spec, &detection, None) {
        Draft::Ready(plan) if spec.target.as_str() == "docker" => deploy_docker::dockerfile(plan.outline()),
        Draft::Ready(_) | Draft::Blocked(_) => None,
    })
}

/// The files that would be published, relative to the publish directory.
async fn files(source: &Source, profile: &Profile, document: &PlanDocument) -> Vec<String> {
    // The same commit or content as in the plan.
    let source = source.pinned(&document.source);
    let Ok(mut opened) = sources().open(&source, profile).await else { return Vec::new() };
    let base = document.source.base_directory.as_deref().unwrap_or_default();
    let directory = document.artifact.as_ref().and_then(|artifact| artifact.publish_directory.clone());
    let Ok(base) = Inside::parse(base) else { return Vec::new() };
    let Ok(site) = Inside::parse(&base.join(directory.as_deref().unwrap_or_default())) else {
        return Vec::new();
    };
    let (ask, mut evidence) = (BTreeSet::from([Ask::Walk(site.as_str().to_owned())]), Evidence::default());
    if opened.look(&ask, &mut evidence).await.is_err() {
        return Vec::new();
    }
    match evidence.walks.remove(site.as_str()) {
        Some(Walk::Walked { files, .. }) => files.into_iter().collect(),
        Some(Walk::Absent | Walk::Refused(_)) | None => Vec::new(),
    }
}
