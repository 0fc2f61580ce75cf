//! Configuration on real sockets: what people want, what components really are, and how the hub brings
//! the one to the other.

use crate::scene::Scene;
use device_sim::{
    flash::Flash,
    profile::{Kinds, Profile},
};
use protocol::{
    definition::SettingValue::{self, Boolean, Integer, Number, Text},
    id::Slug,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tests::harness::{Fleet, FleetPlan, Hub, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn profile(kind: &str) -> Arc<Profile> {
    Kinds::built_in().unwrap().named(kind).unwrap().clone()
}

/// What a component of this kind is at its secure default.
fn baseline(kind: &str) -> BTreeMap<Slug, SettingValue> {
    profile(kind).definition().baseline()
}

/// The memory of the component of this kind.
fn memory(fleet: &Fleet, kind: &str) -> anyhow::Result<Flash> {
    let all = fleet.memories()?;
    let found = all.into_iter().find(|one| one.kind == kind);
    found.ok_or_else(|| anyhow::anyhow!("no {kind} keeps anything yet"))
}

fn id(fleet: &Fleet, kind: &str) -> String {
    memory(fleet, kind).unwrap().credentials.unwrap().id.to_string()
}

/// The states of all configurations, by kind.
fn states(hub: &Hub) -> anyhow::Result<BTreeMap<String, String>> {
    let list = hub.json(&["config", "list"])?;
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let all = list.as_array().into_iter().flatten();
    Ok(all.map(|one| (text(one, "kind"), text(one, "state"))).collect())
}

fn all_in_force(hub: &Hub, count: usize) {
    wait_until(PATIENCE, || {
        let states = states(hub)?;
        let good = states.values().filter(|state| *state == "in-force").count();
        anyhow::ensure!(good == count, "{states:?}");
        Ok(())
    })
    .unwrap();
}

fn saw(hub: &Hub, kind: &str) -> usize {
    hub.events().unwrap().iter().filter(|event| event["kind"] == kind).count()
}

/// Criterion: T3.PC.1 (positive)
/// Criterion: T3.PC.1 (negative)
/// Criterion: T3.PC.3 (positive)
/// Criterion: T3.PC.4 (positive)
#[test]
fn settings_reach_real_components_and_a_restore_brings_the_secure_default_back() {
    let scene = Scene::with(&[]);
    // Without values nothing of its owner is gathered anew.
    let fleet = scene.fleet(FleetPlan { stream: 0, ..scene.plan(6, 1) });
    fleet.bring_up(&scene.hub, PATIENCE, |_| {}).unwrap();
    // Every one left its factory careless and with data of its former owner, and is at its secure default now.
    for flash in fleet.memories().unwrap() {
        assert_ne!(profile(&flash.kind).factory().0, baseline(&flash.kind));
        assert_eq!(flash.settings, baseline(&flash.kind), "{}", flash.kind);
        let open = profile(&flash.kind).definition().open(&flash.settings);
        assert_eq!((flash.config, flash.open, flash.user_data), (1, open, 0));
    }
    let (lamp, thermostat) = (id(&fleet, "lamp"), id(&fleet, "thermostat"));
    let set = |args: &[&str]| scene.hub.ask(&[&["config", "set"][..], args].concat()).unwrap();
    assert_eq!(set(&["-c", &lamp, "max-brightness=42", "button-enabled=true"]).code, 0);
    assert_eq!(set(&["--kind", "thermostat", "target=21", "display-name=Küche"]).code, 0);
    let refused = set(&["-c", &lamp, "max-brightness=101"]);
    assert_eq!(refused.code, 3, "{}", refused.complaint);
    assert!(refused.complaint.contains("max-brightness of lamp revision 1, line 16: must be a whole number from 10 to 100 %, not 101"), "{}", refused.complaint);
    let refused = set(&["-c", &thermostat, "max-brightness=50"]);
    assert!(refused.complaint.contains("not-declared"), "{}", refused.complaint);
    all_in_force(&scene.hub, 6);
    let flash = memory(&fleet, "lamp").unwrap();
    assert_eq!(flash.settings[&slug("max-brightness")], Integer(42));
    assert_eq!(flash.settings[&slug("button-enabled")], Boolean(true));
    assert_eq!((flash.config, flash.open), (2, vec![slug("button"), slug("wifi")]));
    let flash = memory(&fleet, "thermostat").unwrap();
    assert_eq!(flash.settings[&slug("target")], Number(21.0));
    assert_eq!(flash.settings[&slug("display-name")], Text("Küche".into()));
    for component in [&lamp, &thermostat] {
        assert_eq!(scene.hub.ask(&["group", "add", "kitchen", component]).unwrap().code, 0);
    }
    assert_eq!(scene.hub.json(&["group", "list"]).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(set(&["--group", "kitchen", "target=18.5"]).code, 0, "those that have it");
    all_in_force(&scene.hub, 6);
    assert_eq!(memory(&fleet, "thermostat").unwrap().settings[&slug("target")], Number(18.5));
    assert_eq!(memory(&fleet, "lamp").unwrap().config, 2, "it has no such setting");
    let restore = scene.hub.ask(&["config", "restore", "--group", "kitchen"]).unwrap();
    assert_eq!(restore.code, 0);
    all_in_force(&scene.hub, 6);
    for kind in ["lamp", "thermostat"] {
        let flash = memory(&fleet, kind).unwrap();
        assert_eq!((&flash.settings, flash.security), (&baseline(kind), 1));
        let show = scene.hub.json(&["config", "show", &id(&fleet, kind)]).unwrap();
        assert_eq!((&show["state"], &show["purpose"]), (&"in-force".into(), &"restore".into()));
    }
}

/// Criterion: T3.PC.3 (negative)
/// Criterion: T3.PC.1 (negative)
#[test]
fn those_that_refuse_or_only_pretend_stay_quarantined() {
    for (seed, temper, state) in [(1, "refuses", "refused"), (2, "pretends", "drifted")] {
        let scene = Scene::with(&[]);
        let mut plan = scene.plan(2, seed);
        plan.temper = temper;
        let fleet = scene.fleet(plan);
        wait_until(PATIENCE, || {
            scene.hub.json(&["component", "approve", "--all"])?;
            let states = states(&scene.hub)?;
            let found = states.values().filter(|found| *found == state).count();
            anyhow::ensure!(found == 2, "{temper}: {states:?}");
            Ok(())
        })
        .unwrap();
        for one in scene.hub.components().unwrap() {
            assert_eq!((&one["trust"], &one["hold"]), (&"quarantined".into(), &"baseline".into()));
        }
        let said = fleet.acknowledged().unwrap();
        assert!(said.iter().all(|line| !line["what"]["value"].is_u64()), "no value was relayed");
    }
}

/// Criterion: T3.PC.1 (negative)
#[test]
fn one_that_changes_by_itself_is_shown_and_brought_back_each_time() {
    let scene = Scene::with(&[]);
    let mut plan = scene.plan(1, 1);
    plan.temper = "drifts";
    let fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, PATIENCE, |_| {}).unwrap();
    wait_until(PATIENCE, || {
        let drifts = saw(&scene.hub, "config.drift");
        let back = saw(&scene.hub, "config.in-force");
        anyhow::ensure!(drifts >= 3 && back >= 3, "{drifts} drifts, {back} times in force");
        Ok(())
    })
    .unwrap();
    let events = scene.hub.events().unwrap();
    let drift = events.iter().find(|event| event["kind"] == "config.drift").unwrap();
    assert_eq!(drift["text"], "max-brightness is 100, shall be 80");
}

/// Criterion: T3.PC.1 (positive)
#[test]
fn one_that_was_away_is_given_its_setting_once_when_it_returns() {
    let scene = Scene::with(&[]);
    let mut fleet = scene.active_fleet(1, 1);
    let lamp = id(&fleet, "lamp");
    assert_eq!(fleet.stop().unwrap(), 0);
    for level in ["30", "40", "55"] {
        let setting = format!("max-brightness={level}");
        assert_eq!(scene.hub.ask(&["config", "set", "-c", &lamp, &setting]).unwrap().code, 0);
    }
    assert_eq!(states(&scene.hub).unwrap()["lamp"], "waiting");
    let fleet = scene.fleet(scene.plan(1, 1));
    all_in_force(&scene.hub, 1);
    let flash = memory(&fleet, "lamp").unwrap();
    assert_eq!((&flash.settings[&slug("max-brightness")], flash.config), (&Integer(55), 4));
    // The hub knows what was reported before the component knows that it was taken.
    let reports = wait_until(PATIENCE, || {
        let all = fleet.acknowledged()?;
        let reports = all.iter().filter_map(|line| line["what"]["report"].as_u64());
        let reports: Vec<_> = reports.filter(|revision| *revision > 1).collect();
        anyhow::ensure!(reports.contains(&4), "{reports:?}");
        Ok(reports)
    });
    assert_eq!(reports.unwrap(), [4], "once, and only the newest");
}

/// Criterion: T3.PC.4 (negative)
#[test]
fn a_restore_of_all_survives_a_kill_of_hub_and_fleet_half_way() {
    let scene = Scene::with(&[]);
    let mut fleet = scene.active_fleet(6, 1);
    for kind in ["lamp", "wall-switch"] {
        let setting = if kind == "lamp" { "max-brightness=99" } else { "backlight=99" };
        assert_eq!(scene.hub.ask(&["config", "set", "--kind", kind, setting]).unwrap().code, 0);
    }
    all_in_force(&scene.hub, 6);
    // The power fails for all components, then for the hub, right after the owner's wish was taken.
    fleet.kill().unwrap();
    assert_eq!(scene.hub.ask(&["config", "restore", "--all"]).unwrap().code, 0);
    let Scene { hub, folder, executable } = scene;
    let hub = Hub::start(hub.kill().unwrap()).unwrap();
    let scene = Scene { hub, folder, executable };
    let fleet = scene.fleet(scene.plan(6, 1));
    all_in_force(&scene.hub, 6);
    for flash in fleet.memories().unwrap() {
        assert_eq!(flash.settings, baseline(&flash.kind), "{}", flash.kind);
        assert!(flash.config >= 2 && flash.security == 1);
    }
}

/// Criterion: T3.PC.4 (negative)
#[test]
fn a_restore_that_lowers_the_security_version_is_found_out() {
    let scene = Scene::with(&[]);
    let mut plan = scene.plan(1, 1);
    plan.temper = "rolls-back";
    let fleet = scene.fleet(plan);
    // Its first configuration restores the secure default, and it goes back from 1 to 0 with it.
    wait_until(PATIENCE, || {
        scene.hub.json(&["component", "approve", "--all"])?;
        let all = scene.hub.components()?;
        anyhow::ensure!(all.len() == 1 && all[0]["hold"] == "rolled-back", "{all:?}");
        Ok(())
    })
    .unwrap();
    drop(fleet);
}
