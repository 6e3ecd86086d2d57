//! The kept lines: numbered per deployment, the head in full, then a notice, then the newest ones.

use std::collections::BTreeMap;
use std::path::Path;

use deploy_core::id::{DeploymentId, Seq};
use deploy_core::log::{LogLevel, LogLine, LogQuery, LogSource};
use deploy_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::chunk::Chunk;
use super::queue::notice;
use super::total;
use crate::fault::Fault;
use crate::limits::LogLimits;
use crate::rows::{self, RowId, signed, unsigned};

/// What is kept of one deployment's log.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    /// The last number given.
    last: u64,
    /// The bytes kept before the cut.
    bytes: u64,
    /// The number of the notice that says where it was cut.
    cut_at: Option<u64>,
}

/// Writes lines, in the order in which they came. Lines of a deployment that is not recorded belong
/// nowhere and are left out.
pub(crate) fn write(db: &Connection, lines: &[LogLine], limits: &LogLimits) -> Result<(), Fault> {
    let mut by_deployment: BTreeMap<DeploymentId, Vec<&LogLine>> = BTreeMap::new();
    for line in lines {
        by_deployment.entry(line.deployment).or_default().push(line);
    }
    for (deployment, lines) in by_deployment {
        if let Some((row, head)) = head(db, deployment)? {
            append(db, row, head, &lines, limits)?;
        }
    }
    total::trim(db, limits)
}

/// The row of a deployment, and what is kept of its log so far.
fn head(db: &Connection, deployment: DeploymentId) -> Result<Option<(RowId, Head)>, Fault> {
    let sql = "SELECT d.id, coalesce(l.last, 0), coalesce(l.bytes, 0), l.cut_at
               FROM deployments d LEFT JOIN logs l ON l.deployment = d.id WHERE d.deployment = ?1";
    let read = |row: &Row<'_>| {
        let cut_at = row.get::<_, Option<i64>>(3)?.map(unsigned);
        Ok((row.get(0)?, Head { last: unsigned(row.get(1)?), bytes: unsigned(row.get(2)?), cut_at }))
    };
    Ok(db.prepare_cached(sql)?.query_row([deployment.to_string()], read).optional()?)
}

fn append(
    db: &Connection,
    deployment: RowId,
    mut head: Head,
    lines: &[&LogLine],
    limits: &LogLimits,
) -> Result<(), Fault> {
    save(db, deployment, head)?;
    for (index, line) in lines.iter().enumerate() {
        let bytes = line.message.len() as u64;
        if head.cut_at.is_none() && (head.last >= limits.lines || head.bytes + bytes > limits.bytes) {
            head.last += 1;
            head.cut_at = Some(head.last);
            insert(db, deployment, head.last, &cut_notice(line, limits))?;
        }
        head.last += 1;
        // Behind the cut, a line that this batch itself pushes out of the tail is not even written.
        let pushed_out = (lines.len() - index) as u64 > limits.tail;
        if head.cut_at.is_none() {
            head.bytes += bytes;
            insert(db, deployment, head.last, line)?;
        } else if !pushed_out {
            insert(db, deployment, head.last, line)?;
        }
    }
    if let Some(cut_at) = head.cut_at {
        let sql = "DELETE FROM log_lines WHERE deployment = ?1 AND sequence > ?2 AND sequence <= ?3";
        let beyond = head.last.saturating_sub(limits.tail);
        db.prepare_cached(sql)?.execute(params![deployment, signed(cut_at), signed(beyond)])?;
    }
    save(db, deployment, head)
}

fn cut_notice(line: &LogLine, limits: &LogLimits) -> LogLine {
    let message = format!(
        "truncated: the log keeps {} lines or {} bytes; of the rest, only the newest {} lines",
        limits.lines, limits.bytes, limits.tail
    );
    notice(line.deployment, line.at, message)
}

fn save(db: &Connection, deployment: RowId, head: Head) -> Result<(), Fault> {
    let sql = "INSERT INTO logs (deployment, last, bytes, cut_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET last = excluded.last, bytes = excluded.bytes, cut_at = excluded.cut_at";
    let cut_at = head.cut_at.map(signed);
    db.prepare_cached(sql)?.execute(params![deployment, signed(head.last), signed(head.bytes), cut_at])?;
    Ok(())
}

