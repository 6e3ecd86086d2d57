//! The policy of a control plane: a file with the rules, read again whenever it changes, and the facts they
//! are about. A file that can't be read changes nothing: the rules before it count, and every preview says so.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use deploy_core::admission::{Allowance, Facts, Petition, Rules, Verdict};
use deploy_core::id::{Name, ResourceKey};
use deploy_core::port::Admission;
use deploy_core::reason::{Reason, ReasonCode};

use crate::exit::Failed;

/// The largest file of rules that is read: 1 MiB.
const POLICY_BYTES: u64 = 1024 * 1024;
/// How long the file and the free space are taken to be what they were.
const KNOWN: Duration = Duration::from_secs(1);

/// Rules from a file, about releases that are made below a directory.
pub(crate) struct Policy {
    file: PathBuf,
    releases: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    rules: Rules,
    facts: Facts,
    /// What is wrong with the file as it is now.
    wrong: Option<String>,
    read: Option<(SystemTime, u64)>,
    looked: Instant,
}

impl Policy {
    /// Reads the rules. A file that is not there limits nothing, until it is there.
    ///
    /// # Errors
    /// What is wrong with the file, with the line.
    pub(crate) fn open(file: PathBuf, releases: PathBuf) -> Result<Self, Failed> {
        let read = version(&file);
        let rules = read_rules(&file).map_err(|message| {
            Failed::usage("policy_invalid", message)
                .hint("correct the line above; `deploy schema rules` shows every key")
        })?;
        let facts = facts(&releases);
        let known = Known { rules, facts, wrong: None, read, looked: Instant::now() };
        Ok(Self { file, releases, known: Mutex::new(known) })
    }

    /// Asks what is known, after looking again if that is too long ago.
    fn with<T>(&self, ask: impl FnOnce(&Known) -> T) -> T {
        // Whoever panicked while holding it left what was known before.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.elapsed() >= KNOWN {
            known.looked = Instant::now();
            known.facts = facts(&self.releases);
            let now = version(&self.file);
            if now != known.read {
                known.read = now;
                match read_rules(&self.file) {
                    Ok(rules) => (known.rules, known.wrong) = (rules, None),
                    Err(message) => {
                        tracing::error!(%message, "the rules before count");
                        known.wrong = Some(message);
                    }
                }
            }
        }
        ask(&known)
    }
}

/// What tells one state of the file from another.
fn version(file: &Path) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}

fn read_rules(file: &Path) -> Result<Rules, String> {
    let name = file.display();
    let size = match std::fs::metadata(file) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Rules::default()),
        Err(error) => return Err(format!("{name} can't be read: {error}")),
    };
    if size > POLICY_BYTES {
        return Err(format!("{name} is larger than {POLICY_BYTES} bytes"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name} can't be read: {error}"))?;
    let rules: Rules = toml::from_str(&text)
        .map_err(|error| format!("{name} is not as it should be\n{}", error.to_string().trim_end()))?;
    rules.check().map_err(|wrong| format!("{name}: {wrong}"))?;
    Ok(rules)
}

fn facts(releases: &Path) -> Facts {
    // Before the first release the directory above is the one that fills up.
    let there = releases.ancestors().find(|directory| directory.exists());
    let space = there.and_then(|directory| rustix::fs::statvfs(directory).ok());
    Facts { free_bytes: space.map(|space| space.f_bavail.saturating_mul(space.f_frsize)) }
}

#[async_trait]
impl Admission for Policy {
    fn workspace(&self, resource: &ResourceKey) -> Name {
        self.with(|known| known.rules.workspace(resource))
    }

    fn allowance(&self, workspace: &Name) -> Allowance {
        self.with(|known| known.rules.allowance(workspace))
    }

    fn supersedes(&self, workspace: &Name) -> bool {
        self.with(|known| known.rules.supersedes(workspace))
    }

    async fn judge(&self, petition: &Petition<'_>) -> Verdict {
        self.with(|known| {
            let mut verdict = known.rules.judge(petition, known.facts);
            let wrong = known.wrong.as_ref();
            let reason = wrong.map(|message| Reason::new(ReasonCode::PolicyUnreadable, message.clone()));
            verdict.warnings.extend(reason);
            verdict
        })
    }
}
