//! What becomes of the stored metadata on a bad disk, and whether it opens a way back.

use crate::{
    repository::{DAY, NOW, Repository},
    world::{DAMAGES, World, at},
};
use update_verifier::{Attack, Refused, Stored, Verifier, Witness};

const LOWER: [&str; 3] = ["timestamp.json", "snapshot.json", "targets.json"];

/// Version 3 was seen; then the stored files are damaged and the mirror serves version 1 again.
async fn rolled_back(damage: fn(&mut Stored, &str), files: &[&str]) {
    let mut world = World::new().await;
    let old = world.repository.files.clone();
    world.repository.release();
    world.repository.release();
    world.refresh().await.unwrap();
    world.damage(|stored| files.iter().for_each(|name| damage(stored, name)));
    let newest = std::mem::replace(&mut world.repository.files, old);
    let refused = world.refresh().await.expect_err("old metadata after damage");
    assert_eq!(refused.attack(), Some(Attack::Rollback), "{files:?}: {refused}");
    // The damage itself does no harm: the newest metadata is believed, and stored again.
    world.repository.files = newest;
    world.refresh().await.expect("honest metadata heals the damage");
    for name in LOWER {
        assert_eq!(world.stored(name), Some(3), "{name}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_rolled_back_timestamp_after_its_stored_metadata_was_torn() {
    rolled_back(DAMAGES[0], &LOWER[..1]).await;
    rolled_back(DAMAGES[0], &LOWER).await;
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_rolled_back_timestamp_after_its_stored_metadata_was_emptied() {
    rolled_back(DAMAGES[1], &LOWER[..1]).await;
    rolled_back(DAMAGES[1], &LOWER).await;
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_rolled_back_timestamp_after_its_stored_metadata_was_deleted() {
    rolled_back(DAMAGES[2], &LOWER[..1]).await;
    rolled_back(DAMAGES[2], &LOWER).await;
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn recovers_from_the_same_damage_with_honest_metadata() {
    for damage in DAMAGES {
        let mut world = World::new().await;
        world.repository.release();
        world.refresh().await.unwrap();
        world.damage(|stored| LOWER.iter().for_each(|name| damage(stored, name)));
        world.refresh().await.expect("the same metadata once more");
        assert_eq!(world.stored("timestamp.json"), Some(2));
        assert_eq!(world.stored("targets.json"), Some(2));
    }
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_older_files_that_were_put_back_into_the_store() {
    let mut world = World::new().await;
    let (old, old_files) =
        (world.vault.0.lock().unwrap().stored.clone(), world.repository.files.clone());
    world.repository.release();
    world.refresh().await.unwrap();
    world.damage(|stored| stored.metadata.clone_from(&old.metadata));
    world.repository.files = old_files;
    let refused = world.refresh().await.expect_err("old files in the store and on the mirror");
    assert_eq!(refused.attack(), Some(Attack::Rollback), "{refused}");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_root_that_was_put_back_and_takes_no_floors_away() {
    let mut repository = Repository::new();
    let (first, first_files) = (repository.pinned(), repository.files.clone());
    repository.timestamp = crate::repository::Signers::new(1, 1);
    repository.publish_root();
    repository.release();
    let world = World::with(repository).await;
    world.damage(|stored| {
        stored.metadata.insert("root.json".into(), first.clone().into());
    });
    let mut world = world;
    let newest = std::mem::replace(&mut world.repository.files, first_files);
    let refused = world.refresh().await.expect_err("the first root and all it signed");
    assert!(matches!(&refused, Refused::Rollback { role, .. } if role == "root"), "{refused}");
    world.repository.files = newest;
    world.refresh().await.expect("the chain leads to the root that was seen");
    assert_eq!(world.stored("root.json"), Some(2));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_expired_metadata_when_the_clock_was_set_back() {
    let world = World::new().await;
    // A day later the mirror still serves the same, which is a freeze …
    let mut world = world;
    world.repository.lives.insert("timestamp", 3 * DAY);
    world.repository.release();
    world.refresh_at(NOW + 2 * DAY).await.expect("valid for three days");
    world.repository.lives.insert("timestamp", DAY);
    world.repository.publish_timestamp();
    // … also when somebody set the clock back to before it expired.
    for clock in [NOW + 2 * DAY, NOW, 0] {
        let refused = world.refresh_at(clock).await.expect_err("it expired after one day");
        assert_eq!(refused.attack(), Some(Attack::Freeze), "{clock}: {refused}");
    }
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn the_time_floor_follows_only_what_succeeded_as_a_whole() {
    let mut world = World::new().await;
    assert_eq!(world.floors()["time"], NOW);
    world.refresh_at(NOW + 30 * DAY).await.expect_err("everything expired");
    assert_eq!(world.floors()["time"], NOW, "a clock far in the future does no harm");
    world.repository.release();
    world.refresh_at(NOW + 60).await.unwrap();
    assert_eq!(world.floors()["time"], NOW + 60);
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn stops_when_floors_are_damaged() {
    let damages: [fn(&mut Stored); 5] = [
        |stored| stored.floors = None,
        |stored| stored.floors = Some(Vec::new()),
        |stored| stored.floors.as_mut().unwrap().truncate(20),
        |stored| stored.floors = Some(b"{\"format\":9}".to_vec()),
        |stored| {
            stored.metadata.remove("root.json");
        },
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let world = World::new().await;
        world.damage(damage);
        let refused = world.restored().err().expect("nothing is believed");
        assert!(matches!(refused, Refused::FloorsDamaged(_)), "{at}: {refused}");
        assert_eq!(refused.word(), "floors-damaged");
        assert!(refused.advice().contains("pins a root again"));
    }
    let world = World::new().await;
    world.damage(|stored| *stored = Stored::default());
    assert!(matches!(world.restored().err(), Some(Refused::NotPinned)));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn stops_when_the_store_went_back_as_a_whole() {
    let mut world = World::new().await;
    let (before, files) =
        (world.vault.0.lock().unwrap().stored.clone(), world.repository.files.clone());
    world.repository.release();
    world.refresh().await.unwrap();
    // Old metadata and old floors fit each other: only the witness outside knows that there was more.
    world.damage(|stored| *stored = Stored { seen: stored.seen, ..before.clone() });
    world.repository.files = files;
    let refused = world.refresh().await.expect_err("one commit is gone");
    assert!(matches!(refused, Refused::FloorsDamaged(_)), "{refused}");
    world.damage(|stored| *stored = Stored { seen: stored.seen, ..Stored::default() });
    assert!(matches!(world.restored().err(), Some(Refused::FloorsDamaged(_))));
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_witness_remembers_and_knows_when_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::at(folder.path().join("commits"));
    assert_eq!(witness.seen().unwrap(), None);
    witness.note(7).unwrap();
    witness.note(8).unwrap();
    assert_eq!(witness.seen().unwrap(), Some(8));
    for damage in ["", "eight", "-1", "8 8"] {
        std::fs::write(folder.path().join("commits"), damage).unwrap();
        assert!(matches!(witness.seen(), Err(Refused::FloorsDamaged(_))), "{damage:?}");
    }
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn an_operator_who_pins_again_begins_anew() {
    let mut world = World::new().await;
    world.repository.release();
    world.refresh().await.unwrap();
    world.damage(|stored| stored.floors = None);
    let old = world.vault.0.lock().unwrap().stored.clone();
    let root = world.repository.pinned();
    Verifier::pin(world.vault.clone(), &old, &root).await.unwrap();
    assert_eq!(world.stored("timestamp.json"), None);
    world.refresh().await.unwrap();
    assert_eq!(world.stored("timestamp.json"), Some(2));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn uses_nothing_that_could_not_be_made_durable() {
    let mut world = World::new().await;
    world.repository.add(None, "c/lamp/8/image", b"image");
    world.repository.release();
    let mut verifier = world.restored().unwrap();
    world.vault.0.lock().unwrap().full = true;
    let refused = verifier.refresh(&world.serve(), at(NOW)).await.expect_err("a full disk");
    assert!(matches!(refused, Refused::Vault(_)), "{refused}");
    let refused = verifier.find("c/lamp/8/image", at(NOW)).await.expect_err("not durable");
    assert!(matches!(refused, Refused::NotRefreshed), "{refused}");
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn metadata_and_floors_become_durable_in_one_step() {
    let mut world = World::new().await;
    let before = world.vault.0.lock().unwrap().commits;
    world.repository.release();
    world.refresh().await.unwrap();
    assert_eq!(world.vault.0.lock().unwrap().commits, before + 1);
    world.refresh().await.unwrap();
    assert_eq!(
        world.vault.0.lock().unwrap().commits,
        before + 1,
        "nothing changed, nothing is written"
    );
    assert_eq!(world.floors()["timestamp"], 2);
    assert_eq!(world.floors()["targets"]["targets"], 2);
}
