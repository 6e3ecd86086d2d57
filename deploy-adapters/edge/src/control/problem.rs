//! Refusals as responses.

use http::{Response, StatusCode};
use serde_json::json;

use super::api::Problem;
use super::handlers::json_response;
use crate::plane::SwitchError;
use crate::release::ReleaseError;
use crate::routes::Refused;
use crate::web::body::Body;

/// A refusal of the control socket itself.
pub(super) fn simple(status: StatusCode, code: &str, message: &str, remedy: &str) -> Response<Body> {
    let problem = Problem {
        code: code.to_owned(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        current: None,
    };
    json_response(status, &problem)
}

/// A change that was refused.
pub(super) fn of_switch(error: &SwitchError) -> Response<Body> {
    let problem = Problem {
        code: error.code().to_owned(),
        message: error.to_string(),
        remedy: error.remedy().to_owned(),
        current: current(error),
    };
    json_response(status(error), &problem)
}

fn current(error: &SwitchError) -> Option<serde_json::Value> {
    let SwitchError::Refused(refused) = error else {
        return None;
    };
    match refused {
        Refused::StaleEpoch { current, .. } => Some(json!(current)),
        Refused::HostTaken { owner, .. } => Some(json!(owner)),
        Refused::UnexpectedCurrent { current, .. } => Some(json!(current)),
        Refused::InvalidHost(_)
        | Refused::InvalidTarget { .. }
        | Refused::Invalid { .. }
        | Refused::Unknown { .. }
        | Refused::PortInUse { .. }
        | Refused::TableFull { .. } => None,
    }
}

fn status(error: &SwitchError) -> StatusCode {
    match error {
        SwitchError::Refused(
            Refused::InvalidHost(_) | Refused::InvalidTarget { .. } | Refused::Invalid { .. },
        )
        | SwitchError::FallbackMissing { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        SwitchError::Refused(
            Refused::StaleEpoch { .. }
            | Refused::HostTaken { .. }
            | Refused::UnexpectedCurrent { .. }
            | Refused::PortInUse { .. }
            | Refused::TableFull { .. },
        ) => StatusCode::CONFLICT,
        SwitchError::Refused(Refused::Unknown { .. })
        | SwitchError::Release(ReleaseError::Missing { .. }) => StatusCode::NOT_FOUND,
        SwitchError::Release(ReleaseError::Damaged { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
        SwitchError::Release(ReleaseError::Io { .. })
        | SwitchError::NotStored { .. }
        | SwitchError::NotSettled { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
