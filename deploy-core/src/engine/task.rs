//! One task per deployment: one input at a time, then everything it leads to, then waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::effects::{self, Answer};
use super::error::EngineError;
use super::handle::{Engine, Inner};
use crate::cancel::Cancel;
use crate::command::{Command, Input, Report};
use crate::deployment::Deployment;
use crate::driver::{Action, Driver};
use crate::effect::Effect;
use crate::id::{Fence, Seq};
use crate::port::{Append, Moment, StoreError};
use crate::spec::Actor;
use crate::status::Status;
use crate::wire::Envelope;

/// A command on its way to a deployment, and where its answer goes.
pub(super) struct Mail {
    pub(super) command: Command,
    pub(super) by: Actor,
    pub(super) reply: oneshot::Sender<Result<Status, EngineError>>,
}

/// Why a task stops driving although the deployment has not ended.
enum Quit {
    /// Another owner is ahead.
    FencedOut,
    /// The resource is ours, but somebody else wrote before it was: nobody but us can go on.
    Behind,
    /// The engine shuts down.
    Closing,
    /// The store will never take what was decided.
    Unwritable(StoreError),
}

pub(super) struct Task {
    inner: Arc<Inner>,
    driver: Driver,
    mailbox: mpsc::Receiver<Mail>,
    shown: watch::Sender<Seq>,
    work: JoinSet<(Effect, Answer)>,
    cancels: HashMap<Effect, Cancel>,
    /// The fence whose lease is still to be given back.
    lease: Option<Fence>,
}

impl Task {
    pub(super) fn new(
        inner: Arc<Inner>,
        deployment: Deployment,
        mailbox: mpsc::Receiver<Mail>,
        shown: watch::Sender<Seq>,
    ) -> Self {
        let lease = deployment.fence();
        let driver = Driver::new(deployment);
        Self { inner, driver, mailbox, shown, work: JoinSet::new(), cancels: HashMap::new(), lease }
    }

    /// Drives the deployment to its end, or until another owner takes over.
    pub(super) async fn run(mut self, first: Option<Input>) {
        let id = self.driver.deployment().id();
        let quit = self.drive(first).await.err();
        if let Some(quit) = &quit {
            self.abandon(quit).await;
        }
        self.inner.tasks().remove(&id);
        if matches!(quit, Some(Quit::Behind)) {
            Engine::of(&self.inner).take_up(id).await;
        }
        self.inner.turnstile.ring();
    }

    async fn drive(&mut self, first: Option<Input>) -> Result<(), Quit> {
        if let Some(input) = first {
            if let Input::Recover { fence: Some(fence), .. } = &input {
                // What recovering leads to may end the deployment at once, and with it its own fence.
                self.lease = Some(*fence);
            }
            // A recovery can only be refused for a deployment that has ended meanwhile.
            let _ = self.driver.handle(&input);
        }
        self.settle().await?;
        while !self.driver.is_finished() {
            self.step().await?;
        }
        self.finish().await;
        Ok(())
    }

    /// Waits for exactly one input, takes it, and carries out everything it leads to.
    async fn step(&mut self) -> Result<(), Quit> {
        let clock = Arc::clone(self.inner.previewer.clock());
        let due = self.driver.deadline().map(|at| at.since(clock.now()).as_duration());
        tokio::select! {
            biased;
            () = self.inner.closing.cancelled() => Err(Quit::Closing),
            Some(joined) = self.work.join_next(), if !self.work.is_empty() => self.worked(joined).await,
            Some(mail) = self.mailbox.recv() => self.command(mail).await,
            () = tokio::time::sleep(due.unwrap_or(Duration::MAX)), if due.is_some() => {
                // Ticking is never refused while the deployment has not ended.
                let _ = self.driver.handle(&Input::Tick { at: clock.now() });
                self.settle().await
            }
        }
    }

    async fn command(&mut self, mail: Mail) -> Result<(), Quit> {
        let Mail { command, by, reply } = mail;
        let at = self.inner.previewer.clock().now();
        let answer = match self.driver.handle(&Input::Command { command, by, at }) {
            Err(rejection) => Err(rejection.into()),
            Ok(()) => {
                // Nothing is said before it is durable.
                self.settle().await?;
                Ok(self.driver.deployment().status())
            }
        };
        // Whoever asked may have gone; the command was carried out all the same.
        let _ = reply.send(answer);
        Ok(())
    }

    async fn worked(&mut self, joined: Result<(Effect, Answer), tokio::task::JoinError>) -> Result<(), Quit> {
        // Effects run in a task of their own inside this one, so what is joined here never panics.
        let Ok((effect, answer)) = joined else { return Ok(()) };
        self.inner.observer.moment(&Moment::Ended(effect.clone()));
        self.cancels.remove(&effect);
        let wanted = self.driver.settled(&effect);
        let at = self.inner.previewer.clock().now();
        match answer {
            Answer::Report(report, fence) if wanted => {
                if let Err(rejection) = self.driver.handle(&Input::Report { report, fence, at }) {
                    tracing::debug!(%rejection, ?effect, "report refused");
                }
            }
            Answer::Report(Report::Claimed { .. }, Some(fence)) => self.give_back(fence).await,
            Answer::Report(..) | Answer::Nothing => {}
        }
        self.settle().await
    }

