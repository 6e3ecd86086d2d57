//! What the browser of one look says to its proxy: nobody else on this machine may go that way.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{HeaderMap, PROXY_AUTHORIZATION};
use rustix::rand::{GetRandomFlags, getrandom};

/// A name and a password that nobody can guess.
#[derive(Clone)]
pub(crate) struct Credential {
    password: String,
}

impl Credential {
    /// The name says nothing.
    pub(crate) const NAME: &str = "look";

    /// A new one.
    pub(crate) fn new() -> io::Result<Self> {
        let mut bytes = [0_u8; 24];
        // So few bytes come whole or not at all.
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(Self { password: URL_SAFE_NO_PAD.encode(bytes) })
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Whether a request shows it. What it shows is taken out: it is nobody else's business.
    pub(crate) fn is_shown(&self, headers: &mut HeaderMap) -> bool {
        let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", Self::NAME, self.password)));
        headers.remove(PROXY_AUTHORIZATION).is_some_and(|shown| shown.as_bytes() == expected.as_bytes())
    }
}
