//! The line to the maker's cloud: one MQTT 5 connection with mutual TLS, always tried again.

use super::shipping::Shipping;
use crate::{
    pki::{PkiError, files, maker, signatures_of_inner},
    run::HubCell,
    settings::CloudSettings,
};
use hub_core::{Answer, Input, Uplink};
use mqtt_endpoint::tls::provider;
use protocol::{
    cbor::{self, DecodeError},
    id::{Digest, Note},
    message::{CloudAnswer, CloudAsk, CloudHello, Lost, UplinkAck, V1},
    refusal::Refusal,
    topic::{FromCloud, Route, ToCloud},
};
use rumqttc::{
    NetworkOptions, TlsConfiguration, Transport,
    v5::{
        AsyncClient, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{LastWill, Packet},
        },
    },
};
use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore,
    client::{
        WebPkiServerVerifier,
        danger::{ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    path::Path,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Messages on their way to the cloud; further ones are not made until there is room.
const QUEUE: usize = 16;

/// Unacknowledged messages. Without it rumqttc makes room for 65,535 in advance, 14 MB.
const IN_FLIGHT: u16 = 16;

/// How often the status is looked at.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// First and longest wait between two tries.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// What the connection is made of.
pub struct Link {
    settings: CloudSettings,
    tls: Arc<ClientConfig>,
    /// The key of the cloud's certificate, as the last handshake saw it.
    seen: Arc<Mutex<Option<Digest>>>,
}

impl Link {
    /// Reads the certificates the settings name.
    ///
    /// # Errors
    /// When a file is exposed, unreadable or not what it should be.
    pub fn new(settings: &CloudSettings) -> Result<Self, PkiError> {
        let seen = Arc::default();
        let tls = Arc::new(client_config(settings, Arc::clone(&seen))?);
        Ok(Self { settings: settings.clone(), tls, seen })
    }
}

/// TLS with the cloud's roots and the hub's certificate for it, for other services of the maker.
///
/// # Errors
/// When a file is exposed, unreadable or not what it should be.
pub fn tls(settings: &CloudSettings) -> Result<Arc<ClientConfig>, PkiError> {
    let (roots, chain, key) = credentials(settings)?;
    let signing = |e: &dyn std::fmt::Display| PkiError::Signing(e.to_string());
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| signing(&e))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|e| signing(&e))?;
    Ok(Arc::new(config))
}

/// TLS to a service that shows a certificate below these roots and asks for none.
///
/// # Errors
/// When the file is unreadable or holds no roots.
pub fn tls_to(roots: &Path) -> Result<Arc<ClientConfig>, PkiError> {
    let signing = |e: &dyn std::fmt::Display| PkiError::Signing(e.to_string());
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| signing(&e))?
        .with_root_certificates(trusted(roots)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Keeps the line up for as long as the daemon lives.
pub async fn run(cell: Rc<HubCell>, link: Link) {
    let hub = cell.ca().hub_id();
    let mut options = MqttOptions::new(hub.to_string(), &link.settings.host, link.settings.port);
    options
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_keep_alive(Duration::from_secs(30))
        .set_clean_start(true)
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(link.tls.clone())))
        .set_last_will(LastWill::new(
            Route::ToCloud(hub, ToCloud::Lost).to_string(),
            cbor::encode(&Lost { version: V1 }),
            QoS::AtLeastOnce,
            false,
            None,
        ));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, mut events) = AsyncClient::new(options, QUEUE);
    let mut wait = BACKOFF.0;
    let mut shipping = Shipping::new(cell.clone(), link.settings.drain).await;
    loop {
        let why = serve(&cell, &link, (&client, &mut events), &mut shipping, &mut wait).await;
        cell.apply(Input::Uplink(Uplink::Down(why)));
        tokio::time::sleep(jittered(wait)).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// Serves one connection; the answer is why it ended.
async fn serve(
    cell: &Rc<HubCell>,
    link: &Link,
    (client, events): (&AsyncClient, &mut EventLoop),
    shipping: &mut Shipping,
    wait: &mut Duration,
) -> String {
    let mut status = tokio::time::interval(STATUS_EVERY);
    let mut shown = None;
    let mut up = false;
    loop {
        tokio::select! {
            event = events.poll() => match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    *wait = BACKOFF.0;
                    up = true;
                    connected(cell, link, client);
                    shipping.connected();
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    said(cell, client, shipping, (&publish.topic, &publish.payload)).await;
                }
                Ok(_) => {}
                Err(error) => return error.to_string(),
            },
            _ = status.tick(), if up => report(cell, client, &mut shown),
            ready = shipping.next(), if up => {
                ready.into_iter().for_each(|ready| shipping.send(client, ready));
            }
        }
    }
}

fn connected(cell: &HubCell, link: &Link, client: &AsyncClient) {
    let seen = *link.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = seen {
        cell.apply(Input::Uplink(Uplink::Up(key)));
    }
    for what in [FromCloud::Hello, FromCloud::Ask, FromCloud::LogAck] {
        let topic = Route::FromCloud(cell.ca().hub_id(), what).to_string();
        // A full queue means that the connection is gone; the next one subscribes again.
        let _ = client.try_subscribe(topic, QoS::AtLeastOnce);
    }
}

