//! Tokens for repositories: read late, here, and handed over where no other process can read them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deploy_core::reason::ReasonCode;
use deploy_core::source::{Credential, GitUrl, Transport};

use crate::fault::Fault;

/// Only variables whose names begin so are handed to a repository's host: whoever may ask for a preview chooses the
/// host, and must not be able to have another secret sent there.
const PREFIX: &str = "DEPLOY_GIT_";
/// The longest token.
const TOKEN_BYTES: usize = 4096;
/// The user name that goes with a token alone; hosts look at the token only.
const USER: &str = "x-access-token";

/// The header that lets us in. Has no `Debug`, so that it can't get into a message.
pub(super) struct Header(String);

impl Header {
    pub(super) fn value(&self) -> &str {
        &self.0
    }
}

/// Reads a token, or `user:token`, from the environment of this process.
pub(super) fn read(reference: &Credential, url: &GitUrl) -> Result<Header, Fault> {
    header(&reference.env, std::env::var(&reference.env).ok(), url)
}

fn header(name: &str, token: Option<String>, url: &GitUrl) -> Result<Header, Fault> {
    let refused = |why: &str| {
        Fault::new(
            ReasonCode::GitCredentialMissing,
            format!("the credential for the repository can't be used: {why}"),
        )
    };
    if url.transport() != Transport::Https {
        return Err(refused("a token is only sent over https"));
    }
    if !name.starts_with(PREFIX) {
        return Err(refused(&format!("the name of its variable does not begin with {PREFIX}")));
    }
    let token =
        token.filter(|token| !token.is_empty()).ok_or_else(|| refused(&format!("{name} is not set")))?;
    if token.len() > TOKEN_BYTES || token.chars().any(char::is_control) {
        return Err(refused(&format!("{name} holds a line break, or is too long")));
    }
    let pair = if token.contains(':') { token } else { format!("{USER}:{token}") };
    Ok(Header(format!("Authorization: Basic {}", STANDARD.encode(pair))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f11_only_named_variables_go_over_https_and_no_message_holds_one() {
        let (https, ssh): (GitUrl, GitUrl) = ("https://h/x".parse().unwrap(), "ssh://h/x".parse().unwrap());
        let of =
            |name: &str, token: Option<&str>, url: &GitUrl| match header(name, token.map(str::to_owned), url)
            {
                Ok(header) => Ok(header.value().to_owned()),
                Err(fault) => Err(fault.into_reason().message),
            };
        let token = Some("canary-1");
        assert_eq!(
            of("DEPLOY_GIT_TOKEN", token, &https).unwrap(),
            "Authorization: Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTE="
        );
        assert_eq!(of("DEPLOY_GIT_TOKEN", Some("anna:x"), &https).unwrap(), "Authorization: Basic YW5uYTp4");
        for (name, token, url) in [
            ("DATABASE_URL", token, &https),
            ("DEPLOY_GIT_TOKEN", token, &ssh),
            ("DEPLOY_GIT_TOKEN", None, &https),
            ("DEPLOY_GIT_TOKEN", Some(""), &https),
            ("DEPLOY_GIT_TOKEN", Some("canary-1\r\nHost: evil"), &https),
        ] {
            let message = of(name, token, url).unwrap_err();
            assert!(!message.contains("canary-1"), "{message}");
        }
    }
}
