//! Events come about: what they do to components, what people and attackers do.

use super::{
    actor::address,
    file::{Act, Decision, Impostor, Note, Payload, Publish, Release, Step, Topic},
    network::Upward,
    pki::drawn,
    world::{OWNER, Task, World},
};
use device_sim::profile::sample;
use hub_core::{
    Command, EnrolRequest, Input, Members, Proof, RepositoryState, Selector, Wish,
    access::pairing::code_text, update::UpdateRules,
};
use protocol::{
    cbor,
    definition::{SettingType, SettingValue},
    id::{BootId, ComponentId, Digest, Note as Reason, Slug},
    message::{Announcement, Bye, ByeReason, V1},
    topic::{Route, Up},
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// Codes of one pairing window.
const CODES: u64 = 64;

impl World<'_> {
    /// An event's time has come: now, and later for the next time.
    pub(super) fn happens(&mut self, number: usize, time: u64) {
        let scenario = self.scenario;
        let event = &scenario.events[number];
        if time + 1 < event.when.count {
            self.after(event.when.every.as_millis() as u64, Task::Happens(number, time + 1));
        }
        let jitter = event.when.jitter.as_millis() as u64;
        // What happens to no component happens once.
        let who = if event.who.is_empty() { &[0][..] } else { &event.who };
        for index in who {
            let later = self.draw(0, jitter);
            self.after(later, Task::Does(number, time, *index));
        }
    }

    /// An event happens to one component.
    pub(super) fn does(&mut self, number: usize, time: u64, index: usize) -> anyhow::Result<()> {
        let scenario = self.scenario;
        let event = &scenario.events[number];
        if event.hostile {
            self.found.begins(self.ms);
        }
        match &event.act {
            Act::Reboot(off) => {
                self.power(index, false);
                self.after(off.as_millis() as u64, Task::Power(index, true));
            }
            Act::PowerOff => self.power(index, false),
            Act::PowerOn | Act::Join => self.power(index, true),
            Act::Move(to) => self.moves(index, *to, time),
            Act::Clock(step) => self.clock(index, *step),
            Act::HubClock(by) => self.hub_off += by,
            Act::Record(note) => self.record(index, note, time),
            Act::Battery(percent) => self.actors[index].device.has_charge(*percent),
            Act::Log(sends) => self.actors[index].sends_log = *sends,
            Act::Mischief(mischief) => self.actors[index].device.abuses(*mischief),
            Act::Temper(temper) => self.actors[index].device.becomes(*temper),
            Act::Publish(publish) => {
                if let Some(link) = self.actors[index].link {
                    self.abuse(link, index, *publish, time);
                }
            }
            Act::Sleep => self.sleeps(index),
            Act::Impostor(impostor) => self.impostor(index, impostor, time)?,
            Act::Refused(refused) => {
                for n in 0..refused.many {
                    let from = refused.from.unwrap_or_else(|| invented(time * refused.many + n));
                    let (from, detail) = (SocketAddr::new(from, 50_000), String::new());
                    self.heard(Input::EndpointRefused {
                        who: None,
                        from,
                        word: refused.word,
                        detail,
                    });
                }
            }
            Act::Enrol(rogue) => {
                for n in 0..rogue.many {
                    let request = self.rogue(rogue.from, time * rogue.many + n);
                    self.heard(Input::Enrol(request));
                }
            }
            Act::Login { account, right, from } => {
                let token = Digest(drawn(self.seed, &format!("token {number} {time}")));
                let (name, from) = (account.clone(), from.clone());
                self.heard(Input::Login { name, right: *right, token, from });
            }
            Act::Configure { setting, value, by } => {
                self.configure(index, setting, value, by.as_ref());
            }
            Act::Decide(decision) => self.decide(index, *decision),
            Act::Pairing(open) => self.pairing(*open, time),
            Act::Release(release) => self.release(release)?,
            Act::Repository(attack) => {
                let text = format!("{attack}: as the scenario has it");
                self.heard(Input::Repository(RepositoryState::Refused { attack, text }));
            }
            Act::HubRestart(off) => self.hub_down(off.as_millis() as u64),
        }
        Ok(())
    }

    /// The hub hears of something, if it is there.
    fn heard(&mut self, input: Input) {
        if self.is_hub_up {
            self.tell(input);
        }
    }

    fn record(&mut self, index: usize, note: &Note, time: u64) {
        self.note(index, note, time);
    }

    /// Its connection breaks, and it comes back from another address.
    fn moves(&mut self, index: usize, to: Option<IpAddr>, time: u64) {
        let times = u8::try_from(time % 63).unwrap_or(0) + 1;
        let fresh = address(index, times);
        self.actors[index].address = to.map_or(fresh, |ip| SocketAddr::new(ip, 40_000));
        self.break_link(index);
    }

    fn clock(&mut self, index: usize, step: Step) {
        let wall = self.wall();
        let off = &mut self.actors[index].clock_off;
        *off = match step {
            Step::By(by) => *off + by,
            Step::To(at) => at.0 as i64 - wall as i64,
            Step::Right => 0,
        };
    }

    /// It says goodbye and goes to sleep.
    fn sleeps(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let (Some(number), Some(id)) = (actor.link, actor.device.id()) else { return };
        actor.device.count_on();
        let bye = Bye { version: V1, seq: actor.device.flash().seq, reason: ByeReason::Sleep };
        self.raw(number, Route::Up(id, Up::Bye).to_string(), cbor::encode(&bye));
        self.upwards(number, Upward::Close { in_order: true });
        self.actors[index].link = None;
        self.actors[index].is_on = false;
    }

    /// Somebody sends what a component should not, on this connection.
    pub(super) fn abuse(&mut self, link: u64, index: usize, publish: Publish, time: u64) {
        let Some(id) = self.actors[index].device.id() else { return };
        for n in 0..publish.many {
            let topic = self.topic(publish.topic, id, index, time * publish.many + n);
            let payload = match publish.payload {
                Payload::Junk => vec![0xff; 8],
                Payload::Old => {
                    let [former, newest] = &self.actors[index].announced;
                    former.clone().or(newest.clone()).unwrap_or_default()
                }
                Payload::Passed => self.passed(index),
                Payload::Valid => self.value(index),
            };
            self.raw(link, topic, payload);
        }
    }

    fn topic(&self, topic: Topic, id: ComponentId, index: usize, n: u64) -> String {
        let others = self.actors.len().max(2) as u64 - 1;
        let other = (index as u64 + 1 + n % others) as usize % self.actors.len();
        let other = self.actors[other].device.id().unwrap_or(id);
        let slug = |text| Slug::new(text).expect("a plain word");
        let stream = self.actors[index].device.profile().streams().first();
        let own = stream.map_or_else(|| slug("state"), |stream| stream.name.clone());
        match topic {
            Topic::Stream => Route::Up(id, Up::Stream(own)).to_string(),
            Topic::Announce => Route::Up(id, Up::Announce).to_string(),
            Topic::Foreign => Route::Up(other, Up::Stream(own)).to_string(),
            Topic::Hub => format!("p/{id}/config"),
            Topic::Command => Route::Up(id, Up::Command(other, slug("unlock"))).to_string(),
        }
    }

    /// A value of its first stream, as its definition declares it.
    fn value(&mut self, index: usize) -> Vec<u8> {
        let profile = self.actors[index].device.profile().clone();
        let Some(stream) = profile.streams().first() else { return cbor::encode(&V1) };
        let rises = stream.rises.as_deref();
        let value = sample(&stream.traffic.schema, rises, &mut self.random, self.ms);
        cbor::from_json(&value.into())
    }

    /// Somebody connects with a component's credentials.
    fn impostor(&mut self, index: usize, impostor: &Impostor, time: u64) -> anyhow::Result<()> {
        let actor = &self.actors[index];
        let known = actor.device.id().zip(actor.certificate.clone());
        let Some((id, with)) = known.filter(|_| self.is_hub_up) else { return Ok(()) };
        let from = SocketAddr::new(impostor.from, 41_000);
        let certificate = match impostor.renews && !self.found.stolen.contains_key(&id) {
            true => self.steal(index, id, &with, impostor.from)?,
            false => self.found.stolen.get(&id).cloned().unwrap_or(with),
        };
        let Some(number) = self.accept(id, &certificate, from, None) else { return Ok(()) };
        if impostor.announces {
            let payload = self.second_life(index, time);
            self.raw(number, Route::Up(id, Up::Announce).to_string(), payload);
        }
        if let Some(publish) = impostor.publish {
            self.abuse(number, index, publish, time);
        }
        let (now, stays) = (self.ms, impostor.stays.as_millis() as u64);
        if let Some(link) = self.links.get_mut(&number) {
            let at = link.arrival(0, now, stays);
            self.after(at - now, Task::Up(number, Upward::Close { in_order: true }));
        }
        Ok(())
    }

    /// Whoever has a certificate in force gets a new one for a key of their own.
    fn steal(
        &mut self,
        index: usize,
        id: ComponentId,
        with: &hub_core::ComponentCertificate,
        from: IpAddr,
    ) -> anyhow::Result<hub_core::ComponentCertificate> {
        let name = format!("stolen {id}");
        let key = self.pki.key(&name)?.1;
        let with_own = with.clone();
        let request = hub_core::ReenrolRequest {
            with: with_own,
            id,
            key,
            strong: true,
            claimed: Some(id),
            from,
        };
        let answer = self.tell(Input::Reenrol(request)).0;
        Ok(match self.issue(answer, index, &name)? {
            super::world::Answered::Issued(_, certificate) => {
                self.found.stolen.insert(id, certificate.clone());
                certificate
            }
            super::world::Answered::Later(_) | super::world::Answered::Failed => with.clone(),
        })
    }

    /// An announcement of this life from before the newest.
    fn passed(&self, index: usize) -> Vec<u8> {
        let own = self.actors[index].device.announcement();
        let Ok(mut older) = cbor::decode::<Announcement>(&own, own.len()) else { return own };
        older.seq = older.seq.saturating_sub(1);
        cbor::encode(&older)
    }

    /// What a second device says that has the same memory.
    fn second_life(&self, index: usize, time: u64) -> Vec<u8> {
        let own = self.actors[index].device.announcement();
        let Ok(mut other) = cbor::decode::<Announcement>(&own, own.len()) else { return own };
        other.boot = BootId([0xcc; 8]);
        other.seq += 1 + time;
        cbor::encode(&other)
    }

    fn rogue(&self, from: IpAddr, n: u64) -> EnrolRequest {
        let key = Digest(drawn(self.seed, &format!("rogue {n}")));
        let proof = Proof::Code("0000-0000-0000-0000".into());
        EnrolRequest { key, strong: true, claimed: None, serial: None, proof, from }
    }

    fn configure(&mut self, index: usize, setting: &Slug, value: &str, by: Option<&Slug>) {
        let Some(id) = self.actors[index].device.id().filter(|_| self.is_hub_up) else { return };
        let profile = self.actors[index].device.profile().clone();
        let declared = profile.definition().setting(setting);
        let text = || SettingValue::Text(value.to_owned());
        let value = declared.map_or_else(text, |declared| match declared.kind {
            SettingType::Integer { .. } => {
                value.parse().map_or_else(|_| text(), SettingValue::Integer)
            }
            SettingType::Number { .. } => {
                value.parse().map_or_else(|_| text(), SettingValue::Number)
            }
            SettingType::Boolean => SettingValue::Boolean(value == "true" || value == "yes"),
            SettingType::Text { .. } | SettingType::Choice { .. } => text(),
        });
        let wishes = BTreeMap::from([(setting.clone(), Wish::Value(value))]);
        let person = self.person(by);
        self.command(&person, Command::Configure(Members::One(id), wishes));
    }

    fn decide(&mut self, index: usize, decision: Decision) {
        let Some(id) = self.actors[index].device.id().filter(|_| self.is_hub_up) else { return };
        let reason = Reason::new("as the scenario has it").expect("plain words");
        let command = match decision {
            Decision::Approve => Command::Approve(Selector::One(id)),
            Decision::Quarantine => Command::Quarantine(id, reason),
            Decision::Revoke => Command::Revoke(id, reason),
            Decision::Retire => Command::Retire(id, reason),
        };
        self.command(&OWNER, command);
    }

    fn pairing(&mut self, open: Option<Duration>, time: u64) {
        if !self.is_hub_up {
            return;
        }
        self.codes.clear();
        let Some(duration) = open else {
            self.command(&OWNER, Command::ClosePairing);
            return;
        };
        let code = |n| {
            let mut code = [0; 10];
            code.copy_from_slice(&drawn(self.seed, &format!("code {time} {n}"))[..10]);
            code
        };
        let codes: Vec<[u8; 10]> = (0..CODES).map(code).collect();
        self.codes = codes.iter().map(code_text).collect();
        self.command(&OWNER, Command::OpenPairing { codes, duration, approve: true });
    }

    /// A release is in the cache; its owner agrees where that is wanted.
    fn release(&mut self, release: &Release) -> anyhow::Result<()> {
        if !self.is_hub_up {
            return Ok(());
        }
        let profile = self.kinds.named(&release.kind)?.clone();
        let (input, files) = self.vendor.release(&profile, release)?;
        self.serve(files);
        self.tell(input);
        let install = profile.definition().update;
        if let Some(model) = profile.update_model()
            && UpdateRules::default().wants_consent(release.importance, install)
        {
            let agrees = hub_core::UpdateWish::Approve;
            self.command(&OWNER, Command::Campaign(model.clone(), agrees));
        }
        Ok(())
    }
}

/// An address that nobody has: another one for each number.
fn invented(n: u64) -> IpAddr {
    let [a, b, c, d] = (0x0b00_0000_u32 | (n as u32 & 0x00ff_ffff)).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}
