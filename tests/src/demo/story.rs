//! The story: start, enrol, look, attack, revoke, update, end.

use super::{Options, claims::Claims, evidence, living, release, show};
use crate::harness::{
    Cloud, Executable, Fleet, FleetPlan, Hub, HubPlan, attack, maker, wait_until,
};
use anyhow::Context;
use device_sim::profile::GroundTruth;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// Longest a component may take to become active, over all of them.
const BRING_UP: Duration = Duration::from_secs(300);

/// Components that come with a pairing code instead of a maker's certificate.
const PAIRED: usize = 2;

pub(super) fn tell(options: &Options, executable: &Executable) -> anyhow::Result<bool> {
    let started = Instant::now();
    let folder = tempfile::Builder::new().prefix("hub-demo-").tempdir()?;
    let mut claims = Claims::default();
    let count = options.components as usize;

    show::title("A cloud, a hub and a product of simulated components");
    let mut cloud =
        Cloud::with_repository(executable, &folder.path().join("cloud"), release::VENDOR)?;
    let root = maker(&folder.path().join("maker"))?;
    let mut hub = Hub::start(HubPlan {
        executable: executable.clone(),
        folder: folder.path().join("hub"),
        maker: Some(root),
        cloud: Some((cloud.folder.clone(), cloud.address.clone())),
        set: [
            ("mqtt.per_address".into(), (count + 64).to_string()),
            ("est.per_address".into(), "128".into()),
            ("detection.respond".into(), "true".into()),
        ]
        .into_iter()
        .chain(release::settings(&cloud))
        .collect(),
    })?;
    show::line(&format!(
        "hub answers after {} ms, in {}",
        hub.start_time.as_millis(),
        folder.path().display()
    ));
    let codes = open_pairing(&hub)?;
    let plan = FleetPlan {
        count,
        seed: options.seed,
        folder: folder.path().join("fleet"),
        maker: folder.path().join("maker"),
        codes,
        interval: 10,
        stream: 1000,
        log: 5,
        mischief: None,
        flaky: 0,
        temper: "willing",
        definitions: Vec::new(),
        anchor: Some(Cloud::pinned(&cloud.folder, release::VENDOR).1),
    };
    let mut fleet = Fleet::start(executable, &hub, plan)?;
    bring_up(&fleet, &hub, count)?;
    claims.check(format!("{count} components enrolled, connected and were approved"), true, "");
    let until = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < until {
        // The product lives; its reports need not be looked at one by one.
        let _ = fleet.progress(Duration::from_millis(200));
    }

    show::title("Inventory");
    let truth = fleet.truth()?;
    let inventory = hub.json(&["inventory", "export"])?;
    show_inventory(&inventory);
    check_inventory(&mut claims, &inventory, &truth, &cloud);
    check_acknowledged(&mut claims, &fleet, &hub)?;

    show::title("The product lives");
    let drifting = FleetPlan {
        count: 1,
        seed: options.seed + 0xd1,
        folder: folder.path().join("drifting"),
        maker: folder.path().join("maker"),
        codes: Vec::new(),
        interval: 1,
        stream: 1000,
        log: 5,
        mischief: None,
        flaky: 0,
        temper: "drifts",
        definitions: living::thermostat(folder.path())?,
        anchor: None,
    };
    living::show_life(&mut claims, &hub, &fleet, drifting, executable)?;

    show::title("A component was taken over: what it tries");
    let victim = truth.first().and_then(|one| one.id.clone()).context("a victim")?;
    let (attempts, hostile) = attack(executable, &hub, folder.path(), options.seed + 1, &victim)?;
    for attempt in &attempts {
        let text = |key: &str| attempt[key].as_str().unwrap_or_default().to_owned();
        let claim = format!("refused: {} ({})", text("name"), text("observed"));
        claims.check(claim, attempt["refused"].as_bool() == Some(true), text("observed"));
    }
    check_aftermath(&mut claims, &hub, &hostile, &truth)?;

    show::title("What the hub made of it");
    evidence::show_evidence(&mut claims, &hub, &hostile, folder.path())?;

    show::title("Revocation");
    revoke(&mut claims, &hub, &hostile)?;

    show::title("A release");
    release::show_release(&mut claims, &hub, &cloud, executable)?;
    show_events(&hub)?;
    claims.check("the cloud saw the hub's status", cloud_saw_status(&cloud), "no status came");
    write_report(options, &claims, &hub, &truth, &attempts)?;
    if options.stay {
        stay(&hub, folder.path());
    }

    show::title("End");
    let ends = [fleet.stop()?, hub.stop()?, cloud.stop()?];
    claims.check("fleet, hub and cloud ended in order", ends == [0, 0, 0], format!("{ends:?}"));
    let verdict =
        if claims.all_held() { "every claim was checked and held" } else { "NOT every claim held" };
    show::line(&format!(
        "\n{verdict}, {} claims in {:.1} s",
        claims.all().len(),
        started.elapsed().as_secs_f32()
    ));
    Ok(claims.all_held())
}

