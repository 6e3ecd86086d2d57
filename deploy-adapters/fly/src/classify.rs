//! From how flyctl ended and what it said to a failure with a class. Pure.
//!
//! Only what flyctl says of its own failure is read: from its last line that begins with `Error`. Phrases are whole,
//! and a number counts as a status only where the words around it say so: an id that holds 502 means nothing.

use deploy_core::failure::{Failure, FailureCode};

use crate::run::{End, Ran};

/// How many of the last lines are read where flyctl did not say `Error`.
const LAST: usize = 5;

/// What flyctl's own words mean; the first that is found counts. Lower case.
const PHRASES: &[(&str, FailureCode)] = &[
    ("no access token available", FailureCode::ProviderAuth),
    ("token validation error", FailureCode::ProviderAuth),
    ("not authorized", FailureCode::ProviderAuth),
    ("unauthorized", FailureCode::ProviderAuth),
    ("token is invalid", FailureCode::ProviderAuth),
    ("did you create the app or misspell it", FailureCode::AppNotFound),
    ("could not find app", FailureCode::AppNotFound),
    ("app not found", FailureCode::AppNotFound),
    ("is missing an app name", FailureCode::ProviderConfig),
    ("app configuration is not valid", FailureCode::ProviderConfig),
    ("unsupported deployment strategy", FailureCode::ProviderConfig),
    ("config file not found at specified path", FailureCode::ProviderConfig),
    ("fly.toml parse error", FailureCode::ProviderConfig),
    ("config invalid", FailureCode::ProviderConfig),
    ("needs volumes with name", FailureCode::ProviderConfig),
    ("unknown flag", FailureCode::ProviderConfig),
    ("could not find image", FailureCode::ImageUnavailable),
    ("release command failed", FailureCode::ReleaseCommandFailed),
    ("error running release_command machine", FailureCode::ReleaseCommandFailed),
    ("failed to fetch an image or build from source", FailureCode::BuildFailed),
    ("docker is unavailable to build", FailureCode::BuildFailed),
    ("error pushing image to registry", FailureCode::BuildFailed),
    ("error building", FailureCode::BuildFailed),
    ("smoke checks for", FailureCode::ReleaseExited),
    ("the app appears to be crashing", FailureCode::ReleaseExited),
    ("waiting for health checks to pass", FailureCode::Unhealthy),
    ("could not get all green machines to be healthy", FailureCode::Unhealthy),
    ("could not get all green machines into started state", FailureCode::Unhealthy),
    ("waiting for machine's state to change", FailureCode::Unhealthy),
    ("error test command machine", FailureCode::Unhealthy),
    ("insufficient_capacity", FailureCode::ProviderCapacity),
    ("could not reserve resource for machine", FailureCode::ProviderCapacity),
    ("try choosing a different region", FailureCode::ProviderCapacity),
    ("please add a payment method", FailureCode::ProviderRefused),
    ("bluegreen deployment", FailureCode::ProviderRefused),
    ("rate limit", FailureCode::RateLimited),
    ("too many requests", FailureCode::RateLimited),
    ("temporary failure", FailureCode::ProviderUnavailable),
    ("connection reset", FailureCode::ProviderUnavailable),
    ("connection refused", FailureCode::ProviderUnavailable),
    ("i/o timeout", FailureCode::ProviderUnavailable),
    ("tls handshake timeout", FailureCode::ProviderUnavailable),
    ("context deadline exceeded", FailureCode::ProviderUnavailable),
    ("request timed out", FailureCode::ProviderUnavailable),
    ("unexpected eof", FailureCode::ProviderUnavailable),
    ("lease currently held by", FailureCode::ProviderUnavailable),
    ("failed to get lease on vm", FailureCode::ProviderUnavailable),
    ("failed to acquire leases", FailureCode::ProviderUnavailable),
    ("failed to list vms even after retries", FailureCode::ProviderUnavailable),
];

