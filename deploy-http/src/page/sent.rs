//! An archive that a browser sends with the form of a plan: kept, then named in the form as the source.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use deploy_core::source::Source;
use futures_util::TryStreamExt as _;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::form::prove;
use super::plan::{self, Wanted};
use crate::access::Caller;
use crate::api::{Api, Limits};
use crate::problem::Problem;
use crate::uploads;

/// The field that holds the archive. It stands behind all others, so they are known when it comes.
pub(super) const ARCHIVE: &str = "archive";
/// Fields of a form.
const FIELDS: usize = 32;

pub(super) async fn archive(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let mut parts = parts(&headers, request, api.limits())?;
    let mut fields: Vec<(String, String)> = Vec::new();
    while let Some(field) = next(&mut parts, api.limits()).await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != ARCHIVE {
            let text = tokio::time::timeout(api.limits().body_time, field.text()).await;
            fields.push((name, text.map_err(|_| too_slow())?.map_err(|error| wrong(&error))?));
            if fields.len() > FIELDS {
                return Err(Problem::bad_request("the form has too many fields"));
            }
            continue;
        }
        let proof = fields.iter().find(|(name, _)| name == "form").map_or("", |(_, proof)| proof.as_str());
        prove(Some(&caller), proof)?;
        let uploaded = uploads::take(&api, &caller, field.map_err(|error| wrong(&error))).await?;
        let Source::Archive { path, .. } = uploaded.source else {
            return Err(Problem::bad_request("what was sent is no archive"));
        };
        return plan::previewed(&api, &caller, wanted(&fields)?.with_archive(path)).await;
    }
    Err(Problem::bad_request("the form holds no archive"))
}

/// The other fields, read as every form's are.
fn wanted(fields: &[(String, String)]) -> Result<Wanted, Problem> {
    let text =
        serde_urlencoded::to_string(fields).map_err(|error| Problem::bad_request(error.to_string()))?;
    serde_urlencoded::from_str(&text).map_err(|error| Problem::bad_request(error.to_string()))
}

fn parts(headers: &HeaderMap, request: Request, limits: &Limits) -> Result<Multipart<'static>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| {
        let (title, hint) =
            ("this is not a form with a file", "send it from the page, or use POST /api/sources");
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_form", title, hint)
    })?;
    let text = u64::try_from(limits.body_bytes).unwrap_or(u64::MAX);
    // What an archive may have is counted where it is written, and said in words there.
    let archive = limits.upload_bytes.saturating_add(1);
    let sizes = SizeLimit::new().per_field(text).for_field(ARCHIVE, archive + text);
    let bounds = Constraints::new().size_limit(sizes.whole_stream(archive.saturating_add(4 * text)));
    Ok(Multipart::with_constraints(request.into_body().into_data_stream(), boundary, bounds))
}

async fn next(parts: &mut Multipart<'static>, limits: &Limits) -> Result<Option<Field<'static>>, Problem> {
    tokio::time::timeout(limits.body_time, parts.next_field())
        .await
        .map_err(|_| too_slow())?
        .map_err(|error| wrong(&error))
}

fn wrong(error: &multer::Error) -> Problem {
    use multer::Error::{FieldSizeExceeded, StreamSizeExceeded};
    if matches!(error, FieldSizeExceeded { .. } | StreamSizeExceeded { .. }) {
        let title = "the form is larger than it may be";
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title, "send less");
    }
    Problem::bad_request(format!("the form can't be read: {error}"))
}

fn too_slow() -> Problem {
    let title = "the body took too long";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", title, "send it faster")
}
