//! Steering one look: open a tab, load the page, listen, take the picture.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deploy_core::browser::{BrowserPolicy, PageSeen};
use deploy_core::redact::Redactor;
use deploy_core::time::Span;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use crate::credential::Credential;
use crate::page::Page;
use crate::wire::{Heard, Wire};

/// The window, in pixels.
const WINDOW: (u32, u32) = (1280, 800);

/// A look on its way.
struct Session<'a> {
    wire: Wire,
    /// What the proxy asks for.
    credential: &'a Credential,
    /// The tab, once there is one.
    tab: Option<String>,
}

/// Looks once. What the page is to blame for is part of what was seen.
///
/// # Errors
/// The browser does not do what it is told, or is gone.
pub(crate) async fn look(
    stream: UnixStream,
    url: &str,
    credential: &Credential,
    policy: &BrowserPolicy,
    hidden: Redactor,
) -> io::Result<(PageSeen, Option<Vec<u8>>)> {
    let mut session = Session { wire: Wire::new(stream), credential, tab: None };
    let opening = tokio::time::timeout(BrowserPolicy::START.as_duration(), session.open());
    let frame = opening.await.map_err(|_| late("it did not start in time"))??;
    let mut page = Page::new(url, &frame, hidden);
    session.load(url, policy, &mut page).await?;
    let picture = if policy.screenshot { session.picture(&mut page).await? } else { None };
    Ok((page.into_seen(), picture))
}

impl Session<'_> {
    /// Opens a tab that shares nothing with anything, and gives its main frame.
    async fn open(&mut self) -> io::Result<String> {
        let context = self.ask("Target.createBrowserContext", json!({ "disposeOnDetach": true })).await?;
        let context = text(&context, "browserContextId")?;
        let refuse = json!({ "behavior": "deny", "browserContextId": context });
        self.ask("Browser.setDownloadBehavior", refuse).await?;
        let (width, height) = WINDOW;
        let blank =
            json!({ "url": "about:blank", "browserContextId": context, "width": width, "height": height });
        let target = text(&self.ask("Target.createTarget", blank).await?, "targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        self.tab = Some(text(&self.ask("Target.attachToTarget", attach).await?, "sessionId")?);
        for domain in ["Page", "Runtime", "Log", "Network", "Inspector"] {
            self.ask(&format!("{domain}.enable"), json!({})).await?;
        }
        let window = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", window).await?;
        // Every request passes by here, so that whoever asks for a login is answered: the proxy, whose answer the browser
        // remembers for what does not pass by here, and nobody else. An unanswered question would hold the page up.
        let all = json!({ "handleAuthRequests": true, "patterns": [{ "urlPattern": "*" }] });
        self.ask("Fetch.enable", all).await?;
        Ok(target)
    }

    /// Loads the page, and listens for a while when it is loaded.
    async fn load(&mut self, url: &str, policy: &BrowserPolicy, page: &mut Page) -> io::Result<()> {
        let navigation = self.tell("Page.navigate", json!({ "url": url })).await?;
        let within = Instant::now() + policy.timeout.as_duration();
        while !page.loaded() {
            let Some(heard) = self.hear_until(within).await? else {
                page.fails(&format!("it was not loaded within {}", policy.timeout));
                return Ok(());
            };
            let answered = heard["id"] == navigation;
            if let Some(why) = heard["result"]["errorText"].as_str().filter(|_| answered) {
                page.fails(why);
                return Ok(());
            }
            self.hear(&heard, page).await?;
        }
        let until = Instant::now() + policy.wait.as_duration();
        while let Some(heard) = self.hear_until(until).await? {
            self.hear(&heard, page).await?;
        }
        Ok(())
    }

    /// The picture; none where the page is too busy to be painted.
    async fn picture(&mut self, page: &mut Page) -> io::Result<Option<Vec<u8>>> {
        let taken = self.tell("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let until = Instant::now() + BrowserPolicy::PICTURE.as_duration();
        while let Some(heard) = self.hear_until(until).await? {
            if heard["id"] == taken {
                let data = heard["result"]["data"].as_str();
                return Ok(data.and_then(|data| STANDARD.decode(data).ok()));
            }
            self.hear(&heard, page).await?;
        }
        Ok(None)
    }

    /// Something that came by itself. A dialog would hold the page up: nobody is there to answer.
    async fn hear(&mut self, heard: &Value, page: &mut Page) -> io::Result<()> {
        if heard["method"] == "Page.javascriptDialogOpening" {
            self.tell("Page.handleJavaScriptDialog", json!({ "accept": false })).await?;
        }
        if heard["method"] == "Fetch.requestPaused" {
            let request = &heard["params"]["requestId"];
            self.tell("Fetch.continueRequest", json!({ "requestId": request })).await?;
        }
        if heard["method"] == "Fetch.authRequired" {
            self.authorise(&heard["params"]).await?;
        }
        if heard["method"] == MONSTROUS {
            page.monstrous();
        }
        if heard["sessionId"].as_str() == self.tab.as_deref() {
            page.hear(heard);
        }
        Ok(())
    }

    /// Somebody wants to know who is there. Only the proxy is told.
    async fn authorise(&mut self, params: &Value) -> io::Result<()> {
        let answer = if params["authChallenge"]["source"] == "Proxy" {
            let (name, password) = (Credential::NAME, self.credential.password());
            json!({ "response": "ProvideCredentials", "username": name, "password": password })
        } else {
            json!({ "response": "CancelAuth" })
        };
        let answer = json!({ "requestId": params["requestId"], "authChallengeResponse": answer });
        self.tell("Fetch.continueWithAuth", answer).await.map(drop)
    }

    /// The next message, if one comes in time.
    async fn hear_until(&mut self, until: Instant) -> io::Result<Option<Value>> {
        // A page that never pauses must not keep its time from passing.
        if Instant::now() >= until {
            return Ok(None);
        }
        match timeout_at(until, self.wire.hear()).await {
            Ok(heard) => Ok(Some(message(heard?))),
            Err(_) => Ok(None),
        }
    }

    /// Gives a command and waits for its answer.
    async fn ask(&mut self, method: &str, params: Value) -> io::Result<Value> {
        let asked = self.tell(method, params).await?;
        loop {
            let mut heard = message(self.wire.hear().await?);
            if heard["id"] != asked {
                continue;
            }
            if let Some(error) = heard["error"]["message"].as_str() {
                return Err(io::Error::other(format!("{method}: {error}")));
            }
            return Ok(heard["result"].take());
        }
    }

    /// Gives a command. A browser that takes none for so long is as good as gone.
    async fn tell(&mut self, method: &str, params: Value) -> io::Result<u64> {
        let told = self.wire.tell(self.tab.as_deref(), method, params);
        let told = tokio::time::timeout(TAKEN, told).await;
        told.map_err(|_| late("it takes no commands"))?
    }
}

/// How long it may take until a command is taken.
const TAKEN: Duration = Span::from_secs(5).as_duration();

/// Stands for a message that was too long to be read.
const MONSTROUS: &str = "monstrous";

fn message(heard: Heard) -> Value {
    match heard {
        Heard::Message(message) => message,
        Heard::TooLong => json!({ "method": MONSTROUS }),
    }
}

fn text(value: &Value, name: &str) -> io::Result<String> {
    let text = value[name].as_str().map(str::to_owned);
    text.ok_or_else(|| io::Error::other(format!("the browser gave no {name}")))
}

fn late(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}
