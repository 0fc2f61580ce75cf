//! Many devices in one process, on one thread.

use crate::{
    assertion::Disbelief,
    device::{Device, Pace, Temper, Token},
    est::Proof,
    flaky::Flaky,
    flash::Flash,
    link::{HubAddress, Observer, Runner},
    log::Mischief,
    profile::{GroundTruth, Kinds},
    update::crypto::AwsLc,
};
use anyhow::Context;
use protocol::{
    message::{Action, Assertion, TrustState},
    update::Anchors,
};
use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};
use tokio::sync::Notify;

/// Devices that start at once; the others follow as these get along.
const STARTING: usize = 64;

/// What authorises the device with this number and serial.
pub type Proofs = Box<dyn Fn(usize, &str) -> anyhow::Result<Proof>>;

/// A fleet to be run.
pub struct Plan {
    /// Where the hub is.
    pub hub: HubAddress,
    /// The kinds, one device of each in turn.
    pub kinds: Kinds,
    /// How many devices.
    pub count: usize,
    /// Makes serial numbers, timing and values reproducible.
    pub seed: u64,
    /// Where each device keeps its flash.
    pub state: PathBuf,
    /// How often devices speak.
    pub pace: Pace,
    /// How many of each hundred devices are flaky.
    pub flaky: usize,
    /// How each device takes what it is told.
    pub temper: Temper,
    /// How they abuse their logs, if they do.
    pub mischief: Option<Mischief>,
    /// Where acknowledged messages are noted as JSON lines.
    pub ack_log: Option<PathBuf>,
    /// The signed anchor that the devices' factory images pin; without one they refuse all updates.
    pub anchor: Option<Vec<u8>>,
    /// What authorises the device with this number and serial.
    pub proofs: Proofs,
}

/// How a fleet is getting along.
#[derive(Default)]
pub struct Progress {
    /// Devices that have a certificate.
    pub enrolled: Cell<usize>,
    /// Devices whose announcement was acknowledged.
    pub announced: Cell<usize>,
    /// Devices the hub called active.
    pub active: Cell<usize>,
    /// Messages acknowledged.
    pub acknowledged: Cell<u64>,
    /// Messages refused.
    pub refused: Cell<u64>,
    /// Commands obeyed.
    pub obeyed: Cell<u64>,
    /// Values of others heard.
    pub heard: Cell<u64>,
    /// Relayed messages not believed.
    pub disbelieved: Cell<u64>,
    /// Troubles of the flaky devices.
    pub flaws: Cell<u64>,
    /// Why enrolments were refused, the newest.
    pub trouble: RefCell<String>,
    changed: Notify,
}