/// The failure that a call's end is; `None` where it ended well. `app_is_known` says whether the app exists for certain.
pub(crate) fn failure(ran: &Ran, app_is_known: bool) -> Option<Failure> {
    let own = own_words(&ran.said);
    let message = own.first().map_or("flyctl failed without a word", |line| line.as_str());
    let (code, message) = match &ran.end {
        End::Exited(Some(0)) => return None,
        End::Stopped => (FailureCode::Cancelled, "flyctl was stopped on request".to_owned()),
        End::TimedOut => (FailureCode::ReplyLost, "flyctl did not end in time and was ended".to_owned()),
        End::Exited(code) => (read(own, *code, app_is_known), bounded(message)),
    };
    let exit = match &ran.end {
        End::Exited(Some(code)) => code.to_string(),
        End::Exited(None) => "a signal".to_owned(),
        End::Stopped | End::TimedOut => "none".to_owned(),
    };
    Some(Failure::new(code, message).because("exit", exit).with_tail(ran.said.clone()))
}

fn bounded(message: &str) -> String {
    message.trim_start_matches("Error:").trim().chars().take(500).collect()
}

/// What flyctl says of its own failure.
fn own_words(said: &[String]) -> &[String] {
    let begins = said.iter().rposition(|line| line.trim_start().starts_with("Error"));
    &said[begins.unwrap_or(said.len().saturating_sub(LAST))..]
}

fn read(own: &[String], exit: Option<i32>, app_is_known: bool) -> FailureCode {
    let text = own.join("\n").to_lowercase();
    if text.contains("no such host") {
        return unresolved(&text, app_is_known);
    }
    let phrase = PHRASES.iter().find(|(phrase, _)| holds(&text, phrase)).map(|(_, code)| *code);
    let stands = |code: FailureCode| code != FailureCode::ProviderRefused;
    if let Some(code) = phrase.filter(|code| stands(*code)) {
        return code;
    }
    match (phrase, status(&text), exit) {
        (Some(code), _, _) => code,
        (None, Some(401 | 403), _) => FailureCode::ProviderAuth,
        (None, Some(429), _) => FailureCode::RateLimited,
        (None, Some(408 | 502 | 503 | 504), _) => FailureCode::ProviderUnavailable,
        (None, Some(_), _) => FailureCode::ProviderRefused,
        // What flyctl ends with when a deadline of its own passed.
        (None, None, Some(126)) => FailureCode::ProviderUnavailable,
        (None, None, Some(127)) => FailureCode::ProviderUnavailable,
        (None, None, _) => FailureCode::ProviderRefused,
    }
}

/// A name that does not resolve: of an app that may not exist it is that; else it is the network.
fn unresolved(text: &str, app_is_known: bool) -> FailureCode {
    if text.contains(".fly.dev") && !app_is_known {
        FailureCode::AppNotFound
    } else {
        FailureCode::ProviderUnavailable
    }
}

/// Whether a text holds a phrase as whole words.
fn holds(text: &str, phrase: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(phrase).any(|(at, found)| {
        let before = text[..at].chars().next_back().is_some_and(letter);
        let after = text[at + found.len()..].chars().next().is_some_and(letter);
        !before && !after
    })
}

