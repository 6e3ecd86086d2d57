//! Stores that each get one thing wrong.

use std::sync::Arc;

use async_trait::async_trait;
use deploy_core::admission::UNLIMITED;
use deploy_core::engine::Store;
use deploy_core::history::{HistoryQuery, RunRecord};
use deploy_core::id::{DeploymentId, Digest, Fence, Name, ResourceId, ResourceKey, Seq};
use deploy_core::log::{Found, LogKeeping, LogLine, LogQuery, LogSearch, Tidied};
use deploy_core::port::{
    Append, Catalogue, Create, Created, Journal, Keep, Lease, ListQuery, LogSink, Logs, ReleaseRecord,
    ResourceRecord, StoreError, WhenBusy,
};
use deploy_core::status::{Status, StatusName};
use deploy_core::testkit::MemoryStore;
use deploy_core::testkit::contract::StoreFixture;
use deploy_core::testkit::contract::store::{LAWS, check};
use deploy_core::time::{Span, Timestamp};
use deploy_core::wire::Envelope;

/// What a store gets wrong, and the law that must say so.
const MISTAKES: &[(&str, &str)] = &[
    ("acknowledges and forgets the status", "what_was_acknowledged_is_read_back_as_it_was"),
    ("gives pages of any size", "numbers_have_no_gap_and_pages_join"),
    ("takes any append", "an_append_that_does_not_fit_is_refused_whole"),
    ("lets the last writer win", "of_two_writers_at_one_position_exactly_one_wins"),
    ("lets the last writer win", "the_same_append_again_is_a_conflict_that_names_the_last_event"),
    ("ignores fences", "a_fenced_out_writer_appends_nothing"),
    ("ignores fences", "the_right_fence_in_the_wrong_hands_appends_nothing"),
    ("forgets keys", "the_same_key_and_request_is_the_same_deployment"),
    ("forgets keys", "a_key_used_for_another_request_is_refused"),
    ("forgets keys", "of_many_at_once_under_one_key_one_is_new"),
    ("admits everybody", "of_many_submissions_at_once_exactly_one_is_new"),
    ("counts the blocked as busy", "a_blocked_deployment_is_in_nobodys_way"),
    ("orders by id", "the_unfinished_are_listed_oldest_first"),
    ("finds what is not there", "what_is_not_there_is_not_found"),
    ("gives the same fence again", "fences_strictly_grow"),
    ("gives to everybody", "one_owner_at_a_time_first_come_first_served"),
    ("gives to everybody", "the_turn_goes_by_acceptance_not_by_id"),
    ("waits for the dead", "a_holder_that_rests_is_in_nobodys_way"),
    ("gives back for others", "giving_back_late_frees_nothing"),
    ("gives to everybody", "an_elder_that_comes_back_from_blocked_waits"),
    ("gives to everybody", "an_ended_deployment_takes_nothing"),
    ("gives to everybody", "a_deployment_takes_only_its_own_resource"),
    ("ignores workspaces", "a_workspace_runs_no_more_at_once_than_it_may"),
    ("ignores workspaces", "the_turns_of_a_workspace_go_by_acceptance"),
    ("gives to everybody", "many_that_ask_at_once_get_what_there_is"),
    ("ignores workspaces", "who_is_paused_or_deferred_takes_nobodys_turn"),
    ("calls everybody", "who_is_called_would_be_granted"),
    ("admits everybody", "a_workspace_takes_no_more_that_wait_than_it_may"),
    ("shows the newest first", "the_line_of_a_workspace_is_its_unfinished_oldest_first"),
    ("takes every candidate", "a_resource_gets_one_id_and_keeps_it"),
    ("ignores filters", "lists_are_newest_first_with_filters_and_a_cursor"),
    ("forgets how long phases took", "history_says_what_the_statuses_say"),
    ("ignores filters", "history_says_what_the_statuses_say"),
    ("shows no pruned or previous", "at_most_one_release_is_live"),
    ("takes any append", "restoring_what_is_not_there_changes_nothing"),
    ("hides what failed", "a_failed_release_changes_nothing_and_gives_its_number_back"),
    ("prunes everything", "retention_keeps_the_live_and_the_newest_of_every_resource"),
    ("forgets the unfinished", "retention_keeps_what_an_unfinished_deployment_uses"),
    ("numbers all lines together", "lines_are_numbered_per_deployment"),
    ("ignores filters", "lines_are_filtered_and_paged"),
    ("drops long lines", "a_long_line_is_cut_visibly"),
    ("stumbles over lines of nobody", "lines_of_nobody_disturb_nobody"),
    ("loses what it archives", "archived_lines_are_read_and_found_like_before"),
    ("keeps what it should remove", "removed_lines_leave_a_notice_and_every_event"),
    ("is ahead of its time", "logs_of_what_runs_are_left_alone"),
    ("always claims to be complete", "a_search_is_bounded_and_says_so"),
];

