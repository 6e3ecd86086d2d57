//! Running a child that must end: in a process group of its own, watched for time, size and a request to stop.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use deploy_core::reason::ReasonCode;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::fault::{Fault, Stop};

/// How often the watch looks.
const LOOK: Duration = Duration::from_millis(20);
/// How much of the end of what it says is kept.
const WORDS_BYTES: usize = 4 * 1024;

/// What may end it early.
pub(super) struct Watch<'a> {
    pub(super) stop: &'a Stop,
    /// A directory whose files together may not have more bytes than this.
    pub(super) growing: Option<(&'a Path, u64)>,
}

/// How it ended.
pub(super) struct Ran<T> {
    pub(super) success: bool,
    /// What the reader made of its output.
    pub(super) out: T,
    /// The end of what it said on the side, printable.
    pub(super) last_words: String,
}

/// Runs it to its end, whatever that is. What it left running ends with it.
pub(super) fn run<T>(
    mut command: Command,
    watch: &Watch<'_>,
    read: impl FnOnce(ChildStdout) -> T,
) -> Result<Ran<T>, Fault> {
    watch.stop.check()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| unstarted(&error))?;
    let group = Group::of(&child);
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(unstarted(&io::Error::other("it has no output")));
    };
    thread::scope(|scope| {
        let (over, is_over) = channel();
        let watching = scope.spawn(move || watch.until(&is_over, group));
        let words = scope.spawn(move || last_words(err));
        let out = read(out);
        let status = child.wait();
        group.end();
        // The watch may have ended already, with a reason.
        let _ = over.send(());
        let watched = watching.join().unwrap_or(Ok(()));
        let last_words = words.join().unwrap_or_default();
        watched?;
        let success = status.is_ok_and(|status| status.success());
        Ok(Ran { success, out, last_words })
    })
}

impl Watch<'_> {
    /// Looks until the child is over, or there is a reason to end it.
    fn until(&self, is_over: &Receiver<()>, group: Group) -> Result<(), Fault> {
        loop {
            match is_over.recv_timeout(LOOK) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(fault) = self.stop.check().and_then(|()| self.check_size()) {
                group.end();
                return Err(fault);
            }
        }
    }

    fn check_size(&self) -> Result<(), Fault> {
        let Some((directory, limit)) = self.growing else { return Ok(()) };
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum();
        if bytes <= limit {
            return Ok(());
        }
        let message = format!("the repository is too large: the commit alone has more than {limit} bytes");
        Err(Fault::new(ReasonCode::SourceTooLarge, message))
    }
}

/// The process group of a child: it, and everything it started.
#[derive(Clone, Copy)]
struct Group(Option<Pid>);

impl Group {
    fn of(leader: &Child) -> Self {
        Self(i32::try_from(leader.id()).ok().and_then(Pid::from_raw))
    }

    fn end(self) {
        if let Some(group) = self.0 {
            // A group that is gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads to the end and keeps the last lines, without progress.
fn last_words(mut from: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => kept.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        let surplus = kept.len().saturating_sub(WORDS_BYTES);
        kept.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&kept);
    let lines =
        text.split('\n').filter(|line| !line.contains('\r')).map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| line.chars().filter(|c| !c.is_control()).collect()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

fn unstarted(error: &io::Error) -> Fault {
    Fault::new(ReasonCode::GitMissing, format!("git can't be started: {error}"))
}
