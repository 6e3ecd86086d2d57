//! How a row of a table recognises a project: by a file, or by a word in one.

use deploy_core::evidence::Fact;

use crate::rule::Scene;

/// A file that shows what a project is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Marker {
    /// The file is there.
    File(&'static str),
    /// The file is there and contains the word.
    Word(&'static str, &'static str),
    /// A file at the top whose name ends like this is there.
    Ending(&'static str),
}

impl Marker {
    /// The file it looks at, or the ending of its name.
    pub(super) const fn file(&self) -> &'static str {
        match self {
            Self::File(file) | Self::Word(file, _) | Self::Ending(file) => file,
        }
    }

    /// What shows it, if it is there.
    pub(super) fn find(self, scene: &Scene<'_>, shows: &str) -> Option<Fact> {
        let file = match self {
            Self::File(file) => scene.has(file).then(|| file.to_owned())?,
            Self::Word(file, word) => scene.text(file)?.contains(word).then(|| file.to_owned())?,
            Self::Ending(ending) => {
                scene.files("").into_iter().find(|file| file.ends_with(ending))?.to_owned()
            }
        };
        Some(scene.fact(&file, shows))
    }
}