fn open_pairing(hub: &Hub) -> anyhow::Result<Vec<String>> {
    let answer = hub.json(&["pair", "open", "--approve", "--count", &PAIRED.to_string()])?;
    let codes = answer["codes"].as_array().context("codes")?;
    Ok(codes.iter().filter_map(|code| code.as_str().map(str::to_owned)).collect())
}

fn bring_up(fleet: &Fleet, hub: &Hub, count: usize) -> anyhow::Result<()> {
    let bar = show::progress(count as u64, "active");
    let result = fleet.bring_up(hub, BRING_UP, |report| {
        bar.set_position(report["active"].as_u64().unwrap_or(0));
        bar.set_message(format!("{} enrolled", report["enrolled"]));
    });
    bar.finish_and_clear();
    result
}

fn show_inventory(inventory: &Value) {
    let components = inventory["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |component: &Value| {
        let text = |key: &str| component[key].as_str().unwrap_or_default().to_owned();
        let id: String = text("id").chars().take(8).collect();
        vec![
            id,
            text("kind"),
            text("maker"),
            text("model"),
            text("serial"),
            text("firmware"),
            text("origin"),
            text("trust"),
        ]
    };
    let head = ["id", "kind", "maker", "model", "serial", "firmware", "proof", "trust"];
    show::table(&head, components.iter().take(10).map(row).collect());
    if components.len() > 10 {
        show::line(&format!("… and {} more", components.len() - 10));
    }
}

