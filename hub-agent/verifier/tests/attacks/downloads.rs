//! Targets over the wire and from a stick: what is cut, swapped, endless or slow, and what is kept.

use crate::{
    repository::{NOW, Repository, hex, sha256},
    server::{Answer, Server},
    world::{Memory, World, at, mirror, pace},
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use update_verifier::{Attack, Cache, Mirror, Mirrors, Refused, Source, Target, Verifier};

const PATH: &str = "c/lamp/8/image";

fn image() -> Vec<u8> {
    (0..200_000_u32).map(|n| (n % 251) as u8).collect()
}

/// A world whose repository lists the image, and the verified target.
async fn listed() -> (World, Target) {
    let mut repository = Repository::new();
    repository.add(None, PATH, &image());
    repository.release();
    let world = World::with(repository).await;
    let target = world.find(PATH).await.unwrap();
    (world, target)
}

async fn cache(folder: &TempDir) -> Cache {
    Cache::open(folder.path().join("cache"), 1_000_000).await.unwrap()
}

fn served() -> String {
    format!("targets/c/lamp/8/{}.image", hex(&sha256(&image())))
}

fn place(folder: &TempDir, ending: &str) -> PathBuf {
    folder.path().join(format!("cache/{}{ending}", hex(&sha256(&image()))))
}

/// A server that gives this for the image.
async fn image_server(answer: Answer) -> Server {
    Server::start(move |path| (path == served()).then(|| answer.clone())).await
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn fetches_a_target_once_and_reads_it_again_before_each_use() {
    let (_world, target) = listed().await;
    let (folder, server) =
        (tempfile::tempdir().unwrap(), image_server(Answer::File(image())).await);
    let mut cache = cache(&folder).await;
    let fetched = cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), image());
    assert_eq!((fetched.length(), fetched.sha256()), (200_000, &sha256(&image())));
    cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
    assert_eq!(server.asked(), [served()], "what is there is not fetched again");
    let mut damaged = image();
    damaged[7] ^= 1;
    fs::write(fetched.path(), damaged).unwrap();
    cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), image());
    assert_eq!(server.asked().len(), 2, "what is damaged is");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_swapped_target() {
    let (_world, target) = listed().await;
    let (folder, mut other) = (tempfile::tempdir().unwrap(), image());
    other[100] ^= 1;
    let server = image_server(Answer::File(other)).await;
    let refused = cache(&folder).await.fetch(&target, &server.mirrors(), &[]).await;
    let refused = refused.expect_err("one bit is another");
    assert!(matches!(refused, Refused::WrongHash { .. }), "{refused}");
    assert_eq!(refused.word(), "arbitrary-software");
    assert_eq!(fs::read_dir(folder.path().join("cache")).unwrap().count(), 0, "nothing is kept");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_endless_target() {
    let (_world, target) = listed().await;
    let longer = [image(), vec![0]].concat();
    for answer in [Answer::Endless, Answer::File(longer)] {
        let (folder, server) = (tempfile::tempdir().unwrap(), image_server(answer).await);
        let refused = cache(&folder).await.fetch(&target, &server.mirrors(), &[]).await;
        let refused = refused.expect_err("more than was signed");
        assert_eq!(refused.attack(), Some(Attack::EndlessData), "{refused}");
        assert!(!place(&folder, "").exists() && !place(&folder, ".part").exists());
    }
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_endless_metadata_over_http() {
    let world = World::new().await;
    let server =
        Server::start(|path| path.ends_with("timestamp.json").then_some(Answer::Endless)).await;
    let refused = world.restored().unwrap().refresh(&server.mirrors(), at(NOW)).await;
    let refused = refused.expect_err("a timestamp without end");
    assert_eq!(refused.attack(), Some(Attack::EndlessData), "{refused}");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn gives_up_on_slow_retrieval() {
    let (world, target) = listed().await;
    let folder = tempfile::tempdir().unwrap();
    let server = image_server(Answer::Stuck(image(), 500)).await;
    let refused = cache(&folder).await.fetch(&target, &server.mirrors(), &[]).await;
    let refused = refused.expect_err("500 bytes and then silence");
    assert_eq!(refused.attack(), Some(Attack::SlowRetrieval), "{refused}");
    assert_eq!(fs::metadata(place(&folder, ".part")).unwrap().len(), 500, "they are kept");
    let stuck = Server::start(|path| {
        path.ends_with("timestamp.json").then(|| Answer::Stuck(vec![b'{'; 900], 100))
    });
    let refused = world.restored().unwrap().refresh(&stuck.await.mirrors(), at(NOW)).await;
    assert_eq!(refused.expect_err("a slow timestamp").attack(), Some(Attack::SlowRetrieval));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn gives_up_on_a_server_that_accepts_and_says_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let short = update_verifier::Pace { answer: Duration::from_millis(200), ..pace() };
    let source = || Source::parse(&address, None, short).unwrap();
    let mirrors = Mirrors::new(vec![Mirror { metadata: source(), targets: source() }]).unwrap();
    let world = World::new().await;
    let refused = world.restored().unwrap().refresh(&Arc::new(mirrors), at(NOW)).await;
    let refused = refused.expect_err("no answer");
    assert_eq!((refused.attack(), refused.word()), (None, "unreachable"), "{refused}");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn refuses_a_file_that_is_whole_and_shorter_than_listed() {
    let (_world, target) = listed().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cache = cache(&folder).await;
    let half = image_server(Answer::File(image()[..100_000].to_vec())).await;
    let refused = cache.fetch(&target, &half.mirrors(), &[]).await.expect_err("a half");
    assert!(matches!(refused, Refused::Short { got: 100_000, length: 200_000, .. }), "{refused}");
    assert_eq!(refused.attack(), Some(Attack::ArbitrarySoftware), "no mere bad connection");
    let server = image_server(Answer::File(image())).await;
    let fetched = cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), image(), "the rest of an honest one fits");
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn resumes_a_download_by_range() {
    let (_world, target) = listed().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cache = cache(&folder).await;
    let broken = image_server(Answer::Broken(image(), 70_000)).await;
    let refused = cache.fetch(&target, &broken.mirrors(), &[]).await.expect_err("it broke off");
    assert!(matches!(refused, Refused::Unreachable(_)), "{refused}");
    assert_eq!(fs::metadata(place(&folder, ".part")).unwrap().len(), 70_000);
    let server = image_server(Answer::File(image())).await;
    let fetched = cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), image());
    assert_eq!(server.asked(), [format!("{} from 70000", served())]);
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn starts_anew_when_the_server_ignores_the_range() {
    let (_world, target) = listed().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cache = cache(&folder).await;
    fs::write(place(&folder, ".part"), &image()[..70_000]).unwrap();
    let server = image_server(Answer::Whole(image())).await;
    let fetched = cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), image());
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn a_part_that_another_mirror_made_up_costs_only_time() {
    let (_world, target) = listed().await;
    for made_up in [vec![9; 70_000], vec![9; 200_000], vec![9; 300_000]] {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = cache(&folder).await;
        fs::write(place(&folder, ".part"), made_up).unwrap();
        let server = image_server(Answer::File(image())).await;
        let fetched = cache.fetch(&target, &server.mirrors(), &[]).await.unwrap();
        assert_eq!(fs::read(fetched.path()).unwrap(), image());
    }
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn a_download_falls_over_to_the_next_mirror() {
    let (world, target) = listed().await;
    let folder = tempfile::tempdir().unwrap();
    let dead = Source::parse("http://127.0.0.1:9/", None, pace()).unwrap();
    let dead = Mirror {
        metadata: Source::parse("http://127.0.0.1:9/", None, pace()).unwrap(),
        targets: dead,
    };
    let lying = image_server(Answer::File(vec![1; 200_000])).await;
    world.serve();
    let mirrors = Mirrors::new(vec![dead, lying.mirror(), mirror(&world.folder)]).unwrap();
    let fetched = cache(&folder).await.fetch(&target, &mirrors, &[]).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), image());
    assert_eq!(lying.asked().len(), 1);
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn follows_no_redirect_and_takes_only_404_for_missing() {
    let world = World::new().await;
    for status in
        ["302 Found", "403 Forbidden", "500 Oops", "204 No Content", "206 Partial Content"]
    {
        let server = Server::start(move |path| {
            path.ends_with(".root.json").then_some(Answer::Status(status, "location: /elsewhere"))
        });
        let server = server.await;
        let refused = world.restored().unwrap().refresh(&server.mirrors(), at(NOW)).await;
        let refused = refused.expect_err("no root chain ends like this");
        assert!(matches!(refused, Refused::Unreachable(_)), "{status}: {refused}");
        assert_eq!(server.asked(), ["metadata/2.root.json"], "nothing more is asked");
    }
}

/// Criterion: T3.SU.1a (positive)
#[tokio::test]
async fn asks_for_nothing_more_than_it_needs_over_one_connection() {
    let mut repository = Repository::new();
    repository.add(None, PATH, &image());
    repository.release();
    let (pinned, files) = (repository.pinned(), repository.files.clone());
    let server = Server::start(move |path| files.get(path).cloned().map(Answer::File)).await;
    let vault = Memory::default();
    let mut verifier = Verifier::pin(vault, &Default::default(), &pinned).await.unwrap();
    let mirrors = server.mirrors();
    verifier.refresh(&mirrors, at(NOW)).await.unwrap();
    let first = ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"];
    assert_eq!(server.asked(), first.map(|name| format!("metadata/{name}")));
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "one connection for all");
    server.asked.lock().unwrap().clear();
    verifier.refresh(&mirrors, at(NOW)).await.unwrap();
    assert_eq!(server.asked(), ["metadata/2.root.json", "metadata/timestamp.json"]);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let folder = tempfile::tempdir().unwrap();
    let target = verifier.find(PATH, at(NOW)).await.unwrap();
    cache(&folder).await.fetch(&target, &mirrors, &[]).await.unwrap();
    assert_eq!(server.asked().last(), Some(&served()));
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn a_stick_s_links_lead_nowhere_else() {
    let world = World::new().await;
    world.serve();
    let outside = tempfile::tempdir().unwrap();
    let metadata = world.folder.path().join("metadata");
    let good = world.repository.files["metadata/timestamp.json"].clone();
    fs::write(outside.path().join("timestamp.json"), &good).unwrap();
    let refresh = || async {
        let mirrors = Arc::new(Mirrors::new(vec![mirror(&world.folder)]).unwrap());
        world.restored().unwrap().refresh(&mirrors, at(NOW)).await
    };
    let link = metadata.join("timestamp.json");
    for to in
        [outside.path().join("timestamp.json"), "../../timestamp.json".into(), "/dev/zero".into()]
    {
        fs::remove_file(&link).unwrap();
        symlink(&to, &link).unwrap();
        let refused = refresh().await.expect_err("a link that leaves the folder");
        assert!(refused.to_string().contains("leads out"), "{}: {refused}", to.display());
    }
    fs::remove_file(&link).unwrap();
    fs::create_dir(&link).unwrap();
    refresh().await.expect_err("a folder is no file");
    fs::remove_dir(&link).unwrap();
    fs::write(metadata.join("other"), good).unwrap();
    symlink("other", &link).unwrap();
    refresh().await.expect("a link that stays inside is good");
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn a_target_s_path_leads_nowhere_else() {
    for path in ["../../etc/passwd", "/etc/passwd", "a/../../b", "a//b"] {
        let mut repository = Repository::new();
        repository.add(None, path, b"x");
        repository.files.retain(|name, _| name.starts_with("metadata/"));
        repository.release();
        let world = World::with(repository).await;
        let target = world.find(path).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(|_| Some(Answer::File(b"x".to_vec()))).await;
        for mirrors in [server.mirrors(), world.serve()] {
            let refused = cache(&folder).await.fetch(&target, &mirrors, &[]).await;
            refused.expect_err("it leads out of the repository");
        }
        assert!(server.asked().is_empty(), "{path} is not asked for");
    }
}

/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn the_cache_stays_within_its_bound_and_keeps_what_is_needed() {
    let mut repository = Repository::new();
    let contents: Vec<Vec<u8>> = (1..=4_u8).map(|n| vec![n; 1_000]).collect();
    for (n, content) in contents.iter().enumerate() {
        repository.add(None, &format!("file{n}"), content);
    }
    repository.add(None, "large", &[7; 3_001]);
    repository.release();
    let world = World::with(repository).await;
    let (folder, mirrors) = (tempfile::tempdir().unwrap(), world.serve());
    let mut cache = Cache::open(folder.path().join("cache"), 3_000).await.unwrap();
    for n in 0..3 {
        let target = world.find(&format!("file{n}")).await.unwrap();
        let fetched = cache.fetch(&target, &mirrors, &[]).await.unwrap();
        // File 0 is the oldest.
        let file = fs::File::open(fetched.path()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(n)).unwrap();
    }
    let fourth = world.find("file3").await.unwrap();
    let keep = [sha256(&contents[0])];
    cache.fetch(&fourth, &mirrors, &keep).await.unwrap();
    let there = |n: usize| folder.path().join("cache").join(hex(&sha256(&contents[n]))).exists();
    assert_eq!(
        [0, 1, 2, 3].map(there),
        [true, false, true, true],
        "the oldest that nobody keeps goes"
    );
    let large = world.find("large").await.unwrap();
    let refused = cache.fetch(&large, &mirrors, &[]).await.expect_err("larger than all");
    assert!(matches!(refused, Refused::NoRoom { .. }), "{refused}");
    let second = world.find("file1").await.unwrap();
    let all: Vec<_> = contents.iter().map(|content| sha256(content)).collect();
    let refused = cache.fetch(&second, &mirrors, &all).await.expect_err("all is kept");
    assert!(matches!(refused, Refused::NoRoom { .. }), "{refused}");
}
