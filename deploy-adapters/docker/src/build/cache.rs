//! What the builder keeps so that the next build is quick, and how much of it.

use std::time::Duration;

use deploy_core::size::Size;
use http::Request;
use http_body_util::{BodyExt as _, Limited};

use super::wire;
use crate::engine::{Engine, EngineError, Sort};

/// How long freeing it may take.
const WITHIN: Duration = Duration::from_secs(5 * 60);
/// The longest answer that is read.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Frees what was used longest ago, until no more than this is left. What a build reads now stays. The cache belongs to
/// the engine: what goes may be somebody else's, whose next build takes longer then; nothing that has a name ever goes.
pub(crate) async fn prune(engine: &Engine, keep: Size) -> Result<(), EngineError> {
    // The client has no words for the bound. Engines call it by either name.
    let bytes = keep.bytes();
    let uri = format!("/build/prune?keep-storage={bytes}&reserved-space={bytes}");
    let request = Request::post(uri).header("host", "docker").body(wire::empty());
    let request = request.map_err(|error| wire::lost(engine, &error, Sort::Read))?;
    let pruning = async {
        let exchange = wire::send(engine, request, Sort::Change).await?;
        let status = exchange.response.status();
        let body = Limited::new(exchange.response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| wire::lost(engine, error.as_ref(), Sort::Change))?.to_bytes();
        if status.is_success() {
            return Ok(());
        }
        Err(engine.said(status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(WITHIN, pruning).await.unwrap_or_else(|_| Err(engine.silent(Sort::Change, WITHIN)))
}
