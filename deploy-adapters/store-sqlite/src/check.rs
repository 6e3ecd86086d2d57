//! The self-check: what is stored, and whether it is what was written.

use std::fs;
use std::path::Path;

use deploy_core::id::{DeploymentId, Seq};
use rusqlite::{Connection, Row};
use serde::Serialize;

use crate::catalogue;
use crate::chain::GENESIS;
use crate::fault::Fault;
use crate::journal;
use crate::limits::Limits;
use crate::logs::Chunk;
use crate::open::{self, DATABASE, OpenError, RESERVE};
use crate::releases;
use crate::rows::{self, RowId, unsigned};
use crate::schema;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The schema of the file.
    pub schema: u32,
    /// The SQLite that read it.
    pub sqlite: String,
    /// Resources.
    pub resources: u64,
    /// Deployments.
    pub deployments: u64,
    /// Deployments without an ending.
    pub unfinished: u64,
    /// Events.
    pub events: u64,
    /// Releases.
    pub releases: u64,
    /// Log lines that are not archived.
    pub log_lines: u64,
    /// Pieces of archived logs.
    pub log_chunks: u64,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub wal_bytes: u64,
    /// Whether the reserve is there; while it is not, space is short and nothing new is accepted.
    pub reserve: bool,
    /// What is damaged. At most as many as [`Limits::problems`].
    pub problems: Vec<Problem>,
}

