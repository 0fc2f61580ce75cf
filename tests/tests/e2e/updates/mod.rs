//! Releases from the maker's cloud to components, over real sockets.

mod attacks;
mod forge;
mod forged;
mod people;
mod recovery;

use crate::scene::{Scene, executable};
use device_sim::{
    profile::DEFINITIONS,
    update::{Behaviour, image},
};
use protocol::id::ModelId;
use serde_json::Value;
use std::{path::PathBuf, process::Command, time::Duration};
use tempfile::TempDir;
use tests::harness::{Answer, Cloud, Fleet, Hub, PATIENCE, wait_until};

/// Long enough for a fleet on a busy machine.
const LONG: Duration = Duration::from_secs(180);

const VENDOR: &str = "simulated";

/// A cloud with a repository, a hub that watches it, and a fleet whose factory images pin its anchor.
struct Product {
    scene: Scene,
    cloud: Cloud,
    _folder: TempDir,
}

fn model(kind: &str) -> ModelId {
    ModelId::new(&format!("{VENDOR}.{kind}")).unwrap()
}

fn definition(kind: &str) -> &'static str {
    DEFINITIONS.iter().find(|(name, _)| *name == kind).unwrap().1
}

impl Product {
    fn new(set: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud");
        let cloud = Cloud::with_repository(&executable(), &path, VENDOR).unwrap();
        let (root, _) = Cloud::pinned(&path, VENDOR);
        let root = root.display().to_string();
        let mirror = cloud.repository.clone().unwrap();
        let mut all = vec![
            ("updates.mirrors", mirror.as_str()),
            ("updates.root", root.as_str()),
            ("updates.check_every", "1h"),
            ("updates.soak", "1s"),
        ];
        all.extend(set);
        let scene = Scene::with_cloud_and(&cloud, &all);
        Self { scene, cloud, _folder: folder }
    }

    fn fleet(&self, count: usize) -> Fleet {
        let mut plan = self.scene.plan(count, 1);
        plan.anchor = Some(Cloud::pinned(&self.cloud.folder, VENDOR).1);
        let fleet = self.scene.fleet(plan);
        fleet.bring_up(&self.scene.hub, LONG, |_| {}).unwrap();
        fleet
    }

    /// So many components of one kind.
    fn some(&self, kind: &str, count: usize) -> Fleet {
        self.some_of(vec![self.document(kind, definition(kind))], count)
    }

    fn some_of(&self, definitions: Vec<PathBuf>, count: usize) -> Fleet {
        let mut plan = self.scene.plan(count, 1);
        plan.anchor = Some(Cloud::pinned(&self.cloud.folder, VENDOR).1);
        plan.definitions = definitions;
        let fleet = self.scene.fleet(plan);
        fleet.bring_up(&self.scene.hub, LONG, |_| {}).unwrap();
        fleet
    }

