//! Enrolment over real sockets.

use crate::scene::Scene;
use device_sim::{
    est::{Answer, Proof, Service},
    identity::{self, MakerCa},
};
use tests::harness::Hub;

fn service(hub: &Hub) -> Service {
    Service { host: "localhost".into(), port: hub.est_port, fingerprint: hub.fingerprint }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn word(answer: Answer) -> (u16, String) {
    match answer {
        Answer::Refused { status, word, .. } => (status, word),
        Answer::Issued(_) => (200, String::new()),
        Answer::Later(_) => (202, String::new()),
    }
}

/// Criterion: T3.LA.1c (positive)
/// Criterion: T1.LA.4 (positive)
#[test]
fn a_pairing_code_waits_for_approval_and_renewal_needs_no_new_one() {
    let scene = Scene::with(&[]);
    let opened = scene.hub.json(&["pair", "open"]).unwrap();
    let code = Proof::Code(opened["codes"][0].as_str().unwrap().to_owned());
    let service = service(&scene.hub);
    let wanted = identity::key_request("LW-1", "Lumen Works").unwrap();
    let ca = run(service.trust()).unwrap();
    assert_eq!(word(run(service.enrol(&ca, &code, &wanted)).unwrap()).0, 202);
    assert_eq!(scene.hub.json(&["component", "approve", "--all"]).unwrap()["changed"], 1);
    let Answer::Issued(first) = run(service.enrol(&ca, &code, &wanted)).unwrap() else {
        panic!("approved")
    };
    let rekeyed = identity::key_request("LW-1", "Lumen Works").unwrap();
    let Answer::Issued(second) = run(service.reenrol(&first, &rekeyed)).unwrap() else {
        panic!("renewed")
    };
    assert_eq!(first.id, second.id, "the id stays");
    assert_ne!(first.key, second.key);
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn refuses_foreign_makers_wrong_codes_spent_codes_and_no_proof() {
    let scene = Scene::with(&[]);
    let service = service(&scene.hub);
    let ca = run(service.trust()).unwrap();
    let request = || identity::key_request("X-1", "Nobody").unwrap();
    let forger = MakerCa::new("Forger").unwrap().idevid("X-1").unwrap();
    assert!(run(service.enrol(&ca, &Proof::Idevid(forger), &request())).is_err(), "TLS refuses it");
    let closed =
        run(service.enrol(&ca, &Proof::Code("0000-0000-0000-0000".into()), &request())).unwrap();
    assert_eq!(word(closed), (403, "pairing-closed".into()));
    let opened = scene.hub.json(&["pair", "open", "--approve"]).unwrap();
    let code = opened["codes"][0].as_str().unwrap().to_owned();
    let slowed = run(service.enrol(&ca, &Proof::Code(code.clone()), &request())).unwrap();
    assert_eq!(
        word(slowed),
        (429, "slow-down".into()),
        "even the right code waits after a wrong one"
    );
    let mine = request();
    let enrolled = tests::harness::wait_until(std::time::Duration::from_secs(10), || {
        let answer = run(service.enrol(&ca, &Proof::Code(code.clone()), &mine))?;
        anyhow::ensure!(word(answer).0 == 200, "still slowed down");
        Ok(())
    });
    enrolled.unwrap();
    let spent = run(service.enrol(&ca, &Proof::Code(code), &request())).unwrap();
    assert_eq!(word(spent), (429, "spent-code".into()));
    let events = scene.hub.events().unwrap();
    assert!(events.iter().any(|e| e["kind"] == "enrol.refused" && e["refusal"] == "spent-code"));
}

/// Criterion: T1.LA.2 (negative)
#[test]
fn a_hub_with_another_fingerprint_is_not_believed() {
    let scene = Scene::with(&[]);
    let mut service = service(&scene.hub);
    service.fingerprint = protocol::id::Digest([0; 32]);
    let error = run(service.trust()).unwrap_err().to_string();
    assert!(error.contains("fingerprint"), "{error}");
}

/// Criterion: T1.LA.5b (positive)
/// Criterion: T1.LA.5b (negative)
#[test]
fn every_unit_makes_its_own_secrets_and_refuses_exposed_ones() {
    use std::os::unix::fs::PermissionsExt;
    let (one, other) = (Scene::with(&[]), Scene::with(&[]));
    assert_ne!(one.hub.fingerprint, other.hub.fingerprint);
    let mut codes = std::collections::BTreeSet::new();
    let opened = one.hub.json(&["pair", "open", "--count", "1000"]).unwrap();
    codes.extend(
        opened["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()),
    );
    assert_eq!(codes.len(), 1000, "no code twice");
    let key = one.hub.folder().join("data/pki/ca.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let plan = one.hub.kill().unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = tests::harness::Hub::start(plan).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
