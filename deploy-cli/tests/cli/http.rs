//! Raw HTTP over TCP: what is sent is exactly what stands here.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .into_iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    }
}

/// `http://host:port/…` as host, address on loopback and path.
pub(crate) fn parts(url: &str) -> (String, SocketAddr, String) {
    let rest = url.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{url:?} is no URL"));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (_, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    (authority.to_owned(), address, format!("/{path}"))
}

pub(crate) fn get(url: &str) -> Answer {
    let (host, address, path) = parts(url);
    request(address, "GET", &path, &host, "", "")
}

/// Another path of the site at `url`, sent as it is.
pub(crate) fn get_path(url: &str, path: &str) -> Answer {
    let (host, address, _) = parts(url);
    request(address, "GET", path, &host, "", "")
}

/// Head and body of an answer that is no text.
pub(crate) fn get_bytes(url: &str) -> (String, Vec<u8>) {
    let (host, address, path) = parts(url);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let body = answer.split_off(end + 4);
    (String::from_utf8_lossy(&answer).into_owned(), body)
}

pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    host: &str,
    fields: &str,
    body: &str,
) -> Answer {
    let limit = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&address, limit).unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.set_write_timeout(Some(limit)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server may close with a reset after its answer.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
