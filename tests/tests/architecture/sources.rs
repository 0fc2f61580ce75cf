//! What the source text may say, and where.

use crate::{files, read, root};
use std::path::Path;

/// Fails when `word` stands in a Rust file below `folder` outside the `home` path.
fn only_at_home(folder: &str, word: &str, home: &str) {
    let strays: Vec<_> = files(&root().join(folder), ".rs")
        .into_iter()
        .filter(|path| !path.starts_with(root().join(home)))
        .filter(|path| code(&read(path)).contains(word))
        .collect();
    assert!(strays.is_empty(), "`{word}` belongs to {home} only, found in {strays:?}");
}

/// The text without comment lines.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_library_with_one_home_stays_there() {
    only_at_home("protocol/src", "serde_cbor::", "protocol/src/cbor");
    only_at_home("hub-agent", "serde_cbor::", "protocol/src/cbor");
    only_at_home("hub-agent", "sled::", "hub-agent/src/store");
    only_at_home("hub-agent/src", "sigstore_tuf", "nowhere");
    only_at_home("hub-agent/verifier/src", "sigstore_tuf", "hub-agent/verifier/src/tuf.rs");
    only_at_home("hub-agent/src", "rumqttc::", "hub-agent/src/links");
    only_at_home("hub-agent/src", "hyper::server", "hub-agent/src");
}

#[test]
fn decisions_read_no_clock_and_no_randomness() {
    only_at_home("hub-agent/verifier/src", "SystemTime::now", "nowhere");
    for folder in ["protocol/src", "hub-agent/core/src"] {
        for word in ["SystemTime::now", "Instant::now", "rand::", "thread::", "std::net::Tcp"] {
            only_at_home(folder, word, "nowhere");
        }
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    let marks =
        [concat!("#[", "ignore"), concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!(")];
    for path in files(&root(), ".rs") {
        let text = read(&path);
        for mark in marks {
            assert!(!text.contains(mark), "{mark} in {}", path.display());
        }
    }
}

#[test]
fn files_hold_one_topic_each() {
    let long: Vec<_> = files(&root(), ".rs")
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > 800)
        .collect();
    assert!(long.is_empty(), "split by topic: {long:?}");
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let mut folders: Vec<_> = std::fs::read_dir(root())
        .expect("the workspace is readable")
        .map(|entry| entry.expect("the workspace is readable").path())
        .filter(|path| path.is_dir())
        .map(|path| name(&path))
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    folders.sort();
    assert_eq!(folders, ["cloud-stub", "deploy", "device-sim", "hub-agent", "protocol", "tests"]);
}

fn name(path: &Path) -> String {
    path.file_name().expect("a listed path has a name").to_string_lossy().into_owned()
}
