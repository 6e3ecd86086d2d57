//! Answering a public request.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::Plane;
use super::live::Live;
use crate::host::{normalize_host, without_port};
use crate::server::{accept_loop, serve_connection};
use crate::web::body::Body;
use crate::web::host::{BadHost, host_of};
use crate::web::plain;

/// How a connection's requests find their route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By the host they name.
    Host,
    /// By the port they came to. The host does not matter: such a site is reached by address.
    Port(u16),
}

impl Plane {
    /// Serves the connections of one public listener until draining.
    pub(crate) async fn serve_public(self: Arc<Self>, listener: TcpListener, origin: Origin) {
        let (connections, phase) = (Arc::clone(&self.connections), self.phase.subscribe());
        accept_loop(listener, connections, phase, async |stream: TcpStream, permit| {
            let Ok(stream) = stream.into_std() else {
                return;
            };
            let plane = Arc::clone(&self);
            let job = move || drop(tokio::spawn(plane.serve_stream(stream, origin, permit)));
            self.workers.run(job).await;
        })
        .await;
    }

    async fn serve_stream(
        self: Arc<Self>,
        stream: std::net::TcpStream,
        origin: Origin,
        permit: OwnedSemaphorePermit,
    ) {
        let _open = self.stats.connected();
        let plane = &*self;
        let respond = |request| async move { plane.answer(origin, &request).await };
        match TcpStream::from_std(stream) {
            Ok(stream) => serve_connection(stream, respond, &self.limits, self.phase.subscribe()).await,
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
        drop(permit);
    }

    async fn answer<B>(&self, origin: Origin, request: &Request<B>) -> Response<Body> {
        let response = match self.find(origin, request) {
            Ok(Some(live)) => self.answer_live(&live, request).await,
            Ok(None) => plain::text(StatusCode::NOT_FOUND, "No site is routed here.\n"),
            Err(BadHost) => plain::text(StatusCode::BAD_REQUEST, "The request must name exactly one host.\n"),
        };
        self.stats.answered(response.status());
        response
    }

    /// The route for a request, taken from the table as it is at this moment and kept until the response is complete.
    fn find<B>(&self, origin: Origin, request: &Request<B>) -> Result<Option<Arc<Live>>, BadHost> {
        let host = host_of(request)?;
        let routes = self.live.load();
        let live = match origin {
            Origin::Port(port) => routes.by_port(port),
            // Nearly every client sends the normal spelling, which needs no copy.
            Origin::Host => routes
                .by_host(without_port(host))
                .or_else(|| normalize_host(host).ok().and_then(|host| routes.by_host(&host))),
        };
        Ok(live.cloned())
    }

    async fn answer_live<B>(&self, live: &Live, request: &Request<B>) -> Response<Body> {
        match &live.site {
            Some(site) => self.responder.respond(site, live.route.fallback.as_deref(), request).await,
            None => plain::text(
                StatusCode::SERVICE_UNAVAILABLE,
                "The release of this site is missing. Deploy again.\n",
            ),
        }
    }
}