/// A store in memory with one mistake.
#[derive(Clone)]
struct Wrong {
    memory: MemoryStore,
    mistake: &'static str,
}

impl Wrong {
    fn is(&self, mistake: &str) -> bool {
        assert!(MISTAKES.iter().any(|(known, _)| *known == mistake));
        self.mistake == mistake
    }
}

#[async_trait]
impl Journal for Wrong {
    async fn create(&self, mut create: Create) -> Result<Created, StoreError> {
        if self.is("forgets keys") {
            create.idempotency = None;
        }
        if self.is("admits everybody") {
            create.busy = WhenBusy::Wait;
            create.waiting_max = UNLIMITED;
        }
        if self.is("counts the blocked as busy") && create.busy == WhenBusy::Refuse {
            let all = self.memory.list(&ListQuery { limit: 10, ..ListQuery::default() }).await?;
            if let Some(blocked) = all.iter().find(|status| status.status == StatusName::Blocked) {
                return Err(StoreError::Busy { holder: blocked.id });
            }
        }
        self.memory.create(create).await
    }

    async fn known(&self, key: &str, request: &Digest) -> Result<Option<DeploymentId>, StoreError> {
        self.memory.known(key, request).await
    }

    async fn append(&self, mut append: Append) -> Result<(), StoreError> {
        if self.is("ignores fences") {
            append.fence = None;
        }
        if self.is("acknowledges and forgets the status") {
            let before = self.memory.status(append.deployment).await?;
            append.status = Status { sequence: append.status.sequence, ..before };
        }
        match self.memory.append(append).await {
            Err(StoreError::Conflict { .. }) if self.is("lets the last writer win") => Ok(()),
            Err(StoreError::Corrupt { .. } | StoreError::NotFound) if self.is("takes any append") => Ok(()),
            answer => answer,
        }
    }

    async fn events(&self, id: DeploymentId, after: Seq, limit: usize) -> Result<Vec<Envelope>, StoreError> {
        let limit = if self.is("gives pages of any size") { usize::MAX } else { limit };
        match self.memory.events(id, after, limit).await {
            Err(StoreError::NotFound) if self.is("finds what is not there") => Ok(Vec::new()),
            answer => answer,
        }
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentId>, StoreError> {
        let mut found = self.memory.unfinished().await?;
        if self.is("orders by id") {
            found.sort();
        }
        Ok(found)
    }
}

#[async_trait]
impl Lease for Wrong {
    async fn acquire(
        &self,
        resource: &ResourceKey,
        by: DeploymentId,
        concurrent: u32,
    ) -> Result<Fence, StoreError> {
        let concurrent = if self.is("ignores workspaces") { UNLIMITED } else { concurrent };
        if self.is("waits for the dead") {
            let all = self.memory.list(&ListQuery { limit: 10, ..ListQuery::default() }).await?;
            if let Some(dead) = all.iter().find(|status| status.status == StatusName::Failed) {
                return Err(StoreError::Busy { holder: dead.id });
            }
        }
        match self.memory.acquire(resource, by, concurrent).await {
            Ok(_) if self.is("gives the same fence again") => Ok(Fence(1)),
            Err(_) if self.is("gives to everybody") => Ok(Fence(99)),
            answer => answer,
        }
    }

    async fn turns(
        &self,
        workspace: &Name,
        concurrent: u32,
        limit: usize,
    ) -> Result<Vec<DeploymentId>, StoreError> {
        let concurrent = if self.is("calls everybody") { UNLIMITED } else { concurrent };
        self.memory.turns(workspace, concurrent, limit).await
    }

    async fn release(&self, resource: &ResourceKey, fence: Fence) -> Result<(), StoreError> {
        if self.is("gives back for others") {
            self.memory.release(resource, Fence(fence.0 + 1)).await?;
        }
        self.memory.release(resource, fence).await
    }
}

#[async_trait]
impl Catalogue for Wrong {
    async fn resource(&self, key: &ResourceKey, candidate: ResourceId) -> Result<ResourceRecord, StoreError> {
        let record = self.memory.resource(key, candidate).await?;
        let id = if self.is("takes every candidate") { candidate } else { record.id };
        Ok(ResourceRecord { id, ..record })
    }

