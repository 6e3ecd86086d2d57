//! What all handlers share.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deploy_core::engine::Engine;
use deploy_core::port::StoreError;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::{Rates, TokenId, TokenRecord, Tokens};
use crate::metrics::Instruments;
use crate::page::Sessions;
use crate::stream::{Feeds, HEARTBEAT};
use crate::uploads::Uploads;

/// How long a token that was looked up is believed without looking again: a revoked one still opens
/// for this long.
const TOKEN_KNOWN: Duration = Duration::from_secs(1);
/// Tokens that are known at once.
const TOKENS_KNOWN: usize = 1_024;

/// Every bound of the API, in one place.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once on one listener; more wait until one ends. 11,264.
    pub connections: usize,
    /// Clients that follow a stream at once; fewer than connections, so that others still get through.
    /// 10,240.
    pub followers: usize,
    /// Clients that follow what live releases write, each of which asks the target itself. 64.
    pub runtime_followers: usize,
    /// Bytes of a request's body. 256 KiB.
    pub body_bytes: usize,
    /// Bytes of an archive that is sent. 256 MiB.
    pub upload_bytes: u64,
    /// Bytes of all archives that are kept or come. 4 GiB.
    pub uploads_bytes: u64,
    /// How long a request's body may take; for an archive, how long nothing may come, beside the time that 16 KiB a
    /// second take. 10 s.
    pub body_time: Duration,
    /// How long a request's head may take, and how long a connection may be idle. 10 s.
    pub head_time: Duration,
    /// Bytes of a request's head. 16 KiB.
    pub head_bytes: usize,
    /// How long a client may take no byte of an answer before it is given up. 30 s.
    pub stall: Duration,
    /// The longest a poll may wait. 60 s.
    pub wait_max: Duration,
    /// How long a stream may be quiet before it says that it is there. 10 s.
    pub heartbeat: Duration,
    /// Requests per second from one address. 500.
    pub requests_per_second: NonZeroU32,
    /// Requests at once from one address. 1,000.
    pub requests_burst: NonZeroU32,
    /// Tokens per minute that one address may have refused. 30.
    pub refusals_per_minute: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX);
        Self {
            connections: 11_264,
            followers: 10_240,
            runtime_followers: 64,
            body_bytes: 256 * 1024,
            upload_bytes: 256 * 1024 * 1024,
            uploads_bytes: 4 * 1024 * 1024 * 1024,
            body_time: Duration::from_secs(10),
            head_time: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            stall: Duration::from_secs(30),
            wait_max: Duration::from_secs(60),
            heartbeat: HEARTBEAT,
            requests_per_second: number(500),
            requests_burst: number(1_000),
            refusals_per_minute: number(30),
        }
    }
}

/// The API over an engine. Cheap to clone; all clones are one API.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    limits: Limits,
    tokens: Option<Arc<dyn Tokens>>,
    uploads: Option<Uploads>,
    screenshots: Option<PathBuf>,
    known: Mutex<HashMap<TokenId, (TokenRecord, Instant)>>,
    instruments: Instruments,
    rates: Rates,
    feeds: Feeds,
    followers: Arc<Semaphore>,
    runtime_followers: Arc<Semaphore>,
    sessions: Sessions,
    closing: CancellationToken,
}

/// What an [`Api`] is made of. Only the engine is needed.
pub struct Parts {
    /// The engine.
    pub engine: Engine,
    /// Its bounds.
    pub limits: Limits,
    /// Where tokens are kept; without it no token is valid.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// Where archives are kept that clients send; without it none is taken.
    pub uploads: Option<PathBuf>,
    /// Where the pictures are that browsers took of pages, each named after its deployment; without it none is shown.
    pub screenshots: Option<PathBuf>,
    /// What is measured. The engine's store should be observed by the same instruments.
    pub instruments: Instruments,
}

impl Parts {
    /// An engine with the default bounds, without tokens.
    #[must_use]
    pub fn of(engine: Engine) -> Self {
        Self {
            engine,
            limits: Limits::default(),
            tokens: None,
            uploads: None,
            screenshots: None,
            instruments: Instruments::default(),
        }
    }
}

impl Api {
    /// The API of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { engine, limits, tokens, uploads, screenshots, instruments } = parts;
        let (rates, followers) = (Rates::new(&limits), Arc::new(Semaphore::new(limits.followers)));
        let runtime_followers = Arc::new(Semaphore::new(limits.runtime_followers));
        let (known, feeds, closing) = (Mutex::default(), Feeds::default(), CancellationToken::new());
        let (sessions, uploads) = (Sessions::default(), uploads.map(Uploads::new));
        Self {
            shared: Arc::new(Shared {
                engine,
                limits,
                tokens,
                uploads,
                screenshots,
                known,
                instruments,
                rates,
                feeds,
                followers,
                runtime_followers,
                sessions,
                closing,
            }),
        }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Ends streams and long polls, so that they don't hold up a shutdown, and makes
    /// `/health/ready` say no. Every listener stops accepting.
    pub fn close(&self) {
        self.shared.closing.cancel();
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.shared.closing
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn metrics(&self) -> &Instruments {
        &self.shared.instruments
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.shared.rates
    }

    pub(crate) fn feeds(&self) -> &Feeds {
        &self.shared.feeds
    }

    pub(crate) fn followers(&self) -> &Arc<Semaphore> {
        &self.shared.followers
    }

    pub(crate) fn runtime_followers(&self) -> &Arc<Semaphore> {
        &self.shared.runtime_followers
    }

    pub(crate) fn uploads(&self) -> Option<&Uploads> {
        self.shared.uploads.as_ref()
    }

    pub(crate) fn screenshots(&self) -> Option<&Path> {
        self.shared.screenshots.as_deref()
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.shared.sessions
    }

    pub(crate) fn tokens(&self) -> Option<&Arc<dyn Tokens>> {
        self.shared.tokens.as_ref()
    }

    /// The record of a token, at most [`TOKEN_KNOWN`] old.
    pub(crate) async fn token(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        let known = || self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh =
            known().get(id).filter(|(_, at)| at.elapsed() < TOKEN_KNOWN).map(|(record, _)| record.clone());
        let Some(tokens) = self.tokens().filter(|_| fresh.is_none()) else { return Ok(fresh) };
        let found = tokens.find(id).await?;
        let mut known = known();
        known.remove(id);
        if let Some(record) = &found {
            if known.len() >= TOKENS_KNOWN {
                known.clear();
            }
            known.insert(id.clone(), (record.clone(), Instant::now()));
        }
        Ok(found)
    }
}
