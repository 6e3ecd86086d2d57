//! What the tests of every ecosystem use.

use deploy_core::detect::{Detection, Found};
use deploy_core::reason::Reason;
use deploy_core::spec::Profile;

use crate::Catalogue;
use crate::tree::Tree;

/// What the catalogue says of a source with these files.
pub(super) fn detect(files: &[(&str, &str)]) -> Detection {
    Tree::new(files).judge(&Catalogue::new(), &Profile::default()).unwrap().0
}

/// What was found, or nothing.
pub(super) fn value(found: &Option<Found<String>>) -> &str {
    found.as_ref().map_or("", |found| &found.value)
}

/// The lines that a reason offers for `deploy.toml`.
pub(super) fn lines(reason: &Reason) -> Vec<&str> {
    reason.fix.iter().filter_map(|fix| fix.set.as_deref()).collect()
}
