//! The hub updates itself: real processes, started by the launcher and kept by a small service manager.

use crate::scene::{Scene, executable};
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tests::harness::{Cloud, wait_until};

/// Long enough for a hub and a fleet on a busy machine.
const LONG: Duration = Duration::from_secs(180);

const VENDOR: &str = "simulated";
const MODEL: &str = "simulated.hub";

/// A cloud with a repository, and a hub that updates itself from it.
struct Home {
    scene: Scene,
    cloud: Cloud,
    _folder: TempDir,
}

/// The executable without its debug information, as a release would be: images have 64 MiB at most.
fn image(counter: u8) -> Vec<u8> {
    static STRIPPED: OnceLock<Vec<u8>> = OnceLock::new();
    let stripped = STRIPPED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stripped");
        let done = Command::new("strip").arg("-o").arg(&path).arg(&executable().0).status();
        assert!(done.unwrap().success(), "binutils' strip");
        fs::read(path).unwrap()
    });
    // Bytes behind the end of an ELF file change its digest and nothing else.
    [stripped, &[counter; 16][..]].concat()
}

fn free_port() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

impl Home {
    fn new(start: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud");
        let cloud = Cloud::with_repository(&executable(), &path, VENDOR).unwrap();
        let (root, _) = Cloud::pinned(&path, VENDOR);
        let (root, mirror) = (root.display().to_string(), cloud.repository.clone().unwrap());
        let (mqtt, est) = (free_port(), free_port());
        let set = [
            ("updates.mirrors", mirror.as_str()),
            ("updates.root", root.as_str()),
            ("updates.check_every", "1h"),
            ("updates.own_model", MODEL),
            // Each start of the hub has the same ports, as in a home.
            ("mqtt.listen", mqtt.as_str()),
            ("est.listen", est.as_str()),
        ];
        let scene = Scene::kept(&cloud, &set, start);
        Self { scene, cloud, _folder: folder }
    }

    fn release(&self, counter: u32, bytes: &[u8], more: &[&str]) {
        let text = counter.to_string();
        let security = if more.contains(&"--security") { &[][..] } else { &["--security", "high"] };
        let args = [&["--counter", &text, "--health", "60"], security, more].concat();
        let name = (MODEL, text.as_str());
        Cloud::release(&executable(), &self.cloud.folder, name, bytes, &args).unwrap();
    }

    fn check(&self) -> Value {
        self.scene.hub.ask(&["update", "check"]).unwrap().json().unwrap()
    }

    fn own(&self) -> anyhow::Result<Value> {
        Ok(self.scene.hub.json(&["status"])?["status"]["own"].clone())
    }

