//! The program `git`, hardened: what it is given to know, and what it is asked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};
use std::sync::OnceLock;

use deploy_core::reason::ReasonCode;
use deploy_core::source::{CommitId, GitUrl, Transport};

use super::Wanted;
use super::credential::Header;
use super::policy::{PROXIES, Way};
use super::run::{Ran, Watch, run};
use crate::fault::{Fault, Stop};

/// The oldest git that knows every setting used here.
const OLDEST: (u32, u32) = (2, 38);
/// How much of an answer that should be one line is read.
const LINE_BYTES: u64 = 16 * 1024;
/// What git inherits beside its path: where proxies, the agent and the certificates are. Nothing else of ours.
const INHERITED: [&str; 4] = ["PATH", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Settings that hold for every call. The user's and the system's configuration are not read at all; these are for what
/// a repository itself could say.
const SETTINGS: [&str; 12] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "transfer.bundleURI=false",
];

/// A way to call git.
pub(super) struct Program {
    repository: Vec<OsString>,
    settings: Vec<String>,
    environment: Vec<(String, OsString)>,
    url: Option<String>,
}

impl Program {
    /// Outside of any repository.
    pub(super) fn anywhere() -> Self {
        let protocols = ["protocol.allow=never".to_owned()];
        let settings = SETTINGS.iter().map(|setting| (*setting).to_owned()).chain(protocols).collect();
        Self { repository: Vec::new(), settings, environment: Vec::new(), url: None }
    }

    /// In a bare repository of ours.
    pub(super) fn in_bare(bare: &Path) -> Self {
        let mut place = OsString::from("--git-dir=");
        place.push(bare);
        Self { repository: vec![place], ..Self::anywhere() }
    }

    /// At the top of somebody's repository. What belongs to another user git refuses itself.
    pub(super) fn in_repository(top: &Path) -> Self {
        let ceiling = top.parent().unwrap_or(top).as_os_str().to_owned();
        Self {
            repository: vec!["-C".into(), top.into()],
            environment: vec![("GIT_CEILING_DIRECTORIES".to_owned(), ceiling)],
            ..Self::anywhere()
        }
    }

    /// In a bare repository of ours, to fetch from there.
    pub(super) fn for_fetching(bare: &Path, url: &GitUrl, way: &Way, token: Option<&Header>) -> Self {
        let mut program = Self::in_bare(bare);
        let transport = url.transport();
        program.url = Some(url.to_string());
        program.settings.push(format!("protocol.{}.allow=always", transport.name()));
        program.environment.push(("GIT_ALLOW_PROTOCOL".to_owned(), transport.name().into()));
        for name in PROXIES {
            program.environment.extend(std::env::var_os(name).map(|value| (name.to_owned(), value)));
        }
        match (transport, way) {
            (Transport::Https | Transport::Http, Way::At(addresses)) => {
                let shown = addresses.iter().map(|address| {
                    if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
                });
                let shown: Vec<String> = shown.collect();
                let (host, port) = (url.host(), url.port().unwrap_or_default());
                program.settings.push(format!("http.curloptResolve={host}:{port}:{}", shown.join(",")));
            }
            (Transport::Ssh, Way::At(addresses)) => {
                program.environment.push(("GIT_SSH_COMMAND".to_owned(), ssh(url, addresses).into()));
                program.environment.push(("GIT_SSH_VARIANT".to_owned(), "ssh".into()));
            }
            (Transport::Https | Transport::Http | Transport::Ssh | Transport::Git | Transport::Local, _) => {}
        }
        if let Some(token) = token {
            // In the environment of git alone: arguments can be read by every process.
            let configured = [("COUNT", "1"), ("KEY_0", "http.extraHeader"), ("VALUE_0", token.value())];
            program
                .environment
                .extend(configured.map(|(name, value)| (format!("GIT_CONFIG_{name}"), value.into())));
        }
        program
    }

