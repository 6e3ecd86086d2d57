//! Answering control requests.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

use super::api::{CandidateOptions, Status};
use super::problem;
use super::request::{Resource, candidate_host, read_json, resource};
use crate::digest::Digest;
use crate::host::normalize_host;
use crate::plane::Plane;
use crate::routes::RouteChange;
use crate::web::body::Body;
use crate::web::host::host_of;
use crate::web::plain;

/// Answers one request on the control socket.
pub(super) async fn handle(plane: &Arc<Plane>, request: Request<Incoming>) -> Response<Body> {
    if let Some(digest) = host_of(&request).ok().and_then(candidate_host) {
        return candidate_traffic(plane, &digest, &request).await;
    }
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

async fn candidate_traffic(plane: &Plane, digest: &Digest, request: &Request<Incoming>) -> Response<Body> {
    match plane.candidate(digest) {
        Some(candidate) => {
            let fallback = candidate.fallback.as_deref();
            plane.responder.respond(&candidate.site, fallback, request).await
        }
        None => not_found("candidate_unknown", "this release is not loaded as a candidate"),
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
    match plane.add_candidate(digest, options.fallback).await {
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

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn not_found(code: &str, message: &str) -> Response<Body> {
    problem::simple(StatusCode::NOT_FOUND, code, message, "Check the name.")
}
