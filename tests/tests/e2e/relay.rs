//! Components speak to each other through the hub, on real sockets; and what a receiver believes.

use crate::scene::Scene;
use device_sim::assertion::{Believer, Disbelief, Place};
use hub_agent::pki::ca::HubCa;
use protocol::{
    id::{ComponentId, Digest, Slug},
    message::{Action, Assertion, Octets, V1},
    time::Timestamp,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tests::harness::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);

/// Criterion: T3.LA.1c (positive)
/// Criterion: T3.LA.1 (positive)
#[test]
fn a_lamp_and_a_lock_obey_the_wall_switch_and_every_relayed_message_has_one_record() {
    let scene = Scene::with(&[]);
    let mut fleet = scene.active_fleet(6, 1);
    wait_until(PATIENCE, || {
        let report = fleet.progress(Duration::from_secs(5)).unwrap_or_default();
        anyhow::ensure!(report["obeyed"].as_u64() >= Some(30), "{report}");
        anyhow::ensure!(report["heard"].as_u64() >= Some(30), "{report}");
        anyhow::ensure!(report["disbelieved"] == 0, "{report}");
        Ok(())
    })
    .unwrap();
    assert_eq!(fleet.stop().unwrap(), 0);
    let log = [fleet.acknowledged().unwrap(), fleet.believed().unwrap()].concat();
    // Everything acknowledged to the switch was obeyed: once, and as it was given.
    let mut given: BTreeMap<String, i64> = BTreeMap::new();
    let mut obeyed: BTreeMap<u64, Value> = BTreeMap::new();
    for line in &log {
        let payload = line["payload"].as_str().unwrap();
        if line["what"]["command"].is_u64() {
            let name = line["topic"].as_str().unwrap().rsplit('/').next().unwrap();
            *given.entry(format!("{name} {payload}")).or_default() += 1;
        } else if line["believed"]["action"] == "command" {
            let name = line["believed"]["name"].as_str().unwrap();
            *given.entry(format!("{name} {payload}")).or_default() -= 1;
        }
        if let Some(number) = line["believed"]["number"].as_u64() {
            assert!(obeyed.insert(number, line.clone()).is_none(), "twice: {line}");
        }
    }
    // The last few may be under way in one direction when the fleet stops.
    let open: i64 = given.values().map(|count| count.abs()).sum();
    assert!(open <= 2, "{given:?}");
    let decisions = scene.hub.json(&["policy", "decisions"]).unwrap();
    let decisions = decisions.as_array().unwrap();
    let mut missing: Vec<_> = obeyed.keys().copied().collect();
    for decision in decisions {
        let number = decision["number"].as_u64().unwrap();
        missing.retain(|other| *other != number);
        if let Some(line) = obeyed.get(&number) {
            assert_eq!(line["believed"]["sender"], decision["sender"]);
            assert_eq!(line["believed"]["name"], decision["name"]);
        }
    }
    assert_eq!(missing, [0_u64; 0], "each has a record");
    println!("{} relayed messages believed, {} records", obeyed.len(), decisions.len());
}

