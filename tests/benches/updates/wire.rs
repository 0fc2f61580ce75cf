//! A lean component on the wire: bytes over mutual TLS and no more MQTT than an update needs, so that what is
//! measured is the hub.

use anyhow::Context;
use device_sim::{
    device::{Device, Pace},
    flash::Flash,
    profile::Kinds,
    wire,
};
use protocol::{
    id::ComponentId,
    message::Interval,
    topic::{Down, Route, Up},
};
use rustls::pki_types::CertificateDer;
use std::ops::Range;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// Room for received packets: two of the largest.
const ROOM: usize = 160 * 1024;

/// A session that subscribed and was announced.
pub(crate) struct Session {
    stream: TlsStream<TcpStream>,
    id: ComponentId,
    room: Box<[u8]>,
    /// What came and was not looked at yet.
    here: Range<usize>,
    last: u16,
}

/// What came from the hub.
pub(crate) enum Packet {
    /// A message, and where its payload is.
    Message(Down, Range<usize>),
    /// The acknowledgement of what was published last.
    Acknowledged,
}

/// A TLS connection of a component.
pub(crate) async fn connect(port: u16, flash: &Flash) -> anyhow::Result<TlsStream<TcpStream>> {
    let own = flash.credentials.as_ref().context("an enrolled component")?;
    let ca = CertificateDer::from(own.ca.clone());
    wire::connect(wire::client_config(&ca, Some(&wire::identity(own)))?, "localhost", port).await
}

impl Session {
    /// Connects, subscribes to what updates need and announces itself; its memory counts on.
    pub(crate) async fn open(port: u16, flash: &mut Flash) -> anyhow::Result<Self> {
        let id = flash.credentials.as_ref().context("an enrolled component")?.id;
        let stream = connect(port, flash).await?;
        let room = vec![0; ROOM].into_boxed_slice();
        let mut session = Self { stream, id, room, here: 0..0, last: 0 };
        let name = id.to_string();
        let mut packet = vec![0x10, 12 + name.len() as u8, 0, 4];
        packet.extend(b"MQTT\x04\x02\x02\x00");
        packet.extend([0, name.len() as u8]);
        packet.extend(name.as_bytes());
        session.write(&packet).await?;
        anyhow::ensure!(session.read_packet().await?.0 == 0x20, "not let in");
        for down in [Down::UpdateOffer, Down::UpdateBlock] {
            session.subscribe(down).await?;
        }
        let announcement = announcement(flash)?;
        session.say(Up::Announce, &announcement).await?;
        Ok(session)
    }

    async fn subscribe(&mut self, down: Down) -> anyhow::Result<()> {
        let topic = Route::Down(self.id, down).to_string();
        let mut packet = vec![0x82, (5 + topic.len()) as u8, 0, 1, 0, topic.len() as u8];
        packet.extend(topic.as_bytes());
        packet.push(1);
        self.write(&packet).await?;
        let (kind, body) = self.read_packet().await?;
        let granted = kind == 0x90 && self.room[body.end - 1] <= 1;
        anyhow::ensure!(granted, "not subscribed to {topic}");
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Publishes at QoS 1 and waits for the acknowledgement; what else comes meanwhile is dropped.
    pub(crate) async fn say(&mut self, up: Up, payload: &[u8]) -> anyhow::Result<()> {
        self.publish(up, payload, 1).await?;
        while !matches!(self.next().await?, Packet::Acknowledged) {}
        Ok(())
    }

    pub(crate) async fn publish(&mut self, up: Up, payload: &[u8], qos: u8) -> anyhow::Result<()> {
        let topic = Route::Up(self.id, up).to_string();
        let length = 2 + topic.len() + 2 * usize::from(qos) + payload.len();
        let mut packet = vec![0x30 | qos << 1];
        match (length & 0x7f, length >> 7) {
            (low, 0) => packet.push(low as u8),
            (low, high) => packet.extend([low as u8 | 0x80, high as u8]),
        }
        packet.extend((topic.len() as u16).to_be_bytes());
        packet.extend(topic.as_bytes());
        if qos > 0 {
            self.last = self.last % 60_000 + 1;
            packet.extend(self.last.to_be_bytes());
        }
        packet.extend(payload);
        self.write(&packet).await
    }

    /// The next thing from the hub; messages of QoS 1 are acknowledged.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Packet> {
        let (kind, body) = self.read_packet().await?;
        let two = |at: usize| u16::from_be_bytes([self.room[at], self.room[at + 1]]);
        match kind {
            0x40 if two(body.start) == self.last => Ok(Packet::Acknowledged),
            0x30 | 0x32 => {
                let topic = body.start + 2..body.start + 2 + usize::from(two(body.start));
                let mut payload = topic.end..body.end;
                let route = Route::parse(std::str::from_utf8(&self.room[topic])?)?;
                if kind == 0x32 {
                    let [high, low] = two(payload.start).to_be_bytes();
                    payload.start += 2;
                    self.write(&[0x40, 2, high, low]).await?;
                }
                let Route::Down(_, down) = route else { anyhow::bail!("{route} came down") };
                Ok(Packet::Message(down, payload))
            }
            _ => anyhow::bail!("a packet of kind {kind:#x} came"),
        }
    }

    pub(crate) fn bytes(&self, at: Range<usize>) -> &[u8] {
        &self.room[at]
    }

    /// First byte of the next packet, and where the rest of it after its length is.
    async fn read_packet(&mut self) -> anyhow::Result<(u8, Range<usize>)> {
        loop {
            if let Some((kind, body)) = packet(&self.room[self.here.clone()]) {
                let body = self.here.start + body.start..self.here.start + body.end;
                self.here.start = body.end;
                return Ok((kind, body));
            }
            if self.here.is_empty() {
                self.here = 0..0;
            } else if self.here.end == self.room.len() {
                self.room.copy_within(self.here.clone(), 0);
                self.here = 0..self.here.len();
            }
            let read = self.stream.read(&mut self.room[self.here.end..]).await?;
            anyhow::ensure!(read > 0, "the hub hung up");
            self.here.end += read;
        }
    }
}

/// The first packet in these bytes, if it is whole.
fn packet(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    let (mut length, mut at) = (0_usize, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (bytes.len() >= at + length).then(|| (bytes[0], at..at + length))
}

/// What the component announces in its next life.
fn announcement(flash: &mut Flash) -> anyhow::Result<Vec<u8>> {
    let interval = Interval::new(3600).context("an interval")?;
    let profile = Kinds::built_in()?.named(&flash.kind)?.clone();
    let pace = Pace { interval, stream: 0, log: 0 };
    let mut device = Device::new(profile, flash.clone(), pace, flash.seq)?;
    device.count_on();
    *flash = device.flash().clone();
    Ok(device.announcement())
}