    /// The one place that starts a program.
    #[expect(clippy::disallowed_methods, reason = "the named place of this crate")]
    fn command(&self, home: &Path) -> Command {
        let mut git = Command::new("git");
        git.env_clear().envs(INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        git.env("LC_ALL", "C").env("HOME", home).current_dir("/");
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1");
        git.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_PROTOCOL_FROM_USER", "0");
        git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "").env("SSH_ASKPASS", "");
        git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_OPTIONAL_LOCKS", "0");
        git.envs(self.environment.iter().map(|(name, value)| (name, value)));
        git.arg("--no-pager").args(&self.repository);
        git.args(self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]));
        git
    }

    /// Something that either works or breaks the whole.
    pub(super) fn done(&self, arguments: &[&str], place: &Path, stop: &Stop) -> Result<(), Fault> {
        let mut command = self.command(Path::new("/nonexistent"));
        command.args(arguments).arg(place);
        let ran = run(command, &Watch { stop, growing: None }, |_| ())?;
        if ran.success { Ok(()) } else { Err(unexpected(&ran)) }
    }

    /// The one line it answers with; none if it does not answer.
    pub(super) fn line(&self, arguments: &[&str], stop: &Stop) -> Result<Option<String>, Fault> {
        let mut command = self.command(Path::new("/nonexistent"));
        command.args(arguments);
        let ran = run(command, &Watch { stop, growing: None }, read_line)?;
        Ok(ran.out.filter(|_| ran.success))
    }

    /// The commit that a name stands for, tags peeled.
    pub(super) fn commit(&self, name: &str, wanted: &Wanted, stop: &Stop) -> Result<CommitId, Fault> {
        let name = format!("{name}^{{commit}}");
        let line = self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name], stop)?;
        line.and_then(|line| line.parse().ok())
            .ok_or_else(|| not_found(wanted.url.as_str(), &super::name_of(wanted)))
    }

    /// Hands what it writes to `read`.
    pub(super) fn stream<T>(
        &self,
        arguments: &[&str],
        stop: &Stop,
        read: impl FnOnce(ChildStdout) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut command = self.command(Path::new("/nonexistent"));
        command.args(arguments);
        let ran: Ran<Result<T, Fault>> = run(command, &Watch { stop, growing: None }, read)?;
        match (ran.success, ran.out) {
            (true, out) => out,
            // What was written is cut off; why is in what git says, unless we stopped reading.
            (false, Err(Fault::Reason(reason))) if ran.last_words.is_empty() => Err(Fault::Reason(reason)),
            (false, Err(Fault::Reason(reason))) if reason.code != ReasonCode::SourceUnavailable => {
                Err(Fault::Reason(reason))
            }
            (false, Err(Fault::Cancelled)) => Err(Fault::Cancelled),
            (false, _) => Err(Fault::new(
                ReasonCode::SourceUnavailable,
                format!("the commit can't be read: {}", ran.last_words),
            )),
        }
    }

    /// Fetches one name into one ref.
    pub(super) fn fetch(&self, name: &str, into: &str, watch: &Watch<'_>) -> Result<(), FetchFailed> {
        let url = self.url.as_deref().unwrap_or_default();
        let home: PathBuf = "/nonexistent".into();
        let mut command = self.command(&home);
        // Progress goes to us: if we are gone, git ends on it.
        command.args(["fetch", "--progress", "--depth=1", "--no-tags", "--no-write-fetch-head"]);
        command.args(["--no-recurse-submodules", "--no-auto-maintenance", "--"]);
        command.arg(url).arg(format!("{name}:{into}"));
        let ran = run(command, watch, |_| ());
        let ran = ran.map_err(|fault| FetchFailed { fault, not_found: false, other_hash: false })?;
        if ran.success { Ok(()) } else { Err(FetchFailed::of(url, name, &ran.last_words)) }
    }
}

/// Why a fetch failed.
pub(super) struct FetchFailed {
    pub(super) fault: Fault,
    /// The other side does not give out what was asked for.
    pub(super) not_found: bool,
    /// The other side's commits have ids of another kind.
    pub(super) other_hash: bool,
}

impl FetchFailed {
    fn of(url: &str, name: &str, words: &str) -> Self {
        let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
        let not_found = says(&[
            "couldn't find remote ref",
            "no such remote ref",
            "not our ref",
            "unadvertised object",
            "remote did not send all necessary objects",
        ]);
        let other_hash = says(&["mismatched algorithms"]);
        let refused =
            says(&["could not read Username", "Authentication failed", "Permission denied", "not found"]);
        let fault = if not_found {
            not_found_fault(url, name)
        } else if refused {
            let message = format!("{url} is not there, or not without a credential that lets us in");
            reason(message, words)
        } else {
            reason(format!("{url} can't be fetched"), words)
        };
        Self { fault, not_found, other_hash }
    }
}

