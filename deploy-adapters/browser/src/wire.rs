//! Messages of the DevTools protocol over a pipe: JSON, each ended by a zero byte.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// The longest message that is read. A picture of the page fits; what a page writes to its console may be longer.
const LONGEST: usize = 16 * 1024 * 1024;

/// What came.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Message(Value),
    /// Something longer than what is read.
    TooLong,
}

/// Both directions.
pub(crate) struct Wire {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no end.
    searched: usize,
    /// Whether the message that is on its way is too long.
    dropping: bool,
    last: u64,
}

impl Wire {
    pub(crate) fn new(stream: UnixStream) -> Self {
        let (from, to) = stream.into_split();
        Self { from, to, buffer: Vec::new(), searched: 0, dropping: false, last: 0 }
    }

    /// Sends a command, and says by which number its answer will be known.
    pub(crate) async fn tell(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> io::Result<u64> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await?;
        Ok(self.last)
    }

    /// The next message. May be given up and called again.
    ///
    /// # Errors
    /// The other end is gone, or speaks something else.
    pub(crate) async fn hear(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|&byte| byte == 0) {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let message = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                if std::mem::take(&mut self.dropping) || message.len() > LONGEST {
                    return Ok(Heard::TooLong);
                }
                return Ok(Heard::Message(serde_json::from_slice(&message[..message.len() - 1])?));
            }
            self.searched = self.buffer.len();
            if self.dropping || self.searched > LONGEST {
                self.dropping = true;
                self.buffer.clear();
                self.searched = 0;
            }
            self.buffer.reserve(64 * 1024);
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_whole_and_a_monstrous_one_is_only_counted() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(ours);
        let writing = tokio::spawn(async move {
            theirs.write_all(b"{\"a\":").await.unwrap();
            theirs.write_all(b"1}\0[2]\0").await.unwrap();
            for _ in 0..=LONGEST / 1024 {
                theirs.write_all(&[b'x'; 1024]).await.unwrap();
            }
            theirs.write_all(b"x\0{\"b\":3}\0not json\0").await.unwrap();
        });
        assert_eq!(wire.hear().await.unwrap(), Heard::Message(json!({ "a": 1 })));
        assert_eq!(wire.hear().await.unwrap(), Heard::Message(json!([2])));
        assert_eq!(wire.hear().await.unwrap(), Heard::TooLong);
        assert_eq!(wire.hear().await.unwrap(), Heard::Message(json!({ "b": 3 })));
        assert!(wire.buffer.capacity() < 2 * LONGEST);
        assert!(wire.hear().await.is_err());
        assert_eq!(wire.hear().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        writing.await.unwrap();
    }
}
