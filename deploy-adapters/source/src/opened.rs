//! An open directory that answers what rules ask.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deploy_core::evidence::{Ask, Evidence};
use deploy_core::port::OpenSource;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Source};

use crate::commit::Repository;
use crate::ignored::Ignored;
use crate::limits::Limits;
use crate::listing;
use crate::locate::locate;
use crate::texts::Budget;
use crate::walk;

/// A directory that was opened to be asked about.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    commit: Option<String>,
    /// Shared with the thread that reads; nobody else ever waits for it.
    reader: Arc<Mutex<Reader>>,
}

#[derive(Debug)]
struct Reader {
    root: Arc<OwnedFd>,
    ignored: Ignored,
    budget: Budget,
    limits: Limits,
}

impl OpenDirectory {
    /// Opens the source, and makes sure that the base directory in it is one.
    pub(crate) fn open(source: &Source, profile: &Profile, limits: Limits) -> Result<Self, Vec<Reason>> {
        let located = locate(source, profile)?;
        let commit =
            std::fs::canonicalize(&located.path).ok().and_then(|path| Repository::of(&path)?.commit());
        let root = Arc::new(located.root);
        let ignored = Ignored::new(Arc::clone(&root), &located.path, limits.text_bytes);
        let reader = Reader { root, ignored, budget: Budget::new(&limits), limits };
        Ok(Self { commit, reader: Arc::new(Mutex::new(reader)) })
    }
}

#[async_trait]
impl OpenSource for OpenDirectory {
    fn commit(&self) -> Option<String> {
        self.commit.clone()
    }

    async fn look(&mut self, asks: &BTreeSet<Ask>, evidence: &mut Evidence) -> Result<(), Vec<Reason>> {
        let (reader, asks) = (Arc::clone(&self.reader), asks.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let mut found = Evidence::default();
            asks.into_iter().for_each(|ask| reader.answer(ask, &mut found));
            found
        });
        let Evidence { listings, texts, heads, walks, commit: _ } = looking.await.map_err(|_| broke_off())?;
        evidence.listings.extend(listings);
        evidence.texts.extend(texts);
        evidence.heads.extend(heads);
        evidence.walks.extend(walks);
        Ok(())
    }
}

impl Reader {
    fn answer(&mut self, ask: Ask, found: &mut Evidence) {
        let (root, limits) = (self.root.as_fd(), &self.limits);
        match ask {
            Ask::List(path) => {
                let listing = listing::list(root, &path, &mut self.ignored, limits);
                found.listings.insert(path, listing);
            }
            Ask::Read(path) => {
                let text = self.budget.read(root, &path, limits);
                found.texts.insert(path, text);
            }
            Ask::Head(path) => {
                let text = self.budget.head(root, &path, limits);
                found.heads.insert(path, text);
            }
            Ask::Walk(path) => {
                let walk = walk::walk(root, &path, &mut self.ignored, limits);
                found.walks.insert(path, walk);
            }
        }
    }
}

/// The answer when the thread that reads did not end as it should.
pub(crate) fn broke_off() -> Vec<Reason> {
    vec![Reason::new(ReasonCode::SourceUnreadable, "reading the source ended unexpectedly")]
}
