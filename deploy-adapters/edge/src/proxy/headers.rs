//! Rewriting heads on their way through: pure, and the same for every request.
//!
//! # What upstreams may believe
//!
//! `X-Forwarded-For`, `-Proto` and `-Host` are set by the edge, and whatever a client sends under these names, under
//! `Forwarded`, `X-Real-IP` or a spelling of them with underscores is dropped: else anybody could claim any address.
//! Only from a peer that is listed as a trusted proxy are they kept, and the peer's address added to the lists.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Version};

use crate::routes::Protocol;
use crate::web::failure::ERROR_HEADER;
use crate::web::respond::RELEASE_HEADER;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY: HeaderName = HeaderName::from_static("proxy");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Fields that are about one connection, not about the message (RFC 9110 section 7.6.1), whether `Connection` names
/// them or not.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields that tell an upstream where a request comes from.
const ORIGIN: [HeaderName; 6] =
    [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, FORWARDED, X_REAL_IP, PROXY];

/// What the edge itself knows of a request's origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The address at the other end of the connection.
    pub(crate) peer: IpAddr,
    /// It is a proxy whose word on earlier hops is believed.
    pub(crate) trusted: bool,
    /// The host the request names, as written.
    pub(crate) host: &'a HeaderValue,
}

/// The protocol a request asks to change to, if it may: not `h2c`, which would open a way around this proxy.
pub(crate) fn wanted_upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut offers = headers.get_all(UPGRADE).iter();
    let (Some(offer), None) = (offers.next(), offers.next()) else {
        return None;
    };
    let allowed = !tokens(offer).any(|token| token.eq_ignore_ascii_case("h2c")) && !offer.is_empty();
    let asked = headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("upgrade")));
    (version == Version::HTTP_11 && allowed && asked).then(|| offer.clone())
}

/// Makes the headers of a request that came in `version` those of the request to an upstream.
pub(crate) fn for_upstream(
    headers: &mut HeaderMap,
    version: Version,
    source: &Source<'_>,
    upgrade: Option<&HeaderValue>,
    protocol: Protocol,
) {
    let trailers = headers
        .get_all(TE)
        .iter()
        .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("trailers")));
    strip_hop_by_hop(headers);
    // The edge answers the expectation itself, once the upstream takes the body.
    headers.remove(EXPECT);
    name_source(headers, source);
    match protocol {
        Protocol::Http1 => {
            headers.insert(HOST, source.host.clone());
            if version == Version::HTTP_2 {
                join_cookies(headers);
            }
            if trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
                headers.insert(CONNECTION, HeaderValue::from_static("te"));
            }
            if let Some(upgrade) = upgrade {
                headers.insert(UPGRADE, upgrade.clone());
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            }
        }
        Protocol::Http2 => {
            headers.remove(HOST);
            if trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
        }
    }
}

/// Makes the headers of an upstream's response those of the response to the visitor.
pub(crate) fn for_visitor(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // The body was read by its coding; a length beside it is a mistake or a lie (RFC 9112 section 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
    // Only the edge speaks for itself.
    headers.remove(ERROR_HEADER);
}

/// Makes the headers of an upstream's 101 those of the 101 to the visitor.
pub(crate) fn for_upgraded(headers: &mut HeaderMap) {
    let protocol = headers.get(UPGRADE).cloned();
    for_visitor(headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Says which release a response is from, whatever it says itself.
pub(crate) fn name_release(headers: &mut HeaderMap, release: &HeaderValue) {
    headers.insert(RELEASE_HEADER, release.clone());
}

/// Removes the fields that are about one connection, and those that `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !HOP_BY_HOP.contains(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Removes trailer fields that must not come after a body (RFC 9110 section 6.5.1): framing, routing and origin.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    let forbidden = [HOST, CONTENT_LENGTH, TRAILER, RELEASE_HEADER, ERROR_HEADER];
    for name in forbidden.iter().chain(&ORIGIN) {
        trailers.remove(name);
    }
}

fn name_source(headers: &mut HeaderMap, source: &Source<'_>) {
    drop_lookalikes(headers);
    let peer = HeaderValue::try_from(source.peer.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
    if !source.trusted {
        for name in &ORIGIN {
            headers.remove(name);
        }
        headers.insert(X_FORWARDED_FOR, peer);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
        headers.insert(X_FORWARDED_HOST, source.host.clone());
        return;
    }
    headers.remove(PROXY);
    append_to_list(headers, &X_FORWARDED_FOR, &peer);
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    headers.entry(X_FORWARDED_HOST).or_insert(source.host.clone());
    if headers.contains_key(FORWARDED) {
        let element = match source.peer {
            IpAddr::V4(peer) => format!("for={peer}"),
            IpAddr::V6(peer) => format!("for=\"[{peer}]\""),
        };
        let element = HeaderValue::try_from(element).unwrap_or(HeaderValue::from_static("for=unknown"));
        append_to_list(headers, &FORWARDED, &element);
    }
}

/// Many applications read `X_Forwarded_For` as `X-Forwarded-For` (RFC 3875 section 4.1.18 makes them one name).
fn drop_lookalikes(headers: &mut HeaderMap) {
    let is_lookalike = |name: &HeaderName| {
        name.as_str().contains('_')
            && ORIGIN.iter().any(|own| own.as_str() == name.as_str().replace('_', "-"))
    };
    let lookalikes: Vec<HeaderName> = headers.keys().filter(|name| is_lookalike(name)).cloned().collect();
    for name in lookalikes {
        headers.remove(name);
    }
}

fn append_to_list(headers: &mut HeaderMap, name: &HeaderName, element: &HeaderValue) {
    join(headers, name, b", ", Some(element));
}

/// HTTP/2 may split a cookie into several fields; before HTTP/1.1 they become one again (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        join(headers, &COOKIE, b"; ", None);
    }
}

fn join(headers: &mut HeaderMap, name: &HeaderName, separator: &[u8], last: Option<&HeaderValue>) {
    let parts: Vec<&[u8]> = headers.get_all(name).iter().chain(last).map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&parts.join(separator)) {
        headers.insert(name.clone(), joined);
    }
}

/// The elements of a comma-separated list; what is not text has none.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
