//! TLS for probes: the certificate must be valid for the name that was asked for, by the authorities this machine
//! trusts or the usual public ones. `SSL_CERT_FILE` and `SSL_CERT_DIR` name other authorities of this machine.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};

use crate::observation::ProbeError;

/// Speaks TLS over a connection.
pub(crate) async fn handshake(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, ProbeError> {
    let connection = |error: io::Error| ProbeError::Connection { what: error.to_string() };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| connection(io::Error::other(error)))?;
    let connected = TlsConnector::from(config().map_err(connection)?).connect(name, stream).await;
    connected.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(wrong)) => ProbeError::Certificate { what: objection(wrong, host) },
        Some(other) => ProbeError::Tls { what: other.to_string() },
        None => connection(error),
    })
}

/// What is wrong with a certificate, for people.
fn objection(wrong: &CertificateError, host: &str) -> String {
    use CertificateError as E;
    if matches!(wrong, E::Expired | E::ExpiredContext { .. }) {
        return "it has expired".to_owned();
    }
    if matches!(wrong, E::NotValidYet | E::NotValidYetContext { .. }) {
        return "it is not valid yet".to_owned();
    }
    if matches!(wrong, E::NotValidForName | E::NotValidForNameContext { .. }) {
        return format!("it is not for {host}");
    }
    if matches!(wrong, E::UnknownIssuer) {
        return "nobody whom this machine trusts has issued it".to_owned();
    }
    wrong.to_string()
}

/// Read once: the authorities of this machine are a file of some size.
fn config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let (added, ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let _ = (added, ignored);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        for (wrong, expected) in [
            (CertificateError::Expired, "it has expired"),
            (CertificateError::NotValidYet, "it is not valid yet"),
            (CertificateError::NotValidForName, "it is not for app.test"),
            (CertificateError::UnknownIssuer, "nobody whom this machine trusts has issued it"),
        ] {
            assert_eq!(objection(&wrong, "app.test"), expected);
        }
        assert!(!objection(&CertificateError::Revoked, "app.test").is_empty());
    }
}
