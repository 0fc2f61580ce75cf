//! The simulated device itself: rumqttc, slots in files, every progress kept as it would be in flash.

use crate::scene::Scene;
use anyhow::Context;
use device_sim::{
    assertion::Disbelief,
    device::{Device, Pace, Token},
    est::{Proof, Service},
    flash::Flash,
    identity::MakerCa,
    link::{HubAddress, Observer, Runner},
    profile::Kinds,
};
use protocol::{
    message::{Assertion, Interval, UpdateStep},
    update::Anchors,
};
use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant},
};

/// Longest time for one update.
const LONG: Duration = Duration::from_secs(120);

/// Steps that nobody has looked at yet; one update has a few dozen.
const STEPS: usize = 1024;

/// A device in a thread of its own; it runs as long as the bench.
pub(crate) struct Simulated(Receiver<(UpdateStep, Instant)>);

impl Simulated {
    pub(crate) fn start(scene: &Scene, flash: &Flash) -> anyhow::Result<Self> {
        let (steps, seen) = sync_channel(STEPS);
        let service = Service {
            host: "localhost".into(),
            port: scene.hub.est_port,
            fingerprint: scene.hub.fingerprint,
        };
        let hub = HubAddress { host: "localhost".into(), mqtt: scene.hub.mqtt_port, est: service };
        let state = scene.folder.join("device");
        std::fs::create_dir_all(&state)?;
        let proof = MakerCa::read(&scene.folder.join("maker"))?.idevid(&flash.serial)?;
        let anchor = std::fs::read(scene.anchor())?;
        Anchors::pin(&anchor, &device_sim::update::crypto::AwsLc)?;
        let flash = flash.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let device = Rc::new(RefCell::new(device(flash, &state, &anchor)?));
            let watcher = Watcher { steps, state, last: Cell::new(UpdateStep::Idle) };
            let mut runner = Runner::new(device, hub, Proof::Idevid(proof), watcher);
            tokio::task::LocalSet::new().block_on(&runtime, runner.run());
            anyhow::Ok(())
        });
        Ok(Self(seen))
    }

    /// Seconds from its first request to the verified image in its slot, of the next update; it then installs
    /// and confirms it.
    pub(crate) fn update(&self) -> anyhow::Result<f64> {
        let began = self.at(&[UpdateStep::Fetching])?;
        let steps = [UpdateStep::Verified, UpdateStep::Ready, UpdateStep::Installing];
        let time = self.at(&steps)?.duration_since(began);
        self.at(&[UpdateStep::Confirmed])?;
        Ok(time.as_secs_f64())
    }

    fn at(&self, wanted: &[UpdateStep]) -> anyhow::Result<Instant> {
        loop {
            match self.0.recv_timeout(LONG) {
                Ok((step, at)) if wanted.contains(&step) => return Ok(at),
                Ok((step, _)) if step.is_end() && step != UpdateStep::Confirmed => {
                    anyhow::bail!("the device's update is {step}")
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    anyhow::bail!("the device does not get to {wanted:?}")
                }
            }
        }
    }
}

fn device(flash: Flash, state: &std::path::Path, anchor: &[u8]) -> anyhow::Result<Device> {
    let profile = Kinds::built_in()?.named(&flash.kind)?.clone();
    let serial = flash.serial.clone();
    let pace = Pace { interval: Interval::new(3600).context("an interval")?, stream: 0, log: 0 };
    let board = profile.factory_board().context("a board")?.board_in(state, &serial);
    Ok(Device::new(profile, flash, pace, 1)?.with_board(board).with_anchor(anchor))
}

struct Watcher {
    steps: SyncSender<(UpdateStep, Instant)>,
    state: PathBuf,
    last: Cell<UpdateStep>,
}

impl Observer for Watcher {
    fn save(&self, device: &Device) {
        device.flash().write(&self.state).expect("the bench's folder takes a device's memory");
    }

    fn changed(&self, device: &Device) {
        let step = device.flash().update.job.as_ref().map_or(UpdateStep::Idle, |job| job.step);
        if self.last.replace(step) != step {
            // At the end of the bench nobody listens.
            let _ = self.steps.send((step, Instant::now()));
        }
    }

    fn acknowledged(&self, _: &Device, _: Token, _: &str, _: &[u8]) {}
    fn refused(&self, _: &Device, _: &str, _: &str) {}
    fn believed(&self, _: &Device, _: &Assertion) {}
    fn disbelieved(&self, _: &Device, _: Disbelief) {}
    fn not_enrolled(&self, _: &Device, _: &str) {}
}
