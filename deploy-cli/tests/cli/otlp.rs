//! What a collector is told (in a build with the feature `otlp`): every deployment that ended, as a trace; and a
//! collector that is gone or silent holds nothing up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Place, Run, Running, serves, toml_build};

/// A small collector: what it was told, as JSON.
fn collector() -> (SocketAddr, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, (say, told)) = (listener.local_addr().unwrap(), channel());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, say) = (stream.unwrap(), say.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut first, mut length) = (String::new(), 0);
                    if reader.read_line(&mut first).unwrap_or(0) == 0 {
                        return;
                    }
                    assert!(first.starts_with("POST /v1/traces HTTP/1.1"), "{first}");
                    loop {
                        let mut line = String::new();
                        reader.read_line(&mut line).unwrap();
                        if line.trim().is_empty() {
                            break;
                        }
                        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let _ = say.send(serde_json::from_slice(&body).unwrap());
                    let answer =
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (address, told)
}

fn run(place: &Place, collector: SocketAddr, arguments: &[&str]) -> Run {
    let mut command = place.command(arguments);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
    Running::start(command).end()
}

/// The spans of the next trace that is told.
fn spans(told: &Receiver<Value>) -> Vec<Value> {
    let request = told.recv_timeout(Duration::from_secs(30)).expect("nothing was told");
    let resource = request["resourceSpans"][0]["resource"].to_string();
    assert!(resource.contains("service.name") && resource.contains("\"deploy\""), "{resource}");
    request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no span {name}: {spans:#?}"))
}

#[test]
fn a_collector_is_told_of_every_deployment_with_its_phases_and_steps() {
    let place = Place::new();
    let (address, told) = collector();
    place.write("v1/index.html", "first");
    let up = run(&place, address, &["up", "v1", "--resource", "web"]);
    let url = up.exits(0).out.trim_end().to_owned();
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let trace = spans(&told);
    let whole = named(&trace, "deploy web");
    assert_eq!(whole["traceId"], id.trim_start_matches("dep_"), "the trace is found by the deployment's id");
    assert!(whole.to_string().contains("succeeded"), "{whole:#}");
    let execute = named(&trace, "execute");
    assert_eq!(execute["parentSpanId"], whole["spanId"]);
    let switch = named(&trace, "switch");
    assert_eq!(switch["parentSpanId"], named(&trace, "verify")["spanId"]);
    let time = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    for span in &trace {
        assert!(time(whole, "startTimeUnixNano") <= time(span, "startTimeUnixNano"), "{span:#}");
        assert!(time(span, "startTimeUnixNano") <= time(span, "endTimeUnixNano"), "{span:#}");
    }

    place.write("bad/deploy.toml", &toml_build("exit 1"));
    run(&place, address, &["up", "bad", "--resource", "web"]).exits(3);
    let trace = spans(&told);
    assert!(named(&trace, "deploy web").to_string().contains("build_failed"), "{trace:#?}");
    assert_eq!(named(&trace, "build")["status"]["code"], 2, "an error: {trace:#?}");
    serves(&url, "first");
}

#[test]
fn a_collector_that_never_answers_or_is_gone_holds_nothing_up() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    place.write("v1/index.html", "first");
    let up = run(&place, silent.local_addr().unwrap(), &["up", "v1", "--resource", "web"]);
    serves(up.exits(0).out.trim_end(), "first");
    drop(silent);
    run(&place, SocketAddr::from(([127, 0, 0, 1], 9)), &["up", "v1", "--resource", "web"]).exits(0);
    place.run(&["serve", "--stop"]).exits(0);
}
