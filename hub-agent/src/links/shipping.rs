//! Shipping the hub's log over the line to the cloud. Which records go next is `hub_core::uplink`'s business; here they
//! are read on the store's thread, one portion after the other, and sent.

use crate::{journal::Shipment, pki::PkiError, run::HubCell, store::StoreError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hub_core::{
    Input,
    uplink::{Finding, Lanes, Step},
};
use protocol::{
    cbor,
    message::{Blob, UplinkAck},
    topic::{Route, ToCloud},
};
use rumqttc::v5::{AsyncClient, mqttbytes::QoS};
use state_log::{Cosigned, Verifier};
use std::{fs, future::Future, path::PathBuf, pin::Pin, rc::Rc, time::Duration};

/// The file that pins the cloud's witness, as `hub-agent log verify --witness` takes it.
const WITNESS: &str = "witness.pub";

/// A pause after something did not work here, such as a full queue.
const PAUSE: Duration = Duration::from_secs(1);

type Reading = Pin<Box<dyn Future<Output = Result<Shipment, StoreError>>>>;

/// A portion that was read.
pub(super) struct Ready {
    shipment: Result<Shipment, StoreError>,
    asks: bool,
}

/// The sending of the log.
pub(super) struct Shipping {
    cell: Rc<HubCell>,
    lanes: Lanes,
    reading: Option<(Reading, bool)>,
    /// The log's name and key, once something of it was read.
    log: Option<Verifier>,
    pinned: PathBuf,
    /// What the owner was told last, so that it is not told again and again.
    told: Finding,
}

impl Shipping {
    /// Begins where the log remembers a witness; `drain` bounds the records of a backlog a second.
    pub(super) async fn new(cell: Rc<HubCell>, drain: u32) -> Self {
        // A log that cannot say so is asked by the cloud's first answer.
        let witnessed = cell.witnessed().await.unwrap_or(0);
        let pinned = cell.settings().data_dir.join("pki").join(WITNESS);
        let lanes = Lanes::new(drain, witnessed);
        Self { cell, lanes, reading: None, log: None, pinned, told: Finding::Fine }
    }

    /// A connection began.
    pub(super) fn connected(&mut self) {
        self.reading = None;
        self.told = Finding::Fine;
        self.lanes.connected(self.cell.log_size(), self.cell.now().mono);
    }

    /// Waits until there is something to do, and reads what goes next. May be dropped at any point: a reading that was
    /// begun goes on when this is called again.
    pub(super) async fn next(&mut self) -> Option<Ready> {
        if self.reading.is_none() {
            self.lanes.grown(self.cell.log_size());
            match self.lanes.next(self.cell.now().mono) {
                Step::Ask => self.read(self.cell.log_size(), 0, true),
                Step::Read { from, most, .. } => self.read(from, most, false),
                Step::Wait(time) => {
                    // Whatever ends the waiting, the next step is decided anew.
                    let _ = tokio::time::timeout(time, self.cell.recorded()).await;
                }
            }
        }
        let (reading, asks) = self.reading.as_mut()?;
        let (shipment, asks) = (reading.await, *asks);
        self.reading = None;
        Some(Ready { shipment, asks })
    }

    fn read(&mut self, from: u64, most: usize, asks: bool) {
        let cell = Rc::clone(&self.cell);
        let reading = Box::pin(async move { cell.ship_log(from, most).await });
        self.reading = Some((reading, asks));
    }

    /// Sends what was read.
    pub(super) fn send(&mut self, client: &AsyncClient, Ready { shipment, asks }: Ready) {
        let now = self.cell.now().mono;
        let Shipment { mut frame, end, checkpoint, log } = match shipment {
            Ok(shipment) => shipment,
            Err(error) => {
                tracing::warn!("nothing of the log can be sent: {error}");
                return self.lanes.pause(PAUSE, now);
            }
        };
        self.lanes.grown(checkpoint.size);
        let ends = end == checkpoint.size && self.lanes.wants_witness(now);
        if asks || ends {
            frame.checkpoint = Blob::new(checkpoint.note().into_bytes());
        }
        self.log = Some(log);
        let (range, records) = ((frame.first, end), frame.records.items().len() as u64);
        let topic = Route::ToCloud(self.cell.ca().hub_id(), ToCloud::Log).to_string();
        let sent = client.try_publish(topic, QoS::AtLeastOnce, false, cbor::encode(&frame));
        if sent.is_err() {
            // A full queue: the line is slow or gone.
            return self.lanes.pause(PAUSE, now);
        }
        let mut shown = self.cell.at_cloud();
        shown.frames += 1;
        shown.records += records;
        drop(shown);
        if asks {
            self.lanes.question_sent(now);
        } else {
            self.lanes.sent(range, ends, now);
        }
    }

    /// The cloud says what it has.
    pub(super) fn answered(&mut self, ack: &UplinkAck) {
        let Some(log) = self.log.clone().filter(|log| log.name() == ack.origin.as_str()) else {
            return;
        };
        let now = self.cell.now().mono;
        self.lanes.grown(self.cell.log_size());
        let head = self.believed(ack, &log);
        let witnessed = head.as_ref().ok().and_then(Option::as_ref);
        let size = witnessed.map(|(head, _)| head.checkpoint.size);
        let judged = self.lanes.answer(ack.ranges(), ack.refusal, size, now);
        let found = if head.is_err() { Finding::Untrusted } else { judged };
        let mut shown = self.cell.at_cloud();
        shown.held = ack.ranges();
        shown.refused = found.word();
        if let Some((head, _)) = witnessed {
            shown.witnessed = Some((head.checkpoint.size, head.time));
        }
        if let Some(word) = found.word() {
            *shown.refusals.entry(word).or_default() += 1;
        }
        drop(shown);
        if std::mem::replace(&mut self.told, found) != found {
            self.cell.apply(Input::LogAtCloud(found));
        }
        if let (Ok(Some((head, witness))), Finding::Fine) = (head, found) {
            self.keep(head, witness);
        }
    }

    /// The head in an answer, if both signatures hold and the witness is who it was at first.
    fn believed(
        &self,
        ack: &UplinkAck,
        log: &Verifier,
    ) -> Result<Option<(Cosigned, Verifier)>, ()> {
        let name = ack.witness.as_str();
        let witness = Verifier::witness(name, ack.witness_key.0).map_err(drop)?;
        let line = format!("{name} {}\n", STANDARD.encode(ack.witness_key.0));
        match fs::read_to_string(&self.pinned) {
            Ok(known) if known == line => {}
            Ok(_) => return Err(()),
            Err(_) => pin(&self.pinned, &line).map_err(|error| {
                tracing::warn!("the cloud's witness cannot be remembered: {error}");
            })?,
        }
        let Some(note) = &ack.head else { return Ok(None) };
        let note = std::str::from_utf8(note.bytes()).map_err(drop)?;
        let head = Cosigned::parse(note, log, &witness).map_err(drop)?;
        Ok(Some((head, witness)))
    }

    /// Keeps a head beside the log. One that contradicts the log means that it was forked.
    fn keep(&self, head: Cosigned, witness: Verifier) {
        let cell = Rc::clone(&self.cell);
        tokio::task::spawn_local(async move {
            match cell.keep_head(head.note(), witness).await {
                Ok(()) => {}
                Err(StoreError::LogDamaged(why)) => {
                    let why = format!("it is not the log that the cloud witnessed: {why}");
                    drop(cell.apply(Input::LogForked(why)));
                }
                Err(error) => tracing::warn!("a witnessed head was not kept: {error}"),
            }
        });
    }
}

/// Remembers the witness, durably.
fn pin(path: &std::path::Path, line: &str) -> Result<(), PkiError> {
    crate::pki::files::write_secret(path, line.as_bytes())
}
