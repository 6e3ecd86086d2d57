//! Archives over HTTP (threats F4, F39; invariant 39): kept by their content, bounded, checked.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use deploy_http::Limits;
use serde_json::json;

use crate::fixture::{Answer, Bench, Setup, ask, post};

/// One entry of a tar archive: its header, its content, and what fills the block.
fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let filled = content.len().next_multiple_of(512) - content.len();
    [&header[..], content, &vec![0; filled]].concat()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let all: Vec<u8> = entries.iter().flat_map(|(name, content)| entry(name, content)).collect();
    [all, vec![0; 1_024]].concat()
}

async fn upload(bench: &Bench, bytes: Vec<u8>) -> Answer {
    let request = Request::post("/api/sources").header("host", "localhost");
    let request = request.header("content-type", "application/octet-stream");
    ask(&bench.socket(), request.body(Body::from(bytes)).unwrap()).await
}

fn kept(bench: &Bench) -> usize {
    std::fs::read_dir(bench.uploads()).map_or(0, Iterator::count)
}

#[tokio::test]
async fn an_archive_is_sent_planned_and_deployed() {
    let bench = Bench::standard();
    let bytes = tar(&[("index.html", b"hello")]);
    let answer = upload(&bench, bytes.clone()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let uploaded = answer.json();
    assert_eq!((&uploaded["known"], &uploaded["bytes"]), (&json!(false), &json!(bytes.len())));
    let plan = json!({ "resource": "sent", "target": "gated", "source": uploaded["source"] });
    let preview = post(&bench.socket(), "/api/plans", &plan.to_string()).await.json();
    assert_eq!(preview["readiness"]["status"], "ready", "{preview}");
    let deploy = json!({ "plan": plan, "planFingerprint": preview["fingerprint"] });
    bench.let_through(10);
    let submitted = post(&bench.socket(), "/api/deployments", &deploy.to_string()).await;
    let id = submitted.json()["id"].as_str().unwrap().parse().unwrap();
    let status = bench.api.engine().rested(id).await.unwrap();
    assert_eq!(status.status.as_str(), "succeeded", "{status:?}");
    // The same content is the same file.
    assert_eq!(upload(&bench, bytes).await.json()["known"], json!(true));
    assert_eq!(kept(&bench), 1);
}

#[tokio::test]
async fn inv_39_what_is_too_large_or_unsafe_is_refused_and_leaves_nothing() {
    let limits = Limits { upload_bytes: 4_096, ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let refused = [
        (tar(&[("index.html", &[b'x'; 4_000])]), StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        (tar(&[("../index.html", b"x")]), StatusCode::UNPROCESSABLE_ENTITY, "unsafe_archive_entry"),
        (tar(&[("a", b"x"), ("a", b"y")]), StatusCode::UNPROCESSABLE_ENTITY, "unsafe_archive_entry"),
        (b"no archive at all".to_vec(), StatusCode::UNPROCESSABLE_ENTITY, "archive_invalid"),
        (Vec::new(), StatusCode::BAD_REQUEST, "bad_request"),
    ];
    for (bytes, status, code) in refused {
        let answer = upload(&bench, bytes).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
        assert_eq!(kept(&bench), 0, "{code}");
    }
}
