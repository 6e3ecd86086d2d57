//! Ctrl-C in a command that follows a run: the first detaches, a second one soon after asks to stop.

use std::time::Duration;

use deploy_core::id::DeploymentId;
use deploy_core::status::Status;
use deploy_http::StopRequest;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::client::Client;
use crate::exit::Failed;
use crate::output::tell;

/// How soon a second interrupt means the run.
const SOON: Duration = Duration::from_secs(3);

/// The interrupts of this process, from when it began to listen. None is lost in between.
pub(crate) struct Interrupts(Signal);

impl Interrupts {
    /// From now on an interrupt no longer ends the process.
    pub(crate) fn listen() -> Result<Self, Failed> {
        let signal = signal(SignalKind::interrupt());
        signal.map(Self).map_err(|error| Failed::internal("listen for interrupts", error))
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// What a first interrupt does: it leaves the run alone, unless a second one follows.
    pub(crate) async fn detach(&mut self, client: &Client, id: DeploymentId) {
        tell(&format!(
            "detached; the run goes on: `deploy events {id} --follow` follows it again, `deploy stop {id}` stops it"
        ));
        tell(&format!("interrupt again within {} s to ask it to stop", SOON.as_secs()));
        if tokio::time::timeout(SOON, self.next()).await.is_err() {
            return;
        }
        let request = StopRequest { now: false, undo: false };
        match client.post::<Status>(&format!("/api/deployments/{id}/stop"), &request, None).await {
            Ok(status) => tell(&format!(
                "asked to stop; it is {} now: `deploy show {id}` says how it ends",
                status.status.as_str()
            )),
            Err(failed) => tell(&format!("it was not stopped: {} [{}]", failed.message, failed.code)),
        }
    }
}