/// Criterion: T3.PC.2 (positive)
/// Criterion: T3.LA.1a (negative)
#[test]
fn the_owner_commands_and_nobody_gives_a_command_that_is_not_theirs() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(6, 1);
    let ids: BTreeMap<String, String> = scene
        .hub
        .components()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap().into(), one["id"].as_str().unwrap().into()))
        .collect();
    let unlock = ["component", "command", &ids["lock"], "unlock"];
    let told = scene.hub.ask(&[&unlock[..], &[r#"{"reason": "guests"}"#]].concat()).unwrap();
    assert_eq!(told.code, 0, "{}", told.complaint);
    let refused = scene.hub.ask(&unlock).unwrap();
    assert_eq!(refused.code, 3);
    assert!(
        refused.complaint.contains("not what lock revision 1 declares on line"),
        "{}",
        refused.complaint
    );
    wait_until(PATIENCE, || {
        let log = fleet.believed()?;
        let obeyed = log.iter().find(|line| line["believed"]["name"] == "unlock");
        anyhow::ensure!(obeyed.is_some(), "the lock has not obeyed yet");
        Ok(())
    })
    .unwrap();
    let explain = |from: &str, to: &str, name: &str, payload: &str| {
        let topic = format!("command/{}/{name}", ids[to]);
        scene.hub.json(&["policy", "explain", &ids[from], &topic, payload]).unwrap()
    };
    let told = explain("wall-switch", "lamp", "switch", r#"{"on": true}"#);
    assert_eq!(told["allowed"], true, "{told}");
    assert!(told["decided_by"].as_str().unwrap().starts_with("lamp revision 1"), "{told}");
    let told = explain("camera", "lock", "unlock", r#"{"reason": "x"}"#);
    assert_eq!(told["refusal"], "not-permitted", "{told}");
    assert!(told["detail"].as_str().unwrap().contains("not for camera"), "{told}");
}

const NOW: u64 = 1_790_000_000_000;

fn id(n: u8) -> ComponentId {
    ComponentId::from_key_digest(&Digest([n; 32]))
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn a_receiver_believes_only_its_hub_only_for_itself_only_now_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let ca = |name: &str| HubCa::open(&folder.path().join(name), Timestamp(NOW)).unwrap();
    let (home, other) = (ca("home"), ca("other"));
    let signer = home.signer(Timestamp(NOW)).unwrap();
    let assertion = |number| Assertion {
        version: V1,
        hub: home.hub_id(),
        number,
        sender: id(1),
        kind: Slug::new("wall-switch").unwrap(),
        receiver: id(2),
        action: Action::Command,
        name: Slug::new("switch").unwrap(),
        issued: Timestamp(NOW),
        expires: Timestamp(NOW + 5000),
        payload: Octets(vec![0xa1, 0x62, b'o', b'n', 0xf5]),
    };
    let place = Place {
        ca: home.certificate(),
        own: id(2),
        started: Timestamp(NOW - 60_000),
        now: Timestamp(NOW + 100),
    };
    let signed = |assertion: &Assertion| signer.sign(assertion).unwrap();
    let mut believer = Believer::default();
    let first = signed(&assertion(7));
    assert_eq!(believer.believe(&first, &place), Ok(assertion(7)));
    assert!(first.len() < 900, "{} bytes", first.len());
    assert_eq!(believer.believe(&first, &place), Err(Disbelief::Replayed));
    assert_eq!(believer.believe(&signed(&assertion(6)), &place), Err(Disbelief::Replayed));
    assert_eq!(believer.believe(&signed(&assertion(8)), &place), Ok(assertion(8)));
    let long_after = Place { now: Timestamp(NOW + 100 * 365 * 24 * 3_600_000), ..place };
    assert_eq!(believer.believe(&first, &long_after), Err(Disbelief::Untrusted), "it has ended");
    let fresh = || Believer::default();
    let at = |now| Place { now: Timestamp(now), ..place };
    assert_eq!(fresh().believe(&first, &at(NOW + 5001)), Err(Disbelief::Late));
    assert_eq!(fresh().believe(&first, &at(NOW - 30_001)), Err(Disbelief::Late));
    let restarted = Place { started: Timestamp(NOW + 31_000), ..at(NOW + 100) };
    assert_eq!(fresh().believe(&first, &restarted), Err(Disbelief::Late), "from before its start");
    let elsewhere = Place { own: id(3), ..place };
    assert_eq!(fresh().believe(&first, &elsewhere), Err(Disbelief::OtherReceiver));
    // Every single byte counts.
    for at in 0..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 1;
        assert!(fresh().believe(&changed, &place).is_err(), "byte {at}");
    }
    // Another hub's signer, and one of this hub's that speaks for another.
    let foreign = other.signer(Timestamp(NOW)).unwrap().sign(&assertion(9)).unwrap();
    assert_eq!(fresh().believe(&foreign, &place), Err(Disbelief::Untrusted));
    let for_other = Assertion { hub: other.hub_id(), ..assertion(9) };
    assert_eq!(fresh().believe(&signed(&for_other), &place), Err(Disbelief::OtherHub));
    let expired = Place { now: Timestamp(NOW + 31 * 24 * 3600 * 1000), ..place };
    assert_eq!(
        fresh().believe(&first, &expired),
        Err(Disbelief::Untrusted),
        "the signer's certificate is over"
    );
}

/// A component's own certificate is of the same CA, and must not vouch for anything.
///
/// Criterion: T3.LA.1c (negative)
#[test]
fn a_component_cannot_vouch_with_its_own_certificate() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let own = fleet.memories().unwrap().remove(0).credentials.unwrap();
    let signer =
        hub_agent::pki::signer::Signer::new(&own.key, own.certificate.clone(), Timestamp(u64::MAX))
            .unwrap();
    let now = Timestamp(own.validity.0 * 1000 + 4_000_000);
    let place = Place { ca: &own.ca, own: id(2), started: now, now };
    let hub = scene.hub.json(&["status"]).unwrap()["status"]["hub"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let forged = Assertion {
        version: V1,
        hub,
        number: 1,
        sender: own.id,
        kind: Slug::new("lamp").unwrap(),
        receiver: id(2),
        action: Action::Command,
        name: Slug::new("unlock").unwrap(),
        issued: now,
        expires: Timestamp(now.0 + 5000),
        payload: Octets(vec![0xa0]),
    };
    let forged = signer.sign(&forged).unwrap();
    assert_eq!(Believer::default().believe(&forged, &place), Err(Disbelief::Untrusted));
}
