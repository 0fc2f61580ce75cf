//! One simulated component with its surroundings: power, an address, a clock, a connection. What it decides is the
//! device's own code.

use super::{
    file::Note,
    network::{Downward, Upward},
    pki,
    world::{Answered, Task, World},
};
use anyhow::Context;
use device_sim::{
    device::{Device, Input, Now, Output, Pace, Token},
    flash::Flash,
    identity,
    log::Draft,
};
use hub_core::{ComponentCertificate, EnrolRequest, Proof};
use protocol::{
    cbor,
    id::{Label, LogHost},
    message::{Interval, LogCounters, LogEnd, LogRecord, UpdateReport},
    topic::{Route, Up},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A restart takes from so many to so many milliseconds.
const RESTART: (u64, u64) = (3_000, 9_000);

/// New software tests itself for so many milliseconds.
const SELF_TEST: u64 = 3_000;

/// One component.
pub(super) struct Actor {
    pub(super) name: String,
    serial: String,
    pub(super) device: Device,
    /// The certificate that it has, as the hub knows it.
    pub(super) certificate: Option<ComponentCertificate>,
    pub(super) address: SocketAddr,
    pub(super) is_on: bool,
    /// Whether it had power before.
    was_on: bool,
    /// How its clock is off, in milliseconds.
    pub(super) clock_off: i64,
    pub(super) link: Option<u64>,
    /// Outages that it is in.
    pub(super) outages: u32,
    /// Whether it sends its log.
    pub(super) sends_log: bool,
    /// What it announced in its former life, and in this one.
    pub(super) announced: [Option<Vec<u8>>; 2],
    /// How many certificates it got.
    pub(super) certificates: u64,
    /// How often it connected.
    pub(super) dials: u64,
    /// When its timer is set to.
    armed: Option<u64>,
}

impl Actor {
    pub(super) fn new(world: &World<'_>, index: usize) -> anyhow::Result<Self> {
        let component = &world.scenario.components[index];
        let profile = world.kinds.named(&component.kind)?.clone();
        let serial = profile.serial(world.seed & 0xffff, index);
        let pace = Pace {
            interval: Interval::new(u16::try_from(component.pace.heartbeat.as_secs())?)
                .context("a heartbeat is at most an hour")?,
            stream: u64::try_from(component.pace.values.as_millis())?,
            log: u64::try_from(component.pace.log.as_millis())?,
        };
        let flash = Flash::factory(&profile, &serial);
        let seed = u64::from_be_bytes(pki::drawn(world.seed, &serial)[..8].try_into()?);
        let device = Device::new(profile, flash, pace, seed)?.with_anchor(&world.vendor.anchor);
        Ok(Self {
            name: component.name.clone(),
            serial,
            device,
            certificate: None,
            address: address(index, 0),
            is_on: false,
            was_on: false,
            clock_off: 0,
            link: None,
            outages: 0,
            sends_log: true,
            announced: [None, None],
            certificates: 0,
            dials: 0,
            armed: None,
        })
    }

    /// The name of the key that its next certificate is for.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.serial, self.certificates)
    }

    /// An announcement is remembered, so that it can be said again.
    fn announces(&mut self, payload: &[u8]) {
        if self.announced[1].as_deref() != Some(payload) {
            self.announced[0] = self.announced[1].replace(payload.to_vec());
        }
    }
}

/// The address that the router gives: another one each time.
pub(super) fn address(index: usize, times: u8) -> SocketAddr {
    let [_, _, high, low] = (index as u32 + 20).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168 + (times % 64), high, low)), 40_000)
}

