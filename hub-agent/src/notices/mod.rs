//! Notices of incidents to a webhook: each change of an incident, once, in its order, also after an outage.
//!
//! The state log is the queue: a notice is a record of an incident, and how far the receiver has them is a number in the
//! store. Each is sent until the receiver has it, so it may come twice; its id says which it is.
//!
//! | module | holds |
//! |---|---|
//! | `address` | where notices go |
//! | `sign` | Standard Webhooks signatures |
//! | `post` | one notice on the wire |

mod address;
mod post;
mod sign;

pub use address::{Address, RULE};
pub use sign::Secret;

use crate::{
    journal::Question, links, pki::PkiError, run::HubCell, settings::NoticeSettings,
    store::StoreError,
};
use hub_core::{Hub, Input, Table, Write, record::RecordKind};
use post::{Notice, Outcome, post};
use rustls::ClientConfig;
use serde_json::Value;
use state_log::{From, Query};
use std::{rc::Rc, sync::Arc, time::Duration};

/// The row of the store that says how far the receiver has them.
pub const ROW: (Table, &[u8]) = (Table::Meta, b"notices");

/// How often the log is looked at when nothing happens.
const LOOK: Duration = Duration::from_secs(5);

/// First and longest wait between two tries.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// After so many tries its owner is told that a notice does not arrive, once until one does.
const TRIES_TO_TELL: u32 = 3;

/// So often a notice is tried that its receiver says it will never take.
const TRIES_OF_REFUSED: u32 = 3;

/// Records looked at for one answer.
const EXAMINED: usize = 100_000;

/// How far the receiver has notices: of which log, and the number after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    log: String,
    next: u64,
}

impl Place {
    fn read(row: &[u8]) -> Option<Self> {
        let (log, next) = std::str::from_utf8(row).ok()?.rsplit_once(' ')?;
        Some(Self { log: log.to_owned(), next: next.parse().ok()? })
    }

    fn row(&self) -> Write {
        let value = format!("{} {}", self.log, self.next).into_bytes();
        Write { table: ROW.0, key: ROW.1.to_vec(), value: Some(value) }
    }
}

/// Who is told.
pub struct Teller {
    cell: Rc<HubCell>,
    to: Address,
    tls: Option<Arc<ClientConfig>>,
    secret: Secret,
    /// What the store said at the start.
    stored: Option<Place>,
}

impl Teller {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// When a file is exposed, unreadable or not what it should be.
    pub fn new(
        cell: &Rc<HubCell>,
        settings: &NoticeSettings,
        stored: Option<&[u8]>,
    ) -> Result<Self, PkiError> {
        Ok(Self {
            cell: cell.clone(),
            to: settings.webhook.clone(),
            tls: settings.roots.as_deref().map(links::cloud::tls_to).transpose()?,
            secret: Secret::read(&settings.secret)?,
            stored: stored.and_then(Place::read),
        })
    }

    /// Tells of incidents for as long as the daemon lives, or until the receiver wants no more.
    pub async fn run(self) {
        let mut place = self.stored.clone();
        loop {
            match self.pass(&mut place).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::debug!("notices wait: {error}"),
            }
            // Whatever happened may be an incident; nothing is lost when it is looked at late.
            let _ = tokio::time::timeout(LOOK, self.cell.next_event()).await;
        }
    }

    /// Sends what there is; the answer is whether to go on.
    async fn pass(&self, place: &mut Option<Place>) -> Result<bool, StoreError> {
        let heads = self.cell.ask_log(Question::Heads).await?;
        let log = heads["checkpoint"].as_str().and_then(|note| note.lines().next());
        let (log, size) = (log.unwrap_or_default().to_owned(), heads["size"].as_u64().unwrap_or(0));
        let place = match place {
            Some(place) => place,
            // Whoever is told for the first time is told of what happens from now on, also after a restart.
            None => {
                let new = Place { log: log.clone(), next: size };
                if self.cell.make_durable(vec![new.row()]).await.is_err() {
                    return Ok(true);
                }
                place.insert(new)
            }
        };
        if place.log != log {
            // The former log is evidence now and is read by nobody; the new one is told of whole.
            let Place { log: former, next } = place;
            self.undelivered(&format!("incidents of {former} from record {next} on were not sent"));
            *place = Place { log, next: 0 };
        }
        while place.next < size {
            let query = Query {
                kinds: vec![RecordKind::Incident as u16],
                from: From::On(place.next),
                limit: 1,
                examine: EXAMINED,
                ..Query::default()
            };
            let hub = self.cell.look(Hub::own_id);
            let question = Question::Export { query, syslog: false, hub };
            let answer = self.cell.ask_log(question).await?;
            for event in answer["events"].as_array().into_iter().flatten() {
                if !self.deliver(&place.log, event).await {
                    return Ok(false);
                }
            }
            let next = answer["next"]["on"].as_u64().filter(|next| *next > place.next);
            place.next = next.unwrap_or(size);
            if answer["events"].as_array().is_some_and(|events| !events.is_empty()) {
                // While nothing can be written it is told again after a restart, which is the harmless way round.
                let _ = self.cell.make_durable(vec![place.row()]).await;
            }
        }
        Ok(true)
    }

    /// Sends one until the receiver has it or says that it never will; the answer is whether to go on.
    async fn deliver(&self, log: &str, event: &Value) -> bool {
        let id = format!("{log}:{}", event["metadata"]["sequence"]);
        let (mut tries, mut wait) = (0, BACKOFF.0);
        loop {
            let body = event.to_string();
            let seconds = self.cell.now().wall.0 / 1000;
            let signature = self.secret.sign(&id, seconds, &body);
            let notice = Notice { id: &id, seconds, signature: &signature, body };
            let outcome = post(&self.to, self.tls.as_ref(), notice).await;
            tries += 1;
            match outcome {
                Outcome::Taken => return true,
                Outcome::Unwanted => {
                    self.undelivered(&format!("{} wants no notices any more", self.to));
                    return false;
                }
                Outcome::Never(why) if tries >= TRIES_OF_REFUSED => {
                    self.undelivered(&format!("{id} was left out: {why}"));
                    return true;
                }
                Outcome::Later(why) if tries == TRIES_TO_TELL => {
                    self.undelivered(&format!("{id} waits for {}: {why}", self.to));
                }
                Outcome::Later(_) | Outcome::Never(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    fn undelivered(&self, why: &str) {
        self.cell.apply(Input::Undelivered(why.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_the_receiver_has_notices_is_read_back() {
        let place = Place { log: "hub-agent/4711/2".into(), next: 99 };
        assert_eq!(Place::read(&place.row().value.unwrap()), Some(place));
        for damaged in [&b""[..], b"hub-agent", b"hub-agent x", &[0xff, b' ', b'1']] {
            assert_eq!(Place::read(damaged), None);
        }
    }
}
