//! Faults on demand: each does what it says, a hub refuses what is served, and nothing that is stored changes.

use crate::{
    web::{Came, Client, started},
    world::{DAY, Hub, NOW, World},
};
use cloud_stub::repository::{Fault, Rotation, Trouble, faults, server::Limits};
use hyper::{Method, StatusCode};
use sigstore_tuf::Error;
use std::{fs, io, time::Instant};

struct Scene {
    world: World,
    client: Client,
    image: String,
}

impl Scene {
    /// Two releases, served.
    fn new() -> Self {
        let world = World::new();
        let image = format!("/targets/c/acme.lamp/1/{}.image", world.release(1).sha256);
        world.release(2);
        let client = Client::of_hub(world.path(), started(&world, Limits::default()));
        Self { world, client, image }
    }

    fn on(&self, fault: impl Into<Fault>) {
        faults::set(self.world.path(), &[fault.into()]).unwrap();
    }

    fn off(&self) {
        faults::set(self.world.path(), &[]).unwrap();
    }

    fn hub(&self) -> Hub {
        Hub::new(self.client.clone(), &self.world.repository)
    }

    fn get(&self, path: &str, most: u64) -> io::Result<Came> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.client.ask(Method::GET, path, &[], most))
    }

    fn stored_image(&self) -> Vec<u8> {
        fs::read(self.world.image(1, 150_000)).unwrap()
    }

    /// It heals without anything else.
    fn heals(&self) {
        self.off();
        let mut hub = self.hub();
        hub.refresh(NOW).unwrap();
        assert_eq!(hub.target("c/acme.lamp/1/image").unwrap(), self.stored_image());
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn stale_is_a_rollback_for_who_knew_better_and_a_freeze_in_the_end() {
    let scene = Scene::new();
    let mut hub = scene.hub();
    hub.refresh(NOW).unwrap();
    let newest = hub.timestamp_version();
    scene.on(Trouble::Stale { back: 1 });
    let found = hub.refresh(NOW);
    assert!(matches!(found, Err(Error::Rollback { .. })), "{found:?}");
    let mut newcomer = scene.hub();
    newcomer.refresh(NOW).unwrap();
    assert_eq!(newcomer.timestamp_version(), newest - 1);
    assert!(newcomer.info("c/acme.lamp/2/image").is_none());
    scene.world.repository.refresh(NOW + 2 * DAY).unwrap();
    let found = scene.hub().refresh(NOW + 2 * DAY);
    assert!(matches!(found, Err(Error::Expired { .. })), "{found:?}");
    scene.on(Trouble::Stale { back: 99 });
    let came = scene.get("/metadata/timestamp.json", u64::MAX).unwrap();
    assert_eq!(came.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn torn_ends_the_connection_after_half() {
    let scene = Scene::new();
    scene.on(Trouble::Torn);
    let came = scene.get(&scene.image, u64::MAX).unwrap();
    assert_eq!((came.header("content-length"), came.whole), ("150000", false));
    assert_eq!(came.body, scene.stored_image()[..75_000]);
    assert!(matches!(scene.hub().refresh(NOW), Err(Error::Transport { .. })));
    scene.heals();
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn slow_takes_its_time() {
    let scene = Scene::new();
    scene.on(Fault::only(Trouble::Slow { rate: 500_000 }, "/targets/"));
    let start = Instant::now();
    let came = scene.get(&scene.image, u64::MAX).unwrap();
    assert!(start.elapsed().as_millis() >= 299, "{:?}", start.elapsed());
    assert_eq!(came.body, scene.stored_image());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn endless_never_ends_and_says_no_length() {
    let scene = Scene::new();
    scene.on(Trouble::Endless);
    let came = scene.get(&scene.image, 3_000_000).unwrap();
    assert_eq!(came.header("content-length"), "");
    assert!(came.body.len() > 3_000_000 && came.body.starts_with(&scene.stored_image()));
    assert!(matches!(scene.hub().refresh(NOW), Err(Error::Transport { .. })));
    scene.heals();
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn mixed_is_found_by_the_snapshot() {
    let scene = Scene::new();
    scene.on(Trouble::Mixed);
    let mut hub = scene.hub();
    hub.refresh(NOW).unwrap();
    let found = hub.target("c/acme.lamp/1/image");
    assert!(matches!(found, Err(Error::IntegrityMismatch { .. })), "{found:?}");
    scene.heals();
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn an_unknown_key_signs_nothing() {
    let scene = Scene::new();
    scene.on(Trouble::WrongKey);
    let found = scene.hub().refresh(NOW);
    assert!(matches!(found, Err(Error::ThresholdNotMet { .. })), "{found:?}");
    scene.on(Fault::only(Trouble::WrongKey, "snapshot.json"));
    let found = scene.hub().refresh(NOW);
    assert!(matches!(found, Err(Error::IntegrityMismatch { .. })), "{found:?}");
    scene.world.repository.rotate(&Rotation::Root, NOW).unwrap();
    scene.on(Fault::only(Trouble::WrongKey, "2.root.json"));
    let found = scene.hub().refresh(NOW);
    assert!(matches!(found, Err(Error::ThresholdNotMet { .. })), "{found:?}");
    scene.heals();
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_flipped_bit_and_a_truncation_are_found_by_the_digest() {
    let scene = Scene::new();
    let (stored, mut hub) = (scene.stored_image(), scene.hub());
    hub.refresh(NOW).unwrap();
    scene.on(Trouble::BitFlip);
    let came = scene.get(&scene.image, u64::MAX).unwrap();
    let different: Vec<_> = (0..150_000).filter(|at| came.body[*at] != stored[*at]).collect();
    assert_eq!(different, [75_000]);
    assert_eq!((came.body[75_000] ^ stored[75_000]).count_ones(), 1);
    let found = hub.target("c/acme.lamp/1/image");
    assert!(matches!(found, Err(Error::IntegrityMismatch { .. })), "{found:?}");
    scene.on(Trouble::Truncated);
    let came = scene.get(&scene.image, u64::MAX).unwrap();
    assert!(came.whole && came.body == stored[..75_000]);
    let found = hub.target("c/acme.lamp/1/image");
    assert!(matches!(found, Err(Error::IntegrityMismatch { .. })), "{found:?}");
    scene.heals();
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn missing_and_down_leave_a_hub_with_what_it_has() {
    let scene = Scene::new();
    scene.on(Fault::only(Trouble::Missing, "snapshot.json"));
    assert!(matches!(scene.hub().refresh(NOW), Err(Error::Transport { .. })));
    assert_eq!(scene.get(&scene.image, u64::MAX).unwrap().status, StatusCode::OK);
    scene.on(Trouble::Missing);
    assert_eq!(scene.get(&scene.image, u64::MAX).unwrap().status, StatusCode::NOT_FOUND);
    scene.on(Trouble::Down);
    assert!(scene.get(&scene.image, u64::MAX).is_err());
    assert!(scene.get("/metadata/absent.json", u64::MAX).is_err());
    scene.heals();
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn new_online_keys_end_a_fast_forward() {
    let scene = Scene::new();
    for version in [u64::from(u32::MAX), u64::MAX - 1] {
        let mut hub = scene.hub();
        scene.on(Trouble::FastForward { version });
        hub.refresh(NOW).unwrap();
        assert_eq!(hub.timestamp_version(), version);
        assert!(hub.target("c/acme.lamp/2/image").is_ok(), "the online keys sign no targets");
        scene.off();
        assert!(matches!(hub.refresh(NOW), Err(Error::Rollback { .. })));
        scene.world.repository.rotate(&Rotation::Online, NOW).unwrap();
        hub.refresh(NOW).unwrap();
        assert!(hub.timestamp_version() < 100);
    }
    scene.heals();
}

#[test]
fn faults_are_a_file_that_says_when_it_is_wrong() {
    let scene = Scene::new();
    let file = scene.world.path().join("faults");
    let both = r#"[{"fault":"bit-flip"},{"fault":"missing","only":"timestamp"}]"#;
    fs::write(&file, both).unwrap();
    let status = |path: &str| scene.get(path, u64::MAX).unwrap().status;
    assert_eq!(status("/metadata/timestamp.json"), StatusCode::NOT_FOUND);
    assert_ne!(scene.get(&scene.image, u64::MAX).unwrap().body, scene.stored_image());
    assert_eq!(status("/metadata/1.root.json"), StatusCode::OK);
    fs::write(&file, r#"[{"fault":"late"}]"#).unwrap();
    let came = scene.get("/metadata/1.root.json", u64::MAX).unwrap();
    assert_eq!(came.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8(came.body).unwrap().contains("unknown variant `late`"));
    fs::remove_file(&file).unwrap();
    scene.heals();
}
