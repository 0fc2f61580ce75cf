//! Incidents are told to a webhook over TLS: signed, in order, again until they arrive, and onward after a restart.

use crate::scene::{Scene, executable};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tests::harness::{Hub, attack, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// 32 bytes that both sides know.
const SECRET: [u8; 32] = *b"thirty-two bytes that both know!";

/// A notice as it came.
#[derive(Clone, Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: String,
}

/// A receiver with a certificate of its own; it gives the answers it was told, then 204.
struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    fn start(folder: &Path, answers: &[u16]) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        fs::write(folder.join("receiver.pem"), certificate.pem()).unwrap();
        let secret = folder.join("whsec");
        fs::write(&secret, format!("whsec_{}", STANDARD.encode(SECRET))).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(mqtt_endpoint::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let (kept, config) = (got.clone(), Arc::new(config));
        let mut answers: VecDeque<u16> = answers.iter().copied().collect();
        // It ends with the test's process; nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = answers.front().copied().unwrap_or(204);
                if let Some(one) = exchange(stream, &config, status) {
                    answers.pop_front();
                    kept.lock().unwrap().push(one);
                }
            }
        });
        Self { port, got }
    }

    fn settings(&self, folder: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("notices.webhook", format!("https://127.0.0.1:{}/incidents", self.port)),
            ("notices.secret", folder.join("whsec").display().to_string()),
            ("notices.roots", folder.join("receiver.pem").display().to_string()),
        ]
    }

    fn until(&self, count: usize) -> Vec<Got> {
        let enough = wait_until(PATIENCE, || {
            let got = self.got.lock().unwrap().clone();
            anyhow::ensure!(got.len() >= count, "{} of {count}: {got:#?}", got.len());
            Ok(got)
        });
        enough.unwrap()
    }
}

fn exchange(stream: TcpStream, config: &Arc<ServerConfig>, status: u16) -> Option<Got> {
    let tls = ServerConnection::new(config.clone()).ok()?;
    let mut reader = BufReader::new(StreamOwned::new(tls, stream));
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    headers.insert("request".to_owned(), line.trim().to_owned());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    Some(Got { headers, body: String::from_utf8(body).ok()? })
}

/// A hub that tells this receiver, and its scene.
fn scene(answers: &[u16]) -> (Scene, Receiver, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path(), answers);
    let set = receiver.settings(folder.path());
    let set: Vec<(&str, &str)> = set.iter().map(|(key, value)| (*key, value.as_str())).collect();
    (Scene::with(&set), receiver, folder)
}

fn attacked(scene: &Scene) {
    let mut plan = scene.plan(1, 1);
    plan.stream = 0;
    let fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, PATIENCE, |_| {}).unwrap();
    let victim = fleet.truth().unwrap()[0].id.clone().unwrap();
    attack(&executable(), &scene.hub, scene.folder.path(), 7, &victim).unwrap();
}

fn is_signed(one: &Got) -> bool {
    let (id, at) = (&one.headers["webhook-id"], &one.headers["webhook-timestamp"]);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &SECRET);
    let tag = aws_lc_rs::hmac::sign(&key, format!("{id}.{at}.{}", one.body).as_bytes());
    one.headers["webhook-signature"] == format!("v1,{}", STANDARD.encode(tag))
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn incidents_are_told_signed_in_order_again_until_they_arrive_and_onward_after_a_restart() {
    let (scene, receiver, _folder) = scene(&[503, 503, 503, 503, 503, 503, 503, 429]);
    attacked(&scene);
    // Before the receiver takes the very first one, the hub is gone.
    let before = receiver.until(1).len();
    assert!(before < 8, "the receiver must still refuse: {before}");
    let Scene { hub, folder, executable } = scene;
    let scene = Scene { hub: Hub::start(hub.kill().unwrap()).unwrap(), folder, executable };
    let got = receiver.until(9);
    assert!(got.iter().all(is_signed), "{got:#?}");
    let ids: Vec<_> = got.iter().map(|one| one.headers["webhook-id"].clone()).collect();
    assert!(ids[1..9].iter().all(|id| *id == ids[0]), "again until it is taken: {ids:?}");
    let first: Value = serde_json::from_str(&got[8].body).unwrap();
    assert_eq!((&first["class_uid"], &first["activity_id"]), (&2004.into(), &1.into()));
    assert!(first["finding_info"]["title"].is_string(), "{first:#}");
    let number = scene.hub.json(&["incident", "list", "--all"]).unwrap()[0]["number"].to_string();
    let Scene { hub, folder: _kept, .. } = scene;
    let hub = Hub::start(hub.kill().unwrap()).unwrap();
    let closed = hub.ask(&["incident", "close", &number, "--reason", "replaced it"]).unwrap();
    assert_eq!(closed.code, 0, "{}", closed.complaint);
    let told = wait_until(PATIENCE, || {
        let got = receiver.got.lock().unwrap().clone();
        // Others may come about meanwhile: the components are gone.
        let is_close = |one: &Got| {
            let event: Value = serde_json::from_str(&one.body).unwrap_or_default();
            event["activity_id"] == 3
        };
        anyhow::ensure!(got.iter().any(is_close), "nobody was told of the close: {got:#?}");
        Ok(got)
    });
    let sequence = |one: &Got| {
        let number = one.headers["webhook-id"].rsplit_once(':').unwrap().1;
        number.parse::<u64>().unwrap()
    };
    let numbers: Vec<_> = told.unwrap().iter().map(sequence).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_receiver_that_cannot_prove_who_it_is_is_told_nothing_and_the_owner_is() {
    let (scene, receiver, folder) = scene(&[]);
    // Somebody else's certificate stands where the receiver's root was.
    Receiver::start(folder.path(), &[]);
    let Scene { hub, folder: kept, executable } = scene;
    let scene = Scene { hub: Hub::start(hub.kill().unwrap()).unwrap(), folder: kept, executable };
    attacked(&scene);
    let told = wait_until(PATIENCE, || {
        let events = scene.hub.events()?;
        let told = events.into_iter().find(|event| event["kind"] == "notice.undelivered");
        told.ok_or_else(|| anyhow::anyhow!("nobody says that notices do not arrive"))
    });
    assert!(told.unwrap()["text"].as_str().unwrap().contains("certificate"));
    assert!(receiver.got.lock().unwrap().is_empty());
}
