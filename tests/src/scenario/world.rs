//! A product on a simulated clock: the hub, its components, and what is under way between them. Nothing here waits or
//! reads a clock, and whatever is left to chance follows from the seed.

use super::{
    actor::Actor,
    file::Scenario,
    journal::Journal,
    judge::Found,
    network::{Downward, Link, Upward},
    pki::{self, Pki},
    vendor::{Files, Vendor},
};
use device_sim::{flash::Credentials, profile::Kinds};
use hub_core::{
    Actor as Person, Command, ComponentCertificate, Hub, HubSettings, Input, Now, OwnIdentity,
    Table, Uplink,
};
use protocol::{
    id::{ComponentId, Digest, Label},
    message::TrustState,
    time::Timestamp,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

/// The owner at the hub.
pub(super) const OWNER: Person = Person::LocalUser(0);

/// The hub looks at the time so often, in milliseconds.
const TICK: u64 = 1000;

/// Images about which components complained are hashed anew so often.
const REHASH: u64 = 60_000;

/// While the product is brought up its owner looks so often at who wants to join.
const APPROVE: u64 = 5000;

/// The daemon has run for a moment when the first component comes.
const STARTED: u64 = 1000;

/// What is to be done at some time.
#[derive(Debug)]
pub(super) enum Task {
    /// The hub looks at the time.
    Tick,
    /// What waited is durable.
    Commit,
    /// The scenario begins: all must be there.
    Begin,
    /// The owner approves all who wait.
    Approve,
    /// A component's timer.
    Timer(usize),
    /// A component's power goes or comes.
    Power(usize, bool),
    /// A component's connection with this number of its own arrives at the hub.
    Arrive(usize, u64),
    /// A component gives that connection up.
    NoWay(usize, u64),
    /// Its request for a certificate arrives: the first, or a new one.
    Ask(usize, bool),
    /// The answer to it comes.
    Answer(usize, Answered),
    /// The self-test of new software came out.
    Tested(usize, bool),
    /// A packet comes.
    Up(u64, Upward),
    /// A packet comes.
    Down(u64, Downward),
    /// The hub notices that nobody is there any more.
    HubNotices(u64),
    /// The component notices it.
    ComponentNotices(u64),
    /// The outage with this number begins or ends.
    Outage(usize, bool),
    /// The event with this number happens for this time.
    Happens(usize, u64),
    /// And to this component.
    Does(usize, u64, usize),
    /// The hub is there again.
    HubUp,
}

/// What comes of a request for a certificate.
#[derive(Debug)]
pub(super) enum Answered {
    Issued(Box<Credentials>, ComponentCertificate),
    Later(u64),
    Failed,
}

struct Due {
    at: u64,
    number: u64,
    task: Task,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// What waits for the next commit.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) is_due: bool,
    pub(super) records: Vec<hub_core::record::Record>,
    pub(super) sends: Vec<hub_core::Permitted<hub_core::Outbound>>,
    pub(super) answers: Vec<(u64, device_sim::device::Token, bool)>,
    pub(super) cuts: Vec<hub_core::Cut>,
}

/// The whole product.
pub(super) struct World<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) seed: u64,
    pub(super) random: ChaCha8Rng,
    /// Milliseconds since the product is brought up.
    pub(super) ms: u64,
    pub(super) hub: Hub,
    pub(super) settings: HubSettings,
    /// How the hub's clock is off.
    pub(super) hub_off: i64,
    /// When the hub started.
    pub(super) hub_since: u64,
    pub(super) is_hub_up: bool,
    pub(super) pki: Pki,
    pub(super) vendor: Vendor,
    pub(super) kinds: Kinds,
    pub(super) actors: Vec<Actor>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) next_link: u64,
    /// The sessions at the hub.
    pub(super) sessions: BTreeMap<ComponentId, u64>,
    /// The newest notice for each component.
    pub(super) retained: BTreeMap<ComponentId, Vec<u8>>,
    pub(super) batch: Batch,
    pub(super) store: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub(super) journal: Journal,
    pub(super) found: Found,
    /// What the hub serves, by its digest.
    pub(super) files: BTreeMap<Digest, (Vec<u8>, bool)>,
    /// The codes of the open pairing window.
    pub(super) codes: Vec<String>,
    /// Messages of components that came to the hub.
    pub(super) messages: u64,
    queue: BinaryHeap<Reverse<Due>>,
    tasks: u64,
}

