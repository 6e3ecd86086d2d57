//! Tokens over HTTP: seeing and revoking them. None is made here: that takes the state directory.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use deploy_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Scope, TokenId, TokenRecord};
use crate::api::Api;
use crate::extract::PathOf;
use crate::problem::Problem;

/// A token as it may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// What it is revoked by.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
}

impl From<TokenRecord> for TokenView {
    fn from(record: TokenRecord) -> Self {
        let TokenRecord { id, name, scope, hash: _, created_at, expires_at } = record;
        Self { id, name, scope, created_at, expires_at }
    }
}

pub(crate) async fn list(State(api): State<Api>) -> Result<Response, Problem> {
    let tokens = match api.tokens() {
        Some(tokens) => tokens.list().await?,
        None => Vec::new(),
    };
    Ok(Json(tokens.into_iter().map(TokenView::from).collect::<Vec<_>>()).into_response())
}

pub(crate) async fn revoke(State(api): State<Api>, PathOf(id): PathOf<TokenId>) -> Result<Response, Problem> {
    let revoked = match api.tokens() {
        Some(tokens) => tokens.revoke(&id).await?,
        None => false,
    };
    if revoked {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (title, hint) = ("there is no such token", "`deploy token list` shows what there is");
    Err(Problem::new(StatusCode::NOT_FOUND, "not_found", title, hint))
}
