//! What was switched to and when, and whether what visitors saw agrees with it.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use crate::installation::{Installation, Running};
use crate::load::Visit;
use crate::site::{Page, Site};

/// A change of what serves, as somebody outside sees it: begun before it was asked for, done when the
/// command has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Switch {
    asked: Instant,
    told: Instant,
    page: Page,
}

/// What was switched to, and which release is which site.
#[derive(Debug, Default)]
pub struct Story {
    switches: Vec<Switch>,
    releases: BTreeMap<String, Page>,
}

impl Story {
    /// Deploys a site, well.
    ///
    /// # Panics
    /// If that fails.
    pub fn deploy(&mut self, installation: &Installation, site: &Site, page: Page) {
        let asked = Instant::now();
        self.deployed(asked, installation.begin_up(site, &[]), page);
    }

    /// Takes down a deploy that must end well.
    ///
    /// # Panics
    /// If it does not.
    pub fn deployed(&mut self, asked: Instant, running: Running, page: Page) {
        let status = running.wait().well().json();
        self.releases.insert(digest(&status), page);
        self.switches.push(Switch { asked, told: Instant::now(), page });
    }

    /// Goes back to the release before.
    ///
    /// # Panics
    /// If that fails.
    pub fn roll_back(&mut self, installation: &Installation) {
        let asked = Instant::now();
        let status = installation.run(&["rollback", "web", "--json"]).well().json();
        let page = self.releases[&digest(&status)];
        self.switches.push(Switch { asked, told: Instant::now(), page });
    }

    /// How often what serves was changed.
    #[must_use]
    pub fn switches(&self) -> usize {
        self.switches.len()
    }

    /// The site that serves now.
    #[must_use]
    pub fn live(&self) -> Option<Page> {
        self.switches.last().map(|switch| switch.page)
    }

    /// The switches whose site could answer a visit: those that served at some time between its
    /// beginning and its end. A site ends to serve for new requests when its successor was told.
    fn allowing<'a>(&'a self, visit: &'a Visit, page: Page) -> impl Iterator<Item = usize> + 'a {
        self.switches.iter().enumerate().filter_map(move |(at, switch)| {
            let replaced = self.switches.get(at + 1).map(|next| next.told);
            let serves = switch.asked <= visit.ended && replaced.is_none_or(|told| visit.started <= told);
            (switch.page == page && serves).then_some(at)
        })
    }

    /// Whether a visit began before a switch and ended after it.
    #[must_use]
    pub fn is_across_a_switch(&self, visit: &Visit) -> bool {
        self.switches.iter().any(|switch| visit.started < switch.asked && switch.told < visit.ended)
    }

    /// Nothing failed, nothing was mixed, nothing was late: and once a release was seen, nobody who asked
    /// after that saw the one before it.
    ///
    /// # Panics
    /// If anything was.
    pub fn check(&self, visits: &[Visit]) {
        let failed: Vec<_> = visits.iter().filter(|visit| visit.outcome.is_err()).collect();
        assert!(failed.is_empty(), "{} of {} requests failed: {failed:#?}", failed.len(), visits.len());
        let mut seen: Vec<(Instant, usize)> = Vec::new();
        for visit in visits {
            let (release, page) = visit.outcome.as_ref().expect("failed ones were counted above");
            let named = self.releases.get(release);
            assert_eq!(named, Some(page), "the body is not of the release in the header: {visit:?}");
            let earliest = self.allowing(visit, *page).next();
            let earliest = earliest.unwrap_or_else(|| panic!("an old release, or one too early: {visit:?}"));
            seen.push((visit.ended, earliest));
        }
        seen.sort_unstable();
        let mut newest = 0;
        let newest: Vec<usize> = seen
            .iter()
            .map(|(_, at)| {
                newest = newest.max(*at);
                newest
            })
            .collect();
        for visit in visits {
            let known = seen.partition_point(|(ended, _)| *ended < visit.started);
            let Some(floor) = known.checked_sub(1).map(|last| newest[last]) else { continue };
            let latest = visit.outcome.as_ref().ok().and_then(|(_, page)| self.allowing(visit, *page).last());
            assert!(latest >= Some(floor), "the release before, after the new one was seen: {visit:?}");
        }
    }
}

fn digest(status: &Value) -> String {
    status["digest"].as_str().unwrap_or_default().to_owned()
}
