//! A browser for looks: what it is asked, and how a look goes.

use std::net::SocketAddr;
use std::path::PathBuf;

use deploy_core::browser::{BrowserPolicy, PageSeen};
use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::redact::Redactor;
use deploy_probe::{AddressPolicy, HttpUrl, Target};

use crate::pictures::Pictures;
use crate::process::{Chromium, find};
use crate::proxy::{Proxy, Routes};
use crate::session;

/// The browser of this machine.
#[derive(Debug, Clone)]
pub struct Browser {
    program: Option<PathBuf>,
    pub(crate) pictures: Option<Pictures>,
}

/// One look.
pub struct Look<'a> {
    /// The URL that the browser is given.
    pub url: String,
    /// Where its host really is, and what it is called there. Its path and its time do not count.
    pub target: Target,
    /// What is asked for.
    pub policy: &'a BrowserPolicy,
    /// Where the page may lead the browser, beside its own host.
    pub others: AddressPolicy,
    /// An address that it may be led to although `others` says no: where the sites of this machine are.
    pub neighbours: Option<SocketAddr>,
    /// A directory of its own for the profile. It is emptied before the look and removed after it.
    pub profile: PathBuf,
    /// What must not be said.
    pub hidden: Redactor,
    /// Asked to stop.
    pub cancel: &'a Cancel,
}

impl Browser {
    /// The browser `program`, else the Chromium that is on `PATH` when it is needed. With `pictures`, those of
    /// deployments are kept there.
    #[must_use]
    pub const fn new(program: Option<PathBuf>, pictures: Option<Pictures>) -> Self {
        Self { program, pictures }
    }

    /// The program, if there is one now.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        find(self.program.as_deref())
    }

    /// Looks once: what was seen, with the picture as a PNG where one was asked for and could be taken.
    ///
    /// # Errors
    /// [`FailureCode::BrowserUnavailable`] where the browser is to blame, and [`FailureCode::Cancelled`]. What the page
    /// is to blame for is in what was seen.
    pub async fn look(&self, look: Look<'_>) -> Result<(PageSeen, Option<Vec<u8>>), Failure> {
        let program = self.program().ok_or_else(|| unavailable("there is no Chromium on PATH"))?;
        let own = HttpUrl::parse(&look.url)
            .map_err(|error| Failure::new(FailureCode::PageFailed, error.to_string()))?;
        let routes = Routes {
            own,
            address: look.target.address,
            host: look.target.host,
            others: look.others,
            neighbours: look.neighbours,
        };
        let proxy = Proxy::start(routes).await;
        let proxy = proxy.map_err(|error| unavailable(&format!("no way to the page: {error}")))?;
        let started = Chromium::start(&program, &look.profile, proxy.address());
        let (chromium, pipe) = started
            .map_err(|error| unavailable(&format!("{} could not be started: {error}", program.display())))?;
        let seen = tokio::select! {
            seen = session::look(pipe, &look.url, proxy.credential(), look.policy, look.hidden.clone()) => Some(seen),
            () = look.cancel.cancelled() => None,
        };
        let said = chromium.end().await;
        match seen {
            None => Err(Failure::new(FailureCode::Cancelled, "looking at the page was stopped on request")),
            Some(Ok(seen)) => Ok(seen),
            Some(Err(error)) => {
                let why = if error.kind() == std::io::ErrorKind::UnexpectedEof {
                    "the browser ended before the page was seen".to_owned()
                } else {
                    format!("the browser can't be used: {error}")
                };
                let lines: Vec<String> = said.lines().map(|line| look.hidden.clean(line)).collect();
                Err(unavailable(&why).with_tail(lines))
            }
        }
    }
}

fn unavailable(why: &str) -> Failure {
    Failure::new(FailureCode::BrowserUnavailable, why)
}
