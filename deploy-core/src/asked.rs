//! How a command line asked for a deployment, so that the same can be asked for again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::hint::CommandLine;
use crate::source::Source;
use crate::spec::Spec;

/// What was given to `deploy up` or `deploy plan` besides the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Asked {
    /// The configuration that was named, as an absolute path; absent where the one nearest to the source is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The flags that were given. Their values are those of the specification.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Flag>,
}

macro_rules! flags {
    ($($variant:ident, $name:literal, $key:literal;)*) => {
        /// A flag that wins over a key of `deploy.toml`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Flag {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Flag {
            /// Every flag.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// How it is given.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The key of `deploy.toml` that it wins over.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }
        }
    };
}

flags! {
    Resource, "--resource", "resource";
    Environment, "--environment", "environment";
    Target, "--target", "target";
    Rebuild, "--rebuild", "runtime.rebuild";
    App, "--app", "fly.app";
    PrimaryRegion, "--primary-region", "fly.primary_region";
    Strategy, "--strategy", "fly.strategy";
    Flyctl, "--flyctl", "fly.flyctl";
}

impl Flag {
    /// A command with this flag, as the specification has it.
    fn on(self, line: CommandLine, spec: &Spec) -> CommandLine {
        let fly = &spec.profile.fly;
        let value = match self {
            Self::Rebuild => return line.with(self.name()),
            Self::Resource => Some(spec.resource.resource.to_string()),
            Self::Environment => Some(spec.resource.environment.to_string()),
            Self::Target => Some(spec.target.to_string()),
            Self::App => fly.app.clone(),
            Self::PrimaryRegion => fly.primary_region.clone(),
            Self::Strategy => fly.strategy.map(|rollout| rollout.as_str().to_owned()),
            Self::Flyctl => fly.flyctl.clone(),
        };
        maybe(line, (self.name(), value))
    }
}

/// The command that asks for the same again. None where no command line says all of it: what a program asked for
/// over HTTP may carry a profile that is in no file.
#[must_use]
pub fn again(spec: &Spec) -> Option<CommandLine> {
    again_without(spec, &[])
}

/// The same, without flags that would win over lines which are still to be written.
#[must_use]
pub fn again_without(spec: &Spec, left_out: &[Flag]) -> Option<CommandLine> {
    let up = CommandLine::new(["deploy", "up"]);
    let line = match &spec.source {
        Source::Release { version } => {
            let line = CommandLine::new(["deploy", "rollback"]).with(spec.resource.to_string());
            return Some(line.option("--to", version.to_string()));
        }
        Source::Directory { path } | Source::Archive { path, digest: _ } => up.with(path),
        Source::Image { reference } => up.option("--image", reference.to_string()),
        Source::Git { url, git_ref, commit: _, credential } => {
            let url = url.to_string();
            // Without a ref, a path would be the directory as it is, not the repository's head.
            let head = url.starts_with('/').then(|| "HEAD".to_owned());
            let options = [
                ("--ref", git_ref.as_ref().map(ToString::to_string).or(head)),
                ("--git-credential", credential.as_ref().map(|credential| credential.env.clone())),
            ];
            options.into_iter().fold(up.with(url), maybe)
        }
    };
    let asked = spec.asked.as_ref()?;
    let given = asked.flags.iter().filter(|flag| !left_out.contains(flag));
    let line = given.fold(line, |line, flag| flag.on(line, spec));
    Some(maybe(line, ("--config", asked.config.clone())))
}

fn maybe(line: CommandLine, (name, value): (&str, Option<String>)) -> CommandLine {
    match value {
        Some(value) => line.option(name, value),
        None => line,
    }
}
