//! Bearer tokens: `dpl_`, the id they are looked up by, and a secret of which only a hash is kept.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use deploy_core::port::StoreError;
use deploy_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::scope::Scope;

/// Digits of an id: 64 bits, so that ids don't meet.
const ID_DIGITS: usize = 16;
/// Digits of a secret: 256 bits, so that a fast hash is enough.
const SECRET_DIGITS: usize = 64;

/// What a token is looked up by. Not secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9a-f]{16}$"))]
pub struct TokenId(String);

impl TokenId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() == ID_DIGITS && is_hex(text);
        valid.then(|| Self(text.to_owned())).ok_or("not a token id (16 hex digits)")
    }
}

impl TryFrom<String> for TokenId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is kept of a token. It gives nobody access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// What it is looked up by.
    pub id: TokenId,
    /// What people call it; the history names it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether it has not ended yet.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A new token: the text that is shown once, and what is kept of it.
pub struct Minted {
    /// The token. Nobody can show it again.
    pub text: String,
    /// What is kept.
    pub record: TokenRecord,
}

/// Makes a token.
///
/// # Errors
/// The system has no randomness to give.
pub fn mint(
    name: String,
    scope: Scope,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<Minted, getrandom::Error> {
    let mut random = [0; (ID_DIGITS + SECRET_DIGITS) / 2];
    getrandom::fill(&mut random)?;
    let mut digits = String::with_capacity(ID_DIGITS + SECRET_DIGITS);
    for byte in random {
        use fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    let (id, secret) = digits.split_at(ID_DIGITS);
    let record =
        TokenRecord { id: TokenId(id.to_owned()), name, scope, hash: hash(secret), created_at, expires_at };
    Ok(Minted { text: format!("dpl_{id}_{secret}"), record })
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A token as a client sent it. It has no `Debug`, so that no log can show it.
pub(super) struct Presented {
    pub(super) id: TokenId,
    hash: [u8; 32],
}

impl Presented {
    /// Reads a token; `None` when it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("dpl_")?.split_once('_')?;
        let valid = secret.len() == SECRET_DIGITS && is_hex(secret);
        Some(Self { id: id.parse().ok().filter(|_| valid)?, hash: hash(secret) })
    }

    /// Whether this is the token of a record, and may be used now. The comparison takes the same time
    /// wherever two hashes differ.
    pub(super) fn opens(&self, record: &TokenRecord, now: Timestamp) -> bool {
        bool::from(self.hash.ct_eq(&record.hash)) && record.is_valid(now)
    }
}

/// Where tokens are kept.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The record of a token, if there is one.
    async fn find(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError>;

    /// Every token, oldest first.
    async fn list(&self) -> Result<Vec<TokenRecord>, StoreError>;

    /// Revokes a token; false when there is none.
    async fn revoke(&self, id: &TokenId) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000)
    }

    fn minted(expires_at: Option<Timestamp>) -> Minted {
        mint("ci".to_owned(), Scope::Read, now(), expires_at).unwrap()
    }

    #[test]
    fn a_token_opens_its_own_record_and_no_other() {
        let (one, other) = (minted(None), minted(None));
        let presented = Presented::parse(&one.text).unwrap();
        assert!(presented.opens(&one.record, now()));
        assert!(!presented.opens(&other.record, now()));
        assert_ne!(one.text, other.text);
    }

    #[test]
    fn threat_f16_what_is_kept_does_not_hold_the_token() {
        let Minted { text, record } = minted(None);
        let secret = text.rsplit('_').next().unwrap();
        assert!(!format!("{record:?}").contains(secret));
        let kept: String = record.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_ne!(kept, secret);
    }

    #[test]
    fn an_expired_token_opens_nothing() {
        let Minted { text, record } = minted(Some(Timestamp::from_millis(2_000)));
        let presented = Presented::parse(&text).unwrap();
        assert!(presented.opens(&record, Timestamp::from_millis(1_999)));
        assert!(!presented.opens(&record, Timestamp::from_millis(2_000)));
    }

    #[test]
    fn what_is_no_token_is_not_read_as_one() {
        let Minted { text, .. } = minted(None);
        for wrong in [
            "",
            "dpl_",
            "dpl__",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &text.to_uppercase(),
        ] {
            assert!(Presented::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Presented::parse(&text).is_some());
    }
}
