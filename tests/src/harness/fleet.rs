//! A simulated fleet as a process.

use super::{Executable, Hub, PATIENCE, Process};
use anyhow::Context;
use device_sim::{flash::Flash, identity::MakerCa, profile::GroundTruth};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Most believed messages that are read back: a fleet of a thousand believes tens of thousands a minute.
const BELIEVED: usize = 4096;

/// How a fleet is to be run.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// How many components.
    pub count: usize,
    /// Makes it reproducible.
    pub seed: u64,
    /// The fleet's folder.
    pub folder: PathBuf,
    /// Folder of the maker's authority.
    pub maker: PathBuf,
    /// Pairing codes for the first components.
    pub codes: Vec<String>,
    /// Seconds between heartbeats.
    pub interval: u16,
    /// Milliseconds between values; 0 for none.
    pub stream: u64,
    /// Seconds between batches of their logs; 0 for no log.
    pub log: u16,
    /// How they abuse their logs, in the simulator's word, if they do.
    pub mischief: Option<&'static str>,
    /// How many of each hundred are flaky.
    pub flaky: u8,
    /// How components take what they are told, in the simulator's word.
    pub temper: &'static str,
    /// Definitions of the kinds to simulate; the built-in ones when empty.
    pub definitions: Vec<PathBuf>,
    /// The anchor of their factory images.
    pub anchor: Option<PathBuf>,
}

/// A running fleet.
pub struct Fleet {
    process: Process,
    plan: FleetPlan,
}

/// Makes a maker's authority, if the folder has none.
///
/// # Errors
/// When the system refuses.
pub fn maker(folder: &Path) -> anyhow::Result<PathBuf> {
    let root = folder.join("root.pem");
    if !root.exists() {
        MakerCa::new("Simulated Maker")?.write(folder)?;
    }
    Ok(root)
}

impl Fleet {
    /// Starts a fleet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(executable: &Executable, hub: &Hub, plan: FleetPlan) -> anyhow::Result<Self> {
        fs::create_dir_all(&plan.folder)?;
        let codes = plan.folder.join("codes");
        fs::write(&codes, plan.codes.join("\n"))?;
        let path = |path: &Path| path.display().to_string();
        let args = [
            "run".to_owned(),
            format!("--mqtt-port={}", hub.mqtt_port),
            format!("--est-port={}", hub.est_port),
            format!("--ca={}", hub.fingerprint),
            format!("--count={}", plan.count),
            format!("--seed={}", plan.seed),
            format!("--interval={}", plan.interval),
            format!("--stream={}", plan.stream),
            format!("--log={}", plan.log),
            format!("--flaky={}", plan.flaky),
            format!("--temper={}", plan.temper),
            format!("--state={}", path(&plan.folder.join("state"))),
            format!("--maker={}", path(&plan.maker)),
            format!("--codes={}", path(&codes)),
            format!("--ack-log={}", path(&plan.folder.join("acks.jsonl"))),
            format!("--truth={}", path(&plan.folder.join("truth.json"))),
        ]
        .into_iter()
        .chain(plan.definitions.iter().map(|file| format!("--definition={}", path(file))))
        .chain(plan.anchor.iter().map(|file| format!("--anchor={}", path(file))))
        .chain(plan.mischief.iter().map(|word| format!("--log-mischief={word}")));
        let process =
            Process::start(executable, "device-sim", args, &plan.folder.join("fleet.log"))?;
        Ok(Self { process, plan })
    }

    /// Its next report.
    pub fn progress(&self, time: Duration) -> Option<Value> {
        serde_json::from_str(&self.process.line(time)?).ok()
    }

    /// Waits until all are active, approving whoever waits; `watch` sees each report.
    ///
    /// # Errors
    /// When they are not in time.
    pub fn bring_up(
        &self,
        hub: &Hub,
        time: Duration,
        mut watch: impl FnMut(&Value),
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + time;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            hub.json(&["component", "approve", "--all"])?;
            let Some(report) = self.progress(Duration::from_millis(300)) else { continue };
            watch(&report);
            if report["active"].as_u64() == Some(self.plan.count as u64) {
                return Ok(());
            }
            last = report;
        }
        anyhow::bail!("not all components became active in {time:?}: {last}")
    }

    /// What is true of every component.
    ///
    /// # Errors
    /// When the fleet has not written it.
    pub fn truth(&self) -> anyhow::Result<Vec<GroundTruth>> {
        super::wait_until(PATIENCE, || {
            let bytes = fs::read(self.plan.folder.join("truth.json")).context("truth.json")?;
            let truth: Vec<GroundTruth> = serde_json::from_slice(&bytes)?;
            anyhow::ensure!(truth.iter().all(|one| one.id.is_some()), "not all have an id yet");
            Ok(truth)
        })
    }

    /// Every acknowledged message so far, as JSON lines.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn acknowledged(&self) -> anyhow::Result<Vec<Value>> {
        self.log("what", usize::MAX)
    }

    /// The newest messages of others that its components believed, as JSON lines.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn believed(&self) -> anyhow::Result<Vec<Value>> {
        self.log("believed", BELIEVED)
    }

    fn log(&self, about: &str, most: usize) -> anyhow::Result<Vec<Value>> {
        let mut newest = VecDeque::new();
        for line in BufReader::new(fs::File::open(self.plan.folder.join("acks.jsonl"))?).lines() {
            // The newest line may be half written.
            let Ok(line) = serde_json::from_str::<Value>(&line?) else { continue };
            if line[about].is_object() {
                newest.push_back(line);
                if newest.len() > most {
                    newest.pop_front();
                }
            }
        }
        Ok(newest.into())
    }

    /// Number of each component's newest acknowledged announcement, by logical id.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn announced(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut newest = BTreeMap::new();
        for line in self.acknowledged()? {
            let id = line["topic"].as_str().and_then(|topic| topic.split('/').nth(1));
            if let (Some(id), Some(seq)) = (id, line["what"]["announcement"].as_u64()) {
                newest.insert(id.to_owned(), seq);
            }
        }
        Ok(newest)
    }

    /// The memories of its components, as they are kept.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn memories(&self) -> anyhow::Result<Vec<Flash>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.state())? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                all.push(serde_json::from_slice(&fs::read(&path)?)?);
            }
        }
        Ok(all)
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        self.process.resident()
    }

    /// The fleet's folder of memories.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.plan.folder.join("state")
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(&mut self) -> anyhow::Result<i32> {
        self.process.stop().map(|status| status.code().unwrap_or(-1))
    }

    /// Ends it as a power cut does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill()?)
    }
}
