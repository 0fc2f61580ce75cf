//! Releases: what a hub and a component make of them, and what a failing one leaves.

use crate::world::{DAY, NOW, World, mistake, model, slug};
use cloud_stub::{
    identity::sha256,
    repository::{
        About, Mistake, Release, Rotation, Security,
        keys::{Library, Role},
        metadata::{Target, hashes, seconds},
    },
};
use protocol::{
    definition::envelope::Envelope,
    id::{Label, Note},
};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_hub_verifies_a_whole_release_and_a_component_believes_its_manifest() {
    let world = World::new();
    let released = world.release(1);
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    let image = hub.target("c/acme.lamp/1/image").unwrap();
    assert_eq!(image, fs::read(world.image(1, 150_000)).unwrap());
    let chunks = hub.target("c/acme.lamp/1/chunks").unwrap();
    let signed = hub.target("c/acme.lamp/1/manifest.cose").unwrap();
    assert_eq!(hub.target("anchors/acme.lamp/1.cose").unwrap(), world.component().bytes());

    let manifest = world.component().manifest(&signed, &Library).unwrap();
    assert_eq!((manifest.counter, manifest.size, manifest.image), (1, 150_000, released.sha256));
    assert_eq!(manifest.chunks, sha256(&chunks));
    let digests: Vec<_> = image.chunks(65_536).flat_map(|chunk| sha256(chunk).0).collect();
    assert_eq!(chunks, digests);
    let info = hub.info("c/acme.lamp/1/image").unwrap();
    assert_eq!(info.hashes["sha256"], manifest.image.to_string());
    assert_eq!(info.length, u64::from(manifest.size));
    let about: About = serde_json::from_value(info.custom.unwrap()).unwrap();
    assert_eq!(about, released.about);
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn what_is_asked_for_stands_in_manifest_and_metadata() {
    let world = World::new();
    let hub_image = world.image(9, 5_000);
    let hub_release = Release::new(model("acme.hub"), Label::new("7").unwrap(), &hub_image);
    world.repository.release(&Release { counter: Some(7), ..hub_release }, NOW).unwrap();
    let release = Release {
        counter: Some(40),
        hardware: vec![2, 1],
        floor: 3,
        chunk: 4096,
        needs: vec![(model("acme.hub"), 7), (model("other.thing"), 2)],
        expires: Some(NOW + 1),
        health: 60,
        rollout: 5,
        security: Security::Critical,
        notes: Some(Note::new("Fixes a \"hole\"").unwrap()),
        ..world.plan(1)
    };
    world.repository.release(&release, NOW).unwrap();
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    let signed = hub.target("c/acme.lamp/40/manifest.cose").unwrap();
    let manifest = world.component().manifest(&signed, &Library).unwrap();
    assert_eq!(
        (manifest.counter, manifest.floor, manifest.chunk, manifest.health),
        (40, 3, 4096, 60)
    );
    assert_eq!((manifest.hardware.items(), manifest.expires), (&[1, 2][..], Some(NOW + 1)));
    assert_eq!(manifest.needs.items(), release.needs);
    let custom = hub.info("c/acme.lamp/40/image").unwrap().custom.unwrap();
    assert_eq!(custom["rollout"], 5);
    assert_eq!(custom["security"], "critical");
    assert_eq!(custom["notes"], "Fixes a \"hole\"");
    assert_eq!(custom["reboot"], true);
}

#[test]
fn names_carry_versions_and_digests_and_keys_are_secret() {
    let world = World::new();
    let released = world.release(1);
    let names = world.tree();
    for name in
        ["1.root.json", "1.targets.json", "2.acme.json", "2.snapshot.json", "timestamp.json"]
    {
        assert!(names.contains_key(&world.repository.metadata().join(name)), "{name}");
    }
    let image = format!("c/acme.lamp/1/{}.image", released.sha256);
    assert!(names.contains_key(&world.repository.targets().join(image)));
    let hidden = |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
    assert_eq!(names.keys().find(hidden), None, "something is left");
    let keys: Vec<_> = fs::read_dir(world.repository.keys()).unwrap().collect();
    assert_eq!(keys.len(), 3 * 5 + 2);
    for key in keys {
        assert_eq!(key.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn metadata_ends_when_it_says_so() {
    let world = World::new();
    let expired = |now, role: &str| match world.hub().refresh(now) {
        Err(sigstore_tuf::Error::Expired { role: found, .. }) => assert_eq!(found, role),
        other => panic!("{other:?}"),
    };
    world.hub().refresh(NOW + DAY).unwrap();
    expired(NOW + DAY + 1, "timestamp");
    let snapshot = world.newest_snapshot().head.expires;
    assert_eq!(seconds(&snapshot).unwrap(), NOW + 7 * DAY);
    world.repository.refresh(NOW + 300 * DAY).unwrap();
    world.hub().refresh(NOW + 301 * DAY).unwrap();
    world.repository.refresh(NOW + 365 * DAY + 1).unwrap();
    expired(NOW + 365 * DAY + 1, "root");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_vendor_cannot_sign_for_another() {
    let world = World::new();
    world.repository.add_vendor(&slug("other"), NOW).unwrap();
    let target = || Target { length: 4, hashes: hashes(sha256(b"evil")), custom: None };
    world.forge_vendor(|role| {
        for path in [
            "c/acme.lamp/9/image",
            "c/other.lamp/9/image",
            "c/acme.lamp/9/deep/image",
            "anchors/acme.lamp/2.cose",
            "anchors/other.lamp/2.cose",
            "elsewhere",
        ] {
            role.targets.insert(path.to_owned(), target());
        }
    });
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    for own in ["c/acme.lamp/9/image", "anchors/acme.lamp/2.cose"] {
        assert!(hub.info(own).is_some(), "{own}");
    }
    for foreign in [
        "c/other.lamp/9/image",
        "anchors/other.lamp/2.cose",
        "c/acme.lamp/9/deep/image",
        "elsewhere",
    ] {
        assert!(hub.info(foreign).is_none(), "{foreign}");
    }
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn one_lost_key_of_three_stops_no_release() {
    let world = World::new();
    let lost = ["vendor.acme-1", "manifest.acme-1", "anchor.acme-1", "targets-1", "root-1"];
    for key in lost {
        fs::remove_file(world.repository.keys().join(format!("{key}.pk8"))).unwrap();
    }
    world.release(1);
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    assert!(hub.target("c/acme.lamp/1/image").is_ok());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn fewer_keys_than_the_threshold_sign_nothing() {
    let world = World::new();
    let before = world.tree();
    let without = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        world.repository.clone().without(&names).release(&world.plan(1), NOW)
    };
    for names in [
        &["vendor.acme-1", "vendor.acme-2"][..],
        &["manifest.acme-2", "manifest.acme-3"],
        &["snapshot-1"],
        &["timestamp-1"],
    ] {
        let found = mistake(without(names));
        assert!(matches!(found, Mistake::Keys { .. }), "{found}");
        assert!(found.to_string().contains("keys must sign"), "{found}");
        assert_eq!(world.tree(), before, "{names:?}");
    }
    assert!(matches!(mistake(without(&["vendor.acme-9"])), Mistake::NoKey { .. }));
    without(&["vendor.acme-1", "manifest.acme-3"]).unwrap();
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn a_release_that_no_hub_would_take_changes_nothing() {
    let world = World::new();
    world.release(1);
    let (good, before) = (world.plan(2), world.tree());
    let empty = world.image(3, 0);
    let plain = world.path().join("plain.toml");
    fs::write(&plain, "kind = \"lamp\"").unwrap();
    let cases = [
        (Release { counter: Some(1), ..good.clone() }, "the highest so far is 1"),
        (Release { model: model("unknown.lamp"), ..good.clone() }, "cloud-stub ceremony unknown"),
        (Release { floor: 3, ..good.clone() }, "floor"),
        (Release { chunk: 5000, ..good.clone() }, "power of two"),
        (Release { hardware: vec![], ..good.clone() }, "hardware"),
        (Release { hardware: vec![1, 1], ..good.clone() }, "--hardware"),
        (Release { health: 9, ..good.clone() }, "10 to 600"),
        (Release { rollout: 101, ..good.clone() }, "0 to 100"),
        (Release { expires: Some(NOW), ..good.clone() }, "later --expires"),
        (Release { needs: vec![(model("acme.hub"), 1)], ..good.clone() }, "release that first"),
        (Release { needs: vec![(model("acme.lamp"), 1)], ..good.clone() }, "other models"),
        (Release { name: Label::new(&"9".repeat(33)).unwrap(), ..good.clone() }, "32 bytes"),
        (Release { image: empty, ..good.clone() }, "empty"),
        (Release { image: world.path().to_owned(), ..good.clone() }, "no file"),
        (Release { image: world.path().join("absent"), ..good.clone() }, "absent"),
        (Release { definition: Some(plain), ..good.clone() }, "sign it first"),
    ];
    for (release, why) in cases {
        let found = mistake(world.repository.release(&release, NOW)).to_string();
        assert!(found.contains(why), "{found:?} does not say {why:?}");
        assert_eq!(world.tree(), before, "{why}");
    }
    world.repository.release(&good, NOW).unwrap();
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn a_release_that_fails_half_way_is_undone() {
    let world = World::new();
    world.release(1);
    // A folder where a file must go stops the publishing after others are in place.
    for obstacle in ["metadata/3.acme.json", "metadata/3.snapshot.json", "former/3.timestamp.json"]
    {
        let obstacle = world.path().join("repository").join(obstacle);
        fs::create_dir_all(obstacle.join("x")).unwrap();
        let before = world.tree();
        assert!(matches!(
            mistake(world.repository.release(&world.plan(2), NOW)),
            Mistake::Io { .. }
        ));
        assert_eq!(world.tree(), before, "{}", obstacle.display());
        world.hub().refresh(NOW).unwrap();
        fs::remove_dir_all(obstacle).unwrap();
    }
    world.release(2);
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_change_touches_no_file_that_is_there_but_the_timestamp() {
    let world = World::new();
    let changes: [&dyn Fn(); 5] = [
        &|| drop(world.release(1)),
        &|| drop(world.release(2)),
        &|| world.repository.rotate(&Rotation::Anchors(slug("acme")), NOW).unwrap(),
        &|| world.repository.rotate(&Rotation::Root, NOW).unwrap(),
        &|| world.repository.revoke(&model("acme.lamp"), 2, NOW).unwrap(),
    ];
    // So whenever a crash comes before that last step, hubs see what they saw before.
    for change in changes {
        let before = world.tree();
        change();
        let after = world.tree();
        let changed = before.iter().filter(|(path, digest)| after.get(*path) != Some(digest));
        let changed: Vec<_> = changed.map(|(path, _)| path.clone()).collect();
        assert_eq!(changed, [world.repository.metadata().join("timestamp.json")]);
    }
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn what_a_crash_left_does_not_stop_the_next_release() {
    let world = World::new();
    let metadata = world.repository.metadata();
    for left in ["2.acme.json", ".new.2.snapshot.json", "2.snapshot.json", ".new.timestamp.json"] {
        fs::write(metadata.join(left), "half").unwrap();
    }
    world.release(1);
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    assert!(hub.target("c/acme.lamp/1/image").is_ok());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_revoked_release_is_no_target_and_its_counter_never_comes_again() {
    let world = World::new();
    world.release(1);
    world.release(2);
    world.repository.revoke(&model("acme.lamp"), 2, NOW).unwrap();
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    for gone in ["image", "chunks", "manifest.cose"] {
        assert!(hub.info(&format!("c/acme.lamp/2/{gone}")).is_none(), "{gone}");
    }
    assert!(hub.target("c/acme.lamp/1/image").is_ok());
    let again = Release { counter: Some(2), ..world.plan(3) };
    assert!(matches!(
        mistake(world.repository.release(&again, NOW)),
        Mistake::Counter { highest: 2, .. }
    ));
    assert_eq!(world.release(3).about.counter, 3);
    let found = mistake(world.repository.revoke(&model("acme.lamp"), 2, NOW));
    assert!(found.to_string().contains("it has 1, 3"), "{found}");
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn the_share_of_hubs_grows_without_a_new_release() {
    let world = World::new();
    world.repository.release(&Release { rollout: 5, ..world.plan(1) }, NOW).unwrap();
    world.repository.rollout(&model("acme.lamp"), 1, 50, NOW).unwrap();
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    assert_eq!(hub.info("c/acme.lamp/1/image").unwrap().custom.unwrap()["rollout"], 50);
    assert_eq!(world.repository.releases().unwrap()[0].about.rollout, 50);
    mistake(world.repository.rollout(&model("acme.lamp"), 1, 101, NOW));
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_definition_travels_with_its_release() {
    let world = World::new();
    let sealed = |model: &str| {
        let document = include_str!("../../../device-sim/definitions/wall-switch.toml");
        let document = document.replace("simulated.wall-switch", model);
        Envelope::seal(&document, &[vec![0x30, 0x00]], |_| Ok::<_, ()>(vec![1; 64])).unwrap()
    };
    let path = world.path().join("wall-switch.definition");
    let release = Release { definition: Some(path.clone()), ..world.plan(1) };
    fs::write(&path, sealed("acme.other")).unwrap();
    let found = mistake(world.repository.release(&release, NOW)).to_string();
    assert!(found.contains("update-model = \"acme.lamp\""), "{found}");
    let sealed = sealed("acme.lamp");
    fs::write(&path, &sealed).unwrap();
    world.repository.release(&release, NOW).unwrap();
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    assert_eq!(hub.target("c/acme.lamp/1/definition").unwrap(), sealed);
}

#[test]
fn a_usb_stick_holds_what_is_served() {
    let world = World::new();
    world.release(1);
    let stick = tempfile::tempdir().unwrap();
    for round in 1..=2 {
        assert!(world.repository.export(stick.path()).unwrap() > 0, "round {round}");
        let mut hub = crate::world::Hub::new(
            crate::world::Folder(stick.path().to_owned()),
            &world.repository,
        );
        hub.refresh(NOW).unwrap();
        assert!(hub.target(&format!("c/acme.lamp/{round}/image")).is_ok());
        world.release(2);
    }
    let names = fs::read_dir(stick.path()).unwrap().count();
    assert_eq!(names, 2, "only metadata and targets");
}

#[test]
fn two_do_not_change_it_at_once() {
    let world = World::new();
    let lock = fs::File::create(world.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(mistake(world.repository.refresh(NOW)), Mistake::Busy));
    drop(lock);
    world.repository.refresh(NOW).unwrap();
}

#[test]
fn the_ceremony_keeps_its_quorums() {
    let world = World::new();
    for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
        assert_eq!(world.root_keys(1, &role).len(), role.quorum().0, "{role}");
    }
    let anchor = world.component();
    let anchor = anchor.anchor();
    assert_eq!((anchor.root_keys.items().len(), anchor.root_threshold), (3, 2));
    assert_eq!((anchor.manifest_keys.items().len(), anchor.manifest_threshold), (3, 2));
    let create = cloud_stub::repository::Repository::create(world.path(), &slug("acme"), NOW);
    assert!(matches!(mistake(create), Mistake::AlreadyThere(_)));
    assert!(matches!(
        mistake(world.repository.add_vendor(&slug("acme"), NOW)),
        Mistake::KnownVendor(_)
    ));
    assert!(matches!(
        mistake(world.repository.add_vendor(&slug("root"), NOW)),
        Mistake::ReservedVendor(_)
    ));
}
