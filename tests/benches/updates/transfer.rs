//! Transfers: to one component, to the simulated device, and to a hundred at once, each beside raw copies of the
//! same bytes.

use crate::{
    device::Simulated,
    figures::{Peak, cpu, read_bytes, resident},
    puller::Puller,
    raw::{Copier, Raw},
    report::{Report, Row},
    scene::Scene,
    telemetry::Telemetry,
};
use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use device_sim::flash::Flash;
use std::{fs, time::Instant};
use tokio::task::JoinSet;

/// Rounds of each; the median counts.
const ROUNDS: u32 = 3;

/// Releases after which a campaign gives its release to 64 at once, beside the first one's.
const RAMP: usize = 5;

/// One transfer, or many at once.
pub(crate) struct Copy {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// CPU seconds of who sends and of who receives.
    pub(crate) sender: f64,
    pub(crate) receivers: f64,
    /// How often a receiver had to ask again for what did not come.
    pub(crate) again: u32,
}

/// What is sent raw.
struct Plain {
    server: Raw,
    size: u64,
    digest: Vec<u8>,
}

impl Plain {
    fn of(scene: &Scene, image: &[u8]) -> anyhow::Result<Self> {
        let file = scene.folder.join("raw.image");
        fs::write(&file, image)?;
        let server = Raw::start(&scene.own, scene.hub.folder(), &file)?;
        let digest = digest(&SHA256, image).as_ref().to_vec();
        Ok(Self { server, size: image.len() as u64, digest })
    }

    async fn copies(&self, copiers: Vec<Copier>) -> anyhow::Result<(Copy, Vec<Copier>)> {
        let mut tasks = JoinSet::new();
        let clock = Clock::start(&self.server.process.pid().to_string())?;
        let count = copiers.len() as u64;
        for mut copier in copiers {
            let (size, wanted) = (self.size, self.digest.clone());
            tasks.spawn(async move { copier.copy(size, &wanted).await.map(|()| copier) });
        }
        let copiers = all(tasks).await?;
        Ok((clock.stop(self.size * count, 0)?, copiers))
    }
}

/// Time and CPU from here on.
struct Clock {
    sender: String,
    at: (Instant, f64, f64),
}

impl Clock {
    fn start(sender: &str) -> anyhow::Result<Self> {
        let at = (Instant::now(), cpu(sender)?, cpu("thread-self")?);
        Ok(Self { sender: sender.to_owned(), at })
    }

    fn stop(self, bytes: u64, again: u32) -> anyhow::Result<Copy> {
        let (started, sender, receivers) = self.at;
        Ok(Copy {
            bytes,
            seconds: started.elapsed().as_secs_f64(),
            sender: cpu(&self.sender)? - sender,
            receivers: cpu("thread-self")? - receivers,
            again,
        })
    }
}

async fn all<T: 'static>(mut tasks: JoinSet<anyhow::Result<T>>) -> anyhow::Result<Vec<T>> {
    let mut done = Vec::new();
    while let Some(one) = tasks.join_next().await {
        done.push(one??);
    }
    Ok(done)
}

async fn pulls(
    scene: &Scene,
    pullers: Vec<Puller>,
    size: u64,
) -> anyhow::Result<(Copy, Vec<Puller>)> {
    let mut tasks = JoinSet::new();
    let (clock, count) = (Clock::start(&scene.hub.pid().to_string())?, pullers.len() as u64);
    for mut puller in pullers {
        tasks.spawn(async move { puller.pull().await.map(|again| (puller, again)) });
    }
    let (pullers, again): (Vec<_>, Vec<_>) = all(tasks).await?.into_iter().unzip();
    Ok((clock.stop(size * count, again.iter().sum())?, pullers))
}

