//! What would happen, every reason why not, and the value that removes each: set in the form, so that a
//! blocked plan becomes one that can be deployed.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use deploy_core::engine;
use deploy_core::id::{DeploymentId, Digest, Name, ResourceKey};
use deploy_core::plan::{Origin, PlanDocument, ReadinessStatus, Undo};
use deploy_core::port::WhenBusy;
use deploy_core::reason::Reason;
use deploy_core::source::Source;
use deploy_core::spec::{Approval, Spec, Trigger, default_workspace};
use maud::{Markup, html};
use serde::Deserialize;

use super::form::{FormOf, fresh_key};
use super::layout::{Frame, Place};
use super::outcome::{evidence, reason_of, reasons};
use super::releases::changes;
use super::sent::ARCHIVE;
use super::settings;
use super::text::{clean, link, source};
use crate::access::Caller;
use crate::api::Api;
use crate::extract::QueryOf;
use crate::problem::Problem;

/// What the form holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    resource: String,
    environment: String,
    target: String,
    kind: String,
    locator: String,
    git_ref: String,
    settings: String,
    /// A line of settings that is added to the others.
    add: String,
    /// The plan that was seen.
    fingerprint: String,
    key: String,
}

impl Default for Wanted {
    fn default() -> Self {
        let empty = String::new;
        Self {
            resource: empty(),
            environment: "production".to_owned(),
            target: "static".to_owned(),
            kind: "directory".to_owned(),
            locator: empty(),
            git_ref: empty(),
            settings: empty(),
            add: empty(),
            fingerprint: empty(),
            key: empty(),
        }
    }
}

impl Wanted {
    /// The form of a deployment that was asked for before.
    fn of(spec: &Spec) -> Result<Self, Problem> {
        let (kind, locator, git_ref) = match &spec.source {
            Source::Directory { path } => ("directory", path.clone(), String::new()),
            Source::Archive { path, .. } => ("archive", path.clone(), String::new()),
            Source::Git { url, git_ref, .. } => {
                ("git", url.to_string(), git_ref.as_ref().map(ToString::to_string).unwrap_or_default())
            }
            Source::Image { reference } => ("image", reference.to_string(), String::new()),
            Source::Release { version } => ("release", version.to_string(), String::new()),
        };
        Ok(Self {
            resource: spec.resource.resource.to_string(),
            environment: spec.resource.environment.to_string(),
            target: spec.target.to_string(),
            kind: kind.to_owned(),
            locator,
            git_ref,
            settings: settings::text(&spec.profile).map_err(Problem::bad_request)?,
            ..Self::default()
        })
    }

    /// The same with an archive on this machine as the source.
    pub(super) fn with_archive(self, path: String) -> Self {
        Self { kind: "archive".to_owned(), locator: path, git_ref: String::new(), ..self }
    }

    /// The specification that the form describes; what is wrong with it, for people.
    fn spec(&self, caller: &Caller, approval: Approval) -> Result<Spec, String> {
        let name =
            |what: &str, text: &str| text.trim().parse::<Name>().map_err(|error| format!("{what}: {error}"));
        Ok(Spec {
            resource: ResourceKey {
                resource: name("resource", &self.resource)?,
                environment: name("environment", &self.environment)?,
            },
            target: name("target", &self.target)?,
            source: self.source()?,
            profile: settings::profile(&self.settings)?,
            trigger: Trigger::Create,
            actor: caller.actor(),
            approval,
            workspace: default_workspace(),
            asked: None,
        })
    }

    fn source(&self) -> Result<Source, String> {
        let (locator, git_ref) = (self.locator.trim().to_owned(), self.git_ref.trim());
        let error = |error: &dyn std::fmt::Display| error.to_string();
        match self.kind.as_str() {
            "directory" if locator.starts_with('/') => Ok(Source::Directory { path: locator }),
            "archive" if locator.starts_with('/') => Ok(Source::Archive { path: locator, digest: None }),
            "directory" | "archive" => Err("write the whole path, from / on".to_owned()),
            "git" => Ok(Source::Git {
                url: locator.parse().map_err(|wrong: deploy_core::source::InvalidGitUrl| error(&wrong))?,
                git_ref: match git_ref {
                    "" => None,
                    text => Some(
                        text.parse().map_err(|wrong: deploy_core::source::InvalidGitRef| error(&wrong))?,
                    ),
                },
                commit: None,
                credential: None,
            }),
            "image" => {
                let reference =
                    locator.parse().map_err(|wrong: deploy_core::source::InvalidImage| error(&wrong))?;
                Ok(Source::Image { reference })
            }
            other => Err(format!("there is no source of the kind {other:?} here")),
        }
    }
}

/// Where the form begins.
#[derive(Deserialize)]
pub(super) struct Begin {
    from: Option<DeploymentId>,
}

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    QueryOf(begin): QueryOf<Begin>,
) -> Result<Response, Problem> {
    let wanted = match begin.from {
        Some(id) => Wanted::of(&api.engine().look(id).await?.spec)?,
        None => Wanted::default(),
    };
    Ok(shown(&Frame::of(&caller), &wanted, &html! {}))
}

