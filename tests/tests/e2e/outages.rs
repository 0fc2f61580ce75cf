//! Updates through cuts: of the line, of the hub, of components.

use crate::scene::{Scene, executable};
use device_sim::{
    profile::Kinds,
    update::{Behaviour, bootloader, image},
};
use protocol::id::{Digest, ModelId};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tests::harness::{Cloud, Fleet, FleetPlan, Hub, wait_until};

/// Long enough for a fleet on a busy machine.
const LONG: Duration = Duration::from_secs(240);

const VENDOR: &str = "simulated";
const KINDS: [&str; 6] = ["lamp", "lock", "camera", "thermostat", "leak-sensor", "wall-switch"];

/// Rounds of kill -9 in a usual run, and in a long one (LONG_TESTS=1).
const ROUNDS: (u32, u32) = (6, 200);

struct Maker {
    cloud: Cloud,
    _folder: TempDir,
}

fn model(kind: &str) -> ModelId {
    ModelId::new(&format!("{VENDOR}.{kind}")).unwrap()
}

impl Maker {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud");
        let cloud = Cloud::with_repository(&executable(), &path, VENDOR).unwrap();
        Self { cloud, _folder: folder }
    }

    fn hub(&self, set: &[(&str, &str)]) -> Scene {
        let root = Cloud::pinned(&self.cloud.folder, VENDOR).0.display().to_string();
        let mirror = self.cloud.repository.clone().unwrap();
        let mut all = vec![
            ("updates.mirrors", mirror.as_str()),
            ("updates.root", root.as_str()),
            ("updates.soak", "1s"),
            ("updates.automatic", "all"),
        ];
        all.extend(set);
        Scene::with_cloud_and(&self.cloud, &all)
    }

    fn plan(&self, scene: &Scene, count: usize) -> FleetPlan {
        let mut plan = scene.plan(count, 1);
        plan.anchor = Some(Cloud::pinned(&self.cloud.folder, VENDOR).1);
        plan
    }

    /// Releases an image of so many bytes; a security update, which goes to every kind by itself.
    fn release(&self, kind: &str, counter: u32, size: u32) -> Digest {
        let bytes = image(&model(kind), counter, size, Behaviour::Good);
        let (model, name) = (model(kind).to_string(), format!("{counter}.0"));
        let counter = counter.to_string();
        let args = ["--counter", &counter, "--hardware", "1,2,3,4,5,6,7,8", "--health", "10"];
        let args = [&args[..], &["--security", "high"]].concat();
        let named = (model.as_str(), name.as_str());
        Cloud::release(&executable(), &self.cloud.folder, named, &bytes, &args).unwrap();
        device_sim::identity::sha256(&bytes)
    }
}

fn check(hub: &Hub) -> anyhow::Result<()> {
    hub.ask(&["update", "check"])?.json().map(|_| ())
}

fn campaigns(hub: &Hub) -> anyhow::Result<BTreeMap<String, Value>> {
    let all = hub.ask(&["update", "list"])?.json()?;
    let mut newest = BTreeMap::new();
    for one in all.as_array().into_iter().flatten() {
        newest.entry(one["model"].as_str().unwrap_or("").to_owned()).or_insert(one.clone());
    }
    Ok(newest)
}

/// What each component of a fleet would start now, from what is left of it.
fn starts(state: &Path) -> BTreeMap<String, Digest> {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(state).unwrap().flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let kinds = Kinds::built_in().unwrap();
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(copy.path()).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let memory: device_sim::flash::Flash =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let profile = (0..KINDS.len()).map(|at| kinds.at(at)).find(|p| p.kind() == memory.kind);
        let profile = profile.expect("a simulated kind");
        let mut board = profile.factory_board().unwrap().board_in(copy.path(), &memory.serial);
        let booted = bootloader::boot(&mut board, profile.update_model().unwrap());
        let booted = booted.unwrap_or_else(|dead| panic!("{} is dead: {dead}", memory.serial));
        found.insert(memory.serial, booted.header.image);
    }
    found
}

/// What components have from their factory.
fn factory() -> BTreeSet<Digest> {
    let kinds = Kinds::built_in().unwrap();
    let boards = (0..KINDS.len()).filter_map(|at| kinds.at(at).factory_board().cloned());
    boards.map(|factory| factory.header().image).collect()
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_hundred_components_a_tenth_of_them_flaky_end_on_the_new_release_or_on_what_they_had() {
    let maker = Maker::new();
    let scene = maker.hub(&[("mqtt.per_address", "300"), ("est.per_address", "128")]);
    let mut plan = maker.plan(&scene, 100);
    (plan.flaky, plan.stream) = (10, 500);
    let mut fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, LONG, |_| {}).unwrap();
    let mut good = factory();
    for kind in KINDS {
        good.insert(maker.release(kind, 2, 300_000));
    }
    check(&scene.hub).unwrap();
    let ended = wait_until(LONG, || {
        let all = campaigns(&scene.hub)?;
        anyhow::ensure!(all.len() == KINDS.len(), "{} campaigns", all.len());
        for one in all.values() {
            let open = one["jobs"].as_array().into_iter().flatten();
            let open = open.filter(|job| job["outcome"].is_null()).count();
            let stage = one["stage"].as_str().unwrap_or("");
            anyhow::ensure!(open == 0 && ["done", "paused"].contains(&stage), "{one:#}");
        }
        Ok(all)
    });
    let ended = ended.unwrap();
    let have: u64 = ended.values().filter_map(|one| one["have_it"].as_u64()).sum();
    fleet.stop().unwrap();
    let runs = starts(&fleet.state());
    assert_eq!(runs.len(), 100);
    assert!(runs.values().all(|digest| good.contains(digest)), "nothing else was ever installed");
    let factory = factory();
    let new = runs.values().filter(|digest| !factory.contains(digest)).count();
    println!("{new} of 100 run the new release, the hub counts {have}");
    assert!(new >= 90 && have as usize >= 90, "{new} run it, {have} by the hub");
}

