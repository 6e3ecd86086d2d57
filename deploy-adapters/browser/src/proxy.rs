//! The browser's only way to the network. It leads to the release where that really is, and to nowhere that an address
//! policy does not allow: addresses are judged after resolving and before connecting, for every request anew.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use deploy_core::cancel::Cancel;
use deploy_probe::{Address, AddressPolicy, HttpUrl, Resolve as _, SystemResolver};
use http::header::{HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

use crate::credential::Credential;

/// Connections of the browser at once; more wait.
const CONNECTIONS: usize = 64;
/// How long resolving and connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

type Body = BoxBody<Bytes, hyper::Error>;

/// What leads where.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// The page's own host and port.
    pub(crate) own: HttpUrl,
    /// Where it is.
    pub(crate) address: Address,
    /// What it is called there.
    pub(crate) host: String,
    /// Where else may be connected to.
    pub(crate) others: AddressPolicy,
    /// The one address that may be connected to although the policy says no: where the sites of this machine are.
    pub(crate) neighbours: Option<SocketAddr>,
}

/// A running proxy. It ends, with everything that goes through it, when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    credential: Credential,
    ended: Cancel,
}

impl Proxy {
    pub(crate) async fn start(routes: Routes) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, ended) = (listener.local_addr()?, Cancel::new());
        let credential = Credential::new()?;
        let way = Arc::new(Way { routes, credential: credential.clone() });
        until(&ended, listen(listener, way, ended.clone()));
        Ok(Self { address, credential, ended })
    }

    /// What its requests must show.
    pub(crate) const fn credential(&self) -> &Credential {
        &self.credential
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Who may go where.
struct Way {
    routes: Routes,
    credential: Credential,
}

/// Runs something beside everything else, but not for longer than the proxy.
fn until(ended: &Cancel, work: impl Future<Output = ()> + Send + 'static) {
    let ended = ended.cancelled();
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            () = ended => {}
        }
    });
}

async fn listen(listener: TcpListener, way: Arc<Way>, ended: Cancel) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (way, for_requests) = (Arc::clone(&way), ended.clone());
        let answer = hyper::service::service_fn(move |request| {
            let (way, ended) = (Arc::clone(&way), for_requests.clone());
            async move { Ok::<_, Infallible>(serve(request, &way, &ended).await) }
        });
        until(&ended, async move {
            let serving = hyper::server::conn::http1::Builder::new();
            // What breaks here the browser hears for itself.
            let _ = serving.serve_connection(TokioIo::new(stream), answer).with_upgrades().await;
            drop(place);
        });
    }
}

async fn serve(mut request: Request<Incoming>, way: &Way, ended: &Cancel) -> Response<Body> {
    if !way.credential.is_shown(request.headers_mut()) {
        let mut response = says(StatusCode::PROXY_AUTHENTICATION_REQUIRED, String::new());
        response.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"look\""));
        return response;
    }
    let served = if request.method() == Method::CONNECT {
        tunnel(request, &way.routes, ended).await
    } else {
        forward(request, &way.routes, ended).await
    };
    served.unwrap_or_else(|refused| {
        let forbidden = refused.kind() == io::ErrorKind::PermissionDenied;
        let status = if forbidden { StatusCode::FORBIDDEN } else { StatusCode::BAD_GATEWAY };
        says(status, refused.to_string())
    })
}

fn says(status: StatusCode, text: String) -> Response<Body> {
    let text = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(text.boxed());
    *response.status_mut() = status;
    response
}

/// Bytes in both directions: TLS, and whatever else wants a connection of its own.
async fn tunnel(request: Request<Incoming>, routes: &Routes, ended: &Cancel) -> io::Result<Response<Body>> {
    let authority = request.uri().authority().cloned().ok_or_else(|| io::Error::other("no host"))?;
    let port = authority.port_u16().unwrap_or(443);
    let mut there = match routes.find(authority.host(), port).await? {
        Found::Own(Address::Tcp(address) | Address::Tls(address, _)) | Found::Other(address) => {
            connect(address).await?
        }
        Found::Own(Address::Unix(_)) => return Err(refused("a release that is not live yet has no tunnels")),
    };
    until(ended, async move {
        if let Ok(here) = hyper::upgrade::on(request).await {
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(here), &mut there).await;
        }
    });
    Ok(says(StatusCode::OK, String::new()))
}

