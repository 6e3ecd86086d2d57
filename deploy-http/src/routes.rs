//! Every route with the scope it needs and what is said about it, in one table. A route that is not here
//! does not exist.

use axum::http::{Method, StatusCode};
use axum::routing::{MethodRouter, delete, get, post};
use deploy_core::admission::Verdict;
use deploy_core::compare::Comparison;
use deploy_core::history::Stats;
use deploy_core::log::Found;
use deploy_core::plan::PlanDocument;
use deploy_core::port::ReleaseRecord;
use deploy_core::queue::Place;
use deploy_core::status::Status;

use crate::access::Scope;
use crate::api::Api;
use crate::deployments::{self, ListParameters, ShowParameters};
use crate::history::{self, SearchParameters, StatsParameters};
use crate::operation::{Content, Operation};
use crate::operations::{self, Health, Ready};
use crate::page;
use crate::requests::{DeployRequest, PlanRequest, RollbackRequest, StopRequest, Submission};
use crate::resources;
use crate::screenshot;
use crate::stream::{self, EventParameters, LogParameters};
use crate::tokens::{self, TokenView};
use crate::uploads::{self, Uploaded};

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// What a caller must be granted; nothing when absent.
    pub(crate) needs: Option<Scope>,
    pub(crate) handler: MethodRouter<Api>,
    pub(crate) operation: Operation,
}

const READ: Option<Scope> = Some(Scope::Read);
const DEPLOY: Option<Scope> = Some(Scope::Deploy);
const ADMIN: Option<Scope> = Some(Scope::Admin);

const STREAM: Content = Content::Text(&["application/x-ndjson", "text/event-stream"]);
const ARCHIVES: &[&str] = &["application/octet-stream"];
const KEY: &str = "The same key with the same request is the same deployment, for at least 24 hours.";

/// What everything that writes to the journal can answer.
const WRITES: [StatusCode; 3] =
    [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::INSUFFICIENT_STORAGE];

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, summary)
}

/// An operation on one thing that a path names.
fn on(id: &'static str, summary: &'static str) -> Operation {
    op(id, summary).fails(&[StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND])
}

/// A command for a deployment.
fn command(id: &'static str, summary: &'static str) -> Operation {
    on(id, summary)
        .gives::<Status>(StatusCode::OK, "The status it led to, once that is durable")
        .fails(&WRITES)
}

/// Something that submits a deployment.
fn submits(operation: Operation) -> Operation {
    let accepted = "It is durable and will be carried out; `Location` says where to look";
    operation
        .header("Idempotency-Key", KEY)
        .gives::<Submission>(StatusCode::ACCEPTED, accepted)
        .fails(&[StatusCode::BAD_REQUEST])
        .fails(&WRITES)
}

fn stream(id: &'static str, summary: &'static str) -> Operation {
    on(id, summary)
        .header("Last-Event-ID", "Go on after this number; what an EventSource sends when it comes back.")
        .answers(
            StatusCode::OK,
            "Lines as NDJSON, or as server-sent events if `Accept` asks for them",
            STREAM,
        )
        .answers(
            StatusCode::NO_CONTENT,
            "Server-sent events only: it has ended, and all was received",
            Content::Nothing,
        )
}

