//! What is asked over https, by authorities of the tests' own: a certificate is trusted for the name that was asked for,
//! while it is valid, by whom this machine trusts, and by nobody else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::common::{Place, Run, Running};
use crate::fly::Fly;

/// Somebody who issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Serves pages under a certificate for this name, which is valid between these years: the port.
    fn serve(&self, name: &str, (from, until): (i32, i32)) -> u16 {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream =
                    StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
                let _ = stream.read(&mut [0; 2048]);
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        port
    }
}

/// Trusts an authority, beside the usual ones.
fn trusting(mut command: Command, place: &Place, authority: &Authority) -> Run {
    place.write("authority.pem", &authority.pem);
    command.env("SSL_CERT_FILE", place.path("authority.pem"));
    Running::start(command).end()
}

const NOW: (i32, i32) = (2020, 2100);

#[test]
fn verify_trusts_a_certificate_for_its_name_while_it_is_valid_and_no_other() {
    let (place, ours, others) = (Place::new(), Authority::new("ours"), Authority::new("others"));
    let verify = |port: u16| {
        let url = format!("https://localhost:{port}/");
        let command = place.command(&["verify", "--url", &url, "--deadline", "2s", "--expected-body", "ok"]);
        (url, trusting(command, &place, &ours))
    };
    let (url, good) = verify(ours.serve("localhost", NOW));
    assert_eq!(good.exits(0).out, format!("{url}\n"));
    for (port, expected) in [
        (ours.serve("app.test", NOW), "it is not for localhost"),
        (ours.serve("localhost", (2020, 2021)), "it has expired"),
        (ours.serve("localhost", (2090, 2100)), "it is not valid yet"),
        (others.serve("localhost", NOW), "nobody whom this machine trusts has issued it"),
    ] {
        let (_, bad) = verify(port);
        bad.exits(1).prints_nothing().says("unhealthy: the certificate is refused: ").says(expected);
    }
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    verify(port).1.exits(1).says("there is no TLS");
}

#[test]
fn the_public_check_of_a_deployment_trusts_no_other_certificate_either() {
    let authority = Authority::new("ours");
    for (name, code) in [("localhost", 0), ("app.test", 1)] {
        let port = authority.serve(name, NOW);
        let Some(fly) = Fly::at(format!("https://localhost:{port}")) else { return };
        let up = trusting(fly.command(&["up", "one"]), &fly.place, &authority);
        up.exits(code);
        let status = fly.place.newest();
        let health =
            status["acceptance"].as_array().unwrap().iter().find(|c| c["name"] == "DEPLOY-HEALTH-200");
        assert_eq!(
            health.unwrap()["outcome"],
            json!(if code == 0 { "passed" } else { "failed" }),
            "{status:#}"
        );
        if code == 1 {
            up.says("[unhealthy]").says("the certificate is refused: it is not for localhost");
        }
    }
}
