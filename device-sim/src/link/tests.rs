//! A device on real sockets: a hub of a few lines serves an update through rumqttc.

use super::*;
use crate::{
    device::Pace,
    flash::Flash,
    update::tests::releases::{Keys, Release, at_offer, job, lamp},
};
use bytes::BytesMut;
use protocol::{
    id::{ComponentId, Digest, Nonce},
    message::{
        Blob, Block, BlockRequest, BlockSize, Interval, UpdateControl, UpdateObject, UpdateOrder,
        UpdateStatus, UpdateStep,
    },
    signed::Signed,
    topic::Down,
    update::REPORT,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

struct Nobody;

impl Observer for Nobody {
    fn save(&self, _: &Device) {}
    fn acknowledged(&self, _: &Device, _: Token, _: &str, _: &[u8]) {}
    fn refused(&self, _: &Device, _: &str, _: &str) {}
    fn believed(&self, _: &Device, _: &Assertion) {}
    fn disbelieved(&self, _: &Device, _: Disbelief) {}
    fn changed(&self, _: &Device) {}
    fn not_enrolled(&self, _: &Device, _: &str) {}
}

/// A CA, and a server that it vouches for.
fn server() -> (Vec<u8>, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().der().to_vec();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    (ca, TlsAcceptor::from(Arc::new(config)))
}

/// What the hub knows over all connections.
struct SmallHub {
    own: ComponentId,
    offer: Option<Vec<u8>>,
    release: Release,
    steps: Vec<UpdateStep>,
    subscribed: usize,
    lives: usize,
    report: Option<Vec<u8>>,
}

impl SmallHub {
    async fn serve(&mut self, mut stream: TlsStream<TcpStream>) {
        let mut received = BytesMut::new();
        (self.lives, self.subscribed) = (self.lives + 1, 0);
        loop {
            while let Ok(packet) = Packet::read(&mut received, None) {
                for answer in self.answer(packet) {
                    let mut bytes = BytesMut::new();
                    answer.write(&mut bytes, None).unwrap();
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                if self.report.is_some() {
                    return;
                }
            }
            match stream.read_buf(&mut received).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "another library's list, which may grow")]
    fn answer(&mut self, packet: Packet) -> Vec<Packet> {
        match packet {
            Packet::Connect(connect, ..) => {
                let limit = connect.properties.unwrap().max_packet_size.unwrap();
                assert!(limit as usize > MAX_BLOCK_MESSAGE + MAX_TOPIC);
                let code = ConnectReturnCode::Success;
                vec![Packet::ConnAck(ConnAck { session_present: false, code, properties: None })]
            }
            Packet::Subscribe(subscribe) => {
                self.subscribed += 1;
                let return_codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
                let pkid = subscribe.pkid;
                let ack = Packet::SubAck(SubAck { pkid, return_codes, properties: None });
                let offer = self.offer.take_if(|_| self.subscribed == 6);
                let offer = offer.map(|offer| self.down(Down::UpdateOffer, offer));
                [ack].into_iter().chain(offer).collect()
            }
            Packet::Publish(publish) => {
                let ack = Some(Packet::PubAck(PubAck::new(publish.pkid, None)));
                let ack = ack.filter(|_| publish.qos == QoS::AtLeastOnce);
                ack.into_iter().chain(self.published(&publish)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn down(&self, down: Down, payload: Vec<u8>) -> Packet {
        let topic = Route::Down(self.own, down).to_string();
        let mut publish = Publish::new(topic, QoS::AtMostOnce, payload, None);
        if down != Down::UpdateBlock {
            (publish.qos, publish.pkid) = (QoS::AtLeastOnce, 7);
        }
        Packet::Publish(publish)
    }

    fn published(&mut self, publish: &Publish) -> Vec<Packet> {
        let topic = std::str::from_utf8(&publish.topic).unwrap();
        let Ok(Route::Up(_, up)) = Route::parse(topic) else { panic!("{topic}") };
        if up == Up::UpdateReport {
            self.report = Some(publish.payload.to_vec());
        }
        if up == Up::UpdateRequest {
            return self.blocks(&cbor::decode(&publish.payload, 64).unwrap());
        }
        if up != Up::UpdateStatus {
            return Vec::new();
        }
        let status: UpdateStatus = cbor::decode(&publish.payload, 512).unwrap();
        self.steps.push(status.step);
        let (job, order) = (crate::update::NO_JOB, UpdateOrder::Report);
        let ask = UpdateControl { job, order, nonce: Some(Nonce([5; 16])) };
        let confirmed = status.step == UpdateStep::Confirmed;
        let ask = confirmed.then(|| self.down(Down::UpdateControl, cbor::encode(&ask)));
        ask.into_iter().collect()
    }

    fn blocks(&self, request: &BlockRequest) -> Vec<Packet> {
        let bytes = match request.object {
            UpdateObject::Image => &self.release.image,
            UpdateObject::Chunks => &self.release.list,
        };
        let length = request.length.get() as usize;
        let whole = bytes[request.offset as usize..].chunks(length);
        let (job, object) = (request.job, request.object);
        whole
            .take(request.count.get().into())
            .zip((request.offset..).step_by(length))
            .map(|(data, offset)| {
                let data = Blob::new(data.to_vec());
                let block = Block { job, object, offset, data, fault: None };
                self.down(Down::UpdateBlock, cbor::encode(&block))
            })
            .collect()
    }
}

/// Criterion: T1.SU.2 (positive)
#[test]
fn an_update_in_blocks_of_64_kib_goes_through_real_sockets_and_a_restart() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ca, acceptor) = server();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = ComponentId::from_key_digest(&Digest([3; 32]));
        let made = identity::self_signed(own).unwrap();
        let (certificate, key) = (made.chain[0].to_vec(), made.key);
        let mut flash = Flash::factory(&lamp(), "LW-1");
        let validity = (0, 40_000_000_000);
        let mut credentials = crate::flash::Credentials { id: own, certificate, key, ca, validity };
        flash.credentials = Some(credentials.clone());
        let keys = Keys::new(1);
        let pace = Pace { interval: Interval::new(30).unwrap(), stream: 0, log: 0 };
        let device = Device::new(lamp(), flash, pace, 1).unwrap();
        let device = Rc::new(RefCell::new(device.with_anchor(&keys.anchor(1, None))));

        let mut release = Release::new(2, 1_000_000, 65_536, crate::update::Behaviour::Good);
        release.manifest.expires = None;
        let mut offer = at_offer(1, &[], &keys.manifest(&release.manifest, 2));
        offer.block = BlockSize::new(65_536).unwrap();
        let mut hub = SmallHub {
            own,
            offer: Some(cbor::encode(&offer)),
            release,
            steps: Vec::new(),
            subscribed: 0,
            lives: 0,
            report: None,
        };
        let est = Service { host: "localhost".into(), port: 1, fingerprint: Digest([0; 32]) };
        let address = HubAddress { host: "localhost".into(), mqtt: port, est };
        let proof = Proof::Code(String::new());
        let mut runner = Runner::new(device.clone(), address, proof, Nobody);
        let serving = async {
            while hub.report.is_none() {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    hub.serve(stream).await;
                }
            }
        };
        let time = Duration::from_secs(60);
        tokio::select! {
            () = runner.run() => {}
            done = tokio::time::timeout(time, serving) => done.unwrap(),
        }
        use UpdateStep::*;
        let mut steps = hub.steps.clone();
        steps.dedup();
        let path = [Idle, Accepted, Fetching, Verified, Ready, Installing, Trial, Confirmed];
        assert_eq!((steps, hub.lives), (path.to_vec(), 2));
        let signed = Signed::parse(REPORT, &hub.report.unwrap()).unwrap();
        let report: UpdateReport = cbor::decode(signed.payload(), 1024).unwrap();
        assert_eq!((report.counter, report.component), (2, own));
        assert_eq!(report.image, hub.release.manifest.image);
        assert_eq!(signed.chain(), [std::mem::take(&mut credentials.certificate)]);
        assert_eq!(job(1), device.borrow().flash().update.job.as_ref().unwrap().id);
    });
}