/// The table.
#[rustfmt::skip]
pub(crate) fn routes() -> Vec<Route> {
    let ok = StatusCode::OK;
    vec![
        route(Method::GET, "/health", None, get(operations::health),
            op("health", "Whether the process answers").gives::<Health>(ok, "It does")),
        route(Method::GET, "/health/ready", None, get(operations::ready),
            op("ready", "Whether it can work").gives::<Ready>(ok, "It can")),
        route(Method::GET, "/metrics", READ, get(operations::metrics),
            op("metrics", "Metrics for Prometheus")
                .answers(ok, "OpenMetrics text", Content::Text(&["application/openmetrics-text"]))),
        route(Method::GET, "/openapi.json", None, get(operations::description),
            op("describe", "This description").answers(ok, "OpenAPI 3.1", Content::Json(|_| true.into()))),

        route(Method::POST, "/api/plans", DEPLOY, post(deployments::preview),
            op("preview", "What would happen, and every reason why not; changes nothing")
                .body::<PlanRequest>(true).gives::<PlanDocument>(ok, "The plan, blocked or not")),
        route(Method::POST, "/api/sources", DEPLOY, post(uploads::upload),
            op("upload", "Send an archive to deploy: tar, tar.gz, tar.zst or zip, told by its content").bytes(ARCHIVES)
                .gives::<Uploaded>(StatusCode::CREATED, "It is kept; `source` is what to name in a plan or a deployment")
                .fails(&[StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::INSUFFICIENT_STORAGE])),
        route(Method::GET, "/api/deployments", READ, get(deployments::list),
            op("listDeployments", "Deployments, newest first").query::<ListParameters>()
                .fails(&[StatusCode::NOT_FOUND])
                .gives::<Vec<Status>>(ok, "A page; `Link` names the next one")),
        route(Method::POST, "/api/deployments", DEPLOY, post(deployments::submit),
            submits(op("deploy", "Deploy").body::<DeployRequest>(true))),
        route(Method::GET, "/api/deployments/{id}", READ, get(deployments::show),
            on("showDeployment", "Where a deployment is").query::<ShowParameters>()
                .header("If-None-Match", "The `ETag` that is known.")
                .gives::<Status>(ok, "The status; `ETag` is the number of its last event")
                .answers(StatusCode::NOT_MODIFIED, "Nothing has changed", Content::Nothing)),
        route(Method::GET, "/api/deployments/{id}/events", READ, get(stream::events),
            stream("followEvents", "What was decided, from any number on").query::<EventParameters>()),
        route(Method::GET, "/api/deployments/{id}/logs", READ, get(stream::logs),
            stream("followLogs", "Output, from any number on").query::<LogParameters>()),
        route(Method::GET, "/api/deployments/{id}/screenshot", READ, get(screenshot::show),
            on("showScreenshot", "The picture that a browser took of the page, where `[health.browser]` asked for one")
                .answers(ok, "The picture", Content::Bytes("image/png"))),
        route(Method::GET, "/api/stats", READ, get(history::stats),
            op("stats", "What the runs so far say together").query::<StatsParameters>().gives::<Stats>(ok, "The figures")),
        route(Method::GET, "/api/logs", READ, get(history::search),
            op("searchLogs", "Log lines that hold a text, live and archived").query::<SearchParameters>()
                .fails(&[StatusCode::NOT_FOUND]).gives::<Found>(ok, "The lines, newest deployments first")),
        route(Method::GET, "/api/deployments/{a}/compare/{b}", READ, get(deployments::compare),
            on("compareDeployments", "Two deployments side by side").gives::<Comparison>(ok, "What differs")),
        route(Method::POST, "/api/deployments/{id}/pause", DEPLOY, post(deployments::pause),
            command("pause", "Start nothing new; the running step ends")),
        route(Method::POST, "/api/deployments/{id}/resume", DEPLOY, post(deployments::resume),
            command("resume", "Go on")),
        route(Method::POST, "/api/deployments/{id}/stop", DEPLOY, post(deployments::stop),
            command("stop", "Skip what remains").body::<StopRequest>(false)),
        route(Method::POST, "/api/deployments/{id}/retry", DEPLOY, post(deployments::retry),
            submits(on("retry", "Try an ended deployment again, as a new one"))),
        route(Method::POST, "/api/deployments/{id}/redeploy", DEPLOY, post(deployments::redeploy),
            submits(on("redeploy", "Deploy once more what an ended deployment was asked to deploy"))),
        route(Method::POST, "/api/deployments/{id}/abandon", ADMIN, post(deployments::abandon),
            command("abandon", "End a deployment whose record is damaged")),
        route(Method::GET, "/api/deployments/{id}/queue", READ, get(deployments::queue),
            on("showQueue", "Where in the line a deployment is, and why it waits")
                .gives::<Option<Place>>(ok, "Its place; `null` when it does not wait")),
        route(Method::GET, "/api/resources/{id}/admission", DEPLOY, get(resources::admission),
            on("showAdmission", "What the policies say about deploying a resource now")
                .gives::<Verdict>(ok, "What speaks against it, and what to know before")),
        route(Method::POST, "/api/deployments/{id}/recheck", DEPLOY, post(deployments::recheck),
            command("recheck", "Look at a blocked deployment's source again")),
        route(Method::GET, "/api/resources/{id}/releases", READ, get(resources::releases),
            on("listReleases", "Releases, newest first").gives::<Vec<ReleaseRecord>>(ok, "Every one on record")),
        route(Method::POST, "/api/resources/{id}/rollback", DEPLOY, post(resources::rollback),
            submits(on("rollback", "Go back to a kept release").body::<RollbackRequest>(false))),
        route(Method::GET, "/api/tokens", ADMIN, get(tokens::list),
            op("listTokens", "Tokens, without their secrets").gives::<Vec<TokenView>>(ok, "Every one that is valid")),
        route(Method::DELETE, "/api/tokens/{id}", ADMIN, delete(tokens::revoke),
            on("revokeToken", "Revoke a token; it opens nothing a second later")
                .answers(StatusCode::NO_CONTENT, "It is revoked", Content::Nothing)
                .fails(&[StatusCode::INSUFFICIENT_STORAGE])),
    ]
}

fn route(
    method: Method,
    path: &'static str,
    needs: Option<Scope>,
    handler: MethodRouter<Api>,
    operation: Operation,
) -> Route {
    Route { method, path, needs, handler, operation }
}

/// Every route with the scope it needs: method, path, scope.
#[must_use]
pub fn authorisation() -> Vec<(Method, &'static str, Option<Scope>)> {
    let api = routes().into_iter().map(|route| (route.method, route.path, route.needs));
    let page = page::routes().into_iter().map(|route| (route.method, route.path, route.needs));
    api.chain(page).collect()
}
