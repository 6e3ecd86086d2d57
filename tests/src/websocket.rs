//! Enough of WebSockets (RFC 6455) to hold a conversation and notice when it is cut.

use std::io::{self, Read, Write};

/// Any key: what it is for, a test does not need.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const FINAL_TEXT: u8 = 0x81;
const FINAL_CLOSE: u8 = 0x88;
/// What a client sends is masked; a mask of zeros changes nothing.
const MASKED: u8 = 0x80;

/// Says one short text.
pub(crate) fn say(stream: &mut impl Write, text: &str) -> io::Result<()> {
    send(stream, FINAL_TEXT, text.as_bytes())
}

/// Says that this is the end.
pub(crate) fn close(stream: &mut impl Write) -> io::Result<()> {
    send(stream, FINAL_CLOSE, &[])
}

fn send(stream: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126);
    let length = length.ok_or_else(|| io::Error::other("a test says little"))?;
    let mut frame = vec![kind, MASKED | length, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    stream.write_all(&frame)
}

/// Hears one short text.
pub(crate) fn hear(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    if head[0] != FINAL_TEXT || head[1] >= 126 {
        return Err(io::Error::other(format!("the conversation was ended: {head:02x?}")));
    }
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}
