//! Messages from one client to another: the hub judges, records, signs and delivers them, mosquitto only
//! delivers them. Both are QoS 1 on both ways, with the same payload going in.

use crate::{
    Load,
    client::Client,
    server::{Kind, Server},
};
use device_sim::flash::Flash;
use std::time::{Duration, Instant};

/// Messages of one pair on their way at once.
const WINDOW: u16 = 16;

/// A sender and its receiver.
struct Pair {
    sender: Client,
    receiver: Client,
}

impl Pair {
    async fn open(server: &Server, kind: Kind, who: &[Flash]) -> anyhow::Result<Self> {
        let id = |flash: &Flash| flash.credentials.as_ref().map(|own| own.id.to_string());
        let (sender, receiver) = (id(&who[0]).unwrap_or_default(), id(&who[1]).unwrap_or_default());
        let (topic, heard) = if kind == Kind::Mosquitto {
            (format!("relay/{receiver}"), format!("relay/{receiver}"))
        } else {
            (format!("p/{sender}/command/{receiver}/take"), format!("p/{receiver}/relayed"))
        };
        let mut receiving = Client::connect(server.port, &who[1]).await?;
        receiving.subscribe(&heard).await?;
        let sending = Client::connect(server.port, &who[0]).await?.publishing_to(topic);
        Ok(Self { sender: sending, receiver: receiving })
    }

    /// Sends whole windows until the time is over; the answer is how many came through.
    async fn run(mut self, until: Instant) -> anyhow::Result<u64> {
        let mut through = 0;
        while Instant::now() < until {
            self.sender.send(WINDOW).await?;
            tokio::try_join!(
                self.sender.take_acknowledgements(WINDOW),
                self.receiver.take(WINDOW)
            )?;
            through += u64::from(WINDOW);
        }
        Ok(through)
    }
}

/// Messages per second through so many pairs, and the server's CPU for each.
pub(crate) async fn load(
    server: &Server,
    kind: Kind,
    who: &[Flash],
    time: Duration,
) -> anyhow::Result<Load> {
    let mut pairs = Vec::new();
    for two in who.chunks_exact(2) {
        pairs.push(Pair::open(server, kind, two).await?);
    }
    let (before, started) = (server.cpu(), Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for pair in pairs {
        tasks.spawn(pair.run(started + time));
    }
    let mut total = 0;
    while let Some(done) = tasks.join_next().await {
        total += done??;
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), server.cpu() - before);
    Ok(Load { rate: total as f64 / seconds, cpu: cpu.as_secs_f64() * 1e6 / total as f64 })
}

/// Milliseconds from publish to delivery with one message in flight: p50 and p99.
pub(crate) async fn latency(
    server: &Server,
    kind: Kind,
    who: &[Flash],
) -> anyhow::Result<(f64, f64)> {
    let Pair { mut sender, mut receiver } = Pair::open(server, kind, who).await?;
    let mut times = Vec::new();
    for _ in 0..2000 {
        let started = Instant::now();
        sender.send(1).await?;
        receiver.take(1).await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        sender.take_acknowledgements(1).await?;
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}
