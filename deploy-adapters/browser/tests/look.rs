//! A real Chromium looks at pages that are well, broken and hostile. Without one the tests say so and pass; with
//! `chromium` in DEPLOY_TEST_REQUIRE they fail instead.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deploy_browser::{Browser, Look, Pictures, judge};
use deploy_core::browser::{BrowserPolicy, PageSeen};
use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::redact::Redactor;
use deploy_core::time::Span;
use deploy_probe::{Address, AddressPolicy, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A browser, if there is one.
fn browser() -> Option<Browser> {
    let browser = Browser::new(None, None);
    if browser.program().is_some() {
        return Some(browser);
    }
    let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split_whitespace().any(|name| name == "chromium"), "chromium is missing");
    eprintln!("PASSED OVER: there is no chromium, so nothing is known about looking at pages");
    None
}

/// A site of one page, which is not where its name says.
async fn serve(page: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                assert!(!request.to_lowercase().contains("proxy-"), "{request}");
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let host = request
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
                assert_eq!(host.as_deref(), Some("candidate"), "{request}");
                let (status, more, body) = match path.as_str() {
                    "/" => ("200 OK", "", page),
                    "/500" => ("500 Internal Server Error", "", page),
                    "/away" => ("302 Found", "Location: http://127.0.0.2:8000/\r\n", ""),
                    "/frame" => ("200 OK", "", "a frame"),
                    "/login" => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
                    "/407" => ("407 No", "Proxy-Authenticate: Basic realm=\"look\"\r\n", ""),
                    "/within" => ("302 Found", "Location: /\r\n", ""),
                    "/never" => {
                        tokio::time::sleep(Duration::from_secs(120)).await;
                        ("200 OK", "", "")
                    }
                    _ => ("404 Not Found", "", "no"),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/html\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

fn policy(timeout: u64) -> BrowserPolicy {
    let (timeout, wait) = (Span::from_secs(timeout), Span::from_millis(300));
    BrowserPolicy { timeout, wait, ..BrowserPolicy::default() }
}

struct Place {
    dir: tempfile::TempDir,
    address: SocketAddr,
    cancel: Cancel,
}

impl Place {
    async fn of(page: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, address: serve(page).await, cancel: Cancel::new() }
    }

    fn profile(&self) -> PathBuf {
        self.dir.path().join("work/profile")
    }

    fn look<'a>(&'a self, path: &str, policy: &'a BrowserPolicy) -> Look<'a> {
        Look {
            url: format!("http://web.localhost:7480{path}"),
            target: Target {
                address: Address::Tcp(self.address),
                host: "candidate".to_owned(),
                path: String::new(),
                timeout: Span::ZERO,
            },
            policy,
            others: AddressPolicy::public_only(),
            neighbours: None,
            profile: self.profile(),
            hidden: Redactor::default(),
            cancel: &self.cancel,
        }
    }

    /// Looks, and proves that nothing is left of the look.
    async fn sees(
        &self,
        browser: &Browser,
        path: &str,
        policy: &BrowserPolicy,
    ) -> Result<(PageSeen, Option<Vec<u8>>), Failure> {
        let looked = browser.look(self.look(path, policy)).await;
        assert_eq!(marked(&self.profile()), Vec::<u32>::new());
        assert!(!self.profile().exists());
        looked
    }
}

/// The processes of a look.
fn marked(profile: &Path) -> Vec<u32> {
    let mark = format!("DEPLOY_BROWSER={}", profile.display()).into_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark)
    })
    .collect()
}

/// One look at `page`, with a policy that gives it 20 seconds.
async fn seen(page: &'static str, path: &str) -> Option<PageSeen> {
    let browser = browser()?;
    let (seen, picture) = Place::of(page).await.sees(&browser, path, &policy(20)).await.unwrap();
    assert_eq!(seen.asked, format!("http://web.localhost:7480{path}"));
    assert!(picture.is_some_and(|png| png.starts_with(b"\x89PNG\r\n\x1a\n")), "{seen:?}");
    Some(seen)
}

