//! What a backup of a state directory holds, and how it is read while everything runs.
//!
//! The store is copied as of one moment. The route table is read before and after: only if it is the same does it
//! belong to that moment. Releases never change, so they are read where they are; one that retention removes
//! meanwhile is noticed, and everything begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deploy_backup::{BackupError, Item, Manifest, write};
use deploy_core::engine::SystemClock;
use deploy_core::port::Clock as _;
use deploy_store_sqlite::{Limits, Snapshot, snapshot};

use crate::commands::backup::refused;
use crate::exit::{Exit, Failed};
use crate::state::State;

/// How often everything begins anew while something changes, and the pause before.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);
/// How deep a stored release may be: deeper than any that is published.
const DEPTH: usize = 128;

/// The files of the edge's route table.
const TABLE: [&str; 4] = ["routes.json", "routes.json.log", "routes.json.prev", "routes.json.log.prev"];

/// What marks what this installation made, and the key under which secrets were hashed: without it, nobody could say
/// any more whether one of them changed since. With it and the record somebody can try values one by one, so whoever
/// may read a backup is whoever may read the state directory.
const OF_THE_INSTALLATION: [&str; 2] = ["installation", "secrets.key"];

/// What is deliberately not inside.
const LEFT_OUT: [&str; 4] = [
    "secrets: only the names they are referred to by are recorded; set them where the control plane will run",
    "Docker images, containers and volumes: they stay with the engine; deploy such resources again elsewhere",
    "sources, archives that were sent included: a retry reads its source again",
    "workspaces, sockets, the logs of the two processes, and the address the edge listens on: they belong to a machine",
];

/// A backup that was written.
pub(crate) struct Saved {
    pub(crate) manifest: Manifest,
    /// Places in which the store is damaged.
    pub(crate) problems: usize,
}

/// Saves a state directory.
pub(crate) fn save(state: &State, to: &Path) -> Result<Saved, Failed> {
    if !state.store().join("store.db").is_file() {
        return Err(Failed::usage(
            "nothing_to_back_up",
            "nothing was deployed from this state directory yet",
        ));
    }
    let staging = Staging::take(state)?;
    for _ in 0..ATTEMPTS {
        match attempt(state, &staging.directory, to) {
            Err(Attempt::Again) => std::thread::sleep(PAUSE),
            Err(Attempt::Failed(failed)) => return Err(failed),
            Ok(saved) => return Ok(saved),
        }
    }
    Err(refused(&BackupError::Changed { path: "the state directory".to_owned() }))
}

/// Why an attempt came to nothing.
enum Attempt {
    /// Something changed meanwhile.
    Again,
    Failed(Failed),
}

impl From<BackupError> for Attempt {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Changed { .. } => Self::Again,
            BackupError::Exists { .. }
            | BackupError::Damaged { .. }
            | BackupError::Format { .. }
            | BackupError::NotEmpty { .. }
            | BackupError::Unusable { .. }
            | BackupError::Io { .. } => Self::Failed(refused(&error)),
        }
    }
}

impl From<io::Error> for Attempt {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Again;
        }
        Self::Failed(Failed::internal("read the state directory", error))
    }
}

fn attempt(state: &State, staging: &Path, to: &Path) -> Result<Saved, Attempt> {
    let copy = staging.join("store.db");
    remove(&copy)?;
    // What is there before and after: nothing that the copy needs is in neither.
    let mut releases = names(&state.releases())?;
    let table = table(state)?;
    let taken = snapshot(&state.store(), &copy, &Limits::default());
    let taken = taken.map_err(|error| {
        let failed = Failed::usage("store_unusable", error.to_string());
        Attempt::Failed(failed.command("see what is wrong", "deploy doctor"))
    })?;
    if table != self::table(state)? {
        return Err(Attempt::Again);
    }
    releases.extend(names(&state.releases())?);
    let mut items = vec![Item { path: format!("store/{}", taken.name), source: copy }];
    for file in &taken.files {
        items.push(Item { path: below("store", file), source: state.store().join(file) });
    }
    for (name, bytes) in table {
        let source = staging.join(name);
        fs::write(&source, bytes)?;
        items.push(Item { path: format!("edge/{name}"), source });
    }
    for release in &releases {
        walk(&state.releases(), Path::new(release), DEPTH, &mut items)?;
    }
    for name in OF_THE_INSTALLATION {
        let source = state.root().join(name);
        if source.exists() {
            items.push(Item { path: name.to_owned(), source });
        }
    }
    let left_out = LEFT_OUT.map(str::to_owned).to_vec();
    let manifest = write(to, &items, about(&taken, &releases), left_out)?;
    Ok(Saved { manifest, problems: taken.report.problems.len() })
}

fn about(taken: &Snapshot, releases: &BTreeSet<String>) -> BTreeMap<String, String> {
    let elsewhere = taken
        .keep
        .as_ref()
        .map_or(0, |keep| keep.digests.iter().filter(|digest| !releases.contains(digest.hex())).count());
    let facts = [
        ("createdAt", SystemClock.now().to_string()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("storeSchema", taken.report.schema.to_string()),
        ("deployments", taken.report.deployments.to_string()),
        ("unfinished", taken.report.unfinished.to_string()),
        ("events", taken.report.events.to_string()),
        ("storedReleases", releases.len().to_string()),
        ("artifactsElsewhere", elsewhere.to_string()),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The stored releases: whatever is named by a digest.
fn names(releases: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(releases) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name();
        let digest = name.to_str().filter(|name| deploy_edge::Digest::from_dir_name(name).is_some());
        names.extend(digest.map(str::to_owned));
    }
    Ok(names)
}

/// The content of the files of the route table that are there.
fn table(state: &State) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in TABLE {
        match fs::read(state.edge().join(name)) {
            Ok(bytes) => found.push((name, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Every file of a release.
fn walk(releases: &Path, directory: &Path, depth: usize, items: &mut Vec<Item>) -> Result<(), Attempt> {
    if depth == 0 {
        let what = format!("{} is deeper than any release", directory.display());
        return Err(Attempt::Failed(Failed::internal("save a release", what)));
    }
    for entry in fs::read_dir(releases.join(directory))? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            walk(releases, &path, depth - 1, items)?;
        } else {
            items.push(Item { path: below("releases", &path), source: entry.path() });
        }
    }
    Ok(())
}

/// A path of the archive. Our own names are text; what is not one is refused by whoever writes it.
fn below(directory: &str, path: &Path) -> String {
    format!("{directory}/{}", path.display())
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where copies wait that change while they are saved. It is one backup's at a time; what a crash left there goes
/// with the next one.
struct Staging {
    directory: PathBuf,
    _lock: File,
}

impl Staging {
    fn take(state: &State) -> Result<Self, Failed> {
        let failed = |error: io::Error| Failed::internal("make room for a copy of the store", error);
        let directory = state.root().join("backup");
        let lock = File::create(state.root().join("backup.lock")).map_err(failed)?;
        if lock.try_lock().is_err() {
            let failed = Failed::new(Exit::Refused, "backup_running", "another backup is being taken");
            return Err(failed.hint("wait until it has ended"));
        }
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir(&directory).map_err(failed)?;
        Ok(Self { directory, _lock: lock })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays goes with the next backup.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
