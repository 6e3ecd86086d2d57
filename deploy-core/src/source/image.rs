//! References to images: `registry/repository:tag@digest`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::Digest;

/// The registry of a reference that names none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The most bytes a repository's name may have, its registry included.
const NAME_BYTES: usize = 255;

/// What is wrong with an image reference. The text itself is not part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum InvalidImage {
    /// It names no repository, or one that is too long.
    #[error("an image reference names a repository of 1 to {NAME_BYTES} bytes")]
    Length,
    /// Its registry is not a host name with or without a port.
    #[error("the registry of an image reference is a host name, with or without a port")]
    Registry,
    /// Its repository is not one.
    #[error("the repository of an image reference is lower-case letters, digits and ._- between slashes")]
    Repository,
    /// Its tag is not one.
    #[error(
        "the tag of an image reference is up to 128 letters, digits and ._- and does not begin with . or -"
    )]
    Tag,
    /// Its digest is not one.
    #[error("the digest of an image reference is sha256: and 64 lower-case hex digits")]
    Digest,
}

/// A reference to an image, by the grammar that registries share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct ImageReference {
    text: String,
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry; `docker.io` where none is named.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry; `library/` is part of a name of one word on `docker.io`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, as far as one is named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where the image is named by it.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The last part of the repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// Whether what it names is expected to change: no digest, and no tag or one without a digit, such as `latest`.
    #[must_use]
    pub fn is_floating(&self) -> bool {
        let versioned = |tag: &str| tag.bytes().any(|b| b.is_ascii_digit());
        self.digest.is_none() && !self.tag().is_some_and(versioned)
    }
}

impl FromStr for ImageReference {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| InvalidImage::Digest)?)),
            None => (text, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
            None => (rest, None),
        };
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(InvalidImage::Length);
        }
        // The first part is a registry if it can't be a repository: that is how all clients tell them apart.
        let is_registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (registry(first)?, rest.to_owned()),
            Some(_) => (DEFAULT_REGISTRY.to_owned(), name.to_owned()),
            None => (DEFAULT_REGISTRY.to_owned(), format!("library/{name}")),
        };
        if !repository.split('/').all(is_component) {
            return Err(InvalidImage::Repository);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(InvalidImage::Tag);
        }
        Ok(Self { text: text.to_owned(), registry, repository, tag: tag.map(str::to_owned), digest })
    }
}

fn registry(text: &str) -> Result<String, InvalidImage> {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let port_is_one = port.is_none_or(|port| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if host.split('.').all(label) && port_is_one { Ok(text.to_owned()) } else { Err(InvalidImage::Registry) }
}

/// Runs of lower-case letters and digits, held together by `.`, `_`, `__` or hyphens.
fn is_component(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let held = part.split(|c: char| plain(u8::try_from(c).unwrap_or(b'!')));
    let separator = |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    let ends = |b: Option<&u8>| b.is_some_and(|b| plain(*b));
    ends(part.as_bytes().first()) && ends(part.as_bytes().last()) && held.into_iter().all(separator)
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = tag.bytes().next().is_some_and(word);
    first && tag.len() <= 128 && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidImage;
    fn try_from(text: String) -> Result<Self, InvalidImage> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.text
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, Option<String>, bool, bool) {
        let image: ImageReference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(image.as_str(), text);
        let (registry, repository) = (image.registry().to_owned(), image.repository().to_owned());
        (registry, repository, image.tag().map(str::to_owned), image.digest().is_some(), image.is_floating())
    }

    #[test]
    fn a_reference_has_a_registry_a_repository_a_tag_and_a_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let some = |tag: &str| Some(tag.to_owned());
        let own = |registry: &str, repository: &str| (registry.to_owned(), repository.to_owned());
        for (text, (registry, repository), tag, by_digest, floating) in [
            ("nginx".to_owned(), own("docker.io", "library/nginx"), None, false, true),
            ("nginx:latest".to_owned(), own("docker.io", "library/nginx"), some("latest"), false, true),
            (
                "nginx:1.27-alpine".to_owned(),
                own("docker.io", "library/nginx"),
                some("1.27-alpine"),
                false,
                false,
            ),
            ("acme/web:v1".to_owned(), own("docker.io", "acme/web"), some("v1"), false, false),
            ("ghcr.io/acme/web:main".to_owned(), own("ghcr.io", "acme/web"), some("main"), false, true),
            (
                "localhost:5000/a__b/c-d--e".to_owned(),
                own("localhost:5000", "a__b/c-d--e"),
                None,
                false,
                true,
            ),
            ("localhost/x:1".to_owned(), own("localhost", "x"), some("1"), false, false),
            (format!("a.b/c@{digest}"), own("a.b", "c"), None, true, false),
            (format!("a.b:443/c:latest@{digest}"), own("a.b:443", "c"), some("latest"), true, false),
        ] {
            assert_eq!(parts(&text), (registry, repository, tag, by_digest, floating), "{text}");
        }
    }

    #[test]
    fn threat_f03_what_is_no_reference_is_refused() {
        for (text, error) in [
            ("", InvalidImage::Length),
            (":tag", InvalidImage::Length),
            ("--privileged", InvalidImage::Repository),
            ("-v", InvalidImage::Repository),
            ("@/etc/passwd", InvalidImage::Digest),
            ("Acme/Web", InvalidImage::Repository),
            ("a b", InvalidImage::Repository),
            ("a/", InvalidImage::Repository),
            ("a//b", InvalidImage::Repository),
            ("a___b", InvalidImage::Repository),
            ("a..b", InvalidImage::Repository),
            ("-a.b/c", InvalidImage::Registry),
            ("a.b:0/c", InvalidImage::Registry),
            ("a.b:x/c", InvalidImage::Registry),
            ("user:pass@host/x", InvalidImage::Digest),
            ("https://ghcr.io/x", InvalidImage::Registry),
            ("a:-x", InvalidImage::Tag),
            ("a:", InvalidImage::Tag),
            ("a:b;id", InvalidImage::Tag),
            ("a:b\n", InvalidImage::Tag),
            ("a@sha256:abc", InvalidImage::Digest),
            ("a@md5:abc", InvalidImage::Digest),
        ] {
            assert_eq!(text.parse::<ImageReference>(), Err(error), "{text}");
        }
        assert_eq!("a".repeat(256).parse::<ImageReference>(), Err(InvalidImage::Length));
        assert_eq!(format!("a:{}", "b".repeat(129)).parse::<ImageReference>(), Err(InvalidImage::Tag));
    }
}