fn not_found_fault(url: &str, name: &str) -> Fault {
    not_found(url, name)
}

fn reason(message: String, words: &str) -> Fault {
    let reason = deploy_core::reason::Reason::new(ReasonCode::SourceUnavailable, message);
    Fault::Reason(Box::new(reason.because("git", words)))
}

fn not_found(url: &str, name: &str) -> Fault {
    let message = format!("{url} has no branch, tag or commit {name:?}");
    Fault::new(ReasonCode::GitRefNotFound, message)
}

fn unexpected<T>(ran: &Ran<T>) -> Fault {
    Fault::new(ReasonCode::SourceUnavailable, format!("git did not do as it should: {}", ran.last_words))
}

fn read_line(mut from: ChildStdout) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    (&mut from).take(LINE_BYTES).read_to_string(&mut text).ok()?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    (!line.is_empty() && !line.contains('\n')).then(|| line.to_owned())
}

/// The user's own keys and known hosts, and nothing else of their configuration: no other program, no forwarding, no
/// question, and no host that is not known. The line is a constant but for addresses and the name the host is known by,
/// neither of which holds a character that means something to a shell.
fn ssh(url: &GitUrl, addresses: &[std::net::IpAddr]) -> String {
    let mut line = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o ForwardAgent=no \
                    -o ClearAllForwardings=yes -o PermitLocalCommand=no -o ProxyCommand=none -o ConnectTimeout=30"
        .to_owned();
    if let Some(address) = addresses.first() {
        let known_as = match url.port() {
            None | Some(22) => url.host().to_owned(),
            Some(port) => format!("'[{}]:{port}'", url.host()),
        };
        line.push_str(&format!(" -o HostName={address} -o HostKeyAlias={known_as}"));
    }
    line
}

/// Whether there is a git that can be used; asked once.
pub(super) fn check_version(stop: &Stop) -> Result<(), Fault> {
    static GOOD: OnceLock<()> = OnceLock::new();
    if GOOD.get().is_some() {
        return Ok(());
    }
    let line = Program::anywhere().line(&["version"], stop)?.unwrap_or_default();
    match version(&line) {
        Some(found) if found >= OLDEST => {
            let _ = GOOD.set(());
            Ok(())
        }
        Some(_) | None => {
            Err(Fault::new(ReasonCode::GitMissing, format!("git is too old, or not git: {line:?}")))
        }
    }
}

/// `git version 2.47.3`
fn version(line: &str) -> Option<(u32, u32)> {
    let mut parts = line.strip_prefix("git version ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f06_an_old_git_is_told_from_a_good_one() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("tig version 2.5"), None);
        assert!((2, 37) < OLDEST && (3, 0) > OLDEST);
    }

    #[test]
    fn threat_f02_ssh_is_told_nothing_that_a_shell_could_misread() {
        let addresses = ["192.0.2.1".parse().unwrap()];
        for (url, known_as) in [("git@host:x", "host"), ("ssh://git@host:2222/x", "'[host]:2222'")] {
            let line = ssh(&url.parse().unwrap(), &addresses);
            assert!(line.ends_with(&format!(" -o HostName=192.0.2.1 -o HostKeyAlias={known_as}")), "{line}");
        }
    }

    #[test]
    fn threat_f11_a_token_is_in_no_argument() {
        let url: GitUrl = "https://h/x".parse().unwrap();
        let bare = Path::new("/tmp/x");
        let program = Program::for_fetching(bare, &url, &Way::At(vec!["192.0.2.1".parse().unwrap()]), None);
        let command = program.command(bare);
        let arguments: Vec<_> =
            command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        assert!(arguments.contains(&"http.curloptResolve=h:443:192.0.2.1".to_owned()), "{arguments:?}");
        assert!(arguments.contains(&"protocol.allow=never".to_owned()));
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        assert!(names.contains(&"GIT_CONFIG_NOSYSTEM".to_owned()), "{names:?}");
    }
}
