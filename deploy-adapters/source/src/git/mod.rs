//! Commits of git repositories: fetched by the `git` program, laid out by us.
//!
//! Git is used for what only git can do, and never makes a work tree: no hook, filter, submodule or configuration of a
//! repository has a part in it. It fetches one commit into a bare repository of ours, and hands its tree over as a tar
//! stream, which is unpacked like any other.

mod credential;
mod policy;
mod program;
mod run;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use deploy_core::reason::ReasonCode;
use deploy_core::source::{CommitId, Credential, GitRef, GitUrl, Transport};

pub use policy::{GitPolicy, InvalidPolicy};

use crate::archive;
use crate::fault::{Fault, Stop};
use crate::limits::Limits;
use crate::unpack::{Origin, Unpack};
use program::Program;
use run::Watch;

/// Where the fetched commit is remembered in the bare repository.
const FETCHED: &str = "refs/deploy/source";
/// The whole tree is wanted, as it was committed, whatever the attributes for archives say.
const ATTRIBUTES: &str = "* -export-ignore -export-subst\n";

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) url: GitUrl,
    pub(crate) git_ref: Option<GitRef>,
    pub(crate) commit: Option<CommitId>,
    pub(crate) credential: Option<Credential>,
}

/// Lays the commit out in `target`, an empty directory, with `beside` for what is needed meanwhile.
pub(crate) fn lay_out(
    wanted: &Wanted,
    target: &Path,
    beside: &Path,
    policy: &GitPolicy,
    limits: &Limits,
    stop: &Stop,
) -> Result<CommitId, Fault> {
    program::check_version(stop)?;
    let bare = beside.join("git");
    let commit = match wanted.url.transport() {
        Transport::Local => borrow(wanted, &bare, stop)?,
        Transport::Https | Transport::Ssh | Transport::Http | Transport::Git => {
            fetch(wanted, &bare, policy, limits, stop)?
        }
    };
    fs::create_dir_all(bare.join("info")).map_err(|error| unwritable(&error))?;
    fs::write(bare.join("info/attributes"), ATTRIBUTES).map_err(|error| unwritable(&error))?;
    unpack(&bare, &commit, target, limits, stop)?;
    crate::remove::remove(&bare).map_err(|error| unwritable(&error))?;
    Ok(commit)
}

/// A repository on this machine is not copied: a bare one of ours borrows its objects, and its own configuration has no
/// say.
fn borrow(wanted: &Wanted, bare: &Path, stop: &Stop) -> Result<CommitId, Fault> {
    // Without links, so that git finds the repository here and not one further up.
    let repository = fs::canonicalize(wanted.url.as_str()).unwrap_or_default();
    if !repository.is_dir() {
        let message = format!("the repository {} does not exist", wanted.url);
        return Err(Fault::new(ReasonCode::SourceNotFound, message));
    }
    let there = Program::in_repository(&repository);
    let commit = there.commit(&name_of(wanted), wanted, stop)?;
    let objects = there.line(&["rev-parse", "--path-format=absolute", "--git-path", "objects"], stop)?;
    let objects = objects.ok_or_else(|| {
        let message = format!("{} is not the top of a git repository that this user may read", wanted.url);
        Fault::new(ReasonCode::SourceUnavailable, message)
    })?;
    init(bare, commit.as_str().len() == 64, stop)?;
    fs::write(bare.join("objects/info/alternates"), format!("{objects}\n"))
        .map_err(|error| unwritable(&error))?;
    Ok(commit)
}

/// Fetches one commit. A pinned one by its id; where the other side gives out only what its refs name, by the ref, and
/// then it must be the same.
fn fetch(
    wanted: &Wanted,
    bare: &Path,
    policy: &GitPolicy,
    limits: &Limits,
    stop: &Stop,
) -> Result<CommitId, Fault> {
    let way = policy.way_to(&wanted.url)?;
    let token =
        wanted.credential.as_ref().map(|reference| credential::read(reference, &wanted.url)).transpose()?;
    let long =
        name_of(wanted).len() == 64 && wanted.git_ref.as_ref().is_none_or(|name| name.commit().is_some());
    init(bare, long, stop)?;
    let program = Program::for_fetching(bare, &wanted.url, &way, token.as_ref());
    let objects = bare.join("objects/pack");
    let watch = Watch { stop, growing: Some((&objects, limits.fetch_bytes)) };
    let mut fetched = program.fetch(&name_of(wanted), FETCHED, &watch);
    if let Err(failed) = &fetched
        && failed.other_hash
    {
        crate::remove::remove(bare).map_err(|error| unwritable(&error))?;
        init(bare, !long, stop)?;
        fetched = program.fetch(&name_of(wanted), FETCHED, &watch);
    }
    let by_ref = wanted.git_ref.as_ref().filter(|_| wanted.commit.is_some());
    if let (Err(failed), Some(by_ref)) = (&fetched, by_ref)
        && failed.not_found
    {
        fetched = program.fetch(by_ref.as_str(), FETCHED, &watch);
    }
    fetched.map_err(|failed| failed.fault)?;
    let commit = Program::in_bare(bare).commit(FETCHED, wanted, stop)?;
    match &wanted.commit {
        Some(pinned) if *pinned != commit => {
            let message = format!("{} no longer gives out the commit {pinned} that was planned", wanted.url);
            Err(Fault::new(ReasonCode::SourceChanged, message))
        }
        Some(_) | None => Ok(commit),
    }
}

/// The name that is asked for: the pinned commit, the ref, or the head.
fn name_of(wanted: &Wanted) -> String {
    let pinned = wanted.commit.as_ref().map(ToString::to_string);
    pinned.or_else(|| wanted.git_ref.as_ref().map(ToString::to_string)).unwrap_or_else(|| "HEAD".to_owned())
}

fn init(bare: &Path, sha256: bool, stop: &Stop) -> Result<(), Fault> {
    let format = if sha256 { "--object-format=sha256" } else { "--object-format=sha1" };
    let place: PathBuf = bare.to_owned();
    Program::anywhere().done(&["init", "--quiet", "--bare", "--template=", format, "--"], &place, stop)
}

fn unpack(bare: &Path, commit: &CommitId, target: &Path, limits: &Limits, stop: &Stop) -> Result<(), Fault> {
    let unpacking = Unpack::new(target, Origin::Commit, limits, stop).map_err(|error| unwritable(&error))?;
    let program = Program::in_bare(bare);
    program.stream(&["archive", "--format=tar", commit.as_str()], stop, |tar| {
        archive::tarball::unpack(tar, unpacking)
    })?;
    Ok(())
}

fn unwritable(error: &io::Error) -> Fault {
    Fault::new(ReasonCode::InsufficientDisk, format!("the source can't be laid out here: {error}"))
}
