//! Access tokens: what is kept of them gives nobody access.

use deploy_core::port::StoreError;
use deploy_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::fault::Fault;
use crate::store::SqliteStore;

/// Tokens at once.
const TOKENS: u32 = 1_000;

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// What it is looked up by.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `read`, `deploy` or `admin`.
    pub scope: String,
    /// The hash of its secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
}

impl SqliteStore {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`StoreError::Limit`] when there are 1,000 already; [`StoreError::Full`]; or it can't be written.
    pub async fn add_token(&self, token: StoredToken) -> Result<(), StoreError> {
        self.write(move |db, space| {
            space.for_something_new()?;
            add(db, &token)
        })
        .await
    }

    /// A token by its id.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn token(&self, id: &str) -> Result<Option<StoredToken>, StoreError> {
        let id = id.to_owned();
        self.read(move |db| find(db, &id)).await
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        self.read(all).await
    }

    /// Forgets a token; false when there is none.
    ///
    /// # Errors
    /// It can't be written.
    pub async fn remove_token(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(
            move |db, _| Ok(db.prepare_cached("DELETE FROM tokens WHERE id = ?1")?.execute([&id])? > 0),
        )
        .await
    }
}

fn add(db: &Connection, token: &StoredToken) -> Result<(), Fault> {
    let count: u32 = db.query_row("SELECT count(*) FROM tokens", [], |row| row.get(0))?;
    if count >= TOKENS {
        return Err(Fault::limit(format!("{TOKENS} tokens")));
    }
    let StoredToken { id, name, scope, hash, created_at, expires_at } = token;
    let sql =
        "INSERT INTO tokens (id, name, scope, hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let expires_at = expires_at.map(Timestamp::as_millis);
    db.prepare_cached(sql)?.execute(params![id, name, scope, hash, created_at.as_millis(), expires_at])?;
    Ok(())
}

const COLUMNS: &str = "SELECT id, name, scope, hash, created_at, expires_at FROM tokens";

fn find(db: &Connection, id: &str) -> Result<Option<StoredToken>, Fault> {
    let mut select = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    Ok(select.query_row([id], read).optional()?)
}

fn all(db: &Connection) -> Result<Vec<StoredToken>, Fault> {
    let mut select = db.prepare_cached(&format!("{COLUMNS} ORDER BY created_at, id"))?;
    let found: Result<Vec<_>, _> = select.query_map([], read)?.collect();
    Ok(found?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    Ok(StoredToken {
        id: row.get(0)?,
        name: row.get(1)?,
        scope: row.get(2)?,
        hash: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        expires_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
    })
}
