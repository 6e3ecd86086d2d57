//! `fly.toml`: read with every mistake named by line and key, merged with what the plan says, or generated.
//! Comments and what is not known here stay as they are. Pure.

mod check;
mod merge;
mod schema;

use toml_edit::{Document, DocumentMut};

pub use check::Remark;
pub(crate) use check::is_app;
pub use merge::{Image, Wanted};

/// A `fly.toml` without mistakes.
#[derive(Debug, Clone)]
pub struct FlyToml {
    document: DocumentMut,
    doubts: Vec<Remark>,
}

impl FlyToml {
    /// The most bytes that are read.
    pub const MOST_BYTES: usize = 256 * 1024;

    /// Reads a file.
    ///
    /// # Errors
    /// Every mistake, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Remark>> {
        let whole = |message: String| vec![Remark { line: 1, key: String::new(), message }];
        if text.len() > Self::MOST_BYTES {
            return Err(whole(format!("the file has more than {} bytes", Self::MOST_BYTES)));
        }
        let document = Document::parse(text).map_err(|error| vec![check::not_toml(text, &error)])?;
        let mut found = check::check(&document);
        found.mistakes.sort_by_key(|remark| remark.line);
        if found.mistakes.is_empty() {
            Ok(Self { document: document.into_mut(), doubts: found.doubts })
        } else {
            Err(found.mistakes)
        }
    }

    /// What is doubtful.
    #[must_use]
    pub fn doubts(&self) -> &[Remark] {
        &self.doubts
    }

    /// The app it names.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        self.document.get("app")?.as_str()
    }

    /// The port inside the machine that it sends traffic to.
    #[must_use]
    pub fn internal_port(&self) -> Option<u16> {
        let port = self.document.get("http_service")?.get("internal_port")?.as_integer()?;
        u16::try_from(port).ok()
    }

    /// Whether it says how its image is built.
    #[must_use]
    pub fn builds(&self) -> bool {
        let build = self.document.get("build").and_then(toml_edit::Item::as_table_like);
        build.is_some_and(|build| {
            ["builder", "buildpacks", "builtin", "dockerfile", "image"]
                .iter()
                .any(|key| build.contains_key(key))
        })
    }

    /// The file that is used: the one that is there with what the plan says, or a generated one. What was fixed
    /// explicitly wins over the file, the file wins over what was detected.
    #[must_use]
    pub fn effective(existing: Option<&Self>, wanted: &Wanted) -> Self {
        match existing {
            Some(existing) => {
                let mut effective = existing.clone();
                merge::merge(&mut effective.document, wanted);
                effective
            }
            None => Self { document: merge::generated(wanted), doubts: Vec::new() },
        }
    }
}

impl std::fmt::Display for FlyToml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.document.fmt(f)
    }
}
