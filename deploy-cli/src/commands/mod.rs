//! One file per group of commands; each parses, calls, prints.

pub(crate) mod backup;
mod doctor;
mod edge;
mod history;
mod info;
mod preview;
mod rollback;
mod serve;
mod site;
mod stats;
mod streams;
mod token;
mod up;
mod verify;
mod watch;
mod write;

use std::future::Future;

use crate::args::{Cli, Command};
use crate::client::Client;
use crate::exit::{Exit, Failed};
use crate::output::{note_state_directory, wants_json};
use crate::state::State;

/// What every command gets.
pub(crate) struct Context {
    pub(crate) state: State,
    pub(crate) client: Client,
    pub(crate) json: bool,
}

pub(crate) fn run(cli: Cli) -> Result<Exit, Failed> {
    note_state_directory(cli.state_dir.as_deref());
    let state = State::locate(cli.state_dir)?;
    let client = Client::new(&state);
    let cx = Context { state, client, json: wants_json(cli.json) };
    match cli.command {
        Command::Detect(args) => small(preview::detect(&cx, args)),
        Command::Plan(args) => small(preview::plan(&cx, args)),
        Command::Up(args) => small(up::up(&cx, args)),
        Command::Verify(args) => small(verify::verify(&cx, args)),
        Command::List(args) => small(history::list(&cx, args)),
        Command::Compare { before, after } => small(history::compare(&cx, before, after)),
        Command::Show { id } => small(history::show(&cx, id)),
        Command::Events(args) => small(streams::events(&cx, args)),
        Command::Logs(args) => small(streams::logs(&cx, args)),
        Command::Stats(args) => small(stats::stats(&cx, args)),
        Command::Releases { resource } => small(history::releases(&cx, resource)),
        Command::Rollback(args) => small(rollback::rollback(&cx, args)),
        Command::Pause { id } => small(history::control(&cx, id, "pause")),
        Command::Resume { id } => small(history::control(&cx, id, "resume")),
        Command::Stop(args) => small(history::stop(&cx, args)),
        Command::Retry { id } => small(up::retry(&cx, id)),
        Command::Redeploy { id } => small(up::redeploy(&cx, id)),
        Command::Abandon { id } => small(history::control(&cx, id, "abandon")),
        Command::Recheck { id } => small(history::control(&cx, id, "recheck")),
        Command::Serve(args) => serve::serve(&cx, &args),
        Command::Edge(args) => edge::edge(&cx, &args),
        Command::Site(command) => site::site(command),
        Command::Token(command) => small(token::token(&cx, command)),
        Command::Backup { file } => backup::backup(&cx, &file),
        Command::Restore { file } => backup::restore(&cx, &file),
        Command::Doctor => small(doctor::doctor(&cx)),
        Command::Schema { document } => Ok(info::schema(&cx, document)),
        Command::Completions { shell } => Ok(info::completions(shell)),
        Command::Man => info::man(),
    }
}

/// Runs a command that only asks: one thread is enough, and starts fastest.
fn small(command: impl Future<Output = Result<Exit, Failed>>) -> Result<Exit, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failed::internal("start", error))?.block_on(command)
}

/// A runtime for a process that serves.
pub(crate) fn serving(future: impl Future<Output = Result<Exit, Failed>>) -> Result<Exit, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failed::internal("start", error))?;
    let ended = runtime.block_on(future);
    // Work that does not hear of the end must not hold it up: the journal knows all that matters.
    runtime.shutdown_background();
    ended
}

/// Sends diagnostics to stderr: warnings of our own code unless `DEPLOY_LOG` says otherwise.
pub(crate) fn trace() {
    let filter = std::env::var("DEPLOY_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // One is set already only if this program set it twice.
    let _ = subscriber.try_init();
}
