//! The control socket: HTTP/1.1 and JSON over a unix socket that only the owner can open.
//!
//! | request | meaning |
//! |---|---|
//! | `GET /status` | [`api::Status`] |
//! | `PUT /candidates/{digest}` | load a release for a coming switch; optional body [`api::CandidateOptions`] |
//! | `DELETE /candidates/{digest}` | forget it |
//! | `GET /routes/{host}` | the [`crate::routes::Route`], or 404 |
//! | `PUT /routes/{host}` | body [`crate::routes::RouteChange`] with a release; answers [`crate::routes::Switched`] |
//! | `DELETE /routes/{host}` | body [`crate::routes::RouteChange`] without a release; the same fence applies |
//! | `PUT /routes/{host}/pause` | body [`crate::routes::PauseChange`] with a pause: hold its requests |
//! | `DELETE /routes/{host}/pause` | body [`crate::routes::PauseChange`] without one: let them go |
//! | `GET /drain/{digest}?address=..&wait_ms=..` | [`api::DrainStatus`], once drained or after the wait, which is bounded |
//! | `POST /stop` | stop gracefully |
//!
//! Every refusal is an [`api::Problem`]. A request whose host is `<64 hex>.candidate` is answered from that candidate,
//! by the code that answers the public, so that a release can be proved before anyone is sent to it.

pub mod api;
mod handlers;
mod problem;
mod request;

use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::plane::Plane;
use crate::server::{accept_loop, serve_connection};
use crate::visit::Visit;

impl Plane {
    /// Serves the control socket until draining.
    pub(crate) async fn serve_control(self: Arc<Self>, listener: UnixListener) {
        let (connections, phase) = (Arc::clone(&self.control_connections), self.phase.subscribe());
        accept_loop(listener, connections, phase, |stream, permit| {
            tokio::spawn(Arc::clone(&self).serve_control_stream(stream, permit));
            std::future::ready(())
        })
        .await;
    }

    async fn serve_control_stream(self: Arc<Self>, stream: UnixStream, permit: OwnedSemaphorePermit) {
        let visit = Arc::new(Visit::control(permit));
        let (plane, progress) = (Arc::clone(&self), visit.progress.clone());
        let respond = move |request| handlers::handle(Arc::clone(&plane), Arc::clone(&visit), request);
        serve_connection(stream, respond, progress, &self.limits, self.phase.subscribe()).await;
    }
}
