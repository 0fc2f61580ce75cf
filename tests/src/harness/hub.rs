//! A hub as a process, asked through its own command line.

use super::{Executable, PATIENCE, Process, Service, Unit, process::wait_until};
use anyhow::Context;
use protocol::id::Digest;
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How a hub is to be run.
#[derive(Clone)]
pub struct HubPlan {
    /// Plays all roles.
    pub executable: Executable,
    /// The hub's folder.
    pub folder: PathBuf,
    /// Root certificates of a trusted maker.
    pub maker: Option<PathBuf>,
    /// The cloud's folder, address and port.
    pub cloud: Option<(PathBuf, String)>,
    /// More settings.
    pub set: Vec<(String, String)>,
}

/// A running hub.
pub struct Hub {
    plan: HubPlan,
    life: Life,
    /// Port for MQTT.
    pub mqtt_port: u16,
    /// Port for enrolment.
    pub est_port: u16,
    /// SHA-256 of its CA certificate.
    pub fingerprint: Digest,
    /// How long it took from start to first answer.
    pub start_time: Duration,
}

/// What keeps it alive.
enum Life {
    /// Nothing: it ends when it ends.
    Alone(Process),
    /// A service manager, which has it started by the launcher.
    Kept(Unit),
}

impl Life {
    fn is_running(&mut self) -> bool {
        match self {
            Self::Alone(process) => process.is_running(),
            Self::Kept(unit) => unit.is_running(),
        }
    }
}

/// What the command line answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub text: String,
    /// Standard error.
    pub complaint: String,
}

impl Answer {
    /// The answer as JSON.
    ///
    /// # Errors
    /// When the command failed or printed something else.
    pub fn json(&self) -> anyhow::Result<Value> {
        anyhow::ensure!(self.code == 0, "exit code {}: {}", self.code, self.complaint);
        serde_json::from_str(&self.text).with_context(|| self.text.clone())
    }
}

impl Hub {
    /// Starts a hub and waits for its first answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start(plan: HubPlan) -> anyhow::Result<Self> {
        let settings = prepared(&plan)?;
        let args = ["run", "--settings"].map(PathBuf::from).into_iter().chain([settings]);
        let log = plan.folder.join("hub.log");
        let process = Process::start(&plan.executable, "hub-agent", args, &log)?;
        Self::begun(plan, Life::Alone(process))
    }

    /// Has a service manager keep a hub running, and waits for its first answer. It has so long to get ready at
    /// each start.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn keep(plan: HubPlan, start: Duration) -> anyhow::Result<Self> {
        let settings = prepared(&plan)?;
        let words = ["hub-agent", "boot", "--settings"].map(OsString::from);
        let unit = Unit::start(Service {
            executable: plan.executable.clone(),
            args: words.into_iter().chain([settings.into_os_string()]).collect(),
            log: plan.folder.join("hub.log"),
            notify: plan.folder.join("notify"),
            start,
        })?;
        Self::begun(plan, Life::Kept(unit))
    }

    fn begun(plan: HubPlan, mut life: Life) -> anyhow::Result<Self> {
        let (started, log) = (Instant::now(), plan.folder.join("hub.log"));
        let status = wait_until(PATIENCE, || {
            if !life.is_running() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Ok(Err(anyhow::anyhow!("the hub ended: {log}")));
            }
            ask(&plan, &["status"])?.json().map(Ok)
        })??;
        let port = |name: &str| {
            let Some(address) = status["listens"][name].as_str() else { return Ok(0) };
            address.rsplit(':').next().and_then(|port| port.parse().ok()).context("a port")
        };
        let fingerprint =
            status["status"]["hub"]["ca_fingerprint"].as_str().unwrap_or_default().parse()?;
        let (mqtt_port, est_port) = (port("mqtt")?, port("est")?);
        Ok(Self { plan, life, mqtt_port, est_port, fingerprint, start_time: started.elapsed() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match &self.life {
            Life::Alone(process) => process.pid(),
            Life::Kept(unit) => unit.pid(),
        }
    }

    /// How often it was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        match &self.life {
            Life::Alone(_) => 1,
            Life::Kept(unit) => unit.starts(),
        }
    }

    /// Tells it to read its settings again.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn hang_up(&self) -> anyhow::Result<()> {
        match &self.life {
            Life::Alone(process) => process.signal(Signal::HUP),
            Life::Kept(unit) => unit.signal(Signal::HUP),
        }
    }

    /// Asks with these arguments, in JSON.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub fn ask(&self, args: &[&str]) -> anyhow::Result<Answer> {
        ask(&self.plan, args)
    }

    /// Asks and takes the answer as JSON.
    ///
    /// # Errors
    /// When the command fails.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        self.ask(args)?.json()
    }

    /// All components.
    ///
    /// # Errors
    /// When the hub does not answer.
    pub fn components(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.json(&["component", "list"])?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    /// One component's trust state.
    ///
    /// # Errors
    /// When the hub does not answer or does not know it.
    pub fn trust(&self, id: &str) -> anyhow::Result<String> {
        let answer = self.json(&["component", "show", id])?;
        Ok(answer["trust"].as_str().unwrap_or_default().to_owned())
    }

    /// Checks that the hub has these announcements or newer ones, and that who made them is still the
    /// member it was approved to be; the answer is how many.
    ///
    /// # Errors
    /// When it lost one.
    pub fn still_has(&self, announced: &BTreeMap<String, u64>) -> anyhow::Result<usize> {
        for (id, seq) in announced {
            let component = self.json(&["component", "show", id])?;
            let kept = component["announcement"].as_u64().unwrap_or(0);
            anyhow::ensure!(kept >= *seq, "{id} was acknowledged {seq}, the hub has {kept}");
            let trust = &component["trust"];
            anyhow::ensure!(trust == "active" || trust == "stale", "{id} was approved: {trust}");
        }
        Ok(announced.len())
    }

    /// Every event kept, as printed lines.
    ///
    /// # Errors
    /// When the hub does not answer.
    pub fn events(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.ask(&["event", "list"])?;
        answer.text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// The hub's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.plan.folder
    }

    /// The plan it runs by.
    #[must_use]
    pub fn plan(&self) -> &HubPlan {
        &self.plan
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        match &self.life {
            Life::Alone(process) => process.resident(),
            Life::Kept(_) => None,
        }
    }

    /// Ends the process that runs now without warning; a service manager starts it again.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        match &mut self.life {
            Life::Alone(process) => Ok(process.kill()?),
            Life::Kept(unit) => unit.signal(Signal::KILL),
        }
    }

    /// Ends it as a power cut does; the answer is how to start it again on the same ports.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> anyhow::Result<HubPlan> {
        let plan = self.same_ports();
        if let Life::Alone(process) = &mut self.life {
            process.kill()?;
        }
        Ok(plan)
    }

    /// Asks it to end; the answer is its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> anyhow::Result<i32> {
        let ended = match &mut self.life {
            Life::Alone(process) => process.stop(),
            Life::Kept(unit) => unit.stop(),
        };
        ended.map(|status| status.code().unwrap_or(-1))
    }

    /// A plan with the ports it has now.
    #[must_use]
    pub fn same_ports(&self) -> HubPlan {
        let mut plan = self.plan.clone();
        plan.set.push(("mqtt.listen".into(), format!("127.0.0.1:{}", self.mqtt_port)));
        plan.set.push(("est.listen".into(), format!("127.0.0.1:{}", self.est_port)));
        plan
    }
}