    /// Carries out actions until there are none.
    async fn settle(&mut self) -> Result<(), Quit> {
        while let Some(action) = self.driver.poll() {
            match action {
                Action::Persist { after, events } => self.persist(after, events).await?,
                Action::Publish => self.publish().await,
                Action::Start(effect) => self.start(effect),
                Action::Cancel(effect) => {
                    if let Some(cancel) = self.cancels.get(&effect) {
                        cancel.cancel();
                    }
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, effect: Effect) {
        self.inner.observer.moment(&Moment::Starting(effect.clone()));
        let cancel = Cancel::new();
        self.cancels.insert(effect.clone(), cancel.clone());
        let deployment = self.driver.deployment().clone();
        self.work.spawn(effects::run(Arc::clone(&self.inner), deployment, effect, cancel));
    }

    async fn publish(&mut self) {
        // Nobody has to look.
        let _ = self.shown.send(self.driver.deployment().seq());
        if !self.driver.deployment().holds_resource()
            && !self.driver.deployment().is_ended()
            && let Some(fence) = self.lease.take()
        {
            self.give_back(fence).await;
        }
    }

    // -----------------------------------------------------------------------------------------
    // Writing

    /// Writes until the store has it, or says that another owner is ahead. A store that fails is
    /// asked again: what was decided must not be lost, and nothing goes on without it.
    async fn persist(&mut self, after: Seq, events: Vec<Envelope>) -> Result<(), Quit> {
        let upto = events.last().map_or(after, |envelope| envelope.sequence);
        let append = self.append(after, events);
        let id = append.deployment;
        self.inner.observer.moment(&Moment::Appending(id, upto));
        let mut wait = Duration::from_millis(50);
        loop {
            let error = match self.inner.store.append(append.clone()).await {
                Ok(()) => break,
                Err(error) => error,
            };
            match error {
                StoreError::Conflict { .. } | StoreError::Unknown { .. }
                    if self.is_written(&append).await =>
                {
                    break;
                }
                StoreError::Conflict { .. } if append.fence.is_some() => return Err(Quit::Behind),
                StoreError::Conflict { .. } | StoreError::Fenced { .. } => return Err(Quit::FencedOut),
                StoreError::Busy { .. }
                | StoreError::WorkspaceFull { .. }
                | StoreError::KeyReused
                | StoreError::NotFound
                | StoreError::Limit { .. }
                | StoreError::Corrupt { .. } => return Err(Quit::Unwritable(error)),
                StoreError::Unknown { .. } | StoreError::Full | StoreError::Unavailable { .. } => {
                    tracing::error!(deployment = %id, %error, "the journal could not be written; trying again");
                }
            }
            tokio::select! {
                () = self.inner.closing.cancelled() => return Err(Quit::Closing),
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(self.inner.limits.store_backoff),
            }
        }
        self.inner.observer.moment(&Moment::Appended(id, upto));
        self.driver.persisted(upto);
        Ok(())
    }

    fn append(&mut self, after: Seq, events: Vec<Envelope>) -> Append {
        let deployment = self.driver.deployment();
        // The last events give the fence up, yet are written under it.
        self.lease = deployment.fence().or(self.lease);
        Append {
            deployment: deployment.id(),
            after,
            fence: self.lease,
            events,
            status: deployment.status(),
            release: deployment.release_change(self.inner.ids.release()),
        }
    }

    /// Whether the journal holds exactly these events: the answer to an append was lost.
    async fn is_written(&self, append: &Append) -> bool {
        let stored = self.inner.store.events(append.deployment, append.after, append.events.len() + 1).await;
        stored.is_ok_and(|stored| stored == append.events)
    }

    // -----------------------------------------------------------------------------------------
    // Ending

    async fn give_back(&self, fence: Fence) {
        let resource = &self.driver.deployment().spec().resource;
        if let Err(error) = self.inner.store.release(resource, fence).await {
            tracing::warn!(%resource, %error, "the resource could not be given back; the next owner takes it");
        }
        self.inner.turnstile.ring();
    }

    /// Frees what only this deployment used, gives the resource back, then lets retention work.
    async fn finish(&mut self) {
        let deployment = self.driver.deployment().clone();
        if let Some(executor) = self.inner.previewer.executor(deployment.spec().target.as_str())
            && deployment.phase().run().is_some()
            && let Err(failure) = executor.finish(deployment.id()).await
        {
            tracing::warn!(deployment = %deployment.id(), %failure, "leftovers stay until the next clean-up");
        }
        if let Some(fence) = self.lease.take() {
            self.give_back(fence).await;
        }
        self.inner.retain(&deployment).await;
    }

    /// Leaves the deployment to its next owner: what runs is cancelled, nothing more is recorded.
    async fn abandon(&mut self, quit: &Quit) {
        match quit {
            Quit::FencedOut => {
                tracing::warn!(deployment = %self.driver.deployment().id(), "another owner took over");
            }
            Quit::Behind => {
                tracing::warn!(deployment = %self.driver.deployment().id(), "it went on elsewhere; it is read anew");
            }
            Quit::Closing => {}
            Quit::Unwritable(error) => {
                self.inner.quarantine(self.driver.deployment().id(), error.to_string());
            }
        }
        self.cancels.values().for_each(Cancel::cancel);
        while self.work.join_next().await.is_some() {}
    }
}
