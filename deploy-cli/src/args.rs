//! The command line: its doc comments are its help.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use deploy_core::engine::SystemClock;
use deploy_core::id::{DeploymentId, Digest, Name, ResourceKey, StepId, Version};
use deploy_core::port::Clock as _;
use deploy_core::schema::{self, DOCUMENTS, Document};
use deploy_core::spec::{Rollout, Trigger};
use deploy_core::time::{Span, Timestamp};
use deploy_http::{Scope, TokenId};

/// Deployments whose state is always true: preview, run, verify, roll back.
#[derive(Debug, Parser)]
#[command(name = "deploy", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Where everything is kept [default: $XDG_STATE_HOME/deploy, or ~/.local/state/deploy]
    #[arg(long, global = true, env = "DEPLOY_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a source is, and what shows it
    Detect(SourceArgs),
    /// Show what would be done, and every reason why not. Needs nothing running, changes nothing
    Plan(PlanArgs),
    /// Deploy: plan, run, verify, and print the URL
    Up(UpArgs),
    /// Check the health of something that is already running
    Verify(VerifyArgs),
    /// List deployments, newest first
    List(ListArgs),
    /// Show two deployments side by side: what differs between their plans
    Compare {
        /// The first
        before: DeploymentId,
        /// The second
        after: DeploymentId,
    },
    /// Show one deployment
    Show {
        /// The deployment
        id: DeploymentId,
    },
    /// Show the events of a deployment
    Events(EventsArgs),
    /// Show the log of a deployment, or search all logs
    Logs(LogsArgs),
    /// Show how many runs there were, how well they went, and how long they took
    Stats(StatsArgs),
    /// List the releases of a resource
    Releases {
        /// The resource: web, or web@staging
        resource: ResourceKey,
    },
    /// Go back to a kept release
    Rollback(RollbackArgs),
    /// Pause a deployment: the running step ends, nothing new starts
    Pause {
        /// The deployment
        id: DeploymentId,
    },
    /// Let a paused deployment go on
    Resume {
        /// The deployment
        id: DeploymentId,
    },
    /// Stop a deployment; completed steps stay as they are
    Stop(StopArgs),
    /// Try an ended deployment again, as a new one that names it
    Retry {
        /// The deployment
        id: DeploymentId,
    },
    /// Deploy once more, on purpose, what an ended deployment was asked to deploy
    Redeploy {
        /// The deployment
        id: DeploymentId,
    },
    /// End a deployment whose record is damaged, so that those behind it go on. Look at the target first:
    /// what it did there is not known
    Abandon {
        /// The deployment
        id: DeploymentId,
    },
    /// Look at a blocked deployment's source again
    Recheck {
        /// The deployment
        id: DeploymentId,
    },
    /// Run the control plane
    Serve(ServeArgs),
    /// Run the data plane
    Edge(EdgeArgs),
    /// Publish and serve one finished site: what an image of a site runs
    #[command(subcommand, hide = true)]
    Site(SiteCommand),
    /// Make, list and revoke the tokens that open the API from outside
    #[command(subcommand)]
    Token(TokenCommand),
    /// Save the whole installation in one file, also while it runs
    Backup {
        /// The file; it must not be there yet
        file: PathBuf,
    },
    /// Restore a backup into an empty state directory
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Check that everything is in order
    Doctor,
    /// Print the JSON Schema of a type
    Schema {
        /// The type; without it, every one there is
        #[arg(value_name = "TYPE", value_parser = documents())]
        document: Option<&'static Document>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// Publish a directory below another one
    Publish {
        /// The site
        site: PathBuf,
        /// Where published sites are
        releases: PathBuf,
    },
    /// Serve the one site that was published there, whatever host is asked for
    Serve {
        /// Where published sites are
        releases: PathBuf,
        /// The file that answers where there is none of that name
        #[arg(long, value_name = "FILE")]
        fallback: Option<String>,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// A directory, an archive (tar, tar.gz, tar.zst, zip), or a git repository: https://host/repo.git#REF,
    /// git@host:repo [default: where deploy.toml is, else the current directory]
    pub(crate) source: Option<PathBuf>,
    /// The branch, tag or commit of the repository. With a directory: of the repository it is the top of
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) git_ref: Option<String>,
    /// The variable that holds the token for an https repository; its name begins with DEPLOY_GIT_
    #[arg(long, value_name = "NAME")]
    pub(crate) git_credential: Option<String>,
    /// An image that exists already, instead of a source
    #[arg(long, value_name = "REF", conflicts_with_all = ["source", "git_ref", "git_credential"])]
    pub(crate) image: Option<String>,
    /// The resource [default: the directory's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) resource: Option<Name>,
    /// Its environment [default: production]
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Name>,
    /// The directory of the source, by name instead of by place
    #[arg(long, value_name = "DIR", conflicts_with_all = ["source", "image"])]
    pub(crate) dir: Option<PathBuf>,
    /// The target: static, docker or fly [default: static]
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<Name>,
    /// Make it anew, even where the same source was built before by the same plan
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// With the fly target: the app [default: app in fly.toml]
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
    /// With the fly target: where new machines are made
    #[arg(long, value_name = "REGION")]
    pub(crate) primary_region: Option<String>,
    /// With the fly target: how machines are replaced, rolling, immediate, canary or bluegreen
    #[arg(long, value_name = "STRATEGY", value_parser = rollouts())]
    pub(crate) strategy: Option<Rollout>,
    /// With the fly target: the flyctl program [default: the one on PATH]
    #[arg(long, value_name = "PATH")]
    pub(crate) flyctl: Option<PathBuf>,
    /// The configuration [default: the nearest deploy.toml up to the repository's root]
    #[arg(long, env = "DEPLOY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Write what was resolved into deploy.toml, beside what is there
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Run only the plan with this fingerprint; any other is refused
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) plan: Option<Digest>,
    /// Print what would be handed to the target, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait: print the deployment's id
    #[arg(long, conflicts_with = "wait_timeout")]
    pub(crate) detach: bool,
    /// Wait no longer than this; the run goes on
    #[arg(long, value_name = "TIME")]
    pub(crate) wait_timeout: Option<Span>,
    /// If another run holds the resource, wait for its turn instead of being refused
    #[arg(long)]
    pub(crate) wait_turn: bool,
    /// As --wait-turn, and what waits for the resource already is superseded: only the newest is deployed
    #[arg(long)]
    pub(crate) supersede: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The URL to ask. Without a path, the usual ones are tried: /, /healthz, /health, /livez and /readyz, /_health
    #[arg(long)]
    pub(crate) url: String,
    /// A text the body must contain
    #[arg(long, value_name = "TEXT")]
    pub(crate) expected_body: Option<String>,
    /// The status that is good [default: any 2xx]
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    pub(crate) expected_status: Option<u16>,
    /// How long the first byte of the answer may take
    #[arg(long, value_name = "TIME")]
    pub(crate) first_byte: Option<Span>,
    /// How long it may take to become healthy
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) deadline: Span,
    /// Also load it in a headless Chromium once it answers: whether it loads, and without errors on its console
    #[arg(long)]
    pub(crate) browser: bool,
    /// How many errors there may be on the console
    #[arg(long, value_name = "COUNT", default_value_t = 0, requires = "browser")]
    pub(crate) max_console_errors: u32,
    /// Write a picture of the page, as a PNG
    #[arg(long, value_name = "FILE", requires = "browser")]
    pub(crate) screenshot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this resource
    #[arg(long)]
    pub(crate) resource: Option<Name>,
    /// Only this environment
    #[arg(long)]
    pub(crate) environment: Option<Name>,
    /// Only this status
    #[arg(long)]
    pub(crate) status: Option<Name>,
    /// Only with this trigger
    #[arg(long, value_parser = PossibleValuesParser::new(Trigger::WORDS))]
    pub(crate) trigger: Option<String>,
    /// Only asked for by this user or token
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Only accepted since then: a time, or how long ago, for example 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only accepted before then: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// Only older than this deployment
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<DeploymentId>,
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Only this resource: web, or web@staging
    pub(crate) resource: Option<ResourceKey>,
    /// Only runs accepted since then: a time, or how long ago, for example 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only runs accepted before then: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
}

