//! The page over HTTP, without a browser: who may send a form, and what can never become markup (threats
//! F17, F20; invariant 40).

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use deploy_core::engine::Submission;
use deploy_core::port::WhenBusy;
use deploy_core::spec::Actor;
use deploy_http::{Door, Scope, Tokens as _, router};

use crate::access::Kept;
use crate::fixture::{Answer, Bench, Setup, ask, get, request};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

struct Visit {
    bench: Bench,
    kept: Arc<Kept>,
    router: Router,
}

impl Visit {
    fn new() -> Self {
        let kept = Arc::new(Kept::default());
        let tokens: Arc<dyn deploy_http::Tokens> = Arc::clone(&kept) as _;
        let bench = Bench::new(Setup { tokens: Some(tokens), ..Setup::default() });
        let door = Door::tcp("127.0.0.1:0".parse().unwrap(), Vec::new(), true).unwrap();
        let router = router(bench.api.clone(), door);
        Self { bench, kept, router }
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        ask(&self.router, request("POST", path, &[&[FORM], fields].concat(), body)).await
    }

    /// The cookie of somebody who has signed in.
    async fn sign_in(&self, token: &str) -> String {
        let form = hidden(&get(&self.router, "/sign-in", &[]).await);
        let answer = self.post("/sign-in", &[], &format!("form={form}&token={token}&next=/plan")).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/plan"));
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

/// What a page's forms hold.
fn hidden(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let rest = text.split_once("name=\"form\" value=\"").expect("a form").1;
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn threat_f20_no_form_is_accepted_that_is_not_ours() {
    let visit = Visit::new();
    let token = visit.kept.mint(Scope::Deploy, None);
    let id = visit.bench.deploy().await;
    let (one, other) = (visit.sign_in(&token).await, visit.sign_in(&token).await);
    let form = hidden(&get(&visit.router, "/", &[("cookie", &one)]).await);
    let pause = format!("/runs/{id}/pause");
    for (cookie, body) in
        [(&one, String::new()), (&one, "form=".to_owned()), (&other, format!("form={form}"))]
    {
        let refused = visit.post(&pause, &[("cookie", cookie)], &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{body}");
    }
    let foreign = [("cookie", one.as_str()), ("origin", "http://evil.example")];
    let refused = visit.post(&pause, &foreign, &format!("form={form}")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!visit.bench.api.engine().status(id).await.unwrap().paused);
    let done = visit.post(&pause, &[("cookie", &one)], &format!("form={form}")).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!(visit.bench.api.engine().status(id).await.unwrap().paused);
}

#[tokio::test]
async fn threat_f20_a_session_reads_the_api_and_changes_nothing_there() {
    let visit = Visit::new();
    let cookie = visit.sign_in(&visit.kept.mint(Scope::Admin, None)).await;
    let id = visit.bench.deploy().await;
    let tokens = get(&visit.router, "/api/tokens", &[("cookie", &cookie)]).await;
    assert_eq!(tokens.status, StatusCode::OK);
    let fields = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    let pause =
        ask(&visit.router, request("POST", &format!("/api/deployments/{id}/pause"), &fields, "")).await;
    assert_eq!((pause.status, pause.problem().as_str()), (StatusCode::FORBIDDEN, "session_reads_only"));
}

#[tokio::test]
async fn threat_f16_a_session_ends_with_its_token() {
    let visit = Visit::new();
    let cookie = visit.sign_in(&visit.kept.mint(Scope::Deploy, None)).await;
    let plan = || get(&visit.router, "/plan", &[("accept", "text/html")]);
    assert_eq!(plan().await.status, StatusCode::SEE_OTHER);
    assert_eq!(get(&visit.router, "/plan", &[("cookie", &cookie)]).await.status, StatusCode::OK);
    let id = visit.kept.list().await.unwrap()[0].id.clone();
    visit.kept.revoke(&id).await.unwrap();
    let started = std::time::Instant::now();
    // A token that was looked up is believed for a second.
    while get(&visit.router, "/plan", &[("cookie", &cookie)]).await.status == StatusCode::OK {
        assert!(started.elapsed() < crate::fixture::LONG);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_link_of_another_site_leads_here_and_shows_that_site_nothing() {
    let visit = Visit::new();
    let id = visit.bench.deploy().await;
    let path = format!("/runs/{id}");
    let link =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let answer = get(&visit.router, &path, &link).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        answer.status == StatusCode::OK && text.contains(&path) && !text.contains("web@production"),
        "{text}"
    );
    // Not even to somewhere else.
    let away = get(&visit.router, "//evil.example/", &link).await;
    assert!(!String::from_utf8_lossy(&away.body).contains("evil.example"), "{away:?}");
    // Everything else of another site is refused, also what a frame or a script would fetch.
    let frame =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    assert_eq!(get(&visit.router, &path, &frame).await.status, StatusCode::FORBIDDEN);
    assert_eq!(get(&visit.router, &path, &link[..1]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn inv_40_nothing_from_outside_becomes_markup() {
    let visit = Visit::new();
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}";
    let mut spec = visit.bench.spec();
    spec.actor = Actor(hostile.to_owned());
    spec.profile.health.path = Some(hostile.to_owned());
    let submission = Submission { spec, idempotency_key: None, busy: WhenBusy::Wait };
    let id = visit.bench.api.engine().submit(submission).await.unwrap().id;
    visit.bench.api.engine().rested(id).await.unwrap();
    let cookie = visit.sign_in(&visit.kept.mint(Scope::Deploy, None)).await;
    let paths = [
        "/".to_owned(),
        format!("/runs/{id}"),
        format!("/runs/{id}/panel"),
        format!("/plan?from={id}"),
        format!("/compare?a={id}&b={id}"),
        "/resources/%3Cscript%3E".to_owned(),
        "/runs/%3Cscript%3E".to_owned(),
    ];
    for path in paths {
        let answer = get(&visit.router, &path, &[("cookie", &cookie), ("accept", "text/html")]).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("<script>") && !text.contains("<img"), "{path}: {text}");
        assert!(
            !text.contains('\u{1b}') && (path.starts_with("/plan") || !text.contains('\u{202e}')),
            "{path}"
        );
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_deploys_once() {
    let visit = Visit::new();
    let cookie = visit.sign_in(&visit.kept.mint(Scope::Deploy, None)).await;
    let id = visit.bench.deployed().await;
    let form = hidden(&get(&visit.router, "/", &[("cookie", &cookie)]).await);
    let retry = || async {
        let body = format!("form={form}&key=page-1");
        visit
            .post(&format!("/runs/{id}/retry"), &[("cookie", &cookie)], &body)
            .await
            .header("location")
            .to_owned()
    };
    let (first, second) = (retry().await, retry().await);
    assert!(first.starts_with("/runs/dep_") && first != format!("/runs/{id}"));
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_files_of_the_page_may_be_kept_for_ever() {
    let visit = Visit::new();
    let page = String::from_utf8(get(&visit.router, "/sign-in", &[]).await.body.to_vec()).unwrap();
    let paths: Vec<&str> = page.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(paths.len(), 3, "{page}");
    for path in paths {
        let file = get(&visit.router, path, &[]).await;
        assert!(
            file.status == StatusCode::OK && file.header("cache-control").contains("immutable"),
            "{path}"
        );
        let again = get(&visit.router, path, &[("if-none-match", file.header("etag"))]).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    }
    assert_eq!(get(&visit.router, "/assets/page.js", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_a_problem_for_programs() {
    let visit = Visit::new();
    let people = get(&visit.router, "/nothing", &[("accept", "text/html")]).await;
    assert_eq!(
        (people.status, people.header("content-type")),
        (StatusCode::NOT_FOUND, "text/html; charset=utf-8")
    );
    assert_eq!(get(&visit.router, "/nothing", &[]).await.problem(), "not_found");
    let run = get(&visit.router, "/runs/dep_01890a5d96e07b3c9b7c000000000001", &[]).await;
    assert_eq!(run.status, StatusCode::NOT_FOUND);
}

/// A form with a file, as a browser sends it.
fn with_file(fields: &[(&str, &str)], file: &str) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let fields: String = fields.iter().map(field).collect();
    let head = "content-disposition: form-data; name=\"archive\"; filename=\"site.tar\"";
    format!("{fields}--edge\r\n{head}\r\ncontent-type: application/x-tar\r\n\r\n{file}\r\n--edge--\r\n")
}

#[tokio::test]
async fn an_archive_is_sent_with_the_form_of_a_plan_by_those_who_may_deploy() {
    let visit = Visit::new();
    let send = async |cookie: &str, body: String| {
        let fields = [("cookie", cookie), ("content-type", "multipart/form-data; boundary=edge")];
        ask(&visit.router, request("POST", "/plan/archive", &fields, &body)).await
    };
    let reader = visit.sign_in(&visit.kept.mint(Scope::Read, None)).await;
    let cookie = visit.sign_in(&visit.kept.mint(Scope::Deploy, None)).await;
    let form = hidden(&get(&visit.router, "/plan", &[("cookie", &cookie)]).await);
    let file = String::from_utf8(crate::uploads::tar(&[("index.html", b"sent")])).unwrap();
    let fields =
        |form| [("form", form), ("resource", "sent"), ("environment", "production"), ("target", "gated")];

    assert_eq!(send(&reader, with_file(&fields(&form), &file)).await.status, StatusCode::FORBIDDEN);
    for forged in ["", "0000"] {
        let refused = send(&cookie, with_file(&fields(forged), &file)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::FORBIDDEN, "form_refused"));
    }
    assert!(!visit.bench.uploads().exists(), "nothing is kept that no page of ours sent");
    let empty = send(&cookie, with_file(&fields(&form), "")).await;
    assert_eq!((empty.status, empty.problem().as_str()), (StatusCode::BAD_REQUEST, "bad_request"));
    let none =
        send(&cookie, with_file(&fields(&form), &file).replace("name=\"archive\"", "name=\"other\"")).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);

    let planned = send(&cookie, with_file(&fields(&form), &file)).await;
    let page = String::from_utf8(planned.body.to_vec()).unwrap();
    assert_eq!(planned.status, StatusCode::OK, "{page}");
    assert!(page.contains("Ready") && page.contains("Deploy exactly this"), "{page}");
    let kept = visit.bench.uploads();
    assert!(page.contains(&format!("value=\"{}/", kept.display())), "the form names what was sent: {page}");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 1);
}
