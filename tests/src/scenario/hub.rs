//! What surrounds the hub: every input goes in here, and what comes out waits for its commit as in the daemon.

use super::{
    network::{Downward, Link, Upward},
    world::{Answered, Batch, OWNER, Task, World},
};
use device_sim::device::Token;
use hub_core::{
    Actor as Person, Answer, Command, ComponentCertificate, Cut, Denied, Effects, Input, Outbound,
    Permitted, ReenrolRequest, access::gate::Carriage, hub::LEFT, update::Blocks,
};
use protocol::{
    cbor,
    id::ComponentId,
    message::{Blob, Block, Lost, V1},
    topic::{Down, Route, Up},
};
use std::net::SocketAddr;

/// A commit takes from so many to so many milliseconds.
const COMMIT: (u64, u64) = (3, 8);

/// The hub takes a connection for dead after so long without a packet: one and a half times the keep-alive.
const KEEP_ALIVE: u64 = 90_000;

/// A component notices a dead connection after from so long to so long.
const NOTICES: (u64, u64) = (10_000, 75_000);

/// A connection costs so many packets before anything is said.
const HANDSHAKE: u64 = 4;

/// A connection that gets no answer is given up after from so long to so long.
const GIVES_UP: (u64, u64) = (4_000, 12_000);

