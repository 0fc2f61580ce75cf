//! The load: bytes over mutual TLS, so that the generator costs the same for every server.

use anyhow::Context;
use device_sim::{flash::Flash, profile::Kinds, wire};
use rustls::pki_types::CertificateDer;
use std::time::Instant;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// Messages in flight of one client.
const WINDOW: u16 = 16;

/// Bytes of a payload.
const PAYLOAD: usize = 256;

pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    topic: String,
    next: u16,
    buffer: Vec<u8>,
    /// What came and was not looked at yet.
    pending: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(port: u16, flash: &Flash) -> anyhow::Result<Self> {
        let own = flash.credentials.as_ref().context("an enrolled component")?;
        let kinds = Kinds::built_in()?;
        let topic = format!("p/{}/stream/{}", own.id, kinds.named(&flash.kind)?.streams()[0].name);
        Self::open(port, flash, &own.id.to_string(), topic).await
    }

    /// A second session of a component that hears everything, for the server that forwards.
    pub(crate) async fn subscribe_all(port: u16, flash: &Flash) -> anyhow::Result<Self> {
        let mut client = Self::open(port, flash, "subscriber", String::new()).await?;
        client.stream.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 0]).await?;
        client.stream.flush().await?;
        client.stream.read_exact(&mut [0; 5]).await?;
        Ok(client)
    }

    async fn open(port: u16, flash: &Flash, id: &str, topic: String) -> anyhow::Result<Self> {
        let own = flash.credentials.as_ref().context("an enrolled component")?;
        let tls =
            wire::client_config(&CertificateDer::from(own.ca.clone()), Some(&wire::identity(own)))?;
        let mut stream = wire::connect(tls, "localhost", port).await?;
        let mut packet = vec![0x10, 12 + id.len() as u8, 0, 4];
        packet.extend(b"MQTT\x04\x02\x02\x00");
        packet.extend([0, id.len() as u8]);
        packet.extend(id.as_bytes());
        stream.write_all(&packet).await?;
        stream.flush().await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        anyhow::ensure!(answer == [0x20, 2, 0, 0], "not let in: {answer:?}");
        Ok(Self { stream, topic, next: 0, buffer: vec![0; 4096], pending: Vec::new() })
    }

    /// Publishes with a full window until the time is over; the answer is how many were acknowledged.
    pub(crate) async fn publish_until(&mut self, until: Instant) -> anyhow::Result<u64> {
        let (mut flying, mut done) = (0, 0);
        loop {
            let mut out = Vec::new();
            while flying < WINDOW && Instant::now() < until {
                self.put(&mut out);
                flying += 1;
            }
            if flying == 0 {
                return Ok(done);
            }
            self.stream.write_all(&out).await?;
            self.stream.flush().await?;
            let read = self.stream.read(&mut self.buffer).await?;
            anyhow::ensure!(read > 0 && read % 4 == 0, "whole acknowledgements");
            let acknowledged = u16::try_from(read / 4)?;
            flying -= acknowledged;
            done += u64::from(acknowledged);
        }
    }

    pub(crate) async fn publish_one(&mut self) -> anyhow::Result<()> {
        let mut out = Vec::new();
        self.put(&mut out);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        self.stream.read_exact(&mut [0; 4]).await?;
        Ok(())
    }

    /// A PUBLISH of QoS 1 whose payload is a map with a text key, as the contract wants it.
    fn put(&mut self, out: &mut Vec<u8>) {
        self.next = self.next % 60_000 + 1;
        let body = 2 + self.topic.len() + 2 + PAYLOAD;
        out.extend([0x32, (body & 0x7f) as u8 | 0x80, (body >> 7) as u8]);
        out.extend((self.topic.len() as u16).to_be_bytes());
        out.extend(self.topic.as_bytes());
        out.extend(self.next.to_be_bytes());
        out.extend([0xa1, 0x61, b'd', 0x58, (PAYLOAD - 5) as u8]);
        out.resize(out.len() + PAYLOAD - 5, self.next as u8);
    }

    /// The same client, which publishes there.
    pub(crate) fn publishing_to(self, topic: String) -> Self {
        Self { topic, ..self }
    }

    /// Subscribes to a topic at QoS 1.
    pub(crate) async fn subscribe(&mut self, topic: &str) -> anyhow::Result<()> {
        let mut packet = vec![0x82, (5 + topic.len()) as u8, 0, 1, 0, topic.len() as u8];
        packet.extend(topic.as_bytes());
        packet.push(1);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
        let mut answer = [0; 5];
        self.stream.read_exact(&mut answer).await?;
        anyhow::ensure!(answer[4] == 1, "not subscribed: {answer:?}");
        Ok(())
    }

    /// Publishes so many at once.
    pub(crate) async fn send(&mut self, count: u16) -> anyhow::Result<()> {
        let mut out = Vec::new();
        (0..count).for_each(|_| self.put(&mut out));
        self.stream.write_all(&out).await?;
        Ok(self.stream.flush().await?)
    }

    /// Waits for so many acknowledgements.
    pub(crate) async fn take_acknowledgements(&mut self, count: u16) -> anyhow::Result<()> {
        let mut left = usize::from(count) * 4;
        while left > 0 {
            let most = left.min(self.buffer.len());
            let read = self.stream.read(&mut self.buffer[..most]).await?;
            anyhow::ensure!(read > 0, "closed");
            anyhow::ensure!(
                self.buffer[0] == 0x40 || read < 4,
                "refused: {:?}",
                &self.buffer[..read]
            );
            left -= read;
        }
        Ok(())
    }

    /// Waits for so many messages at QoS 1 and acknowledges them.
    pub(crate) async fn take(&mut self, count: u16) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let read = self.stream.read(&mut self.buffer).await?;
            anyhow::ensure!(read > 0, "closed");
            self.pending.extend(&self.buffer[..read]);
            let (mut out, mut at) = (Vec::new(), 0);
            while let Some((identifier, end)) = published(&self.pending[at..]) {
                out.extend([0x40, 2, identifier[0], identifier[1]]);
                at += end;
                left = left.saturating_sub(1);
            }
            self.pending.drain(..at);
            if !out.is_empty() {
                self.stream.write_all(&out).await?;
                self.stream.flush().await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn swallow(&mut self) -> anyhow::Result<()> {
        loop {
            anyhow::ensure!(self.stream.read(&mut self.buffer).await? > 0, "closed");
        }
    }
}

/// Packet identifier and length of the whole PUBLISH at QoS 1 that these bytes begin with.
fn published(bytes: &[u8]) -> Option<([u8; 2], usize)> {
    let (mut length, mut at) = (0_usize, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = bytes.get(at..at + length)?;
    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
    Some(([body[2 + topic], body[3 + topic]], at + length))
}