fn check_inventory(claims: &mut Claims, inventory: &Value, truth: &[GroundTruth], cloud: &Cloud) {
    let components = inventory["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_id: BTreeMap<_, _> =
        components.iter().filter_map(|c| Some((c["id"].as_str()?, c))).collect();
    let wrong: Vec<_> =
        truth.iter().filter(|one| !equals(one, &by_id)).map(|one| one.serial.as_str()).collect();
    let total = format!("{} in the inventory, {} in truth", components.len(), truth.len());
    claims.check("none is missing and none is extra", components.len() == truth.len(), total);
    claims.check(
        "every field of every component equals the ground truth",
        wrong.is_empty(),
        wrong.join(", "),
    );
    let cloud_entry = &inventory["cloud"];
    let up = cloud_entry["state"] == "up" && cloud_entry["id"] == cloud.id.as_str();
    claims.check(
        "the cloud is in it, connected, with the id its certificate proves",
        up,
        cloud_entry.to_string(),
    );
}

fn equals(truth: &GroundTruth, by_id: &BTreeMap<&str, &Value>) -> bool {
    let Some(seen) = truth.id.as_deref().and_then(|id| by_id.get(id)) else { return false };
    let Ok(Value::Object(fields)) = serde_json::to_value(truth) else { return false };
    seen["trust"] == "active" && fields.iter().all(|(key, value)| seen[key] == *value)
}

/// The newest announcement each component was acknowledged is what the hub has.
fn check_acknowledged(claims: &mut Claims, fleet: &Fleet, hub: &Hub) -> anyhow::Result<()> {
    let acknowledged = fleet.acknowledged()?;
    let status = hub.json(&["status"])?;
    let taken = status["status"]["messages"].as_u64().unwrap_or(0);
    let found = format!("{} acknowledged, {taken} taken", acknowledged.len());
    claims.check(
        format!(
            "{} messages were acknowledged, and the hub took at least as many",
            acknowledged.len()
        ),
        !acknowledged.is_empty() && taken >= acknowledged.len() as u64,
        found,
    );
    Ok(())
}

fn check_aftermath(
    claims: &mut Claims,
    hub: &Hub,
    hostile: &str,
    truth: &[GroundTruth],
) -> anyhow::Result<()> {
    let trust = hub.trust(hostile)?;
    claims.check("the attacker's component is quarantined", trust == "quarantined", trust);
    let components = hub.components()?;
    let active = components.iter().filter(|c| c["trust"] == "active").count();
    let found = format!("{active} active of {}", truth.len());
    claims.check("all other components are untouched", active == truth.len(), found);
    let events = hub.events()?;
    for (kind, refusal) in [
        ("auth.failure", ""),
        ("policy.denied", "foreign-topic"),
        ("policy.denied", "identity-mismatch"),
        ("policy.denied", "wildcard-subscription"),
        ("payload.malformed", "malformed"),
        ("enrol.refused", "wrong-code"),
        ("clone.detected", "cloned-identity"),
    ] {
        let recorded = events
            .iter()
            .any(|e| e["kind"] == kind && e["refusal"].as_str().unwrap_or("") == refusal);
        claims.check(format!("recorded: {kind} {refusal}"), recorded, "no such event");
    }
    Ok(())
}

fn revoke(claims: &mut Claims, hub: &Hub, hostile: &str) -> anyhow::Result<()> {
    let answer = hub.ask(&["component", "revoke", hostile, "--reason", "taken over"])?;
    claims.check("the owner revokes the attacker's component", answer.code == 0, answer.complaint);
    let again = hub.ask(&["component", "approve", hostile])?;
    claims.check(
        "nobody can approve it again (exit code 3)",
        again.code == 3,
        format!("{again:?}"),
    );
    Ok(())
}

fn show_events(hub: &Hub) -> anyhow::Result<()> {
    let events = hub.events()?;
    show::line("\nthe newest events:");
    for event in events.iter().rev().take(6).rev() {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        show::line(&format!("  {:8} {:18} {}", text("severity"), text("kind"), text("text")));
    }
    Ok(())
}

fn cloud_saw_status(cloud: &Cloud) -> bool {
    let saw = wait_until(Duration::from_secs(10), || {
        let event = cloud.event(Duration::from_millis(200)).context("no event")?;
        anyhow::ensure!(event["active"].as_u64().is_some(), "another event");
        Ok(())
    });
    saw.is_ok()
}

fn write_report(
    options: &Options,
    claims: &Claims,
    hub: &Hub,
    truth: &[GroundTruth],
    attempts: &[Value],
) -> anyhow::Result<()> {
    let Some(path) = &options.json else { return Ok(()) };
    let components = hub.components()?;
    let active: Vec<_> = components.iter().filter(|c| c["trust"] == "active").collect();
    let report = json!({
        "seed": options.seed,
        "active": active,
        "truth": truth,
        "attempts": attempts,
        "claims": claims.all(),
        "resident_kib": hub.resident(),
    });
    std::fs::write(path, format!("{report:#}\n")).with_context(|| path.display().to_string())
}

/// Waits for a line on standard input, or its end.
fn stay(hub: &Hub, folder: &Path) {
    let settings = hub.folder().join("hub.toml");
    show::title("Everything keeps running");
    show::line(&format!("folder         {}", folder.display()));
    show::line(&format!("ask the hub    hub-agent --settings {} status", settings.display()));
    show::line(&format!("MQTT, EST      127.0.0.1:{}, 127.0.0.1:{}", hub.mqtt_port, hub.est_port));
    show::line("end            press Enter");
    let mut line = String::new();
    // An end of the input is an end too.
    let _ = std::io::stdin().read_line(&mut line);
}
