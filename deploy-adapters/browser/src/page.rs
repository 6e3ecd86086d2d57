//! From what the browser reports to what was seen of the page. Pure.

use deploy_core::browser::PageSeen;
use deploy_core::redact::Redactor;
use serde_json::Value;

/// How many messages of a console are kept.
const MESSAGES: usize = 20;
/// How many characters of each.
const LETTERS: usize = 300;

/// What the browser has reported so far.
pub(crate) struct Page {
    seen: PageSeen,
    /// The main frame.
    frame: String,
    /// Where the document came from that the main frame shows.
    document: String,
    loaded: bool,
    hidden: Redactor,
}

impl Page {
    pub(crate) fn new(asked: &str, frame: &str, hidden: Redactor) -> Self {
        let seen = PageSeen { asked: asked.to_owned(), url: asked.to_owned(), ..PageSeen::default() };
        Self { seen, frame: frame.to_owned(), document: asked.to_owned(), loaded: false, hidden }
    }

    /// Whether everything is there that the page loads by itself.
    pub(crate) const fn loaded(&self) -> bool {
        self.loaded
    }

    /// One event of the page.
    pub(crate) fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.responseReceived" => self.response(params),
            "Page.frameNavigated" => self.navigated(&params["frame"]),
            "Page.loadEventFired" => self.loaded = true,
            "Runtime.consoleAPICalled" => {
                if matches!(params["type"].as_str(), Some("error" | "assert")) {
                    self.error(&said(params));
                }
            }
            "Runtime.exceptionThrown" => self.error(&thrown(&params["exceptionDetails"])),
            "Log.entryAdded" => self.entry(&params["entry"]),
            "Inspector.targetCrashed" => self.fails("its process ended in the browser"),
            _ => {}
        }
    }

    /// An error that was too long to be read.
    pub(crate) fn monstrous(&mut self) {
        self.error("(a message that is longer than what is read)");
    }

    /// It will not be loaded any more.
    pub(crate) fn fails(&mut self, why: &str) {
        let why = self.shown(why);
        self.seen.not_loaded.get_or_insert(why);
    }

    pub(crate) fn into_seen(mut self) -> PageSeen {
        self.seen.url = self.shown(&self.seen.url.clone());
        self.seen
    }

    fn response(&mut self, params: &Value) {
        let main = params["type"] == "Document" && params["frameId"] == self.frame.as_str();
        if main {
            let status = params["response"]["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            self.seen.status = status.or(self.seen.status);
            self.document = params["response"]["url"].as_str().unwrap_or_default().to_owned();
        }
    }

    fn navigated(&mut self, frame: &Value) {
        if frame["parentId"].is_null() {
            let url = frame["unreachableUrl"].as_str().or(frame["url"].as_str());
            self.seen.url = url.unwrap_or_default().to_owned();
        }
    }

    fn entry(&mut self, entry: &Value) {
        if entry["level"] != "error" {
            return;
        }
        let url = entry["url"].as_str().unwrap_or_default();
        // The status of the page itself is told apart; an icon that nobody named is the browser's own wish.
        let known = entry["source"] == "network" && (url == self.document || is_icon(url));
        if !known {
            let text = entry["text"].as_str().unwrap_or_default();
            self.error(&if url.is_empty() { text.to_owned() } else { format!("{text} ({url})") });
        }
    }

    fn error(&mut self, text: &str) {
        self.seen.console_errors = self.seen.console_errors.saturating_add(1);
        if self.seen.messages.len() < MESSAGES {
            let text = self.shown(text);
            self.seen.messages.push(text);
        }
    }

    /// What a page said, cut off, without secrets, and with nothing in it that a terminal would obey.
    fn shown(&self, text: &str) -> String {
        let text = match text.char_indices().nth(LETTERS) {
            Some((end, _)) => format!("{} …", self.hidden.clean_head(&text[..end])),
            None => self.hidden.clean(text),
        };
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_control() || is_invisible(c) {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        shown
    }
}

/// Characters that change the order in which others are read, or can't be seen.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `/favicon.ico` of any host.
fn is_icon(url: &str) -> bool {
    let behind = url.find("://").map_or("", |at| &url[at + 3..]);
    behind.split_once('/').is_some_and(|(_, path)| path == "favicon.ico")
}

/// What was given to `console.error`.
fn said(params: &Value) -> String {
    let mut said = String::new();
    for argument in params["args"].as_array().into_iter().flatten() {
        if said.len() > 4 * LETTERS {
            break;
        }
        let text = match &argument["value"] {
            Value::Null => argument["description"].as_str().or(argument["type"].as_str()).unwrap_or_default(),
            Value::String(text) => text,
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                &other.to_string()
            }
        };
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(text);
    }
    said
}

