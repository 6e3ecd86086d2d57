//! The store's tokens as the API asks for them.

use async_trait::async_trait;
use deploy_core::port::StoreError;
use deploy_http::{Scope, TokenId, TokenRecord, Tokens};
use deploy_store_sqlite::{SqliteStore, StoredToken};

/// Tokens in the store of a state directory.
pub(crate) struct StoredTokens(pub(crate) SqliteStore);

#[async_trait]
impl Tokens for StoredTokens {
    async fn find(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        self.0.token(id.as_str()).await?.map(record).transpose()
    }

    async fn list(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.0.tokens().await?.into_iter().map(record).collect()
    }

    async fn revoke(&self, id: &TokenId) -> Result<bool, StoreError> {
        self.0.remove_token(id.as_str()).await
    }
}

fn record(stored: StoredToken) -> Result<TokenRecord, StoreError> {
    let StoredToken { id, name, scope, hash, created_at, expires_at } = stored;
    let damaged = || StoreError::Corrupt { what: format!("token {id}") };
    let scope = Scope::ALL.into_iter().find(|known| known.as_str() == scope).ok_or_else(damaged)?;
    Ok(TokenRecord { id: id.parse().map_err(|_| damaged())?, name, scope, hash, created_at, expires_at })
}

/// A record as the store keeps it.
pub(crate) fn stored(record: TokenRecord) -> StoredToken {
    let TokenRecord { id, name, scope, hash, created_at, expires_at } = record;
    StoredToken { id: id.into(), name, scope: scope.as_str().to_owned(), hash, created_at, expires_at }
}