    /// A definition in a file of its own.
    fn document(&self, name: &str, text: &str) -> PathBuf {
        let path = self.scene.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The vendor's release tool and what else the maker has.
    fn maker(&self, args: &[&str]) {
        let done = Command::new(&executable().0)
            .arg("cloud-stub")
            .args(args)
            .arg("--folder")
            .arg(&self.cloud.folder)
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn release(&self, kind: &str, counter: u32, behaviour: Behaviour, more: &[&str]) {
        self.release_for("1,2,3,4", kind, counter, behaviour, more);
    }

    fn release_for(
        &self,
        hardware: &str,
        kind: &str,
        counter: u32,
        behaviour: Behaviour,
        more: &[&str],
    ) {
        let bytes = image(&model(kind), counter, 200_000, behaviour);
        let counter = counter.to_string();
        let args = [&["--counter", &counter, "--hardware", hardware, "--health", "10"], more];
        let name = (model(kind).to_string(), format!("{counter}.0"));
        let name = (name.0.as_str(), name.1.as_str());
        Cloud::release(&executable(), &self.cloud.folder, name, &bytes, &args.concat()).unwrap();
    }

    fn check(&self) -> Value {
        self.ask_repository().json().unwrap()
    }

    fn ask_repository(&self) -> Answer {
        self.scene.hub.ask(&["update", "check"]).unwrap()
    }

    /// Number of the newest event.
    fn newest_event(&self) -> u64 {
        let events = self.scene.hub.events().unwrap();
        events.iter().filter_map(|event| event["number"].as_u64()).max().unwrap_or(0)
    }

    /// Waits for an incident after this event that begins with the attack's word.
    fn incident(&self, what: &str, after: u64, word: &str) {
        let told = |event: &&Value| {
            let text = event["text"].as_str().unwrap_or_default();
            event["number"].as_u64() > Some(after)
                && (event["kind"] == "update.refused" || event["kind"] == "update.stopped")
                && text.starts_with(&format!("{word}: "))
        };
        let found = wait_until(PATIENCE, || {
            let events = self.scene.hub.events()?;
            let newer = || events.iter().filter(|event| event["number"].as_u64() > Some(after));
            let text = || newer().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            anyhow::ensure!(events.iter().any(|event| told(&event)), "no {word} in:\n{}", text());
            Ok(())
        });
        found.unwrap_or_else(|error| panic!("{what}: {error}"));
    }

    /// Asks the repository, which must not be believed, and nobody may be offered anything of it.
    fn refuses(&self, fleet: &Fleet, what: &str, word: &str) {
        let before = self.newest_event();
        let answer = self.ask_repository();
        assert_ne!(answer.code, 0, "{what}: {}", answer.text);
        self.incident(what, before, word);
        self.untouched(fleet, what);
    }

    /// No component was offered anything, and none has a byte of an image.
    fn untouched(&self, fleet: &Fleet, what: &str) {
        let all = self.scene.hub.json(&["update", "list"]).unwrap();
        for campaign in all.as_array().into_iter().flatten() {
            assert_eq!(campaign["jobs"], serde_json::json!([]), "{what}: {campaign:#}");
        }
        for memory in fleet.memories().unwrap() {
            let (job, progress) = (&memory.update.job, memory.update.progress);
            assert!(job.is_none(), "{what}: {} was offered {job:?}", memory.serial);
            assert!(progress.is_none(), "{what}: {} has {progress:?}", memory.serial);
        }
    }

    /// The same repository without any lie: everybody gets the release.
    fn goes_out(&self, kind: &str) -> Value {
        let checked = self.ask_repository();
        let done = wait_until(LONG, || {
            let campaign = self.campaign(kind)?;
            anyhow::ensure!(campaign["stage"] == "done", "{checked:?} {campaign:#}");
            Ok(campaign)
        });
        let done = done.unwrap();
        assert_eq!(done["have_it"], done["of"], "{done:#}");
        done
    }

    /// Ends the hub in order, does this with its folder, and starts it again on the same ports.
    fn restart(&mut self, meanwhile: impl FnOnce(&std::path::Path)) {
        let plan = self.scene.hub.same_ports();
        assert_eq!(self.scene.hub.stop().unwrap(), 0);
        meanwhile(&plan.folder.join("data"));
        self.scene.hub = Hub::start(plan).unwrap();
    }

    fn campaign(&self, kind: &str) -> anyhow::Result<Value> {
        let all = self.scene.hub.ask(&["update", "list"])?.json()?;
        let model = model(kind).to_string();
        let found = all.as_array().into_iter().flatten().find(|one| one["model"] == *model);
        found.cloned().ok_or_else(|| anyhow::anyhow!("no campaign of {model}: {all}"))
    }

    fn history(&self) -> Vec<Value> {
        let all = self.scene.hub.ask(&["update", "history"]).unwrap().json().unwrap();
        all.as_array().cloned().unwrap_or_default()
    }
}

/// Criterion: T3.SU.1 (positive)
/// Criterion: T3.SU.1a (positive)
/// Criterion: T3.SU.1c (positive)
#[test]
fn a_release_goes_from_the_cloud_to_every_component_of_its_model() {
    let product = Product::new(&[]);
    let fleet = product.fleet(12);
    let lamps = fleet.memories().unwrap().iter().filter(|one| one.kind == "lamp").count();
    assert!(lamps >= 2);
    let newer = definition("lamp").replace("revision = 1\n", "revision = 2\n");
    let newer = product.scene.sign(&newer).display().to_string();
    let about = ["--security", "high", "--notes", "closes a hole", "--definition", &newer];
    product.release("lamp", 2, Behaviour::Good, &about);
    let checked = product.check();
    assert_eq!(checked["releases"], serde_json::json!(["simulated.lamp 2"]), "{checked}");
    let done = wait_until(LONG, || {
        let campaign = product.campaign("lamp")?;
        anyhow::ensure!(campaign["stage"] == "done", "{campaign:#}");
        Ok(campaign)
    });
    let done = done.unwrap();
    assert_eq!((&done["have_it"], &done["of"]), (&lamps.into(), &lamps.into()), "{done:#}");
    assert_eq!(done["importance"], "high");
    let shown = product.scene.hub.ask(&["definition", "show", "lamp"]).unwrap().text;
    assert!(shown.contains("revision = 2"), "its definition came with it:\n{shown}");
    let history = product.history();
    assert_eq!(history.len(), lamps, "{history:#?}");
    assert!(history.iter().all(|one| one["outcome"] == "confirmed"), "{history:#?}");
}

/// Criterion: T3.SU.1 (negative)
/// Criterion: T3.SU.1c (negative)
#[test]
fn bad_software_is_tried_by_one_component_which_goes_back_to_what_it_had() {
    let product = Product::new(&[]);
    let _fleet = product.fleet(12);
    product.release("lamp", 2, Behaviour::NoBoot, &[]);
    product.check();
    let paused = wait_until(LONG, || {
        let campaign = product.campaign("lamp")?;
        anyhow::ensure!(campaign["stage"] == "paused", "{campaign:#}");
        Ok(campaign)
    });
    let paused = paused.unwrap();
    assert_eq!(paused["have_it"], 0, "{paused:#}");
    let history = product.history();
    assert_eq!(history.len(), 1, "one of them: {history:#?}");
    assert_eq!(
        (&history[0]["outcome"], &history[0]["fault"]),
        (&"rolled-back".into(), &"no-boot".into())
    );
}
