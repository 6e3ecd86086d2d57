//! The picture that a browser took of a deployment's page.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use deploy_core::browser::{PICTURE_BYTES, Screenshot};
use deploy_core::id::{DeploymentId, Digest};
use deploy_core::status::Status;

use crate::api::Api;
use crate::extract::PathOf;
use crate::problem::Problem;

/// It is a picture of whatever the page showed: nothing in it may become anything else here.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

pub(crate) async fn show(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
) -> Result<Response, Problem> {
    let view = api.engine().look(id).await?;
    let recorded =
        latest(&view.status).ok_or_else(|| missing("no browser took a picture for this deployment"))?;
    let png = read(&api, id).await.filter(|png| Digest::of(png) == recorded.digest);
    let png = png.ok_or_else(|| missing("the picture is not kept any more"))?;
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, NOTHING),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((fields, png).into_response())
}

/// The last picture that was taken for a deployment.
pub(crate) fn latest(status: &Status) -> Option<&Screenshot> {
    let pages = status.acceptance.iter().rev().filter_map(|checked| checked.page.as_ref());
    pages.filter_map(|page| page.screenshot.as_ref()).next()
}

async fn read(api: &Api, id: DeploymentId) -> Option<Vec<u8>> {
    let file = api.screenshots()?.join(format!("{id}.png"));
    let size = tokio::fs::metadata(&file).await.ok()?.len();
    if size > PICTURE_BYTES as u64 {
        return None;
    }
    tokio::fs::read(file).await.ok()
}

fn missing(title: &'static str) -> Problem {
    let hint = "ask for one with `screenshot` of [health.browser]; those of the latest deployments are kept";
    Problem::new(StatusCode::NOT_FOUND, "no_screenshot", title, hint)
}