fn objection(seen: PageSeen) -> String {
    let failure = judge(&BrowserPolicy::default(), seen).unwrap_err();
    assert_eq!(failure.code, FailureCode::PageFailed);
    failure.message
}

#[tokio::test]
async fn a_page_that_is_well_is_loaded_under_its_own_name_from_where_it_is() {
    let page = "<title>t</title><script>if (location.host !== 'web.localhost:7480') throw location.host;\
                console.log('hello'); console.warn('careful')</script>";
    let Some(well) = seen(page, "/").await else { return };
    assert_eq!((well.status, well.console_errors, &well.not_loaded), (Some(200), 0, &None), "{well:?}");
    judge(&BrowserPolicy::default(), well).unwrap();
    // Where it leads within its own site is its own affair.
    let within = seen(page, "/within").await.unwrap();
    assert_eq!(within.url, "http://web.localhost:7480/");
    judge(&BrowserPolicy::default(), within).unwrap();
}

#[tokio::test]
async fn errors_on_the_console_exceptions_and_what_can_not_be_loaded_are_counted_and_told() {
    let page = "<body><script>console.error('first', 2, '\\u001b[31m'); setTimeout(() => { throw new Error('second') }, 50);\
                Promise.reject(new Error('third'))</script><img src=/missing.png><script src=//10.1.2.3/x.js></script>";
    let Some(seen) = seen(page, "/").await else { return };
    assert_eq!(seen.console_errors, 5, "{seen:?}");
    for told in ["first 2 \\u{1b}[31m", "Error: second", "Error: third", "missing.png", "10.1.2.3"] {
        assert!(seen.messages.iter().any(|message| message.contains(told)), "{told}: {:?}", seen.messages);
    }
    let lenient = BrowserPolicy { max_console_errors: 5, ..BrowserPolicy::default() };
    judge(&lenient, seen.clone()).unwrap();
    assert_eq!(objection(seen), "the page has 5 errors on its console, at most 0 may be");
}

#[tokio::test]
async fn a_page_that_answers_with_an_error_is_not_well_and_that_is_no_error_on_its_console() {
    let Some(seen) = seen("<h1>broken</h1>", "/500").await else { return };
    assert_eq!((seen.status, seen.console_errors), (Some(500), 0), "{seen:?}");
    assert_eq!(objection(seen), "the page answered the browser with 500");
}

#[tokio::test]
async fn f10_a_page_that_leads_to_another_host_is_refused_and_nothing_private_is_reached() {
    let Some(browser) = browser() else { return };
    let private = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = private.local_addr().unwrap().port();
    let page: &'static str = Box::leak(
        format!("<script>fetch('http://127.0.0.1:{port}/', {{mode: 'no-cors'}}); new WebSocket('ws://localhost:{port}/');\
                 navigator.sendBeacon('http://[::1]:{port}/')</script><img src=http://127.1:{port}/a><iframe src=http://0x7f000001:{port}/></iframe>")
        .into_boxed_str(),
    );
    let place = Place::of(page).await;
    let (seen, _) = place.sees(&browser, "/", &policy(20)).await.unwrap();
    assert!(seen.console_errors >= 2, "{seen:?}");
    let (away, _) = place.sees(&browser, "/away", &policy(20)).await.unwrap();
    assert!(objection(seen).contains("on its console"));
    assert!(
        objection(away.clone()).contains("403") || objection(away.clone()).contains("127.0.0.2"),
        "{away:?}"
    );
    let reached = tokio::time::timeout(Duration::from_millis(50), private.accept()).await;
    assert!(reached.is_err(), "somebody came");
}

/// Where the browser of a look is told that its proxy is.
fn proxy_of(profile: &Path) -> Option<SocketAddr> {
    let words = |pid: u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    marked(profile).into_iter().find_map(|pid| {
        let words = words(pid);
        let mut words = words.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
        words.find_map(|word| word.strip_prefix("--proxy-server=http://")?.parse().ok())
    })
}

