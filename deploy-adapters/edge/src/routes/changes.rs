//! The log of changes: one line per accepted change since the table's file was written.
//!
//! A line is `{"checksum":...,"record":...}`; the checksum covers the exact bytes of the record. Records are numbered
//! without a gap, so a lost or doubled one is noticed.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::table::Accepted;
use super::{Route, RouteTable, TableError};
use crate::digest::Digest;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    checksum: Digest,
    #[serde(borrow)]
    record: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    number: u64,
    host: String,
    target: String,
    epoch: u64,
    route: Option<Arc<Route>>,
}

/// The line of a change that `table` has accepted.
pub(super) fn encode(table: &RouteTable, accepted: &Accepted) -> Vec<u8> {
    let record = Record {
        number: table.changes() + 1,
        host: accepted.host.clone(),
        target: accepted.target.clone(),
        epoch: accepted.epoch,
        route: accepted.after.clone(),
    };
    let raw = serde_json::value::to_raw_value(&record).expect("strings and integers always serialize");
    let line = Line { checksum: Digest::of(raw.get().as_bytes()), record: &raw };
    let mut line = serde_json::to_vec(&line).expect("strings and integers always serialize");
    line.push(b'\n');
    line
}

/// Applies the records of a log that `table` does not have yet, as far as the log is intact.
///
/// # Errors
/// [`TableError::Corrupt`] naming the first line that is not usable; the lines before it are applied.
pub(super) fn replay(table: &mut RouteTable, path: &Path, log: &[u8]) -> Result<(), TableError> {
    for (at, line) in log.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let unusable = |reason: &str| TableError::Corrupt {
            path: path.to_owned(),
            reason: format!("line {}: {reason}", at + 1),
        };
        let record = decode(line).map_err(|reason| unusable(&reason))?;
        if record.number <= table.changes() {
            continue;
        }
        if record.number != table.changes() + 1 {
            return Err(unusable("changes before it are missing"));
        }
        table.apply(&Accepted {
            host: record.host,
            target: record.target,
            epoch: record.epoch,
            before: None,
            after: record.route,
        });
    }
    Ok(())
}

fn decode(line: &[u8]) -> Result<Record, String> {
    let line = line.strip_suffix(b"\n").ok_or("it is not complete")?;
    let line: Line<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    if Digest::of(line.record.get().as_bytes()) != line.checksum {
        return Err("the checksum does not match".to_owned());
    }
    serde_json::from_str(line.record.get()).map_err(|e| e.to_string())
}
