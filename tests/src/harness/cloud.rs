//! The simulated cloud as a process.

use super::{Executable, PATIENCE, Process};
use anyhow::Context;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// A running cloud.
pub struct Cloud {
    process: Process,
    /// Its folder.
    pub folder: PathBuf,
    /// Address and port.
    pub address: String,
    /// Logical id.
    pub id: String,
}

impl Cloud {
    /// Makes a cloud in a folder and starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(executable: &Executable, folder: &Path) -> anyhow::Result<Self> {
        let made = Command::new(&executable.0).args(["cloud-stub", "init"]).arg(folder).status()?;
        anyhow::ensure!(made.success(), "the cloud's folder could not be made");
        let args = [PathBuf::from("run"), folder.to_owned()];
        let process = Process::start(executable, "cloud-stub", args, &folder.join("cloud.log"))?;
        let first = process.line(PATIENCE).context("the cloud says nothing")?;
        let first: Value = serde_json::from_str(&first)?;
        let text = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
        let port = text("listens").rsplit(':').next().unwrap_or_default().to_owned();
        Ok(Self {
            process,
            folder: folder.to_owned(),
            address: format!("localhost:{port}"),
            id: text("id"),
        })
    }

    /// The next thing that happened at the cloud.
    pub fn event(&self, time: Duration) -> Option<Value> {
        serde_json::from_str(&self.process.line(time)?).ok()
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(&mut self) -> anyhow::Result<i32> {
        self.process.stop().map(|status| status.code().unwrap_or(-1))
    }
}