async fn said(
    cell: &Rc<HubCell>,
    client: &AsyncClient,
    shipping: &mut Shipping,
    (topic, payload): (&[u8], &[u8]),
) {
    let route = std::str::from_utf8(topic).ok().and_then(|topic| Route::parse(topic).ok());
    let Some(Route::FromCloud(hub, what)) = route else { return };
    if hub != cell.ca().hub_id() {
        return;
    }
    let limit = Route::FromCloud(hub, what).limits().max_payload;
    match what {
        FromCloud::Hello => match cbor::decode::<CloudHello>(payload, limit) {
            Ok(hello) => drop(cell.apply(Input::Uplink(Uplink::Hello(hello)))),
            Err(error) => malformed(cell, "hello", &error),
        },
        FromCloud::Ask => match cbor::decode::<CloudAsk>(payload, limit) {
            Ok(ask) => asked(cell, client, ask).await,
            Err(error) => malformed(cell, "ask", &error),
        },
        FromCloud::LogAck => match cbor::decode::<UplinkAck>(payload, limit) {
            Ok(ack) => shipping.answered(&ack),
            Err(error) => malformed(cell, "log/ack", &error),
        },
    }
}

fn malformed(cell: &HubCell, what: &str, error: &DecodeError) {
    let about = format!("the cloud's {what}: {error}");
    cell.apply(Input::Denied { who: None, from: None, refusal: Refusal::Malformed, about });
}

/// Answers when what it changed is durable. Meanwhile the line waits: the cloud asks one thing at a time.
async fn asked(cell: &Rc<HubCell>, client: &AsyncClient, ask: CloudAsk) {
    let seq = ask.seq;
    let (refusal, detail) = match cell.apply_durably(Input::CloudAsk(ask)).await {
        Ok(Answer::Refused { why, detail, .. }) => (Some(why), detail),
        Ok(_) => (None, String::new()),
        Err(why) => (Some(why), String::new()),
    };
    let short: String = detail.chars().take(160).collect();
    let answer = CloudAnswer { version: V1, seq, refusal, detail: Note::new(&short).ok() };
    let topic = Route::ToCloud(cell.ca().hub_id(), ToCloud::Answer).to_string();
    // A full queue means that the connection is gone; the cloud asks again and is told of the replay.
    let _ = client.try_publish(topic, QoS::AtLeastOnce, false, cbor::encode(&answer));
}

/// Tells the cloud how the product is, when that changed.
fn report(cell: &HubCell, client: &AsyncClient, shown: &mut Option<Vec<(&'static str, usize)>>) {
    let now = cell.now().wall;
    let counts = cell.look(|hub| hub.status(now).components.into_iter().collect::<Vec<_>>());
    if shown.as_ref() == Some(&counts) {
        return;
    }
    let topic = Route::ToCloud(cell.ca().hub_id(), ToCloud::Status).to_string();
    if client.try_publish(topic, QoS::AtLeastOnce, true, cell.next_status()).is_ok() {
        *shown = Some(counts);
    }
}

/// Half to all of the wait, so that many hubs do not return at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness all wait the whole time.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    wait - wait.mul_f64(f64::from(byte[0]) / 512.0)
}

type Credentials = (RootCertStore, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn content(path: &Path, what: &'static str, why: String) -> PkiError {
    PkiError::Content { path: path.display().to_string(), what, why }
}

fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    std::fs::read(path)
        .map_err(|e| PkiError::File { path: path.display().to_string(), why: e.to_string() })
}

fn trusted(path: &Path) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    let found = maker::certificates(&read(path)?);
    for root in found.map_err(|why| content(path, "root certificates", why))? {
        roots.add(root).map_err(|e| content(path, "root certificates", e.to_string()))?;
    }
    Ok(roots)
}

fn credentials(settings: &CloudSettings) -> Result<Credentials, PkiError> {
    let roots = trusted(&settings.roots)?;
    let chain = maker::certificates(&read(&settings.certificate)?);
    let chain = chain.map_err(|why| content(&settings.certificate, "a certificate", why))?;
    let key = files::read_secret(&settings.key)?;
    let key =
        key.ok_or_else(|| content(&settings.key, "a private key", "there is no such file".into()))?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|e| content(&settings.key, "a private key", e.to_string()))?;
    Ok((roots, chain, key))
}

fn client_config(
    settings: &CloudSettings,
    seen: Arc<Mutex<Option<Digest>>>,
) -> Result<ClientConfig, PkiError> {
    let (roots, chain, key) = credentials(settings)?;
    let signing = |e: &dyn std::fmt::Display| PkiError::Signing(e.to_string());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|e| signing(&e))?;
    let name = ServerName::try_from(settings.server_name.clone());
    let name = name.map_err(|_| {
        content(&settings.roots, "the name in cloud.server_name", "not a host name".into())
    })?;
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| signing(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Seen { inner, name, seen }))
        .with_client_auth_cert(chain, key)
        .map_err(|e| content(&settings.key, "the key of cloud.certificate", e.to_string()))
}

/// The usual verification against the name in the settings; remembers the key it verified.
#[derive(Debug)]
struct Seen {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
    seen: Arc<Mutex<Option<Digest>>>,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.inner.verify_server_cert(certificate, between, &self.name, ocsp, now)?;
        let known =
            crate::pki::certificate::facts(certificate).ok_or(CertificateError::BadEncoding)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.certificate.key);
        Ok(verified)
    }

    signatures_of_inner!();
}
