//! The bench: carries out what a device wants, plays its hub, and pulls the plug.

use super::releases::{Keys, Release, at_offer, lamp};
use crate::{
    device::{Device, Input, Now, Output, Pace, Token},
    flaky::Flaky,
    flash::{Credentials, Flash},
    identity,
    update::{
        Board, Booted,
        slots::{Slot, Words},
        storage::{Ram, Storage},
    },
};
use protocol::{
    cbor,
    id::{ComponentId, Digest, JobId},
    message::{
        Blob, Block, BlockRequest, Interval, UpdateFault, UpdateObject, UpdateOffer, UpdateReport,
        UpdateStatus, UpdateStep,
    },
    topic::{Down, Route, Up},
    update::MAX_IMAGE,
};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Counts writes and outputs down; at zero the power is gone.
#[derive(Clone, Default)]
pub(super) struct Fuse(Arc<AtomicUsize>, Arc<AtomicUsize>);

impl Fuse {
    pub(super) fn set(&self, steps: usize) {
        self.0.store(steps, Ordering::SeqCst);
        self.1.store(0, Ordering::SeqCst);
    }

    /// How many steps there were.
    pub(super) fn burnt(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }

    pub(super) fn is_blown(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    /// One more step; false when there is no power for it.
    fn burn(&self) -> bool {
        self.1.fetch_add(1, Ordering::SeqCst);
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() && !self.is_blown()
    }
}

/// A medium that outlives its device, and takes only half of the write in which the power goes.
#[derive(Clone)]
pub(super) struct Medium {
    bytes: Arc<Mutex<Ram>>,
    fuse: Fuse,
    pub(super) broken: Arc<Mutex<bool>>,
}

impl Medium {
    fn new(fuse: &Fuse, bytes: Ram) -> Self {
        let broken = Arc::default();
        Self { bytes: Arc::new(Mutex::new(bytes)), fuse: fuse.clone(), broken }
    }

    /// Flips a bit.
    pub(super) fn damage(&self, at: u32) {
        let mut bytes = self.bytes.lock().unwrap();
        let mut one = [0];
        bytes.read_at(at, &mut one).unwrap();
        bytes.write_at(at, &[one[0] ^ 1]).unwrap();
    }
}

impl Storage for Medium {
    fn read_at(&self, at: u32, into: &mut [u8]) -> io::Result<()> {
        self.bytes.lock().unwrap().read_at(at, into)
    }

    fn write_at(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        if *self.broken.lock().unwrap() {
            return Err(io::Error::other("worn out"));
        }
        let was = self.fuse.is_blown();
        if self.fuse.burn() {
            return self.bytes.lock().unwrap().write_at(at, bytes);
        }
        let torn = if was { 0 } else { bytes.len() / 2 };
        self.bytes.lock().unwrap().write_at(at, &bytes[..torn])
    }

