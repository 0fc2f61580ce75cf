//! A bare MQTT 5 client that speaks packets one by one, also those that no library would send.

use super::PATIENCE;
use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{Connect, LastWill, Login, Packet};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connection.
pub(super) struct Raw {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) received: BytesMut,
}

impl Raw {
    pub(super) async fn connect(
        &mut self,
        client_id: &str,
        will: Option<LastWill>,
    ) -> anyhow::Result<()> {
        let connect = Connect {
            keep_alive: 60,
            client_id: client_id.into(),
            clean_start: true,
            properties: None,
        };
        let login: Option<Login> = None;
        self.send(Packet::Connect(connect, will, login)).await
    }

    pub(super) async fn send(&mut self, packet: Packet) -> anyhow::Result<()> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        self.write(&bytes).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next packet; nothing at the end of the stream.
    pub(super) async fn read(&mut self) -> std::io::Result<Option<Packet>> {
        let read = async {
            loop {
                if let Ok(packet) = Packet::read(&mut self.received, None) {
                    return Ok(Some(packet));
                }
                if self.stream.read_buf(&mut self.received).await? == 0 {
                    return Ok(None);
                }
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }

    pub(super) async fn packet(&mut self) -> Option<Packet> {
        self.read().await.ok().flatten()
    }

    /// Acknowledgements and notices pass by; what counts is whether the hub ends the session. An
    /// accepted announcement is followed by nothing more, so an acknowledgement ends the wait.
    #[expect(clippy::wildcard_enum_match_arm, reason = "another library's list, which may grow")]
    pub(super) async fn until_disconnect_or_ack(&mut self) -> Option<Packet> {
        let mut acknowledged = None;
        while let Some(packet) = self.packet().await {
            match packet {
                Packet::Disconnect(_) => return Some(packet),
                Packet::PubAck(_) if acknowledged.is_none() => {
                    acknowledged = Some(packet);
                    self.send(Packet::PingReq(rumqttc::v5::mqttbytes::v5::PingReq)).await.ok()?;
                }
                Packet::PingResp(_) => return acknowledged,
                _ => {}
            }
        }
        None
    }
}
