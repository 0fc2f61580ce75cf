//! A hub with a fleet in a fresh folder.

use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;
use tests::harness::{Cloud, Executable, Fleet, FleetPlan, Hub, HubPlan, maker};

pub(crate) struct Scene {
    pub(crate) hub: Hub,
    pub(crate) folder: TempDir,
    pub(crate) executable: Executable,
}

pub(crate) fn executable() -> Executable {
    Executable(PathBuf::from(env!("CARGO_BIN_EXE_demo")))
}

impl Scene {
    pub(crate) fn with(set: &[(&str, &str)]) -> Self {
        Self::make(set, None, Hub::start)
    }

    pub(crate) fn with_cloud(cloud: &Cloud) -> Self {
        Self::make(&[], Some((cloud.folder.clone(), cloud.address.clone())), Hub::start)
    }

    pub(crate) fn with_cloud_and(cloud: &Cloud, set: &[(&str, &str)]) -> Self {
        Self::make(set, Some((cloud.folder.clone(), cloud.address.clone())), Hub::start)
    }

    /// A hub that a service manager keeps running, with so long for each start to get ready.
    pub(crate) fn kept(cloud: &Cloud, set: &[(&str, &str)], start: Duration) -> Self {
        let at = Some((cloud.folder.clone(), cloud.address.clone()));
        Self::make(set, at, |plan| Hub::keep(plan, start))
    }

    fn make(
        set: &[(&str, &str)],
        cloud: Option<(PathBuf, String)>,
        start: impl FnOnce(HubPlan) -> anyhow::Result<Hub>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = maker(&folder.path().join("maker")).unwrap();
        let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let plan = HubPlan {
            executable: executable(),
            folder: folder.path().join("hub"),
            maker: Some(root),
            cloud,
            set,
        };
        Self { hub: start(plan).unwrap(), folder, executable: executable() }
    }

    pub(crate) fn plan(&self, count: usize, seed: u64) -> FleetPlan {
        FleetPlan {
            count,
            seed,
            folder: self.folder.path().join(format!("fleet-{seed}")),
            maker: self.folder.path().join("maker"),
            codes: Vec::new(),
            interval: 1,
            stream: 50,
            log: 1,
            mischief: None,
            flaky: 0,
            temper: "willing",
            definitions: Vec::new(),
            anchor: None,
        }
    }

    pub(crate) fn fleet(&self, plan: FleetPlan) -> Fleet {
        Fleet::start(&self.executable, &self.hub, plan).unwrap()
    }

    /// A fleet of which every component is active.
    pub(crate) fn active_fleet(&self, count: usize, seed: u64) -> Fleet {
        let fleet = self.fleet(self.plan(count, seed));
        fleet.bring_up(&self.hub, Duration::from_secs(120), |_| {}).unwrap();
        fleet
    }
}
