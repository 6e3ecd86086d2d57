//! From flags and configuration to what is asked of the engine.

use std::path::{Path, PathBuf};

use deploy_core::id::Name;
use deploy_core::spec::{Actor, Approval, Source, Spec};
use deploy_http::PlanRequest;

use crate::args::SourceArgs;
use crate::config::Config;
use crate::exit::Failed;

/// What the flags and the configuration ask for. A flag wins over the file.
pub(crate) fn plan_request(args: &SourceArgs) -> Result<PlanRequest, Failed> {
    let given = args.source.clone();
    let start = given.clone().unwrap_or_else(|| PathBuf::from("."));
    let config = Config::load(args.config.as_deref(), &start)?;
    let source =
        given.unwrap_or_else(|| config.file.as_deref().and_then(Path::parent).map_or(start, Path::to_owned));
    let path = locate(&source)?;
    let resource = args.resource.clone().or(config.resource).unwrap_or_else(|| name_of(&path));
    let default = |name: &str| name.parse::<Name>().expect("a valid name");
    Ok(PlanRequest {
        resource,
        environment: args.environment.clone().or(config.environment).unwrap_or_else(|| default("production")),
        target: args.target.clone().or(config.target).unwrap_or_else(|| default("static")),
        source: Source::Directory { path },
        profile: config.profile,
    })
}

/// The configuration that holds for a source, or the one that would: in the source itself.
pub(crate) fn config_file(args: &SourceArgs) -> Result<PathBuf, Failed> {
    let start = args.source.clone().unwrap_or_else(|| PathBuf::from("."));
    match (&args.config, Config::load(args.config.as_deref(), &start)) {
        (Some(named), Err(_)) if !named.exists() => Ok(named.clone()),
        (_, config) => Ok(config?.file.unwrap_or_else(|| start.join("deploy.toml"))),
    }
}

/// The absolute path as text. That it exists is for detection to say.
fn locate(source: &Path) -> Result<String, Failed> {
    let empty = source.as_os_str().is_empty();
    let source = if empty { Path::new(".") } else { source };
    let absolute = source.canonicalize().or_else(|_| std::path::absolute(source));
    let absolute = absolute
        .map_err(|error| Failed::usage("source_invalid", format!("{}: {error}", source.display())))?;
    absolute.into_os_string().into_string().map_err(|path| {
        Failed::usage("source_invalid", format!("{} is not UTF-8", path.display()))
            .hint("rename the directory")
    })
}

/// A resource name from a directory's name: what is not a letter or digit becomes a hyphen.
fn name_of(path: &str) -> Name {
    let last = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("site");
    let plain: String = last
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(63)
        .collect();
    let trimmed = plain.trim_matches('-');
    trimmed.parse().unwrap_or_else(|_| "site".parse().expect("a valid name"))
}

/// Who asks: the user of this terminal.
pub(crate) fn actor() -> Actor {
    let name = ["DEPLOY_ACTOR", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = name
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    Actor(name.chars().filter(|c| !c.is_control()).take(64).collect())
}

/// The specification for a preview in this process.
pub(crate) fn spec(request: PlanRequest) -> Spec {
    request.into_spec(actor(), Approval::Automatic)
}
