//! What is asked of flyctl, as data: every flag is here and nowhere else, and no value is ever in an option's place.

use std::path::Path;

use deploy_core::spec::Rollout;
use deploy_core::time::Span;

/// How often flyctl tries a machine again. Left to itself it asks a server that may answer otherwise tomorrow.
const RETRIES: &str = "--deploy-retries=2";

/// One call of flyctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) arguments: Vec<String>,
}

impl Call {
    fn new(words: &[&str]) -> Self {
        Self { arguments: words.iter().map(|&word| word.to_owned()).collect() }
    }

    /// A flag with its value in one word: what the value begins with can't make it a flag.
    fn with(mut self, flag: &str, value: impl AsRef<str>) -> Self {
        self.arguments.push(format!("{flag}={}", value.as_ref()));
        self
    }

    fn with_some(self, flag: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(flag, value),
            None => self,
        }
    }

    fn and(mut self, flag: &str) -> Self {
        self.arguments.push(flag.to_owned());
        self
    }

    /// It as people would type it; nothing is ever run from this.
    pub(crate) fn shown(&self) -> String {
        format!("flyctl {}", self.arguments.join(" "))
    }
}

pub(crate) fn status(app: &str) -> Call {
    Call::new(&["status", "--json"]).with("--app", app)
}

pub(crate) fn machines(app: &str) -> Call {
    Call::new(&["machine", "list", "--json"]).with("--app", app)
}

pub(crate) fn checks(app: &str) -> Call {
    Call::new(&["checks", "list", "--json"]).with("--app", app)
}

pub(crate) fn releases(app: &str) -> Call {
    Call::new(&["releases", "--json"]).with("--app", app)
}

/// The newest lines of the app's log, all there is of them at once. Where there is none yet, flyctl waits for the first.
pub(crate) fn logs(app: &str) -> Call {
    Call::new(&["logs", "--json", "--no-tail"]).with("--app", app)
}

pub(crate) fn destroy(app: &str, machine: &str) -> Call {
    Call::new(&["machine", "destroy", "--force"]).with("--app", app).and("--").and(machine)
}

/// Builds an image from the working directory and pushes it under a label.
pub(crate) struct Build<'a> {
    pub(crate) app: &'a str,
    pub(crate) config: &'a Path,
    pub(crate) label: &'a str,
    pub(crate) dockerfile: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) arguments: Vec<(&'a str, &'a str)>,
    pub(crate) commit: Option<&'a str>,
}

pub(crate) fn build(build: &Build<'_>) -> Call {
    let call = Call::new(&["deploy", "--build-only", "--push", "--remote-only", "--yes"])
        .with("--app", build.app)
        .with("--config", build.config.to_string_lossy())
        .with("--image-label", build.label)
        .with_some("--dockerfile", build.dockerfile)
        .with_some("--build-target", build.stage);
    let call = build
        .arguments
        .iter()
        .fold(call, |call, (name, value)| call.with("--build-arg", format!("{name}={value}")));
    match build.commit {
        Some(commit) => call.with("--label", format!("org.opencontainers.image.revision={commit}")),
        None => call,
    }
}

/// Asks whether fly has an image. Nothing is built or changed: where an image is named, flyctl only looks it up.
pub(crate) fn find(app: &str, config: &Path, image: &str) -> Call {
    Call::new(&["deploy", "--build-only", "--remote-only", "--yes"])
        .with("--app", app)
        .with("--config", config.to_string_lossy())
        .with("--image", image)
}

/// Makes an image serve.
pub(crate) struct Release<'a> {
    pub(crate) app: &'a str,
    /// The effective `fly.toml`; what the app has now when absent.
    pub(crate) config: Option<&'a Path>,
    pub(crate) image: &'a str,
    pub(crate) strategy: Option<Rollout>,
    pub(crate) primary_region: Option<&'a str>,
    /// What every machine carries in its environment from then on: `NAME=VALUE`.
    pub(crate) mark: &'a str,
    pub(crate) wait: Span,
    /// Whether it goes back: a release command would run against data of a newer release.
    pub(crate) back: bool,
}

pub(crate) fn release(release: &Release<'_>) -> Call {
    let config = release.config.map(Path::to_string_lossy);
    let call = Call::new(&["deploy", "--yes", RETRIES])
        .with("--app", release.app)
        .with_some("--config", config.as_deref())
        .with("--image", release.image)
        .with("--env", release.mark)
        .with("--wait-timeout", format!("{}s", release.wait.as_millis().div_ceil(1_000)))
        .with_some("--strategy", release.strategy.map(Rollout::as_str))
        .with_some("--primary-region", release.primary_region);
    if release.back { call.and("--skip-release-command") } else { call }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_flyctl_is_pinned() {
        let release = Release {
            app: "web",
            config: Some(Path::new("/w/fly.toml")),
            image: "registry.fly.io/web@sha256:aa",
            strategy: Some(Rollout::Bluegreen),
            primary_region: Some("ams"),
            mark: "DEPLOY_RELEASE=x",
            wait: Span::from_millis(60_500),
            back: true,
        };
        let expected = "flyctl deploy --yes --deploy-retries=2 --app=web --config=/w/fly.toml \
                        --image=registry.fly.io/web@sha256:aa --env=DEPLOY_RELEASE=x --wait-timeout=61s \
                        --strategy=bluegreen --primary-region=ams --skip-release-command";
        assert_eq!(super::release(&release).shown(), expected);
    }

    #[test]
    fn inv_37_no_value_can_become_a_flag_and_removed_flags_are_not_used() {
        let build = Build {
            app: "--region",
            config: Path::new("--x"),
            label: "--y",
            dockerfile: Some("--z"),
            stage: Some("-t"),
            arguments: vec![("A", "--b")],
            commit: Some("--c"),
        };
        let calls =
            [super::build(&build), status("-a"), machines("-a"), checks("-a"), releases("-a"), logs("-a")];
        let looked = find("--region", Path::new("--x"), "--y");
        for call in calls.into_iter().chain([looked]) {
            let flags = call.arguments.iter().filter(|word| word.starts_with('-'));
            let known = ["--json", "--app=", "--config=", "--image-label=", "--dockerfile=", "--build-"];
            let others = ["--push", "--remote-only", "--yes", "--label=", "--no-tail", "--image="];
            for flag in flags {
                assert!(known.iter().chain(&others).any(|known| flag.starts_with(known)), "{flag}");
            }
        }
        let destroyed = destroy("web", "--all");
        assert_eq!(destroyed.arguments[destroyed.arguments.len() - 2], "--");
    }
}
