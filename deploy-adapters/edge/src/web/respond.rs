//! From a request for a route to its response.

use std::ops::Range;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LOCATION,
    RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::body::{Body, FileBody};
use super::coding::{Accepted, Coding};
use super::range::{self, Wanted};
use super::{conditional, path, plain};
use crate::content::{Content, ContentError, Payload};
use crate::site::{Entry, Found, FoundFile, Site};

/// The header that says which release answered; on every response of a route.
pub(crate) const RELEASE_HEADER: HeaderName = HeaderName::from_static("deploy-release");

const NOT_FOUND_PAGE: &str = "404.html";
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Answers requests from loaded releases.
#[derive(Debug)]
pub(crate) struct Responder {
    pub(crate) content: Content,
    pub(crate) stream_chunk_bytes: usize,
}

/// One way to send a file.
struct Representation<'a> {
    file: FoundFile<'a>,
    /// The stored bytes; differs from `file` for a sibling compressed beforehand.
    stored: FoundFile<'a>,
    coding: Coding,
    /// Compress now; else the stored bytes are sent as they are.
    gzip_now: bool,
    varies: bool,
}

impl Responder {
    /// Answers `request` from `site`. The response names the release, whatever it says.
    pub(crate) async fn respond<B>(
        &self,
        site: &Site,
        fallback: Option<&str>,
        request: &Request<B>,
    ) -> Response<Body> {
        let answer = self.answer(site, fallback, request).await;
        let mut response = answer.unwrap_or_else(|error| failed(site, &error));
        response.headers_mut().insert(RELEASE_HEADER, site.digest_header.clone());
        response
    }

    async fn answer<B>(
        &self,
        site: &Site,
        fallback: Option<&str>,
        request: &Request<B>,
    ) -> Result<Response<Body>, ContentError> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Ok(plain::method_not_allowed("GET, HEAD"));
        }
        let Ok(path) = path::decode(request.uri().path()) else {
            return Ok(plain::text(StatusCode::BAD_REQUEST, "This path is not valid.\n"));
        };
        match site.resolve(&path, fallback) {
            Found::File(file) => self.found(site, file, request).await,
            Found::Directory => Ok(redirect_to_directory(request.uri())),
            Found::Nothing => self.not_found(site, request.headers()).await,
        }
    }

    async fn found<B>(
        &self,
        site: &Site,
        file: FoundFile<'_>,
        request: &Request<B>,
    ) -> Result<Response<Body>, ContentError> {
        let headers = request.headers();
        // Section 14.2: a range is defined for GET only. It counts in bytes of the file, so no coding is applied.
        let range = headers.get(RANGE).filter(|_| request.method() == Method::GET);
        let chosen = if range.is_some() {
            Representation::plain(file, self.varies(file.entry))
        } else {
            self.choose(site, file, headers)
        };
        let etag = chosen.etag();
        if conditional::not_modified(headers, &etag) {
            return Ok(chosen.head(StatusCode::NOT_MODIFIED, etag, Body::empty()));
        }
        if let Some(range) = range
            && conditional::range_applies(headers, &etag)
        {
            match range::wanted(range.as_bytes(), file.entry.size) {
                Wanted::Part(part) => return self.part(site, chosen, etag, part).await,
                Wanted::Unsatisfiable => return Ok(unsatisfiable(file.entry.size)),
                Wanted::Everything => {}
            }
        }
        self.whole(site, chosen, StatusCode::OK).await
    }

    async fn not_found(&self, site: &Site, headers: &HeaderMap) -> Result<Response<Body>, ContentError> {
        match site.file(NOT_FOUND_PAGE) {
            Some(page) => {
                let chosen = self.choose(site, page, headers);
                self.whole(site, chosen, StatusCode::NOT_FOUND).await
            }
            None => Ok(plain::text(StatusCode::NOT_FOUND, "There is nothing here.\n")),
        }
    }

    fn varies(&self, entry: &Entry) -> bool {
        entry.has_siblings || self.content.can_gzip(entry)
    }

    fn choose<'a>(&self, site: &'a Site, file: FoundFile<'a>, headers: &HeaderMap) -> Representation<'a> {
        let varies = self.varies(file.entry);
        if !varies {
            return Representation::plain(file, varies);
        }
        let gzip = self.content.can_gzip(file.entry);
        let has = |coding| (coding == Coding::Gzip && gzip) || site.sibling(file, coding).is_some();
        let coding = Accepted::of(headers).best(has);
        let sibling = site.sibling(file, coding);
        Representation {
            file,
            stored: sibling.unwrap_or(file),
            coding,
            gzip_now: coding == Coding::Gzip && sibling.is_none(),
            varies,
        }
    }

    async fn whole(
        &self,
        site: &Site,
        mut chosen: Representation<'_>,
        status: StatusCode,
    ) -> Result<Response<Body>, ContentError> {
        if chosen.gzip_now {
            if let Some(bytes) = self.content.gzipped(site, chosen.file).await? {
                return Ok(chosen.complete(status, Body::bytes(bytes)));
            }
            chosen = Representation::plain(chosen.file, chosen.varies);
        }
        let size = chosen.stored.entry.size;
        let payload = self.content.plain(site, chosen.stored).await?;
        Ok(chosen.complete(status, self.body(payload, 0..size)))
    }

    async fn part(
        &self,
        site: &Site,
        chosen: Representation<'_>,
        etag: HeaderValue,
        part: Range<u64>,
    ) -> Result<Response<Body>, ContentError> {
        let payload = self.content.plain(site, chosen.file).await?;
        let range = content_range(&part, chosen.file.entry.size);
        let mut response = chosen.head(StatusCode::PARTIAL_CONTENT, etag, self.body(payload, part));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, chosen.file.entry.content_type.clone());
        headers.insert(CONTENT_RANGE, header(range));
        Ok(response)
    }

    fn body(&self, payload: Payload, part: Range<u64>) -> Body {
        match payload {
            Payload::Bytes(bytes) => Body::bytes(slice(&bytes, &part)),
            Payload::File(file) => {
                Body::File(FileBody::new(file, part.start, part.end, self.stream_chunk_bytes))
            }
        }
    }
}

