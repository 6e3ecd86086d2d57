//! Which host a request is for (RFC 9112 section 3.2).

use http::header::HOST;
use http::{Request, Version};

/// The request names no single host: 400.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadHost;

/// The host a request names, as written. An absolute-form target wins over the Host header; HTTP/1.1 must have
/// exactly one Host header either way, HTTP/1.0 may have none, which reads as an empty name.
pub(crate) fn host_of<B>(request: &Request<B>) -> Result<&str, BadHost> {
    let mut values = request.headers().get_all(HOST).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| BadHost)?,
        (None, _) if request.version() == Version::HTTP_10 => "",
        (None, _) | (Some(_), Some(_)) => return Err(BadHost),
    };
    match request.uri().authority() {
        Some(authority) if authority.as_str().contains('@') => Err(BadHost),
        Some(authority) => Ok(authority.as_str()),
        None => Ok(header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, hosts: &[&str], version: Version) -> Result<String, BadHost> {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        host_of(&request.body(()).unwrap()).map(str::to_owned)
    }

    #[test]
    fn threat_f43_a_request_names_exactly_one_host() {
        let h11 = Version::HTTP_11;
        assert_eq!(host("/x", &["a.example"], h11), Ok("a.example".into()));
        assert_eq!(host("http://b.example:80/x", &["a.example"], h11), Ok("b.example:80".into()));
        assert_eq!(host("/x", &[], Version::HTTP_10), Ok(String::new()));
        assert_eq!(host("/x", &[], h11), Err(BadHost));
        assert_eq!(host("/x", &["a.example", "b.example"], h11), Err(BadHost));
        assert_eq!(host("http://u@b.example/x", &["a.example"], h11), Err(BadHost));
    }
}
