//! Looking at a page the way its users will: in a browser. What is asked for, what was seen, and what it is worth. Pure;
//! an adapter owns the browser.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::time::Span;

/// The largest picture of a page that is kept, and so that is sent.
pub const PICTURE_BYTES: usize = 4 * 1024 * 1024;

/// How a page is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BrowserPolicy {
    /// The path of the page.
    pub path: String,
    /// How long it may take until it is loaded, everything that it loads by itself included.
    pub timeout: Span,
    /// How long its console is listened to after that.
    pub wait: Span,
    /// How many errors there may be on the console, exceptions included.
    pub max_console_errors: u32,
    /// Whether a picture of it is kept.
    pub screenshot: bool,
}

impl BrowserPolicy {
    /// How long a browser may take to start.
    pub const START: Span = Span::from_secs(20);
    /// How long a picture may take.
    pub const PICTURE: Span = Span::from_secs(5);

    /// The longest that one look can take.
    #[must_use]
    pub fn longest(&self) -> Span {
        let parts = [Self::START, self.timeout, self.wait, Self::PICTURE];
        Span::from_millis(parts.iter().fold(0, |sum, part| sum.saturating_add(part.as_millis())))
    }

    /// What it asks for, for people: "/ must load in a browser within 15s, without an error on the console".
    #[must_use]
    pub fn asks_for(&self) -> String {
        let errors = match self.max_console_errors {
            0 => "without an error".to_owned(),
            1 => "with at most 1 error".to_owned(),
            most => format!("with at most {most} errors"),
        };
        format!("{} must load in a browser within {}, {errors} on its console", self.path, self.timeout)
    }
}

impl Default for BrowserPolicy {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            timeout: Span::from_secs(15),
            wait: Span::from_secs(1),
            max_console_errors: 0,
            screenshot: true,
        }
    }
}

/// A picture of a page that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Screenshot {
    /// The PNG file, relative to the state directory. Only those of the latest deployments are kept.
    pub file: String,
    /// Its content.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// What a browser saw of a page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageSeen {
    /// What was opened.
    pub asked: String,
    /// Where that led.
    pub url: String,
    /// The status of the page itself; absent when nobody answered.
    pub status: Option<u16>,
    /// Why it was not loaded to the end, where it was not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_loaded: Option<String>,
    /// How many errors there were on its console: what it wrote there as errors, exceptions that nobody caught, and
    /// whatever it needs that could not be loaded.
    pub console_errors: u32,
    /// The first of them, each cut off where it is long.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub messages: Vec<String>,
    /// A picture of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screenshot: Option<Screenshot>,
}

impl PageSeen {
    /// Why it is not as the policy asks, one lower-case sentence; nothing where it is.
    #[must_use]
    pub fn objection(&self, policy: &BrowserPolicy) -> Option<String> {
        if let Some(why) = &self.not_loaded {
            return Some(format!("the page was not loaded in the browser: {why}"));
        }
        match self.status {
            None => return Some("nobody answered the browser".to_owned()),
            Some(200..=299) => {}
            Some(status) => return Some(format!("the page answered the browser with {status}")),
        }
        if origin(&self.asked) != origin(&self.url) {
            return Some(format!("the page led the browser to {}", origin(&self.url)));
        }
        let (errors, most) = (self.console_errors, policy.max_console_errors);
        (errors > most)
            .then(|| format!("the page has {} on its console, at most {most} may be", counted(errors)))
    }

    /// What was seen, for people: "/ answered 200, no error on its console".
    #[must_use]
    pub fn seen(&self) -> String {
        let status = self.status.map_or("nothing".to_owned(), |status| status.to_string());
        let errors = match self.console_errors {
            0 => "no error".to_owned(),
            errors => counted(errors),
        };
        format!("{} answered {status} in a browser, {errors} on its console", self.url)
    }
}

fn counted(errors: u32) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}

/// Scheme, host and port of a URL, as they are written.
fn origin(url: &str) -> &str {
    let behind = url.find("://").map_or(0, |at| at + 3);
    let end = url[behind..].find(['/', '?', '#']).map_or(url.len(), |at| behind + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(status: Option<u16>, errors: u32) -> PageSeen {
        let asked = "http://web.localhost:7480/app?x=/".to_owned();
        PageSeen { url: asked.clone(), asked, status, console_errors: errors, ..PageSeen::default() }
    }

    #[test]
    fn a_page_that_leads_elsewhere_is_not_the_page() {
        let policy = BrowserPolicy::default();
        for (url, elsewhere) in [
            ("http://web.localhost:7480/other", false),
            ("http://web.localhost:7480#there", false),
            ("https://web.localhost:7480/", true),
            ("http://web.localhost/", true),
            ("http://web.localhost:74801/", true),
            ("http://evil.example/http://web.localhost:7480/", true),
            ("chrome-error://chromewebdata/", true),
        ] {
            let seen = PageSeen { url: url.to_owned(), ..page(Some(200), 0) };
            assert_eq!(seen.objection(&policy).is_some(), elsewhere, "{url}");
        }
    }

    proptest! {
        #[test]
        fn inv_03_a_page_is_good_only_if_it_loaded_answered_well_and_kept_quiet(
            status in proptest::option::of(100_u16..600), errors in 0_u32..4, most in 0_u32..4, loaded: bool,
        ) {
            let policy = BrowserPolicy { max_console_errors: most, ..BrowserPolicy::default() };
            let not_loaded = (!loaded).then(|| "it took too long".to_owned());
            let seen = PageSeen { not_loaded, ..page(status, errors) };
            let good = loaded && status.is_some_and(|status| (200..300).contains(&status)) && errors <= most;
            prop_assert_eq!(seen.objection(&policy).is_none(), good);
        }
    }
}
