//! Releases kept for a coming switch.

use std::collections::VecDeque;

use super::live::Source;
use crate::digest::Digest;

/// A release that can be probed before any visitor is sent to it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) digest: Digest,
    pub(crate) source: Source,
    pub(crate) fallback: Option<String>,
}

/// A bounded number of candidates. The longest-kept one makes room for a new one: a caller that died without
/// forgetting its candidate must not block all others for ever.
#[derive(Debug)]
pub(crate) struct Candidates {
    kept: VecDeque<Candidate>,
    limit: usize,
}

impl Candidates {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit }
    }

    pub(crate) fn put(&mut self, candidate: Candidate) {
        self.forget(&candidate.digest);
        if self.kept.len() >= self.limit {
            self.kept.pop_front();
        }
        self.kept.push_back(candidate);
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Candidate> {
        self.kept.iter().find(|candidate| candidate.digest == *digest).cloned()
    }

    pub(crate) fn forget(&mut self, digest: &Digest) {
        self.kept.retain(|candidate| candidate.digest != *digest);
    }

    pub(crate) fn digests(&self) -> Vec<Digest> {
        self.kept.iter().map(|candidate| candidate.digest).collect()
    }
}
