//! Answering control requests.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

use super::api::{CandidateOptions, Status};
use super::problem;
use super::request::{DrainQuery, Resource, candidate_host, drain_query, read_json, resource};
use crate::digest::Digest;
use crate::host::normalize_host;
use crate::plane::{Plane, Source};
use crate::proxy::{Flight, forward};
use crate::routes::{PauseChange, RouteChange};
use crate::visit::Visit;
use crate::web::body::Body;
use crate::web::failure::Failure;
use crate::web::host::host_of;
use crate::web::plain;

/// Answers one request on the control socket.
pub(super) async fn handle(
    plane: Arc<Plane>,
    visit: Arc<Visit>,
    request: Request<Incoming>,
) -> Response<Body> {
    let host = host_of(request.uri(), request.headers(), request.version());
    if let Some(digest) = host.ok().and_then(candidate_host) {
        return candidate_traffic(&plane, &visit, &digest, request).await;
    }
    let _waiting = visit.progress.wait();
    let plane = &plane;
    let path = request.uri().path().to_owned();
    let Some(resource) = resource(&path) else {
        return not_found("unknown_resource", "there is nothing of this name here");
    };
    let method = request.method().clone();
    let (get, put, delete) = (method == Method::GET, method == Method::PUT, method == Method::DELETE);
    match resource {
        Resource::Status if get => json_response(StatusCode::OK, &status(plane)),
        Resource::Status => plain::method_not_allowed("GET"),
        Resource::Stop if method == Method::POST => stop(plane),
        Resource::Stop => plain::method_not_allowed("POST"),
        Resource::Candidate(digest) if put => put_candidate(plane, &digest, request.into_body()).await,
        Resource::Candidate(digest) if delete => {
            plane.forget_candidate(&digest);
            done()
        }
        Resource::Candidate(_) => plain::method_not_allowed("PUT, DELETE"),
        Resource::Route(host) if get => get_route(plane, host),
        Resource::Route(host) if put || delete => change_route(plane, host, put, request.into_body()).await,
        Resource::Route(_) => plain::method_not_allowed("GET, PUT, DELETE"),
        Resource::Pause(host) if put || delete => pause_route(plane, host, put, request.into_body()).await,
        Resource::Pause(_) => plain::method_not_allowed("PUT, DELETE"),
        Resource::Drain(digest) if get => drain(plane, &digest, request.uri().query().unwrap_or("")).await,
        Resource::Drain(_) => plain::method_not_allowed("GET"),
    }
}

/// A response with a JSON body.
pub(super) fn json_response(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(value).expect("the types of the control API always serialize");
    let mut response = Response::new(Body::bytes(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn candidate_traffic(
    plane: &Plane,
    visit: &Arc<Visit>,
    digest: &Digest,
    request: Request<Incoming>,
) -> Response<Body> {
    let Some(candidate) = plane.candidate(digest) else {
        return not_found("candidate_unknown", "this release is not loaded as a candidate");
    };
    match &candidate.source {
        Source::Site(site) => plane.responder.respond(site, candidate.fallback.as_deref(), &request).await,
        Source::Upstream(backend) => forward(visit, Flight::begin(backend), request).await,
        Source::Missing => Failure::ReleaseMissing.response(),
    }
}

fn status(plane: &Plane) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        address: plane.address,
        uptime_seconds: plane.started.elapsed().as_secs(),
        routes: plane.routes(),
        candidates: plane.candidates(),
        counters: plane.stats.read(),
        warnings: plane.warnings(),
    }
}

fn stop(plane: &Plane) -> Response<Body> {
    plane.stop_requested.notify_one();
    done()
}

async fn put_candidate(plane: &Plane, digest: &Digest, body: Incoming) -> Response<Body> {
    let options = match read_json::<CandidateOptions>(body, &plane.limits).await {
        Ok(options) => options.unwrap_or_default(),
        Err(bad) => return bad.to_response(),
    };
    match plane.add_candidate(digest, options).await {
        Ok(()) => done(),
        Err(error) => problem::of_switch(&error),
    }
}

fn get_route(plane: &Plane, host: &str) -> Response<Body> {
    match normalize_host(host).ok().and_then(|host| plane.route(&host)) {
        Some(route) => json_response(StatusCode::OK, &route),
        None => not_found("route_unknown", "there is no route for this host"),
    }
}

async fn change_route(plane: &Arc<Plane>, host: &str, put: bool, body: Incoming) -> Response<Body> {
    let change = match read_json::<RouteChange>(body, &plane.limits).await {
        Ok(change) => change,
        Err(bad) => return bad.to_response(),
    };
    // The path and the method say again what the body says; a caller that contradicts itself is not obeyed.
    let Some(change) = change
        .filter(|change| normalize_host(&change.host) == normalize_host(host) && change.to.is_some() == put)
    else {
        return problem::simple(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the body must be a route change for this host, with a release to put and without one to delete",
            "Use a client of the same version as the edge.",
        );
    };
    match plane.switch(change).await {
        Ok(switched) => json_response(StatusCode::OK, &switched),
        Err(error) => problem::of_switch(&error),
    }
}

async fn pause_route(plane: &Arc<Plane>, host: &str, put: bool, body: Incoming) -> Response<Body> {
    let change = match read_json::<PauseChange>(body, &plane.limits).await {
        Ok(change) => change,
        Err(bad) => return bad.to_response(),
    };
    let Some(change) = change.filter(|change| {
        normalize_host(&change.host) == normalize_host(host) && change.pause.is_some() == put
    }) else {
        return problem::simple(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the body must be a pause of this host's route to put and the end of one to delete",
            "Use a client of the same version as the edge.",
        );
    };
    match plane.pause(change).await {
        Ok(switched) => json_response(StatusCode::OK, &switched),
        Err(error) => problem::of_switch(&error),
    }
}

async fn drain(plane: &Plane, digest: &Digest, query: &str) -> Response<Body> {
    match drain_query(query) {
        Some(DrainQuery { address, wait }) => {
            json_response(StatusCode::OK, &plane.drained(digest, address, wait).await)
        }
        None => problem::simple(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the query may have an address and wait_ms",
            "Use a client of the same version as the edge.",
        ),
    }
}

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn not_found(code: &str, message: &str) -> Response<Body> {
    problem::simple(StatusCode::NOT_FOUND, code, message, "Check the name.")
}