    fn erase(&mut self) -> io::Result<()> {
        if self.fuse.burn() { self.bytes.lock().unwrap().erase() } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a hub makes of one good block.
pub(super) type Path = Box<dyn FnMut(Block) -> Vec<Block>>;

/// A device on its bench.
pub(super) struct Bench {
    pub(super) keys: Keys,
    pub(super) device: Option<Device>,
    pub(super) saved: Flash,
    pub(super) now: u64,
    pub(super) fuse: Fuse,
    pub(super) media: [Medium; 3],
    /// What the hub serves, by update.
    pub(super) served: BTreeMap<JobId, Release>,
    pub(super) path: Path,
    /// Whether connections come about.
    pub(super) hub_up: bool,
    /// Whether the hub acknowledges.
    pub(super) acknowledges: bool,
    /// The seed of its troubles.
    pub(super) flaky: Option<u64>,
    /// The hub goes away once it heard this.
    pub(super) leaves_at: Option<UpdateStep>,
    /// How many more statuses the hub answers with the offer, as one does that was away.
    pub(super) repeats: u32,
    offered: Vec<u8>,
    /// Whether the hub takes subscriptions.
    pub(super) subscribes: bool,
    pub(super) heard: Vec<UpdateStatus>,
    pub(super) requests: Vec<BlockRequest>,
    pub(super) reports: Vec<UpdateReport>,
    /// Everything that ever started.
    pub(super) started: Vec<Booted>,
    pub(super) hang_ups: usize,
    /// Bytes of data that the hub sent.
    pub(super) delivered: usize,
    steps: BTreeMap<JobId, UpdateStep>,
    outputs: VecDeque<Output>,
    pub(super) inputs: VecDeque<Input>,
    lives: u64,
}

pub(super) fn credentials() -> Credentials {
    let id = ComponentId::from_key_digest(&Digest([3; 32]));
    let own = identity::self_signed(id).unwrap();
    let certificate = own.chain[0].to_vec();
    Credentials { id, certificate, key: own.key, ca: vec![], validity: (0, 9_000_000) }
}

impl Bench {
    /// A lamp fresh from the factory with anchor 1 and a session.
    pub(super) fn new() -> Self {
        let keys = Keys::new(1);
        let anchor = keys.anchor(1, None);
        let mut bench = Self::with_anchor(Some(anchor));
        bench.power_on();
        bench.run(10_000);
        bench
    }

    /// The same, still switched off.
    pub(super) fn with_anchor(anchor: Option<Vec<u8>>) -> Self {
        let (profile, fuse) = (lamp(), Fuse::default());
        fuse.set(usize::MAX);
        let factory = profile.factory_board().unwrap();
        let mut saved = Flash::factory(&profile, "LW-1");
        saved.credentials = Some(credentials());
        saved.update.anchor = anchor;
        let [slot, words] = factory.contents();
        let media = [Ram::holding(slot), Ram::default(), Ram::holding(words)]
            .map(|bytes| Medium::new(&fuse, bytes));
        Self {
            keys: Keys::new(1),
            device: None,
            saved,
            now: 1_000,
            fuse,
            media,
            served: BTreeMap::new(),
            path: Box::new(|block| vec![block]),
            hub_up: true,
            acknowledges: true,
            flaky: None,
            leaves_at: None,
            repeats: 0,
            offered: Vec::new(),
            subscribes: true,
            heard: Vec::new(),
            requests: Vec::new(),
            reports: Vec::new(),
            started: Vec::new(),
            hang_ups: 0,
            delivered: 0,
            steps: BTreeMap::new(),
            outputs: VecDeque::new(),
            inputs: VecDeque::new(),
            lives: 0,
        }
    }

    pub(super) fn board(&self) -> Board {
        let [first, second, words] = self.media.clone();
        Board {
            slots: [Slot::new(first), Slot::new(second)],
            words: Words::new(words),
            capacity: MAX_IMAGE,
        }
    }

    pub(super) fn power_on(&mut self) {
        self.lives += 1;
        let pace = Pace { interval: Interval::new(3600).unwrap(), stream: 0, log: 0 };
        let device = Device::new(lamp(), self.saved.clone(), pace, self.lives).unwrap();
        let device = device.with_board(self.board());
        self.device = Some(match self.flaky {
            Some(seed) => device.with_flaws(Flaky::new(seed)),
            None => device,
        });
        self.tell(Input::Start);
    }

    /// The power goes: what was neither saved nor written is lost.
    pub(super) fn cut(&mut self) {
        self.device.take().map(Device::cut_power);
        self.outputs.clear();
        self.inputs.clear();
        self.fuse.set(usize::MAX);
    }

    pub(super) fn tell(&mut self, input: Input) {
        let begins = matches!(input, Input::Start | Input::Restarted);
        let now = Now { mono: self.now, unix_ms: 1_000_000 + self.now };
        let Some(device) = &mut self.device else { return };
        let outputs = device.handle(input, now);
        if begins {
            self.started.extend(device.updater().unwrap().booted().cloned());
        }
        self.outputs.extend(outputs);
    }

    /// Lets so much time pass, or until the power goes; time jumps to whatever comes next.
    pub(super) fn run(&mut self, time: u64) {
        let end = self.now + time;
        while !self.fuse.is_blown() {
            if let Some(output) = self.outputs.pop_front() {
                if self.fuse.burn() {
                    self.carry_out(output);
                }
            } else if let Some(input) = self.inputs.pop_front() {
                self.tell(input);
            } else {
                let deadline = self.device.as_ref().and_then(Device::deadline);
                let Some(next) = deadline.filter(|next| *next <= end) else { break };
                self.now = self.now.max(next);
                self.tell(Input::Timer);
            }
        }
        self.now = self.now.max(if self.fuse.is_blown() { self.now } else { end });
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Save => self.saved = self.device.as_ref().unwrap().flash().clone(),
            Output::Connect => {
                let came = if self.hub_up { Input::Connected } else { Input::Disconnected };
                self.inputs.push_back(came);
            }
            Output::HangUp => {
                self.hang_ups += 1;
                self.inputs.clear();
            }
            Output::Subscribe(_) => self.inputs.push_back(Input::Subscribed(self.subscribes)),
            Output::Publish { token, topic, payload, .. } => {
                self.published(token, &topic, &payload)
            }
            Output::Reboot => {
                self.inputs.clear();
                self.inputs.push_back(Input::Restarted);
            }
            Output::SelfTest(passes) => self.inputs.push_back(Input::SelfTested(passes)),
            Output::Report(report) => self.reports.push(*report),
            Output::Enrol
            | Output::Reenrol
            | Output::Obeyed(_)
            | Output::Heard(_)
            | Output::Log(_)
            | Output::Disbelieved(_) => {}
        }
    }

    fn published(&mut self, token: Token, topic: &str, payload: &[u8]) {
        let Ok(Route::Up(_, up)) = Route::parse(topic) else { panic!("{topic}") };
        if up == Up::UpdateStatus {
            self.status(cbor::decode(payload, 512).unwrap());
        } else if up == Up::UpdateRequest {
            let request: BlockRequest = cbor::decode(payload, 64).unwrap();
            self.serve(&request);
            self.requests.push(request);
        }
        if self.acknowledges {
            self.inputs.push_back(Input::Answered(token, true));
        }
    }

    /// A hub looks whether statuses follow each other: numbers grow, and each step is the former one again
    /// or may follow it, whatever was cut or lost.
    fn status(&mut self, status: UpdateStatus) {
        let last = self.heard.last().map_or(0, |last| last.seq);
        assert!(status.seq > last, "{} after {last}", status.seq);
        if status.step != UpdateStep::Refused {
            let before = self.steps.insert(status.job, status.step);
            let before = before.unwrap_or(UpdateStep::Idle);
            let legal = before == status.step || before.may_go(status.step);
            assert!(legal, "{before:?} to {}", status.step);
        }
        self.hub_up &= self.leaves_at != Some(status.step);
        self.heard.push(status);
        if self.repeats > 0 {
            self.repeats -= 1;
            self.inputs.push_back(Input::Received(Down::UpdateOffer, self.offered.clone()));
        }
    }

    fn serve(&mut self, request: &BlockRequest) {
        let Some(release) = self.served.get(&request.job) else { return };
        let bytes = match request.object {
            UpdateObject::Image => release.image.clone(),
            UpdateObject::Chunks => release.list.clone(),
        };
        let length = request.length.get();
        for n in 0..u32::from(request.count.get()) {
            let offset = request.offset + n * length;
            let end = bytes.len().min((offset + length) as usize);
            let data = bytes.get(offset as usize..end).expect("it asks for what there is");
            let data = Blob::new(data.to_vec());
            let (job, object) = (request.job, request.object);
            let block = Block { job, object, offset, data, fault: None };
            for block in (self.path)(block) {
                self.delivered += block.data.as_ref().map_or(0, |data| data.bytes().len());
                self.inputs.push_back(Input::Received(Down::UpdateBlock, cbor::encode(&block)));
            }
        }
    }

    pub(super) fn offer(&mut self, offer: &UpdateOffer) {
        self.offered = cbor::encode(offer);
        self.inputs.push_back(Input::Received(Down::UpdateOffer, self.offered.clone()));
    }

    /// Offers a good release under this number, to be installed at once.
    pub(super) fn release(&mut self, number: u8, release: &Release) {
        let manifest = self.keys.manifest(&release.manifest, 2);
        let offer = at_offer(number, &[], &manifest);
        self.served.insert(offer.job, release.clone());
        self.offer(&offer);
    }

    /// The last status heard: how far, and what went wrong.
    pub(super) fn last(&self) -> (UpdateStep, Option<UpdateFault>) {
        let last = self.heard.last().expect("it said something");
        (last.step, last.fault)
    }

    /// The counter of what runs.
    pub(super) fn runs(&self) -> u32 {
        self.booted().header.counter
    }

    pub(super) fn booted(&self) -> &Booted {
        self.device.as_ref().unwrap().updater().unwrap().booted().unwrap()
    }

    pub(super) fn floor(&self) -> Option<u32> {
        self.board().words.floor()
    }

    pub(super) fn attacks(&self) -> u32 {
        self.device.as_ref().unwrap().flash().update.attacks
    }
}
