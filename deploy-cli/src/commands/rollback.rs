//! `rollback`: back to a kept release.

use deploy_core::port::WhenBusy;
use deploy_http::RollbackRequest;

use super::{Context, up};
use crate::args::RollbackArgs;
use crate::exit::{Exit, Failed};

pub(crate) async fn rollback(cx: &Context, args: RollbackArgs) -> Result<Exit, Failed> {
    let when_busy = if args.wait_turn { WhenBusy::Wait } else { WhenBusy::Refuse };
    let request = RollbackRequest { to: args.to, when_busy };
    let path = format!("/api/resources/{}/rollback", args.resource);
    up::submit_and_follow(cx, &path, &request, (!args.detach).then_some(None)).await
}
