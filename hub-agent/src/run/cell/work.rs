//! The one loop: ticks, commits, what waited for them, and the end.

use super::{Ended, HubCell, Leave};
use crate::{
    run::{batch::Deferred, shutdown},
    store::{Completion, Job},
};
use hub_core::{Input, StoreState};
use mqtt_endpoint::{ReasonCode, Refused};
use protocol::refusal::Refusal;
use std::{rc::Rc, time::Duration};
use tokio::sync::mpsc;

/// Longest time the last commit may take when the daemon ends.
const LAST_COMMIT: Duration = Duration::from_secs(3);

impl HubCell {
    /// The loop: ticks, commits, and the end.
    ///
    /// # Errors
    /// When the last state cannot be made durable.
    pub async fn work(
        self: Rc<Self>,
        mut completions: mpsc::Receiver<Completion>,
        tick: Duration,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<Ended> {
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                completion = completions.recv() => match completion {
                    Some(completion) => self.completed(completion),
                    // Without its thread nothing would ever be acknowledged again: better start anew.
                    None => anyhow::bail!("the store's thread ended by itself; restart the hub"),
                },
                () = self.dirty.notified() => self.commit(false),
                _ = ticks.tick() => self.tick(),
                () = self.leaving.notified() => break,
                () = &mut stop => break,
            }
        }
        shutdown::stopping();
        self.finish(completions).await?;
        match self.leave.get() {
            None => Ok(Ended::Asked),
            Some(Leave::Switched) => Ok(Ended::Again),
            Some(Leave::Unproved) => anyhow::bail!("the new software did not prove itself"),
        }
    }

    fn tick(&self) {
        self.apply(Input::Tick);
        self.commit(true);
        shutdown::alive();
    }

    /// Starts the next commit. While commits fail, only a tick tries again.
    fn commit(&self, trial: bool) {
        let mut batches = self.batches.borrow_mut();
        if batches.failing && !trial {
            return;
        }
        let Some(job) = batches.next() else { return };
        if let Err(job) = self.committer.borrow().submit(job) {
            tracing::error!("the store's thread takes no commit");
            if let Job::Commit { batch, records, .. } = *job {
                let deferred = batches.ended(Some((batch, records)));
                deferred.into_iter().for_each(|waiting| batches.defer(waiting));
            }
        }
    }

    fn completed(&self, completion: Completion) {
        let Completion { id, recorded, result } = completion;
        let (failure, returned) = match result {
            Ok(()) => (None, None),
            Err((error, batch, records)) => (Some(error), Some((batch, records))),
        };
        let mut batches = self.batches.borrow_mut();
        batches.failing = failure.is_some();
        let deferred = batches.ended(returned);
        let lost = if failure.is_none() { std::mem::take(&mut batches.dropped) } else { 0 };
        drop(batches);
        let unavailable =
            Refused { reason: ReasonCode::ServerBusy, word: Refusal::StoreUnavailable.slug() };
        match (id, &failure) {
            (Some(id), None) => self.handle.committed(id),
            (Some(id), Some(_)) => self.handle.commit_failed(id, unavailable),
            (None, _) => {}
        }
        for waiting in deferred {
            match waiting {
                Deferred::Send(send) if failure.is_none() => self.send(&send),
                Deferred::Own(order) if failure.is_none() => self.order_own(order),
                Deferred::Send(_) | Deferred::Own(_) => {}
                Deferred::Cut(cut) => self.cut(cut),
                // Whoever waited may be gone.
                Deferred::Waiter(done) => drop(done.send(failure.is_none())),
            }
        }
        let state = if failure.is_none() { StoreState::Ok } else { StoreState::Unavailable };
        if let Some(error) = failure {
            tracing::warn!("{error}");
        }
        self.apply(Input::Store(state));
        if lost > 0 {
            self.apply(Input::Unrecorded(lost));
        }
        if let Some((first, records)) = recorded {
            self.apply(Input::Recorded { first, records });
            self.recorded.notify_one();
        }
        self.commit(false);
    }

    /// Takes no more, commits what there is and ends.
    async fn finish(&self, mut completions: mpsc::Receiver<Completion>) -> anyhow::Result<()> {
        let drain = self.handle.drain();
        tokio::pin!(drain);
        loop {
            tokio::select! {
                Some(completion) = completions.recv() => self.completed(completion),
                () = self.dirty.notified() => self.commit(false),
                () = &mut drain => break,
            }
        }
        let last = self.hub.borrow_mut().last_writes();
        self.batches.borrow_mut().add(last);
        let deadline = tokio::time::Instant::now() + LAST_COMMIT;
        self.commit(true);
        while !self.batches.borrow().is_idle() {
            match tokio::time::timeout_at(deadline, completions.recv()).await {
                Ok(Some(completion)) => self.completed(completion),
                Ok(None) | Err(_) => {
                    anyhow::bail!("the last state could not be made durable; look at the disk")
                }
            }
            if self.batches.borrow().failing {
                anyhow::bail!("the last state could not be made durable; free disk space");
            }
        }
        self.committer.borrow_mut().stop();
        Ok(())
    }
}
