//! Git's names: repositories, refs, commits. The grammar is narrower than git's own wherever git's leaves room for an
//! option, another transport or a credential.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most bytes a URL or a path may have.
const URL_BYTES: usize = 2048;
/// The most bytes a ref may have.
const REF_BYTES: usize = 255;

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// `https://`.
    Https,
    /// `ssh://`, and `user@host:path`.
    Ssh,
    /// `http://`: what comes over it may come from anybody.
    Http,
    /// `git://`: what comes over it may come from anybody.
    Git,
    /// A repository on the machine of the control plane, by its absolute path.
    Local,
}

impl Transport {
    /// Its name, as in a URL; `file` for a local repository.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Ssh => "ssh",
            Self::Http => "http",
            Self::Git => "git",
            Self::Local => "file",
        }
    }

    /// The port where none is named; none for a local repository.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Https => Some(443),
            Self::Ssh => Some(22),
            Self::Http => Some(80),
            Self::Git => Some(9418),
            Self::Local => None,
        }
    }
}

/// What is wrong with the URL of a repository. The URL itself is never part of the message: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum InvalidGitUrl {
    /// It is empty or too long.
    #[error("the URL of a repository has 1 to {URL_BYTES} bytes")]
    Length,
    /// Its scheme is not one that is used.
    #[error(
        "a repository is named by https://, ssh://, user@host:path, or its absolute path on this machine"
    )]
    Transport,
    /// It holds a user name or a password.
    #[error(
        "the URL of a repository may not hold credentials: name the variable that holds the token instead"
    )]
    Credentials,
    /// Its user name is not one.
    #[error("the user name in the URL is not one")]
    User,
    /// Its host is not a host name or an address.
    #[error("the host in the URL is not a host name or an address")]
    Host,
    /// Its port is not a number from 1 to 65535.
    #[error("the port in the URL is not a number from 1 to 65535")]
    Port,
    /// Its path is missing, or holds a character that has no place in one.
    #[error("the path in the URL is missing, or holds something other than letters, digits and ._~/+%@,=:-")]
    Path,
}

/// The place of a repository. Holds no credentials, no query, and nothing that a program could take for an option or
/// another transport.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct GitUrl {
    text: String,
    transport: Transport,
    host: String,
    port: Option<u16>,
}

impl GitUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is reached.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The host, without the brackets of an IPv6 address; empty for a local repository.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port it is reached at; none for a local repository.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self.port {
            Some(port) => Some(port),
            None => self.transport.default_port(),
        }
    }

    /// The last part of its path, without `.git`.
    #[must_use]
    pub fn name(&self) -> &str {
        let path = self.text.trim_end_matches('/');
        let last = path.rsplit(['/', ':']).next().unwrap_or(path);
        last.strip_suffix(".git").unwrap_or(last)
    }

    fn local(text: &str) -> Result<Self, InvalidGitUrl> {
        if text.chars().any(char::is_control) {
            return Err(InvalidGitUrl::Path);
        }
        Ok(Self { text: text.to_owned(), transport: Transport::Local, host: String::new(), port: None })
    }

    /// `scheme://authority/path`.
    fn absolute(text: &str, transport: Transport, rest: &str) -> Result<Self, InvalidGitUrl> {
        let (authority, path) = rest.split_once('/').ok_or(InvalidGitUrl::Path)?;
        let place = match (authority.rsplit_once('@'), transport) {
            (None, _) => authority,
            (Some((user, place)), Transport::Ssh) => {
                user_name(user)?;
                place
            }
            (Some(_), Transport::Https | Transport::Http | Transport::Git | Transport::Local) => {
                return Err(InvalidGitUrl::Credentials);
            }
        };
        let (host, port) = host_and_port(place)?;
        repository_path(path)?;
        Ok(Self { text: text.to_owned(), transport, host, port })
    }

    /// `user@host:path`.
    fn short(text: &str) -> Result<Self, InvalidGitUrl> {
        let (user, rest) = text.split_once('@').ok_or(InvalidGitUrl::Transport)?;
        let (host, path) = rest.split_once(':').ok_or(InvalidGitUrl::Transport)?;
        user_name(user)?;
        let (host, _) = host_and_port(host)?;
        // A colon would make it another transport; a hyphen an option on the other side.
        if path.starts_with([':', '-']) {
            return Err(InvalidGitUrl::Path);
        }
        repository_path(path)?;
        Ok(Self { text: text.to_owned(), transport: Transport::Ssh, host, port: None })
    }
}

