//! One request to an upstream and its response.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep, sleep_until};

use super::backend::{Backend, Flight};
use super::body::{RequestBody, ResponseBody, Upload};
use super::connect::{self, Http1};
use super::headers::{self, Source};
use super::tunnel;
use crate::limits::Limits;
use crate::routes::Protocol;
use crate::visit::Visit;
use crate::web::body::Body;
use crate::web::failure::Failure;
use crate::web::host::host_of;

/// The connection a response comes over.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Option<Http1>,
    worker: Option<usize>,
}

impl Lease {
    /// Keeps the connection for the next request.
    pub(super) fn give_back(self, backend: &Arc<Backend>) {
        if let (Some(connection), Some(worker)) = (self.connection, self.worker) {
            backend.pool(worker).put(connection, backend, worker);
        }
    }
}

/// Answers a request from the upstream of its flight.
pub(crate) async fn forward(
    visit: &Arc<Visit>,
    flight: Flight,
    request: Request<Incoming>,
) -> Response<Body> {
    let backend = Arc::clone(flight.backend());
    let answer = answer(visit, &backend, flight, request).await;
    let mut response = answer.unwrap_or_else(Failure::response);
    headers::name_release(response.headers_mut(), &backend.digest_header);
    response
}

async fn answer(
    visit: &Arc<Visit>,
    backend: &Arc<Backend>,
    flight: Flight,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let limits = &backend.proxy.limits;
    if flight.is_one_too_many() {
        return Err(Failure::Busy);
    }
    check(&request, limits.request_body_bytes)?;
    let upgrade = match backend.protocol() {
        Protocol::Http1 => headers::wanted_upgrade(request.version(), request.headers()),
        Protocol::Http2 => None,
    };
    let visitor = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut parts, incoming) = request.into_parts();
    rewrite(&mut parts, visit, backend, upgrade.as_ref())?;
    let (body, upload) = if incoming.is_end_stream() {
        (RequestBody::Empty, None)
    } else {
        let upload = Upload::new();
        (RequestBody::streamed(incoming, &upload, limits.request_body_bytes), Some(upload))
    };
    frame(&mut parts, &body, backend.protocol());

    let waiting = visit.progress.wait();
    let sent = send(backend, visit.worker, Request::from_parts(parts, body));
    let (response, lease) = in_time(sent, backend, upload.as_deref()).await?;
    drop(waiting);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let visitor = visitor.ok_or(Failure::BrokenResponse)?;
        return Ok(upgraded(visit, flight, visitor, response));
    }
    let progress = visit.progress.clone();
    let mut response = response
        .map(|incoming| Body::Proxied(Box::new(ResponseBody::new(incoming, lease, flight, progress))));
    headers::for_visitor(response.headers_mut());
    Ok(response)
}

/// The 101 for the visitor; what follows it goes through a tunnel.
fn upgraded(
    visit: &Arc<Visit>,
    flight: Flight,
    visitor: OnUpgrade,
    mut response: Response<Incoming>,
) -> Response<Body> {
    let upstream = hyper::upgrade::on(&mut response);
    tokio::spawn(tunnel::run(Arc::clone(visit), flight, visitor, upstream));
    let mut response = response.map(|_| Body::empty());
    headers::for_upgraded(response.headers_mut());
    response
}

/// Refuses what is not passed on.
fn check(request: &Request<Incoming>, body_limit: u64) -> Result<(), Failure> {
    if *request.method() == Method::CONNECT || *request.method() == Method::TRACE {
        return Err(Failure::MethodNotAllowed);
    }
    let length = request.body().size_hint().lower();
    if length > body_limit { Err(Failure::BodyTooLarge) } else { Ok(()) }
}

/// Makes the head of a visitor's request that of the request to the upstream.
fn rewrite(
    parts: &mut request::Parts,
    visit: &Visit,
    backend: &Backend,
    upgrade: Option<&HeaderValue>,
) -> Result<(), Failure> {
    let host = host_of(&parts.uri, &parts.headers, parts.version).map_err(|_| Failure::BadHost)?;
    let authority: Authority = host.parse().map_err(|_| Failure::BadHost)?;
    let written = match parts.headers.get(HOST) {
        Some(written) if written.as_bytes() == host.as_bytes() => written.clone(),
        Some(_) | None => HeaderValue::from_str(host).map_err(|_| Failure::BadHost)?,
    };
    let peer = visit.peer;
    let source = Source { peer, trusted: backend.proxy.trusts(peer), host: &written };
    headers::for_upstream(&mut parts.headers, parts.version, &source, upgrade, backend.protocol());
    let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path);
    match backend.protocol() {
        Protocol::Http1 => parts.version = Version::HTTP_11,
        Protocol::Http2 => {
            parts.version = Version::HTTP_2;
            uri.scheme = Some(Scheme::HTTP);
            uri.authority = Some(authority);
        }
    }
    parts.uri = Uri::from_parts(uri).map_err(|_| Failure::BadRequest)?;
    Ok(())
}