/// A point in time: written as one, or as a span before now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl FromStr for Moment {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ago) = text.parse::<Span>() {
            let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
            let now = SystemClock.now().as_millis();
            return Ok(Self(Timestamp::from_millis(now.saturating_sub(millis))));
        }
        let wrong = "not a time such as 2026-11-21T08:00:00Z, nor a span such as 7d";
        text.parse().map(Self).map_err(|_| wrong)
    }
}

fn searched(text: &str) -> Result<String, &'static str> {
    let fits = (1..=256).contains(&text.chars().count());
    fits.then(|| text.to_owned()).ok_or("a text has 1 to 256 characters")
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The deployment
    pub(crate) id: DeploymentId,
    /// Wait for new ones until it ends
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The deployment; without one, a text is searched in all logs
    #[arg(required_unless_present = "search")]
    pub(crate) id: Option<DeploymentId>,
    /// Only lines with this text, live and archived; upper and lower case are alike
    #[arg(long, value_name = "TEXT", value_parser = searched)]
    pub(crate) search: Option<String>,
    /// Search only logs of this resource: web, or web@staging
    #[arg(long, requires = "search", conflicts_with = "id")]
    pub(crate) resource: Option<ResourceKey>,
    /// Wait for new ones until it ends
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
    /// Only of this step
    #[arg(long)]
    pub(crate) step: Option<StepId>,
    /// Only from this source. `runtime`: what its release writes while it serves
    #[arg(long, value_enum)]
    pub(crate) source: Option<LogSourceArg>,
    /// Only at least this grave
    #[arg(long, value_enum)]
    pub(crate) level: Option<LogLevelArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogSourceArg {
    Build,
    Runtime,
    System,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogLevelArg {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The resource: web, or web@staging
    pub(crate) resource: ResourceKey,
    /// The release to go back to [default: the one before the live one]
    #[arg(long, value_name = "vN")]
    pub(crate) to: Option<Version>,
    /// Do not wait: print the deployment's id
    #[arg(long)]
    pub(crate) detach: bool,
    /// If another run holds the resource, wait for its turn instead of being refused
    #[arg(long)]
    pub(crate) wait_turn: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The deployment
    pub(crate) id: DeploymentId,
    /// Cancel the running step too
    #[arg(long)]
    pub(crate) now: bool,
    /// Take completed steps back too
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Answer over HTTP on this address too. On loopback anybody on this machine may look; an address
    /// that others reach needs a token first, see `deploy token create`
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// A host name that the address is reached by, for example through a proxy. Every request then
    /// needs a token
    #[arg(long, value_name = "NAME", requires = "listen")]
    pub(crate) host: Vec<String>,
    /// The rules about who may deploy when; read again when it changes [default: policy.toml in the state
    /// directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The public address of the data plane, if it has to be started
    #[arg(long, value_name = "ADDR", env = "DEPLOY_EDGE_LISTEN")]
    pub(crate) edge_listen: Option<SocketAddr>,
    /// End the control plane and the data plane
    #[arg(long, conflicts_with_all = ["listen", "background", "policy"])]
    pub(crate) stop: bool,
    /// End the control plane only; the data plane goes on serving
    #[arg(long, requires = "stop")]
    pub(crate) keep_edge: bool,
    /// Pack log lines into the archive this long after the end of their deployment; they are shown and
    /// found like before
    #[arg(long, value_name = "TIME", default_value = "14d", env = "DEPLOY_ARCHIVE_LOGS_AFTER")]
    pub(crate) archive_logs_after: Span,
    /// Remove log lines this long after the end of their deployment [default: when there are too many]
    #[arg(long, value_name = "TIME", env = "DEPLOY_REMOVE_LOGS_AFTER")]
    pub(crate) remove_logs_after: Option<Span>,
    /// Leave the terminal's session; used by `deploy up`
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it. It is not shown again
    Create(TokenCreateArgs),
    /// List the tokens, without what makes them open anything
    List,
    /// Revoke a token
    Revoke {
        /// The token's id, as `deploy token list` shows it
        #[arg(value_parser = token_id)]
        id: TokenId,
    },
}

fn token_id(text: &str) -> Result<TokenId, &'static str> {
    text.parse()
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// What it allows; each includes the ones before it
    #[arg(long, value_enum)]
    pub(crate) scope: ScopeArg,
    /// What the history calls it [default: the scope]
    #[arg(long, value_name = "NAME", value_parser = token_name)]
    pub(crate) name: Option<String>,
    /// How long it is valid, for example 720h [default: for ever]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<Span>,
}