fn ask(plan: &HubPlan, args: &[&str]) -> anyhow::Result<Answer> {
    let output = Command::new(&plan.executable.0)
        .arg("hub-agent")
        .args(args)
        .arg("--json")
        .arg("--settings")
        .arg(plan.folder.join("hub.toml"))
        .output()?;
    Ok(Answer {
        code: output.status.code().unwrap_or(-1),
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Writes the settings.
fn prepared(plan: &HubPlan) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&plan.folder)?;
    let settings = plan.folder.join("hub.toml");
    fs::write(&settings, settings_file(plan))?;
    Ok(settings)
}

fn settings_file(plan: &HubPlan) -> String {
    let mut pairs: Vec<(String, String)> = vec![
        ("data_dir".into(), plan.folder.join("data").display().to_string()),
        ("mqtt.listen".into(), "127.0.0.1:0".into()),
        ("est.listen".into(), "127.0.0.1:0".into()),
        ("enrolment.retry_after".into(), "1s".into()),
    ];
    if let Some((folder, address)) = &plan.cloud {
        let file = |name: &str| folder.join(name).display().to_string();
        pairs.extend([
            ("cloud.address".into(), address.clone()),
            ("cloud.server_name".into(), "localhost".into()),
            ("cloud.roots".into(), file("ca.pem")),
            ("cloud.certificate".into(), file("hub.pem")),
            ("cloud.key".into(), file("hub.key")),
        ]);
    }
    // A maker's folder holds its signed definitions beside its root.
    if let Some(folder) = plan.maker.as_deref().and_then(Path::parent) {
        pairs.push(("definitions".into(), folder.join("definitions").display().to_string()));
    }
    for (key, value) in &plan.set {
        match pairs.iter_mut().find(|(known, _)| known == key) {
            Some(pair) => pair.1.clone_from(value),
            None => pairs.push((key.clone(), value.clone())),
        }
    }
    let lines = pairs.iter().map(|(key, value)| format!("{key} = {value:?}\n"));
    let maker = plan.maker.iter().map(|roots| {
        format!(
            "[[makers]]\nname = \"Simulated Maker\"\nroots = {:?}\n",
            roots.display().to_string()
        )
    });
    lines.chain(maker).collect()
}
