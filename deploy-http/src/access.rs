//! Who may come in: host names that are ours, methods that the listener gives.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deploy_core::spec::Actor;

use crate::problem::Problem;

/// The header in which a client on the unix socket says who asks. The socket is the user's own, so
/// it may be believed; on TCP it is ignored.
pub(crate) const ACTOR: &str = "deploy-actor";

/// Marks a request that came over the unix socket.
#[derive(Clone, Copy)]
pub(crate) struct OverUnixSocket;

/// Refuses host names that are not loopback: a page on another site must not reach this API by
/// having its own name resolve here (DNS rebinding), nor by sending a form from its own origin.
pub(crate) async fn known_host(request: Request, next: Next) -> Response {
    let over_socket = request.extensions().get::<OverUnixSocket>().is_some();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let known = over_socket || host.is_some_and(is_loopback);
    let own_origin = request.headers().get(header::ORIGIN).is_none_or(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| origin.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback)))
    });
    if known && own_origin {
        next.run(request).await
    } else {
        Problem::new(
            StatusCode::FORBIDDEN,
            "foreign_host",
            "the host or origin is not this server's",
            "use 127.0.0.1",
        )
        .into_response()
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Answers what the listener does not give.
pub(crate) async fn refuse(_: Request, _: Next) -> Response {
    let hint = "use the deploy command, which speaks over the unix socket";
    Problem::new(StatusCode::FORBIDDEN, "read_only", "this listener only answers questions", hint)
        .into_response()
}

/// Who asks, as the history shows it.
pub(crate) fn actor(headers: &HeaderMap, over_socket: bool) -> Actor {
    let named =
        headers.get(ACTOR).filter(|_| over_socket).map(|name| String::from_utf8_lossy(name.as_bytes()));
    let clean: String =
        named.as_deref().unwrap_or("http").chars().filter(|c| !c.is_control()).take(64).collect();
    Actor(clean)
}
