//! Revocation: at once, also with TLS resumption, also after a restart.

use crate::scene::Scene;
use device_sim::{flash::Flash, wire};
use rumqttc::v5::mqttbytes::v5::{Connect, Packet};
use rustls::{ClientConfig, HandshakeKind, pki_types::CertificateDer};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tests::harness::Hub;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// Longest time a live session may outlive its revocation.
const LIMIT: Duration = Duration::from_secs(1);

struct Session {
    stream: TlsStream<TcpStream>,
    received: bytes::BytesMut,
}

impl Session {
    async fn open(hub: &Hub, config: Arc<ClientConfig>, id: &str) -> anyhow::Result<Self> {
        let mut stream = wire::connect(config, "localhost", hub.mqtt_port).await?;
        let connect =
            Connect { keep_alive: 60, client_id: id.into(), clean_start: true, properties: None };
        let mut bytes = bytes::BytesMut::new();
        Packet::Connect(connect, None, None)
            .write(&mut bytes, None)
            .map_err(|e| anyhow::anyhow!("{e:?}"))?;
        stream.write_all(&bytes).await?;
        let mut session = Self { stream, received: bytes::BytesMut::new() };
        match session.packet().await {
            Some(Packet::ConnAck(_)) => Ok(session),
            other => anyhow::bail!("not let in: {other:?}"),
        }
    }

    async fn packet(&mut self) -> Option<Packet> {
        loop {
            if let Ok(packet) = Packet::read(&mut self.received, None) {
                return Some(packet);
            }
            if self.stream.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        }
    }
}

fn config(flash: &Flash) -> Arc<ClientConfig> {
    let own = flash.credentials.as_ref().unwrap();
    wire::client_config(&CertificateDer::from(own.ca.clone()), Some(&wire::identity(own))).unwrap()
}

/// Criterion: T3.LA.1a (negative)
/// Criterion: T3.LA.1c (negative)
/// Criterion: T1.LA.5a (negative)
#[test]
fn a_revoked_component_is_cut_within_a_second_and_stays_out() {
    let scene = Scene::with(&[]);
    let mut fleet = scene.active_fleet(1, 1);
    let one = fleet.truth().unwrap().remove(0);
    fleet.stop().unwrap();
    let id = one.id.unwrap();
    let flash = Flash::read(&fleet.state(), &one.serial).unwrap().unwrap();
    let resumable = config(&flash);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let first = Session::open(&scene.hub, resumable.clone(), &id).await.unwrap();
        drop(first);
        let mut live = Session::open(&scene.hub, resumable.clone(), &id).await.unwrap();
        assert_eq!(live.stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
        scene.hub.json(&["component", "revoke", &id, "--reason", "stolen"]).unwrap();
        let revoked = Instant::now();
        let last = tokio::time::timeout(LIMIT, live.packet()).await.expect("cut within a second");
        println!("cut {} ms after the owner's command was answered", revoked.elapsed().as_millis());
        assert!(matches!(last, Some(Packet::Disconnect(_)) | None), "{last:?}");
        for config in [resumable.clone(), config(&flash)] {
            assert!(
                Session::open(&scene.hub, config, &id).await.is_err(),
                "resumed or not, it stays out"
            );
        }
    });
    let plan = scene.hub.kill().unwrap();
    let hub = Hub::start(plan).unwrap();
    runtime.block_on(async {
        for config in [resumable, config(&flash)] {
            assert!(Session::open(&hub, config, &id).await.is_err(), "after a restart too");
        }
    });
    assert_eq!(hub.trust(&id).unwrap(), "revoked");
}
