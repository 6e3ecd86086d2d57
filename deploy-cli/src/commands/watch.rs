//! Following a deployment to its rest. The verdict comes from its status, never from the stream: a
//! lost stream is opened again where it broke off.

use std::time::{Duration, Instant};

use deploy_core::id::DeploymentId;
use deploy_core::queue::Place;
use deploy_core::status::{Status, StatusName};
use deploy_core::time::Span;

use super::Context;
use crate::exit::{Exit, Failed};
use crate::interrupts::Interrupts;
use crate::output::{json, result, tell};
use crate::render::progress::Progress;
use crate::render::status;

/// How long one poll waits for something new.
const POLL: &str = "20s";
/// The same while it waits for its turn: its place in the line is no event of its own.
const QUEUED_POLL: &str = "5s";
/// How long a control plane that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Follows a deployment until it rests, and gives its exit code.
pub(crate) async fn watch(
    cx: &Context,
    id: DeploymentId,
    limit: Option<Span>,
    mut interrupts: Interrupts,
) -> Result<Exit, Failed> {
    let following = follow(cx, id);
    let limited = async {
        match limit {
            Some(limit) => tokio::time::timeout(limit.as_duration(), following).await.map_err(|_| ()),
            None => Ok(following.await),
        }
    };
    tokio::select! {
        followed = limited => match followed {
            Ok(status) => Ok(conclude(cx, &status?)),
            Err(()) => {
                tell(&format!("waited long enough; the run goes on: deploy show {id}"));
                if cx.json {
                    json(&cx.client.get::<Status>(&format!("/api/deployments/{id}")).await?);
                }
                Ok(Exit::StillRunning)
            }
        },
        () = interrupts.next() => {
            interrupts.detach(&cx.client, id).await;
            Ok(Exit::StillRunning)
        }
    }
}

async fn follow(cx: &Context, id: DeploymentId) -> Result<Status, Failed> {
    let mut progress = Progress::new();
    let mut last_seen = Instant::now();
    let mut path = format!("/api/deployments/{id}");
    loop {
        match cx.client.get::<Status>(&path).await {
            Ok(status) => {
                last_seen = Instant::now();
                progress.show(&status);
                if !status.status.is_moving() {
                    return Ok(status);
                }
                let queued = status.status == StatusName::Queued;
                if queued && let Ok(Some(place)) = place(cx, id).await {
                    progress.waits(&status, &place);
                }
                let poll = if queued { QUEUED_POLL } else { POLL };
                path = format!("/api/deployments/{id}?wait={poll}&after={}", status.sequence);
            }
            Err(gone) if is_away(&gone) && last_seen.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Where in the line it is, while it waits.
pub(super) async fn place(cx: &Context, id: DeploymentId) -> Result<Option<Place>, Failed> {
    cx.client.get(&format!("/api/deployments/{id}/queue")).await
}

/// The control plane is being restarted: the run is safe in the journal.
pub(super) fn is_away(failed: &Failed) -> bool {
    matches!(
        failed.code.as_str(),
        "control_plane_not_running" | "control_plane_gone" | "shutting_down" | "store_unavailable"
    )
}

fn conclude(cx: &Context, last: &Status) -> Exit {
    let exit = last.exit_code.map_or(Exit::StillRunning, Exit::Deployment);
    if cx.json {
        json(last);
        return exit;
    }
    tell(status::conclusion(last).trim_end());
    if exit == Exit::Deployment(0)
        && let Some(live) = &last.live_now
    {
        result(&live.url);
    }
    exit
}