impl<'s> World<'s> {
    /// The product before anything has happened.
    pub(super) fn new(scenario: &'s Scenario, seed: u64) -> anyhow::Result<Self> {
        let mut settings = HubSettings { anchors: pki::anchors()?, ..HubSettings::default() };
        settings.seed = pki::drawn(seed, "hub");
        settings.detection.respond = scenario.settings.respond;
        settings.log.per_minute = scenario.settings.share;
        settings.updates.soak = scenario.settings.soak;
        let wall = Timestamp(scenario.start.0.saturating_sub(scenario.settle.as_millis() as u64));
        let now = Now { wall, mono: Duration::from_millis(STARTED) };
        let hub = Hub::restore(settings.clone(), own(), [], now)?;
        let kinds = Kinds::built_in()?;
        let random = ChaCha8Rng::seed_from_u64(seed);
        let mut world = Self {
            scenario,
            seed,
            random,
            ms: 0,
            hub,
            settings,
            hub_off: 0,
            hub_since: 0,
            is_hub_up: true,
            pki: Pki::new(seed)?,
            vendor: Vendor::new()?,
            kinds,
            actors: Vec::new(),
            links: BTreeMap::new(),
            next_link: 1,
            sessions: BTreeMap::new(),
            retained: BTreeMap::new(),
            batch: Batch::default(),
            store: BTreeMap::new(),
            journal: Journal::default(),
            found: Found::default(),
            files: BTreeMap::new(),
            codes: Vec::new(),
            messages: 0,
            queue: BinaryHeap::new(),
            tasks: 0,
        };
        for index in 0..scenario.components.len() {
            let actor = Actor::new(&world, index)?;
            world.actors.push(actor);
        }
        world.bring_up()?;
        Ok(world)
    }

    /// Definitions, accounts and the line to the cloud come first; then the components one after the other.
    fn bring_up(&mut self) -> anyhow::Result<()> {
        for envelope in pki::definitions()? {
            self.command(&OWNER, Command::Define(envelope.clone()));
        }
        for (name, role) in self.scenario.accounts.clone() {
            let change = hub_core::AccountChange::Add { role, hash: "none".into() };
            self.command(&OWNER, Command::Account(name, change));
        }
        self.line_to_cloud(true);
        let settle = self.scenario.settle.as_millis() as u64;
        for index in 0..self.actors.len() {
            if !self.scenario.components[index].joins_later {
                let at = self.draw(1000, (settle / 4).max(2000));
                self.after(at, Task::Power(index, true));
            }
        }
        let approvals = (1..).map(|n| n * APPROVE).take_while(|at| *at < settle / 2 + 2 * APPROVE);
        approvals.for_each(|at| self.after(at, Task::Approve));
        self.after(TICK, Task::Tick);
        for (number, outage) in self.scenario.network.outages.iter().enumerate() {
            self.after(settle + outage.from.as_millis() as u64, Task::Outage(number, true));
            self.after(settle + outage.to.as_millis() as u64, Task::Outage(number, false));
        }
        for (number, event) in self.scenario.events.iter().enumerate() {
            self.after(settle + event.when.from.as_millis() as u64, Task::Happens(number, 0));
        }
        Ok(())
    }

    /// Whatever happens until the scenario is over.
    pub(super) fn run(&mut self) -> anyhow::Result<()> {
        self.after(self.scenario.settle.as_millis() as u64, Task::Begin);
        let end = (self.scenario.settle + self.scenario.lasts).as_millis() as u64;
        while let Some(Reverse(due)) = self.queue.pop() {
            if due.at > end {
                break;
            }
            self.ms = due.at;
            self.perform(due.task)?;
        }
        self.ms = end;
        Ok(())
    }

    fn perform(&mut self, task: Task) -> anyhow::Result<()> {
        match task {
            Task::Tick => {
                self.after(TICK, Task::Tick);
                if self.is_hub_up {
                    self.tell(Input::Tick);
                    self.rehash();
                }
            }
            Task::Commit => self.commit(),
            Task::Begin => self.begin()?,
            Task::Approve => {
                self.command(&OWNER, Command::Approve(hub_core::Selector::AllPending));
            }
            Task::Timer(index) => self.timer(index),
            Task::Power(index, is_on) => self.power(index, is_on),
            Task::Arrive(index, dial) => self.arrive(index, dial),
            Task::NoWay(index, dial) => self.no_way(index, dial),
            Task::Ask(index, is_first) => self.asked(index, is_first)?,
            Task::Answer(index, answer) => self.certified(index, answer),
            Task::Tested(index, passed) => {
                self.device(index, device_sim::device::Input::SelfTested(passed));
            }
            Task::Up(link, packet) => self.upward(link, packet),
            Task::Down(link, packet) => self.downward(link, packet),
            Task::HubNotices(link) => self.hub_notices(link),
            Task::ComponentNotices(link) => self.component_notices(link),
            Task::Outage(number, begins) => self.outage(number, begins),
            Task::Happens(event, time) => self.happens(event, time),
            Task::Does(event, time, index) => self.does(event, time, index)?,
            Task::HubUp => self.hub_up()?,
        }
        Ok(())
    }

