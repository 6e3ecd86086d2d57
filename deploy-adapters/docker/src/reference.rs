//! The reference of an image: `registry/name:tag@sha256:…`. Pure.

use std::fmt;
use std::str::FromStr;

use deploy_core::id::Digest;

/// A reference that can be asked for. Nothing in it can be taken for anything but a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageReference {
    /// The registry and the name, `registry/name`.
    pub(crate) name: String,
    /// The tag.
    pub(crate) tag: Option<String>,
    /// The digest of its manifest.
    pub(crate) digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image: {why}")]
pub(crate) struct InvalidReference {
    text: String,
    why: &'static str,
}

impl ImageReference {
    /// The registry that it comes from.
    pub(crate) fn registry(&self) -> &str {
        let first = self.name.split_once('/').map(|(first, _)| first);
        first.filter(|first| first.contains(['.', ':']) || *first == "localhost").unwrap_or("docker.io")
    }
}

impl FromStr for ImageReference {
    type Err = InvalidReference;
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |why| InvalidReference { text: text.chars().take(80).collect(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest =
                    digest.parse().map_err(|_| invalid("its digest is not sha256: and 64 hex digits"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((end, tag)) => (&rest[..last + end.len()], Some(tag)),
            None => (rest, None),
        };
        if !tag.is_none_or(is_tag) {
            return Err(invalid("its tag is not 1 to 128 letters, digits, dots, hyphens and underscores"));
        }
        if !is_name(name) {
            return Err(invalid("its name is not lower-case words separated by slashes"));
        }
        Ok(Self { name: name.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-')) && tag.len() <= 128
}

fn is_name(name: &str) -> bool {
    let mut parts = name.split('/').peekable();
    // Only the first part of several can be a registry, which may have upper case and a port.
    let registry = parts.next_if(|first| name.contains('/') && first.contains(['.', ':'])).map(is_registry);
    registry.unwrap_or(true) && parts.all(is_component) && name.len() <= 255
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = registry.split_once(':').unwrap_or((registry, "0"));
    let label = |label: &str| {
        let inside = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        inside && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label) && port.parse::<u16>().is_ok()
}

fn is_component(part: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inside = part.chars().all(|c| lower(c) || matches!(c, '.' | '-' | '_'));
    inside && part.starts_with(lower) && part.ends_with(lower) && !part.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_as_they_are_written() {
        let digest = Digest::of(b"x");
        for text in [
            "busybox",
            "busybox:stable",
            "acme/web",
            "ghcr.io/acme/web:1.2",
            "registry.local:5000/a/b-c_d:x",
            &format!("ghcr.io/acme/web@{digest}"),
            &format!("web:1@{digest}"),
        ] {
            assert_eq!(text.parse::<ImageReference>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_reference_says_which_registry_it_comes_from() {
        let registry = |text: &str| text.parse::<ImageReference>().expect(text).registry().to_owned();
        assert_eq!(registry("busybox"), "docker.io");
        assert_eq!(registry("acme/web"), "docker.io");
        assert_eq!(registry("ghcr.io/acme/web"), "ghcr.io");
        assert_eq!(registry("registry.local:5000/a"), "registry.local:5000");
    }

    #[test]
    fn f04_nothing_but_a_name_is_a_reference() {
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "-x",
            "--help",
            "A",
            "a b",
            "a;id",
            "$(id)",
            "a\nb",
            "a:",
            "a:-t",
            "a@x",
            "..",
            "../a",
            "a//b",
            "a/../b",
            "http://a/b",
            "a@sha256:12",
            "a\0",
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text:?}");
        }
    }
}
