//! Real upstreams: an application with known answers, and a bare socket that does whatever a test wants.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use deploy_edge::{Digest, RouteChange, RunningEdge, Upstream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::harness::{Lab, any_port, to};

type Answer = Response<BoxBody<Bytes, io::Error>>;

/// An application that answers by path:
///
/// - `/who`: its name; `/head`: the head it got, one header a line; `/echo`: the body it got
/// - `/wait`: its name, once [`App::let_go`] was called; `/feed`: what is given to [`App::feed`], part by part
/// - `/ws`: echoes bytes after an upgrade; `/trailers`: a trailer `x-sum`
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    serving: JoinSet<()>,
}

struct State {
    name: String,
    let_go: watch::Sender<bool>,
    feeds: Mutex<Vec<mpsc::Sender<Bytes>>>,
    requests: AtomicUsize,
    posts: AtomicUsize,
    connections: AtomicUsize,
}

impl App {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind(any_port()).await.expect("bind");
        let address = listener.local_addr().expect("address");
        let state = Arc::new(State {
            name: name.to_owned(),
            let_go: watch::Sender::new(false),
            feeds: Mutex::default(),
            requests: AtomicUsize::new(0),
            posts: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, serving }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.state.name.as_bytes())
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::at(self.address)
    }

    /// The switch of the test's host to this application.
    pub(crate) fn switch(&self, epoch: u64) -> RouteChange {
        RouteChange { upstream: Some(self.upstream()), ..to(epoch, self.digest()) }
    }

    pub(crate) fn let_go(&self) {
        self.state.let_go.send_replace(true);
    }

    /// Sends a part of the body on every `/feed` that is open; their number.
    pub(crate) async fn feed(&self, part: &'static str) -> usize {
        let feeds = self.state.feeds.lock().expect("not poisoned").clone();
        let mut open = 0;
        for feed in feeds {
            open += usize::from(feed.send(Bytes::from_static(part.as_bytes())).await.is_ok());
        }
        open
    }

    pub(crate) fn end_feeds(&self) {
        self.state.feeds.lock().expect("not poisoned").clear();
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn posts(&self) -> usize {
        self.state.posts.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Ends at once, like a killed process: its connections break.
    pub(crate) async fn kill(mut self) {
        self.serving.shutdown().await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        stream.set_nodelay(true).expect("nodelay");
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(Arc::clone(&state), request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(state: Arc<State>, mut request: Request<Incoming>) -> Answer {
    state.requests.fetch_add(1, Ordering::SeqCst);
    if request.method() == Method::POST {
        state.posts.fetch_add(1, Ordering::SeqCst);
    }
    match request.uri().path() {
        "/who" => full(&state.name),
        "/head" => full(&head(&request)),
        "/echo" => Response::new(request.into_body().map_err(io::Error::other).boxed()),
        "/wait" => {
            let mut let_go = state.let_go.subscribe();
            let _ = let_go.wait_for(|go| *go).await;
            full(&state.name)
        }
        "/feed" => {
            let (sender, parts) = mpsc::channel(1);
            state.feeds.lock().expect("not poisoned").push(sender);
            let mut response = Response::new(Fed(parts).boxed());
            response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
            response
        }
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("42"));
            trailers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
            let (sender, parts) = mpsc::channel(1);
            let _ = sender.try_send(Bytes::from_static(b"summed"));
            let body = Fed(parts).with_trailers(async { Some(Ok(trailers)) });
            let mut response = Response::new(body.boxed());
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum, x-forwarded-for"));
            response
        }
        "/ws" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.expect("upgraded"));
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
            });
            let mut response = full("");
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
            response.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
            response
        }
        _ => {
            let mut response = full("nothing");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn full(text: &str) -> Answer {
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed());
    // Headers of one connection, and claims of the edge's own: none may reach the visitor.
    let headers = response.headers_mut();
    headers.insert("keep-alive", HeaderValue::from_static("timeout=5"));
    headers.insert("deploy-release", HeaderValue::from_static("sha256:forged"));
    headers.insert("deploy-error", HeaderValue::from_static("forged"));
    headers.insert("x-own", HeaderValue::from_static("kept"));
    response
}

fn head(request: &Request<Incoming>) -> String {
    let mut text = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

struct Fed(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// A socket whose connections are handled by `serve`, which gets their number, from 0, too. Ends with the result.
pub(crate) async fn bare<F, Fut>(serve: F) -> (SocketAddr, JoinSet<()>)
where
    F: Fn(usize, TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(any_port()).await.expect("bind");
    let address = listener.local_addr().expect("address");
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut serving = JoinSet::new();
        for number in 0.. {
            let (stream, _) = listener.accept().await.expect("accept");
            serving.spawn(serve(number, stream));
        }
    });
    (address, accepting)
}

/// Reads from a connection up to the end of a head.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return None,
        }
    }
    String::from_utf8(head).ok()
}

impl Lab {
    /// Starts an edge that routes the test's host to an application.
    pub(crate) async fn proxy(&self, app: &App) -> RunningEdge {
        let edge = self.start().await;
        self.client().switch(&app.switch(1)).await.expect("switch");
        edge
    }

    /// Starts an edge that routes the test's host to an address.
    pub(crate) async fn proxy_to(&self, address: SocketAddr) -> (RunningEdge, Digest) {
        let (edge, digest) = (self.start().await, Digest::of(b"bare"));
        let change = RouteChange { upstream: Some(Upstream::at(address)), ..to(1, digest) };
        self.client().switch(&change).await.expect("switch");
        (edge, digest)
    }
}