    /// The images that the hub keeps are whole here, whatever components got.
    fn rehash(&mut self) {
        if self.ms.is_multiple_of(REHASH) {
            for image in self.hub.doubted_images() {
                self.tell(Input::Rehashed { image, clean: true });
            }
        }
    }

    /// Whoever does not join later must have joined, or nothing that is found means anything.
    fn begin(&self) -> anyhow::Result<()> {
        let there = |actor: &&Actor| actor.device.trust() != Some(TrustState::Active);
        let early = self.actors.iter().zip(&self.scenario.components);
        let missing = early.filter(|(_, one)| !one.joins_later).map(|(actor, _)| actor).find(there);
        match missing {
            Some(actor) => {
                anyhow::bail!("{} did not join in time; let it settle longer", actor.name)
            }
            None => Ok(()),
        }
    }

    /// Does something later.
    pub(super) fn after(&mut self, ms: u64, task: Task) {
        let (at, number) = (self.ms + ms, self.tasks);
        self.tasks += 1;
        self.queue.push(Reverse(Due { at, number, task }));
    }

    /// A whole number from the least to the most.
    pub(super) fn draw(&mut self, least: u64, most: u64) -> u64 {
        super::network::between(&mut self.random, least, most)
    }

    /// Milliseconds that a packet takes now.
    pub(super) fn latency(&mut self) -> u64 {
        self.scenario.network.latency(&mut self.random)
    }

    /// The true time, in milliseconds since 1970.
    pub(super) fn wall(&self) -> u64 {
        self.scenario.start.0 + self.ms - self.scenario.settle.as_millis() as u64
    }

    /// The time as the hub has it.
    pub(super) fn now(&self) -> Now {
        Now {
            wall: Timestamp(self.wall().saturating_add_signed(self.hub_off)),
            mono: Duration::from_millis(STARTED + self.ms - self.hub_since),
        }
    }

    fn line_to_cloud(&mut self, is_up: bool) {
        self.tell(Input::Uplink(match is_up {
            _ if !self.scenario.settings.cloud => Uplink::NotConfigured,
            true => Uplink::Up(Digest([0xc1; 32])),
            false => Uplink::Down("the line is down".into()),
        }));
    }

    fn outage(&mut self, number: usize, begins: bool) {
        let outage = self.scenario.network.outages[number].clone();
        if begins && outage.hostile {
            self.found.begins(self.ms);
        }
        let Some(who) = outage.who else { return self.line_to_cloud(!begins) };
        for index in who {
            let out = &mut self.actors[index].outages;
            *out = if begins { *out + 1 } else { out.saturating_sub(1) };
            if begins {
                self.break_link(index);
            }
        }
    }

    /// The hub starts with what it stored.
    fn hub_up(&mut self) -> anyhow::Result<()> {
        self.hub_since = self.ms;
        let stored =
            self.store.iter().map(|((table, key), value)| (*table, key.clone(), value.clone()));
        self.hub = Hub::restore(self.settings.clone(), own(), stored, self.now())?;
        let kept = self.journal.kept();
        let unseen = kept.filter(|(number, record)| !self.hub.recall(*number, record));
        let unseen: Vec<_> = unseen.map(|(number, record)| (number, record.clone())).collect();
        self.hub.recalled();
        self.is_hub_up = true;
        for (first, record) in unseen {
            self.tell(Input::Recorded { first, records: vec![record] });
        }
        self.line_to_cloud(true);
        Ok(())
    }

    /// Takes files into what the hub serves.
    pub(super) fn serve(&mut self, files: Files) {
        for bytes in [files.image, files.list] {
            let digest = device_sim::identity::sha256(&bytes);
            self.files.insert(digest, (bytes, files.spoiled));
        }
    }
}

fn own() -> OwnIdentity {
    OwnIdentity {
        id: ComponentId::from_key_digest(&Digest([0x11; 32])),
        software: Label::new("simulated").expect("a plain word"),
        fingerprint: Digest([0x12; 32]),
    }
}