/// One request over plain HTTP.
async fn forward(
    mut request: Request<Incoming>,
    routes: &Routes,
    ended: &Cancel,
) -> io::Result<Response<Body>> {
    let uri = request.uri().clone();
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let authority = authority.ok_or_else(|| refused("only http is forwarded"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(io::Error::other)?;
    request.headers_mut().remove(HeaderName::from_static("proxy-connection"));
    match routes.find(authority.host(), authority.port_u16().unwrap_or(80)).await? {
        Found::Own(address) => {
            let host = HeaderValue::from_str(&routes.host).map_err(io::Error::other)?;
            request.headers_mut().insert(HOST, host);
            match address {
                Address::Tcp(address) => exchange(connect(address).await?, request, ended).await,
                Address::Unix(path) => exchange(UnixStream::connect(path).await?, request, ended).await,
                Address::Tls(..) => Err(refused("this host speaks https")),
            }
        }
        Found::Other(address) => exchange(connect(address).await?, request, ended).await,
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Incoming>,
    ended: &Cancel,
) -> io::Result<Response<Body>> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    until(ended, async move {
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    // To the browser this would be the proxy's question, and it would answer.
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Err(io::Error::other("the page asks for what only a proxy may ask for"));
    }
    Ok(response.map(http_body_util::BodyExt::boxed))
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    tokio::time::timeout(CONNECT, TcpStream::connect(address)).await?
}

/// Where a host leads.
enum Found {
    Own(Address),
    Other(SocketAddr),
}

impl Routes {
    async fn find(&self, host: &str, port: u16) -> io::Result<Found> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.eq_ignore_ascii_case(&self.own.host) && port == self.own.port {
            return Ok(Found::Own(self.address.clone()));
        }
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::time::timeout(CONNECT, SystemResolver.resolve(host, port)).await??,
        };
        let allowed =
            |address: &&SocketAddr| self.others.allows(**address) || self.neighbours == Some(**address);
        match addresses.iter().find(|address| !allowed(address)) {
            Some(address) => Err(refused(&format!("{host} is {address}, which may not be connected to"))),
            None => addresses.first().map_or_else(
                || Err(io::Error::other("the name has no address")),
                |address| Ok(Found::Other(*address)),
            ),
        }
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(others: AddressPolicy) -> Routes {
        Routes {
            own: HttpUrl::parse("http://web.localhost:7480/").unwrap(),
            address: Address::Unix("/run/edge.sock".into()),
            host: "candidate".to_owned(),
            others,
            neighbours: Some(SocketAddr::from(([127, 0, 0, 1], 7480))),
        }
    }

    #[tokio::test]
    async fn f10_only_the_page_itself_its_neighbours_and_public_addresses_are_reached() {
        let routes = routes(AddressPolicy::public_only());
        assert!(matches!(routes.find("Web.Localhost", 7480).await, Ok(Found::Own(Address::Unix(_)))));
        for (host, port) in [("api.localhost", 7480), ("93.184.215.14", 80)] {
            assert!(matches!(routes.find(host, port).await, Ok(Found::Other(_))), "{host}:{port}");
        }
        for (host, port) in [
            ("web.localhost", 2375),
            ("127.0.0.1", 2375),
            ("localhost", 22),
            ("169.254.169.254", 80),
            ("[::ffff:a9fe:a9fe]", 80),
            ("[::1]", 7480),
            ("10.0.0.1", 80),
            ("0.0.0.0", 7480),
            ("metadata.localhost", 80),
        ] {
            let found = routes.find(host, port).await;
            let refused = found.err().map(|error| error.kind());
            assert_eq!(refused, Some(io::ErrorKind::PermissionDenied), "{host}:{port}");
        }
    }
}
