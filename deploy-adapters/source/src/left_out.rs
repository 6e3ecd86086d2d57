//! What is not published although it lies in the publish directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use deploy_core::port::LeftOut;
use ignore::Match;
use ignore::gitignore::Gitignore;

use crate::ignores::DEPLOYIGNORE;

/// Our own configuration: it says how the site is made and is not a part of it.
const CONFIGURATION: &str = "deploy.toml";

/// Leaves out what the `.deployignore` files of the checkout name, and our configuration at the top.
///
/// Deeper files win over those above them, as in git.
pub(crate) fn left_out(checkout: &Path, directory: &Path) -> LeftOut {
    let rules = Rules { checkout: checkout.to_owned(), files: Mutex::default() };
    let directory = directory.to_owned();
    Box::new(move |path, is_directory| {
        path == CONFIGURATION || rules.ignore(&directory.join(path), is_directory)
    })
}

/// The ignore files that were met, each read once.
struct Rules {
    checkout: PathBuf,
    files: Mutex<HashMap<PathBuf, Option<Arc<Gitignore>>>>,
}

impl Rules {
    fn ignore(&self, path: &Path, is_directory: bool) -> bool {
        let above = path.ancestors().skip(1).take_while(|directory| directory.starts_with(&self.checkout));
        let verdicts =
            above.filter_map(|directory| Some(self.file(directory)?.matched(path, is_directory).map(|_| ())));
        verdicts
            .into_iter()
            .find(|verdict| !matches!(verdict, Match::None))
            .is_some_and(|verdict| verdict.is_ignore())
    }

    fn file(&self, directory: &Path) -> Option<Arc<Gitignore>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            let file = directory.join(DEPLOYIGNORE);
            // Lines that are no valid pattern are passed over, as git does.
            file.is_file().then(|| Arc::new(Gitignore::new(file).0))
        };
        files.entry(directory.to_owned()).or_insert_with(read).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deploy_toml_and_what_deployignore_names_are_not_published() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("site/drafts")).unwrap();
        std::fs::write(top.path().join(DEPLOYIGNORE), "*.psd\n/site/drafts/\n").unwrap();
        std::fs::write(top.path().join("site").join(DEPLOYIGNORE), "!keep.psd\n").unwrap();
        let left_out = left_out(top.path(), &top.path().join("site"));

        assert!(left_out("deploy.toml", false) && !left_out("docs/deploy.toml", false));
        assert!(left_out("a.psd", false) && left_out("img/a.psd", false));
        assert!(!left_out("keep.psd", false) && !left_out("index.html", false));
        assert!(left_out("drafts", true));
    }
}
