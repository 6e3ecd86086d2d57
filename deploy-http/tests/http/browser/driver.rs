//! A browser of its own for each test, and what a person does with it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// No wait is longer.
const LONG: Duration = Duration::from_secs(60);

/// How the browser is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) script: bool,
    pub(crate) dark: bool,
    pub(crate) size: (u32, u32),
}

impl How {
    pub(crate) const USUAL: Self = Self { script: true, dark: false, size: (1_280, 900) };
}

/// A running browser.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: tempfile::TempDir,
}

/// The one place where these tests start a program.
#[expect(clippy::disallowed_methods, reason = "the browser's driver is a program")]
fn program(name: &str) -> Command {
    Command::new(name)
}

/// Whether Chromium is there; if it is not and has to be, the test fails.
fn is_there() -> bool {
    let there = |name: &str| program(name).arg("--version").output().is_ok();
    if there("chromedriver") && there("chromium") {
        return true;
    }
    let required = std::env::var("DEPLOY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split_whitespace().any(|name| name == "chromium"), "chromium or its driver is missing");
    eprintln!("PASSED OVER: there is no chromium, so nothing is known about the page in a browser");
    false
}

impl Browser {
    /// Starts one; `None` where there is no Chromium.
    pub(crate) async fn open(how: How) -> Option<Self> {
        if !is_there() {
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let (driver, address) = driver();
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let answer = browser.ask("POST", "/session", &capabilities(how, browser._profile.path())).await;
        browser.session = answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        browser.size(how.size.0, how.size.1).await;
        Some(browser)
    }

    /// One command of the protocol; a refusal is part of the answer.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("content-length", body.len())
            .body(Body::from(body))
            .unwrap();
        let answer = tokio::time::timeout(2 * LONG, sender.send_request(request)).await.unwrap().unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        serde_json::from_slice::<Value>(&bytes).unwrap()["value"].take()
    }

    async fn command(&self, what: &str, body: Value) -> Value {
        self.ask("POST", &format!("/session/{}/{what}", self.session), &body).await
    }

    async fn read(&self, what: &str) -> Value {
        self.ask("GET", &format!("/session/{}/{what}", self.session), &Value::Null).await
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        self.command("window/rect", json!({ "width": width, "height": height })).await;
    }

    /// Opens a page.
    pub(crate) async fn go(&self, url: &str) {
        self.command("url", json!({ "url": url })).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.read("url").await.as_str().unwrap_or_default().to_owned()
    }

    /// What a script says; the driver's own, which no policy of the page stops.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        let answer = self.command("execute/sync", json!({ "script": script, "args": [] })).await;
        assert!(answer.get("error").is_none(), "{script}: {answer}");
        answer
    }

    /// What a script's promise comes to.
    pub(crate) async fn eval_later(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        let answer = self.command("execute/async", json!({ "script": script, "args": [] })).await;
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }

    async fn element(&self, css: &str) -> Option<String> {
        let found = self.command("element", json!({ "using": "css selector", "value": css })).await;
        let id = found.as_object()?.iter().find(|(key, _)| key.starts_with("element-"))?.1;
        Some(id.as_str()?.to_owned())
    }

    /// Waits for an element.
    async fn awaited(&self, css: &str) -> String {
        let started = Instant::now();
        loop {
            if let Some(element) = self.element(css).await {
                return element;
            }
            assert!(started.elapsed() < LONG, "no {css} in:\n{}", self.text("body").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What people read in an element; empty where there is none.
    pub(crate) async fn text(&self, css: &str) -> String {
        let Some(element) = self.element(css).await else { return String::new() };
        let text = self.read(&format!("element/{element}/text")).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element says something.
    pub(crate) async fn says(&self, css: &str, text: &str) {
        let started = Instant::now();
        while !self.text(css).await.contains(text) {
            let all = || async { self.text("body").await };
            assert!(started.elapsed() < LONG, "{css} does not say {text:?}:\n{}", all().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks an element once it is there; one that was replaced just then is looked for again.
    pub(crate) async fn click(&self, css: &str) {
        let started = Instant::now();
        loop {
            let element = self.awaited(css).await;
            let answer = self.command(&format!("element/{element}/click"), json!({})).await;
            if answer.is_null() {
                return;
            }
            assert!(started.elapsed() < LONG, "{css} can't be clicked: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes into a field, in place of what was there.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let element = self.awaited(css).await;
        self.command(&format!("element/{element}/clear"), json!({})).await;
        self.keys(&element, text).await;
    }

    async fn keys(&self, element: &str, text: &str) {
        let answer = self.command(&format!("element/{element}/value"), json!({ "text": text })).await;
        assert!(answer.is_null(), "{answer}");
    }

    /// Presses a key where the focus is.
    pub(crate) async fn press(&self, key: &str) {
        let active = self.read("element/active").await;
        let element =
            active.as_object().and_then(|found| found.values().next()?.as_str()).unwrap().to_owned();
        self.keys(&element, key).await;
    }

    pub(crate) async fn is_enabled(&self, css: &str) -> bool {
        let element = self.awaited(css).await;
        self.read(&format!("element/{element}/enabled")).await == json!(true)
    }

    /// A picture of the page, as PNG in base 64.
    pub(crate) async fn picture(&self) -> String {
        self.read("screenshot").await.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to; killed, it could not.
        let delete = format!(
            "DELETE /session/{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            self.session
        );
        if let Ok(mut stream) = std::net::TcpStream::connect(self.address) {
            use std::io::{Read as _, Write as _};
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(delete.as_bytes());
            let _ = stream.read(&mut [0; 512]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A driver that listens, and where. It takes a port that is free on `::1`, and ends where somebody has the same one on
/// `127.0.0.1`: then it is started again.
fn driver() -> (Child, SocketAddr) {
    let mut said = String::new();
    for _ in 0..5 {
        let mut driver = program("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        match listening(&mut driver) {
            Ok(address) => return (driver, address),
            Err(lines) => said = lines,
        }
        let _ = driver.kill();
        let _ = driver.wait();
    }
    panic!("the driver does not listen: {said}");
}

/// The address that the driver says it listens on; all that it said if it ends without.
fn listening(driver: &mut Child) -> Result<SocketAddr, String> {
    let output = driver.stdout.take().unwrap();
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut said = String::new();
    for line in lines.by_ref() {
        let port =
            line.rsplit_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').parse());
        if let Some(Ok(port)) = port {
            // What it says later is nobody's business, but it must be able to say it.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(said)
}

fn capabilities(how: How, profile: &Path) -> Value {
    let mut flags: Vec<String> = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--lang=en-GB",
    ]
    .map(str::to_owned)
    .into();
    flags.push(format!("--user-data-dir={}", profile.display()));
    flags.push(format!("--blink-settings=preferredColorScheme={}", u8::from(!how.dark)));
    let scripts = if how.script { 1 } else { 2 };
    let prefs = json!({ "profile.managed_default_content_settings.javascript": scripts });
    let chrome = json!({ "args": flags, "prefs": prefs });
    json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": chrome,
        "timeouts": { "script": 120_000 } } } })
}
