//! Who has signed in with a browser. A session is a token that was shown once: it may do what the token
//! may, and ends with it. Sessions are in memory only: after a restart people sign in again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::TokenId;

/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at once; the oldest makes room for a new one.
const SESSIONS: usize = 1_024;
/// The cookie that names one. A browser sends a host's cookies to all of its ports, so the name carries the
/// port: the sessions of two servers on one host don't end each other. It does not keep them apart: whoever
/// runs another server on this host may be sent the cookie.
const COOKIE: &str = "deploy_session";

/// What proves that a form was made for the one who sends it. Another site can send a form, but it can't
/// read this.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FormToken(Arc<str>);

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
        Self { open: Mutex::default(), stranger: FormToken(secret().unwrap_or_default().into()) }
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
    pub(crate) fn begin(
        &self,
        token: TokenId,
        headers: &HeaderMap,
        secure: bool,
    ) -> Result<HeaderValue, getrandom::Error> {
        let (name, form, since) = (secret()?, FormToken(secret()?.into()), Instant::now());
        let mut open = self.open();
        open.retain(|_, session| session.since.elapsed() < LASTS);
        if open.len() >= SESSIONS
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.since).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(key(&name), Session { token, form, since });
        Ok(cookie(headers, &name, LASTS, secure))
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
        cookie(headers, "", Duration::ZERO, false)
    }

    /// What the forms of somebody without a session hold.
    pub(crate) fn stranger(&self) -> FormToken {
        self.stranger.clone()
    }
}

fn key(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

/// What the cookie of the port says that was asked.
fn named(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let port = port(headers);
    pairs.find(|(name, _)| is_cookie(name, port)).map(|(_, value)| value)
}

fn is_cookie(name: &str, port: Option<&str>) -> bool {
    let end = name.strip_prefix(COOKIE);
    end.is_some_and(|end| end.strip_prefix('_').or(end.is_empty().then_some("")) == Some(port.unwrap_or("")))
}

/// The port in the address that a browser shows; none where it is the usual one.
fn port(headers: &HeaderMap) -> Option<&str> {
    let (_, port) = headers.get(header::HOST)?.to_str().ok()?.rsplit_once(':')?;
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
}

fn cookie(headers: &HeaderMap, value: &str, lasts: Duration, secure: bool) -> HeaderValue {
    let port = port(headers).map_or(String::new(), |port| format!("_{port}"));
    let secure = if secure { "; Secure" } else { "" };
    let seconds = lasts.as_secs();
    let text =
        format!("{COOKIE}{port}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
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

    /// A request to this address with this cookie.
    fn to(host: &str, cookie: &HeaderValue) -> HeaderMap {
        let text = cookie.to_str().unwrap().split(';').next().unwrap();
        let mut headers = at(host);
        headers.insert(header::COOKIE, format!("theme=dark; {text}").parse().unwrap());
        headers
    }

    fn with(cookie: &HeaderValue) -> HeaderMap {
        to("localhost:7400", cookie)
    }

    fn at(host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers
    }

    fn begin(sessions: &Sessions) -> HeaderValue {
        sessions.begin(token(), &at("localhost:7400"), false).unwrap()
    }

    fn token() -> TokenId {
        "0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn a_session_is_found_by_its_own_cookie_until_it_ends() {
        let sessions = Sessions::default();
        let (one, other) = (begin(&sessions), begin(&sessions));
        let found = sessions.find(&with(&one)).unwrap();
        assert!(found.form.is(found.form.as_str()));
        assert!(!sessions.find(&with(&other)).unwrap().form.is(found.form.as_str()));
        assert!(!found.form.is("") && !found.form.is(sessions.stranger().as_str()));
        sessions.end(&with(&one));
        assert!(sessions.find(&with(&one)).is_none() && sessions.find(&with(&other)).is_some());
    }

    #[test]
    fn threat_f20_a_cookie_is_strict_and_no_script_can_read_it() {
        let text = Sessions::default().begin(token(), &at("localhost"), true).unwrap();
        for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200", "Secure"] {
            assert!(text.to_str().unwrap().contains(word), "{word}");
        }
    }

    #[test]
    fn two_servers_on_one_host_leave_each_other_s_sessions_alone() {
        let sessions = Sessions::default();
        let cookie = |host: &str| sessions.begin(token(), &at(host), false).unwrap();
        let hosts = ["localhost", "localhost:7400", "127.0.0.1:7401", "[::1]:7402", "[::1]"];
        let names = hosts.map(|host| cookie(host).to_str().unwrap().split('=').next().unwrap().to_owned());
        let expected = [
            "deploy_session",
            "deploy_session_7400",
            "deploy_session_7401",
            "deploy_session_7402",
            "deploy_session",
        ];
        assert_eq!(names, expected);
        for host in hosts {
            let given = cookie(host);
            for other in hosts {
                let same = port(&at(host)) == port(&at(other));
                assert_eq!(sessions.find(&to(other, &given)).is_some(), same, "{host} at {other}");
            }
        }
    }

    #[test]
    fn inv_39_sessions_are_bounded_and_the_oldest_makes_room() {
        let sessions = Sessions::default();
        let first = begin(&sessions);
        for _ in 0..SESSIONS {
            begin(&sessions);
        }
        assert_eq!(sessions.open().len(), SESSIONS);
        assert!(sessions.find(&with(&first)).is_none());
    }
}
