//! One more component that says values, one at a time, in a thread of its own: how long until each is acknowledged.

use crate::wire::Session;
use device_sim::flash::Flash;
use protocol::{id::Slug, topic::Up};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Time between two values: the lamp's definition allows 200 a second.
const PAUSE: Duration = Duration::from_millis(10);

/// What the lamp's definition allows on its stream `power`: `{"value": 50}`.
const VALUE: &[u8] = b"\xa1\x65value\x18\x32";

/// A component that talks.
pub(crate) struct Telemetry {
    over: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Vec<f64>>>,
}

impl Telemetry {
    pub(crate) fn start(port: u16, flash: &Flash) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (ends, mut flash) = (over.clone(), flash.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(talk(port, &mut flash, &ends))
        });
        Self { over, thread }
    }

    /// Milliseconds from publish to acknowledgement, in order of size.
    pub(crate) fn end(self) -> anyhow::Result<Vec<f64>> {
        self.over.store(true, Ordering::Relaxed);
        let times = self.thread.join().map_err(|_| anyhow::anyhow!("the telemetry panicked"))?;
        let mut times = times?;
        times.sort_by(f64::total_cmp);
        Ok(times)
    }
}

async fn talk(port: u16, flash: &mut Flash, over: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut session = Session::open(port, flash).await?;
    let stream = Up::Stream(Slug::new("power")?);
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        session.say(stream.clone(), VALUE).await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}
