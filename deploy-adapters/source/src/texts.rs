//! The contents of the few files that rules ask for.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use deploy_core::reason::{Reason, ReasonCode};

use crate::beneath;
use crate::entries::join;
use crate::limits::Limits;
use crate::listing::Listing;
use deploy_detect::path::Inside;

/// Reads each file of `wanted` that was listed: below the base directory, and below the publish directory if one was
/// fixed. A file that is too large is noted as omitted; bytes that are not UTF-8 are replaced.
pub(crate) fn read(
    root: BorrowedFd<'_>,
    base_path: &str,
    publish: Option<&Inside>,
    wanted: &[String],
    listing: &mut Listing,
    limits: &Limits,
) -> Result<BTreeMap<String, String>, Vec<Reason>> {
    let below_publish = publish.map(Inside::as_str).filter(|publish| !publish.is_empty());
    let mut paths: Vec<String> = wanted.to_vec();
    paths.extend(below_publish.iter().flat_map(|publish| wanted.iter().map(|name| join(publish, name))));
    paths.sort_unstable();
    paths.dedup();

    let (mut texts, mut reasons, mut left) = (BTreeMap::new(), Vec::new(), limits.texts_bytes);
    for path in paths.into_iter().filter(|path| listing.files.contains_key(path)) {
        match beneath::read(root, &join(base_path, &path), limits.text_bytes.min(left)) {
            Ok(Some(bytes)) => {
                left = left.saturating_sub(bytes.len() as u64);
                texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
            Ok(None) => listing.omitted.push(format!("{path}: too large for its contents to be read")),
            Err(error) => {
                let message = format!("{path} can't be read: {error}; permit it to the user that deploys");
                reasons.push(
                    Reason::new(ReasonCode::SourceUnreadable, message).because(path, error.to_string()),
                );
            }
        }
    }
    if reasons.is_empty() { Ok(texts) } else { Err(reasons) }
}
