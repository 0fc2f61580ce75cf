//! `hub-agent doctor`: what is wrong on this machine, and what to do about it.

use super::{
    Failure,
    client::Hub,
    show::{self, Output},
};
use crate::{
    pki::{certificate, files, maker::Maker},
    settings::{Settings, SocketAccess},
    store::{Disk, DiskSettings, Durability, Seal, StoreError},
};
use protocol::time::Timestamp;
use serde_json::json;
use std::{os::unix::fs::MetadataExt, path::Path};

/// No clock that was ever set shows an earlier time: 2025-01-01.
const EARLIEST: Timestamp = Timestamp(1_735_689_600_000);

enum Verdict {
    Good,
    Warning,
    Bad,
}

struct Finding {
    what: &'static str,
    verdict: Verdict,
    text: String,
}

fn good(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Good, text: text.into() }
}

fn warning(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Warning, text: text.into() }
}

fn bad(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Bad, text: text.into() }
}

pub(super) fn look(hub: &Hub, output: &Output, settings: &Settings) -> Result<(), Failure> {
    let mut findings = vec![clock()];
    findings.extend(folder(settings));
    findings.push(space(settings));
    findings.extend(settings.makers.iter().map(|maker| {
        match Maker::read(maker.name.clone(), &maker.roots) {
            Ok(_) => good("maker", format!("{} is trusted", maker.name)),
            Err(error) => bad("maker", error.to_string()),
        }
    }));
    findings.extend(daemon(hub, settings));
    findings.extend(definitions(hub));
    findings.extend(weakened(hub, settings));
    show_all(output, &findings);
    let bad = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Bad)).count();
    if bad > 0 {
        Err(Failure::Verification(format!("{bad} findings need your hand")))
    } else {
        Ok(())
    }
}

/// What the owner made weaker than it is by default, or has still to do.
fn weakened(hub: &Hub, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    if settings.socket_access == SocketAccess::Everyone {
        let text = "every local user may connect to the local socket, and must log in there; the default is owner";
        found.push(warning("admin.access", text));
    }
    let Ok(components) = hub.get("/v1/components") else { return found };
    let all = components.as_array().map(Vec::as_slice).unwrap_or_default();
    let claims = |one: &&serde_json::Value| {
        one["is_proved"] == false && (one["trust"] == "active" || one["trust"] == "stale")
    };
    let unconfirmed = all.iter().filter(claims).count();
    if unconfirmed > 0 {
        let text = format!(
            "{unconfirmed} components that joined with a pairing code command and hear no others before you confirm that they are what they say: hub-agent component show ID, then hub-agent component approve ID"
        );
        found.push(warning("unconfirmed", text));
    }
    if let Ok(answer) = hub.get("/v1/status") {
        let status = &answer["status"];
        if let Some(why) = status["updates_stopped"].as_str() {
            found.push(bad("updates", format!("updates are stopped: {why}")));
        }
        let overdue = status["overdue_updates"].as_u64().unwrap_or(0);
        if overdue > 0 {
            let text = format!("{overdue} security updates are overdue: hub-agent update list");
            found.push(bad("updates", text));
        }
    }
    let on_trial = all.iter().filter(|one| one["on_trial"] == true).count();
    if on_trial > 0 {
        let text = format!(
            "definitions of {on_trial} components are not enforced; end that with: hub-agent component enforce ID"
        );
        found.push(warning("on trial", text));
    }
    found
}

fn show_all(output: &Output, findings: &[Finding]) {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Good => "ok",
        Verdict::Warning => "warning",
        Verdict::Bad => "bad",
    };
    let entry =
        |f: &Finding| json!({ "what": f.what, "verdict": word(&f.verdict), "text": f.text });
    let answer = json!(findings.iter().map(entry).collect::<Vec<_>>());
    output.answer(&answer, |_| {
        let row =
            |f: &Finding| vec![word(&f.verdict).to_owned(), f.what.to_owned(), f.text.clone()];
        output.table(&["", "what", "finding"], &findings.iter().map(row).collect::<Vec<_>>());
    });
}

