//! The state directory: everything the product writes is under it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use deploy_core::engine::SystemIds;
use deploy_core::id::Name;
use deploy_core::port::Ids as _;
use deploy_core::secret_hash::SecretKey;
use serde::{Deserialize, Serialize};

use crate::exit::Failed;

/// Where things lie in the state directory.
#[derive(Debug, Clone)]
pub(crate) struct State {
    root: PathBuf,
}

impl State {
    /// `--state-dir` (which includes `DEPLOY_STATE_DIR`), else below the user's own state directory.
    pub(crate) fn locate(explicit: Option<PathBuf>) -> Result<Self, Failed> {
        let absolute = |path: PathBuf| {
            std::path::absolute(path).map_err(|error| Failed::internal("find the state directory", error))
        };
        if let Some(root) = explicit.filter(|root| !root.as_os_str().is_empty()) {
            return Ok(Self { root: absolute(root)? });
        }
        let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let base = xdg.or_else(home).ok_or_else(|| {
            Failed::usage("no_state_dir", "no home directory is known").hint("give --state-dir")
        })?;
        Ok(Self { root: base.join("deploy") })
    }

    /// The state directory that lies there.
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    /// Where archives are kept that clients sent.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Where the pictures are that browsers took of pages.
    pub(crate) fn screenshots(&self) -> PathBuf {
        self.root.join("screenshots")
    }

    /// The rules about who may deploy when: the file that the control plane was last given, else its own.
    pub(crate) fn policy(&self) -> PathBuf {
        std::fs::read_link(self.given_policy()).unwrap_or_else(|_| self.root.join("policy.toml"))
    }

    /// Notes which file the control plane was given, so that a preview, which asks nobody, judges by the same.
    pub(crate) fn note_policy(&self, given: Option<&Path>) -> io::Result<()> {
        match std::fs::remove_file(self.given_policy()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        given.map_or(Ok(()), |given| {
            std::os::unix::fs::symlink(std::path::absolute(given)?, self.given_policy())
        })
    }

    fn given_policy(&self) -> PathBuf {
        self.root.join("policy.given")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(crate) fn edge(&self) -> PathBuf {
        self.root.join("edge")
    }

    /// What marks everything that this state directory makes on a shared machine. Made once, kept for good.
    pub(crate) fn installation(&self) -> Result<Name, Failed> {
        let file = self.root.join("installation");
        let failed = |error: io::Error| Failed::internal("name this installation", error);
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                text.trim().parse().map_err(|error| Failed::internal("read the installation's name", error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = SystemIds.deployment().to_string();
                let name: Name = id[id.len() - 12..].parse().expect("hexadecimal digits are a name");
                write_whole(&file, name.as_str()).map_err(failed)?;
                Ok(name)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The same where it was made already.
    pub(crate) fn named(&self) -> Option<Name> {
        std::fs::read_to_string(self.root.join("installation")).ok()?.trim().parse().ok()
    }

    /// The key under which secrets are hashed. Made once, kept for good, and saved with a backup: without it nobody can
    /// say any more whether a secret changed since.
    pub(crate) fn secret_key(&self) -> Result<SecretKey, Failed> {
        let file = self.root.join("secrets.key");
        let failed = |error: io::Error| Failed::internal("read the key of secrets", error);
        match std::fs::read_to_string(&file) {
            Ok(text) => match key_bytes(text.trim()) {
                Some(bytes) => return Ok(SecretKey::new(&bytes)),
                // Comparing then says that it is not known, which is true.
                None => tracing::warn!("{} holds no key; a new one is made", file.display()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Failed::internal("make the key of secrets", error))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        write_whole(&file, &text).map_err(failed)?;
        Ok(SecretKey::new(&bytes))
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.root.join(format!("{process}.log"))
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("serve.lock")
    }

    /// Makes the directory, closed to other users.
    pub(crate) fn create(&self) -> Result<(), Failed> {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        let failed = |error: io::Error| {
            let message = format!("the state directory {} can't be used: {error}", self.root.display());
            Failed::usage("state_dir_unusable", message).hint("give another one with --state-dir")
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root).map_err(failed)?;
        std::fs::set_permissions(&self.root, std::fs::Permissions::from_mode(0o700)).map_err(failed)
    }

    /// Takes the one place of a control plane for this directory, or says who has it. It is held as
    /// long as the file is open, so it is free again after any kind of end.
    pub(crate) fn lock(&self) -> Result<Result<Lock, Option<Owner>>, Failed> {
        let failed = |error| Failed::internal("take the lock of the state directory", error);
        let mut file = File::options()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(self.lock_file())
            .map_err(failed)?;
        if !Self::taken(&file).map_err(failed)? {
            return Ok(Err(self.owner()));
        }
        let owner = Owner { pid: std::process::id() };
        let text = serde_json::to_vec(&owner).expect("every key is a string");
        file.set_len(0).and_then(|()| file.write_all(&text)).map_err(failed)?;
        Ok(Ok(Lock { _file: file }))
    }

    /// Tries for a moment: a command that only asks who the owner is holds a shared lock meanwhile.
    fn taken(file: &File) -> io::Result<bool> {
        for _ in 0..10 {
            match file.try_lock() {
                Ok(()) => return Ok(true),
                Err(std::fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Who holds the lock now; nobody if it is free.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let mut file = File::open(self.lock_file()).ok()?;
        match file.try_lock_shared() {
            Ok(()) => None,
            Err(_) => {
                let mut text = String::new();
                file.read_to_string(&mut text).ok()?;
                serde_json::from_str(&text).ok()
            }
        }
    }
}

/// Writes a small file that nobody else may read: as a whole, or not at all.
fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let staged = file.with_extension("tmp");
    let mut staging = File::options().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    staging.write_all(text.as_bytes())?;
    staging.sync_all()?;
    std::fs::rename(&staged, file)?;
    file.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// The 32 bytes that 64 hexadecimal digits are.
fn key_bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The lock of a running control plane.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The process that holds the lock.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
}
