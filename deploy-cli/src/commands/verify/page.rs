//! Looking at the page in a browser, once it answers.

use deploy_browser::{Browser, Look, judge};
use deploy_core::acceptance::Acceptance;
use deploy_core::browser::BrowserPolicy;
use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::redact::Redactor;
use deploy_probe::{AddressPolicy, SystemResolver, UrlError, resolve_and_check};

use super::{TIMEOUT, path_of};
use crate::args::VerifyArgs;
use crate::commands::serve::asked_to_end;
use crate::exit::Failed;
use crate::output::tell;
use crate::wiring::named_chromium;

/// What was seen, or why that is not well.
///
/// # Errors
/// There is no browser, or the picture can't be written.
pub(super) async fn look(args: &VerifyArgs, cancel: &Cancel) -> Result<Result<Acceptance, Failure>, Failed> {
    let browser = Browser::new(named_chromium(), None);
    if browser.program().is_none() {
        let missing = Failed::usage("browser_missing", "there is no Chromium on PATH");
        return Err(missing
            .hint("install it (on Debian: apt-get install chromium)")
            .hint("or leave --browser out"));
    }
    let addresses = AddressPolicy::local();
    let target = match resolve_and_check(&args.url, &addresses, &SystemResolver, TIMEOUT).await {
        Ok(target) => target,
        Err(error @ (UrlError::Invalid { .. } | UrlError::Refused { .. })) => {
            return Err(Failed::usage("url_refused", error.to_string()));
        }
        Err(error) => return Ok(Err(Failure::new(FailureCode::Unhealthy, error.to_string()))),
    };
    let policy = BrowserPolicy {
        path: path_of(&args.url).to_owned(),
        max_console_errors: args.max_console_errors,
        screenshot: args.screenshot.is_some(),
        ..BrowserPolicy::default()
    };
    let looking = browser.look(Look {
        url: args.url.clone(),
        target,
        policy: &policy,
        others: addresses,
        neighbours: None,
        profile: std::env::temp_dir().join(format!("deploy-verify-{}", std::process::id())),
        hidden: Redactor::default(),
        cancel,
    });
    let looked = tokio::select! {
        looked = looking => looked,
        // Ended here, so that nothing of the browser stays behind.
        () = asked_to_end() => return Err(Failed::usage("interrupted", "looking at the page was interrupted")),
    };
    let (seen, picture) = match looked {
        Ok(looked) => looked,
        Err(failure) => return Ok(Err(failure)),
    };
    if let (Some(file), Some(png)) = (&args.screenshot, picture) {
        let written = std::fs::write(file, png);
        written.map_err(|error| {
            Failed::usage("screenshot_unwritable", format!("{}: {error}", file.display()))
        })?;
        tell(&format!("the picture is {}", file.display()));
    }
    Ok(judge(&policy, seen))
}
