//! What is asked of the log, on the store's thread between two commits.

use super::HubCell;
use crate::{
    journal::{Ask, Journal, Question, Shipment},
    run::at_cloud::AtCloud,
    store::{Job, StoreError},
};
use std::{cell::RefMut, sync::Arc};
use tokio::sync::{Semaphore, oneshot};

impl HubCell {
    /// Asks the log something.
    ///
    /// # Errors
    /// When the log cannot answer, or too many questions wait.
    pub async fn ask_log(&self, question: Question) -> Result<serde_json::Value, StoreError> {
        let answer = self.with_log(&self.questions, move |log| log.answer(question)).await;
        // The log may have written an act of its own.
        self.recorded.notify_one();
        answer
    }

    /// Reads records for the cloud, in a place of their own: nobody's question waits for it, and it for nobody's.
    ///
    /// # Errors
    /// When the log cannot be read, or is being read already.
    pub async fn ship_log(&self, from: u64, most: usize) -> Result<Shipment, StoreError> {
        self.with_log(&self.shipping, move |log| log.shipment(from, most)).await
    }

    /// Keeps a head that the cloud witnessed.
    ///
    /// # Errors
    /// When it contradicts the log, or cannot be written.
    pub async fn keep_head(
        &self,
        note: String,
        witness: state_log::Verifier,
    ) -> Result<(), StoreError> {
        self.with_log(&self.questions, move |log| log.keep_head(&note, &witness)).await
    }

    /// The largest size of the log that a cloud witnessed, as far as the log remembers.
    ///
    /// # Errors
    /// When too many questions wait.
    pub async fn witnessed(&self) -> Result<u64, StoreError> {
        self.with_log(&self.questions, |log| log.witnessed()).await
    }

    /// Records in the log.
    #[must_use]
    pub fn log_size(&self) -> u64 {
        self.log_size.get()
    }

    /// Waits until records were added, or may have been.
    pub async fn recorded(&self) {
        self.recorded.notified().await;
    }

    /// How far the log is at the cloud.
    pub fn at_cloud(&self) -> RefMut<'_, AtCloud> {
        self.at_cloud.borrow_mut()
    }

    async fn with_log<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        work: impl FnOnce(&mut Journal) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, waiter) = oneshot::channel();
        let busy = || StoreError::Log("it is busy; ask again".into());
        let place = places.clone().try_acquire_owned().map_err(|_| busy())?;
        // Whoever asked may be gone.
        let work = Box::new(move |log: &mut Journal| drop(answer.send(work(log))));
        let job = Job::Ask(Box::new(Ask { work, place }));
        self.committer.borrow().submit(job).map_err(|_| busy())?;
        waiter.await.map_err(|_| StoreError::Log("the store's thread ended".into()))?
    }
}
