//! A device on the wire: rumqttc and the enrolment client carry out what the device wants.

use crate::{
    assertion::Disbelief,
    device::{Device, Input, Now, Output, Token},
    est::{Answer, Proof, Service},
    identity::{self, KeyRequest},
    log::Draft,
    wire,
};
use protocol::{
    cbor,
    message::{Assertion, Lost, UpdateReport, V1},
    topic::{MAX_BLOCK_MESSAGE, MAX_TOPIC, Route, Up},
};
use rumqttc::{
    NetworkOptions, Outgoing, TlsConfiguration, Transport,
    v5::{
        AsyncClient, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{LastWill, Packet, PubAckReason, SubscribeReasonCode},
        },
    },
};
use rustls::pki_types::CertificateDer;
use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Messages on their way to the hub; a full queue drops the next value.
const QUEUE: usize = 32;

/// Unacknowledged messages; what the hub allows. Without it rumqttc makes room for 65,535, 14 MB each
/// connection.
const IN_FLIGHT: u16 = 32;

/// Largest packet that it takes: a block of an update with its topic and header. Without it rumqttc takes
/// 10 KiB; what it may send the hub says when it connects.
const MAX_PACKET: u32 = (MAX_BLOCK_MESSAGE + MAX_TOPIC + 256) as u32;

/// Where the hub is.
#[derive(Clone, Debug)]
pub struct HubAddress {
    /// Host name or address.
    pub host: String,
    /// Port for MQTT.
    pub mqtt: u16,
    /// Enrolment.
    pub est: Service,
}

/// What observers of a device are told.
pub trait Observer {
    /// The flash changed.
    fn save(&self, device: &Device);
    /// A message was acknowledged: the hub must never lose it.
    fn acknowledged(&self, device: &Device, token: Token, topic: &str, payload: &[u8]);
    /// A message was refused.
    fn refused(&self, device: &Device, topic: &str, reason: &str);
    /// A relayed message was believed: a command was obeyed, or a value heard.
    fn believed(&self, device: &Device, assertion: &Assertion);
    /// A relayed message was not believed.
    fn disbelieved(&self, device: &Device, why: Disbelief);
    /// The device's state may have changed.
    fn changed(&self, device: &Device);
    /// Enrolment was refused.
    fn not_enrolled(&self, device: &Device, why: &str);
}

struct Session {
    client: AsyncClient,
    events: EventLoop,
    /// Messages handed over and not on the wire yet.
    handed: VecDeque<Sent>,
    /// Messages on the wire, by packet identifier.
    flying: HashMap<u16, Sent>,
}

struct Sent {
    token: Token,
    topic: String,
    payload: Vec<u8>,
}

/// Runs a device for ever, or until the future is dropped.
pub struct Runner<O: Observer> {
    /// The device; observers may look at it between two awaits.
    pub device: Rc<RefCell<Device>>,
    hub: HubAddress,
    proof: Proof,
    observer: O,
    started: Instant,
    ca: Option<CertificateDer<'static>>,
    wanted: Option<KeyRequest>,
    session: Option<Session>,
    todo: VecDeque<Output>,
}

impl<O: Observer> Runner<O> {
    /// A runner; nothing happens before [`Runner::run`].
    pub fn new(device: Rc<RefCell<Device>>, hub: HubAddress, proof: Proof, observer: O) -> Self {
        let (started, todo) = (Instant::now(), VecDeque::new());
        Self { device, hub, proof, observer, started, ca: None, wanted: None, session: None, todo }
    }

    /// The life of the device.
    pub async fn run(&mut self) {
        self.tell(Input::Start);
        loop {
            while let Some(output) = self.todo.pop_front() {
                self.carry_out(output).await;
            }
            self.wait().await;
        }
    }

    fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono, unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        let outputs = self.device.borrow_mut().handle(input, now);
        self.todo.extend(outputs);
        self.observer.changed(&self.device.borrow());
    }

    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Enrol => self.enrol().await,
            Output::Reenrol => self.reenrol().await,
            Output::Connect => self.connect(),
            Output::HangUp => self.session = None,
            Output::Reboot => {
                self.session = None;
                self.tell(Input::Restarted);
            }
            Output::SelfTest(passes) => self.tell(Input::SelfTested(passes)),
            Output::Report(report) => self.report(&report),
            Output::Log(draft) => self.log(&draft),
            Output::Subscribe(topic) => {
                if let Some(session) = &self.session {
                    // A full queue means that the connection is gone; the next one subscribes again.
                    let _ = session.client.try_subscribe(topic, QoS::AtLeastOnce);
                }
            }
            Output::Publish { token, topic, payload, qos } => {
                self.publish(token, topic, payload, qos)
            }
            Output::Save => self.observer.save(&self.device.borrow()),
            Output::Obeyed(assertion) | Output::Heard(assertion) => {
                self.observer.believed(&self.device.borrow(), &assertion);
            }
            Output::Disbelieved(why) => self.observer.disbelieved(&self.device.borrow(), why),
        }
    }

    async fn enrol(&mut self) {
        let answer = self.ask_to_enrol().await;
        self.enrolment_answered(answer);
    }

    async fn ask_to_enrol(&mut self) -> anyhow::Result<Answer> {
        if self.ca.is_none() {
            self.ca = Some(self.hub.est.trust().await?);
        }
        if self.wanted.is_none() {
            let (serial, maker) = self.names();
            self.wanted = Some(identity::key_request(&serial, &maker)?);
        }
        match (&self.ca, &self.wanted) {
            (Some(ca), Some(wanted)) => self.hub.est.enrol(ca, &self.proof, wanted).await,
            _ => anyhow::bail!("no CA or key"),
        }
    }

    async fn reenrol(&mut self) {
        let answer = self.ask_to_renew().await;
        self.enrolment_answered(answer);
    }

    async fn ask_to_renew(&self) -> anyhow::Result<Answer> {
        let (serial, maker) = self.names();
        let wanted = identity::key_request(&serial, &maker)?;
        let credentials = self.device.borrow().flash().credentials.clone();
        match credentials {
            Some(credentials) => self.hub.est.reenrol(&credentials, &wanted).await,
            None => anyhow::bail!("no certificate to renew with"),
        }
    }

    fn names(&self) -> (String, String) {
        let device = self.device.borrow();
        (device.flash().serial.clone(), device.profile().maker().to_owned())
    }

    fn enrolment_answered(&mut self, answer: anyhow::Result<Answer>) {
        match answer {
            Ok(Answer::Issued(credentials)) => self.tell(Input::Enrolled(*credentials)),
            Ok(Answer::Later(seconds)) => self.tell(Input::EnrolLater(seconds)),
            Ok(Answer::Refused { word, wait, .. }) => {
                self.observer.not_enrolled(&self.device.borrow(), &word);
                self.tell(wait.map_or(Input::EnrolFailed, Input::EnrolLater));
            }
            Err(error) => {
                self.observer.not_enrolled(&self.device.borrow(), &error.to_string());
                self.tell(Input::EnrolFailed);
            }
        }
    }

    fn connect(&mut self) {
        let credentials = self.device.borrow().flash().credentials.clone();
        let session = credentials.as_ref().map(|own| session(&self.hub, own));
        match session {
            Some(Ok(session)) => self.session = Some(session),
            Some(Err(_)) | None => self.tell(Input::Disconnected),
        }
    }

    fn publish(&mut self, token: Token, topic: String, payload: Vec<u8>, qos: u8) {
        let Some(session) = &mut self.session else { return };
        let level = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let handed = session.client.try_publish(&topic, level, false, payload.clone());
        if handed.is_ok() && qos > 0 {
            session.handed.push_back(Sent { token, topic, payload });
        }
    }

    fn report(&mut self, report: &UpdateReport) {
        let credentials = self.device.borrow().flash().credentials.clone();
        let Some(own) = credentials else { return };
        match identity::sign_report(&own, report) {
            Ok(signed) => {
                let topic = Route::Up(own.id, Up::UpdateReport).to_string();
                self.publish(Token::Other, topic, signed, 1);
            }
            Err(error) => tracing::error!("a report could not be signed: {error:#}"),
        }
    }

    fn log(&mut self, draft: &Draft) {
        let credentials = self.device.borrow().flash().credentials.clone();
        let Some(own) = credentials else { return };
        match identity::sign_head(&own, &draft.head(own.id)).map(|head| draft.sealed(head)) {
            Ok(Some(batch)) => {
                let topic = Route::Up(own.id, Up::Log).to_string();
                self.publish(Token::Log(draft.last()), topic, cbor::encode(&batch), 1);
            }
            Ok(None) => tracing::error!("a batch of the log is too long"),
            Err(error) => tracing::error!("the head of the log could not be signed: {error:#}"),
        }
    }

    async fn wait(&mut self) {
        let now = self.now().mono;
        let deadline = self.device.borrow().deadline();
        let pause = deadline
            .map_or(Duration::from_secs(3600), |at| Duration::from_millis(at.saturating_sub(now)));
        match &mut self.session {
            None => {
                tokio::time::sleep(pause).await;
                self.tell(Input::Timer);
            }
            Some(session) => tokio::select! {
                event = session.events.poll() => match event {
                    Ok(event) => self.event(event),
                    Err(_) => {
                        self.session = None;
                        self.tell(Input::Disconnected);
                    }
                },
                () = tokio::time::sleep(pause) => self.tell(Input::Timer),
            },
        }
    }

    fn event(&mut self, event: Event) {
        let Some(session) = &mut self.session else { return };
        match event {
            Event::Incoming(Packet::ConnAck(_)) => self.tell(Input::Connected),
            Event::Incoming(Packet::SubAck(ack)) => {
                let taken =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                self.tell(Input::Subscribed(ack.return_codes.iter().all(taken)));
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let route = std::str::from_utf8(&publish.topic).ok().map(Route::parse);
                if let Some(Ok(Route::Down(_, down))) = route {
                    self.tell(Input::Received(down, publish.payload.to_vec()));
                }
            }
            Event::Outgoing(Outgoing::Publish(id)) if id != 0 => {
                if let Some(sent) = session.handed.pop_front() {
                    session.flying.insert(id, sent);
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                let Some(sent) = session.flying.remove(&ack.pkid) else { return };
                let good = matches!(
                    ack.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                );
                let device = self.device.borrow();
                if good {
                    self.observer.acknowledged(&device, sent.token, &sent.topic, &sent.payload);
                } else {
                    self.observer.refused(&device, &sent.topic, &format!("{:?}", ack.reason));
                }
                drop(device);
                self.tell(Input::Answered(sent.token, good));
            }
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }
}

fn session(hub: &HubAddress, own: &crate::flash::Credentials) -> anyhow::Result<Session> {
    let tls =
        wire::client_config(&CertificateDer::from(own.ca.clone()), Some(&wire::identity(own)))?;
    let mut options = MqttOptions::new(own.id.to_string(), &hub.host, hub.mqtt);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let will = LastWill::new(
        Route::Up(own.id, Up::Lost).to_string(),
        cbor::encode(&Lost { version: V1 }),
        QoS::AtMostOnce,
        false,
        None,
    );
    options
        .set_keep_alive(Duration::from_secs(60))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_clean_start(true)
        .set_last_will(will)
        .set_network_options(network)
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
    let (client, events) = AsyncClient::new(options, QUEUE);
    Ok(Session { client, events, handed: VecDeque::new(), flying: HashMap::new() })
}

#[cfg(test)]
mod tests;
