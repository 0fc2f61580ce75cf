//! A release goes from the maker's cloud to the fleet, and what a lying repository tries reaches nobody.

use super::{claims::Claims, show};
use crate::harness::{Cloud, Executable, Hub, PATIENCE, wait_until};
use anyhow::Context;
use device_sim::update::{Behaviour, image};
use protocol::id::ModelId;
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Whose components are updated.
pub(super) const VENDOR: &str = "simulated";

const MODEL: &str = "simulated.lamp";
const SIZE: u32 = 200_000;
const DAY: u64 = 24 * 3600;

/// Longest time for the whole fleet.
const ROLLOUT: Duration = Duration::from_secs(600);

/// What a mirror or somebody in between does, the fault that plays it, and what it is recognised as.
const LIES: [(&str, &str, &str); 8] = [
    (
        "new files with an old list of releases",
        r#"{"fault":"mixed","only":"simulated.json"}"#,
        "mix-and-match",
    ),
    ("metadata that an unknown key signed", r#"{"fault":"wrong-key"}"#, "arbitrary-software"),
    ("metadata without end", r#"{"fault":"endless","only":"timestamp.json"}"#, "endless-data"),
    (
        "one bit of the manifest flipped",
        r#"{"fault":"bit-flip","only":".cose"}"#,
        "arbitrary-software",
    ),
    (
        "one bit of the image flipped",
        r#"{"fault":"bit-flip","only":".image"}"#,
        "arbitrary-software",
    ),
    ("half of the image", r#"{"fault":"truncated","only":".image"}"#, "arbitrary-software"),
    ("an image without end", r#"{"fault":"endless","only":".image"}"#, "endless-data"),
    ("the timestamp of before", r#"{"fault":"stale","back":1}"#, "rollback"),
];

/// The settings of a hub that takes releases of this cloud.
pub(super) fn settings(cloud: &Cloud) -> Vec<(String, String)> {
    let (root, _) = Cloud::pinned(&cloud.folder, VENDOR);
    [
        ("updates.mirrors", cloud.repository.clone().unwrap_or_default()),
        ("updates.root", root.display().to_string()),
        ("updates.soak", "1s".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

pub(super) fn show_release(
    claims: &mut Claims,
    hub: &Hub,
    cloud: &Cloud,
    executable: &Executable,
) -> anyhow::Result<()> {
    let story = Story { hub, cloud, executable };
    story.rolls_out(claims)?;
    story.lies(claims)
}

struct Story<'a> {
    hub: &'a Hub,
    cloud: &'a Cloud,
    executable: &'a Executable,
}

impl Story<'_> {
    fn release(&self, counter: u32) -> anyhow::Result<String> {
        let bytes = image(&ModelId::new(MODEL)?, counter, SIZE, Behaviour::Good);
        let number = counter.to_string();
        let more = ["--counter", &number, "--hardware", "1,2,3,4,5,6,7,8", "--health", "10"];
        let told = ["--security", "high", "--notes", "closes a hole"];
        let (name, args) = (format!("{counter}.0.0"), [&more[..], &told].concat());
        Cloud::release(self.executable, &self.cloud.folder, (MODEL, &name), &bytes, &args)?;
        Ok(name)
    }

    fn maker(&self, args: &[&str]) -> anyhow::Result<()> {
        let done = Command::new(&self.executable.0)
            .arg("cloud-stub")
            .args(args)
            .arg("--folder")
            .arg(&self.cloud.folder)
            .output()?;
        anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    fn campaign(&self) -> anyhow::Result<Value> {
        let all = self.hub.json(&["update", "list"])?;
        let newest = all.as_array().into_iter().flatten().find(|one| one["model"] == MODEL);
        newest.cloned().with_context(|| format!("no release of {MODEL} is known"))
    }

    /// The lamps that are there, as the inventory has them.
    fn lamps(&self) -> anyhow::Result<Vec<Value>> {
        let all = self.hub.components()?.into_iter();
        let there = |one: &Value| {
            one["kind"] == "lamp" && one["trust"] == "active" && one["connected"] == true
        };
        Ok(all.filter(there).collect())
    }

    fn rolls_out(&self, claims: &mut Claims) -> anyhow::Result<()> {
        let name = self.release(2)?;
        let checked = self.hub.ask(&["update", "check"])?;
        let held = checked.code == 0 && checked.text.contains(&format!("{MODEL} 2"));
        let claim = format!("the hub verified the release {name} of {MODEL} before anybody got it");
        claims.check(claim, held, format!("{}{}", checked.text, checked.complaint));
        let bar = show::progress(self.lamps()?.len() as u64, "updated");
        let done = wait_until(ROLLOUT, || {
            let campaign = self.campaign()?;
            bar.set_position(campaign["have_it"].as_u64().unwrap_or(0));
            bar.set_message(campaign["stage"].as_str().unwrap_or_default().to_owned());
            let over = campaign["stage"] == "done" || campaign["stage"] == "paused";
            anyhow::ensure!(over, "{campaign}");
            Ok(campaign)
        })?;
        bar.finish_and_clear();
        let lamps = self.lamps()?;
        let new = |one: &&Value| {
            one["update_counter"] == 2
                && one["verified_digest"] == done["image"]
                && one["firmware_digest"] == done["image"]
                && one["update_state"] == "current"
        };
        let count = lamps.iter().filter(new).count();
        let claim = format!("{count} lamps run it and signed that they do: one first, then groups");
        claims.check(claim, count == lamps.len() && count > 0, format!("of {}", lamps.len()));
        Ok(())
    }

    fn lies(&self, claims: &mut Claims) -> anyhow::Result<()> {
        self.release(3)?;
        show::line("\nthe next release, through a repository that lies:");
        for (what, fault, word) in LIES {
            self.maker(&["fault", fault])?;
            self.refused(claims, what, word)?;
        }
        self.maker(&["fault"])?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let before = cloud_stub::repository::metadata::date(now - 2 * DAY);
        self.maker(&["refresh", "--now", &before])?;
        self.refused(claims, "metadata past their end", "freeze")?;
        let other = self.wrong_hardware()?;
        claims.check(
            "offered to nobody: a release for other hardware",
            other.is_none(),
            other.unwrap_or_default(),
        );
        let moved = self.lamps()?.iter().filter(|one| one["update_counter"] != 2).count();
        let claim = "no lamp got a byte of any of it";
        claims.check(claim, moved == 0, format!("{moved} lamps run something else"));
        Ok(())
    }

    /// Asks the repository, and expects to be told why it is not believed.
    fn refused(&self, claims: &mut Claims, what: &str, word: &str) -> anyhow::Result<()> {
        let events = self.hub.events()?;
        let before = events.iter().filter_map(|event| event["number"].as_u64()).max();
        let answer = self.hub.ask(&["update", "check"])?;
        let told = wait_until(PATIENCE, || {
            let events = self.hub.events()?;
            let found = events.iter().find(|event| {
                event["number"].as_u64() > before && event["kind"] == "update.refused"
            });
            let text = found.and_then(|event| event["text"].as_str());
            text.map(str::to_owned).context("no incident")
        });
        let told = told.unwrap_or_else(|error| error.to_string());
        let counter = self.campaign()?["counter"].as_u64();
        let held = answer.code != 0 && told.starts_with(word) && counter == Some(2);
        claims.check(format!("refused as {word}: {what}"), held, &told);
        show::line(&format!("      {}", told.split(';').next().unwrap_or_default()));
        Ok(())
    }

    /// What is wrong with how a release for other hardware is treated.
    fn wrong_hardware(&self) -> anyhow::Result<Option<String>> {
        self.maker(&["refresh"])?;
        self.maker(&["revoke", MODEL, "3"])?;
        let lamps = self.lamps()?;
        let own = lamps.iter().filter_map(|one| one["hardware"].as_u64()).next();
        let other = (1..=9).find(|other| Some(*other) != own).context("other hardware")?;
        let bytes = image(&ModelId::new(MODEL)?, 4, SIZE, Behaviour::Good);
        let args = ["--counter", "4", "--hardware", &other.to_string()];
        Cloud::release(self.executable, &self.cloud.folder, (MODEL, "4.0.0"), &bytes, &args)?;
        let answer = self.hub.ask(&["update", "check"])?;
        let campaign = self.campaign()?;
        let nobody = campaign["counter"] == 4
            && campaign["of"] == 0
            && campaign["jobs"].as_array().is_some_and(Vec::is_empty);
        Ok((!nobody).then(|| format!("{campaign} {}", answer.complaint)))
    }
}