/// Says how the body is framed where hyper would assume that there is none: a GET of unknown length.
fn frame(parts: &mut request::Parts, body: &RequestBody, protocol: Protocol) {
    let unknown = !body.is_end_stream() && body.size_hint().exact().is_none();
    if unknown && protocol == Protocol::Http1 {
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Waits for the head of a response, as long as its limits and the backend's allow.
async fn in_time<T>(
    sent: impl Future<Output = Result<T, Failure>>,
    backend: &Backend,
    upload: Option<&Upload>,
) -> Result<T, Failure> {
    let sent = async {
        let too_large = |failure| match upload {
            Some(upload) if upload.is_too_large() => Failure::BodyTooLarge,
            Some(_) | None => failure,
        };
        sent.await.map_err(too_large)
    };
    tokio::select! {
        biased;
        sent = sent => sent,
        () = backend.is_cut() => Err(Failure::Drained),
        late = late(&backend.proxy.limits, upload) => Err(late),
    }
}

/// Returns who is late, once somebody is: the upstream with its answer, or the client with its body.
async fn late(limits: &Limits, upload: Option<&Upload>) -> Failure {
    let Some(upload) = upload else {
        sleep(limits.upstream_head).await;
        return Failure::HeadTimeout;
    };
    loop {
        let (patience, failure) = if upload.is_clients_turn() {
            (limits.patience, Failure::BodyLate)
        } else {
            (limits.upstream_head, Failure::HeadTimeout)
        };
        let now = Instant::now();
        let deadline = upload.progress.last() + patience;
        if deadline <= now {
            return failure;
        }
        // Whose turn it is may change meanwhile.
        sleep_until(deadline.min(now + limits.patience)).await;
    }
}

async fn send(
    backend: &Arc<Backend>,
    worker: Option<usize>,
    request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    match backend.protocol() {
        Protocol::Http1 => send_http1(backend, worker, request).await,
        Protocol::Http2 => send_http2(backend, worker, request).await,
    }
}

async fn send_http1(
    backend: &Arc<Backend>,
    worker: Option<usize>,
    request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let mut request = request;
    if let Some(mut connection) = worker.and_then(|worker| backend.pool(worker).take()) {
        let again = repeatable(&request);
        let receipt = connection.receipt();
        connection.begin();
        match connection.sender.try_send_request(request).await {
            Ok(response) => return Ok((response, Lease { connection: Some(connection), worker })),
            Err(mut error) => {
                let unsent = error.take_message();
                let silent = !receipt.load(Ordering::Relaxed);
                tracing::debug!(error = %error.error(), silent, "a kept connection failed");
                request = unsent.or(again.filter(|_| silent)).ok_or(Failure::BrokenResponse)?;
            }
        }
    }
    let mut connection = connect::http1(backend).await?;
    match connection.sender.try_send_request(request).await {
        Ok(response) => Ok((response, Lease { connection: Some(connection), worker })),
        Err(error) => {
            tracing::debug!(error = %error.error(), "an upstream did not answer");
            Err(Failure::BrokenResponse)
        }
    }
}

async fn send_http2(
    backend: &Arc<Backend>,
    worker: Option<usize>,
    request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let lease = Lease { connection: None, worker };
    let pool = worker.map(|worker| backend.pool(worker));
    let mut request = request;
    if let Some(mut shared) = pool.and_then(|pool| pool.shared()) {
        match shared.try_send_request(request).await {
            Ok(response) => return Ok((response, lease)),
            Err(mut error) => request = error.take_message().ok_or(Failure::BrokenResponse)?,
        }
    }
    let mut connection = connect::http2(backend).await?;
    if let Some(pool) = pool {
        pool.share(connection.clone());
    }
    let response = connection.try_send_request(request).await.map_err(|_| Failure::BrokenResponse)?;
    Ok((response, lease))
}

/// The same request once more, if doing it twice does the same as doing it once.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let RequestBody::Empty = request.body() else {
        return None;
    };
    if !request.method().is_idempotent() {
        return None;
    }
    let mut again = Request::new(RequestBody::Empty);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}
