//! The server: who may come in, and what is answered.

use crate::{
    web::{Came, Client, read, request, started},
    world::{Hub, NOW, World},
};
use cloud_stub::repository::server::Limits;
use hyper::{Method, StatusCode};
use std::fs;

fn block_on<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

fn image_path(world: &World, seed: u8) -> String {
    format!("/targets/c/acme.lamp/1/{}.image", world.release(seed).sha256)
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_hub_with_a_certificate_verifies_a_release_over_https() {
    let world = World::new();
    world.release(1);
    let client = Client::of_hub(world.path(), started(&world, Limits::default()));
    let mut hub = Hub::new(client, &world.repository);
    hub.refresh(NOW).unwrap();
    let image = hub.target("c/acme.lamp/1/image").unwrap();
    assert_eq!(image, fs::read(world.image(1, 150_000)).unwrap());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn one_without_a_certificate_gets_nothing() {
    let world = World::new();
    let client = Client::of_nobody(world.path(), started(&world, Limits::default()));
    assert!(block_on(client.get("/metadata/timestamp.json")).is_err());
    // One of another cloud is no better.
    let other = World::new();
    started(&other, Limits::default());
    fs::copy(world.path().join("ca.pem"), other.path().join("ca.pem")).unwrap();
    let stranger = Client::of_hub(other.path(), started(&world, Limits::default()));
    assert!(block_on(stranger.get("/metadata/timestamp.json")).is_err());
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_transfer_resumes_where_it_ended() {
    let world = World::new();
    let path = image_path(&world, 1);
    let image = fs::read(world.image(1, 150_000)).unwrap();
    let client = Client::of_hub(world.path(), started(&world, Limits::default()));
    let part = |range: &str| -> Came {
        block_on(client.ask(Method::GET, &path, &[("range", range)], u64::MAX)).unwrap()
    };
    for (range, expected, said) in [
        ("bytes=100000-", 100_000..150_000, "bytes 100000-149999/150000"),
        ("bytes=0-0", 0..1, "bytes 0-0/150000"),
        ("bytes=65535-65536", 65_535..65_537, "bytes 65535-65536/150000"),
        ("bytes=-10", 149_990..150_000, "bytes 149990-149999/150000"),
    ] {
        let came = part(range);
        assert_eq!(
            (came.status, came.header("content-range")),
            (StatusCode::PARTIAL_CONTENT, said)
        );
        assert_eq!(came.header("content-length"), expected.len().to_string());
        assert_eq!(came.body, image[expected], "{range}");
    }
    let beyond = part("bytes=150000-");
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), "bytes */150000");
    let several = part("bytes=0-1,5-6");
    assert_eq!((several.status, several.body.len()), (StatusCode::OK, 150_000));
}

#[test]
fn a_connection_serves_several_requests() {
    let world = World::new();
    let path = image_path(&world, 1);
    let client = Client::of_hub(world.path(), started(&world, Limits::default()));
    block_on(async {
        let mut connection = client.connect().await.unwrap();
        for _ in 0..3 {
            for (path, length) in [(path.as_str(), 150_000), ("/metadata/9.root.json", 13)] {
                connection.ready().await.unwrap();
                let answer =
                    connection.send_request(request(Method::GET, path, &[])).await.unwrap();
                assert_eq!(read(answer, u64::MAX).await.body.len(), length);
            }
        }
    });
}

#[test]
fn head_and_etag_save_transfers() {
    let world = World::new();
    let path = image_path(&world, 1);
    let client = Client::of_hub(world.path(), started(&world, Limits::default()));
    let ask = |method, headers: &[(&str, &str)]| -> Came {
        block_on(client.ask(method, &path, headers, u64::MAX)).unwrap()
    };
    let head = ask(Method::HEAD, &[]);
    assert_eq!((head.header("content-length"), head.body.len()), ("150000", 0));
    let tag = head.header("etag").to_owned();
    assert_eq!(ask(Method::GET, &[("if-none-match", &tag)]).status, StatusCode::NOT_MODIFIED);
    assert_eq!(ask(Method::GET, &[("if-none-match", "\"x\"")]).status, StatusCode::OK);
    let resumed = [("range", "bytes=1-2"), ("if-range", tag.as_str())];
    assert_eq!(ask(Method::GET, &resumed).status, StatusCode::PARTIAL_CONTENT);
    let changed = [("range", "bytes=1-2"), ("if-range", "\"x\"")];
    assert_eq!(ask(Method::GET, &changed).status, StatusCode::OK);
    assert_eq!(ask(Method::POST, &[]).status, StatusCode::METHOD_NOT_ALLOWED);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn no_path_leads_to_the_keys() {
    let world = World::new();
    let client = Client::of_hub(world.path(), started(&world, Limits::default()));
    for path in [
        "/keys/root-1.pk8",
        "/metadata/../../keys/root-1.pk8",
        "/targets/../../keys/root-1.pk8",
        "/targets/c/%2e%2e/%2e%2e/%2e%2e/keys/root-1.pk8",
        "/targets//etc/passwd",
        "/metadata/.new.timestamp.json",
        "/metadata",
        "/",
    ] {
        let came = block_on(client.get(path)).unwrap();
        assert_eq!(came.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let link = world.repository.metadata().join("link.json");
    std::os::unix::fs::symlink(world.repository.keys().join("root-1.pk8"), link).unwrap();
    for path in ["/metadata/link.json", "/metadata/9.root.json", "/targets/c", "/targets/absent"] {
        assert_eq!(block_on(client.get(path)).unwrap().status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn connections_beyond_the_limit_are_closed() {
    let world = World::new();
    let limits = Limits { connections: 2, ..Limits::default() };
    let client = Client::of_hub(world.path(), started(&world, limits));
    block_on(async {
        let (first, second) = (client.connect().await.unwrap(), client.connect().await.unwrap());
        assert!(client.connect().await.is_err());
        drop(first);
        // Its place is free as soon as the server has seen it go.
        let free = async { while client.get("/metadata/timestamp.json").await.is_err() {} };
        tokio::time::timeout(std::time::Duration::from_secs(10), free).await.unwrap();
        drop(second);
    });
}

#[test]
fn a_folder_without_a_repository_has_nothing() {
    let world = World::new();
    let address = started(&world, Limits::default());
    fs::remove_dir_all(world.path().join("repository")).unwrap();
    let came = block_on(Client::of_hub(world.path(), address).get("/metadata/timestamp.json"));
    assert_eq!(came.unwrap().status, StatusCode::NOT_FOUND);
}
