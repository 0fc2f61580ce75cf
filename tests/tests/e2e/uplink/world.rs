//! A hub with components that record much, and its cloud.

use crate::scene::{Scene, executable};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hub_core::record::{Record, Source};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tests::harness::{Answer, Cloud, Fleet, FleetPlan, Hub, wait_until};

/// Long enough for everything on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A hub, its cloud, and where both are.
pub(super) struct World {
    pub(super) cloud: Cloud,
    pub(super) scene: Scene,
    pub(super) hub: String,
    _folder: TempDir,
}

/// A record as the cloud has it.
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) record: Option<Record>,
    pub(super) whole: Value,
}

impl World {
    pub(super) fn new(set: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = Cloud::start(&executable(), &folder.path().join("cloud")).unwrap();
        let share = [("state_log.share", "60000")];
        let scene = Scene::with_cloud_and(&cloud, &[&share[..], set].concat());
        let status = scene.hub.json(&["status"]).unwrap();
        let hub = status["status"]["hub"]["id"].as_str().unwrap().to_owned();
        Self { cloud, scene, hub, _folder: folder }
    }

    /// So many components of which each records some 64 things a second.
    pub(super) fn floods(&self, count: usize) -> Fleet {
        let fleet = self.begin(FleetPlan { mischief: Some("floods"), ..self.plan(count) });
        fleet.bring_up(&self.scene.hub, PATIENCE, |_| {}).unwrap();
        fleet
    }

    pub(super) fn plan(&self, count: usize) -> FleetPlan {
        let mut plan = self.scene.plan(count, 1);
        plan.stream = 0;
        plan
    }

    pub(super) fn begin(&self, plan: FleetPlan) -> Fleet {
        Fleet::start(&executable(), &self.scene.hub, plan).unwrap()
    }

    /// How far the log is at the cloud, as the hub sees it.
    pub(super) fn at_cloud(&self) -> anyhow::Result<Value> {
        Ok(self.scene.hub.json(&["status"])?["log_at_cloud"].clone())
    }

    /// Waits until the log has so many records.
    pub(super) fn grown(&self, records: u64, time: Duration) {
        wait_until(time, || {
            let at = self.at_cloud()?;
            anyhow::ensure!(at["records"].as_u64() >= Some(records), "{at}");
            Ok(())
        })
        .unwrap();
    }

    /// Waits until the cloud has everything and witnessed it; the answer is how many records.
    pub(super) fn settled(&self) -> u64 {
        wait_until(PATIENCE, || {
            let at = self.at_cloud()?;
            anyhow::ensure!(at["waiting"] == 0 && at["witnessed"] == at["records"], "{at:#}");
            Ok(at["records"].as_u64().unwrap())
        })
        .unwrap()
    }

    /// All that the cloud keeps of the hub's log.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let text = self.cloud.log(&executable(), &["export", "--hub", &self.hub]).unwrap();
        let kept = |line: &str| {
            let whole: Value = serde_json::from_str(line).unwrap();
            let body = whole["body"].as_str().map(|body| STANDARD.decode(body).unwrap());
            Kept {
                number: whole["number"].as_u64().unwrap(),
                record: body.map(|body| Record::decode(&body).unwrap()),
                whole,
            }
        };
        text.lines().map(kept).collect()
    }

    /// The newest head that the cloud witnessed.
    pub(super) fn head(&self) -> Value {
        let text = self.cloud.log(&executable(), &["heads", "--hub", &self.hub]).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Verifies a copy of a log's folder against what the cloud witnessed, with nothing of the hub but that.
    pub(super) fn verify(&self, folder: &Path) -> Answer {
        let out = self.scene.folder.path().join("from-the-cloud");
        let to = out.display().to_string();
        self.cloud.log(&executable(), &["heads", "--hub", &self.hub, "--output", &to]).unwrap();
        let file = |name: &str| out.join(name).display().to_string();
        let folder = folder.display().to_string();
        let (key, witness, head) = (file("log.pub"), file("witness.pub"), file("head"));
        let args = ["--dir", &folder, "--key", &key, "--witness", &witness, "--head", &head];
        self.scene.hub.ask(&[&["log", "verify"], &args[..]].concat()).unwrap()
    }

    /// The folder of the hub's log.
    pub(super) fn log_folder(&self) -> PathBuf {
        self.scene.hub.folder().join("data/log")
    }

    /// Ends the hub in order, or without warning, and starts it again.
    pub(super) fn restart(&mut self, kill: bool) {
        let plan = self.scene.hub.same_ports();
        if kill {
            self.scene.hub.crash().unwrap();
        } else {
            self.scene.hub.stop().unwrap();
        }
        self.scene.hub = Hub::start(plan).unwrap();
    }

    /// How often a text stands in the cloud's files of hubs' logs.
    pub(super) fn found_at_cloud(&self, marker: &[u8]) -> usize {
        files(&self.cloud.folder.join("logs")).iter().map(|path| count(path, marker)).sum()
    }

    /// Everything is at the cloud once and in order, its head is the hub's, and each component's own records are there
    /// as often as the hub acknowledged them.
    pub(super) fn is_whole(&mut self, fleet: &Fleet) -> u64 {
        let (size, kept) = wait_until(PATIENCE, || {
            let (size, kept) = (self.settled(), self.kept());
            // Components that are switched off are noticed a little later.
            anyhow::ensure!(kept.len() as u64 == size, "{} of {size}", kept.len());
            Ok((size, kept))
        })
        .unwrap();
        assert!(kept.iter().map(|one| one.number).eq(0..size), "each number once");
        let mut own: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for record in kept.iter().filter_map(|one| one.record.as_ref()) {
            let Some(id) = record.component.filter(|_| record.source == Source::Component) else {
                continue;
            };
            let (count, last) = own.entry(id.to_string()).or_default();
            *count += 1;
            assert!(*last <= record.at.0, "{id}: {last} comes before {}", record.at.0);
            *last = record.at.0;
        }
        let truth = fleet.truth().unwrap();
        for memory in fleet.memories().unwrap() {
            let one = truth.iter().find(|one| one.serial == memory.serial);
            let id = one.and_then(|one| one.id.clone()).unwrap();
            let there = own.get(&id).map_or(0, |(count, _)| *count);
            assert!(
                there >= memory.log.acknowledged,
                "{id}: {there} of {}",
                memory.log.acknowledged
            );
        }
        let head = self.head();
        assert_eq!(head["size"].as_u64(), Some(size));
        self.scene.hub.stop().unwrap();
        let answer = self.verify(&self.log_folder());
        assert_eq!(answer.code, 0, "{}{}", answer.text, answer.complaint);
        assert!(answer.json().unwrap()["cosigned"].as_u64() >= Some(1), "{}", answer.text);
        size
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn count(path: &Path, marker: &[u8]) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.windows(marker.len()).filter(|window| *window == marker).count()
}