fn user_name(user: &str) -> Result<(), InvalidGitUrl> {
    if user.contains(':') {
        return Err(InvalidGitUrl::Credentials);
    }
    let plain = user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let valid =
        plain && user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && user.len() <= 64;
    if valid { Ok(()) } else { Err(InvalidGitUrl::User) }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), InvalidGitUrl> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(InvalidGitUrl::Host)?;
            host.parse::<core::net::Ipv6Addr>().map_err(|_| InvalidGitUrl::Host)?;
            match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if port.is_empty() => (host, None),
                None => return Err(InvalidGitUrl::Host),
            }
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let label = |label: &str| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            if host.len() > 253 || !host.strip_suffix('.').unwrap_or(host).split('.').all(label) {
                return Err(InvalidGitUrl::Host);
            }
            (host, port)
        }
    };
    let number = |port: &str| match port.bytes().all(|b| b.is_ascii_digit()) {
        true => port.parse::<u16>().ok().filter(|port| *port != 0).ok_or(InvalidGitUrl::Port),
        false => Err(InvalidGitUrl::Port),
    };
    Ok((host.to_owned(), port.map(number).transpose()?))
}

fn repository_path(path: &str) -> Result<(), InvalidGitUrl> {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'.' | b'_' | b'~' | b'/' | b'+' | b'%' | b'@' | b',' | b'=' | b':' | b'-')
    };
    let named = path.bytes().any(|b| b != b'/');
    let option = path.trim_start_matches('/').starts_with('-');
    let climbs = path.split('/').any(|part| part == "..");
    let valid = named && !option && !climbs && path.bytes().all(plain);
    if valid { Ok(()) } else { Err(InvalidGitUrl::Path) }
}

impl FromStr for GitUrl {
    type Err = InvalidGitUrl;

    fn from_str(text: &str) -> Result<Self, InvalidGitUrl> {
        if text.is_empty() || text.len() > URL_BYTES {
            return Err(InvalidGitUrl::Length);
        }
        if text.starts_with('/') {
            return Self::local(text);
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Self::short(text) };
        let transport = match scheme {
            "https" => Transport::Https,
            "ssh" => Transport::Ssh,
            "http" => Transport::Http,
            "git" => Transport::Git,
            _ => return Err(InvalidGitUrl::Transport),
        };
        Self::absolute(text, transport, rest)
    }
}

/// What is wrong with a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum InvalidGitRef {
    /// It is empty or too long.
    #[error("a git ref has 1 to {REF_BYTES} bytes")]
    Length,
    /// It holds a character that git does not allow in one.
    #[error("a git ref holds no space, control character or any of ~ ^ : ? * [ \\")]
    Character,
    /// Its parts are not as git's rules have them.
    #[error(
        "a git ref has no empty part, no `..` or `@{{`, and no part that begins with a dot or ends with .lock"
    )]
    Parts,
    /// It could be taken for something else.
    #[error("a git ref does not begin with - or +, does not end with a dot, and is not @ alone")]
    Ambiguous,
}

/// A branch, a tag, a full ref (`refs/heads/main`) or a commit id: git's own rules (`git check-ref-format`), and
/// nothing that a command could take for an option or a revision expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct GitRef(String);

impl GitRef {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The commit it names by its full id, if it is one.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.0.parse().ok()
    }
}

impl FromStr for GitRef {
    type Err = InvalidGitRef;

