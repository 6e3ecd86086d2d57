//! Chromium as a process: found, started for one look, and gone after it.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// What Chromium is called.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
/// Chromium's pipe is its descriptors 3 and 4, which only a program of its own can move there. The words are handed on as
/// they are: nothing is ever spliced into this.
const MOVED: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
/// What it inherits; everything else is none of a page's business.
const INHERITED: [&str; 3] = ["PATH", "LANG", "LC_ALL"];
/// The variable that marks every process of one look, by its profile.
const MARK: &str = "DEPLOY_BROWSER";
/// How long its processes may take to be gone.
const GONE: Duration = Duration::from_secs(5);
/// How much of what it said is kept.
const SAID_BYTES: u64 = 4 * 1024;

/// Where it always does the same, whatever is new in it: nothing in the background, nothing on the screen, nothing asked,
/// nothing kept. Names are resolved by nobody but the proxy; nothing goes around it.
const ARGUMENTS: [&str; 26] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--no-service-autorun",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disk-cache-size=1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--js-flags=--max-old-space-size=512",
    "--mute-audio",
    "--password-store=basic",
    "--proxy-bypass-list=<-loopback>",
    "--use-mock-keychain",
];

/// The program: the one that is named, else the first of the usual names on `PATH`.
pub(crate) fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return is_program(named).then(|| named.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A running Chromium. However it is let go, it ends.
pub(crate) struct Chromium {
    child: Child,
    group: Option<Pid>,
    profile: PathBuf,
}

impl Chromium {
    /// Starts one with an empty profile in `profile`, and gives the end of its pipe that is ours.
    pub(crate) fn start(program: &Path, profile: &Path, proxy: SocketAddr) -> io::Result<(Self, UnixStream)> {
        make_empty(profile)?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let child = command(program, profile, proxy, theirs)?.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok((Self { child, group, profile: profile.to_owned() }, ours))
    }

    /// Ends it with everything that it started, removes its profile, and gives the last that it said.
    pub(crate) async fn end(mut self) -> String {
        self.kill();
        let _ = tokio::time::timeout(GONE, self.child.wait()).await;
        let mark = mark(&self.profile);
        let gone = async {
            while end_marked(&mark) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(GONE, gone).await;
        let said = tail(&self.profile.join(SAID));
        if let Err(error) = remove(&self.profile) {
            tracing::warn!(%error, profile = %self.profile.display(), "the browser's profile is not removed");
        }
        said
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // A group that is gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.kill();
        end_marked(&mark(&self.profile));
        // Whoever removes the workspace finds what is left.
        let _ = remove(&self.profile);
    }
}

/// The file in the profile that holds what it says.
const SAID: &str = "said";

/// The one place that starts a program: Chromium, with these words and nothing of a user's among them.
#[expect(clippy::disallowed_methods, reason = "the named place of this crate")]
fn command(
    program: &Path,
    profile: &Path,
    proxy: SocketAddr,
    pipe: std::os::unix::net::UnixStream,
) -> io::Result<Command> {
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", MOVED, "sh"]).arg(program).args(ARGUMENTS);
    command.arg(format!("--proxy-server=http://{proxy}"));
    command.arg(flag("--user-data-dir=", profile));
    // As root, Chromium has no sandbox and refuses to start unless it is told that this is known.
    if geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    command.arg("about:blank").current_dir(profile).env_clear();
    command.envs(INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    // Relative, because the path of a socket in it may not be long.
    command.env("HOME", profile).env("TMPDIR", ".").env(MARK, profile);
    let said = std::fs::File::create(profile.join(SAID))?;
    let back = OwnedFd::from(pipe.try_clone()?);
    command.stdin(OwnedFd::from(pipe)).stdout(back).stderr(said);
    let mut command = Command::from(command);
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

fn flag(name: &str, value: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(value);
    flag
}

fn mark(profile: &Path) -> Vec<u8> {
    [MARK.as_bytes(), b"=", profile.as_os_str().as_encoded_bytes()].concat()
}

/// Ends every process of this look that left the group, and says how many there were.
fn end_marked(mark: &[u8]) -> usize {
    let own = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let marked = entries.filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        (pid != own && environment.split(|&byte| byte == 0).any(|variable| variable == mark)).then_some(pid)
    });
    let pids = marked.filter_map(|pid| i32::try_from(pid).ok().and_then(Pid::from_raw));
    pids.filter(|pid| kill_process(*pid, Signal::KILL).is_ok()).count()
}

/// Makes it anew, and fails where somebody else makes one of that name.
fn make_empty(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    remove(directory)?;
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(directory)
}

fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn tail(file: &Path) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut text = Vec::new();
    if let Ok(mut file) = std::fs::File::open(file) {
        let length = file.metadata().map_or(0, |found| found.len());
        let from = SeekFrom::Start(length.saturating_sub(SAID_BYTES));
        if file.seek(from).is_ok() {
            let _ = file.take(SAID_BYTES).read_to_end(&mut text);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