async fn asks(proxy: SocketAddr, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(proxy).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn f10_no_other_process_of_this_machine_goes_the_way_of_the_browser() {
    let Some(browser) = browser() else { return };
    let place = Place::of("<img src=/never>").await;
    let looks = policy(60);
    let others = async {
        let proxy = loop {
            match proxy_of(&place.profile()) {
                Some(proxy) => break proxy,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let (page, guess) = ("http://web.localhost:7480/", "Proxy-Authorization: Basic bG9vazo=\r\n");
        for request in [
            format!("GET {page} HTTP/1.1\r\nHost: web.localhost\r\n\r\n"),
            format!("GET {page} HTTP/1.1\r\nHost: web.localhost\r\n{guess}\r\n"),
            "CONNECT web.localhost:7480 HTTP/1.1\r\nHost: web.localhost\r\n\r\n".to_owned(),
            "CONNECT 93.184.215.14:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        ] {
            let answer = asks(proxy, &request).await;
            assert!(answer.starts_with("HTTP/1.1 407 "), "{request}{answer}");
        }
        place.cancel.cancel();
    };
    let (looked, ()) = tokio::join!(place.sees(&browser, "/", &looks), others);
    assert_eq!(looked.unwrap_err().code, FailureCode::Cancelled);
}

#[tokio::test]
async fn a_page_that_asks_what_only_the_proxy_may_ask_is_told_nothing() {
    let Some(seen) = seen("", "/407").await else { return };
    assert_eq!((seen.status, seen.not_loaded), (Some(502), None));
}

#[tokio::test]
async fn everything_that_a_page_loads_goes_the_same_way_and_a_login_of_its_own_stays_unanswered() {
    let page = "<iframe src=/frame></iframe><script>\
                const worker = new Worker(URL.createObjectURL(new Blob([`fetch('http://web.localhost:7480/from-worker')\
                .then(r => postMessage(r.status))`]))); worker.onmessage = m => console.error('worker', m.data);\
                fetch('/from-page').then(r => console.error('page', r.status));\
                fetch('/login').then(r => console.error('login', r.status))</script><img src=/login>";
    let Some(seen) = seen(page, "/").await else { return };
    let told = seen.messages.join("\n");
    assert_eq!(seen.not_loaded, None, "{seen:?}");
    for expected in ["worker 404", "page 404", "login 401"] {
        assert!(told.contains(expected), "{told}");
    }
    assert!(!told.contains("407"), "{told}");
}

#[tokio::test]
async fn a_page_that_never_answers_and_one_that_never_pauses_end_with_their_time() {
    let Some(browser) = browser() else { return };
    for (page, path) in [
        ("", "/never"),
        ("<script>for (;;) {}</script>", "/"),
        ("<img src=/never>", "/"),
        ("<script>const x = 'x'.repeat(100000); for (;;) console.error(x)</script>", "/"),
    ] {
        let place = Place::of(page).await;
        let policy = policy(2);
        let began = Instant::now();
        let (seen, _) = place.sees(&browser, path, &policy).await.unwrap();
        assert!(began.elapsed() < policy.longest().as_duration() + Duration::from_secs(15), "{page} {path}");
        assert_eq!(objection(seen), "the page was not loaded in the browser: it was not loaded within 2s");
    }
}

#[tokio::test]
async fn a_hostile_page_holds_nothing_up_and_fills_nothing() {
    let page = "<body><script>alert(1); confirm(2); prompt(3); onbeforeunload = () => 'stay'; open('/'); print();\
                for (let n = 0; n < 5000; n++) console.error('n' + n); console.error('x'.repeat(30e6));\
                const a = document.createElement('a'); a.href = 'data:text/plain,x'; a.download = 'x'; a.click()</script>";
    let Some(seen) = seen(page, "/").await else { return };
    assert!(seen.console_errors >= 5_001, "{}", seen.console_errors);
    assert_eq!((seen.status, &seen.not_loaded), (Some(200), &None));
    assert_eq!((seen.messages.len(), seen.messages[0].as_str()), (20, "n0"));
}

#[tokio::test]
async fn a_look_that_is_stopped_or_given_up_leaves_nothing() {
    let Some(browser) = browser() else { return };
    let place = Place::of("<img src=/never>").await;
    let (looks, cancel) = (policy(60), place.cancel.clone());
    let stop = async {
        while marked(&place.profile()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (looked, ()) = tokio::join!(place.sees(&browser, "/", &looks), stop);
    assert_eq!(looked.unwrap_err().code, FailureCode::Cancelled);
    // Dropped on its way, as when its step runs out of time.
    let place = Place::of("<img src=/never>").await;
    let begun = async {
        while marked(&place.profile()).len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        looked = browser.look(place.look("/", &looks)) => panic!("it never ends by itself: {looked:?}"),
        () = begun => {}
    }
    while !marked(&place.profile()).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_browser_that_dies_on_its_way_is_not_the_pages_fault() {
    let Some(browser) = browser() else { return };
    let place = Place::of("<img src=/never>").await;
    let looks = policy(60);
    let kill = async {
        while marked(&place.profile()).len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Its oldest process is the browser itself.
        let first = marked(&place.profile()).into_iter().min().unwrap();
        let first = rustix::process::Pid::from_raw(i32::try_from(first).unwrap()).unwrap();
        rustix::process::kill_process(first, rustix::process::Signal::KILL).unwrap();
    };
    let (looked, ()) = tokio::join!(place.sees(&browser, "/", &looks), kill);
    let failure = looked.unwrap_err();
    assert_eq!(failure.code, FailureCode::BrowserUnavailable, "{failure:?}");
}

#[tokio::test]
async fn a_program_that_is_no_browser_says_so_with_what_it_said() {
    let place = Place::of("").await;
    let looks = policy(2);
    let none = Browser::new(Some("/nowhere/chromium".into()), None);
    assert_eq!(none.program(), None);
    let failure = none.look(place.look("/", &looks)).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::BrowserUnavailable);
    let fake = place.dir.path().join("fake");
    std::fs::write(&fake, "#!/bin/sh\necho no display, no fun >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let failure = place.sees(&Browser::new(Some(fake), None), "/", &looks).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::BrowserUnavailable);
    assert_eq!(failure.tail, ["no display, no fun"]);
}

#[tokio::test]
async fn the_picture_of_a_deployment_is_kept_and_named() {
    if browser().is_none() {
        return;
    }
    let place = Place::of("<h1>hello</h1>").await;
    let pictures = Pictures::new(place.dir.path().join("screenshots"));
    let (browser, looks) = (Browser::new(None, Some(pictures)), policy(20));
    let (deployment, outline) = (deploy_core::id::DeploymentId::new(uuid::Uuid::from_u128(7)), outline());
    let checked = browser.check(deployment, &outline, place.look("/", &looks)).await.unwrap();
    let kept = checked.page.unwrap().screenshot.unwrap();
    let png = std::fs::read(place.dir.path().join(&kept.file)).unwrap();
    assert_eq!((kept.bytes, kept.digest), (png.len() as u64, deploy_core::id::Digest::of(&png)));
}

fn outline() -> deploy_core::plan::Outline {
    let key = "web".parse().unwrap();
    let actor = deploy_core::spec::Actor("tester".to_owned());
    let spec = deploy_core::spec::Spec::directory(key, "static".parse().unwrap(), "/site", actor);
    let detection = deploy_core::detect::Detection::default();
    let request = deploy_core::plan::DraftRequest {
        spec: &spec,
        detection: &detection,
        survey: None,
        executor: None,
        installed: &[],
    };
    match deploy_core::plan::draft(&request) {
        deploy_core::plan::Draft::Ready(plan) => plan.outline().clone(),
        deploy_core::plan::Draft::Blocked(blocked) => blocked.outline().clone(),
    }
}