/// The status of an answer over HTTP that the text tells.
fn status(text: &str) -> Option<u16> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ':' | ',' | '=' | '"' | ';');
    let words: Vec<&str> = text.split(separates).filter(|word| !word.is_empty()).collect();
    let names = ["status", "statuscode", "code", "http", "http/1.1", "http/2", "http/2.0", "got", "returned"];
    let follows =
        ["bad", "service", "gateway", "too", "unauthorized", "forbidden", "not", "unprocessable", "request"];
    words.iter().enumerate().find_map(|(index, word)| {
        let word = word.trim_end_matches('.');
        let number: u16 = (word.len() == 3).then(|| word.parse().ok())?.filter(|n| (400..600).contains(n))?;
        let before = index.checked_sub(1).is_some_and(|before| names.contains(&words[before]));
        let after = words.get(index + 1).is_some_and(|after| follows.contains(after));
        (before || after).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use deploy_core::failure::FailureClass;

    use super::*;

    fn code(exit: i32, said: &str, known: bool) -> FailureCode {
        let said = said.lines().map(str::to_owned).collect();
        let ran = Ran { end: End::Exited(Some(exit)), answer: Vec::new(), said };
        failure(&ran, known).expect("it failed").code
    }

    #[test]
    fn each_text_of_flyctl_has_its_class() {
        use FailureCode as F;
        for (said, expected) in [
            ("Error: no access token available. Please login with 'flyctl auth login'", F::ProviderAuth),
            ("Error: Authenticate: token validation error", F::ProviderAuth),
            ("Error: failed to get app: status 401", F::ProviderAuth),
            (
                "Error: app web could not be found, did you create the app or misspell it in the fly.toml file or via -a?",
                F::AppNotFound,
            ),
            ("Error: Could not find App \"web\"", F::AppNotFound),
            (
                "Error: the config for your app is missing an app name, add an app field to the fly.toml file",
                F::ProviderConfig,
            ),
            ("Error: App configuration is not valid", F::ProviderConfig),
            ("Error: unsupported deployment strategy 'x'", F::ProviderConfig),
            ("Error: unknown flag: --region\nRun 'fly deploy --help' for usage.", F::ProviderConfig),
            ("Error: failed to fetch an image or build from source: error building: exit 1", F::BuildFailed),
            ("Error: could not find image \"x\"", F::ImageUnavailable),
            (
                "Error: release command failed - aborting deployment. error: exited with non-zero status of 1",
                F::ReleaseCommandFailed,
            ),
            ("Error: timeout reached waiting for health checks to pass for machine 148e", F::Unhealthy),
            (
                "Error: failed to update machine 1: Unrecoverable error: timeout reached waiting for health checks to pass for machine 1",
                F::Unhealthy,
            ),
            ("Error: smoke checks for 1 failed: the app appears to be crashing", F::ReleaseExited),
            ("Error: insufficient_capacity: could not reserve resource for machine", F::ProviderCapacity),
            ("Error: please add a payment method", F::ProviderRefused),
            ("Error: request failed: status 429", F::RateLimited),
            ("Error: failed to create release (status 503): upstream", F::ProviderUnavailable),
            ("Error: got 502 Bad Gateway", F::ProviderUnavailable),
            ("Error: HTTP 504 from the API", F::ProviderUnavailable),
            ("Error: dial tcp 1.2.3.4:443: i/o timeout", F::ProviderUnavailable),
            ("Error: read tcp: connection reset by peer", F::ProviderUnavailable),
            ("Error: temporary failure in name resolution", F::ProviderUnavailable),
            ("Error: lease currently held by a@b.c", F::ProviderUnavailable),
            ("Error: failed to launch VM (status 422)", F::ProviderRefused),
            ("Error: 404 not found", F::ProviderRefused),
            ("", F::ProviderRefused),
        ] {
            assert_eq!(code(1, said, true), expected, "{said}");
        }
    }

    #[test]
    fn a_number_inside_an_id_is_no_status() {
        for said in [
            "Error: could not update machine 5026dd4c502",
            "Error: image deployment-01J502ABC503 is odd",
            "Error: port 502 is in use",
            "Error: 503 machines are too many",
            "Error: registry.fly.io/web:502 refused",
            "connection reset by peer while building\nError: App configuration is not valid",
        ] {
            assert_eq!(FailureClass::Permanent, code(1, said, true).class(), "{said}");
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_depends_on_whether_the_app_is_known() {
        let said = "Error: dial tcp: lookup web.fly.dev: no such host";
        assert_eq!(code(1, said, true), FailureCode::ProviderUnavailable);
        assert_eq!(code(1, said, false), FailureCode::AppNotFound);
        let api = "Error: dial tcp: lookup api.machines.dev: no such host";
        assert_eq!(code(1, api, false), FailureCode::ProviderUnavailable);
    }

    #[test]
    fn ends_without_a_code_have_their_own_meaning() {
        let ran = |end| Ran { end, answer: Vec::new(), said: Vec::new() };
        assert!(failure(&ran(End::Exited(Some(0))), true).is_none());
        let code = |end| failure(&ran(end), true).expect("it failed").code;
        assert_eq!(code(End::Stopped), FailureCode::Cancelled);
        assert_eq!(code(End::TimedOut), FailureCode::ReplyLost);
        assert_eq!(code(End::Exited(Some(126))), FailureCode::ProviderUnavailable);
        assert_eq!(code(End::Exited(None)), FailureCode::ProviderRefused);
    }
}
