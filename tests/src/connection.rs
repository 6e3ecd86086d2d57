//! HTTP/1.1 over a plain socket: nothing between the test and the bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::websocket;

/// How long the edge may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// What a slow reader takes at once.
const SIP_BYTES: usize = 256 * 1024;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The digest in `deploy-release`; empty if there is none.
    pub release: String,
    /// Its whole body.
    pub body: Vec<u8>,
}

/// What comes before a body.
struct Head {
    status: u16,
    release: String,
    length: Option<usize>,
}

/// A connection to an edge.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(address: SocketAddr, host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host: host.to_owned() })
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub fn once(address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
        let mut connection = Self::open(address, host)?;
        connection.request(path, "close")?;
        connection.answer(Duration::ZERO)
    }

    /// One request; the connection stays.
    ///
    /// # Errors
    /// Any reset, early end, silence or answer that is not HTTP.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.request(path, "keep-alive")?;
        self.answer(Duration::ZERO)
    }

    /// One request whose body is taken in sips, with a pause between two.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub fn get_slowly(&mut self, path: &str, pause: Duration) -> io::Result<Answer> {
        self.request(path, "close")?;
        self.answer(pause)
    }

    /// Holds a conversation over a WebSocket: so many questions, with a pause before each. The body is the
    /// answer, which must be the same every time.
    ///
    /// # Errors
    /// As [`Connection::get`], and any end of the conversation that is not ours.
    pub fn converse(&mut self, path: &str, questions: u32, pause: Duration) -> io::Result<Answer> {
        let upgrade = format!(
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {}",
            websocket::KEY
        );
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{upgrade}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes())?;
        let Head { status, release, .. } = self.head()?;
        if status != 101 {
            return Err(invalid("no conversation"));
        }
        let mut body = Vec::new();
        for _ in 0..questions {
            std::thread::sleep(pause);
            websocket::say(self.stream.get_mut(), "who are you?")?;
            let heard = websocket::hear(&mut self.stream)?;
            if !body.is_empty() && body != heard {
                return Err(invalid("another answer in the same conversation"));
            }
            body = heard;
        }
        websocket::close(self.stream.get_mut())?;
        Ok(Answer { status: 200, release, body })
    }

    fn request(&mut self, path: &str, connection: &str) -> io::Result<()> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: {connection}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes())
    }

    fn answer(&mut self, pause: Duration) -> io::Result<Answer> {
        let Head { status, release, length } = self.head()?;
        let body = self.body(length.ok_or_else(|| invalid("no length"))?, pause)?;
        Ok(Answer { status, release, body })
    }

    fn head(&mut self) -> io::Result<Head> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid("no status line"))?;
        let (mut length, mut release) = (None, String::new());
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse::<usize>().ok(),
                "deploy-release" => value.trim().clone_into(&mut release),
                _ => {}
            }
        }
        Ok(Head { status, release, length })
    }

    fn body(&mut self, length: usize, pause: Duration) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        for sip in body.chunks_mut(SIP_BYTES) {
            self.stream.read_exact(sip)?;
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