    async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, StoreError> {
        self.memory.resource_by_id(id).await
    }

    async fn status(&self, deployment: DeploymentId) -> Result<Status, StoreError> {
        self.memory.status(deployment).await
    }

    async fn queue(&self, workspace: &Name, limit: usize) -> Result<Vec<Status>, StoreError> {
        let mut line = self.memory.queue(workspace, limit).await?;
        if self.is("shows the newest first") {
            line.reverse();
        }
        Ok(line)
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, StoreError> {
        let all = ListQuery { limit: query.limit, ..ListQuery::default() };
        self.memory.list(if self.is("ignores filters") { &all } else { query }).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError> {
        let mut found = self.memory.history(query).await?;
        if self.is("forgets how long phases took") {
            found.iter_mut().for_each(|run| run.phases.clear());
        }
        Ok(found)
    }

    async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, StoreError> {
        use deploy_core::port::ReleaseState;
        let mut found = self.memory.releases(resource).await?;
        if self.is("shows no pruned or previous") {
            found.retain(|release| release.state == ReleaseState::Live);
        }
        if self.is("hides what failed") {
            found.retain(|release| release.state != ReleaseState::Failed);
        }
        Ok(found)
    }

    async fn kept(&self) -> Result<Keep, StoreError> {
        let kept = self.memory.kept().await?;
        Ok(if self.is("forgets the unfinished") { Keep { deployments: Vec::new(), ..kept } } else { kept })
    }

    async fn retain(&self, resource: &ResourceKey, keep: u32) -> Result<(), StoreError> {
        self.memory.retain(resource, if self.is("prunes everything") { 0 } else { keep }).await
    }
}

impl LogSink for Wrong {
    fn line(&self, line: LogLine) {
        if self.is("drops long lines") && line.message.len() > deploy_core::log::LINE_BYTES {
            return;
        }
        self.memory.line(line);
    }
}

#[async_trait]
impl Logs for Wrong {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>, StoreError> {
        let all = LogQuery { step: None, source: None, level: None, ..query.clone() };
        let mut found = self.memory.lines(if self.is("ignores filters") { &all } else { query }).await?;
        if self.is("numbers all lines together") {
            found.iter_mut().for_each(|line| line.sequence = Seq(line.sequence.0 * 2));
        }
        if self.is("stumbles over lines of nobody") {
            found.retain(|line| line.message != "kept");
        }
        Ok(found)
    }

    async fn search(&self, search: &LogSearch) -> Result<Found, StoreError> {
        let mut found = self.memory.search(search).await?;
        found.complete |= self.is("always claims to be complete");
        Ok(found)
    }

    async fn tidy(&self, now: Timestamp, keep: &LogKeeping) -> Result<Tidied, StoreError> {
        let LogKeeping { archive_after, remove_after } = *keep;
        if self.is("loses what it archives") {
            let remove = LogKeeping { archive_after: None, remove_after: remove_after.or(archive_after) };
            let Tidied { archived, removed } = self.memory.tidy(now, &remove).await?;
            return Ok(Tidied { archived: removed, removed: archived });
        }
        if self.is("keeps what it should remove") {
            let archive = LogKeeping { archive_after: archive_after.or(remove_after), remove_after: None };
            return self.memory.tidy(now, &archive).await;
        }
        let ahead = if self.is("is ahead of its time") { Span::from_secs(86_400 * 365) } else { Span::ZERO };
        self.memory.tidy(now.after(ahead), keep).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.memory.flush().await
    }
}

#[async_trait]
impl StoreFixture for Wrong {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
}

#[tokio::test]
async fn every_mistake_is_caught_by_the_law_named_for_it() {
    for (mistake, law) in MISTAKES {
        let wrong = Wrong { memory: MemoryStore::default(), mistake };
        let verdict = check(law, &wrong).await.unwrap();
        let breach = verdict.expect_err(&format!("a store that {mistake} passes {law}"));
        println!("a store that {mistake}: {breach}\n");
        assert_eq!(breach.law, *law);
        assert!(!breach.seen.is_empty() && !breach.remedy.is_empty());
    }
    let untested: Vec<_> =
        LAWS.iter().filter(|law| !MISTAKES.iter().any(|(_, named)| named == *law)).collect();
    assert!(untested.is_empty(), "laws without a mistake that they catch: {untested:?}");
}
