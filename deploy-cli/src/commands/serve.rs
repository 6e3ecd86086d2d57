//! `serve`: the control plane in this process. Order of starting: configuration, tracing, the lock of
//! the state directory, store and migrations, access, edge, recovery of what is unfinished (with new
//! leases), listeners, ready. Nothing is answered before what is unfinished is taken up. It may be
//! killed at any moment; the next one goes on from the journal. Asked to end (SIGTERM, SIGINT), it
//! stops accepting, says on every stream that it closes, lets what runs end or leaves it to the next
//! one, and exits with 0.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deploy_core::engine::Engine;
use deploy_core::log::LogKeeping;
use deploy_detect::Catalogue;
use deploy_edge::{Counters, EdgeClient, control_socket};
use deploy_http::{
    Api, Door, EdgeCounters, Instruments, Limits, Parts, Serving, Tokens as _, serve_tcp, serve_unix,
};
use deploy_store_sqlite::SqliteStore;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit, test_kill_process};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, serving, trace};
use crate::args::ServeArgs;
use crate::background::{EDGE, leave_session, reported, spawn};
use crate::exit::{Exit, Failed};
use crate::output::{amount, tell};
use crate::policy::Policy;
use crate::state::State;
use crate::telemetry::Telemetry;
use crate::tokens::StoredTokens;
use crate::wiring::{fly_executor, recording_docker, sources, static_executor};

/// How long running work and open requests may take when the control plane is asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long the edge may take until it answers.
const EDGE_START: Duration = Duration::from_secs(15);
/// How long the edge may take to end: its drain limit and a little more.
const EDGE_DRAIN: Duration = Duration::from_secs(60);
/// How often old log lines are looked for.
const TIDY: Duration = Duration::from_secs(60 * 60);
/// How often the edge is looked after.
const EDGE_WATCH: Duration = Duration::from_secs(1);

pub(crate) fn serve(cx: &Context, args: &ServeArgs) -> Result<Exit, Failed> {
    if args.stop {
        return serving(stop(&cx.state, args.keep_edge));
    }
    if let Some(listen) = args.listen {
        // Before anything is written; whether there really is a token is seen in the store.
        tcp_door(args, listen, cx.state.store().exists())?;
    }
    if args.background {
        leave_session();
    }
    trace();
    cx.state.create()?;
    let _lock = match cx.state.lock()? {
        Ok(lock) => lock,
        Err(owner) => {
            let by = owner.map(|owner| format!(" as process {}", owner.pid)).unwrap_or_default();
            let message = format!("a control plane runs for this state directory already{by}");
            let failed = Failed::new(Exit::Refused, "already_running", message);
            return Err(failed.command("end it", "deploy serve --stop"));
        }
    };
    serving(run(&cx.state, args))
}

async fn run(state: &State, args: &ServeArgs) -> Result<Exit, Failed> {
    let edge_listen = args.edge_listen;
    let store = SqliteStore::open(&state.store(), Default::default())
        .map_err(|error| Failed::usage("store_unusable", error.to_string()).hint("run `deploy doctor`"))?;
    let tokens = Arc::new(StoredTokens(store.clone()));
    let door = door(args, &tokens).await?;
    let edge = EdgeClient::new(control_socket(&state.edge()));
    start_edge(state, &edge, edge_listen).await?;
    let instruments = Instruments::default();
    let telemetry = Telemetry::start(&instruments);
    let builder = Engine::builder(instruments.observe(store.clone()), sources(), Catalogue)
        .executor(static_executor(state))
        .executor(recording_docker(state)?)
        .executor(fly_executor(state));
    state.note_policy(args.policy.as_deref()).map_err(|error| Failed::internal("note the policy", error))?;
    let builder = builder.admission(Policy::open(state.policy(), state.releases())?);
    let engine = instrumented(builder).build();
    let recovered =
        engine.recover().await.map_err(|error| Failed::internal("read what is unfinished", error))?;
    let api = Api::new(Parts {
        tokens: Some(tokens),
        limits: limits(),
        uploads: Some(state.uploads()),
        screenshots: Some(state.screenshots()),
        instruments: instruments.clone(),
        ..Parts::of(engine.clone())
    });
    let socket = bind(state)?;
    let mut listeners = vec![serve_unix(api.clone(), socket)];
    if let Some((listen, door)) = door {
        let (address, serving) = serve_tcp(api.clone(), listen, door)
            .await
            .map_err(|error| Failed::usage("address_unusable", format!("can't listen: {error}")))?;
        tell(&format!("answering on http://{address}/"));
        listeners.push(serving);
    }
    tell(&format!("ready; {} taken up", amount(recovered, "unfinished deployment")));
    let watching = tokio::spawn(keep_edge(state.clone(), edge, edge_listen, instruments));
    let tidying = tokio::spawn(tidy_logs(engine.clone(), keeping(args)));
    asked_to_end().await;
    watching.abort();
    tidying.abort();
    end(&engine, &api, listeners, store, state).await;
    telemetry.end().await;
    Ok(Exit::Done)
}

