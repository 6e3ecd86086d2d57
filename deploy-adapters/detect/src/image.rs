//! References to container images.

use deploy_core::reason::{Reason, ReasonCode};

/// `registry.example:5000/team/app:1.2@sha256:…`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Everything before the tag.
    pub(crate) name: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > 512 {
            return Err("it is too long");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let host_like = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let part =
            |part: &str| !part.is_empty() && part.chars().all(host_like) && !part.starts_with(['-', '.']);
        let lower = |part: &str| !part.chars().any(|c| c.is_ascii_uppercase() || c == ':');
        let parts: Vec<&str> = name.split('/').collect();
        let (host, path) = match parts.split_first() {
            Some((host, path)) if !path.is_empty() && (host.contains(['.', ':']) || *host == "localhost") => {
                (Some(*host), path)
            }
            _ => (None, &parts[..]),
        };
        if host.is_some_and(|host| !part(host)) || !path.iter().all(|name| part(name) && lower(name)) {
            return Err("its name is not one of an image");
        }
        if tag.is_some_and(|tag| !part(tag) || tag.contains(':') || tag.len() > 128) {
            return Err("its tag is not one");
        }
        let hex = |digest: &str| digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit());
        if digest.is_some_and(|digest| !digest.strip_prefix("sha256:").is_some_and(hex)) {
            return Err("its digest is not sha256: and 64 hexadecimal digits");
        }
        Ok(Self { name: name.to_owned(), tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// The last part of the name: `postgres` of `docker.io/library/postgres`.
    pub(crate) fn short_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// A warning, with the code that tells an image from a base of one, if it may be another image tomorrow.
    pub(crate) fn floating(&self, code: ReasonCode, file: &str) -> Option<Reason> {
        let moves = match (&self.digest, self.tag.as_deref()) {
            (Some(_), _) => return None,
            (None, None) => "has no tag, which means latest",
            (None, Some("latest" | "stable" | "edge" | "main" | "master" | "nightly")) => {
                "has a tag that moves from version to version"
            }
            (None, Some(_)) => return None,
        };
        let shown = match &self.tag {
            Some(tag) => format!("{}:{tag}", self.name),
            None => self.name.clone(),
        };
        let message = format!("the image {shown} {moves}: two builds of one commit may differ");
        Some(Reason::new(code, message).because(file, format!("names {shown}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, name, tag) in [
            ("node", "node", None),
            ("node:22-slim", "node", Some("22-slim")),
            ("ghcr.io/acme/web:v1", "ghcr.io/acme/web", Some("v1")),
            ("localhost:5000/web", "localhost:5000/web", None),
        ] {
            let found = Reference::parse(text).unwrap();
            assert_eq!((found.name.as_str(), found.tag.as_deref()), (name, tag), "{text}");
        }
        let found = Reference::parse(&format!("a/b:1@{digest}")).unwrap();
        assert_eq!((found.short_name(), found.digest.as_ref()), ("b", Some(&digest)));
        for text in
            ["", "A", "a b", "-x", "a:", "a@sha256:12", "a//b", "a;id", "$(id)", "../a", "a:b:c", "a:-b"]
        {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
        assert!(
            Reference::parse("node").unwrap().floating(ReasonCode::FloatingBaseImage, "Dockerfile").is_some()
        );
        assert!(
            Reference::parse("node:latest")
                .unwrap()
                .floating(ReasonCode::FloatingBaseImage, "Dockerfile")
                .is_some()
        );
        assert!(
            Reference::parse("node:22")
                .unwrap()
                .floating(ReasonCode::FloatingBaseImage, "Dockerfile")
                .is_none()
        );
    }
}