pub(super) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    FormOf(wanted): FormOf<Wanted>,
) -> Result<Response, Problem> {
    previewed(&api, &caller, wanted).await
}

/// The form with what would happen, or with what is wrong in it.
pub(super) async fn previewed(api: &Api, caller: &Caller, mut wanted: Wanted) -> Result<Response, Problem> {
    let frame = Frame::of(caller);
    let add = std::mem::take(&mut wanted.add);
    if !add.trim().is_empty() {
        match settings::with(&wanted.settings, &add) {
            Ok(settings) => wanted.settings = settings,
            Err(wrong) => return Ok(shown(&frame, &wanted, &notice(&format!("{}: {wrong}", add.trim())))),
        }
    }
    let spec = match wanted.spec(caller, Approval::Automatic) {
        Ok(spec) => spec,
        Err(wrong) => return Ok(shown(&frame, &wanted, &notice(&wrong))),
    };
    let plan = api.engine().preview(&spec).await?;
    let content = result(&frame, &wanted, &plan);
    Ok(shown(&frame, &wanted, &content))
}

pub(super) async fn deploy(
    State(api): State<Api>,
    caller: Caller,
    FormOf(wanted): FormOf<Wanted>,
) -> Result<Response, Problem> {
    let fingerprint = wanted.fingerprint.parse::<Digest>().map_err(Problem::from)?;
    let spec = wanted.spec(&caller, Approval::Exactly { fingerprint }).map_err(Problem::bad_request)?;
    let idempotency_key = (!wanted.key.is_empty()).then_some(wanted.key);
    let submission = engine::Submission { spec, idempotency_key, busy: WhenBusy::Refuse };
    let submitted = api.engine().submit(submission).await?;
    Ok(Redirect::to(&format!("/runs/{}", submitted.id)).into_response())
}

fn notice(text: &str) -> Markup {
    html! { p.notice role="alert" { @for line in text.lines() { (clean(line)) br; } } }
}

fn shown(frame: &Frame, wanted: &Wanted, content: &Markup) -> Response {
    let page = html! {
        h1 { "Plan" }
        p.muted { "A plan changes nothing. It says what would happen, and every reason why not." }
        (form(frame, wanted))
        div #result { (content) }
    };
    frame.page(Place::new("Plan"), &page)
}

fn form(frame: &Frame, wanted: &Wanted) -> Markup {
    let kinds =
        [("directory", "Directory"), ("git", "Git repository"), ("archive", "Archive"), ("image", "Image")];
    html! {
        form.card.fields method="post" action="/plan" {
            (frame.proof())
            label { "Resource" input name="resource" value=(wanted.resource) required autocapitalize="none"; }
            label { "Environment" input name="environment" value=(wanted.environment) required autocapitalize="none"; }
            label { "Target" input name="target" value=(wanted.target) required list="targets" autocapitalize="none"; }
            datalist #targets { option value="static"; option value="docker"; option value="fly"; }
            label { "Source" select name="kind" { @for (kind, word) in kinds { option value=(kind) selected[wanted.kind == kind] { (word) } } } }
            label.wide { "Path, address or image" input name="locator" value=(wanted.locator) required autocapitalize="none" spellcheck="false"; }
            label { "Branch, tag or commit (git)" input name="git_ref" value=(wanted.git_ref) autocapitalize="none" spellcheck="false"; }
            label.wide { "Settings, as in deploy.toml" textarea name="settings" rows="4" spellcheck="false" { (wanted.settings) } }
            button.primary type="submit" { "Preview" }
            label.wide { "Or an archive of your own (tar, tar.gz, tar.zst or zip)" input type="file" name=(ARCHIVE) accept=".tar,.gz,.tgz,.zst,.zip"; }
            button type="submit" formaction="/plan/archive" formenctype="multipart/form-data" formnovalidate { "Send it and preview" }
        }
    }
}

/// The form's fields again, for buttons that send them with something more.
fn hidden(frame: &Frame, wanted: &Wanted) -> Markup {
    let fields = [
        ("resource", &wanted.resource),
        ("environment", &wanted.environment),
        ("target", &wanted.target),
        ("kind", &wanted.kind),
        ("locator", &wanted.locator),
        ("git_ref", &wanted.git_ref),
        ("settings", &wanted.settings),
    ];
    html! { (frame.proof()) @for (name, value) in fields { input type="hidden" name=(name) value=(value); } }
}