impl CheckReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something that is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Problem {
    /// The file's structure.
    File {
        /// What is wrong.
        what: String,
    },
    /// One deployment: only this one is concerned.
    Deployment {
        /// Which.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// The archived log of one deployment; the deployment itself is not concerned.
    Log {
        /// Which deployment.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// One release: nothing is removed while it can't be read.
    Release {
        /// Which.
        id: String,
        /// What is wrong.
        what: String,
    },
}

/// Looks at a store without writing to it, also while another process uses it.
///
/// # Errors
/// [`OpenError`] when there is none, or it can't be read at all.
pub fn inspect(dir: &Path, limits: &Limits) -> Result<CheckReport, OpenError> {
    let mut db = open::existing(dir, limits)?;
    let snapshot = db.transaction()?;
    check(&snapshot, dir, limits).map_err(|fault| OpenError::Sqlite { what: fault.into_answer().to_string() })
}

/// Looks at everything. What can't be read at all is a problem like any other.
pub(crate) fn check(db: &Connection, dir: &Path, limits: &Limits) -> Result<CheckReport, Fault> {
    let mut problems = Problems { found: Vec::new(), limit: limits.problems };
    let parts = [
        structure(db, &mut problems),
        deployments(db, &mut problems),
        releases_of_all(db, &mut problems),
        archive(db, dir, &mut problems),
    ];
    for fault in parts.into_iter().filter_map(Result::err) {
        problems.add(Problem::File { what: fault.into_answer().to_string() });
    }
    let mut count = |what: &str| count(db, what, &mut problems);
    let size = |name: &str| fs::metadata(dir.join(name)).map_or(0, |file| file.len());
    Ok(CheckReport {
        schema: schema::version(db).map_err(|error| Fault::corrupt(error.to_string()))?,
        sqlite: rusqlite::version().to_owned(),
        resources: count("resources"),
        deployments: count("deployments"),
        unfinished: count("deployments WHERE ended = 0"),
        events: count("events"),
        releases: count("releases"),
        log_lines: count("log_lines"),
        log_chunks: count("log_chunks"),
        database_bytes: size(DATABASE),
        wal_bytes: size(&format!("{DATABASE}-wal")),
        reserve: size(RESERVE) >= limits.reserve_bytes,
        problems: problems.found,
    })
}

/// A bounded list of problems.
struct Problems {
    found: Vec<Problem>,
    limit: usize,
}

impl Problems {
    fn add(&mut self, problem: Problem) {
        if self.found.len() < self.limit {
            self.found.push(problem);
        }
    }
}

/// What SQLite itself says about its file.
fn structure(db: &Connection, problems: &mut Problems) -> Result<(), Fault> {
    let mut integrity = db.prepare(&format!("PRAGMA integrity_check({})", problems.limit))?;
    for what in integrity.query_map([], |row| row.get::<_, String>(0))? {
        let what = what?;
        if what != "ok" {
            problems.add(Problem::File { what });
        }
    }
    let mut strays = db.prepare("SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 100")?;
    let strays = strays.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for stray in strays {
        let (child, parent) = stray?;
        problems.add(Problem::File {
            what: format!("a row of {child} refers to a row of {parent} that is missing"),
        });
    }
    Ok(())
}

/// Every deployment: its chain of events from the first to the last, and its status.
fn deployments(db: &Connection, problems: &mut Problems) -> Result<(), Fault> {
    let mut select = db.prepare(
        "SELECT deployment, sequence, status, seal, id, word, ended, workspace, asks, in_way
                  FROM deployments ORDER BY id",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = text(row, 0);
        let damaged = [columns_agree(row), chain(db, row, &id)];
        for fault in damaged.into_iter().filter_map(Result::err) {
            problems.add(Problem::Deployment { id: id.clone(), what: fault.into_answer().to_string() });
        }
    }
    Ok(())
}

/// Whether the columns that are searched say what the status says.
fn columns_agree(row: &Row<'_>) -> Result<(), Fault> {
    let found = catalogue::read_status(row)?;
    let (word, ended, workspace): (String, bool, String) = (row.get(5)?, row.get(6)?, row.get(7)?);
    let listed = word == found.status.as_str() && ended == found.status.is_ended();
    let turn = (row.get::<_, bool>(8)?, row.get::<_, bool>(9)?);
    let its_turn = turn == (found.asks_for_its_turn(), found.is_in_the_way());
    if listed && its_turn && workspace == found.workspace.as_str() {
        return Ok(());
    }
    let status = found.status.as_str();
    Err(Fault::corrupt(format!("it is listed as {word:?} of {workspace:?}, its status is {status}")))
}

/// A text that may be damaged, for naming what it belongs to.
fn text(row: &Row<'_>, column: usize) -> String {
    let bytes = row.get_ref(column).ok().and_then(|value| value.as_bytes().ok()).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// One chain of events, to the number that its deployment names as the last.
fn chain(db: &Connection, deployment: &Row<'_>, id: &str) -> Result<(), Fault> {
    let id: DeploymentId = rows::parse(id, "a deployment")?;
    let (row, expected): (RowId, u64) = (deployment.get(4)?, unsigned(deployment.get(1)?));
    let (mut last, mut hash) = (Seq(0), GENESIS);
    let mut select =
        db.prepare_cached("SELECT sequence, hash, body FROM events WHERE deployment = ?1 ORDER BY sequence")?;
    let mut events = select.query([row])?;
    while let Some(event) = events.next()? {
        let (envelope, its_hash) = journal::checked(event, id, last, &hash)?;
        (last, hash) = (envelope.sequence, its_hash);
    }
    if last.0 != expected {
        return Err(Fault::corrupt(format!("the last event of {id} is {last}, {expected} was expected")));
    }
    Ok(())
}

fn releases_of_all(db: &Connection, problems: &mut Problems) -> Result<(), Fault> {
    let mut select = db.prepare("SELECT state, record, seal, release FROM releases ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        if let Err(fault) = releases::read(row) {
            problems.add(Problem::Release { id: text(row, 3), what: fault.into_answer().to_string() });
        }
    }
    Ok(())
}

/// Every piece of every archived log: whether it is what was written.
fn archive(db: &Connection, dir: &Path, problems: &mut Problems) -> Result<(), Fault> {
    let sql = "SELECT DISTINCT c.deployment, d.deployment FROM log_chunks c JOIN deployments d ON d.id = c.deployment";
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        for chunk in Chunk::of(db, row.get(0)?, 0)? {
            if let Err(fault) = chunk.packed(dir) {
                problems.add(Problem::Log { id: text(row, 1), what: fault.into_answer().to_string() });
            }
        }
    }
    Ok(())
}

/// How many rows there are; none if they can't be read, and that is a problem.
fn count(db: &Connection, what: &str, problems: &mut Problems) -> u64 {
    match db.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)) {
        Ok(count) => unsigned(count),
        Err(error) => {
            problems.add(Problem::File { what: error.to_string() });
            0
        }
    }
}
