//! One observation: one connection, one `GET`, a bounded read.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;

use deploy_core::health::HealthPolicy;
use http::header::{CONNECTION, HOST, HeaderMap, LOCATION, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use crate::limits::Limits;
use crate::observation::{Answer, Observation, ProbeError};
use crate::target::{Address, Target};
use crate::tls;

/// How much of a header's value is kept.
const VALUE_BYTES: usize = 200;

/// Looks at servers. It keeps nothing between two looks: every observation is a connection of its own.
#[derive(Debug, Clone, Default)]
pub struct Prober {
    limits: Limits,
}

impl Prober {
    /// A prober with these bounds.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Looks once. Reads as much of the body as `policy` needs: its head, or more if a text is searched in it.
    pub async fn observe(&self, target: &Target, policy: &HealthPolicy) -> Observation {
        let wanted = match policy.expected_body {
            Some(_) => self.limits.search_bytes,
            None => self.limits.head_bytes,
        };
        let (started, within) = (Instant::now(), target.timeout.as_duration());
        let outcome = match timeout(within, self.ask(target, wanted)).await {
            Ok(outcome) => outcome.map(|(answer, at)| Answer { first_byte: at - started, ..answer }),
            Err(_) => Err(ProbeError::TimedOut { within }),
        };
        Observation { outcome, elapsed: started.elapsed() }
    }

    /// The answer, and when its first byte was there.
    async fn ask(&self, target: &Target, wanted: usize) -> Result<(Answer, Instant), ProbeError> {
        let request = request(target)?;
        let failed = |error: io::Error| {
            // There is no socket, or a socket without anybody behind it.
            if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) {
                ProbeError::Refused { address: target.address.to_string() }
            } else {
                ProbeError::Connection { what: error.to_string() }
            }
        };
        match &target.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(failed)?;
                self.exchange(stream, request, wanted).await
            }
            Address::Tls(address, name) => {
                let stream = TcpStream::connect(address).await.map_err(failed)?;
                let stream = tls::handshake(name, stream).await?;
                self.exchange(stream, request, wanted).await
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                self.exchange(stream, request, wanted).await
            }
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        request: Request<Empty<Bytes>>,
        wanted: usize,
    ) -> Result<(Answer, Instant), ProbeError> {
        let handshake = http1::Builder::new()
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.header_bytes)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|error| broken(&error))?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let at = Instant::now();
            Ok((read(response, wanted).await?, at))
        };
        alongside(connection, exchange).await
    }
}

fn request(target: &Target) -> Result<Request<Empty<Bytes>>, ProbeError> {
    let bad = |what: String| ProbeError::BadRequest { what };
    let uri: Uri =
        target.path.parse().map_err(|error| bad(format!("the path {:?}: {error}", target.path)))?;
    if !target.path.starts_with('/') || uri.authority().is_some() {
        return Err(bad(format!("the path {:?} does not begin with one /", target.path)));
    }
    let host = HeaderValue::from_str(&target.host);
    let host = host.map_err(|_| bad(format!("the host {:?}", target.host)))?;
    Request::builder()
        .method(Method::GET)
        .uri(uri)
        .header(HOST, host)
        .header(USER_AGENT, "deploy-probe")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| bad(error.to_string()))
}

async fn read(response: Response<Incoming>, wanted: usize) -> Result<Answer, ProbeError> {
    let (parts, mut incoming) = response.into_parts();
    let mut answer = Answer {
        status: parts.status.as_u16(),
        release: value(&parts.headers, "deploy-release"),
        location: value(&parts.headers, LOCATION.as_str()),
        ..Answer::default()
    };
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        let fits = data.len().min(wanted - answer.body.len());
        answer.body.extend_from_slice(&data[..fits]);
        if fits < data.len() {
            answer.truncated = true;
            break;
        }
    }
    Ok(answer)
}

fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let bytes = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(VALUE_BYTES)]).into_owned())
}

fn broken(error: &hyper::Error) -> ProbeError {
    let what = error.to_string();
    if error.is_parse() { ProbeError::NotHttp { what } } else { ProbeError::Connection { what } }
}

/// Drives a connection while `exchange` uses it. When the connection ends first, what it brought is still read;
/// how it ended, the exchange hears for itself. Nothing outlives this call.
async fn alongside<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    let mut ended = false;
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(result) = exchange.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if !ended {
            ended = connection.as_mut().poll(cx).is_ready();
            // What the connection just did may be what the exchange waits for.
            return exchange.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await
}
