//! A stream of bytes as lines that may be shown: bounded in length, without what a terminal would do, without secrets.
//!
//! One line is cut out of the stream wherever its chunks end, and cleaned before anything of it is left out: of a
//! longer line more is kept than is shown, so that a secret where the line is cut is still seen as one.

use crate::log::LINE_BYTES;
use crate::redact::{CleanLine, Redactor};

/// What of a longer line is looked at for secrets beyond what is shown of it.
const MARGIN: usize = 4 * 1024;

/// Cuts a stream of bytes into clean lines, each of at most [`LINE_BYTES`]. A longer one says how many of its bytes are
/// left out. The same bytes give the same lines, however they are chunked.
#[derive(Debug, Default)]
pub struct Lines {
    plain: Plain,
    hidden: Redactor,
}

impl Lines {
    /// Lines without these secrets.
    #[must_use]
    pub fn new(hidden: Redactor) -> Self {
        Self { plain: Plain::default(), hidden }
    }

    /// Takes bytes, and gives every line that they end.
    pub fn take(&mut self, bytes: &[u8], mut line: impl FnMut(CleanLine)) {
        let hidden = &self.hidden;
        self.plain.take(bytes, &mut |kept, beyond| line(hidden.clean_kept(kept, beyond)));
    }

    /// Gives what is left without a line end.
    pub fn finish(&mut self, mut line: impl FnMut(CleanLine)) {
        let hidden = &self.hidden;
        self.plain.finish(&mut |kept, beyond| line(hidden.clean_kept(kept, beyond)));
    }
}

/// The lines of a text as they are printed.
pub(crate) fn printed(text: &str) -> Vec<String> {
    let (mut plain, mut lines) = (Plain::default(), Vec::new());
    let mut keep = |kept: &[u8], _| lines.push(String::from_utf8_lossy(kept).into_owned());
    plain.take(text.as_bytes(), &mut keep);
    plain.finish(&mut keep);
    lines
}

/// The line that is being read, without escape sequences and control characters, and of what was written over itself
/// only the end.
#[derive(Debug, Default)]
struct Plain {
    kept: Vec<u8>,
    /// How many bytes of the line came after what is kept.
    beyond: usize,
    at: At,
}

/// Where in the stream the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    /// Behind a carriage return: what comes next is written over the line, unless it ends there.
    Returned,
    /// In an escape sequence, before its last byte.
    Escape,
    /// In one that began with `ESC [`.
    Control,
    /// In one that began with `ESC ]` and holds text, such as a window's title.
    Title,
    /// Behind the first byte of a character that may be a control character of two bytes.
    Lead,
}

const ESC: u8 = 0x1b;
const BELL: u8 = 0x07;
const LEAD: u8 = 0xc2;

impl Plain {
    /// Gives each line that the bytes end: what is kept of it, and how many bytes more there were.
    fn take(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8], usize)) {
        loop {
            if self.at == At::Text {
                let run = bytes.iter().position(|&byte| is_special(byte)).unwrap_or(bytes.len());
                self.keep(&bytes[..run]);
                bytes = &bytes[run..];
            }
            let Some((&byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if byte == b'\n' {
                self.end(line);
            } else {
                self.at = self.after(byte);
            }
        }
    }

    fn finish(&mut self, line: &mut impl FnMut(&[u8], usize)) {
        if !self.kept.is_empty() || self.beyond > 0 || self.at == At::Lead {
            self.end(line);
        }
    }

    fn end(&mut self, line: &mut impl FnMut(&[u8], usize)) {
        if self.at == At::Lead {
            self.keep(&[LEAD]);
        }
        line(&self.kept, self.beyond);
        self.at = At::Text;
        self.clear();
    }

    fn after(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Text, _) => self.text(byte),
            (At::Returned, b'\r') => At::Returned,
            (At::Returned, _) => {
                self.clear();
                self.text(byte)
            }
            (At::Escape, b'[') => At::Control,
            (At::Escape, b']') => At::Title,
            (At::Escape, 0x20..=0x2f) => At::Escape,
            (At::Control, 0x20..=0x3f) => At::Control,
            (At::Escape, 0x30..=0x7e) | (At::Control, 0x40..=0x7e) | (At::Title, BELL) => At::Text,
            (At::Escape | At::Control, _) => self.text(byte),
            (At::Title, ESC) => At::Escape,
            (At::Title, _) => At::Title,
            (At::Lead, 0x80..=0x9f) => At::Text,
            (At::Lead, _) => {
                self.keep(&[LEAD]);
                self.text(byte)
            }
        }
    }

    fn text(&mut self, byte: u8) -> At {
        match byte {
            ESC => At::Escape,
            b'\r' => At::Returned,
            LEAD => At::Lead,
            _ => {
                if !is_special(byte) {
                    self.keep(&[byte]);
                }
                At::Text
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (LINE_BYTES + MARGIN).saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.beyond += bytes.len() - room;
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.beyond = 0;
    }
}

/// Whether a byte is a control character other than a tab, or may begin one.
const fn is_special(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f || byte == LEAD
}

#[cfg(test)]
mod tests;
