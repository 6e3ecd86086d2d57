//! From what was asked for to the open base directory, or every reason why that can't be.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::Profile;

use crate::beneath::{self, Trouble, trouble};
use crate::entries::{Kind, entries, join};
use deploy_core::path::Inside;

/// The directory a source names, open, and where the base directory is in it.
#[derive(Debug)]
pub(crate) struct Located {
    /// The path as it was given.
    pub(crate) path: PathBuf,
    /// The source.
    pub(crate) root: OwnedFd,
    /// The base directory below it.
    pub(crate) base: Inside,
}

/// Opens the base directory of a source. Every path of the profile is looked at, whatever else is wrong.
pub(crate) fn locate(
    directory: Result<PathBuf, Box<Reason>>,
    profile: &Profile,
) -> Result<Located, Vec<Reason>> {
    let mut reasons = Vec::new();
    let root = keep(directory.and_then(open_root), &mut reasons);
    let base =
        keep(configured("source.base_directory", profile.source.base_directory.as_deref()), &mut reasons);
    let publish = keep(
        configured("runtime.publish_directory", profile.runtime.publish_directory.as_deref()),
        &mut reasons,
    );
    let base = base.map(Option::unwrap_or_default);
    let base_directory = match (&root, &base) {
        (Some((_, root)), Some(base)) => keep(open_base(root, base), &mut reasons),
        _ => None,
    };
    match (root, base, base_directory, publish) {
        (Some((path, root)), Some(base), Some(_), Some(_)) => Ok(Located { path, root, base }),
        _ => Err(reasons),
    }
}

fn keep<T>(result: Result<T, Box<Reason>>, reasons: &mut Vec<Reason>) -> Option<T> {
    result.map_err(|reason| reasons.push(*reason)).ok()
}

fn configured(field: &str, value: Option<&str>) -> Result<Option<Inside>, Box<Reason>> {
    let Some(text) = value else { return Ok(None) };
    Inside::parse(text).map(Some).map_err(|wrong| {
        let mut reason = Reason::new(
            ReasonCode::PathOutsideSource,
            format!(
                "{field} = {text:?} may not be used: {wrong}; write a path below the source, such as \"site\""
            ),
        )
        .because("deploy.toml", format!("{field} is {text:?}"));
        reason.profile_field = match field {
            "source.base_directory" => Some("source.baseDirectory".to_owned()),
            _ => Some("runtime.publishDirectory".to_owned()),
        };
        Box::new(reason)
    })
}

fn open_root(path: PathBuf) -> Result<(PathBuf, OwnedFd), Box<Reason>> {
    if !path.is_absolute() {
        let message = format!("the source {} is not an absolute path", path.display());
        return Err(Box::new(Reason::new(ReasonCode::SourceNotFound, message)));
    }
    let root = beneath::root(&path).map_err(|error| unusable_root(&path, &error))?;
    Ok((path, root))
}

fn unusable_root(path: &Path, error: &io::Error) -> Box<Reason> {
    let (code, what) = match trouble(error) {
        Trouble::Missing if path.is_symlink() => {
            (ReasonCode::SourceNotFound, "is a link to something that does not exist".to_owned())
        }
        Trouble::Missing => (ReasonCode::SourceNotFound, "does not exist".to_owned()),
        Trouble::NotADirectory => (ReasonCode::SourceNotADirectory, "is not a directory".to_owned()),
        Trouble::Loop => (ReasonCode::SourceUnsafe, "is a link that leads back to itself".to_owned()),
        Trouble::LeadsOut | Trouble::Other => {
            (ReasonCode::SourceUnreadable, format!("can't be opened: {error}"))
        }
    };
    Box::new(Reason::new(code, format!("the source {} {what}", path.display())))
}

fn open_base(root: &OwnedFd, base: &Inside) -> Result<OwnedFd, Box<Reason>> {
    beneath::directory(root, base.as_str()).map_err(|error| {
        let (code, what) = match trouble(&error) {
            Trouble::Missing => (ReasonCode::BaseDirectoryMissing, missing_base(root, base.as_str())),
            Trouble::NotADirectory => (ReasonCode::BaseDirectoryMissing, "is not a directory".to_owned()),
            Trouble::LeadsOut => (
                ReasonCode::PathOutsideSource,
                "goes through a link that leaves the source; name a directory inside it".to_owned(),
            ),
            Trouble::Loop => (ReasonCode::SourceUnsafe, "is a link that leads back to itself".to_owned()),
            Trouble::Other => (ReasonCode::SourceUnreadable, format!("can't be opened: {error}")),
        };
        let mut reason = Reason::new(code, format!("the base directory {} {what}", base.shown()));
        reason.profile_field = Some("source.baseDirectory".to_owned());
        Box::new(reason)
    })
}

/// How many directories of a source are looked at, and how many of them are named, when the base is missing.
const LOOKED_AT: usize = 1_000;
const OFFERED: usize = 8;

fn missing_base(root: &OwnedFd, base: &str) -> String {
    let (parent, _) = base.rsplit_once('/').unwrap_or(("", base));
    let (parent, siblings) = match beneath::directory(root, parent) {
        Ok(directory) => (parent, entries(directory, LOOKED_AT)),
        Err(_) => ("", entries(root, LOOKED_AT)),
    };
    let there: Vec<String> = siblings
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.kind == Kind::Directory)
        .filter_map(|entry| entry.name.ok())
        .filter(|name| !name.starts_with('.'))
        .take(OFFERED)
        .map(|name| join(parent, &name))
        .collect();
    match there.is_empty() {
        true => "does not exist in the source".to_owned(),
        false => format!("does not exist in the source; there are {}", there.join(", ")),
    }
}