/// To one component: raw, pulled, and pulled by the simulated device, in turn.
pub(crate) async fn one(
    scene: &Scene,
    report: &mut Report,
    size: u32,
    (lamp, thermostat): (&mut Flash, &Flash),
) -> anyhow::Result<()> {
    let image = scene.release("lamp", 2, size)?;
    let plain = Plain::of(scene, &image)?;
    let mut copiers = vec![Copier::open(plain.server.port, lamp).await?];
    let mut puller = Puller::open(scene.hub.mqtt_port, lamp).await?;
    puller.accept(&fs::read(scene.anchor())?).await?;
    let device = Simulated::start(scene, thermostat)?;
    let mut pullers = vec![puller];
    for round in 0..ROUNDS {
        let copy;
        (copy, copiers) = plain.copies(copiers).await?;
        report.copy(Row::RawOne, copy);
        let copy;
        (copy, pullers) = pulls(scene, pullers, size.into()).await?;
        report.copy(Row::PulledOne, copy);
        let clock = Clock::start(&scene.hub.pid().to_string())?;
        scene.release("thermostat", 2 + round, size)?;
        let seconds = device.update()?;
        // The hub also fetched and verified the image meanwhile: its CPU time is no figure here.
        let copy = clock.stop(size.into(), 0)?;
        report.copy(Row::DeviceOne, Copy { seconds, sender: 0.0, receivers: 0.0, ..copy });
    }
    for puller in &mut pullers {
        puller.cancel().await?;
    }
    Ok(())
}

/// To a hundred at once, half of them of one model and half of another, because a campaign gives its release to
/// 64 at once at most.
pub(crate) async fn many(
    scene: &Scene,
    report: &mut Report,
    size: u32,
    flashes: &mut [Vec<Flash>; 2],
    teller: &Flash,
) -> anyhow::Result<()> {
    let port = scene.hub.mqtt_port;
    let anchor = fs::read(scene.anchor())?;
    let plain = Plain::of(scene, &scene.release("lamp", 3, size)?)?;
    scene.release("camera", 2, size)?;
    for (kind, flashes) in ["lamp", "camera"].into_iter().zip(flashes.iter_mut()) {
        ramp(scene, kind, flashes.first_mut().context("a first one")?, &anchor).await?;
    }
    let idle = resident(scene.hub.pid())?;
    let (mut copiers, mut pullers) = (Vec::new(), Vec::new());
    for flash in flashes.iter_mut().flat_map(|of_kind| of_kind.iter_mut().skip(1)) {
        copiers.push(Copier::open(plain.server.port, flash).await?);
        pullers.push(Puller::open(port, flash).await?);
    }
    let connected = resident(scene.hub.pid())?;
    ["lamp", "camera"].iter().try_for_each(|kind| scene.update("approve", kind))?;
    for puller in &mut pullers {
        puller.accept(&anchor).await?;
    }
    for _ in 0..ROUNDS {
        let copy;
        (copy, copiers) = plain.copies(copiers).await?;
        report.copy(Row::RawMany, copy);
        let (peak, read) = (Peak::watch(scene.hub.pid()), read_bytes(scene.hub.pid())?);
        let telemetry = Telemetry::start(port, teller);
        let copy;
        (copy, pullers) = pulls(scene, pullers, size.into()).await?;
        report.copy(Row::PulledMany, copy);
        report.telemetry(telemetry.end()?);
        let read = read_bytes(scene.hub.pid())?.saturating_sub(read);
        report.hub([idle, connected, peak.end()], read as f64 / f64::from(size));
    }
    let quiet = Telemetry::start(port, teller);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    report.quiet(quiet.end()?);
    Ok(())
}

/// Lets one component call off a release again and again, until the next group is as large as it gets; then the
/// release waits for consent.
async fn ramp(scene: &Scene, kind: &str, flash: &mut Flash, anchor: &[u8]) -> anyhow::Result<()> {
    let mut puller = Puller::open(scene.hub.mqtt_port, flash).await?;
    puller.accept(anchor).await?;
    puller.cancel().await?;
    for _ in 0..RAMP {
        scene.update("retry", kind)?;
        puller.accept(anchor).await?;
        puller.cancel().await?;
    }
    scene.update("pause", kind)
}
