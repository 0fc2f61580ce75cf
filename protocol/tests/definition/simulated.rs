//! The definitions of the simulated kinds.

use protocol::{
    definition::{Definition, Impact, OutOfRange, Role, SettingType, SettingValue},
    id::Slug,
};
use std::{fs, path::Path};

fn all() -> Vec<(String, Definition)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-sim/definitions");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let definition = Definition::parse(&text);
            (text, definition.unwrap_or_else(|mistakes| panic!("{}:\n{mistakes}", path.display())))
        })
        .collect();
    all.sort_by(|a, b| a.1.kind.cmp(&b.1.kind));
    all
}

/// Criterion: T3.LA.1b (positive)
#[test]
fn every_simulated_kind_has_a_definition_and_each_part_knows_its_line() {
    let all = all();
    let kinds: Vec<_> = all.iter().map(|(_, definition)| definition.kind.as_str()).collect();
    assert_eq!(kinds, ["camera", "lamp", "leak-sensor", "lock", "thermostat", "wall-switch"]);
    for (text, definition) in &all {
        let line = |number: usize| text.lines().nth(number - 1).unwrap();
        assert!(definition.streams.iter().all(|one| line(one.line) == "[[stream]]"));
        assert!(definition.commands.iter().all(|one| line(one.line) == "[[command]]"));
        assert!(definition.settings.iter().all(|one| line(one.line) == "[[setting]]"));
        assert!(definition.destinations.iter().all(|one| line(one.line) == "[[destination]]"));
    }
}

#[test]
fn a_definition_reads_as_its_maker_means_it() {
    let all = all();
    let lock = &all.iter().find(|(_, definition)| definition.kind.as_str() == "lock").unwrap().1;
    assert_eq!((lock.impact, lock.support_end.to_string().as_str()), (Impact::High, "2033-06-30"));
    let unlock = lock.command(&Slug::new("unlock").unwrap()).unwrap();
    assert_eq!((unlock.roles.as_slice(), unlock.from.len()), (&[Role::Owner][..], 0));
    assert_eq!(unlock.traffic.schema["properties"]["reason"]["maxLength"], 40);
    let auto = lock.setting(&Slug::new("auto-lock").unwrap()).unwrap();
    assert_eq!(auto.default, SettingValue::Integer(30));
    assert!(matches!(auto.kind, SettingType::Integer { min: 5, max: 600, .. }));
    let refused = auto.kind.check(&SettingValue::Integer(601));
    let said = OutOfRange { takes: "a whole number from 5 to 600 s".into(), value: "601".into() };
    assert_eq!(refused, Err(said));
    assert!(auto.kind.check(&SettingValue::Text("30".into())).is_err());
}

/// Criterion: T3.PC.3 (positive)
#[test]
fn the_baseline_has_every_setting_and_closes_what_is_not_needed() {
    for (_, definition) in all() {
        let baseline = definition.baseline();
        assert_eq!(baseline.len(), definition.settings.len());
        for setting in &definition.settings {
            assert_eq!(setting.kind.check(&baseline[&setting.name]), Ok(()));
        }
    }
}
