//! Errors as `application/problem+json` (RFC 9457) with `code`, `phase`, `retryable` and `hint`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use deploy_core::engine::{Engine, EngineError, SystemClock};
use deploy_core::hint::{CommandLine, Remedy};
use deploy_core::id::{DeploymentId, InvalidId};
use deploy_core::lifecycle::PhaseName;
use deploy_core::port::{Clock as _, StoreError};
use deploy_core::reason::Reason;
use deploy_core::runtime_log::RuntimeLogError;
use deploy_core::status::StatusName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What happened.
    pub title: String,
    /// The phase it concerns.
    pub phase: Option<PhaseName>,
    /// Whether the same request can succeed later.
    pub retryable: bool,
    /// What to do.
    pub hint: String,
    /// Commands that do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Remedy>,
    /// Where the deployment is, when that is why a command was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StatusName>,
    /// Seconds to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem that a retry does not solve.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, title: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            title: title.into(),
            phase: None,
            retryable: false,
            hint: hint.into(),
            next: Vec::new(),
            state: None,
            retry_after: None,
        }
    }

    /// A problem that is gone after some seconds.
    #[must_use]
    pub(crate) fn later(status: StatusCode, code: &str, title: &str, seconds: u32) -> Self {
        Self {
            retryable: true,
            retry_after: Some(seconds),
            ..Self::new(status, code, title, format!("try again in {seconds} s"))
        }
    }

    /// What the engine says about a command for a deployment, with where that is and the command that
    /// helps.
    pub(crate) async fn about(engine: &Engine, id: DeploymentId, error: EngineError) -> Self {
        let EngineError::Rejected(rejection) = &error else { return error.into() };
        let next = rejection.hint(id).next;
        let state = engine.status(id).await.ok().map(|status| status.status);
        Self { next, state, ..Self::from(error) }
    }

    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The request is not what the route takes.
    pub(crate) fn bad_request(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", what, "correct the request")
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// The one table from what the engine says to what HTTP says.
impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let (status, hint, retry_after) = match &error {
            EngineError::Rejected(_) => (StatusCode::CONFLICT, "look at the deployment's state", None),
            EngineError::Overloaded { .. } => (StatusCode::TOO_MANY_REQUESTS, "try again later", Some(5)),
            EngineError::Refused(reasons) => {
                // It may end earlier: whoever waits long asks again in between.
                let seconds = Some(retry_after(reasons));
                (StatusCode::CONFLICT, "wait until then, or submit with --wait-turn", seconds)
            }
            EngineError::Quarantined(_) => (StatusCode::CONFLICT, "run `deploy doctor`", None),
            EngineError::RuntimeLog(RuntimeLogError::Absent { .. }) => {
                (StatusCode::NOT_FOUND, "ask for the log of its deployment, without `source=runtime`", None)
            }
            EngineError::RuntimeLog(RuntimeLogError::Unavailable { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, "run `deploy doctor`", Some(5))
            }
            EngineError::Elsewhere(_) => (
                StatusCode::CONFLICT,
                "tell the control plane that drives it, or try again when that is gone",
                Some(5),
            ),
            EngineError::NothingBefore { newer: Some(_), .. } => {
                (StatusCode::CONFLICT, "name the newer one to go to it", None)
            }
            EngineError::NothingBefore { newer: None, .. } => (StatusCode::CONFLICT, "deploy first", None),
            EngineError::NeverDeployed(_) => {
                (StatusCode::NOT_FOUND, "`deploy list` shows what there is", None)
            }
            EngineError::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "try again", Some(1)),
            EngineError::Store(store) => match store {
                StoreError::NotFound => {
                    (StatusCode::NOT_FOUND, "check the id: `deploy list` shows what there is", None)
                }
                StoreError::Busy { .. } => {
                    (StatusCode::CONFLICT, "wait for it, or submit again with --wait-turn", Some(2))
                }
                StoreError::WorkspaceFull { .. } => (StatusCode::CONFLICT, "wait for its turn", Some(2)),
                StoreError::KeyReused => (StatusCode::CONFLICT, "use another idempotency key", None),
                StoreError::Limit { .. } => (StatusCode::TOO_MANY_REQUESTS, "try again later", Some(5)),
                StoreError::Full => {
                    (StatusCode::INSUFFICIENT_STORAGE, "free disk space, then try again", Some(30))
                }
                StoreError::Conflict { .. } | StoreError::Fenced { .. } => {
                    (StatusCode::CONFLICT, "look at the newer deployment", None)
                }
                StoreError::Corrupt { .. } => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "run `deploy doctor`", None)
                }
                StoreError::Unknown { .. } | StoreError::Unavailable { .. } => {
                    (StatusCode::SERVICE_UNAVAILABLE, "run `deploy doctor`", Some(5))
                }
            },
        };
        let mut problem = Self::new(status, error.code(), error.to_string(), hint);
        problem.retryable = error.retryable();
        problem.retry_after = retry_after;
        if let EngineError::Refused(reasons) = &error {
            problem.next = reasons.iter().flat_map(remedies).collect();
        }
        if let EngineError::NothingBefore { resource, newer: Some(newer) } = &error {
            let rollback = CommandLine::from(["deploy", "rollback"]).with(resource.to_string());
            problem.next = vec![Remedy::command("go to it", rollback.option("--to", newer.to_string()))];
        }
        problem
    }
}

/// What to do about a policy that says no, and where to read about it.
fn remedies(reason: &Reason) -> Vec<Remedy> {
    let link = reason.link.iter().map(|link| Remedy::by_hand(format!("see {link}")));
    let fix = reason.fix.iter().cloned();
    fix.chain(link).collect()
}

/// Seconds until a policy is asked again: an hour, or until it ends if that is sooner.
fn retry_after(reasons: &[Reason]) -> u32 {
    const HOUR: u32 = 3_600;
    let now = SystemClock.now();
    let ends: Option<Vec<u64>> =
        reasons.iter().map(|reason| Some(reason.until?.since(now).as_millis().div_ceil(1_000))).collect();
    let end = ends.and_then(|ends| ends.into_iter().max());
    end.map_or(HOUR, |seconds| u32::try_from(seconds).unwrap_or(HOUR).clamp(1, HOUR))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).expect("every key is a string");
        let mut response = (status, body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"deploy\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
