//! What `cargo metadata` says about who depends on whom.

use crate::{read, root};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

struct Package {
    name: String,
    license: String,
    ours: bool,
}

/// The resolved graph: packages by id, and edges of normal and build dependencies.
struct Graph {
    packages: BTreeMap<String, Package>,
    edges: BTreeMap<String, Vec<String>>,
    /// Direct dependencies of our packages by name, development ones too.
    direct: BTreeMap<String, BTreeSet<String>>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The platform this is built on.
fn host(cargo: &str) -> String {
    let output = Command::new(cargo).arg("-vV").output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo says its host").to_owned()
}

fn graph() -> Graph {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        // A machine that only ever built this has no crates of other platforms.
        .args(["--filter-platform", &host(&cargo)])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let mut graph =
        Graph { packages: BTreeMap::new(), edges: BTreeMap::new(), direct: BTreeMap::new() };
    for package in list(&metadata["packages"]) {
        let ours = package["source"].is_null();
        let (name, license) = (text(&package["name"]), text(&package["license"]));
        if ours {
            let names = list(&package["dependencies"]).iter().map(|d| text(&d["name"]));
            graph.direct.insert(name.clone(), names.collect());
        }
        graph.packages.insert(text(&package["id"]), Package { name, license, ours });
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let shipped =
            |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|k| text(&k["kind"]) != "dev");
        let to = list(&node["deps"]).iter().filter(shipped).map(|dep| text(&dep["pkg"])).collect();
        graph.edges.insert(text(&node["id"]), to);
    }
    graph
}

impl Graph {
    fn id(&self, name: &str) -> &str {
        let found = self.packages.iter().find(|(_, package)| package.ours && package.name == name);
        found.unwrap_or_else(|| panic!("no package {name} in the workspace")).0
    }

    /// Names of all packages that ship with `name`.
    fn ships_with(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.id(name)];
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.edges[id].iter().map(String::as_str));
            }
        }
        seen.into_iter().map(|id| self.packages[id].name.as_str()).collect()
    }

    fn imports(&self, name: &str) -> BTreeSet<&str> {
        let ours = |id: &&String| self.packages[*id].ours;
        let edges = self.edges[self.id(name)].iter().filter(ours);
        edges.map(|id| self.packages[id].name.as_str()).collect()
    }
}

#[test]
fn packages_import_only_what_the_map_allows() {
    let graph = graph();
    for (package, allowed) in [
        ("protocol", &[][..]),
        ("hub-core", &["protocol"][..]),
        ("mqtt-endpoint", &["protocol"]),
        ("update-verifier", &[]),
        ("state-log", &[]),
        ("hub-agent", &["protocol", "hub-core", "mqtt-endpoint", "update-verifier", "state-log"]),
        ("device-sim", &["protocol"]),
        ("cloud-stub", &["protocol", "mqtt-endpoint", "state-log"]),
    ] {
        let extra: Vec<_> =
            graph.imports(package).into_iter().filter(|name| !allowed.contains(name)).collect();
        assert!(extra.is_empty(), "{package} must not import {extra:?}");
    }
}

#[test]
fn the_decisions_ship_without_input_and_output() {
    let graph = graph();
    for package in ["protocol", "hub-core"] {
        let ships = graph.ships_with(package);
        for banned in ["tokio", "rumqttc", "rustls", "sled", "hyper", "tracing"] {
            assert!(!ships.contains(banned), "{package} ships {banned}");
        }
    }
}

/// Criterion: T1.DP.1 (positive)
#[test]
fn there_is_one_crypto_provider() {
    let graph = graph();
    let ships = graph.ships_with("hub-agent");
    for banned in ["openssl", "openssl-sys", "native-tls", "boring", "rust-crypto"] {
        assert!(!ships.contains(banned), "hub-agent ships {banned}");
    }
    assert!(ships.contains("aws-lc-rs"));
    // rumqttc names an error type of an old webpki, which names ring; nothing calls it. `cargo tree`
    // knows which features are on; `cargo metadata` also lists what no feature reaches.
    let users = tree(&[
        "-p",
        "hub-agent",
        "-e",
        "normal",
        "--prefix",
        "none",
        "-i",
        "ring",
        "--depth",
        "1",
    ]);
    let users: Vec<_> = users.lines().skip(1).filter(|line| !line.is_empty()).collect();
    assert!(users.iter().all(|user| user.starts_with("rustls-webpki v0.102.")), "{users:?}");
}

fn tree(args: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(&cargo)
        .args(["tree", "--locked", "--offline"])
        .args(args)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_direct_dependency_is_justified_in_one_line() {
    let map = read(&root().join("ARCHITECTURE.md"));
    let missing: Vec<_> = graph()
        .direct
        .into_iter()
        .flat_map(|(package, names)| names.into_iter().map(move |name| (package.clone(), name)))
        .filter(|(_, name)| !map.contains(&format!("| `{name}` |")))
        .filter(|(_, name)| !root().join(name).exists())
        .filter(|(_, name)| {
            !["hub-core", "mqtt-endpoint", "update-verifier", "state-log"].contains(&name.as_str())
        })
        .collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md's table of dependencies: {missing:?}");
}

#[test]
fn every_licence_is_allowed() {
    let denied: Vec<_> = graph()
        .packages
        .into_values()
        .filter(|package| !package.license.split(['/', ' ', '(', ')']).any(is_permissive))
        .map(|package| format!("{} ({})", package.name, package.license))
        .collect();
    assert!(denied.is_empty(), "licences outside deny.toml's list: {denied:?}");
}

fn is_permissive(word: &str) -> bool {
    matches!(
        word,
        "MIT"
            | "MIT-0"
            | "Apache-2.0"
            | "ISC"
            | "BSD-2-Clause"
            | "BSD-3-Clause"
            | "Zlib"
            | "CC0-1.0"
            | "Unlicense"
            | "Unicode-3.0"
    )
}
