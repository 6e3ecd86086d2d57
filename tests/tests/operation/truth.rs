//! What anybody was told while it ran, against what the journal says in the end: every word about a sequence number
//! must be what the events up to it lead to, and every answer to a command what the lifecycle says somewhere.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use deploy_core::command::{Command, Input, StopMode};
use deploy_core::deployment::Deployment;
use deploy_core::event::Event;
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::port::Journal as _;
use deploy_core::spec::Actor;
use deploy_core::status::{Status, StatusName};
use deploy_core::time::Timestamp;
use deploy_core::wire::Envelope;
use deploy_store_sqlite::SqliteStore;
use deploy_tests::{Installation, Ran};
use serde_json::Value;

/// What was seen of one deployment at one sequence number.
pub(crate) enum Seen {
    /// A status in JSON: of HTTP, or of a command.
    Json(Box<Status>),
    /// The page's number and word.
    Page(DeploymentId, Seq, String),
}

/// A command to a deployment and its last words.
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) command: Command,
    pub(crate) ran: Ran,
}

/// The arguments that send a command.
pub(crate) fn arguments<'a>(command: &Command, id: &'a str) -> Vec<&'a str> {
    let mut arguments = match command {
        Command::Pause => vec!["pause", id],
        Command::Resume => vec!["resume", id],
        Command::Stop { mode: StopMode::AfterStep, undo: false } => vec!["stop", id],
        Command::Stop { mode: StopMode::AfterStep, undo: true } => vec!["stop", id, "--undo"],
        Command::Stop { mode: StopMode::Now, undo: false } => vec!["stop", id, "--now"],
        Command::Stop { mode: StopMode::Now, undo: true } => vec!["stop", id, "--now", "--undo"],
        Command::Approve { .. } | Command::Recheck | Command::Attest { .. } | Command::Supersede { .. } => {
            panic!("nobody here sends {command:?}")
        }
    };
    arguments.push("--json");
    arguments
}

