//! New keys: everybody who pinned the first follows, and the former ones sign nothing any more.

use crate::world::{NOW, World, mistake, slug};
use cloud_stub::repository::{
    Mistake, Rotation,
    keys::{Library, Role},
    metadata::{Pointers, Root, Targets},
};
use protocol::update::Distrust;
use std::fs;

fn verifies(world: &World, root: u64) {
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    assert_eq!(hub.root_version(), root);
    assert!(hub.target("c/acme.lamp/1/image").is_ok());
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_hub_follows_every_rotation_from_the_first_root() {
    let world = World::new();
    world.release(1);
    let mut root = 1;
    for rotation in [
        Rotation::Root,
        Rotation::Targets,
        Rotation::Snapshot,
        Rotation::Timestamp,
        Rotation::Vendor(slug("acme")),
        Rotation::Anchors(slug("acme")),
        Rotation::Root,
    ] {
        let mut known = world.hub();
        known.refresh(NOW).unwrap();
        world.repository.rotate(&rotation, NOW).unwrap();
        root += u64::from(!matches!(rotation, Rotation::Vendor(_) | Rotation::Anchors(_)));
        verifies(&world, root);
        // One that knew the former set goes on too.
        known.refresh(NOW).unwrap();
        assert_eq!(known.root_version(), root, "{rotation:?}");
    }
    world.release(2);
    verifies(&world, root);
}

#[test]
fn a_rotation_changes_the_keys_it_names_and_no_others() {
    let world = World::new();
    let roles = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];
    let rotations = [Rotation::Root, Rotation::Targets, Rotation::Snapshot, Rotation::Timestamp];
    for (version, (rotated, rotation)) in (1..).zip(roles.iter().zip(rotations)) {
        world.repository.rotate(&rotation, NOW).unwrap();
        for role in &roles {
            let (old, new) = (world.root_keys(version, role), world.root_keys(version + 1, role));
            assert_eq!(old != new, role == rotated, "{role} when {rotated} was rotated");
            assert!(role != rotated || !old.iter().any(|key| new.contains(key)));
        }
        let root: Root = world.read(&format!("{}.root.json", version + 1));
        assert_eq!(root.keys.len(), 3 + 3 + 1 + 1, "keys that nobody uses stay in the root");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_rotated_out_timestamp_key_signs_nothing_any_more() {
    let world = World::new();
    world.repository.rotate(&Rotation::Timestamp, NOW).unwrap();
    let mut timestamp: Pointers = world.read("timestamp.json");
    timestamp.head.version += 1;
    // `timestamp-1`, which was in force before.
    let forged = world.sign_with("timestamp-1", 1, &timestamp);
    fs::write(world.repository.metadata().join("timestamp.json"), forged).unwrap();
    let found = world.hub().refresh(NOW);
    assert!(matches!(found, Err(sigstore_tuf::Error::ThresholdNotMet { .. })), "{found:?}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn rotated_out_vendor_keys_sign_nothing_any_more() {
    let world = World::new();
    world.repository.rotate(&Rotation::Vendor(slug("acme")), NOW).unwrap();
    // The first two by name are those that were in force before.
    world.forge_vendor(|_| ());
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    let found = hub.target("c/acme.lamp/1/image");
    assert!(matches!(found, Err(sigstore_tuf::Error::ThresholdNotMet { .. })), "{found:?}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_root_that_the_former_keys_did_not_sign_is_refused() {
    let world = World::new();
    world.repository.rotate(&Rotation::Root, NOW).unwrap();
    let root: Root = world.read("2.root.json");
    let forged = world.sign_with("root-4", 1, &root);
    fs::write(world.repository.metadata().join("2.root.json"), forged).unwrap();
    let found = world.hub().refresh(NOW);
    assert!(matches!(found, Err(sigstore_tuf::Error::ThresholdNotMet { .. })), "{found:?}");
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_component_follows_the_anchors_and_believes_the_same_releases() {
    let world = World::new();
    world.release(1);
    let mut hub = world.hub();
    hub.refresh(NOW).unwrap();
    let former = hub.target("c/acme.lamp/1/manifest.cose").unwrap();
    for number in 2..=4 {
        world.repository.rotate(&Rotation::Anchors(slug("acme")), NOW).unwrap();
        hub.refresh(NOW).unwrap();
        let mut component = world.component();
        for next in 2..=number {
            let anchor = hub.target(&format!("anchors/acme.lamp/{next}.cose")).unwrap();
            component = component.advance(&anchor, &Library).unwrap();
        }
        assert_eq!(component.anchor().number, number);
        let signed = hub.target("c/acme.lamp/1/manifest.cose").unwrap();
        let manifest = component.manifest(&signed, &Library).unwrap();
        assert_eq!(*manifest, *world.component().manifest(&former, &Library).unwrap());
        let old = component.manifest(&former, &Library);
        assert!(matches!(old, Err(Distrust::Signature { found: 0, .. })), "{old:?}");
    }
    world.release(2);
    hub.refresh(NOW).unwrap();
    let signed = hub.target("c/acme.lamp/2/manifest.cose").unwrap();
    // One that still trusts anchor 1 must follow the anchors first.
    assert!(world.component().manifest(&signed, &Library).is_err());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_component_refuses_anchors_out_of_order() {
    let world = World::new();
    for _ in 0..2 {
        world.repository.rotate(&Rotation::Anchors(slug("acme")), NOW).unwrap();
    }
    let third = fs::read(world.path().join("anchors/acme/3.cose")).unwrap();
    assert!(world.component().advance(&third, &Library).is_err());
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_lost_key_of_three_stops_no_rotation() {
    let world = World::new();
    world.release(1);
    let names = ["root-2", "targets-1", "vendor.acme-3", "anchor.acme-2", "manifest.acme-2"];
    let maimed = world.repository.clone().without(&names.map(str::to_owned));
    for rotation in [
        Rotation::Root,
        Rotation::Targets,
        Rotation::Snapshot,
        Rotation::Timestamp,
        Rotation::Vendor(slug("acme")),
        Rotation::Anchors(slug("acme")),
    ] {
        maimed.rotate(&rotation, NOW).unwrap();
    }
    verifies(&world, 5);
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn a_rotation_that_cannot_be_signed_changes_nothing() {
    let world = World::new();
    world.release(1);
    let before = world.tree();
    let without = |names: [&str; 2], rotation| {
        let names = names.map(str::to_owned);
        mistake(world.repository.clone().without(&names).rotate(&rotation, NOW))
    };
    let cases = [
        (["root-1", "root-2"], Rotation::Root),
        (["root-1", "root-2"], Rotation::Timestamp),
        (["targets-1", "targets-3"], Rotation::Vendor(slug("acme"))),
        (["anchor.acme-1", "anchor.acme-3"], Rotation::Anchors(slug("acme"))),
        (["vendor.acme-1", "vendor.acme-2"], Rotation::Anchors(slug("acme"))),
    ];
    for (names, rotation) in cases {
        let found = without(names, rotation.clone());
        assert!(matches!(found, Mistake::Keys { .. }), "{found}");
        assert_eq!(world.tree(), before, "{rotation:?}");
    }
    let found = mistake(world.repository.rotate(&Rotation::Vendor(slug("nobody")), NOW));
    assert!(matches!(found, Mistake::NoVendor { .. }), "{found}");
    assert_eq!(world.tree(), before);
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_refresh_mends_a_crash_between_the_new_root_and_the_timestamp() {
    let world = World::new();
    world.release(1);
    for rotation in [Rotation::Timestamp, Rotation::Targets, Rotation::Root, Rotation::Online] {
        let newest = world.repository.metadata().join("timestamp.json");
        let former = fs::read(&newest).unwrap();
        world.repository.rotate(&rotation, NOW).unwrap();
        fs::write(&newest, former).unwrap();
        world.repository.refresh(NOW).unwrap();
        let mut hub = world.hub();
        hub.refresh(NOW).unwrap();
        assert!(hub.target("c/acme.lamp/1/image").is_ok(), "{rotation:?}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn what_was_put_into_the_folder_is_not_signed() {
    let world = World::new();
    world.release(1);
    let metadata = world.repository.metadata();
    let refuses = |file: &str, forged: Vec<u8>| {
        let good = fs::read(metadata.join(file)).unwrap();
        fs::write(metadata.join(file), forged).unwrap();
        for change in [
            world.repository.refresh(NOW),
            world.repository.release(&world.plan(2), NOW).map(|_| ()),
            world.repository.rotate(&Rotation::Root, NOW),
        ] {
            assert!(matches!(mistake(change), Mistake::Damaged { .. }), "{file}");
        }
        fs::write(metadata.join(file), good).unwrap();
    };
    let mut role: Targets = world.read("2.acme.json");
    let target = role.targets["c/acme.lamp/1/image"].clone();
    role.targets.insert("c/acme.lamp/9/image".to_owned(), target);
    for (keys, count) in [("vendor.acme-", 1), ("targets-", 2), ("snapshot-", 1)] {
        refuses("2.acme.json", world.sign_with(keys, count, &role));
    }
    // Fewer must sign, or more may: a thief of one key would be enough.
    let mut targets: Targets = world.read("1.targets.json");
    targets.delegations.as_mut().unwrap().roles[0].by.threshold = 1;
    refuses("1.targets.json", world.sign_with("targets-", 2, &targets));
    refuses("1.targets.json", world.sign_with("vendor.acme-", 2, &targets));
    let mut root: Root = world.read("1.root.json");
    root.roles.get_mut("root").unwrap().threshold = 1;
    refuses("1.root.json", world.sign_with("root-", 1, &root));
    world.release(2);
}
