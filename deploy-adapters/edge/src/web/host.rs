//! Which host a request is for (RFC 9112 section 3.2).

use http::header::HOST;
use http::{HeaderMap, Uri, Version};

/// The request names no single host: 400.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadHost;

/// The host a request names, as written. An absolute-form target, or the `:authority` of HTTP/2, wins over the Host
/// header; HTTP/1.1 must have exactly one Host header either way, HTTP/1.0 may have none, which reads as an empty
/// name, and HTTP/2 needs none beside `:authority` (RFC 9113 section 8.3.1).
pub(crate) fn host_of<'a>(
    uri: &'a Uri,
    headers: &'a HeaderMap,
    version: Version,
) -> Result<&'a str, BadHost> {
    let mut values = headers.get_all(HOST).iter();
    let named = uri.authority().is_some();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| BadHost)?,
        (None, _) if version == Version::HTTP_10 || (version == Version::HTTP_2 && named) => "",
        (None, _) | (Some(_), Some(_)) => return Err(BadHost),
    };
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(BadHost),
        Some(authority) => Ok(authority.as_str()),
        None => Ok(header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn host(uri: &str, hosts: &[&str], version: Version) -> Result<String, BadHost> {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(()).unwrap();
        host_of(request.uri(), request.headers(), request.version()).map(str::to_owned)
    }

    #[test]
    fn threat_f43_a_request_names_exactly_one_host() {
        let h11 = Version::HTTP_11;
        assert_eq!(host("/x", &["a.example"], h11), Ok("a.example".into()));
        assert_eq!(host("http://b.example:80/x", &["a.example"], h11), Ok("b.example:80".into()));
        assert_eq!(host("/x", &[], Version::HTTP_10), Ok(String::new()));
        assert_eq!(host("/x", &[], h11), Err(BadHost));
        assert_eq!(host("/x", &["a.example", "b.example"], h11), Err(BadHost));
        assert_eq!(host("http://b.example/x", &[], Version::HTTP_2), Ok("b.example".into()));
        assert_eq!(host("/x", &[], Version::HTTP_2), Err(BadHost));
        assert_eq!(host("http://b.example/x", &["a.example", "b.example"], Version::HTTP_2), Err(BadHost));
        assert_eq!(host("http://u@b.example/x", &["a.example"], h11), Err(BadHost));
    }
}