/// One request over the control plane's own socket; nothing while that is away.
pub(crate) fn get(installation: &Installation, path: &str) -> Option<String> {
    let mut stream = UnixStream::connect(installation.state().join("control.sock")).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The JSON of an answer; nothing if it was cut off.
pub(crate) fn json(answer: &str) -> Option<Value> {
    let body = answer.split_once("\r\n\r\n")?.1;
    serde_json::from_str(&body[body.find(['{', '['])?..=body.rfind(['}', ']'])?]).ok()
}

/// Looks at everything again and again: JSON and page, of whatever is unfinished.
pub(crate) fn watch(installation: &Installation, done: &AtomicBool) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !done.load(Ordering::SeqCst) {
        let list = get(installation, "/api/deployments?limit=200").and_then(|answer| json(&answer));
        for run in list.as_ref().and_then(Value::as_array).into_iter().flatten() {
            seen.extend(status(run));
            if run["endedAt"].is_null() {
                let id = run["id"].as_str().unwrap_or_default();
                seen.extend(
                    get(installation, &format!("/api/deployments/{id}"))
                        .and_then(|answer| status(&json(&answer)?)),
                );
                seen.extend(get(installation, &format!("/runs/{id}")).and_then(|answer| page(&answer, id)));
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    seen
}

fn status(run: &Value) -> Option<Seen> {
    run.get("sequence")?;
    let status = serde_json::from_value(run.clone());
    Some(Seen::Json(status.unwrap_or_else(|error| panic!("{error} in {run:#}"))))
}

/// The number and the word of the head of a run's page.
fn page(answer: &str, id: &str) -> Option<Seen> {
    let head = answer.split_once("data-sequence=\"")?.1;
    let (number, rest) = head.split_once('"')?;
    let badge = rest.split_once("class=\"state ")?.1.split_once("</span> ")?.1;
    Some(Seen::Page(id.parse().ok()?, Seq(number.parse().ok()?), badge.split_once('<')?.0.to_owned()))
}

/// The word of the page.
fn word(status: &Status) -> &'static str {
    if status.paused {
        return "Paused";
    }
    match status.status {
        StatusName::Queued => "Queued",
        StatusName::Detecting => "Detecting",
        StatusName::Planning => "Planning",
        StatusName::Blocked => "Blocked",
        StatusName::Planned => "Waiting for approval",
        StatusName::Executing => "Running",
        StatusName::Verifying => "Verifying",
        StatusName::RollingBack => "Rolling back",
        StatusName::Succeeded => "Completed",
        StatusName::Failed => "Failed",
        StatusName::RolledBack => "Rolled back",
        StatusName::Stopped => "Stopped",
        StatusName::Superseded => "Superseded",
    }
}

/// The journals of a control plane that was ended.
pub(crate) struct Journals(BTreeMap<DeploymentId, Vec<Envelope>>);

impl Journals {
    pub(crate) fn read(installation: &Installation, deployments: &[Value]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let ids = deployments.iter().map(|run| run["id"].as_str().unwrap_or_default().parse());
        runtime.block_on(async {
            let store = SqliteStore::open(&installation.state().join("store"), Default::default());
            let store = store.expect("the store of a control plane that has ended");
            assert!(store.check().await.expect("it can be read").is_sound());
            let mut journals = BTreeMap::new();
            for id in ids {
                let id: DeploymentId = id.expect("an id");
                journals.insert(id, store.events(id, Seq(0), 10_000).await.expect("its events"));
            }
            store.close().await;
            Self(journals)
        })
    }

    /// What the events up to a number lead to.
    fn at(&self, id: DeploymentId, sequence: Seq) -> Status {
        let events = self.0.get(&id).unwrap_or_else(|| panic!("{id} was shown and is lost"));
        let prefix = events.get(..sequence.0 as usize);
        let prefix = prefix.unwrap_or_else(|| panic!("event {sequence} of {id} was shown and is lost"));
        Deployment::replay(prefix).expect("every prefix can be folded").status()
    }

    /// Invariant 12: whatever anybody saw is what the journal says, at that very number.
    pub(crate) fn agree_with(&self, seen: &[Seen]) -> usize {
        let mut numbers = std::collections::BTreeSet::new();
        for seen in seen {
            match seen {
                Seen::Json(status) => {
                    assert_eq!(**status, self.at(status.id, status.sequence), "JSON");
                    numbers.insert((status.id, status.sequence));
                }
                Seen::Page(id, sequence, shown) => {
                    let recorded = self.at(*id, *sequence);
                    assert_eq!(shown, word(&recorded), "the page of {id} at {sequence}");
                    assert!(*shown != *"Stopped" || recorded.exit_code == Some(7));
                }
            }
        }
        numbers.len()
    }

    /// What was answered as done is in the journal, and what was refused is refused by the lifecycle at some moment.
    pub(crate) fn bear_out(&self, said: &Said) {
        let id: DeploymentId = said.id.parse().expect("an id");
        let events = self.0.get(&id).unwrap_or_else(|| panic!("{id} was commanded and is lost"));
        let Some(answer) = serde_json::from_str::<Value>(&said.ran.stdout).ok() else {
            assert!(said.ran.code != 0, "{:?}", said.ran);
            return;
        };
        if said.ran.code == 0 {
            assert!(events.iter().any(|event| carries(event, &said.command)), "{:?} of {id}", said.command);
            self.agree_with(&status(&answer).into_iter().collect::<Vec<_>>());
            return;
        }
        let code = answer["code"].as_str().unwrap_or_default();
        // Nobody can say what became of a command whose answer was cut off, and nobody does.
        if !code.starts_with("control_plane") && code != "shutting_down" {
            let possible: Vec<_> =
                (1..=events.len()).map(|end| refusal(&events[..end], &said.command)).collect();
            assert!(possible.contains(&Some(code)), "{:?} of {id} was refused: {answer:#}", said.command);
        }
    }
}

/// Whether an event is what a command leads to.
fn carries(event: &Envelope, command: &Command) -> bool {
    let by = |by: &Actor| by.0 == super::MEDDLER;
    match command {
        Command::Pause => matches!(&event.event, Event::Paused { by: who } if by(who)),
        Command::Resume => matches!(&event.event, Event::Resumed { by: who } if by(who)),
        Command::Stop { mode, undo } => matches!(
            &event.event,
            Event::StopRequested { by: who, mode: recorded, undo: taken_back } if by(who) && recorded >= mode && taken_back >= undo
        ),
        Command::Approve { .. } | Command::Recheck | Command::Attest { .. } | Command::Supersede { .. } => {
            false
        }
    }
}

/// The code with which the lifecycle refuses a command behind some events.
fn refusal(events: &[Envelope], command: &Command) -> Option<&'static str> {
    let state = Deployment::replay(events).expect("every prefix can be folded");
    let by = Actor(super::MEDDLER.to_owned());
    let input = Input::Command { command: command.clone(), by, at: Timestamp::EPOCH };
    state.decide(&input).err().map(|rejection| rejection.code())
}
