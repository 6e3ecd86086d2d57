//! Answering a public request.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::hold::Hold;
use super::live::{Live, Source};
use super::{Plane, read};
use crate::host::{normalize_host, without_port};
use crate::proxy::{Flight, forward};
use crate::server::{accept_loop, serve_connection};
use crate::site::Site;
use crate::visit::Visit;
use crate::web::body::Body;
use crate::web::failure::Failure;
use crate::web::host::host_of;

/// How a connection's requests find their route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By the host they name.
    Host,
    /// By the port they came to. The host does not matter: such a site is reached by address.
    Port(u16),
}

/// Who answers a request.
enum Answerer {
    Site(Arc<Site>, Arc<Live>),
    Upstream(Flight),
}

/// What a request finds at its route.
enum Found {
    Answerer(Answerer),
    /// The route is paused.
    Hold(Arc<Hold>),
}

impl Plane {
    /// Serves the connections of one public listener until draining.
    pub(crate) async fn serve_public(self: Arc<Self>, listener: TcpListener, origin: Origin) {
        let (connections, phase) = (Arc::clone(&self.connections), self.phase.subscribe());
        accept_loop(listener, connections, phase, async |(stream, peer): (TcpStream, SocketAddr), permit| {
            let Ok(stream) = stream.into_std() else {
                return;
            };
            let plane = Arc::clone(&self);
            let job =
                move |worker| drop(tokio::spawn(plane.serve_stream(stream, peer, worker, origin, permit)));
            self.workers.run(job).await;
        })
        .await;
    }

    async fn serve_stream(
        self: Arc<Self>,
        stream: std::net::TcpStream,
        peer: SocketAddr,
        worker: usize,
        origin: Origin,
        permit: OwnedSemaphorePermit,
    ) {
        // An IPv4 client of an IPv6 listener is an IPv4 client.
        let peer = peer.ip().to_canonical();
        let visit = Arc::new(Visit::public(peer, worker, self.stats.connected(), permit));
        let progress = visit.progress.clone();
        let plane = Arc::clone(&self);
        let respond = move |request| {
            let (plane, visit) = (Arc::clone(&plane), Arc::clone(&visit));
            async move { plane.answer(origin, &visit, request).await }
        };
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                serve_connection(stream, respond, progress, &self.limits, self.phase.subscribe()).await;
            }
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }

    async fn answer(&self, origin: Origin, visit: &Arc<Visit>, request: Request<Incoming>) -> Response<Body> {
        let response = match self.admit(origin, visit, &request).await {
            Ok(Answerer::Upstream(flight)) => forward(visit, flight, request).await,
            Ok(Answerer::Site(site, live)) => {
                self.responder.respond(&site, live.route.fallback.as_deref(), &request).await
            }
            Err(failure) => failure.response(),
        };
        self.stats.answered(response.status());
        response
    }

    /// Finds who answers, after waiting for the end of a pause.
    async fn admit<B>(
        &self,
        origin: Origin,
        visit: &Visit,
        request: &Request<B>,
    ) -> Result<Answerer, Failure> {
        let since = Instant::now();
        loop {
            match self.find(origin, request)? {
                Found::Answerer(answerer) => return Ok(answerer),
                Found::Hold(hold) => {
                    let _waiting = visit.progress.wait();
                    if !hold.wait(since.elapsed()).await {
                        return Err(Failure::Paused);
                    }
                }
            }
        }
    }

    /// Who answers by the table as it is at this moment, and does so until the response is complete. A flight is
    /// counted before the table can change, so that whoever changes it knows of it.
    fn find<B>(&self, origin: Origin, request: &Request<B>) -> Result<Found, Failure> {
        let host =
            host_of(request.uri(), request.headers(), request.version()).map_err(|_| Failure::BadHost)?;
        let routes = read(&self.live);
        let live = match origin {
            Origin::Port(port) => routes.by_port(port),
            // Nearly every client sends the normal spelling, which needs no copy.
            Origin::Host => routes
                .by_host(without_port(host))
                .or_else(|| normalize_host(host).ok().and_then(|host| routes.by_host(&host))),
        };
        let live = live.ok_or(Failure::NoRoute)?;
        if let Some(hold) = &live.hold {
            return Ok(Found::Hold(Arc::clone(hold)));
        }
        let answerer = match &live.source {
            Source::Upstream(backend) => Answerer::Upstream(Flight::begin(backend)),
            Source::Site(site) => Answerer::Site(Arc::clone(site), Arc::clone(live)),
            Source::Missing => return Err(Failure::ReleaseMissing),
        };
        Ok(Found::Answerer(answerer))
    }
}
