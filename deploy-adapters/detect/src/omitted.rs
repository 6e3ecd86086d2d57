//! The words for what a source reader passed over, and which of it stands in the way of publishing.
//!
//! `Evidence::omitted` holds `PATH: WORDS (DETAIL)`. Whoever reads sources uses these words, so that a plan can say no
//! where publishing would fail.

use deploy_core::evidence::Evidence;
use deploy_core::reason::{Reason, ReasonCode};

use crate::path::Inside;

/// A link that leads out of the source.
pub const LINK_OUT: &str = "a link that leaves the source";
/// A link that leads to itself.
pub const LINK_LOOP: &str = "a link that leads back to itself";
/// A link to nothing.
pub const LINK_DANGLING: &str = "a link to something that does not exist";
/// A link to something that is neither a file nor a directory.
pub const LINK_SPECIAL: &str = "a link to a device, a pipe or a socket";
/// Something that is neither a file, a directory nor a link.
pub const SPECIAL: &str = "not a file, but a device, a pipe or a socket";

const UNPUBLISHABLE: [&str; 5] = [LINK_OUT, LINK_LOOP, LINK_DANGLING, LINK_SPECIAL, SPECIAL];

/// One reason for each thing in the publish directory that can't be published. Names that begin with a dot are not
/// published, whatever they are, but for `.well-known`.
pub(crate) fn unpublishable(evidence: &Evidence, publish_directory: &str) -> Vec<Reason> {
    let Ok(directory) = Inside::parse(publish_directory) else { return Vec::new() };
    let inside = |path: &str| Inside::parse(path).is_ok_and(|path| path.is_within(directory.as_str()));
    let hidden = |path: &str| path.split('/').any(|name| name.starts_with('.') && name != ".well-known");
    let passed_over = evidence.omitted.iter().filter_map(|omitted| {
        let word = UNPUBLISHABLE.iter().find(|word| omitted.contains(&format!(": {word}")))?;
        let (path, why) = omitted.split_at(omitted.find(&format!(": {word}"))?);
        Some((path, why.trim_start_matches(": ")))
    });
    passed_over
        .filter(|(path, _)| inside(path) && !hidden(path))
        .map(|(path, why)| {
            let message = format!("{path} can't be published: {why}; remove it, or put a file in its place");
            Reason::new(ReasonCode::SourceUnsafe, message).because(path, why)
        })
        .collect()
}