/// Criterion: T3.SU.1 (negative)
/// Criterion: T1.SU.1 (negative)
#[test]
fn a_hub_or_fleet_killed_at_any_moment_leaves_every_component_with_verified_software() {
    let rounds = if std::env::var_os("LONG_TESTS").is_some() { ROUNDS.1 } else { ROUNDS.0 };
    let maker = Maker::new();
    let Scene { hub, folder, executable } = maker.hub(&[]);
    let scene = Scene { hub, folder, executable: executable.clone() };
    let mut plan = maker.plan(&scene, 6);
    plan.stream = 0;
    let mut fleet = scene.fleet(plan.clone());
    fleet.bring_up(&scene.hub, LONG, |_| {}).unwrap();
    let Scene { mut hub, folder: _folder, .. } = scene;
    let mut good = factory();
    let mut random = drawn(0x5eed);
    for round in 0..rounds {
        good.insert(maker.release("lamp", 2 + round, 150_000));
        check(&hub).unwrap();
        // The update takes about a second: any step may be the one.
        let moment = Duration::from_millis(random() % 1_500);
        let waited = fleet.progress(moment);
        drop(waited);
        if round % 2 == 0 {
            let plan = hub.kill().unwrap();
            hub = Hub::start(plan).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        } else {
            fleet.kill().unwrap();
            let runs = starts(&fleet.state());
            assert!(runs.values().all(|digest| good.contains(digest)), "round {round}: {runs:?}");
            fleet = Fleet::start(&executable, &hub, plan.clone()).unwrap();
        }
        check(&hub).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        let done = wait_until(LONG, || {
            let all = campaigns(&hub)?;
            let lamp = &all[&model("lamp").to_string()];
            anyhow::ensure!(lamp["counter"] == 2 + round, "{lamp:#}");
            anyhow::ensure!(lamp["stage"] == "done" && lamp["have_it"] == lamp["of"], "{lamp:#}");
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("round {round}: {error:#}\n{}", incidents(&hub)));
    }
    fleet.stop().unwrap();
    assert!(starts(&fleet.state()).values().all(|digest| good.contains(digest)));
    println!("{rounds} rounds of kill -9 during updates, every component on verified software");
}

/// What the hub found wrong, for whoever reads a failure.
fn incidents(hub: &Hub) -> String {
    let events = hub.events().unwrap_or_default();
    let grave = events.iter().filter(|event| event["severity"] == "high");
    grave.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// SplitMix64, as a function.
fn drawn(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A line that breaks whenever so many more bytes went down, and counts them.
struct Line {
    port: u16,
    down: Arc<AtomicU64>,
    cuts: Arc<AtomicUsize>,
}

impl Line {
    fn to(port: u16, every: u64, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let (down, cuts) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, cut) = (down.clone(), cuts.clone());
        // It ends with the test's process; nothing waits for it.
        std::thread::spawn(move || {
            for device in listener.incoming().flatten() {
                let Ok(hub) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (counted, cut) = (counted.clone(), cut.clone());
                let (up_from, up_to) = (device.try_clone().unwrap(), hub.try_clone().unwrap());
                std::thread::spawn(move || copy(up_from, up_to, |_| false));
                std::thread::spawn(move || {
                    copy(hub, device, |bytes| {
                        let total = counted.fetch_add(bytes, Ordering::Relaxed) + bytes;
                        let due = cut.load(Ordering::Relaxed);
                        let breaks = due < most && total >= every * (due as u64 + 1);
                        breaks && cut.fetch_add(1, Ordering::Relaxed) < most
                    });
                });
            }
        });
        Self { port: own, down, cuts }
    }
}

/// Copies until an end or until `breaks` says so; what was copied arrives.
fn copy(mut from: TcpStream, mut to: TcpStream, breaks: impl Fn(u64) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() || breaks(length as u64) {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Criterion: T3.SU.1c (positive)
#[test]
fn an_image_of_64_mib_over_a_line_cut_at_twenty_points_costs_a_twentieth_more_at_most() {
    const SIZE: u32 = 64 << 20;
    let maker = Maker::new();
    let mut scene = maker.hub(&[]);
    let line = Line::to(scene.hub.mqtt_port, u64::from(SIZE) / 21, 20);
    scene.hub.mqtt_port = line.port;
    let mut plan = maker.plan(&scene, 1);
    plan.stream = 0;
    let mut fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, LONG, |_| {}).unwrap();
    let digest = maker.release("lamp", 2, SIZE);
    check(&scene.hub).unwrap();
    wait_until(LONG, || {
        let all = campaigns(&scene.hub)?;
        let lamp = all.get(&model("lamp").to_string());
        let lamp = lamp.ok_or_else(|| anyhow::anyhow!("no campaign yet"))?;
        anyhow::ensure!(lamp["stage"] == "done" && lamp["have_it"] == 1, "{lamp:#}");
        Ok(())
    })
    .unwrap();
    let (down, cuts) = (line.down.load(Ordering::Relaxed), line.cuts.load(Ordering::Relaxed));
    let ratio = down as f64 / f64::from(SIZE);
    println!("{cuts} cuts, {down} bytes went down the line, {ratio:.3} of the image");
    assert_eq!(cuts, 20);
    assert!(ratio <= 1.05, "{ratio}");
    fleet.stop().unwrap();
    let runs = starts(&fleet.state());
    assert_eq!(runs.into_values().collect::<Vec<_>>(), [digest]);
}
