//! Who has signed in with a browser. A session is a token that was shown once: it may do what the token
//! may, and ends with it. Sessions are in memory only: after a restart people sign in again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::TokenId;

/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at once; the oldest makes room for a new one.
const SESSIONS: usize = 1_024;
/// The cookie that names one.
const COOKIE: &str = "deploy_session";

/// What proves that a form was made for the one who sends it. Another site can send a form, but it can't
/// read this.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FormToken(String);

impl FormToken {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a form holds it. The comparison takes the same time wherever the two differ.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl std::fmt::Debug for FormToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormToken(…)")
    }
}

/// One session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) token: TokenId,
    pub(crate) form: FormToken,
    since: Instant,
}

/// All of them, found by the hash of what the cookie says.
pub(crate) struct Sessions {
    open: Mutex<HashMap<[u8; 32], Session>>,
    /// For the forms of those who have not signed in.
    stranger: FormToken,
}

impl Default for Sessions {
    fn default() -> Self {
        // Without randomness nobody could sign in either; an empty token is never accepted.
        Self { open: Mutex::default(), stranger: FormToken(secret().unwrap_or_default()) }
    }
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session and gives the cookie that names it.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub(crate) fn begin(&self, token: TokenId, secure: bool) -> Result<HeaderValue, getrandom::Error> {
        let (name, form, since) = (secret()?, FormToken(secret()?), Instant::now());
        let mut open = self.open();
        open.retain(|_, session| session.since.elapsed() < LASTS);
        if open.len() >= SESSIONS
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.since).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(key(&name), Session { token, form, since });
        Ok(cookie(&name, LASTS, secure))
    }

    /// The session of a request.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let session = self.open().get(&key(named(headers)?)).cloned();
        session.filter(|session| session.since.elapsed() < LASTS)
    }

    /// Ends the session of a request and gives the cookie that forgets it.
    pub(crate) fn end(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(name) = named(headers) {
            self.open().remove(&key(name));
        }
        cookie("", Duration::ZERO, false)
    }

    /// What the forms of somebody without a session hold.
    pub(crate) fn stranger(&self) -> FormToken {
        self.stranger.clone()
    }
}

fn key(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

fn named(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn cookie(name: &str, lasts: Duration, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let seconds = lasts.as_secs();
    let text = format!("{COOKIE}={name}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    // Hex digits and words are always a valid value.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// 256 random bits as hex digits.
pub(crate) fn secret() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &HeaderValue) -> HeaderMap {
        let text = cookie.to_str().unwrap().split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("theme=dark; {text}").parse().unwrap());
        headers
    }

    fn token() -> TokenId {
        "0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn a_session_is_found_by_its_own_cookie_until_it_ends() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.begin(token(), false).unwrap(), sessions.begin(token(), false).unwrap());
        let found = sessions.find(&with(&one)).unwrap();
        assert!(found.form.is(found.form.as_str()));
        assert!(!sessions.find(&with(&other)).unwrap().form.is(found.form.as_str()));
        assert!(!found.form.is("") && !found.form.is(sessions.stranger().as_str()));
        sessions.end(&with(&one));
        assert!(sessions.find(&with(&one)).is_none() && sessions.find(&with(&other)).is_some());
    }

    #[test]
    fn threat_f20_a_cookie_is_strict_and_no_script_can_read_it() {
        let text = Sessions::default().begin(token(), true).unwrap();
        for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200", "Secure"] {
            assert!(text.to_str().unwrap().contains(word), "{word}");
        }
    }

    #[test]
    fn inv_39_sessions_are_bounded_and_the_oldest_makes_room() {
        let sessions = Sessions::default();
        let first = sessions.begin(token(), false).unwrap();
        for _ in 0..SESSIONS {
            sessions.begin(token(), false).unwrap();
        }
        assert_eq!(sessions.open().len(), SESSIONS);
        assert!(sessions.find(&with(&first)).is_none());
    }
}