/// Whether anything may be relayed at all; a daemon that does not answer is another finding.
fn definitions(hub: &Hub) -> Option<Finding> {
    let answer = hub.get("/v1/definitions").ok()?;
    Some(match answer.as_array().map_or(0, Vec::len) {
        0 => warning(
            "definitions",
            "none is in force, so nothing is relayed; add one: hub-agent definition add FILE",
        ),
        count => good("definitions", format!("{count} kinds in force")),
    })
}

fn clock() -> Finding {
    let now = crate::run::Clock::start().now().wall;
    if now < EARLIEST {
        bad(
            "clock",
            "the clock is not set: certificates cannot be judged; set the time or start time synchronisation",
        )
    } else {
        good("clock", hub_core::inventory::export::rfc3339(now))
    }
}

fn folder(settings: &Settings) -> Vec<Finding> {
    let pki = settings.data_dir.join("pki");
    let Ok(metadata) = std::fs::metadata(&pki) else {
        let text =
            format!("{} does not exist yet: the first `hub-agent run` makes it", pki.display());
        return vec![warning("data", text)];
    };
    let mut findings = Vec::new();
    if metadata.mode() & 0o077 != 0 {
        findings.push(bad(
            "data",
            format!("{0} may be entered by others; run: chmod 700 {0}", pki.display()),
        ));
    }
    for name in ["ca.key", "store.key"] {
        findings.push(match files::read_secret(&pki.join(name)) {
            Ok(Some(_)) => good("key", format!("{name} is readable by its owner only")),
            Ok(None) => {
                bad("key", format!("{name} is missing; restore a backup of the data folder"))
            }
            Err(error) => bad("key", error.to_string()),
        });
    }
    findings.push(ca(&pki.join("ca.crt")));
    findings
}

fn ca(path: &Path) -> Finding {
    let read = std::fs::read(path).map_err(|e| e.to_string());
    let parsed = read.and_then(|pem| crate::pki::maker::certificates(&pem));
    match parsed.ok().and_then(|all| certificate::facts(all.first()?)) {
        Some(facts) => {
            let end = hub_core::inventory::export::rfc3339(facts.certificate.not_after);
            good("CA", format!("good until {end}"))
        }
        None => bad(
            "CA",
            format!("{} is unreadable; restore a backup of the data folder", path.display()),
        ),
    }
}

fn space(settings: &Settings) -> Finding {
    let place =
        if settings.data_dir.exists() { settings.data_dir.as_path() } else { Path::new(".") };
    match rustix::fs::statvfs(place) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!("{} MiB free", free / (1024 * 1024));
            if free < settings.low_water {
                bad("disk", format!("{text}: the hub acknowledges nothing; free space"))
            } else if free < settings.low_water * 4 {
                warning("disk", format!("{text}: it is getting short"))
            } else {
                good("disk", text)
            }
        }
        Err(error) => bad("disk", error.to_string()),
    }
}

/// The running daemon's own report, or a look into its store when it does not run.
fn daemon(hub: &Hub, settings: &Settings) -> Vec<Finding> {
    match hub.get("/v1/status") {
        Ok(answer) => {
            let status = &answer["status"];
            let store = show::text(&status["store"]);
            let cloud = show::text(&status["cloud"]["state"]);
            vec![
                good("daemon", format!("answers, {} connected", show::text(&status["connected"]))),
                if store == "ok" {
                    good("store", "takes writes")
                } else {
                    bad("store", "takes no writes: free disk space")
                },
                if cloud == "down" {
                    warning("cloud", format!("down: {}", show::text(&status["cloud"]["why"])))
                } else {
                    good("cloud", cloud)
                },
            ]
        }
        Err(error) => vec![warning("daemon", error.to_string()), store(settings)],
    }
}

fn store(settings: &Settings) -> Finding {
    let path = settings.data_dir.join("store");
    if !path.exists() {
        return good("store", "none yet");
    }
    let opened =
        crate::run::store_key(&settings.data_dir).map_err(|e| e.to_string()).and_then(|key| {
            let settings = DiskSettings { path, low_water: 0, durability: Durability::Full };
            let disk =
                Disk::open(settings, Seal::new(&key)).map_err(|e: StoreError| e.to_string())?;
            disk.load().map_err(|e| e.to_string())
        });
    match opened {
        Ok(all) => good("store", format!("{} records, every seal is whole", all.len())),
        Err(error) => bad("store", error),
    }
}
