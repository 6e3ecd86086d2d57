//! What the fly target needs of the command line: its flags, the `fly.toml` beside the source, and the dry run.

use std::path::Path;

use deploy_core::acceptance::{Acceptance, AcceptanceName, AcceptanceOutcome};
use deploy_core::id::Name;
use deploy_core::plan::{Draft, PlanDocument};
use deploy_core::spec::{FlyProfile, Profile, Source};
use deploy_fly::config::FlyToml;
use serde_json::json;

use crate::args::SourceArgs;
use crate::commands::Context;
use crate::exit::{Exit, Failed};
use crate::output::{json, result, tell};
use crate::request::{plan_request, spec};
use crate::wiring::previewer;

/// Flags over configuration; the app and the port that nobody names are those of the source's `fly.toml`.
pub(crate) fn complete(profile: &mut Profile, source: &Source, args: &SourceArgs) -> Result<(), Failed> {
    let flyctl = args.flyctl.as_deref().map(absolute).transpose()?;
    let fly = &mut profile.fly;
    *fly = FlyProfile {
        app: args.app.clone().or(fly.app.take()),
        primary_region: args.primary_region.clone().or(fly.primary_region.take()),
        strategy: args.strategy.or(fly.strategy),
        flyctl: flyctl.or(fly.flyctl.take()),
    };
    if let Some(existing) = existing(source, profile)? {
        let app = existing.app().map(str::to_owned);
        profile.fly.app = profile.fly.app.take().or(app);
        profile.network.internal_port = profile.network.internal_port.or(existing.internal_port());
    }
    Ok(())
}

/// The flags of one target mean nothing to another.
pub(crate) fn refuse_flags(args: &SourceArgs, target: &Name) -> Result<(), Failed> {
    let given = [
        ("--app", args.app.is_some()),
        ("--primary-region", args.primary_region.is_some()),
        ("--strategy", args.strategy.is_some()),
        ("--flyctl", args.flyctl.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            let message = format!("{flag} is for the fly target; the target here is {target}");
            Err(Failed::usage("flag_of_another_target", message).hint("add --target fly"))
        }
        None => Ok(()),
    }
}

/// A path that means the same to the control plane; a bare name is looked for on `PATH` by either.
fn absolute(path: &Path) -> Result<String, Failed> {
    let invalid = |why: &str| Failed::usage("flyctl_invalid", format!("{}: {why}", path.display()));
    let absolute = std::path::absolute(path).map_err(|error| invalid(&error.to_string()))?;
    absolute.into_os_string().into_string().map_err(|_| invalid("it is not UTF-8"))
}

/// The `fly.toml` of a directory, with every mistake named.
fn existing(source: &Source, profile: &Profile) -> Result<Option<FlyToml>, Failed> {
    let Source::Directory { path } = source else { return Ok(None) };
    let base = profile.source.base_directory.as_deref().unwrap_or_default();
    let file = Path::new(path).join(base).join("fly.toml");
    if !file.is_file() {
        return Ok(None);
    }
    let size = std::fs::metadata(&file).map_or(0, |found| found.len());
    let unreadable = |why: String| Failed::usage("fly_config_invalid", format!("{}: {why}", file.display()));
    if size > FlyToml::MOST_BYTES as u64 {
        return Err(unreadable(format!("it has more than {} bytes", FlyToml::MOST_BYTES)));
    }
    let text = std::fs::read_to_string(&file).map_err(|error| unreadable(error.to_string()))?;
    FlyToml::parse(&text).map(Some).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Failed::usage("fly_config_invalid", lines.join("\n")).hint("correct the lines above")
    })
}

/// An error that helps where nothing names the app.
pub(crate) fn require_app(profile: &Profile) -> Result<(), Failed> {
    if profile.fly.app.is_some() {
        return Ok(());
    }
    Err(Failed::usage("fly_app_missing", "the fly target needs the name of an app")
        .hint("name it with --app, with fly.app in deploy.toml, or with app in fly.toml"))
}

/// The `fly.toml` that would be used. Nothing is run, nothing is asked, nothing is written.
pub(crate) async fn dry_run(
    cx: &Context,
    args: &SourceArgs,
    document: &PlanDocument,
) -> Result<Exit, Failed> {
    let request = plan_request(args)?;
    let existing = existing(&request.source, &request.profile)?;
    let app = request.profile.fly.app.clone().unwrap_or_default();
    let spec = spec(request);
    let previewer = previewer(&cx.state);
    let detection = previewer.inspect(&spec).await;
    let Draft::Ready(plan) = previewer.draft(&spec, &detection, None) else {
        return Err(Failed::internal("draft the plan again", "it is blocked now"));
    };
    let effective = FlyToml::effective(existing.as_ref(), &deploy_fly::wanted(plan.outline(), &app));
    let dockerfile = deploy_docker::dockerfile(plan.outline());
    if cx.json {
        let flytoml = effective.to_string();
        let acceptance = not_asked();
        json(
            &json!({ "plan": document, "flyToml": flytoml, "dockerfile": dockerfile, "acceptance": acceptance }),
        );
        return Ok(Exit::Done);
    }
    for doubt in existing.iter().flat_map(FlyToml::doubts) {
        tell(&doubt.to_string());
    }
    for checked in not_asked() {
        tell(&format!("{} {}: {}", checked.name.as_str(), checked.outcome.as_str(), checked.message));
    }
    tell("dry run: flyctl was not invoked; this is the fly.toml that would be used");
    result(effective.to_string().trim_end());
    Ok(Exit::Done)
}

/// The acceptance checks of a dry run: nothing was asked, and that is said.
fn not_asked() -> [Acceptance; 2] {
    [AcceptanceName::CommitMatch, AcceptanceName::Health]
        .map(|name| Acceptance::new(name, AcceptanceOutcome::SoftPassed, "a dry run asks nothing"))
}
