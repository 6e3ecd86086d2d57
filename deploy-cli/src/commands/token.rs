//! `token`: who may use the API from outside. Tokens are made and kept in the state directory, by
//! whoever may write there; a running control plane sees them at once.

use deploy_core::engine::SystemClock;
use deploy_core::port::{Clock as _, StoreError};
use deploy_http::{Minted, TokenId, TokenRecord, TokenView, Tokens as _, mint};
use deploy_store_sqlite::SqliteStore;
use serde::Serialize;

use super::Context;
use crate::args::{TokenCommand, TokenCreateArgs};
use crate::exit::{Exit, Failed};
use crate::output::{clean, json, result, tell};
use crate::tokens::{StoredTokens, stored};

pub(crate) async fn token(cx: &Context, command: TokenCommand) -> Result<Exit, Failed> {
    cx.state.create()?;
    let store = SqliteStore::open(&cx.state.store(), Default::default())
        .map_err(|error| Failed::usage("store_unusable", error.to_string()).hint("run `deploy doctor`"))?;
    let done = match command {
        TokenCommand::Create(args) => create(cx, &store, args).await,
        TokenCommand::List => list(cx, &store).await,
        TokenCommand::Revoke { id } => revoke(&store, &id).await,
    };
    store.close().await;
    done
}

/// A new token, shown this once.
#[derive(Serialize)]
struct Created {
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

async fn create(cx: &Context, store: &SqliteStore, args: TokenCreateArgs) -> Result<Exit, Failed> {
    let now = SystemClock.now();
    let expires_at = args.expires.map(|span| now.after(span));
    let scope = args.scope.as_scope();
    let name = args.name.unwrap_or_else(|| scope.as_str().to_owned());
    let Minted { text, record } =
        mint(name, scope, now, expires_at).map_err(|error| Failed::internal("make a token", error))?;
    store.add_token(stored(record.clone())).await.map_err(|error| failed("keep the token", &error))?;
    if cx.json {
        json(&Created { token: text, view: record.into() });
    } else {
        result(&text);
        tell(&format!("token {} with the scope {}; it is not shown again", record.id, scope.as_str()));
    }
    Ok(Exit::Done)
}

async fn list(cx: &Context, store: &SqliteStore) -> Result<Exit, Failed> {
    let tokens =
        StoredTokens(store.clone()).list().await.map_err(|error| failed("read the tokens", &error))?;
    if cx.json {
        json(&tokens.into_iter().map(TokenView::from).collect::<Vec<_>>());
    } else {
        tokens.iter().for_each(|token| result(&line(token)));
    }
    Ok(Exit::Done)
}

fn line(token: &TokenRecord) -> String {
    let TokenRecord { id, name, scope, hash: _, created_at, expires_at } = token;
    let end = expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string());
    clean(&format!("{id}  {:6}  {created_at}  expires {end}  {name}", scope.as_str()))
}

async fn revoke(store: &SqliteStore, id: &TokenId) -> Result<Exit, Failed> {
    let revoked = StoredTokens(store.clone()).revoke(id).await;
    if revoked.map_err(|error| failed("revoke the token", &error))? {
        tell(&format!("token {id} is revoked"));
        return Ok(Exit::Done);
    }
    let unknown = Failed::usage("not_found", format!("there is no token {id}"));
    Err(unknown.command("see what there is", "deploy token list"))
}

fn failed(what: &str, error: &StoreError) -> Failed {
    Failed::new(Exit::Refused, error.code(), format!("could not {what}: {error}"))
}