/// An exception that nobody caught, with where it was thrown.
fn thrown(details: &Value) -> String {
    let text = details["exception"]["description"].as_str();
    let text = text.or(details["exception"]["value"].as_str()).or(details["text"].as_str());
    let first = text.unwrap_or("an exception").lines().next().unwrap_or_default();
    let url = details["url"].as_str().unwrap_or_default();
    match details["lineNumber"].as_u64() {
        Some(line) if !url.is_empty() => format!("{first} ({url}:{})", line + 1),
        Some(_) | None => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ASKED: &str = "http://web.localhost/";

    fn seen(events: &[Value]) -> PageSeen {
        let mut page = Page::new(ASKED, "main", Redactor::default());
        events.iter().for_each(|event| page.hear(event));
        page.into_seen()
    }

    fn entry(source: &str, level: &str, url: &str) -> Value {
        json!({ "method": "Log.entryAdded", "params": { "entry": { "source": source, "level": level, "text": "t", "url": url } } })
    }

    #[test]
    fn an_error_is_what_the_page_is_to_blame_for() {
        let console = |kind: &str| {
            let args = json!([{ "type": "string", "value": "a" }, { "type": "number", "value": 1 }, { "type": "object", "description": "O" }]);
            json!({ "method": "Runtime.consoleAPICalled", "params": { "type": kind, "args": args } })
        };
        let exception = json!({ "text": "Uncaught", "exception": { "description": "Error: no\n at x" }, "url": "/a.js", "lineNumber": 3 });
        for (event, message) in [
            (console("error"), Some("a 1 O")),
            (console("warning"), None),
            (console("log"), None),
            (
                json!({ "method": "Runtime.exceptionThrown", "params": { "exceptionDetails": exception } }),
                Some("Error: no (/a.js:4)"),
            ),
            (entry("network", "error", "http://web.localhost/a.png"), Some("t (http://web.localhost/a.png)")),
            (entry("network", "error", "http://web.localhost/favicon.ico"), None),
            (entry("network", "error", ASKED), None),
            (entry("security", "error", ASKED), Some("t (http://web.localhost/)")),
            (entry("network", "warning", "http://web.localhost/a.png"), None),
        ] {
            let seen = seen(std::slice::from_ref(&event));
            assert_eq!(seen.messages, message.iter().copied().collect::<Vec<_>>(), "{event}");
            assert_eq!(seen.console_errors, u32::from(message.is_some()));
        }
    }

    #[test]
    fn the_status_is_that_of_the_page_and_of_nothing_in_it() {
        let response = |kind: &str, frame: &str, status: u16| {
            json!({ "method": "Network.responseReceived",
                "params": { "type": kind, "frameId": frame, "response": { "status": status, "url": ASKED } } })
        };
        let answered = seen(&[
            response("Document", "main", 503),
            response("Document", "inner", 200),
            response("Image", "main", 404),
        ]);
        assert_eq!(answered.status, Some(503));
        let frame = |url: &str, parent: Option<&str>| json!({ "method": "Page.frameNavigated", "params": { "frame": { "url": url, "parentId": parent } } });
        let led = seen(&[frame("http://evil.example/", None), frame("http://inner/", Some("main"))]);
        assert_eq!(led.url, "http://evil.example/");
    }

    #[test]
    fn inv_36_what_a_page_says_holds_no_secret_where_it_is_cut() {
        let hidden = Redactor::new(&BTreeMap::from([("KEY".to_owned(), "correct-horse-battery".to_owned())]));
        for padding in LETTERS - 25..LETTERS + 5 {
            let mut page = Page::new(ASKED, "main", hidden.clone());
            page.error(&format!("{}correct-horse-battery", "x".repeat(padding)));
            let said = page.into_seen().messages.remove(0);
            assert!(!said.contains("corr"), "{padding}: {said}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_page_says_is_bounded_and_harmless(texts in proptest::collection::vec(".{0,400}", 0..30)) {
            let mut page = Page::new(ASKED, "main", Redactor::default());
            texts.iter().for_each(|text| page.error(text));
            let seen = page.into_seen();
            prop_assert_eq!(seen.console_errors as usize, texts.len());
            prop_assert!(seen.messages.len() <= MESSAGES);
            for message in &seen.messages {
                prop_assert!(!message.chars().any(|c| c.is_control() || is_invisible(c)));
                prop_assert!(message.len() <= LETTERS * 10 + 4);
            }
        }
    }
}
