//! What one look at a server showed.

use std::time::Duration;

use thiserror::Error;

/// One look at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What came back.
    pub outcome: Result<Answer, ProbeError>,
    /// How long it took.
    pub elapsed: Duration,
}

/// An answer, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `deploy-release`: which release answered.
    pub release: Option<String>,
    /// The header `location`; it is never followed.
    pub location: Option<String>,
    /// The beginning of the body, as many bytes as were asked for.
    pub body: Vec<u8>,
    /// Whether the body goes on behind that.
    pub truncated: bool,
    /// How long it took until the first byte of the answer was there.
    pub first_byte: Duration,
}

/// How many bytes of a body are shown to people.
const SHOWN_BYTES: usize = 4 * 1024;

impl Answer {
    /// The beginning of the body for people: at most 4 KiB, without control characters.
    #[must_use]
    pub fn body_head(&self) -> String {
        let head = &self.body[..self.body.len().min(SHOWN_BYTES)];
        let visible = |character: char| character == '\n' || !character.is_control();
        String::from_utf8_lossy(head).chars().map(|c| if visible(c) { c } else { '\u{fffd}' }).collect()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProbeError {
    /// Nobody listens there.
    #[error("nobody listens on {address}")]
    Refused {
        /// Where.
        address: String,
    },
    /// It took too long.
    #[error("no complete answer within {}ms", within.as_millis())]
    TimedOut {
        /// How long it was waited for.
        within: Duration,
    },
    /// The connection could not be made, or broke.
    #[error("the connection failed: {what}")]
    Connection {
        /// What the system says.
        what: String,
    },
    /// Its certificate is not one to trust for this host.
    #[error("the certificate is refused: {what}")]
    Certificate {
        /// What is wrong with it.
        what: String,
    },
    /// TLS could not be spoken.
    #[error("there is no TLS: {what}")]
    Tls {
        /// What is wrong.
        what: String,
    },
    /// What came back is not HTTP, or more of it than is allowed.
    #[error("the answer is not valid HTTP: {what}")]
    NotHttp {
        /// What is wrong with it.
        what: String,
    },
    /// The request could not be written: the path or the host is not valid.
    #[error("the request is not valid: {what}")]
    BadRequest {
        /// What is wrong with it.
        what: String,
    },
}
