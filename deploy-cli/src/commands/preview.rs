//! `detect` and `plan`: what it is and what would be done. Nothing is written, nothing must run.

use deploy_core::admission::{Petition, Verdict};
use deploy_core::engine::SystemClock;
use deploy_core::plan::{PlanDocument, ReadinessStatus};
use deploy_core::port::{Admission as _, Clock as _, Survey};
use deploy_core::spec::Spec;

use super::Context;
use super::write::write;
use crate::args::{PlanArgs, SourceArgs};
use crate::exit::{Exit, Failed};
use crate::output::{json, result};
use crate::policy::Policy;
use crate::render::plan;
use crate::request::{actor, plan_request, spec};
use crate::source::config_file;
use crate::wiring::previewer;

pub(crate) async fn detect(cx: &Context, args: SourceArgs) -> Result<Exit, Failed> {
    let spec = spec(plan_request(&args)?);
    let detection = previewer(&cx.state).inspect(&spec).await;
    let exit = if detection.blocked.is_empty() { Exit::Done } else { Exit::Blocked };
    if cx.json {
        json(&detection);
    } else {
        result(plan::detection(&detection).trim_end());
    }
    Ok(exit)
}

pub(crate) async fn plan(cx: &Context, args: PlanArgs) -> Result<Exit, Failed> {
    let document = document(cx, &args.source).await?;
    if args.write {
        write(&document, &config_file(&args.source)?)?;
    }
    Ok(show(cx, &document))
}

/// Prints a plan, and says how it is to be taken.
pub(crate) fn show(cx: &Context, document: &PlanDocument) -> Exit {
    if cx.json {
        json(document);
    } else {
        result(plan::plan(document).trim_end());
    }
    exit_of(document)
}

/// The preview of what the flags and the configuration ask for. Offline: what is live is not known.
pub(crate) async fn document(cx: &Context, args: &SourceArgs) -> Result<PlanDocument, Failed> {
    let spec = spec(plan_request(args)?);
    let document = previewer(&cx.state).preview(&spec, None::<&Survey>).await;
    Ok(document.judged(verdict(cx, &spec).await?))
}

/// What the policies say: those of the file that a control plane reads.
async fn verdict(cx: &Context, spec: &Spec) -> Result<Verdict, Failed> {
    let policy = Policy::open(cx.state.policy(), cx.state.releases())?;
    let workspace = policy.workspace(&spec.resource);
    let (actor, at) = (actor(), SystemClock.now());
    let petition = Petition {
        resource: &spec.resource,
        workspace: &workspace,
        actor: &actor,
        trigger: &spec.trigger,
        at,
    };
    Ok(policy.judge(&petition).await)
}

pub(crate) const fn exit_of(document: &PlanDocument) -> Exit {
    match document.readiness.status {
        ReadinessStatus::Ready | ReadinessStatus::Warning => Exit::Done,
        ReadinessStatus::Blocked => Exit::Blocked,
    }
}
