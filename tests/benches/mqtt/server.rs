//! The servers: the hub with and without durable commits, mosquitto, and bare rustls.

use anyhow::Context;
use hub_agent::pki::ca::HubCa;
use protocol::time::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tests::harness::{Executable, wait_until};

/// Longest time until a server listens; one that was killed under load has a store to look through.
const START: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Mosquitto,
    MosquittoForwarding,
    BareRustls,
    HubWithoutCommit,
    Hub,
}

impl Kind {
    /// Who takes the load of many.
    pub(crate) const LOADED: [Self; 4] =
        [Self::Mosquitto, Self::MosquittoForwarding, Self::HubWithoutCommit, Self::Hub];

    /// Who answers one message at a time.
    pub(crate) const ANSWERING: [Self; 3] = [Self::Mosquitto, Self::HubWithoutCommit, Self::Hub];

    /// Who lets many in.
    pub(crate) const CONNECTED: [Self; 3] = [Self::Mosquitto, Self::BareRustls, Self::Hub];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto, nobody listens",
            Self::MosquittoForwarding => "mosquitto, one subscriber",
            Self::BareRustls => "rustls alone",
            Self::HubWithoutCommit => "hub, commit off",
            Self::Hub => "hub, durable commit",
        }
    }

    /// What it does with a message for another client.
    pub(crate) fn relaying(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto: delivers",
            Self::HubWithoutCommit => "hub, commit off: judges, signs, delivers",
            Self::Hub => "hub: judges, records durably, signs, delivers",
            Self::MosquittoForwarding | Self::BareRustls => self.name(),
        }
    }
}

pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(kind: Kind, own: &Executable, folder: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = match kind {
            Kind::Mosquitto | Kind::MosquittoForwarding => mosquitto(folder, port)?,
            Kind::BareRustls => bare_rustls(own, folder, port)?,
            Kind::HubWithoutCommit => hub(own, folder, port, "hub-without-commit")?,
            Kind::Hub => hub(own, folder, port, "hub-agent")?,
        };
        let log = fs::File::create(folder.join("server.log"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let server = Self { child: child.with_context(|| format!("starting {kind:?}"))?, port };
        let listens = wait_until(START, || Ok(TcpStream::connect(("127.0.0.1", port))?));
        let log = || fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        listens.with_context(|| format!("{kind:?} does not listen: {}", log()))?;
        Ok(server)
    }

    /// CPU time so far, of user and kernel.
    pub(crate) fn cpu(&self) -> Duration {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| {
            fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0)
        };
        Duration::from_millis(
            (ticks(11) + ticks(12)) * 1000 / rustix::param::clock_ticks_per_second(),
        )
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It was killed to end the round; how it ended does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hub(own: &Executable, folder: &Path, port: u16, role: &str) -> anyhow::Result<Command> {
    let data = folder.join("hub/data");
    // A socket that a killed round left is nobody's.
    let _ = fs::remove_file(data.join("admin.sock"));
    let settings = folder.join("bench.toml");
    let (definitions, root) = (folder.join("definitions"), folder.join("maker/root.pem"));
    let text = format!(
        "data_dir = {data:?}\ndefinitions = {definitions:?}\n[mqtt]\nlisten = \"127.0.0.1:{port}\"\nper_address = 2000\n\
         messages_per_second = 10000000\nbytes_per_second = 4000000000\n[est]\nlisten = \"127.0.0.1:0\"\n\
         [log]\nlevel = \"warn\"\n[[makers]]\nname = \"Simulated Maker\"\nroots = {root:?}\n"
    );
    fs::write(&settings, text)?;
    let mut command = Command::new(&own.0);
    command.args([role, "run", "--settings"]).arg(settings);
    Ok(command)
}

fn bare_rustls(own: &Executable, folder: &Path, port: u16) -> anyhow::Result<Command> {
    certificates(folder)?;
    let mut command = Command::new(&own.0);
    command.args(["bare-rustls", &port.to_string()]).arg(folder);
    Ok(command)
}

/// The hub's CA and a server certificate of it, for the others.
fn certificates(folder: &Path) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp(u64::try_from(now.as_millis())?);
    let ca = HubCa::open(&folder.join("hub/data/pki"), now)?;
    let identity = ca.server(&["localhost".into(), "127.0.0.1".into()], now)?;
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("ca.pem"), pem("CERTIFICATE", ca.certificate()))?;
    fs::write(path("server.pem"), pem("CERTIFICATE", &identity.chain[0]))?;
    let PrivateKeyDer::Pkcs8(key) = &identity.key else { anyhow::bail!("a PKCS#8 key") };
    Ok(fs::write(path("server.key"), pem("PRIVATE KEY", key.secret_pkcs8_der()))?)
}

fn mosquitto(folder: &Path, port: u16) -> anyhow::Result<Command> {
    certificates(folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "user root\npersistence false\nlog_type none\nset_tcp_nodelay true\nmax_queued_messages 100000\n\
         max_inflight_messages 0\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\ntls_version tlsv1.3\nallow_anonymous true\n",
        path("ca.pem"),
        path("server.pem"),
        path("server.key")
    );
    fs::write(folder.join("mosquitto.conf"), text)?;
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(folder.join("mosquitto.conf"));
    Ok(command)
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