fn token_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or("a name has 1 to 64 characters, none of them a control character")
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ScopeArg {
    /// Looking at deployments, releases, events and logs
    Read,
    /// Deploying and steering; as much as the control plane's user may do
    Deploy,
    /// Listing and revoking tokens
    Admin,
}

impl ScopeArg {
    pub(crate) const fn as_scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Deploy => Scope::Deploy,
            Self::Admin => Scope::Admin,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EdgeArgs {
    /// The public address [default: 127.0.0.1:7480, or another free port if that is taken]
    #[arg(long, value_name = "ADDR", env = "DEPLOY_EDGE_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// Leave the terminal's session; used by the control plane
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

/// The strategies of the fly target.
fn rollouts() -> impl TypedValueParser<Value = Rollout> {
    let words = Rollout::ALL.map(|rollout| PossibleValue::new(rollout.as_str()));
    PossibleValuesParser::new(words).try_map(|word| {
        Rollout::ALL.into_iter().find(|rollout| rollout.as_str() == word).ok_or("there is no such strategy")
    })
}

/// The documents that have a schema, each with what it is.
fn documents() -> impl TypedValueParser<Value = &'static Document> {
    let names = DOCUMENTS.iter().map(|document| PossibleValue::new(document.name).help(document.about));
    PossibleValuesParser::new(names).try_map(|name| schema::document(&name).ok_or("there is no such type"))
}
