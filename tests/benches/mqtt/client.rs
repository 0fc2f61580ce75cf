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
        Ok(Self { stream, topic, next: 0, buffer: vec![0; 4096] })
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

    pub(crate) async fn swallow(&mut self) -> anyhow::Result<()> {
        loop {
            anyhow::ensure!(self.stream.read(&mut self.buffer).await? > 0, "closed");
        }
    }
}
