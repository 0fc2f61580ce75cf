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
    /// Address and port of its repository of updates, if it has one.
    pub repository: Option<String>,
}

impl Cloud {
    /// Makes a cloud in a folder and starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(executable: &Executable, folder: &Path) -> anyhow::Result<Self> {
        Self::run(executable, folder, &[])
    }

    /// Makes a cloud with a repository of updates of this vendor, and starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn with_repository(
        executable: &Executable,
        folder: &Path,
        vendor: &str,
    ) -> anyhow::Result<Self> {
        let folder_given = folder.display().to_string();
        let made = Command::new(&executable.0)
            .args(["cloud-stub", "ceremony", vendor, "--folder", &folder_given])
            .output()?;
        let complaint = String::from_utf8_lossy(&made.stderr).into_owned();
        anyhow::ensure!(made.status.success(), "no key ceremony: {complaint}");
        Self::run(executable, folder, &["--repository-listen", "127.0.0.1:0"])
    }

    /// Ends it as a power cut does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill()?)
    }

    /// Starts the cloud of this folder again, at the same address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn again(&mut self, executable: &Executable) -> anyhow::Result<()> {
        self.kill()?;
        let address = self.address.replace("localhost", "127.0.0.1");
        *self = Self::serve(executable, &self.folder.clone(), &["--listen", &address])?;
        Ok(())
    }

    /// Asks its command line about hubs' logs, in JSON.
    ///
    /// # Errors
    /// When the command fails.
    pub fn log(&self, executable: &Executable, args: &[&str]) -> anyhow::Result<String> {
        let done = Command::new(&executable.0)
            .args(["cloud-stub", "log", args[0]])
            .arg(&self.folder)
            .arg("--json")
            .args(&args[1..])
            .output()?;
        let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
        anyhow::ensure!(done.status.success(), "{complaint}");
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn run(executable: &Executable, folder: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let made = Command::new(&executable.0).args(["cloud-stub", "init"]).arg(folder).status()?;
        anyhow::ensure!(made.success(), "the cloud's folder could not be made");
        Self::serve(executable, folder, more)
    }

    fn serve(executable: &Executable, folder: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let more = more.iter().map(PathBuf::from);
        let args: Vec<_> =
            [PathBuf::from("run"), folder.to_owned()].into_iter().chain(more).collect();
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
            repository: first["repository"].as_str().map(|address| {
                let port = address.rsplit(':').next().unwrap_or_default();
                format!("https://localhost:{port}")
            }),
        })
    }

    /// Releases an image; `more` are further arguments of the release tool.
    ///
    /// # Errors
    /// When the release tool refuses, with what it says.
    pub fn release(
        executable: &Executable,
        folder: &Path,
        (model, version): (&str, &str),
        image: &[u8],
        more: &[&str],
    ) -> anyhow::Result<()> {
        let file = folder.join("image.new");
        std::fs::write(&file, image)?;
        let done = Command::new(&executable.0)
            .args(["cloud-stub", "release", model, version])
            .arg(&file)
            .arg("--folder")
            .arg(folder)
            .args(more)
            .output()?;
        let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
        anyhow::ensure!(done.status.success(), "{complaint}");
        Ok(())
    }

    /// The root that hubs pin, and the anchor that factory images pin.
    #[must_use]
    pub fn pinned(folder: &Path, vendor: &str) -> (PathBuf, PathBuf) {
        let root = folder.join("repository/metadata/1.root.json");
        (root, folder.join("anchors").join(vendor).join("1.cose"))
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
