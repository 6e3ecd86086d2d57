//! A started edge in a temporary directory, and a plain HTTP client that shows every byte.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deploy_edge::{
    Config, Digest, Edge, EdgeClient, IpNet, Limits, Listen, PublishRequest, Published, RouteChange,
    RunningEdge, ServeError, publish,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::upstream::App;

pub(crate) const HOST: &str = "web.example";
pub(crate) const TARGET: &str = "web@production";

/// State that outlives the edges started on it.
pub(crate) struct Lab {
    pub(crate) dir: TempDir,
    pub(crate) limits: Limits,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("temporary directory"),
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
        }
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.dir.path().join("releases")
    }

    pub(crate) fn edge_dir(&self) -> PathBuf {
        self.dir.path().join("edge")
    }

    pub(crate) fn release_file(&self, digest: &Digest, path: &str) -> PathBuf {
        self.releases().join(digest.dir_name()).join("files").join(path)
    }

    pub(crate) fn client(&self) -> EdgeClient {
        EdgeClient::new(deploy_edge::control_socket(&self.edge_dir()))
    }

    /// Waits until so many requests of an application are in flight.
    pub(crate) async fn until_drained_to(&self, app: &App, in_flight: u64) {
        let client = self.client();
        let reached = async {
            while client.drain_status(&app.digest(), None, Duration::ZERO).await.expect("status").in_flight
                != in_flight
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("reached in the end");
    }

    /// Publishes these files.
    pub(crate) fn release(&self, files: &[(&str, &[u8])]) -> Digest {
        let source = tempfile::tempdir().expect("temporary directory");
        write_files(source.path(), files);
        self.publish(source.path()).digest
    }

    pub(crate) fn publish(&self, source: &Path) -> Published {
        publish(&PublishRequest::new(source, &self.releases(), "test")).expect("publish")
    }

    pub(crate) fn config(&self, listen: Listen) -> Config {
        Config {
            dir: self.edge_dir(),
            releases: self.releases(),
            listen,
            trusted_proxies: self.trusted_proxies.clone(),
            limits: self.limits.clone(),
        }
    }

    pub(crate) async fn start(&self) -> RunningEdge {
        self.try_start().await.expect("start the edge")
    }

    pub(crate) async fn try_start(&self) -> Result<RunningEdge, ServeError> {
        Edge::start(self.config(Listen::Preferred(any_port()))).await
    }

    /// Starts an edge that serves one release of these files under [`HOST`].
    pub(crate) async fn serve(&self, files: &[(&str, &[u8])]) -> (RunningEdge, Digest) {
        let digest = self.release(files);
        let edge = self.start().await;
        self.client().switch(&to(1, digest)).await.expect("switch");
        (edge, digest)
    }
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A port nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(any_port()).expect("bind");
    listener.local_addr().expect("address").port()
}

pub(crate) fn write_files(dir: &Path, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("create directory");
        fs::write(path, content).expect("write file");
    }
}

/// A change of [`HOST`] by [`TARGET`].
pub(crate) fn to(epoch: u64, digest: Digest) -> RouteChange {
    RouteChange {
        host: HOST.into(),
        target: TARGET.into(),
        epoch,
        to: Some(digest),
        fallback: None,
        port: None,
        upstream: None,
        drain_ms: None,
        expect: None,
    }
}

#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Without the body, which may be large.
impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} and {} bytes", self.status, self.headers, self.body.len())
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection.
pub(crate) struct Http {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server may refuse before it has read everything.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Requests `path` of [`HOST`] and keeps the connection.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Reply> {
        self.request("GET", path, headers).await
    }

    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> std::io::Result<Reply> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {HOST}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        self.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.reply(method != "HEAD").await
    }

    /// Reads one response; an error if it is incomplete.
    pub(crate) async fn reply(&mut self, has_body: bool) -> std::io::Result<Reply> {
        let mut reply = self.head().await?;
        let bodiless = !has_body || matches!(reply.status, 204 | 304);
        let length = if bodiless { 0 } else { reply.header("content-length").parse().expect("a length") };
        while self.buffer.len() < length {
            self.more().await?;
        }
        reply.body = self.buffer.drain(..length).collect();
        Ok(reply)
    }

    /// Reads a response up to its body.
    pub(crate) async fn head(&mut self) -> std::io::Result<Reply> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.get(9..12))
            .and_then(|s| s.parse().ok())
            .expect("a status line");
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned()));
        Ok(Reply { status, headers: headers.collect(), body: Vec::new() })
    }

    /// Reads one chunk of a chunked body; the last one is empty, and its trailers are left unread.
    pub(crate) async fn chunk(&mut self) -> std::io::Result<Vec<u8>> {
        let line = self.line().await?;
        let size = usize::from_str_radix(&line, 16).expect("the size of a chunk");
        if size == 0 {
            return Ok(Vec::new());
        }
        while self.buffer.len() < size + 2 {
            self.more().await?;
        }
        let chunk = self.buffer.drain(..size).collect();
        assert_eq!(self.line().await?, "");
        Ok(chunk)
    }

    /// Reads a response with a chunked body; trailers are added to the headers.
    pub(crate) async fn chunked(&mut self) -> std::io::Result<Reply> {
        let mut reply = self.head().await?;
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                break;
            }
            reply.body.extend(chunk);
        }
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else {
                return Ok(reply);
            };
            reply.headers.insert(name.to_lowercase(), value.to_owned());
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let end = loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            self.more().await?;
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    /// Asks for an upgrade, which must be granted.
    pub(crate) async fn upgrade(&mut self, path: &str) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
        );
        self.send(request).await;
        let reply = self.head().await.expect("a head");
        assert_eq!((reply.status, reply.header("upgrade")), (101, "websocket"));
    }

    /// Sends text over an upgraded connection and reads as much back.
    pub(crate) async fn echo(&mut self, text: &str) -> String {
        self.send(text).await;
        while self.buffer.len() < text.len() {
            self.more().await.expect("an echo");
        }
        String::from_utf8(self.buffer.drain(..text.len()).collect()).expect("text")
    }

    /// What was received beyond the last head.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(crate) async fn more(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    Http::open(address).await.get(path, headers).await.expect("a response")
}

/// Sends bytes as they are and returns everything that comes back until the server closes or the response is whole.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Option<Reply> {
    let mut http = Http::open(address).await;
    http.send(bytes).await;
    http.reply(true).await.ok()
}

/// `length` bytes that differ at every place and per seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
