//! Attacks by a mirror, by a stolen key, and by a vendor, on metadata.

use crate::{
    repository::{DAY, Key, NOW, Repository, Signers, sign},
    world::{Memory, World, at, mirror, serve},
};
use serde_json::{Value, json};
use std::sync::Arc;
use update_verifier::{Attack, Mirrors, Refused, Verifier};

const IMAGE: &str = "c/lamp/8/image";

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn believes_an_honest_repository_and_says_what_it_lists() {
    let mut world = World::new().await;
    world.repository.add(None, IMAGE, b"the image");
    world.repository.release();
    let target = world.find(IMAGE).await.unwrap();
    assert_eq!((target.path(), target.length(), target.role()), (IMAGE, 9, "targets"));
    assert_eq!(target.sha256(), Some(&crate::repository::sha256(b"the image")));
    assert_eq!(target.custom(), Some(&json!({"ctr": 7})));
    let missing = world.find("c/lamp/9/image").await.expect_err("nobody lists it");
    assert_eq!((missing.attack(), missing.word()), (None, "no-such-target"));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_below_threshold() {
    let mut world = World::new().await;
    // Two of three must sign targets: here it is one, and then one that signs twice.
    let keys = world.repository.targets.keys.clone();
    let mine = keys[0].clone();
    for signers in [vec![mine.clone()], vec![mine.clone(), mine], vec![Key::new(), Key::new()]] {
        world.repository.targets.keys = signers;
        world.repository.release();
        let refused = world.refresh().await.expect_err("one of two signatures");
        assert!(matches!(refused, Refused::Signature(_)), "{refused}");
        assert_eq!(refused.word(), "arbitrary-software");
        assert_eq!(world.stored("targets.json"), Some(1));
        world.repository.targets.keys = keys.clone();
    }
    world.repository.release();
    world.refresh().await.unwrap();
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_rotated_out_key() {
    let mut world = World::new().await;
    let stolen = std::mem::replace(&mut world.repository.timestamp, Signers::new(1, 1));
    world.repository.publish_root();
    world.repository.release();
    world.refresh().await.unwrap();
    let honest = world.repository.timestamp.keys.clone();
    world.repository.timestamp.keys = stolen.keys;
    world.repository.publish_timestamp();
    let refused = world.refresh().await.expect_err("signed by a key of before");
    assert!(matches!(refused, Refused::Signature(_)), "{refused}");
    world.repository.timestamp.keys = honest;
    world.repository.publish_timestamp();
    world.refresh().await.unwrap();
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_root_that_its_predecessor_did_not_sign() {
    let mut world = World::new().await;
    world.repository.root = Signers::new(3, 2);
    world.repository.publish_root();
    world.repository.release();
    let refused = world.refresh().await.expect_err("keys from nowhere");
    assert!(matches!(refused, Refused::Signature(_)), "{refused}");
    assert_eq!(world.stored("root.json"), Some(1));
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn follows_a_root_that_both_sides_signed() {
    let mut world = World::new().await;
    let old = std::mem::replace(&mut world.repository.root, Signers::new(3, 2));
    let both: Vec<Arc<Key>> =
        old.keys.into_iter().chain(world.repository.root.keys.clone()).collect();
    world.repository.publish_root_signed_by(&both);
    world.repository.release();
    world.refresh().await.unwrap();
    assert_eq!(world.stored("root.json"), Some(2));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_rolled_back_timestamp() {
    let mut world = World::new().await;
    let old = world.repository.files["metadata/timestamp.json"].clone();
    world.repository.release();
    world.refresh().await.unwrap();
    world.repository.files.insert("metadata/timestamp.json".into(), old);
    let refused = world.refresh().await.expect_err("the first timestamp");
    assert!(matches!(refused, Refused::Rollback { offered: 1, floor: 2, .. }), "{refused}");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_snapshot_that_forgets_a_vendor() {
    let mut repository = Repository::new();
    repository.add_vendor("acme", "c/acme.*/*/*");
    repository.release();
    let mut world = World::with(repository).await;
    world.damage(|stored| {
        stored.metadata.remove("snapshot.json");
    });
    world.repository.vendors.clear();
    world.repository.release();
    let refused = world.refresh().await.expect_err("the vendor is gone from the snapshot");
    assert!(matches!(refused, Refused::Removed(_)), "{refused}");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_frozen_repository() {
    let world = World::new().await;
    for (now, role) in [(NOW + DAY + 1, "timestamp"), (NOW + 366 * DAY, "root")] {
        let refused = world.refresh_at(now).await.expect_err("it expired");
        assert!(
            matches!(&refused, Refused::Expired { role: expired, .. } if expired == role),
            "{refused}"
        );
        assert_eq!(refused.word(), "freeze");
    }
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn looks_nothing_up_in_metadata_that_expired_since() {
    let mut world = World::new().await;
    world.repository.add(None, IMAGE, b"image");
    world.repository.release();
    let mut verifier = world.restored().unwrap();
    verifier.refresh(&world.serve(), at(NOW)).await.unwrap();
    verifier.find(IMAGE, at(NOW + DAY)).await.unwrap();
    let refused = verifier.find(IMAGE, at(NOW + DAY + 1)).await.expect_err("a day has passed");
    assert_eq!(refused.attack(), Some(Attack::Freeze), "{refused}");
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn recovers_from_fast_forward_when_root_changes_the_keys() {
    let mut world = World::new().await;
    // Whoever holds the online keys may count as high as there are numbers.
    for role in ["timestamp", "snapshot"] {
        world.repository.versions.insert(role, u64::MAX - 2);
    }
    world.repository.release();
    world.refresh().await.unwrap();
    world.repository.versions.extend([("timestamp", 4), ("snapshot", 4)]);
    world.repository.release();
    let refused = world.refresh().await.expect_err("the keys are still the old ones");
    assert_eq!(refused.attack(), Some(Attack::Rollback), "{refused}");
    (world.repository.timestamp, world.repository.snapshot) =
        (Signers::new(1, 1), Signers::new(1, 1));
    world.repository.publish_root();
    world.repository.release();
    world.refresh().await.expect("new keys may count anew");
    assert_eq!((world.stored("timestamp.json"), world.stored("snapshot.json")), (Some(6), Some(6)));
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn recovers_from_fast_forward_of_targets_when_root_changes_the_snapshot_key() {
    let mut world = World::new().await;
    world.repository.versions.insert("targets", 99_999);
    world.repository.release();
    world.refresh().await.unwrap();
    world.repository.versions.insert("targets", 5);
    world.repository.snapshot = Signers::new(1, 1);
    world.repository.publish_root();
    world.repository.release();
    world.refresh().await.expect("a new snapshot key may list lower versions");
    assert_eq!(world.stored("targets.json"), Some(6));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn a_root_with_the_same_keys_takes_no_floors_away() {
    let mut world = World::new().await;
    world.repository.release();
    let old = world.repository.files.clone();
    world.repository.release();
    world.refresh().await.unwrap();
    world.repository.publish_root();
    let root = world.repository.files["metadata/2.root.json"].clone();
    world.repository.files = old;
    world.repository.files.insert("metadata/2.root.json".into(), root);
    world.damage(|stored| {
        stored.metadata.remove("timestamp.json");
    });
    let refused = world.refresh().await.expect_err("an old timestamp under a new root");
    assert_eq!(refused.attack(), Some(Attack::Rollback), "{refused}");
    assert_eq!(world.stored("root.json"), Some(2), "what was verified is kept");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_mix_and_match() {
    let mut world = World::new().await;
    let old = world.repository.files["metadata/1.targets.json"].clone();
    world.repository.release();
    world.repository.files.insert("metadata/2.targets.json".into(), old);
    let refused = world.refresh().await.expect_err("targets of the release before");
    assert_eq!(refused.attack(), Some(Attack::MixAndMatch), "{refused}");
    assert_eq!(world.stored("snapshot.json"), Some(2), "what was verified until then is kept");
    assert_eq!(world.stored("targets.json"), Some(1));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_endless_metadata() {
    let mut world = World::new().await;
    world.repository.files.insert("metadata/timestamp.json".into(), vec![b' '; 20_000]);
    let refused = world.refresh().await.expect_err("longer than a timestamp may be");
    assert_eq!(refused.attack(), Some(Attack::EndlessData), "{refused}");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_endless_roots_but_keeps_those_it_followed() {
    let mut world = World::new().await;
    for _ in 0..40 {
        world.repository.publish_root();
    }
    let refused = world.refresh().await.expect_err("more roots than one refresh follows");
    assert_eq!(refused.attack(), Some(Attack::EndlessData), "{refused}");
    assert_eq!(world.stored("root.json"), Some(33));
    world.refresh().await.expect("the next refresh goes on");
    assert_eq!(world.stored("root.json"), Some(41));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_target_of_another_vendor_s_path() {
    let mut repository = Repository::new();
    let (acme, rival) = (
        repository.add_vendor("acme", "c/acme.*/*/*"),
        repository.add_vendor("rival", "c/rival.*/*/*"),
    );
    repository.add(Some(acme), "c/acme.lamp/1/image", b"acme's");
    repository.add(Some(rival), "c/rival.lock/1/image", b"rival's");
    repository.add(Some(rival), "c/acme.lock/1/image", b"not rival's to sign");
    repository.release();
    let world = World::with(repository).await;
    assert_eq!(world.find("c/acme.lamp/1/image").await.unwrap().role(), "acme");
    let refused = world.find("c/acme.lock/1/image").await.expect_err("only acme has a say");
    assert!(matches!(refused, Refused::NoSuchTarget(_)), "{refused}");
    // Once the rival's role has been seen, it is named.
    let mut verifier = world.restored().unwrap();
    verifier.refresh(&world.serve(), at(NOW)).await.unwrap();
    verifier.find("c/rival.lock/1/image", at(NOW)).await.unwrap();
    let refused = verifier.find("c/acme.lock/1/image", at(NOW)).await.expect_err("still not");
    assert!(
        matches!(&refused, Refused::WrongSoftware { role, .. } if role == "rival"),
        "{refused}"
    );
    assert_eq!(refused.word(), "wrong-software");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn one_vendor_s_bad_role_spoils_no_other_vendor_s() {
    let mut repository = Repository::new();
    let (acme, rival) = (
        repository.add_vendor("acme", "c/acme.*/*/*"),
        repository.add_vendor("rival", "c/rival.*/*/*"),
    );
    repository.add(Some(acme), "c/acme.lamp/1/image", b"acme's");
    repository.add(Some(rival), "c/rival.lock/1/image", b"rival's");
    repository.release();
    repository.files.insert("metadata/1.rival.json".into(), b"garbage".to_vec());
    let world = World::with(repository).await;
    let refused = world.find("c/rival.lock/1/image").await.expect_err("garbage");
    assert_eq!(refused.attack(), Some(Attack::MixAndMatch), "{refused}");
    world.find("c/acme.lamp/1/image").await.expect("the other vendor's role is good");
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn a_delegated_role_that_did_not_change_is_not_fetched_again() {
    let mut repository = Repository::new();
    let acme = repository.add_vendor("acme", "c/acme.*/*/*");
    repository.add(Some(acme), "c/acme.lamp/1/image", b"acme's");
    repository.release();
    let mut world = World::with(repository).await;
    world.find("c/acme.lamp/1/image").await.unwrap();
    assert_eq!(world.stored("acme.json"), Some(1));
    let role = world.repository.files.remove("metadata/1.acme.json").unwrap();
    world.find("c/acme.lamp/1/image").await.expect("it is stored");
    // A stored copy that was damaged is fetched again.
    world.damage(|stored| {
        let garbage = String::from_utf8(stored.metadata["acme.json"].to_vec()).unwrap();
        stored.metadata.insert("acme.json".into(), garbage.replace("image", "imagf").into());
    });
    world.find("c/acme.lamp/1/image").await.expect_err("neither stored nor served");
    world.repository.files.insert("metadata/1.acme.json".into(), role);
    world.find("c/acme.lamp/1/image").await.expect("served again");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn survives_hostile_metadata() {
    let world = World::new().await;
    let deep = format!("{{\"signed\":{}", "[".repeat(5_000));
    let mut hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe".to_vec(),
        deep.into_bytes(),
        br#"{"signed":{"_type":"timestamp","version":-1},"signatures":[]}"#.to_vec(),
        br#"{"signed":{"version":1e400},"signatures":[{"keyid":7}]}"#.to_vec(),
    ];
    let key = world.repository.timestamp.keys.clone();
    let head = json!({"_type": "timestamp", "spec_version": "1.0", "version": 9, "expires": "2030-01-01T00:00:00Z"});
    for meta in [
        json!({}),
        json!({"snapshot.json": {}}),
        json!({"snapshot.json": {"version": 0}}),
        json!([1]),
    ] {
        let mut signed = head.clone();
        signed["meta"] = meta;
        hostile.push(sign(&signed, &key));
    }
    for mut change in
        [json!({"version": u64::MAX}), json!({"expires": "x"}), json!({"_type": Value::Null})]
    {
        let mut signed = head.clone();
        signed.as_object_mut().unwrap().append(change.as_object_mut().unwrap());
        hostile.push(sign(&signed, &key));
    }
    for bytes in hostile {
        let world = World::new().await;
        let mut repository = world.repository.clone();
        repository.files.insert("metadata/timestamp.json".into(), bytes);
        serve(&repository, &world.folder);
        let mirrors = Arc::new(Mirrors::new(vec![mirror(&world.folder)]).unwrap());
        world.restored().unwrap().refresh(&mirrors, at(NOW)).await.expect_err("hostile");
        world.refresh().await.expect("and no harm was done");
    }
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn falls_over_to_the_next_mirror() {
    let mut world = World::new().await;
    let old = world.repository.clone();
    world.repository.add(None, IMAGE, b"image");
    world.repository.release();
    world.serve();
    let (lying, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    serve(&old, &lying);
    let mirrors = |folders: &[&tempfile::TempDir]| {
        Arc::new(Mirrors::new(folders.iter().map(|folder| mirror(folder)).collect()).unwrap())
    };
    let all = mirrors(&[&empty, &lying, &world.folder]);
    let mut verifier = world.restored().unwrap();
    // The second mirror is believed as long as nothing newer was seen; then it is a rollback.
    verifier.refresh(&all, at(NOW)).await.unwrap();
    verifier.refresh(&mirrors(&[&world.folder]), at(NOW)).await.unwrap();
    verifier.refresh(&all, at(NOW)).await.expect("the third mirror is honest");
    verifier.find(IMAGE, at(NOW)).await.expect("found on the third mirror");
    let refused = verifier.refresh(&mirrors(&[&empty, &lying]), at(NOW)).await;
    let refused = refused.expect_err("no honest mirror");
    assert_eq!(refused.attack(), Some(Attack::Rollback), "the graver of the two: {refused}");
    let refused = verifier.refresh(&mirrors(&[&empty]), at(NOW)).await.expect_err("nothing there");
    assert_eq!((refused.attack(), refused.word()), (None, "unreachable"));
    verifier.find(IMAGE, at(NOW)).await.expect("what was verified before still is");
}

/// The hub may give this work to a thread of its own; that this compiles is the test.
#[test]
fn the_work_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    fn check(verifier: &mut Verifier<Memory>, mirrors: &Arc<Mirrors>) {
        moves(verifier.refresh(mirrors, at(NOW)));
        moves(verifier.find(IMAGE, at(NOW)));
    }
    let _ = check;
}
