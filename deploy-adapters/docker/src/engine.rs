//! The container engine behind its API: every call has a deadline, and every error is of one of few kinds.

use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use deploy_core::failure::{Failure, FailureCode};
use tokio::sync::OnceCell;

/// How long the engine may take to answer a question.
const READ: Duration = Duration::from_secs(10);
/// How long it may take to carry out an order.
const CHANGE: Duration = Duration::from_secs(60);

/// How often it is asked whether it is still there, and how often in a row it may say nothing.
const HEARTBEAT: Duration = Duration::from_secs(5);
const SILENCES: u32 = 3;

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nobody answers. Nothing was changed.
    #[error("the container engine at {host} does not answer: {why}")]
    Unavailable {
        /// Where it should be.
        host: String,
        /// What the system said.
        why: String,
    },
    /// The order was sent but its answer lost: it may have been carried out or not.
    #[error("the container engine at {host} took the order but did not answer: {why}")]
    Lost {
        /// Where it is.
        host: String,
        /// What the system said.
        why: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Something is in the way.
    #[error("{0}")]
    Conflict(String),
    /// No space left.
    #[error("{0}")]
    NoSpace(String),
    /// The engine said no.
    #[error("{message}")]
    Refused {
        /// The status it said it with.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl EngineError {
    /// What a failed step is called whose call ended so.
    pub(crate) const fn code(&self) -> FailureCode {
        match self {
            Self::Unavailable { .. } => FailureCode::TargetUnavailable,
            Self::Lost { .. } => FailureCode::ReplyLost,
            Self::NoSpace(_) => FailureCode::DiskFull,
            Self::NotFound(_) | Self::Conflict(_) | Self::Refused { .. } => FailureCode::Internal,
        }
    }

    /// The failure, under `refusal` where the engine itself said no.
    pub(crate) fn or(self, refusal: FailureCode) -> Failure {
        let code = match self {
            Self::NotFound(_) | Self::Conflict(_) | Self::Refused { .. } => refusal,
            Self::Unavailable { .. } | Self::Lost { .. } | Self::NoSpace(_) => self.code(),
        };
        Failure::new(code, self.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Whether a call changes anything: what its lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// It asks.
    Read,
    /// It orders.
    Change,
}

/// One engine. Connects when it is first needed; the version that both sides speak is agreed then.
#[derive(Debug)]
pub(crate) struct Engine {
    host: String,
    docker: OnceCell<Docker>,
}

impl Engine {
    /// The engine at `host`: `unix:///run/docker.sock`, `tcp://10.0.0.5:2375`.
    pub(crate) fn new(host: String) -> Self {
        Self { host, docker: OnceCell::new() }
    }

    /// The client, for calls that stream. Whoever uses it bounds its own waiting.
    pub(crate) async fn client(&self) -> Result<&Docker, EngineError> {
        self.docker.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Docker, EngineError> {
        let docker = Docker::connect_with_host(&self.host).map_err(|error| self.error(error, Sort::Read))?;
        let negotiating = tokio::time::timeout(READ, docker.negotiate_version()).await;
        let negotiated = negotiating.map_err(|_| self.silent(Sort::Read, READ))?;
        negotiated.map_err(|error| self.error(error, Sort::Read))
    }

    /// Asks.
    pub(crate) async fn read<T, F>(&self, call: impl FnOnce(Docker) -> F) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call(Sort::Read, READ, call).await
    }

    /// Orders.
    pub(crate) async fn change<T, F>(&self, call: impl FnOnce(Docker) -> F) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call(Sort::Change, CHANGE, call).await
    }

    /// Where it is.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Resolves when the engine has not answered for a while: what streams from it may hang for ever.
    pub(crate) async fn gone(&self) -> EngineError {
        let mut silent = 0;
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            match self.read(|docker| async move { docker.ping().await }).await {
                Ok(_) => silent = 0,
                Err(error) => {
                    silent += 1;
                    if silent == SILENCES {
                        let (host, why) = (self.host.clone(), error.to_string());
                        return EngineError::Lost { host, why };
                    }
                }
            }
        }
    }

    /// What the engine itself said, under a status.
    pub(crate) fn said(&self, status: u16, message: String) -> EngineError {
        refused(status, message)
    }

    async fn call<T, F>(
        &self,
        sort: Sort,
        within: Duration,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let docker = self.client().await?.clone();
        match tokio::time::timeout(within, call(docker)).await {
            Ok(answer) => answer.map_err(|error| self.error(error, sort)),
            Err(_) => Err(self.silent(sort, within)),
        }
    }

    pub(crate) fn silent(&self, sort: Sort, within: Duration) -> EngineError {
        let (host, why) = (self.host.clone(), format!("no answer within {}s", within.as_secs()));
        match sort {
            Sort::Read => EngineError::Unavailable { host, why },
            Sort::Change => EngineError::Lost { host, why },
        }
    }

    /// The kind of error that a client's error is.
    pub(crate) fn error(&self, error: Error, sort: Sort) -> EngineError {
        let absent = matches!(error, Error::SocketNotFoundError(_) | Error::UnsupportedURISchemeError { .. });
        let refuses = matches!(&error, Error::HyperLegacyError { err } if err.is_connect());
        if absent || refuses {
            return EngineError::Unavailable { host: self.host.clone(), why: said(&error) };
        }
        if let Error::DockerResponseServerError { status_code, message } = error {
            return refused(status_code, message);
        }
        if let Error::DockerStreamError { error } = error {
            return refused(500, error);
        }
        let (host, why) = (self.host.clone(), said(&error));
        match sort {
            Sort::Read => EngineError::Unavailable { host, why },
            Sort::Change => EngineError::Lost { host, why },
        }
    }
}

fn refused(status: u16, message: String) -> EngineError {
    if message.contains("no space left on device") {
        return EngineError::NoSpace(message);
    }
    match status {
        404 => EngineError::NotFound(message),
        409 => EngineError::Conflict(message),
        _ => EngineError::Refused { status, message },
    }
}

/// An error with what is behind it: the outer one alone often says only "client error".
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f42_an_engine_that_is_not_there_is_unavailable() {
        let engine = Engine::new("unix:///nowhere/docker.sock".to_owned());
        let error = engine.read(|docker| async move { docker.ping().await }).await.expect_err("no engine");
        assert_eq!(error.code(), FailureCode::TargetUnavailable, "{error}");
        assert!(error.to_string().contains("unix:///nowhere/docker.sock"), "{error}");
    }

    #[test]
    fn what_the_engine_says_is_sorted_by_what_it_means() {
        assert_eq!(refused(404, "x".into()), EngineError::NotFound("x".into()));
        assert_eq!(refused(409, "x".into()), EngineError::Conflict("x".into()));
        let full = refused(500, "write /a: no space left on device".into());
        assert_eq!(full.code(), FailureCode::DiskFull);
    }
}