    fn from_str(text: &str) -> Result<Self, InvalidGitRef> {
        if text.is_empty() || text.len() > REF_BYTES {
            return Err(InvalidGitRef::Length);
        }
        let wrong = |c: char| {
            c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
        };
        if text.chars().any(wrong) {
            return Err(InvalidGitRef::Character);
        }
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        if text.contains("..") || text.contains("@{") || !text.split('/').all(part) {
            return Err(InvalidGitRef::Parts);
        }
        if text.starts_with(['-', '+']) || text.ends_with('.') || text == "@" {
            return Err(InvalidGitRef::Ambiguous);
        }
        Ok(Self(text.to_owned()))
    }
}

/// What is wrong with a commit id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("a commit id has 40 or 64 lower-case hex digits")]
pub struct InvalidCommitId;

/// The full id of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct CommitId(String);

impl CommitId {
    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommitId {
    type Err = InvalidCommitId;

    fn from_str(text: &str) -> Result<Self, InvalidCommitId> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && matches!(text.len(), 40 | 64) { Ok(Self(text.to_owned())) } else { Err(InvalidCommitId) }
    }
}

macro_rules! checked_text {
    ($name:ident, $error:ty, $field:tt) => {
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.$field
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$field)
            }
        }
    };
}

checked_text!(GitUrl, InvalidGitUrl, text);
checked_text!(GitRef, InvalidGitRef, 0);
checked_text!(CommitId, InvalidCommitId, 0);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repository_is_named_by_https_ssh_or_its_path() {
        for (text, transport, host, port, name) in [
            ("https://github.com/acme/web.git", Transport::Https, "github.com", Some(443), "web"),
            ("https://git.example:8443/a/b/", Transport::Https, "git.example", Some(8443), "b"),
            ("https://[2001:db8::1]:443/x", Transport::Https, "2001:db8::1", Some(443), "x"),
            ("ssh://git@host:2222/a.git", Transport::Ssh, "host", Some(2222), "a"),
            ("ssh://host/~anna/a", Transport::Ssh, "host", Some(22), "a"),
            ("git@github.com:acme/web.git", Transport::Ssh, "github.com", Some(22), "web"),
            ("git@host:web.git", Transport::Ssh, "host", Some(22), "web"),
            ("http://localhost:8000/x", Transport::Http, "localhost", Some(8000), "x"),
            ("git://localhost/x", Transport::Git, "localhost", Some(9418), "x"),
            ("/srv/my repos/web", Transport::Local, "", None, "web"),
        ] {
            let url: GitUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.transport(), url.host(), url.port(), url.name()), (transport, host, port, name));
            assert_eq!(url.as_str(), text);
        }
    }

    #[test]
    fn threat_f02_no_url_is_an_option_another_transport_or_a_credential() {
        for (text, error) in [
            ("", InvalidGitUrl::Length),
            ("https://h/x.git;id", InvalidGitUrl::Path),
            ("https://h/$(id)", InvalidGitUrl::Path),
            ("https://h/x y", InvalidGitUrl::Path),
            ("https://h/x\n", InvalidGitUrl::Path),
            ("https://h/x?token=1", InvalidGitUrl::Path),
            ("https://h/x#main", InvalidGitUrl::Path),
            ("https://h/", InvalidGitUrl::Path),
            ("https://h", InvalidGitUrl::Path),
            ("https://h/../x", InvalidGitUrl::Path),
            ("https://h/-x", InvalidGitUrl::Path),
            ("https://u:p@h/x", InvalidGitUrl::Credentials),
            ("https://token@h/x", InvalidGitUrl::Credentials),
            ("https://a@b@h/x", InvalidGitUrl::Credentials),
            ("ssh://u:p@h/x", InvalidGitUrl::Credentials),
            ("ssh://-oProxyCommand=touch/x", InvalidGitUrl::Host),
            ("ssh://-oProxyCommand=touch@h/x", InvalidGitUrl::User),
            ("ssh://h:0/x", InvalidGitUrl::Port),
            ("ssh://h:22a/x", InvalidGitUrl::Port),
            ("ssh://h:99999/x", InvalidGitUrl::Port),
            ("https:///etc", InvalidGitUrl::Host),
            ("https://[::1/x", InvalidGitUrl::Host),
            ("https://[::1]evil/x", InvalidGitUrl::Host),
            ("https://h\\@evil/x", InvalidGitUrl::Credentials),
            ("ext::sh -c touch% canary", InvalidGitUrl::Transport),
            ("fd::17", InvalidGitUrl::Transport),
            ("file:///etc", InvalidGitUrl::Transport),
            ("HTTPS://h/x", InvalidGitUrl::Transport),
            ("ftp://h/x", InvalidGitUrl::Transport),
            ("--upload-pack=touch", InvalidGitUrl::Transport),
            ("-u@h:x", InvalidGitUrl::User),
            ("git@h:x --upload-pack=id", InvalidGitUrl::Path),
            ("git@-h:x", InvalidGitUrl::Host),
            ("git@h::x", InvalidGitUrl::Path),
            ("git@h:-x", InvalidGitUrl::Path),
            ("git@h:'x'", InvalidGitUrl::Path),
            ("h:x", InvalidGitUrl::Transport),
            ("relative/path", InvalidGitUrl::Transport),
            ("/a\0b", InvalidGitUrl::Path),
        ] {
            assert_eq!(text.parse::<GitUrl>(), Err(error), "{text}");
        }
        assert_eq!(format!("https://h/{}", "x".repeat(3000)).parse::<GitUrl>(), Err(InvalidGitUrl::Length));
    }

    #[test]
    fn threat_f01_a_ref_is_what_git_takes_for_one() {
        for text in
            ["main", "v1.2.3", "feature/x", "refs/heads/main", "HEAD", "main;touch", "$(id)", "a'b", "ü"]
        {
            assert!(text.parse::<GitRef>().is_ok(), "{text}");
        }
        let long = "x".repeat(10_000);
        for text in [
            "",
            "-x",
            "--upload-pack=x",
            "+main",
            "@",
            "@{-1}",
            "main@{1}",
            "main^{/x}",
            "a..b",
            "a b",
            "a\nb",
            "a\0",
            "a~1",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "refs/heads/../../x",
            "a\u{85}b",
            "a\u{2028}b",
            &long,
        ] {
            assert!(text.parse::<GitRef>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_commit_id_is_full() {
        assert!("a".repeat(40).parse::<CommitId>().is_ok() && "0".repeat(64).parse::<CommitId>().is_ok());
        assert_eq!("a".repeat(40).parse::<GitRef>().unwrap().commit().unwrap().as_str(), "a".repeat(40));
        for text in ["", "abc1234", &"A".repeat(40), &"g".repeat(40), &"a".repeat(41)] {
            assert!(text.parse::<CommitId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn invariant_37_no_accepted_text_reads_as_an_option(text in "\\PC{0,40}|(https|ssh|git)://[!-~]{0,30}|[!-~]{0,8}@[!-~]{0,20}") {
            if let Ok(url) = text.parse::<GitUrl>() {
                prop_assert!(!url.as_str().starts_with('-') && !url.host().starts_with('-'));
                prop_assert!(!text.split_once("://").map_or(text.as_str(), |(_, rest)| rest).contains("::")
                    || url.transport() == Transport::Local || text.contains('['));
                let authority = text.split_once("://").and_then(|(_, rest)| rest.split('/').next());
                prop_assert!(!authority.is_some_and(|part| part.contains('@')) || url.transport() == Transport::Ssh);
                prop_assert_eq!(serde_json::from_str::<GitUrl>(&serde_json::to_string(&url).unwrap()).unwrap(), url);
            }
            if let Ok(git_ref) = text.parse::<GitRef>() {
                prop_assert!(!git_ref.as_str().starts_with('-') && !git_ref.as_str().contains([':', '^', ' ']));
            }
        }
    }
}
