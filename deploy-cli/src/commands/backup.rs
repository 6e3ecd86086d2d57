//! `backup` and `restore`: an installation in one file.

use std::path::Path;

use deploy_backup::{BackupError, Manifest, restore as restore_into};
use deploy_store_sqlite::{Limits, inspect};
use serde::Serialize;

use super::Context;
use crate::backup::{Saved, save};
use crate::exit::{Exit, Failed};
use crate::output::{amount, clean, json, result, tell};
use crate::state::State;

/// What is printed of a backup.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    file: String,
    files: usize,
    bytes: u64,
    about: &'a std::collections::BTreeMap<String, String>,
    not_included: &'a [String],
}

impl<'a> Printed<'a> {
    fn of(file: &Path, manifest: &'a Manifest) -> Self {
        Self {
            file: file.display().to_string(),
            files: manifest.entries.len(),
            bytes: manifest.total_bytes(),
            about: &manifest.about,
            not_included: &manifest.not_included,
        }
    }

    fn show(&self, cx: &Context) {
        if cx.json {
            return json(self);
        }
        result(&clean(&self.file));
        let about = |name: &str| self.about.get(name).map_or("", String::as_str);
        let many = |name: &str, one: &str| amount(about(name).parse::<u64>().unwrap_or(0), one);
        tell(&clean(&format!(
            "{}, {}, {}, {} KiB; taken {} by version {}",
            many("deployments", "deployment"),
            many("storedReleases", "stored release"),
            amount(self.files as u64, "file"),
            self.bytes >> 10,
            about("createdAt"),
            about("version"),
        )));
        self.not_included.iter().for_each(|what| tell(&clean(&format!("not inside: {what}"))));
    }
}

pub(crate) fn backup(cx: &Context, file: &Path) -> Result<Exit, Failed> {
    let Saved { manifest, problems } = save(&cx.state, file)?;
    Printed::of(file, &manifest).show(cx);
    if problems > 0 {
        tell(&format!(
            "the store is damaged in {problems} places, and so is the backup: see `deploy doctor`"
        ));
        return Ok(Exit::Internal);
    }
    Ok(Exit::Done)
}

pub(crate) fn restore(cx: &Context, file: &Path) -> Result<Exit, Failed> {
    let root = cx.state.root();
    // A store that is damaged was saved so, and is better than none; one that can't be read at all is not.
    let readable = |staged: &Path| {
        let found = inspect(&State::at(staged).store(), &Limits::default());
        found.map(drop).map_err(|error| error.to_string())
    };
    let manifest = restore_into(file, root, readable).map_err(|error| refused(&error))?;
    Printed::of(root, &manifest).show(cx);
    if !cx.json {
        tell("`deploy serve` takes it up; end the installation it came from first, if that still runs");
    }
    Ok(Exit::Done)
}

/// What a command says of an error.
pub(crate) fn refused(error: &BackupError) -> Failed {
    let exit = match error {
        BackupError::Exists { .. }
        | BackupError::NotEmpty { .. }
        | BackupError::Damaged { .. }
        | BackupError::Format { .. }
        | BackupError::Unusable { .. }
        | BackupError::Io { .. } => Exit::Usage,
        BackupError::Changed { .. } => Exit::Refused,
    };
    Failed::new(exit, error.code(), error.to_string()).hint(error.remedy())
}
