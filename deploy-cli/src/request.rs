//! From flags and configuration to what is asked of the engine.

use std::collections::BTreeSet;

use deploy_core::asked::{Asked, Flag};
use deploy_core::id::Name;
use deploy_core::spec::{Actor, Approval, Spec};
use deploy_http::PlanRequest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::args::SourceArgs;
use crate::config::Config;
use crate::exit::Failed;
use crate::fly;
use crate::source::{chosen, locate};
use crate::wiring::TARGETS;

/// What the flags and the configuration ask for. A flag wins over the file.
pub(crate) fn plan_request(args: &SourceArgs) -> Result<PlanRequest, Failed> {
    let chosen = chosen(args)?;
    let mut config = chosen.config;
    let named = named(args, &config)?;
    if args.rebuild {
        config.profile.runtime.rebuild = Some(true);
    }
    let resource = args.resource.clone().or(config.resource).unwrap_or_else(|| name_of(&chosen.name));
    let default = |name: &str| name.parse::<Name>().expect("a valid name");
    let target = args.target.clone().or(config.target).unwrap_or_else(|| default("static"));
    supported(&target)?;
    if target.as_str() == "fly" {
        fly::complete(&mut config.profile, &chosen.source, args)?;
    } else {
        fly::refuse_flags(args, &target)?;
    }
    Ok(PlanRequest {
        resource,
        environment: args.environment.clone().or(config.environment).unwrap_or_else(|| default("production")),
        target,
        source: chosen.source,
        profile: config.profile,
        asked: Some(Asked { config: named, flags: given(args) }),
    })
}

/// The configuration that must be named to be found again: the one that was named, or, for an image, the one
/// nearest to where this runs.
fn named(args: &SourceArgs, config: &Config) -> Result<Option<String>, Failed> {
    let file = args.config.as_deref().or(if args.image.is_some() { config.file.as_deref() } else { None });
    file.map(locate).transpose()
}

/// The flags that were given.
fn given(args: &SourceArgs) -> BTreeSet<Flag> {
    let given = |flag: &Flag| match flag {
        Flag::Resource => args.resource.is_some(),
        Flag::Environment => args.environment.is_some(),
        Flag::Target => args.target.is_some(),
        Flag::Rebuild => args.rebuild,
        Flag::App => args.app.is_some(),
        Flag::PrimaryRegion => args.primary_region.is_some(),
        Flag::Strategy => args.strategy.is_some(),
        Flag::Flyctl => args.flyctl.is_some(),
    };
    Flag::ALL.iter().copied().filter(given).collect()
}

/// Refuses a target that nothing here carries out, before anything is looked at.
fn supported(target: &Name) -> Result<(), Failed> {
    if TARGETS.contains(&target.as_str()) {
        return Ok(());
    }
    let message = format!("there is no target {:?}; supported: {}", target.as_str(), TARGETS.join(", "));
    Err(Failed::usage("unsupported_target", message))
}

/// A resource name from a source's name: what is not a letter or digit becomes a hyphen.
fn name_of(source: &str) -> Name {
    let plain: String = source
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

/// An address with a query, every value escaped.
#[derive(Debug)]
pub(crate) struct Query(String);

impl Query {
    pub(crate) fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn with(mut self, name: &str, value: &impl ToString) -> Self {
        let mark = if self.0.contains('?') { '&' } else { '?' };
        let value = value.to_string();
        self.0.push_str(&format!("{mark}{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
        self
    }

    pub(crate) fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, &value),
            None => self,
        }
    }

    pub(crate) fn path(self) -> String {
        self.0
    }
}
