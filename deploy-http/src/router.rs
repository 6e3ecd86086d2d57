//! The router of a door: the table's routes behind the two gates.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn_with_state, map_request_with_state};
use axum::response::{IntoResponse, Response};

use crate::access::{Door, admit, authorise};
use crate::api::Api;
use crate::page::{self, PageRoute};
use crate::problem::Problem;
use crate::routes::{Route, routes};

/// The API as a router for one door. It can be served by a listener of this crate, or be mounted in a
/// server of your own, at its top.
///
/// A request passes, in this order: host and origin, how often, who, what the route needs. No body is
/// read before.
pub fn router(api: Api, door: Door) -> Router {
    let mut router = Router::new();
    for Route { path, needs, handler, .. } in routes() {
        router = router.route(path, handler.route_layer(map_request_with_state(needs, authorise)));
    }
    for PageRoute { path, needs, handler, .. } in page::routes() {
        router = router.route(path, handler.route_layer(from_fn_with_state(needs, page::gate)));
    }
    router
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state((api.clone(), Arc::new(door)), admit))
        .with_state(api)
}

async fn no_such_route(headers: HeaderMap) -> Response {
    if page::wants_page(&headers) {
        return page::no_such_page();
    }
    let hint = "/openapi.json describes every route";
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such route", hint).into_response()
}

async fn no_such_method() -> Problem {
    let (title, hint) = ("this route has no such method", "`Allow` names those it has");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, hint)
}