impl World<'_> {
    fn device_now(&self, index: usize) -> Now {
        let off = self.actors[index].clock_off;
        Now { mono: self.ms, unix_ms: self.wall().saturating_add_signed(off) }
    }

    /// Something happens to a device; what it wants done is done.
    pub(super) fn device(&mut self, index: usize, input: Input) {
        if !self.actors[index].is_on {
            return;
        }
        let now = self.device_now(index);
        let outputs = self.actors[index].device.handle(input, now);
        for output in outputs {
            self.carry_out(index, output);
        }
        self.arm(index);
    }

    /// Its timer, whenever it wants one sooner.
    pub(super) fn arm(&mut self, index: usize) {
        let actor = &self.actors[index];
        let Some(at) = actor.device.deadline().filter(|at| *at < u64::MAX) else { return };
        let at = at.max(self.ms + 1);
        if actor.armed.is_none_or(|armed| at < armed) {
            self.actors[index].armed = Some(at);
            self.after(at - self.ms, Task::Timer(index));
        }
    }

    pub(super) fn timer(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        if actor.armed.is_some_and(|armed| armed <= self.ms) {
            actor.armed = None;
            if actor.device.deadline().is_some_and(|at| at <= self.ms) {
                return self.device(index, Input::Timer);
            }
            self.arm(index);
        }
    }

    /// Its power goes without a word, or comes back.
    pub(super) fn power(&mut self, index: usize, is_on: bool) {
        if self.actors[index].is_on == is_on {
            return;
        }
        if !is_on {
            self.break_link(index);
            self.actors[index].is_on = false;
            return;
        }
        let actor = &mut self.actors[index];
        actor.is_on = true;
        actor.link = None;
        let input = if actor.was_on { Input::Restarted } else { Input::Start };
        actor.was_on = true;
        self.device(index, input);
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Enrol => self.ask(index, true),
            Output::Reenrol => self.ask(index, false),
            Output::Connect => self.dial(index),
            Output::HangUp => self.hang_up(index),
            Output::Reboot => {
                self.hang_up(index);
                self.actors[index].is_on = false;
                let at = self.draw(RESTART.0, RESTART.1);
                self.after(at, Task::Power(index, true));
            }
            Output::SelfTest(passes) => self.after(SELF_TEST, Task::Tested(index, passes)),
            Output::Subscribe(topic) => self.say_up(index, Upward::Subscribe(topic)),
            Output::Publish { token, topic, payload, qos } => {
                self.publish(index, token, topic, payload, qos);
            }
            Output::Report(report) => self.report(index, &report),
            Output::Log(draft) => self.log(index, &draft),
            // What is in flash stays there; nobody here hears others.
            Output::Save | Output::Obeyed(_) | Output::Heard(_) | Output::Disbelieved(_) => {}
        }
    }

    fn ask(&mut self, index: usize, is_first: bool) {
        let at = self.latency() + self.latency();
        self.after(at, Task::Ask(index, is_first));
    }

    /// What it asks for its first certificate with: the key of its factory, or a code while it is paired.
    pub(super) fn first_request(&mut self, index: usize) -> anyhow::Result<EnrolRequest> {
        let joins_later = self.scenario.components[index].joins_later;
        let actor = &self.actors[index];
        let serial = Label::new(&actor.serial)?;
        let proof = match joins_later {
            true => Proof::Code(self.codes.pop().unwrap_or_else(|| "0000-0000-0000-0000".into())),
            false => Proof::Idevid {
                maker: pki::maker_name(),
                key: self.pki.factory_key(&actor.serial),
                serial: Some(serial.clone()),
            },
        };
        Ok(EnrolRequest {
            key: self.pki.key(&actor.key())?.1,
            strong: true,
            claimed: None,
            serial: Some(serial),
            proof,
            from: actor.address.ip(),
        })
    }

    /// The answer to a request for a certificate comes.
    pub(super) fn certified(&mut self, index: usize, answer: Answered) {
        match answer {
            Answered::Issued(credentials, certificate) => {
                self.actors[index].certificate = Some(certificate);
                self.actors[index].certificates += 1;
                self.device(index, Input::Enrolled(*credentials));
            }
            Answered::Later(seconds) => self.device(index, Input::EnrolLater(seconds)),
            Answered::Failed => self.device(index, Input::EnrolFailed),
        }
    }

    fn say_up(&mut self, index: usize, packet: Upward) {
        if let Some(number) = self.actors[index].link {
            self.upwards(number, packet);
        }
    }

    fn hang_up(&mut self, index: usize) {
        self.say_up(index, Upward::Close { in_order: false });
        if let Some(number) = self.actors[index].link.take()
            && let Some(link) = self.links.get_mut(&number)
        {
            link.at_component = false;
        }
    }

    fn publish(&mut self, index: usize, token: Token, topic: String, payload: Vec<u8>, qos: u8) {
        if matches!(token, Token::Announcement(_)) {
            self.actors[index].announces(&payload);
        }
        self.say_up(index, Upward::Publish { token, topic, payload, qos });
    }

    fn report(&mut self, index: usize, report: &UpdateReport) {
        let own = self.actors[index].device.flash().credentials.clone();
        if let Some(own) = own
            && let Ok(signed) = identity::sign_report(&own, report)
        {
            let topic = Route::Up(own.id, Up::UpdateReport).to_string();
            self.publish(index, Token::Other, topic, signed, 1);
        }
    }

    fn log(&mut self, index: usize, draft: &Draft) {
        if !self.actors[index].sends_log {
            return;
        }
        let own = self.actors[index].device.flash().credentials.clone();
        let Some(own) = own else { return };
        let head = identity::sign_head(&own, &draft.head(own.id)).ok();
        if let Some(batch) = head.and_then(|head| draft.sealed(head)) {
            let topic = Route::Up(own.id, Up::Log).to_string();
            self.publish(index, Token::Log(draft.last()), topic, cbor::encode(&batch), 1);
        }
    }

    /// A packet comes to a component.
    pub(super) fn downward(&mut self, number: u64, packet: Downward) {
        let Some(link) = self.links.get_mut(&number).filter(|link| !link.broken) else { return };
        let is_closed = matches!(packet, Downward::Closed);
        link.at_component &= !is_closed;
        let Some(index) = link.actor.filter(|index| self.actors[*index].link == Some(number))
        else {
            return;
        };
        if is_closed {
            self.actors[index].link = None;
            self.links.remove(&number);
        }
        self.device(
            index,
            match packet {
                Downward::Connected => Input::Connected,
                Downward::Subscribed(taken) => Input::Subscribed(taken),
                Downward::Answered(token, taken) => Input::Answered(token, taken),
                Downward::Message(down, payload) => Input::Received(down, payload),
                Downward::Closed => Input::Disconnected,
            },
        );
    }

    /// It notices that nobody answers any more.
    pub(super) fn component_notices(&mut self, number: u64) {
        let Some(link) = self.links.get_mut(&number) else { return };
        link.at_component = false;
        let actor = link.actor;
        self.forget(number);
        let Some(index) = actor else { return };
        if self.actors[index].link == Some(number) {
            self.actors[index].link = None;
            self.device(index, Input::Disconnected);
        }
    }

    /// It notes something in its log.
    pub(super) fn note(&mut self, index: usize, note: &Note, time: u64) {
        let now = self.device_now(index);
        if !self.actors[index].is_on {
            return;
        }
        for n in 0..note.many {
            let record = |record: &mut LogRecord| fill(record, note, 1 + time * note.many + n);
            self.actors[index].device.happened(note.kind, now, record);
        }
        self.arm(index);
    }
}

/// What a note says; `{n}` counts.
fn fill(record: &mut LogRecord, note: &Note, n: u64) {
    let counted = |text: &str| {
        text.replace("{n}", &n.to_string())
            .replace("{h}", &(n / 256).to_string())
            .replace("{l}", &(n % 256).to_string())
    };
    let label =
        |text: &Option<String>| text.as_ref().and_then(|text| Label::new(&counted(text)).ok());
    let end = |end: &Option<(String, u16)>| {
        let (host, port) = end.as_ref()?;
        Some(LogEnd { host: LogHost::new(&counted(host)).ok()?, port: *port })
    };
    record.code = note.code.clone();
    record.to = end(&note.to);
    record.from = end(&note.from);
    record.actor = label(&note.actor);
    record.subject = label(&note.subject);
    let [cpu, memory, battery] = note.percent;
    let (bytes_in, bytes_out) = note.bytes;
    let counters = LogCounters { bytes_in, bytes_out, cpu, memory, battery, ..LogCounters::NONE };
    record.counters = (counters != LogCounters::NONE).then_some(counters);
}