pub(super) fn insert(db: &Connection, deployment: RowId, sequence: u64, line: &LogLine) -> Result<(), Fault> {
    let sql = "INSERT INTO log_lines (deployment, sequence, at, source, level, step, message)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let step = line.step.as_ref().map(|step| step.as_str());
    let (source, level) = (source_word(line.source), level_rank(line.level));
    let values =
        params![deployment, signed(sequence), line.at.as_millis(), source, level, step, line.message];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The lines that a query wants, in order, from the archive and from the table.
pub(crate) fn lines(
    db: &Connection,
    store: &Path,
    query: &LogQuery,
    limits: &LogLimits,
) -> Result<Vec<LogLine>, Fault> {
    let deployment = rows::deployment(db, query.deployment)?.id;
    let limit = query.limit.min(limits.read);
    let mut lines = archived(db, store, deployment, query, limit)?;
    lines.extend(in_table(db, deployment, query, limit)?);
    lines.sort_by_key(|line| line.sequence);
    let surplus = lines.len().saturating_sub(limit);
    if query.newest {
        lines.drain(..surplus);
    }
    lines.truncate(limit);
    Ok(lines)
}

/// The archived lines that a query wants: the first of them, or the newest, and perhaps some more.
fn archived(
    db: &Connection,
    store: &Path,
    deployment: RowId,
    query: &LogQuery,
    limit: usize,
) -> Result<Vec<LogLine>, Fault> {
    let mut chunks = Chunk::of(db, deployment, query.after.0)?;
    if query.newest {
        chunks.reverse();
    }
    let mut lines = Vec::new();
    for chunk in chunks {
        if lines.len() >= limit {
            break;
        }
        lines.extend(chunk.lines(store)?.into_iter().filter(|line| wants(query, line)));
    }
    Ok(lines)
}

fn wants(query: &LogQuery, line: &LogLine) -> bool {
    line.sequence > query.after
        && query.step.as_ref().is_none_or(|step| line.step.as_ref() == Some(step))
        && query.source.is_none_or(|source| line.source == source)
        && query.level.is_none_or(|level| line.level >= level)
}

/// Every line of a log that is in the table and has a greater number, in order.
pub(super) fn live(
    db: &Connection,
    row: RowId,
    id: DeploymentId,
    after: u64,
    mut each: impl FnMut(LogLine) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let sql = "SELECT sequence, at, source, level, step, message FROM log_lines
               WHERE deployment = ?1 AND sequence > ?2 ORDER BY sequence";
    let mut select = db.prepare_cached(sql)?;
    for line in select.query_and_then(params![row, signed(after)], |row| read(id, row))? {
        each(line?)?;
    }
    Ok(())
}

/// The lines in the table that a query wants.
fn in_table(
    db: &Connection,
    deployment: RowId,
    query: &LogQuery,
    limit: usize,
) -> Result<Vec<LogLine>, Fault> {
    let (after, limit) = (signed(query.after.0), signed(limit as u64));
    let (source, level) = (query.source.map(source_word), query.level.map(level_rank));
    let step = query.step.as_ref().map(|step| step.as_str());
    let filters: [(&str, Option<&dyn ToSql>); 3] = [
        (" AND step = ?", step.as_ref().map(|step| step as &dyn ToSql)),
        (" AND source = ?", source.as_ref().map(|source| source as &dyn ToSql)),
        (" AND level >= ?", level.as_ref().map(|level| level as &dyn ToSql)),
    ];
    let mut sql = "SELECT sequence, at, source, level, step, message FROM log_lines
                   WHERE deployment = ? AND sequence > ?"
        .to_owned();
    let mut values: Vec<&dyn ToSql> = vec![&deployment, &after];
    for (condition, value) in filters {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(if query.newest { " ORDER BY sequence DESC LIMIT ?" } else { " ORDER BY sequence LIMIT ?" });
    values.push(&limit);
    let mut select = db.prepare_cached(&sql)?;
    let found = select.query_and_then(values.as_slice(), |row| read(query.deployment, row))?;
    found.collect()
}

fn read(deployment: DeploymentId, row: &Row<'_>) -> Result<LogLine, Fault> {
    let step: Option<String> = row.get(4)?;
    Ok(LogLine {
        sequence: Seq(unsigned(row.get(0)?)),
        deployment,
        at: Timestamp::from_millis(row.get(1)?),
        source: source_of(&row.get::<_, String>(2)?)?,
        level: level_of(row.get(3)?)?,
        step: step.map(|step| rows::parse(&step, "a step")).transpose()?,
        message: row.get(5)?,
    })
}

const fn source_word(source: LogSource) -> &'static str {
    match source {
        LogSource::Build => "build",
        LogSource::Runtime => "runtime",
        LogSource::System => "system",
    }
}

fn source_of(word: &str) -> Result<LogSource, Fault> {
    let all = [LogSource::Build, LogSource::Runtime, LogSource::System];
    all.into_iter()
        .find(|source| source_word(*source) == word)
        .ok_or_else(|| Fault::corrupt(format!("log source {word:?}")))
}

const fn level_rank(level: LogLevel) -> i64 {
    match level {
        LogLevel::Debug => 0,
        LogLevel::Info => 1,
        LogLevel::Warn => 2,
        LogLevel::Error => 3,
    }
}

fn level_of(rank: i64) -> Result<LogLevel, Fault> {
    let all = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    all.into_iter()
        .find(|level| level_rank(*level) == rank)
        .ok_or_else(|| Fault::corrupt(format!("log level {rank}")))
}