/// A fleet that runs in the present `LocalSet`.
pub struct Fleet {
    devices: Vec<Rc<RefCell<Device>>>,
    /// How it is getting along.
    pub progress: Rc<Progress>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Fleet {
    /// Starts every device of the plan.
    ///
    /// # Errors
    /// When a device's flash or the log cannot be used.
    pub fn start(plan: Plan) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&plan.state)?;
        if let Some(anchor) = &plan.anchor {
            Anchors::pin(anchor, &AwsLc).context("the anchor")?;
        }
        let log = plan
            .ack_log
            .as_ref()
            .map(|path| File::options().create(true).append(true).open(path))
            .transpose()?;
        let log = Rc::new(RefCell::new(log.map(BufWriter::new)));
        let progress = Rc::new(Progress::default());
        let places = Rc::new(tokio::sync::Semaphore::new(STARTING));
        let (mut devices, mut tasks) = (Vec::new(), Vec::new());
        for index in 0..plan.count {
            let profile = plan.kinds.at(index);
            let serial = profile.serial(plan.seed, index);
            let flash = Flash::read(&plan.state, &serial)?
                .unwrap_or_else(|| Flash::factory(profile, &serial));
            let life = flash.seq;
            let seed = plan.seed.rotate_left(32) ^ (index as u64) << 20 ^ life;
            let mut device = Device::new(profile.clone(), flash, plan.pace, seed)?;
            if is_flaky(index, plan.flaky) {
                device = device.with_flaws(Flaky::new(seed));
            }
            let mut device = device.with_temper(plan.temper).with_peers(plan.kinds.clone());
            if let Some(mischief) = plan.mischief {
                device = device.with_mischief(mischief);
            }
            if let Some(factory) = profile.factory_board() {
                device = device.with_board(factory.board_in(&plan.state, &serial));
            }
            if let Some(anchor) = &plan.anchor {
                device = device.with_anchor(anchor);
            }
            let device = Rc::new(RefCell::new(device));
            let watcher = Watcher {
                progress: progress.clone(),
                folder: plan.state.clone(),
                log: log.clone(),
                seen: Cell::default(),
                flaws: Cell::default(),
                started: Rc::new(Notify::new()),
            };
            let started = watcher.started.clone();
            let proof = (plan.proofs)(index, &serial).with_context(|| serial.clone())?;
            let mut runner = Runner::new(device.clone(), plan.hub.clone(), proof, watcher);
            let places = places.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let place = places.acquire().await;
                let run = runner.run();
                tokio::pin!(run);
                tokio::select! {
                    () = &mut run => {}
                    () = started.notified() => {}
                }
                drop(place);
                run.await;
            }));
            devices.push(device);
        }
        Ok(Self { devices, progress, tasks })
    }

    /// Waits until so many devices are active, or the time is over; the answer is whether they are.
    pub async fn active(&self, count: usize, time: Duration) -> bool {
        let reached = async {
            while self.progress.active.get() < count {
                self.progress.changed.notified().await;
            }
        };
        tokio::time::timeout(time, reached).await.is_ok()
    }

    /// What is true of every device, in order of serial number.
    #[must_use]
    pub fn truth(&self) -> Vec<GroundTruth> {
        let truth = |device: &Rc<RefCell<Device>>| device.borrow().truth();
        let mut all: Vec<_> = self.devices.iter().map(truth).collect();
        all.sort();
        all
    }

    /// The devices.
    #[must_use]
    pub fn devices(&self) -> &[Rc<RefCell<Device>>] {
        &self.devices
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Spreads so many flaky devices over each hundred, all kinds among them.
fn is_flaky(index: usize, of_hundred: usize) -> bool {
    index % 100 * 37 % 100 < of_hundred
}

struct Watcher {
    progress: Rc<Progress>,
    folder: PathBuf,
    log: Rc<RefCell<Option<BufWriter<File>>>>,
    seen: Cell<(bool, bool, bool)>,
    flaws: Cell<u64>,
    /// Told when the device is through its start.
    started: Rc<Notify>,
}

impl Watcher {
    fn note(&self, line: &serde_json::Value) -> std::io::Result<()> {
        match &mut *self.log.borrow_mut() {
            Some(log) => writeln!(log, "{line}").and_then(|()| log.flush()),
            None => Ok(()),
        }
    }
}

impl Observer for Watcher {
    fn save(&self, device: &Device) {
        if let Err(error) = device.flash().write(Path::new(&self.folder)) {
            tracing::error!("a device's flash was not kept: {error}");
        }
    }

    fn acknowledged(&self, device: &Device, token: Token, topic: &str, payload: &[u8]) {
        self.progress.acknowledged.set(self.progress.acknowledged.get() + 1);
        let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let what = match token {
            Token::Announcement(seq) => serde_json::json!({ "announcement": seq }),
            Token::Stream(_, number) => serde_json::json!({ "value": number }),
            Token::Command(number) => serde_json::json!({ "command": number }),
            Token::Status(seq) => serde_json::json!({ "status": seq }),
            Token::Log(last) => serde_json::json!({ "log": last }),
            Token::Report(revision) => serde_json::json!({ "report": revision }),
            Token::Other => serde_json::json!({}),
        };
        let serial = &device.flash().serial;
        let line =
            serde_json::json!({ "serial": serial, "topic": topic, "what": what, "payload": hex });
        if let Err(error) = self.note(&line) {
            tracing::error!("the log of acknowledgements failed: {error}");
        }
    }

    fn believed(&self, device: &Device, assertion: &Assertion) {
        let count = match assertion.action {
            Action::Command => &self.progress.obeyed,
            Action::Stream => &self.progress.heard,
        };
        count.set(count.get() + 1);
        let hex: String = assertion.payload.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = serde_json::json!({
            "serial": device.flash().serial,
            "believed": {
                "number": assertion.number, "sender": assertion.sender, "action": assertion.action,
                "name": assertion.name,
            },
            "payload": hex,
        });
        if let Err(error) = self.note(&line) {
            tracing::error!("the log of what was believed failed: {error}");
        }
    }

    fn disbelieved(&self, device: &Device, why: Disbelief) {
        self.progress.disbelieved.set(self.progress.disbelieved.get() + 1);
        tracing::warn!("{} does not believe a relayed message: {why}", device.flash().serial);
    }

    fn refused(&self, device: &Device, topic: &str, reason: &str) {
        self.progress.refused.set(self.progress.refused.get() + 1);
        tracing::warn!("{} refused on {topic}: {reason}", device.flash().serial);
    }

    fn changed(&self, device: &Device) {
        let flaws = device.flaws();
        let new = flaws - self.flaws.replace(flaws);
        self.progress.flaws.set(self.progress.flaws.get() + new);
        let is_active = device.is_announced() && device.trust() == Some(TrustState::Active);
        let now = (device.id().is_some(), device.is_announced(), is_active);
        let was = self.seen.replace(now);
        if was == now {
            return;
        }
        let count = |cell: &Cell<usize>, was: bool, now: bool| {
            cell.set(cell.get() + usize::from(now) - usize::from(was));
        };
        count(&self.progress.enrolled, was.0, now.0);
        count(&self.progress.announced, was.1, now.1);
        count(&self.progress.active, was.2, now.2);
        if now.1 {
            self.started.notify_one();
        }
        self.progress.changed.notify_waiters();
    }

    fn not_enrolled(&self, device: &Device, why: &str) {
        self.progress.trouble.replace(format!("{}: {why}", device.flash().serial));
        self.started.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_each_hundred_are_flaky_as_asked() {
        for asked in [0, 1, 10, 50, 100] {
            for hundred in [0, 100, 700] {
                let flaky = (hundred..hundred + 100).filter(|index| is_flaky(*index, asked));
                assert_eq!(flaky.count(), asked);
            }
        }
    }
}
