//! Archives over HTTP (threats F4, F39; invariant 39): kept by their content, bounded, checked.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use deploy_core::engine::Submission;
use deploy_core::port::WhenBusy;
use deploy_core::source::Source;
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

pub(crate) fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
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

/// An archive like no other.
fn small(number: u8) -> Vec<u8> {
    tar(&[("index.html", &[number])])
}

/// The archives that are kept.
fn names(bench: &Bench) -> Vec<String> {
    let entries = std::fs::read_dir(bench.uploads()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn name(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let path = answer.json()["source"]["path"].as_str().unwrap().to_owned();
    path.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn inv_39_all_archives_together_are_bounded_and_the_oldest_that_nobody_needs_goes_first() {
    // While an archive comes it has a piece of 8 MiB; beside that there is room for two of these.
    let bytes = small(0).len() as u64;
    let limits = Limits { uploads_bytes: 8 * 1024 * 1024 + 2 * bytes, ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let first = upload(&bench, small(1)).await;
    let source: Source = serde_json::from_value(first.json()["source"].clone()).unwrap();
    let spec = deploy_core::spec::Spec { source, ..bench.spec() };
    let submission = Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse };
    let id = bench.api.engine().submit(submission).await.unwrap().id;

    let mut last = String::new();
    for number in 2..9 {
        last = name(&upload(&bench, small(number)).await);
        assert!(kept(&bench) <= 3, "{:?}", names(&bench));
    }
    // A deployment that is not finished needs the oldest; of the others the newest are left.
    assert!(names(&bench).contains(&name(&first)) && names(&bench).contains(&last));
    bench.let_through(10);
    let status = bench.api.engine().rested(id).await.unwrap();
    assert_eq!(status.status.as_str(), "succeeded", "{status:?}");
    name(&upload(&bench, small(9)).await);
    name(&upload(&bench, small(10)).await);
    assert!(!names(&bench).contains(&name(&first)), "nobody needs it any more");
}

#[tokio::test]
async fn inv_39_an_archive_without_room_is_refused_with_what_to_do_and_leaves_nothing() {
    let limits = Limits { uploads_bytes: 1_024 * 1_024, ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let refused = upload(&bench, small(1)).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (StatusCode::INSUFFICIENT_STORAGE, "uploads_full")
    );
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(kept(&bench), 0);
}
