//! What every rule's tests need.

use deploy_core::detect::{Detection, Found};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::Profile;

use crate::Catalogue;
use crate::tree::Tree;

/// What the whole catalogue says of these files.
pub(crate) fn detect(files: &[(&str, &str)]) -> Detection {
    detect_with(files, |_| {})
}

/// The same, with values that the user fixed.
pub(crate) fn detect_with(files: &[(&str, &str)], set: impl FnOnce(&mut Profile)) -> Detection {
    let mut profile = Profile::default();
    set(&mut profile);
    judge(&Tree::new(files), &profile)
}

/// What the whole catalogue says of a tree.
pub(crate) fn judge(tree: &Tree, profile: &Profile) -> Detection {
    tree.judge(&Catalogue::new(), profile).expect("it asks for ever").0
}

/// The codes of reasons.
pub(crate) fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

/// What was found, or nothing.
pub(crate) fn value(found: &Option<Found<String>>) -> &str {
    found.as_ref().map_or("", |found| &found.value)
}

/// The lines that a reason offers for `deploy.toml`.
pub(crate) fn lines(reason: &Reason) -> Vec<&str> {
    reason.fix.iter().filter_map(|fix| fix.set.as_deref()).collect()
}
