//! Secrets that a release reads as files: each lies below the state directory, where nobody else may look, for as long
//! as there is a container that reads it. The engine is told where it lies, never what is in it.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use deploy_core::id::DeploymentId;

use crate::paths::remove_all;
use crate::secrets::Secrets;

/// Where a release finds them, each under its name.
pub(crate) const MOUNTED: &str = "/run/secrets";

/// Writes the files of a deployment, and lets its container read them. One who may look into the directory could read
/// them all: only who runs the control plane may. Inside the container any user can.
pub(crate) fn mount(body: &mut ContainerCreateBody, directory: &Path, secrets: &Secrets) -> io::Result<()> {
    if secrets.files().next().is_none() {
        return Ok(());
    }
    remove_all(directory)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut mounts = Vec::new();
    for (name, value) in secrets.files() {
        let file = directory.join(name);
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&file)?;
        written.write_all(value.as_bytes())?;
        // Whatever the umask of who runs the control plane: the release's user is another one.
        written.set_permissions(Permissions::from_mode(0o444))?;
        // The engine starts the container again after a power failure, too.
        written.sync_all()?;
        mounts.push(Mount {
            typ: Some(MountType::BIND),
            source: Some(file.display().to_string()),
            target: Some(format!("{MOUNTED}/{name}")),
            read_only: Some(true),
            ..Mount::default()
        });
    }
    File::open(directory)?.sync_all()?;
    let host = body.host_config.get_or_insert_with(HostConfig::default);
    host.mounts.get_or_insert_default().extend(mounts);
    Ok(())
}

/// The deployments that have files in this directory of such directories.
pub(crate) fn held(directory: &Path) -> io::Result<BTreeSet<DeploymentId>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => {
            Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Removes what no container reads any more.
pub(crate) fn remove(directories: &[PathBuf]) -> io::Result<()> {
    directories.iter().try_for_each(|directory| remove_all(directory))
}