    /// Waits until this release runs and is no trial any more.
    fn runs(&self, counter: u32) -> Value {
        let running = wait_until(LONG, || {
            let own = self.own()?;
            anyhow::ensure!(own["counter"] == counter && own["trial"] == false, "{own}");
            Ok(own)
        });
        running.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()))
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.scene.hub.folder().join("hub.log")).unwrap();
        let tail: Vec<_> = log.lines().rev().take(40).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn history(&self) -> Vec<Value> {
        let all = self.scene.hub.json(&["update", "history", "hub"]).unwrap();
        all.as_array().cloned().unwrap_or_default()
    }

    fn campaign(&self) -> anyhow::Result<Value> {
        let all = self.scene.hub.json(&["update", "list"])?;
        Ok(all[0].clone())
    }

    fn told(&self, kind: &str) -> Vec<String> {
        let events = self.scene.hub.events().unwrap();
        let of = events.iter().filter(|event| event["kind"] == kind);
        of.map(|event| event["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn slots(&self) -> PathBuf {
        self.scene.hub.folder().join("data/slots")
    }
}

/// Criterion: T1.SU.1 (positive)
/// Criterion: T1.SU.2 (positive)
#[test]
fn the_hub_updates_itself_under_load_and_its_components_come_back() {
    let home = Home::new(LONG);
    let fleet = home.scene.active_fleet(6, 1);
    assert_eq!((&home.own().unwrap()["counter"], home.scene.hub.starts()), (&0.into(), 1));
    for (counter, slot) in [(7, "a"), (8, "b")] {
        home.release(counter, &image(counter as u8), &[]);
        let (announced, since) = (fleet.announced().unwrap(), Instant::now());
        assert_eq!(home.check()["releases"], serde_json::json!([format!("{MODEL} {counter}")]));
        let own = home.runs(counter);
        assert_eq!(own["slot"], slot, "{own}");
        println!("release {counter} ran {:?} after it was looked for", since.elapsed());
        // Sessions return by themselves, and nothing acknowledged is gone.
        wait_until(LONG, || {
            let status = home.scene.hub.json(&["status"])?;
            anyhow::ensure!(status["status"]["connected"] == 6, "{status:#}");
            home.scene.hub.still_has(&announced)
        })
        .unwrap();
        println!("all sessions were back after {:?}", since.elapsed());
        assert_eq!(home.scene.hub.components().unwrap().len(), 6);
        let campaign = home.campaign().unwrap();
        assert_eq!((&campaign["stage"], &campaign["have_it"]), (&"done".into(), &1.into()));
    }
    assert_eq!(home.scene.hub.starts(), 3, "one start for each");
    let history = home.history();
    assert_eq!(history.len(), 2, "{history:#?}");
    assert!(history.iter().all(|one| one["outcome"] == "confirmed"), "{history:#?}");
    assert_eq!(fs::read_link(home.slots().join("active")).unwrap(), PathBuf::from("b"));
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn software_that_does_not_prove_itself_gives_way_to_the_former_and_is_not_tried_again() {
    let home = Home::new(Duration::from_secs(20));
    let bad: [(&str, &[u8]); 3] = [
        ("no executable", b"these are no instructions"),
        ("ends at once", b"#!/bin/sh\nexit 0\n"),
        ("hangs", b"#!/bin/sh\nexec sleep 600\n"),
    ];
    for (counter, (what, bytes)) in (1..).zip(bad) {
        home.release(counter, bytes, &[]);
        // The hub may end before it answers.
        let _ = home.scene.hub.ask(&["update", "check"]).unwrap();
        let history = wait_until(LONG, || {
            home.own()?;
            let history = home.scene.hub.json(&["update", "history"])?;
            let ended = history.as_array().map_or(0, Vec::len);
            anyhow::ensure!(ended == counter as usize, "{what}: {history}\n{}", home.log());
            Ok(history[ended - 1].clone())
        });
        let history = history.unwrap();
        assert_eq!(history["outcome"], "rolled-back", "{what}");
        assert_eq!(history["fault"], "health", "{what}");
        let own = home.own().unwrap();
        assert_eq!((&own["counter"], &own["trial"]), (&0.into(), &false.into()), "{what}: {own}");
        assert_eq!(home.told("update.failed").len(), counter as usize, "{what}");
        let starts = home.scene.hub.starts();
        home.check();
        std::thread::park_timeout(Duration::from_secs(3));
        assert_eq!(home.campaign().unwrap()["stage"], "paused", "{what}");
        assert_eq!(home.scene.hub.starts(), starts, "{what} is not tried again");
    }
    // Unless somebody asks for it.
    let starts = home.scene.hub.starts();
    let asked = home.scene.hub.ask(&["update", "retry", MODEL]).unwrap();
    assert_eq!(asked.code, 0, "{}", asked.complaint);
    wait_until(LONG, || {
        anyhow::ensure!(home.scene.hub.starts() > starts, "it was asked for");
        Ok(())
    })
    .unwrap();
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_hub_that_dies_in_its_trial_comes_back_as_what_it_was() {
    let mut home = Home::new(LONG);
    home.release(1, &image(1), &[]);
    home.check();
    home.runs(1);
    home.release(2, &image(2), &[]);
    home.check();
    let words = home.slots().join("words.json");
    wait_until(LONG, || {
        let text = fs::read_to_string(&words)?;
        anyhow::ensure!(text.contains("\"tries\":0"), "no trial yet: {text}");
        Ok(())
    })
    .unwrap();
    home.scene.hub.crash().unwrap();
    let own = home.runs(1);
    assert_eq!(own["slot"], "a");
    let history = home.history();
    assert_eq!(history.last().unwrap()["outcome"], "rolled-back", "{history:#?}");
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn a_lying_repository_older_releases_and_changed_slots_change_nothing() {
    let mut home = Home::new(LONG);
    home.release(3, &image(3), &[]);
    for trouble in [r#"{"fault":"wrong-key"}"#, r#"{"fault":"bit-flip"}"#] {
        fault(&home, trouble);
        let answer = home.scene.hub.ask(&["update", "check"]).unwrap();
        assert_ne!(answer.code, 0, "{trouble}: {}", answer.text);
    }
    assert!(!home.told("update.refused").is_empty());
    assert!(!home.slots().exists(), "nothing was written");
    fault(&home, "");
    home.release(4, &image(4), &["--hardware", "2"]);
    home.check();
    std::thread::park_timeout(Duration::from_secs(3));
    assert!(!home.slots().exists(), "other hardware's");
    home.release(5, &image(5), &[]);
    assert_eq!(home.scene.hub.starts(), 1);
    home.check();
    assert_eq!(home.runs(5)["slot"], "a");
    // The vendor takes it back: what is older is not gone back to.
    let args = ["cloud-stub", "revoke", MODEL, "5", "--folder"];
    let done = Command::new(&executable().0).args(args).arg(&home.cloud.folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    home.check();
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(home.own().unwrap()["counter"], 5);
    assert!(!home.slots().join("b").exists());
    // A changed executable is not started; the packaged one is, and says why.
    let path = home.slots().join("a/hub-agent");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    home.scene.hub.crash().unwrap();
    assert_eq!(home.runs(0)["slot"], Value::Null);
    let told = home.told("update.own-trouble");
    assert!(
        told.iter().any(|text| text.contains("slot a") && text.contains("packaged")),
        "{told:?}"
    );
}

fn fault(home: &Home, what: &str) {
    let mut command = Command::new(&executable().0);
    command.args(["cloud-stub", "fault"]);
    command.args((!what.is_empty()).then_some(what)).arg("--folder").arg(&home.cloud.folder);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Criterion: T1.SU.3 (positive)
#[test]
fn notices_of_the_hub_s_own_updates_can_be_switched() {
    let home = Home::new(LONG);
    home.release(1, b"features only", &["--security", "none"]);
    home.check();
    let notices = || home.scene.hub.json(&["update", "notices"]).unwrap();
    assert_eq!(notices()[0]["model"], MODEL);
    assert_eq!(home.scene.hub.ask(&["update", "notices", "off", "hub"]).unwrap().code, 0);
    assert_eq!(notices(), serde_json::json!([]));
    assert_eq!(home.scene.hub.ask(&["update", "notices", "on", "hub"]).unwrap().code, 0);
    assert_eq!(notices()[0]["model"], MODEL);
    assert_eq!(home.scene.hub.starts(), 1, "it waits for consent");
}
