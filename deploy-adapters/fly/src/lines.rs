//! Output as log lines: bounded in length, without secrets, with the last ones remembered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use deploy_core::failure::HEARD_LINES;
use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LINE_BYTES, LogLevel, LogLine, LogSource, cut_line};
use deploy_core::port::{Clock, LogSink};
use deploy_core::redact::Redactor;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What of a longer line is looked at for secrets beyond what is shown of it.
const MARGIN: usize = 4 * 1024;

/// Writes the lines of one step, and remembers the last ones that were not our own.
#[derive(Clone)]
pub(crate) struct StepLog {
    deployment: DeploymentId,
    step: StepId,
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    pub(crate) hidden: Redactor,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl StepLog {
    pub(crate) fn new(
        (deployment, step): (DeploymentId, StepId),
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        hidden: Redactor,
    ) -> Self {
        Self { deployment, step, sink, clock, hidden, tail: Arc::default() }
    }

    /// One line.
    pub(crate) fn line(&self, source: LogSource, level: LogLevel, message: &str) {
        let message = cut_line(&self.hidden.clean(message));
        if source != LogSource::System {
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.push_back(message.clone());
            if tail.len() > HEARD_LINES {
                tail.pop_front();
            }
        }
        self.sink.line(LogLine {
            sequence: Seq(0),
            deployment: self.deployment,
            at: self.clock.now(),
            source,
            level,
            step: Some(self.step.clone()),
            message,
        });
    }

    /// One line of our own.
    pub(crate) fn system(&self, level: LogLevel, message: &str) {
        self.line(LogSource::System, level, message);
    }

    /// The last lines of output.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Reads to the end and gives every line, without its colours.
pub(crate) async fn read_lines(
    mut from: impl AsyncRead + Unpin,
    hidden: &Redactor,
    mut line: impl FnMut(&str),
) {
    let mut buffer = vec![0; 32 * 1024];
    let mut lines = Lines::default();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        lines.take(&buffer[..read], hidden, &mut line);
    }
    lines.finish(hidden, &mut line);
}

/// Cuts a stream of bytes into lines, wherever its chunks end.
#[derive(Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    left_out: usize,
}

impl Lines {
    pub(crate) fn take(&mut self, bytes: &[u8], hidden: &Redactor, line: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = (LINE_BYTES + MARGIN).saturating_sub(self.kept.len()).min(text.len());
            self.kept.extend_from_slice(&text[..room]);
            self.left_out += text.len() - room;
            if piece.ends_with(b"\n") {
                self.end(hidden, line);
            }
        }
    }

    pub(crate) fn finish(&mut self, hidden: &Redactor, line: &mut impl FnMut(&str)) {
        if !self.kept.is_empty() || self.left_out > 0 {
            self.end(hidden, line);
        }
    }

    fn end(&mut self, hidden: &Redactor, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.kept);
        let text = plain(text.trim_end_matches('\r'));
        if self.left_out > 0 {
            line(&hidden.clean_head(&text));
        } else {
            line(&text);
        }
        self.kept.clear();
        self.left_out = 0;
    }
}

/// A text without escape sequences and control characters, and of what was written over itself only the end.
fn plain(text: &str) -> String {
    let text = text.rsplit('\r').next().unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // A sequence ends with its first letter.
                while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
        } else if c == '\t' || !c.is_control() {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], hidden: &Redactor) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        let mut push = |line: &str| out.push(cut_line(&hidden.clean(line)));
        for chunk in chunks {
            lines.take(chunk, hidden, &mut push);
        }
        lines.finish(hidden, &mut push);
        out
    }

    #[test]
    fn what_a_terminal_would_do_is_left_out() {
        let out = lines(&[b"\x1b[1;32m==>\x1b[0m ok\r\n10%\r20%\r\ndone"], &Redactor::default());
        assert_eq!(out, ["==> ok", "20%", "done"]);
    }

    #[test]
    fn inv_36_a_secret_where_a_line_is_cut_is_hidden() {
        let secret = "correct-horse-battery-staple";
        let hidden = Redactor::new(&BTreeMap::from([("KEY".to_owned(), secret.to_owned())]));
        for before in [LINE_BYTES - 9, LINE_BYTES + MARGIN - 9, LINE_BYTES - 1] {
            let text = format!("{}{secret}{}\n", "x".repeat(before), "y".repeat(LINE_BYTES));
            let out = lines(&[text.as_bytes()], &hidden);
            assert!(out.iter().all(|line| !line.contains("corre")), "{before}");
        }
    }

    proptest! {
        #[test]
        fn inv_36_no_chunk_border_lets_a_token_through(
            payload in "[A-Za-z0-9+/]{20,60}", cuts in proptest::collection::vec(0_usize..120, 0..6),
        ) {
            let text = format!("before fm2_{payload} after\nFLY_API_TOKEN={payload} end\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|two| &text.as_bytes()[two[0]..two[1]]).collect();
            let out = lines(&chunks, &Redactor::default());
            prop_assert_eq!(out, ["before [token] after", "FLY_API_TOKEN=[token] end"]);
        }
    }
}
