//! What a hub costs that nobody is connected to: `hub-agent` itself, started as a service manager starts it.

use anyhow::Context;
use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Longest time until it says that it is ready.
const START: Duration = Duration::from_secs(120);

/// One start.
pub(crate) struct Idle {
    /// Milliseconds until it says that it is ready.
    pub(crate) ready: f64,
    /// Resident memory in KiB, with the pages of the executable that were read so far.
    pub(crate) resident: f64,
    /// Resident memory in KiB that no file backs.
    pub(crate) own: f64,
}

/// Builds the daemon's own executable as it is released.
pub(crate) fn executable() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "hub-agent",
            "--bin",
            "hub-agent",
            "--message-format=json",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "hub-agent does not build");
    let lines = String::from_utf8(output.stdout)?;
    let mut built = lines.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["executable"].as_str().map(PathBuf::from)
    });
    built.next_back().context("cargo named no executable")
}

/// Starts it on this data and these definitions, and stops it again.
pub(crate) fn start(
    executable: &Path,
    folder: &Path,
    data: &Path,
    known: usize,
) -> anyhow::Result<Idle> {
    let folder = tempfile::tempdir_in(folder)?;
    let notices = folder.path().join("notify.sock");
    let ready = UnixDatagram::bind(&notices)?;
    ready.set_read_timeout(Some(START))?;
    let socket = folder.path().join("admin.sock");
    let log = fs::File::create(folder.path().join("hub.log"))?;
    let started = Instant::now();
    let mut hub = Command::new(executable)
        .arg("run")
        .arg("--settings")
        .arg(settings(folder.path(), data, &socket, known)?)
        .env("NOTIFY_SOCKET", &notices)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    let measured = measure(&ready, started, hub.id()).and_then(|figures| {
        let list = Command::new(executable)
            .args(["component", "list", "--json", "--socket"])
            .arg(&socket)
            .output()?;
        let list: Vec<serde_json::Value> = serde_json::from_slice(&list.stdout)?;
        anyhow::ensure!(list.len() == known, "{} components are known, not {known}", list.len());
        Ok(figures)
    });
    let log = || fs::read_to_string(folder.path().join("hub.log")).unwrap_or_default();
    let measured = measured.with_context(log);
    hub.kill()?;
    hub.wait()?;
    measured
}

fn measure(ready: &UnixDatagram, started: Instant, pid: u32) -> anyhow::Result<Idle> {
    let mut notice = [0; 512];
    loop {
        let length = ready.recv(&mut notice).context("it never said that it is ready")?;
        if notice[..length].windows(7).any(|text| text == b"READY=1") {
            break;
        }
    }
    let time = started.elapsed().as_secs_f64() * 1e3;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let figure = |name: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a figure")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    Ok(Idle { ready: time, resident: figure("VmRSS:")?, own: figure("RssAnon:")? })
}

/// With nobody known it starts from nothing: keys and CA are made meanwhile.
fn settings(folder: &Path, data: &Path, socket: &Path, known: usize) -> anyhow::Result<PathBuf> {
    let file = folder.join("hub.toml");
    let root = data.parent().and_then(Path::parent).context("the bench's folder")?;
    let fresh = folder.join("data");
    let data = if known == 0 { fresh.as_path() } else { data };
    let text = format!(
        "data_dir = {data:?}\ndefinitions = {:?}\nmqtt.listen = \"127.0.0.1:0\"\n\
         est.listen = \"127.0.0.1:0\"\nadmin.socket = {socket:?}\n\
         [[makers]]\nname = \"Simulated Maker\"\nroots = {:?}\n",
        root.join("definitions"),
        root.join("maker/root.pem"),
    );
    fs::write(&file, text)?;
    Ok(file)
}