impl World<'_> {
    /// Tells the hub something; the answer is what it says, and whether that waits for a commit.
    pub(super) fn tell(&mut self, input: Input) -> (Answer, bool) {
        let now = self.now();
        let Effects { writes, sends, cuts, records, answer, .. } = self.hub.handle(input, now);
        let waits = !writes.is_empty();
        for write in writes {
            let key = (write.table, write.key);
            match write.value {
                Some(value) => drop(self.store.insert(key, value)),
                None => drop(self.store.remove(&key)),
            }
        }
        if !self.batch.is_due && (waits || !records.is_empty()) {
            self.batch.is_due = true;
            let at = self.draw(COMMIT.0, COMMIT.1);
            self.after(at, Task::Commit);
        }
        self.batch.records.extend(records);
        if waits {
            self.batch.sends.extend(sends);
            self.batch.cuts.extend(cuts);
        } else {
            sends.iter().for_each(|send| self.send(send));
            cuts.into_iter().for_each(|cut| self.cut(cut));
        }
        (answer, waits)
    }

    /// What waited is durable: it is seen, and then detection looks at the records.
    pub(super) fn commit(&mut self) {
        let Batch { records, sends, answers, cuts, .. } = std::mem::take(&mut self.batch);
        for (link, token, taken) in answers {
            self.downwards(link, Downward::Answered(token, taken));
        }
        sends.iter().for_each(|send| self.send(send));
        cuts.into_iter().for_each(|cut| self.cut(cut));
        if records.is_empty() || !self.is_hub_up {
            return;
        }
        let first = self.journal.append(&records);
        self.found.look(&records, &self.hub, self.ms);
        self.tell(Input::Recorded { first, records });
    }

    /// A person gives a command.
    pub(super) fn command(&mut self, by: &Person, command: Command) -> Answer {
        self.tell(Input::Command { by: by.clone(), command }).0
    }

    fn send(&mut self, send: &Permitted<Outbound>) {
        let id = send.principal();
        match send.message() {
            Outbound::Message { down, payload } => {
                if *down == Down::Trust {
                    self.retained.insert(id, payload.clone());
                }
                self.say(id, *down, payload.clone());
            }
            Outbound::Blocks(blocks) => self.blocks(id, *blocks),
            // Nobody here gives commands to others or listens to them.
            Outbound::Relayed(_) => {}
        }
    }

    fn say(&mut self, id: ComponentId, down: Down, payload: Vec<u8>) {
        let Some(number) = self.sessions.get(&id).copied() else { return };
        if self.links.get(&number).is_some_and(|link| link.topics.contains(&down)) {
            self.downwards(number, Downward::Message(down, payload));
        }
    }

    /// Blocks of a release, as the hub reads them from its cache.
    fn blocks(&mut self, id: ComponentId, blocks: Blocks) {
        let Blocks { job, object, file, offset, length, bytes } = blocks;
        let Some((whole, spoiled)) = self.files.get(&file).cloned() else { return };
        let part = whole.get(offset as usize..(offset + bytes) as usize).unwrap_or_default();
        for (n, piece) in (0..).zip(part.chunks(length as usize)) {
            let mut piece = piece.to_vec();
            if spoiled && let Some(byte) = piece.last_mut() {
                *byte ^= 1;
            }
            let (offset, fault) = (offset + n * length, None);
            let block = Block { job, object, offset, data: Blob::new(piece), fault };
            self.say(id, Down::UpdateBlock, cbor::encode(&block));
        }
    }

    fn cut(&mut self, Cut { who, why }: Cut) {
        self.retained.remove(&who);
        if let Some(number) = self.sessions.get(&who).copied() {
            self.downwards(number, Downward::Closed);
            self.close(number, why.slug());
        }
    }

    /// The hub's end of a connection is closed.
    fn close(&mut self, number: u64, why: &'static str) {
        let Some(link) = self.links.get_mut(&number).filter(|link| link.at_hub) else { return };
        link.at_hub = false;
        let who = link.id;
        if self.sessions.get(&who) == Some(&number) {
            self.sessions.remove(&who);
        }
        self.tell(Input::Disconnected { who, link: number, why });
        self.forget(number);
    }

    /// A connection that both ends closed is over.
    pub(super) fn forget(&mut self, number: u64) {
        let is_over = |link: &Link| !link.at_hub && (!link.at_component || link.actor.is_none());
        if self.links.get(&number).is_some_and(is_over) {
            self.links.remove(&number);
        }
    }

    /// Says something to whoever is behind a connection.
    pub(super) fn downwards(&mut self, number: u64, packet: Downward) {
        let (now, latency) = (self.ms, self.latency());
        if let Some(link) = self.links.get_mut(&number).filter(|link| !link.broken) {
            let at = link.arrival(1, now, latency);
            self.after(at - now, Task::Down(number, packet));
        }
    }

    /// A component says something on its connection.
    pub(super) fn upwards(&mut self, number: u64, packet: Upward) {
        let (now, latency) = (self.ms, self.latency());
        if let Some(link) = self.links.get_mut(&number).filter(|link| !link.broken) {
            let at = link.arrival(0, now, latency);
            self.after(at - now, Task::Up(number, packet));
        }
    }

    /// A component dials: where there is a way the hub answers.
    pub(super) fn dial(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        actor.dials += 1;
        let dial = actor.dials;
        if actor.outages > 0 || !self.is_hub_up {
            let at = self.draw(GIVES_UP.0, GIVES_UP.1);
            return self.after(at, Task::NoWay(index, dial));
        }
        let at = (0..HANDSHAKE).map(|_| self.latency()).sum();
        self.after(at, Task::Arrive(index, dial));
    }

    pub(super) fn no_way(&mut self, index: usize, dial: u64) {
        if self.actors[index].dials == dial {
            self.device(index, device_sim::device::Input::Disconnected);
        }
    }

    /// A connection of a component arrives.
    pub(super) fn arrive(&mut self, index: usize, dial: u64) {
        let actor = &self.actors[index];
        if actor.dials != dial {
            return;
        }
        let (from, is_there) = (actor.address, actor.is_on && actor.outages == 0 && self.is_hub_up);
        let known = actor.device.id().zip(actor.certificate.clone());
        let Some((id, certificate)) = known.filter(|_| is_there) else {
            return self.after(GIVES_UP.0, Task::NoWay(index, dial));
        };
        match self.accept(id, &certificate, from, Some(index)) {
            Some(number) => {
                self.actors[index].link = Some(number);
                self.downwards(number, Downward::Connected);
            }
            None => self.after(100, Task::NoWay(index, dial)),
        }
    }

    /// Whoever shows a certificate in force has a session, and a former one ends.
    pub(super) fn accept(
        &mut self,
        id: ComponentId,
        certificate: &ComponentCertificate,
        from: SocketAddr,
        actor: Option<usize>,
    ) -> Option<u64> {
        if let Err(why) = self.hub.admit(id, certificate, self.now().wall) {
            self.deny(Some(id), Some(from), why.into(), "connecting");
            return None;
        }
        let number = self.next_link;
        self.next_link += 1;
        self.links.insert(number, Link::new(id, actor, from, self.ms));
        let former = self.sessions.insert(id, number);
        let took_over = former.and_then(|former| Some(self.links.get(&former)?.from));
        let serial = certificate.serial.clone();
        self.tell(Input::Connected { who: id, link: number, from, serial, took_over });
        if let Some(former) = former {
            self.downwards(former, Downward::Closed);
            self.close(former, "it connected anew");
        }
        Some(number)
    }

    /// The gate refused something.
    pub(super) fn deny(
        &mut self,
        who: Option<ComponentId>,
        from: Option<SocketAddr>,
        denied: Denied,
        about: &str,
    ) {
        let Denied { refusal, detail } = denied;
        let about = if detail.is_empty() { about.to_owned() } else { detail };
        self.tell(Input::Denied { who, from, refusal, about });
    }

    /// A packet comes to the hub.
    pub(super) fn upward(&mut self, number: u64, packet: Upward) {
        let now = self.ms;
        let link = self.links.get_mut(&number);
        let Some(link) = link.filter(|link| link.at_hub && !link.broken) else { return };
        link.heard = now;
        let id = link.id;
        match packet {
            Upward::Subscribe(topic) => self.subscribed(number, id, &topic),
            Upward::Publish { token, topic, payload, qos } => {
                let taken = self.published(id, &topic, &payload, qos, false);
                match taken {
                    _ if qos == 0 => {}
                    (taken, true) => self.batch.answers.push((number, token, taken)),
                    (taken, false) => self.downwards(number, Downward::Answered(token, taken)),
                }
            }
            Upward::Close { in_order: true } => self.close(number, LEFT),
            Upward::Close { in_order: false } => self.lose(number, "the connection was lost"),
        }
    }

    /// A connection ends without a goodbye: the last will is said.
    fn lose(&mut self, number: u64, why: &'static str) {
        let Some(id) = self.links.get(&number).filter(|link| link.at_hub).map(|link| link.id)
        else {
            return;
        };
        if self.sessions.get(&id) == Some(&number) {
            let topic = Route::Up(id, Up::Lost).to_string();
            self.published(id, &topic, &cbor::encode(&Lost { version: V1 }), 0, true);
        }
        self.close(number, why);
    }

    pub(super) fn hub_notices(&mut self, number: u64) {
        if self.is_hub_up {
            self.lose(number, "it was silent for too long");
        }
    }

    fn subscribed(&mut self, number: u64, id: ComponentId, topic: &str) {
        if let Err(denied) = self.hub.authorize_subscription(id, topic) {
            self.deny(Some(id), None, denied, topic);
            return self.downwards(number, Downward::Subscribed(false));
        }
        let Ok(Route::Down(_, down)) = Route::parse(topic) else { return };
        if let Some(link) = self.links.get_mut(&number) {
            link.topics.push(down);
        }
        self.downwards(number, Downward::Subscribed(true));
        let kept = self.retained.get(&id).cloned().filter(|_| down == Down::Trust);
        if let Some(payload) = kept {
            self.downwards(number, Downward::Message(Down::Trust, payload));
        }
    }

    /// The gate, and then the hub; the answer is whether it was taken, and whether that waits for a commit.
    fn published(
        &mut self,
        id: ComponentId,
        topic: &str,
        payload: &[u8],
        qos: u8,
        will: bool,
    ) -> (bool, bool) {
        self.messages += 1;
        let carriage = Carriage { qos, retain: false, will };
        match self.hub.authorize(id, topic, payload, carriage) {
            Ok(permitted) => {
                let (answer, waits) = self.tell(Input::Message(permitted));
                (!matches!(answer, Answer::Refused { .. }), waits)
            }
            Err(denied) => {
                self.deny(Some(id), None, denied, topic);
                (false, false)
            }
        }
    }

    /// Nothing passes between a component and the hub any more; each notices it in its own time.
    pub(super) fn break_link(&mut self, index: usize) {
        let Some(number) = self.actors[index].link else { return };
        let now = self.ms;
        let Some(link) = self.links.get_mut(&number).filter(|link| !link.broken) else { return };
        link.broken = true;
        let hub = (link.heard + KEEP_ALIVE).saturating_sub(now).max(1);
        self.after(hub, Task::HubNotices(number));
        let component = self.draw(NOTICES.0, NOTICES.1);
        self.after(component, Task::ComponentNotices(number));
    }

    /// The hub goes down: its connections end, and what was not durable is lost.
    pub(super) fn hub_down(&mut self, off: u64) {
        self.is_hub_up = false;
        for write in self.hub.last_writes() {
            if let Some(value) = write.value {
                self.store.insert((write.table, write.key), value);
            }
        }
        self.batch.sends.clear();
        let numbers: Vec<_> = self.links.keys().copied().collect();
        for number in numbers {
            self.downwards(number, Downward::Closed);
            if let Some(link) = self.links.get_mut(&number) {
                link.at_hub = false;
            }
        }
        self.sessions.clear();
        self.codes.clear();
        self.after(off, Task::HubUp);
    }

    /// A request for a certificate arrives.
    pub(super) fn asked(&mut self, index: usize, is_first: bool) -> anyhow::Result<()> {
        let answer = match is_first {
            _ if self.actors[index].outages > 0 || !self.is_hub_up => Answered::Failed,
            true => {
                let request = self.first_request(index)?;
                let answer = self.tell(Input::Enrol(request)).0;
                let key = self.actors[index].key();
                self.issue(answer, index, &key)?
            }
            false => self.renewal(index)?,
        };
        let at = self.latency() + COMMIT.1;
        self.after(at, Task::Answer(index, answer));
        Ok(())
    }

    fn renewal(&mut self, index: usize) -> anyhow::Result<Answered> {
        let actor = &self.actors[index];
        let (Some(id), Some(with)) = (actor.device.id(), actor.certificate.clone()) else {
            return Ok(Answered::Failed);
        };
        let (from, key) = (actor.address.ip(), self.pki.key(&actor.key())?.1);
        let request = ReenrolRequest { with, id, key, strong: true, claimed: Some(id), from };
        let answer = self.tell(Input::Reenrol(request)).0;
        let key = self.actors[index].key();
        self.issue(answer, index, &key)
    }

    /// Signs what the hub ordered.
    pub(super) fn issue(
        &mut self,
        answer: Answer,
        index: usize,
        key: &str,
    ) -> anyhow::Result<Answered> {
        let order = match answer {
            Answer::Issue(order) => order,
            Answer::Wait(span) => return Ok(Answered::Later(span.as_secs())),
            Answer::Refused { retry_after, .. } => {
                let wait = retry_after.map(|span| Answered::Later(span.as_secs().max(1)));
                return Ok(wait.unwrap_or(Answered::Failed));
            }
            Answer::Done
            | Answer::Paced
            | Answer::Defined { .. }
            | Answer::NotDefined(_)
            | Answer::Changed(_)
            | Answer::LoggedIn(_)
            | Answer::PairingOpen(_) => return Ok(Answered::Failed),
        };
        let (key, _) = self.pki.key(key)?;
        let life = self.scenario.settings.certificates;
        let issued = self.pki.issue(order.id, &key, life, self.now().wall)?;
        let certificate = issued.certificate;
        self.tell(Input::Issued {
            id: order.id,
            certificate: certificate.clone(),
            occasion: order.occasion,
        });
        self.found.names.insert(order.id, self.actors[index].name.clone());
        Ok(Answered::Issued(Box::new(issued.credentials), certificate))
    }

    /// The owner, or somebody with an account.
    pub(super) fn person(&self, name: Option<&protocol::id::Slug>) -> Person {
        let known =
            name.and_then(|name| self.scenario.accounts.iter().find(|(one, _)| one == name));
        known.map_or(OWNER, |(name, role)| Person::Person {
            name: name.clone(),
            role: *role,
            fresh: true,
        })
    }

    /// What a raw packet is answered with does not matter.
    pub(super) fn raw(&mut self, number: u64, topic: String, payload: Vec<u8>) {
        self.upwards(number, Upward::Publish { token: Token::Other, topic, payload, qos: 1 });
    }
}