impl<'a> Representation<'a> {
    fn plain(file: FoundFile<'a>, varies: bool) -> Self {
        Self { file, stored: file, coding: Coding::Identity, gzip_now: false, varies }
    }

    /// A strong tag (RFC 9110 section 8.8.1): from the stored bytes, and different per coding.
    fn etag(&self) -> HeaderValue {
        let stored = self.stored.entry;
        match self.coding {
            Coding::Identity => stored.etag.clone(),
            Coding::Brotli | Coding::Zstd | Coding::Gzip => {
                header(format!("\"{}-{}\"", stored.content.short_hex(), self.coding.token()))
            }
        }
    }

    // Content-Length comes from the body's exact size, also for HEAD; hyper writes it.

    /// The headers a 200, 206 and 304 share (RFC 9110 section 15.4.5).
    fn head(&self, status: StatusCode, etag: HeaderValue, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(10);
        headers.insert(ETAG, etag);
        headers.insert(CACHE_CONTROL, if self.file.entry.immutable { IMMUTABLE } else { REVALIDATE });
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.varies {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }

    fn complete(&self, status: StatusCode, body: Body) -> Response<Body> {
        let mut response = self.head(status, self.etag(), body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.file.entry.content_type.clone());
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if self.coding != Coding::Identity {
            headers.insert(CONTENT_ENCODING, self.coding.header());
        }
        if status != StatusCode::OK {
            // An error page is not the resource that was asked for: nothing to validate or keep.
            headers.remove(ETAG);
            headers.remove(ACCEPT_RANGES);
            headers.insert(CACHE_CONTROL, REVALIDATE);
        }
        response
    }
}

/// 308 (RFC 9110 section 15.4.9) to the same path with a slash. The path is sent back as it came, still escaped; it
/// has no empty segment, so it cannot begin with `//` and name another host. Not to be kept: the next release may
/// have a file of this name.
fn redirect_to_directory(uri: &Uri) -> Response<Body> {
    let location = match uri.query() {
        Some(query) => format!("{}/?{query}", uri.path()),
        None => format!("{}/", uri.path()),
    };
    let mut response = plain::text(StatusCode::PERMANENT_REDIRECT, "This is a directory.\n");
    response.headers_mut().insert(LOCATION, header(location));
    response
}

fn unsatisfiable(size: u64) -> Response<Body> {
    let mut response = plain::text(StatusCode::RANGE_NOT_SATISFIABLE, "The file has no such bytes.\n");
    response.headers_mut().insert(CONTENT_RANGE, header(format!("bytes */{size}")));
    response
}

fn failed(site: &Site, error: &ContentError) -> Response<Body> {
    tracing::error!(release = %site.digest, %error, "a file of a release could not be served");
    match error {
        ContentError::Damaged(_) => plain::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This file of the release is damaged. Deploy again to repair it.\n",
        ),
        ContentError::Unavailable(_) => plain::text(StatusCode::SERVICE_UNAVAILABLE, "Please try again.\n"),
    }
}

fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

/// The bytes of a part; the whole is shared, not copied.
fn slice(bytes: &Bytes, part: &Range<u64>) -> Bytes {
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(part.start)..at(part.end))
}

/// Text made of visible characters as a header value.
fn header(text: impl AsRef<str>) -> HeaderValue {
    // Unreachable in practice: hex, digits, and what was a valid request target.
    HeaderValue::from_str(text.as_ref()).unwrap_or(HeaderValue::from_static("invalid"))
}
