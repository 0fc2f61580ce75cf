//! A cloud with a repository, a hub that watches it, and components that it knows.

use anyhow::Context;
use device_sim::{
    flash::Flash,
    profile::{DEFINITIONS, Kinds},
    update::{Behaviour, image},
};
use protocol::id::ModelId;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tests::harness::{Cloud, Executable, Fleet, FleetPlan, Hub, HubPlan, maker};

const VENDOR: &str = "simulated";

/// Longest time until everybody is enrolled.
const LONG: Duration = Duration::from_secs(300);

pub(crate) struct Scene {
    pub(crate) own: Executable,
    pub(crate) folder: PathBuf,
    pub(crate) hub: Hub,
    cloud: Cloud,
}

impl Scene {
    pub(crate) fn new(own: &Executable, folder: &Path) -> anyhow::Result<Self> {
        let root = maker(&folder.join("maker"))?;
        let cloud = Cloud::with_repository(own, &folder.join("cloud"), VENDOR)?;
        let mirror = cloud.repository.clone().context("a repository")?;
        let pinned = Cloud::pinned(&cloud.folder, VENDOR).0.display().to_string();
        let set = [
            ("mqtt.per_address", "1000"),
            ("est.per_address", "200"),
            ("updates.mirrors", &mirror),
            ("updates.root", &pinned),
            ("updates.soak", "1s"),
            ("log.level", "warn"),
        ];
        let hub = Hub::start(HubPlan {
            executable: own.clone(),
            folder: folder.join("hub"),
            maker: Some(root),
            cloud: Some((cloud.folder.clone(), cloud.address.clone())),
            set: set.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        })?;
        Ok(Self { own: own.clone(), folder: folder.to_owned(), hub, cloud })
    }

    /// Enrols so many components of these kinds, in turn; the answer is what they remember, by kind.
    pub(crate) fn enrol(
        &self,
        seed: u64,
        kinds: &[&str],
        count: usize,
    ) -> anyhow::Result<Vec<Flash>> {
        let folder = self.folder.join(format!("fleet-{seed}"));
        fs::create_dir_all(&folder)?;
        let mut definitions = Vec::new();
        for (kind, text) in DEFINITIONS.iter().filter(|(kind, _)| kinds.contains(kind)) {
            let file = folder.join(format!("{kind}.toml"));
            fs::write(&file, text)?;
            definitions.push(file);
        }
        let plan = FleetPlan {
            count,
            seed,
            folder,
            maker: self.folder.join("maker"),
            codes: Vec::new(),
            interval: 3600,
            stream: 0,
            log: 0,
            mischief: None,
            flaky: 0,
            temper: "willing",
            definitions,
            anchor: Some(self.anchor()),
        };
        let mut fleet = Fleet::start(&self.own, &self.hub, plan)?;
        fleet.bring_up(&self.hub, LONG, |_| {})?;
        fleet.stop()?;
        let mut memories = fleet.memories()?;
        memories.sort_by(|one, other| (&one.kind, &one.serial).cmp(&(&other.kind, &other.serial)));
        Ok(memories)
    }

    /// The anchor of factory images.
    pub(crate) fn anchor(&self) -> PathBuf {
        Cloud::pinned(&self.cloud.folder, VENDOR).1
    }

    /// Releases an image for a kind and lets the hub find, fetch and verify it; the answer is the image.
    pub(crate) fn release(&self, kind: &str, counter: u32, size: u32) -> anyhow::Result<Vec<u8>> {
        let model = ModelId::new(&format!("{VENDOR}.{kind}"))?;
        let made = image(&model, counter, size, Behaviour::Good);
        let hardware = Kinds::built_in()?.named(kind)?.hardware().to_string();
        let (number, name) = (counter.to_string(), format!("{counter}.0"));
        let more = ["--counter", &number, "--hardware", &hardware, "--health", "30"];
        let of = (model.as_str(), name.as_str());
        Cloud::release(&self.own, &self.cloud.folder, of, &made, &more)?;
        let checked = self.hub.json(&["update", "check"])?;
        let found = checked["releases"].as_array().into_iter().flatten();
        let wanted = Value::from(format!("{model} {counter}"));
        anyhow::ensure!(found.clone().any(|one| *one == wanted), "not released: {checked}");
        Ok(made)
    }

    /// Has the hub do something with the newest release of a kind.
    pub(crate) fn update(&self, what: &str, kind: &str) -> anyhow::Result<()> {
        let answer = self.hub.ask(&["update", what, &format!("{VENDOR}.{kind}")])?;
        anyhow::ensure!(answer.code == 0, "update {what}: {}", answer.complaint);
        Ok(())
    }
}