fn result(frame: &Frame, wanted: &Wanted, plan: &PlanDocument) -> Markup {
    html! {
        section aria-labelledby="readiness" {
            h2 #readiness tabindex="-1" { (readiness(plan)) }
            @for reason in &plan.blocked_reasons { (reason_of(reason, &fix(frame, wanted, reason))) }
            (go(frame, wanted, plan))
            @if !plan.warnings.is_empty() { h3 { "Doubtful" } (reasons(&plan.warnings)) }
            h3 { "What was found" } (evidence(&plan.detection.evidence))
            h3 { "The plan" } (values(plan))
            @if !plan.steps.is_empty() { h3 { "What would be done" } (steps(plan)) }
            @if !plan.reuses.is_empty() {
                h3 { "What is there already" }
                ul { @for reuse in &plan.reuses { li { code { (reuse.step) } " " (clean(&reuse.what)) " " (evidence(&reuse.evidence)) } } }
            }
            h3 { "What would change" } (changes(&plan.changes))
        }
    }
}

fn readiness(plan: &PlanDocument) -> Markup {
    let (class, glyph, text) = match plan.readiness.status {
        ReadinessStatus::Ready => ("completed", "✔", "Ready".to_owned()),
        ReadinessStatus::Warning => {
            ("paused", "◇", format!("Ready, with warnings ({})", plan.warnings.len()))
        }
        ReadinessStatus::Blocked => ("failed", "⊘", format!("Blocked ({})", plan.blocked_reasons.len())),
    };
    html! { span class={ "state " (class) } { span.glyph aria-hidden="true" { (glyph) } " " (text) } " · " (plan.resource) " on " (clean(&plan.target)) }
}

/// A form that sets a value and plans again.
fn fix(frame: &Frame, wanted: &Wanted, reason: &Reason) -> Markup {
    let suggested = reason.fix.iter().chain(&reason.overrides).find_map(|fix| fix.set.clone());
    let line = suggested.or_else(|| reason.profile_field.as_deref().map(settings::line_for));
    html! {
        @if let Some(line) = line {
            form.set method="post" action="/plan" {
                (hidden(frame, wanted))
                label { "Set " code { (reason.code.code()) } input name="add" value=(line) spellcheck="false" autocapitalize="none" required; }
                button type="submit" { "Set and plan again" }
            }
        }
    }
}

fn go(frame: &Frame, wanted: &Wanted, plan: &PlanDocument) -> Markup {
    let codes: Vec<&str> = plan.blocked_reasons.iter().map(|reason| reason.code.code()).collect();
    html! {
        form.buttons method="post" action="/deploy" {
            (hidden(frame, wanted))
            input type="hidden" name="fingerprint" value=(plan.fingerprint);
            input type="hidden" name="key" value=(fresh_key());
            button.primary type="submit" disabled[!codes.is_empty()] aria-describedby=[(!codes.is_empty()).then_some("why")] { "Deploy exactly this" }
        }
        @if !codes.is_empty() { p #why.muted { "Disabled: remove " (codes.join(", ")) " first." } }
    }
}

fn values(plan: &PlanDocument) -> Markup {
    let health = format!("GET {}, healthy within {}", plan.health.policy.path, plan.health.policy.deadline);
    html! {
        dl.facts {
            dt { "Source" } dd { (source(&plan.source)) }
            @for command in &plan.commands {
                dt { (serde_word(&command.kind)) } dd { code { (clean(&command.command)) } (from(command.origin)) }
            }
            @if let Some(directory) = plan.artifact.as_ref().and_then(|artifact| artifact.publish_directory.as_ref()) {
                dt { "Publishes" } dd { code { (clean(directory)) } (from(plan.artifact.as_ref().map_or(Origin::Default, |artifact| artifact.origin))) }
            }
            @if let Some(port) = plan.network.internal_port { dt { "Port" } dd { (port) (from(plan.network.origin)) } }
            dt { "Health" } dd { (clean(&health)) (from(plan.health.origin)) }
            @if let Some(browser) = &plan.health.policy.browser { dt { "Browser" } dd { (clean(&browser.asks_for())) } }
            dt { "Address" } dd { (link(plan.access.url.as_deref().unwrap_or(&plan.access.host))) (from(plan.access.origin)) }
            dt { "Kept" } dd { (plan.policy.keep) " releases; rollback " @if plan.policy.automatic_rollback { "automatic" } @else { "by hand" } }
            dt { "Fingerprint" } dd { code { (plan.fingerprint.short()) } }
        }
    }
}

fn from(origin: Origin) -> Markup {
    let word = match origin {
        Origin::Explicit => "set",
        Origin::Detected => "detected",
        Origin::Default => "default",
    };
    html! { " " span.muted { "(" (word) ")" } }
}

fn serde_word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn steps(plan: &PlanDocument) -> Markup {
    html! {
        ol { @for step in &plan.steps {
            li { (clean(&step.title)) " " span.muted { (step.phase) @match &step.undo {
                Undo::NotNeeded => {}
                Undo::Automatic { title } => { " · undo: " (clean(title)) }
                Undo::Irreversible { why } => { " · can't be undone: " (clean(why)) }
            } } }
        } }
    }
}