const fn keeping(args: &ServeArgs) -> LogKeeping {
    LogKeeping { archive_after: Some(args.archive_logs_after), remove_after: args.remove_logs_after }
}

/// Archives and removes old log lines, now and then.
async fn tidy_logs(engine: Engine, keep: LogKeeping) {
    loop {
        match engine.tidy_logs(&keep).await {
            Ok(done) => tracing::debug!(?done, "log lines are tidied"),
            Err(error) => tracing::warn!(%error, "old log lines could not be archived"),
        }
        tokio::time::sleep(TIDY).await;
    }
}

/// As many connections as there may be open files, and some files left for the work itself.
fn limits() -> Limits {
    let all = Limits::default();
    let files = usize::try_from(open_files()).unwrap_or(usize::MAX);
    let connections = (files / 4 * 3).clamp(64, all.connections);
    Limits { connections, followers: (connections / 10 * 9).min(all.followers), ..all }
}

/// Raises how many files this process may have open, as far as it may, and says how many that are.
fn open_files() -> u64 {
    /// Enough, and not so many that a build suffers that closes every possible one.
    const FILES: u64 = 16_384;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(FILES).min(FILES);
    let current = current.unwrap_or(FILES);
    if current >= wanted {
        return current;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    if raised.is_ok() { wanted } else { current }
}

/// What the address gives. Without a token only loopback is given to strangers.
async fn door(args: &ServeArgs, tokens: &StoredTokens) -> Result<Option<(SocketAddr, Door)>, Failed> {
    let Some(listen) = args.listen else { return Ok(None) };
    let known = tokens.list().await.map_err(|error| Failed::internal("read the tokens", error))?;
    let door = tcp_door(args, listen, !known.is_empty())?;
    if door.anonymous().is_none() && !listen.ip().is_loopback() {
        tell("tokens travel in the clear on this address: put TLS in front of it");
    }
    Ok(Some((listen, door)))
}

fn tcp_door(args: &ServeArgs, listen: SocketAddr, has_tokens: bool) -> Result<Door, Failed> {
    Door::tcp(listen, args.host.clone(), has_tokens).map_err(|error| {
        Failed::usage("public_bind_refused", error.to_string())
            .command("make one", "deploy token create --scope read")
    })
}

#[cfg(not(debug_assertions))]
fn instrumented(builder: deploy_core::engine::Builder) -> deploy_core::engine::Builder {
    builder
}

/// Counts moments and ends this process with SIGKILL at the one that was asked for. For crash tests: a build that is
/// optimised has none of it.
#[cfg(debug_assertions)]
fn instrumented(builder: deploy_core::engine::Builder) -> deploy_core::engine::Builder {
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct CrashAt(usize, AtomicUsize);

    impl deploy_core::port::Observer for CrashAt {
        fn moment(&self, _: &deploy_core::port::Moment) {
            if self.1.fetch_add(1, Ordering::SeqCst) + 1 == self.0 {
                let _ = kill_process(rustix::process::getpid(), Signal::KILL);
                // The signal is on its way: do nothing more.
                loop {
                    std::thread::park();
                }
            }
        }
    }

    match std::env::var("DEPLOY_CRASH_AT").ok().and_then(|at| at.parse().ok()) {
        Some(at) => builder.observer(CrashAt(at, AtomicUsize::new(0))),
        None => builder,
    }
}

/// Binds the socket; a file left by a killed predecessor is in the way, and only the holder of the
/// lock comes here.
fn bind(state: &State) -> Result<UnixListener, Failed> {
    use std::os::unix::fs::PermissionsExt;
    let path = state.control_socket();
    let failed = |error: std::io::Error| {
        Failed::usage("socket_unusable", format!("{} can't be used: {error}", path.display()))
            .hint("a state directory with a shorter path may help")
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Resolves when this process is asked to end.
pub(crate) async fn asked_to_end() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without signals there is nobody to ask.
        return std::future::pending().await;
    };
    // The end of a terminal is not meant for us.
    let _hangup = signal(SignalKind::hangup());
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn end(engine: &Engine, api: &Api, listeners: Vec<Serving>, store: SqliteStore, state: &State) {
    let started = Instant::now();
    // Nothing new is accepted, streams say that they are closed, then what runs is handed over.
    api.close();
    engine.shutdown(GRACE).await;
    for listener in listeners {
        listener.ended(GRACE.saturating_sub(started.elapsed())).await;
    }
    let _ = std::fs::remove_file(state.control_socket());
    store.close().await;
    tell("the control plane has ended");
}

// ---------------------------------------------------------------------------------------------
// The edge

async fn start_edge(state: &State, edge: &EdgeClient, listen: Option<SocketAddr>) -> Result<(), Failed> {
    if edge.status().await.is_ok() {
        return Ok(());
    }
    let mut child = spawn_edge(state, listen)?;
    let started = Instant::now();
    while edge.status().await.is_err() {
        if let Ok(Some(_)) = child.try_wait() {
            let silent = || Failed::usage("edge_not_started", "the edge ended at once");
            return Err(reported(&state.log("edge")).unwrap_or_else(silent));
        }
        if started.elapsed() > EDGE_START {
            return Err(Failed::usage("edge_not_started", "the edge does not answer")
                .hint(format!("see {}", state.log("edge").display())));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    reap(child);
    Ok(())
}

fn spawn_edge(state: &State, listen: Option<SocketAddr>) -> Result<std::process::Child, Failed> {
    spawn(
        state,
        EDGE,
        listen.map(|address| vec!["--listen".to_owned(), address.to_string()]).unwrap_or_default(),
    )
}

/// Waits for a child's end, so that it does not stay as a zombie. The thread ends with this process,
/// which the child outlives on purpose.
fn reap(mut child: std::process::Child) {
    std::thread::spawn(move || child.wait());
}

/// Starts the edge again whenever it is gone: traffic depends on it.
async fn keep_edge(state: State, edge: EdgeClient, listen: Option<SocketAddr>, instruments: Instruments) {
    loop {
        tokio::time::sleep(EDGE_WATCH).await;
        match edge.status().await {
            Ok(status) => instruments.edge(&counted(&status.counters)),
            Err(_) => {
                if let Err(failed) = start_edge(&state, &edge, listen).await {
                    tracing::error!(
                        message = failed.message,
                        "the edge is gone and could not be started again"
                    );
                }
            }
        }
    }
}

const fn counted(counters: &Counters) -> EdgeCounters {
    EdgeCounters {
        success: counters.success,
        redirection: counters.redirection,
        client_error: counters.client_error,
        server_error: counters.server_error,
        switches: counters.switches,
        open_connections: counters.open_connections,
    }
}

// ---------------------------------------------------------------------------------------------
// Stopping

async fn stop(state: &State, keep_edge: bool) -> Result<Exit, Failed> {
    let owner = state.owner();
    if let Some(owner) = owner {
        end_process(owner.pid)?;
        wait_until(GRACE * 2, || state.owner().is_none()).await?;
        tell("the control plane has ended");
    } else {
        tell("no control plane is running");
    }
    if !keep_edge {
        stop_edge(&EdgeClient::new(control_socket(&state.edge()))).await?;
    }
    Ok(Exit::Done)
}

/// Asks the edge to end, and waits until its open responses have ended too.
async fn stop_edge(edge: &EdgeClient) -> Result<(), Failed> {
    let Ok(running) = edge.status().await else { return Ok(()) };
    edge.stop().await.map_err(|error| Failed::internal("stop the edge", error))?;
    let pid = i32::try_from(running.pid).ok().and_then(Pid::from_raw);
    wait_until(EDGE_DRAIN, || pid.is_none_or(|pid| test_kill_process(pid).is_err())).await?;
    tell("the edge has ended");
    Ok(())
}

fn end_process(pid: u32) -> Result<(), Failed> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failed::internal("stop the control plane", "its lock names no process"))?;
    kill_process(pid, Signal::TERM).map_err(|error| Failed::internal("stop the control plane", error))
}

async fn wait_until(limit: Duration, done: impl Fn() -> bool) -> Result<(), Failed> {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > limit {
            return Err(Failed::internal(
                "stop the control plane",
                "it does not end; `deploy doctor` says more",
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
