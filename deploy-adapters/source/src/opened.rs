//! An open directory that answers what rules ask.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deploy_core::evidence::{Ask, Evidence};
use deploy_core::id::Digest;
use deploy_core::port::OpenSource;
use deploy_core::reason::{Reason, ReasonCode};

use crate::bring::Brought;
use crate::commit::Repository;
use crate::ignored::Ignored;
use crate::ignores::Counted;
use crate::limits::Limits;
use crate::listing;
use crate::locate::Located;
use crate::temporary::Temporary;
use crate::texts::Budget;
use crate::walk;

/// A directory that was opened to be asked about.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    commit: Option<String>,
    digest: Option<Digest>,
    /// Shared with the thread that reads; nobody else ever waits for it.
    reader: Arc<Mutex<Reader>>,
    /// Where a commit or an archive was laid out; goes with this.
    _place: Option<Temporary>,
}

#[derive(Debug)]
struct Reader {
    root: Arc<OwnedFd>,
    ignored: Ignored,
    budget: Budget,
    limits: Limits,
}

impl OpenDirectory {
    /// A directory of somebody.
    pub(crate) fn in_place(located: Located, limits: Limits) -> Self {
        let repository = std::fs::canonicalize(&located.path).ok().and_then(|path| Repository::of(&path));
        let commit = repository.and_then(|repository| repository.commit());
        let reader = Reader::new(located, Counted::Around, limits);
        Self { commit, digest: None, reader, _place: None }
    }

    /// One of ours, with what was brought there.
    pub(crate) fn brought(located: Located, brought: Brought, place: Temporary, limits: Limits) -> Self {
        let reader = Reader::new(located, brought.counted, limits);
        Self { commit: brought.commit, digest: brought.digest, reader, _place: Some(place) }
    }
}

#[async_trait]
impl OpenSource for OpenDirectory {
    fn commit(&self) -> Option<String> {
        self.commit.clone()
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone()
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
    fn new(located: Located, counted: Counted, limits: Limits) -> Arc<Mutex<Self>> {
        let root = Arc::new(located.root);
        let ignored = Ignored::new(Arc::clone(&root), &located.path, counted, limits.text_bytes);
        Arc::new(Mutex::new(Self { root, ignored, budget: Budget::new(&limits), limits }))
    }

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
