//! What a mirror, or somebody between it and the hub, may try.

use super::{Product, VENDOR, definition};
use crate::updates::forge::Forge;
use device_sim::{identity::MakerCa, update::Behaviour};
use std::{
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tests::harness::wait_until;

/// Longer than the window in which the least rate is looked at.
const SLOW: Duration = Duration::from_secs(150);

/// Criterion: T3.SU.1a (negative)
/// Criterion: T1.SU.2 (negative)
#[test]
fn a_lying_mirror_flips_bits_truncates_mixes_repeats_and_never_ends() {
    let product = Product::new(&[]);
    let fleet = product.some("lamp", 1);
    product.check();
    product.release("lamp", 2, Behaviour::Good, &[]);
    for (what, fault, word) in [
        ("mix-and-match", r#"{"fault":"mixed","only":"simulated.json"}"#, "mix-and-match"),
        ("unknown key", r#"{"fault":"wrong-key"}"#, "arbitrary-software"),
        ("endless metadata", r#"{"fault":"endless","only":"timestamp.json"}"#, "endless-data"),
        // Small files come first, and are kept once they are right.
        (
            "bit flip of the manifest",
            r#"{"fault":"bit-flip","only":".cose"}"#,
            "arbitrary-software",
        ),
        ("bit flip", r#"{"fault":"bit-flip","only":".image"}"#, "arbitrary-software"),
        ("truncation", r#"{"fault":"truncated","only":".image"}"#, "arbitrary-software"),
        ("endless image", r#"{"fault":"endless","only":".image"}"#, "endless-data"),
        ("frozen timestamp", r#"{"fault":"stale","back":1}"#, "rollback"),
    ] {
        product.maker(&["fault", fault]);
        product.refuses(&fleet, what, word);
        assert!(product.campaign("lamp").is_err(), "{what}: nothing is to be relayed");
    }
    product.maker(&["fault"]);
    product.goes_out("lamp");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_mirror_that_sends_a_byte_now_and_then_is_given_up() {
    let product = Product::new(&[]);
    let fleet = product.some("lamp", 1);
    product.check();
    product.release("lamp", 2, Behaviour::Good, &[]);
    product.maker(&["fault", r#"{"fault":"slow","rate":100,"only":".image"}"#]);
    let before = product.newest_event();
    // It takes a minute, longer than anybody waits at a command line.
    let mut asking = Command::new(&crate::scene::executable().0)
        .args(["hub-agent", "update", "check", "--settings"])
        .arg(product.scene.hub.folder().join("hub.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = wait_until(SLOW, || {
        let events = product.scene.hub.events()?;
        let told = events.iter().any(|event| {
            event["number"].as_u64() > Some(before)
                && event["kind"] == "update.refused"
                && event["text"].as_str().is_some_and(|text| text.starts_with("slow-retrieval: "))
        });
        anyhow::ensure!(told, "nothing was told of slow retrieval");
        Ok(())
    });
    told.unwrap();
    assert!(!asking.wait().unwrap().success(), "the release is not believed");
    product.untouched(&fleet, "slow retrieval");
    assert!(product.campaign("lamp").is_err());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn metadata_past_their_end_are_a_freeze() {
    let product = Product::new(&[]);
    let fleet = product.some("lamp", 1);
    product.check();
    product.release("lamp", 2, Behaviour::Good, &[]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = cloud_stub::repository::metadata::date(now - 2 * 24 * 3600);
    product.maker(&["refresh", "--now", &before]);
    product.refuses(&fleet, "expired timestamp", "freeze");
    assert!(product.campaign("lamp").is_err());
    product.maker(&["refresh"]);
    product.goes_out("lamp");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn an_older_release_does_not_come_back() {
    let product = Product::new(&[]);
    let fleet = product.some("lamp", 1);
    let forge = Forge::new(&product.cloud.folder);
    product.release("lamp", 2, Behaviour::Good, &[]);
    let former = forge.files("simulated.lamp", 2);
    product.release("lamp", 3, Behaviour::Good, &[]);
    product.goes_out("lamp");
    let has = |what: &str| {
        let memories = fleet.memories().unwrap();
        let job = memories[0].update.job.clone().unwrap();
        let firmware = product.scene.hub.components().unwrap()[0]["update_counter"].clone();
        assert_eq!(firmware, 3, "{what}");
        job.id
    };
    let job = has("the newer release");
    // A mirror goes back.
    let before = product.newest_event();
    product.maker(&["fault", r#"{"fault":"stale","back":1}"#]);
    assert_ne!(product.ask_repository().code, 0);
    product.incident("older metadata", before, "rollback");
    assert_eq!(has("older metadata"), job);
    product.maker(&["fault"]);
    // The older release in new metadata, by the vendor's own keys.
    forge.vendor(VENDOR, &["vendor.simulated-1", "vendor.simulated-2"], |forge, role| {
        forge.only(role, "simulated.lamp", 2, &former);
    });
    product.check();
    assert_eq!(product.campaign("lamp").unwrap()["counter"], 3, "no campaign for it");
    // And as if it were newer than all.
    forge.vendor(VENDOR, &["vendor.simulated-1", "vendor.simulated-2"], |forge, role| {
        let mut posing = former.clone();
        posing.custom["counter"] = 9.into();
        forge.only(role, "simulated.lamp", 9, &posing);
    });
    let before = product.newest_event();
    assert_ne!(product.ask_repository().code, 0);
    product.incident("an older manifest under a newer path", before, "mix-and-match");
    assert_eq!(product.campaign("lamp").unwrap()["counter"], 3, "no campaign for it");
    assert_eq!(has("an older manifest under a newer path"), job);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn wrong_hardware_is_offered_to_nobody() {
    let product = Product::new(&[]);
    let fleet = product.some("lamp", 2);
    let own = fleet.truth().unwrap()[0].hardware;
    let other = (1..=9).find(|other| *other != own).unwrap().to_string();
    product.release_for(&other, "lamp", 2, Behaviour::Good, &["--security", "high"]);
    let checked = product.check();
    assert_eq!(checked["releases"], serde_json::json!(["simulated.lamp 2"]), "{checked}");
    // Long enough for an offer, had there been one.
    std::thread::park_timeout(Duration::from_secs(3));
    product.untouched(&fleet, "wrong hardware");
    let campaign = product.campaign("lamp").unwrap();
    assert_eq!((&campaign["of"], &campaign["overdue"]), (&0.into(), &false.into()), "{campaign:#}");
    let component = &product.scene.hub.components().unwrap()[0];
    assert_eq!(component["update_state"], "current", "there is none for it: {component:#}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn another_vendor_has_no_say_and_its_mistakes_spoil_nobody_s_releases() {
    let product = Product::new(&[]);
    product.maker(&["ceremony", "rival"]);
    let camera = definition("camera").replace("simulated.camera", "rival.camera");
    let camera = camera.replace("revision = 1\n", "revision = 2\n");
    let maker = MakerCa::read(&product.scene.folder.path().join("maker")).unwrap();
    let signed = product.scene.folder.path().join("camera.definition");
    std::fs::write(&signed, maker.sign_definition(&camera).unwrap()).unwrap();
    let added = product.scene.hub.ask(&["definition", "add", &signed.display().to_string()]);
    assert_eq!(added.unwrap().code, 0);
    let documents =
        vec![product.document("lamp", definition("lamp")), product.document("camera", &camera)];
    let fleet = product.some_of(documents, 2);
    product.check();
    product.release("lamp", 2, Behaviour::Good, &[]);
    let forge = Forge::new(&product.cloud.folder);
    let files = forge.files("simulated.lamp", 2);
    forge.vendor(VENDOR, &["vendor.simulated-1", "vendor.simulated-2"], |_, role| {
        role.targets.clear();
    });
    let rivals = ["vendor.rival-1", "vendor.rival-2"];
    forge.vendor("rival", &rivals, |forge, role| forge.add(role, "simulated.lamp", 2, &files));
    product.refuses(&fleet, "another vendor's path", "wrong-software");
    // Its role is now signed by nobody it should be, while the lamps' vendor has a release.
    forge.vendor("rival", &["vendor.rival-1"], |_, role| role.targets.clear());
    forge.vendor(VENDOR, &["vendor.simulated-1", "vendor.simulated-2"], |forge, role| {
        forge.only(role, "simulated.lamp", 2, &files);
    });
    let before = product.newest_event();
    let answer = product.ask_repository();
    assert_eq!(answer.code, 4, "{answer:?}");
    assert!(answer.text.contains("rival.camera: "), "{answer:?}");
    product.incident("another vendor's broken role", before, "arbitrary-software");
    product.goes_out("lamp");
}
