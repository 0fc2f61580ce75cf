//! Configuration: what people want, what components say, and the way from one to the other.

use crate::world::{DAY, OWNER, World, facts, id, note};
use hub_core::access::trust::Hold;
use hub_core::{
    Answer, Command, EventKind, Input, Members, StoreState, Table, Wish, config::Proof,
};
use protocol::{
    cbor,
    definition::SettingValue::{self, Boolean, Integer, Text},
    id::Slug,
    message::{Config, ConfigOutcome, ConfigPurpose, List, Reported, Settings, TrustState},
    refusal::Refusal,
};
use std::{collections::BTreeMap, time::Duration};

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn baseline() -> BTreeMap<Slug, SettingValue> {
    [
        (slug("max-brightness"), Integer(80)),
        (slug("power-on"), Text("off".into())),
        (slug("button-enabled"), Boolean(false)),
    ]
    .into()
}

impl World {
    /// The configurations that component `n` was sent since the last look.
    fn told(&mut self, n: u16) -> Vec<Config> {
        let topic = format!("p/{}/config", id(n));
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == topic);
        self.sent = others;
        mine.iter().map(|(_, bytes)| cbor::decode(bytes, bytes.len()).unwrap()).collect()
    }

    fn set(&mut self, members: Members, name: &str, value: SettingValue) -> Result<usize, Refusal> {
        self.command(Command::Configure(members, [(slug(name), Wish::Value(value))].into()))
    }

    /// An enrolled lamp that has said what it is, and nothing more.
    fn newcomer(&mut self, n: u16) {
        let certificate = self.enrol(n);
        self.connect(n, &certificate);
        self.announce(n, &facts(n, 1));
    }

    fn report(&mut self, n: u16, reported: &Reported) -> Result<(), Refusal> {
        let effects = self.say(n, "reported", &cbor::encode(reported));
        match effects.answer {
            Answer::Refused { why, .. } => Err(why),
            _ => Ok(()),
        }
    }

    fn proof(&self, n: u16) -> Proof {
        self.hub.proof(id(n)).unwrap()
    }
}

/// What a component says that did as it was told.
fn obeyed(config: &Config) -> Reported {
    Reported {
        version: protocol::message::V1,
        revision: config.revision,
        outcome: ConfigOutcome::Applied,
        settings: config.settings.clone(),
        open: config.open.clone(),
        security: 1,
        why: None,
    }
}

/// Criterion: T3.PC.3 (positive)
#[test]
fn a_newcomer_is_active_only_when_it_reads_back_its_secure_default() {
    let mut world = World::new();
    world.newcomer(1);
    let told = world.told(1);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].settings.values(), &baseline());
    assert_eq!(told[0].open.items(), [slug("wifi")]);
    assert_eq!((told[0].purpose, told[0].revision), (ConfigPurpose::Restore, 2));
    assert_eq!(world.state(1), TrustState::Quarantined);
    let value = [0xa1, 0x62, b'o', b'n', 0xf5];
    assert_eq!(world.permit(1, "stream/state", &value), Err(Refusal::Quarantined));
    // As it left the factory, and then with one thing still wrong.
    let mut factory = obeyed(&told[0]);
    (factory.revision, factory.open) = (1, List::new(vec![slug("button"), slug("wifi")]).unwrap());
    world.report(1, &factory).unwrap();
    assert_eq!((world.state(1), world.proof(1)), (TrustState::Quarantined, Proof::Waiting));
    let mut open = obeyed(&told[0]);
    open.open = factory.open;
    world.report(1, &open).unwrap();
    let Proof::Drifted { differs, high } = world.proof(1) else { panic!("{:?}", world.proof(1)) };
    assert_eq!((differs, high), (vec!["interface button is open, shall be closed".into()], true));
    assert_eq!(world.state(1), TrustState::Quarantined);
    world.report(1, &obeyed(&told[0])).unwrap();
    assert_eq!((world.state(1), world.proof(1)), (TrustState::Active, Proof::InForce));
    assert!(world.permit(1, "stream/state", &value).is_ok());
}

/// Criterion: T3.PC.3 (negative)
#[test]
fn one_that_refuses_its_secure_default_stays_quarantined_and_the_owner_is_told() {
    let mut world = World::new();
    world.newcomer(1);
    let mut refused = obeyed(&world.told(1)[0]);
    (refused.outcome, refused.why) = (ConfigOutcome::Refused, Some(note("I will not")));
    world.report(1, &refused).unwrap();
    assert!(world.saw(EventKind::ConfigRefused, None));
    assert_eq!(world.proof(1), Proof::Refused { why: "I will not".into() });
    let mut told = 0;
    for _ in 0..600 {
        world.pass(Duration::from_secs(1));
        world.handle(Input::Tick);
        told += world.told(1).len();
    }
    assert!((4..=8).contains(&told), "{told} times, ever more rarely");
    assert!(world.saw(EventKind::ConfigUnproved, None));
    assert_eq!(world.state(1), TrustState::Quarantined);
    let approve = Command::Approve(hub_core::Selector::One(id(1)));
    assert_eq!(world.command(approve), Err(Refusal::WrongState), "approval does not replace proof");
}

/// Criterion: T3.PC.1 (positive)
#[test]
fn a_setting_is_told_at_once_and_counts_when_it_is_read_back() {
    let mut world = World::new();
    world.member(1);
    world.told(1);
    assert_eq!(world.set(Members::One(id(1)), "max-brightness", Integer(50)), Ok(1));
    let told = world.told(1);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].revision, told[0].purpose), (3, ConfigPurpose::Set));
    assert_eq!(told[0].settings.values()[&slug("max-brightness")], Integer(50));
    assert_eq!(world.proof(1), Proof::Waiting);
    world.report(1, &obeyed(&told[0])).unwrap();
    assert_eq!(world.proof(1), Proof::InForce);
    let record = world.hub.inventory().get(id(1)).unwrap();
    let change = record.history.iter().rev().find(|c| c.what == "setting max-brightness").unwrap();
    assert_eq!((&*change.old, &*change.new), ("80", "50, by local user 0"), "who, what, old, new");
}

/// Criterion: T3.PC.1 (positive)
#[test]
fn one_that_was_away_is_told_once_when_it_is_back() {
    let mut world = World::new();
    let certificate = world.member(1);
    world.handle(Input::Disconnected { who: id(1), link: 1, why: "gone" });
    world.told(1);
    for level in [20, 30, 40] {
        world.set(Members::One(id(1)), "max-brightness", Integer(level)).unwrap();
    }
    world.pass(DAY);
    world.handle(Input::Tick);
    assert_eq!(world.told(1), []);
    world.connect(1, &certificate);
    assert_eq!(world.told(1), [], "it may not have subscribed yet");
    world.announce(1, &facts(1, 1));
    let told = world.told(1);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].revision, &told[0].settings.values()[&slug("max-brightness")]),
        (5, &Integer(40))
    );
    world.report(1, &obeyed(&told[0])).unwrap();
    for _ in 0..100 {
        world.pass(Duration::from_secs(30));
        world.handle(Input::Tick);
    }
    assert_eq!(world.told(1), []);
}

/// Criterion: T3.PC.1 (positive)
#[test]
fn a_group_change_reaches_every_member_of_the_group_and_no_other() {
    let mut world = World::new();
    for n in 1..=4 {
        world.member(n);
        world.told(n);
    }
    let kitchen = slug("kitchen");
    for n in [1, 3] {
        let join = Command::Regroup { id: id(n), group: kitchen.clone(), joins: true };
        assert_eq!(world.command(join.clone()), Ok(1));
        assert_eq!(world.command(join), Err(Refusal::WrongState), "it is in already");
    }
    world.restart();
    for n in 1..=4 {
        world.handle(Input::Disconnected { who: id(n), link: u64::from(n), why: "restart" });
    }
    let set = world.set(Members::Group(kitchen), "max-brightness", Integer(33));
    assert_eq!(set, Ok(2));
    let levels = (1..=4).map(|n| {
        world.hub.configured(id(n)).unwrap().desired.settings[&slug("max-brightness")].clone()
    });
    assert_eq!(levels.collect::<Vec<_>>(), [33, 80, 33, 80].map(Integer));
    assert_eq!(
        world.set(Members::Group(slug("attic")), "max-brightness", Integer(9)),
        Err(Refusal::Unknown)
    );
    assert_eq!(world.set(Members::Kind(slug("lamp")), "power-on", Text("on".into())), Ok(4));
    assert_eq!(world.set(Members::All, "max-brightness", Integer(9)), Err(Refusal::WrongContent));
    assert_eq!(world.set(Members::All, "volume", Integer(9)), Err(Refusal::NotDeclared));
}

/// Criterion: T3.PC.1 (negative)
#[test]
fn what_a_definition_does_not_take_never_leaves_the_hub() {
    let mut world = World::new();
    world.member(1);
    world.told(1);
    let wrong = [
        ("max-brightness", Integer(9)),
        ("max-brightness", Integer(101)),
        ("max-brightness", SettingValue::Number(50.0)),
        ("max-brightness", Text("50".into())),
        ("power-on", Text("dim".into())),
        ("power-on", Boolean(true)),
        ("button-enabled", Integer(1)),
    ];
    for (name, value) in wrong {
        let words = format!("{name} {value:?}");
        let refused = world.set(Members::One(id(1)), name, value);
        assert_eq!(refused, Err(Refusal::WrongContent), "{words}");
    }
    let refused = world.set(Members::One(id(1)), "volume", Integer(1));
    assert_eq!(refused, Err(Refusal::NotDeclared));
    assert_eq!((world.told(1).len(), world.proof(1)), (0, Proof::InForce));
    assert_eq!(world.hub.configured(id(1)).unwrap().desired.revision, 2);
    assert_eq!(
        world.events.iter().filter(|e| e.kind == EventKind::CommandRefused).count(),
        8,
        "each in its own words"
    );
}

/// Criterion: T3.PC.1 (negative)
#[test]
fn one_that_acknowledges_without_applying_is_drift_and_is_told_again() {
    let mut world = World::new();
    world.member(1);
    world.told(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(50)).unwrap();
    let told = world.told(1);
    let mut pretended = obeyed(&told[0]);
    pretended.settings = Settings::new(baseline()).unwrap();
    world.report(1, &pretended).unwrap();
    let Proof::Drifted { differs, high } = world.proof(1) else { panic!("{:?}", world.proof(1)) };
    assert_eq!((differs, high), (vec!["max-brightness is 80, shall be 50".into()], false));
    assert!(world.saw(EventKind::ConfigDrift, None));
    assert_eq!(world.told(1), [], "the answer came while it was being told");
    world.pass(Duration::from_secs(4));
    world.handle(Input::Tick);
    assert_eq!(world.told(1), told, "the same revision again");
    world.report(1, &obeyed(&told[0])).unwrap();
    assert_eq!(world.proof(1), Proof::InForce);
    // Later it changes by itself: it is told at once.
    world.report(1, &pretended).unwrap();
    assert_eq!(world.told(1), told);
}

#[test]
fn a_lasting_difference_is_only_noted_unless_harm_may_come_of_it() {
    for (name, high) in [("max-brightness", false), ("button", true)] {
        let mut world = World::new();
        world.member(1);
        world.told(1);
        world.set(Members::One(id(1)), "max-brightness", Integer(50)).unwrap();
        let mut stubborn = obeyed(&world.told(1)[0]);
        if high {
            stubborn.open = List::new(vec![slug("button"), slug("wifi")]).unwrap();
        } else {
            stubborn.settings = Settings::new(baseline()).unwrap();
        }
        for _ in 0..300 {
            world.report(1, &stubborn).unwrap();
            world.pass(Duration::from_secs(2));
            world.handle(Input::Tick);
        }
        let state = if high { TrustState::Quarantined } else { TrustState::Active };
        assert_eq!(world.state(1), state, "{name}");
        assert!(world.saw(EventKind::ConfigUnproved, None));
        let told = world.told(1).pop().unwrap();
        world.report(1, &obeyed(&told)).unwrap();
        assert_eq!(world.state(1), TrustState::Active, "a proof lifts it");
    }
}

/// Criterion: T3.PC.4 (positive)
#[test]
fn restoring_one_or_all_ends_at_the_secure_default_read_back() {
    let mut world = World::new();
    for n in 1..=3 {
        world.member(n);
        world.set(Members::One(id(n)), "max-brightness", Integer(100)).unwrap();
        world.set(Members::One(id(n)), "power-on", Text("on".into())).unwrap();
        let told = world.told(n).pop().unwrap();
        world.report(n, &obeyed(&told)).unwrap();
    }
    for (members, whom) in [(Members::One(id(2)), 2..=2), (Members::All, 1..=3)] {
        assert_eq!(world.command(Command::Restore(members)), Ok(whom.clone().count()));
        for n in whom {
            let told = world.told(n);
            assert_eq!((told.len(), told[0].purpose), (1, ConfigPurpose::Restore));
            assert_eq!(told[0].settings.values(), &baseline());
            world.report(n, &obeyed(&told[0])).unwrap();
            let configured = world.hub.configured(id(n)).unwrap();
            assert_eq!(configured.reported.as_ref().unwrap().settings, baseline());
            assert_eq!(world.proof(n), Proof::InForce);
        }
    }
}

/// Criterion: T3.PC.4 (negative)
#[test]
fn a_restore_is_whole_or_not_at_all_and_no_later_change_takes_its_wiping_away() {
    let mut world = World::new();
    let certificate = world.member(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(100)).unwrap();
    let effects =
        world.handle(Input::Command { by: OWNER, command: Command::Restore(Members::All) });
    let writes = effects.writes.iter().filter(|write| write.table == Table::Configs).count();
    assert_eq!(writes, 1, "all of it in the one commit of the turn");
    world.restart();
    world.set(Members::One(id(1)), "max-brightness", Integer(60)).unwrap();
    world.sent.clear();
    world.connect(1, &certificate);
    world.announce(1, &facts(1, 1));
    let told = world.told(1);
    let level = &told[0].settings.values()[&slug("max-brightness")];
    assert_eq!((told[0].purpose, level), (ConfigPurpose::Restore, &Integer(60)));
    world.report(1, &obeyed(&told[0])).unwrap();
    world.set(Members::One(id(1)), "max-brightness", Integer(70)).unwrap();
    assert_eq!(world.told(1)[0].purpose, ConfigPurpose::Set);
}

/// Criterion: T3.PC.4 (negative)
#[test]
fn a_restore_cannot_lower_the_security_version() {
    let mut world = World::new();
    world.member(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(100)).unwrap();
    let mut newer = obeyed(&world.told(1).pop().unwrap());
    newer.security = 7;
    world.report(1, &newer).unwrap();
    world.command(Command::Restore(Members::One(id(1)))).unwrap();
    let mut older = obeyed(&world.told(1).pop().unwrap());
    older.security = 6;
    assert_eq!(world.report(1, &older), Err(Refusal::RolledBack));
    assert_eq!(world.state(1), TrustState::Quarantined);
    assert_eq!(world.hub.configured(id(1)).unwrap().security, 7);
    world.restart();
    assert_eq!(world.hub.configured(id(1)).unwrap().security, 7);
    // Neither does saying the right thing afterwards: only its owner lets it back.
    older.security = 7;
    assert_eq!(world.report(1, &older), Ok(()));
    assert_eq!(world.hold(1), Some(Hold::RolledBack));
}

/// Criterion: T3.PC.4 (negative)
/// Criterion: T1.PC.4 (negative)
#[test]
fn a_member_that_claims_the_last_number_there_is_does_not_keep_the_others_from_their_default() {
    let mut world = World::new();
    world.member(1);
    world.member(2);
    world.set(Members::One(id(2)), "max-brightness", Integer(100)).unwrap();
    world.obey(2);
    let mut liar = obeyed(&world.told(1).pop().unwrap());
    let before = world.hub.configured(id(1)).unwrap().desired.revision;
    for turn in 0..70_000 {
        liar.revision = u32::MAX;
        world.report(1, &liar).unwrap();
        world.pass(Duration::from_secs(2));
        if turn % 30 == 0 {
            world.handle(Input::Tick);
        }
    }
    let believed = world.hub.configured(id(1)).unwrap().desired.revision - before;
    assert!(believed < 40 * ((1 << 16) + 1), "{believed} of 4 billion numbers in 39 hours");
    assert!(world.saw(EventKind::ConfigDrift, None), "its lie is no cover");
    assert_eq!(world.hold(1), Some(Hold::Baseline), "told often enough");
    // Another one says so from the beginning.
    let certificate = world.enrol(3);
    world.connect(3, &certificate);
    let mut lie = facts(3, 1);
    lie.config = u32::MAX;
    world.announce(3, &lie);
    assert_eq!(world.told(3)[0].revision, (1 << 16) + 1);
    world.command(Command::Restore(Members::All)).unwrap();
    assert!(world.hub.configured(id(2)).unwrap().desired.changes.is_empty());
    world.obey(2);
    assert_eq!(world.proof(2), Proof::InForce);
}

/// Criterion: T1.SU.3 (negative)
/// Criterion: T3.PC.4 (negative)
#[test]
fn leaving_and_coming_back_does_not_lower_the_security_version() {
    let mut world = World::new();
    world.member(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(100)).unwrap();
    let mut newer = obeyed(&world.told(1).pop().unwrap());
    newer.security = 7;
    world.report(1, &newer).unwrap();
    world.command(Command::Retire(id(1), note("sold"))).unwrap();
    world.restart();
    let certificate = world.enrol(1);
    world.connect(1, &certificate);
    world.announce(1, &facts(1, 2));
    let mut older = obeyed(&world.told(1).pop().unwrap());
    older.security = 6;
    assert_eq!(world.report(1, &older), Err(Refusal::RolledBack));
    assert_eq!(world.state(1), TrustState::Quarantined);
}

/// Criterion: T3.PC.1 (negative)
#[test]
fn what_may_not_be_durable_yet_is_not_told_again() {
    let mut world = World::new();
    world.member(1);
    world.told(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(55)).unwrap();
    assert_eq!(world.told(1).len(), 1);
    world.handle(Input::Store(StoreState::Unavailable));
    for _ in 0..30 {
        world.pass(Duration::from_secs(1));
        world.handle(Input::Tick);
        assert!(world.hub.next_deadline() > Some(world.now.mono), "nobody is woken for nothing");
    }
    assert_eq!(world.told(1).len(), 0);
    world.handle(Input::Store(StoreState::Ok));
    world.handle(Input::Tick);
    assert_eq!(world.told(1).len(), 1, "and is when it is");
}

/// Criterion: T3.PC.1 (negative)
#[test]
fn what_is_refused_for_want_of_disk_space_does_not_come_into_force_later() {
    let mut world = World::new();
    world.member(1);
    let before = world.hub.configured(id(1)).cloned();
    world.handle(Input::Store(StoreState::Unavailable));
    let set = world.set(Members::One(id(1)), "max-brightness", Integer(55));
    assert_eq!(set, Err(Refusal::StoreUnavailable));
    let settings = Settings::new([(slug("max-brightness"), Integer(56))].into()).unwrap();
    let ask = protocol::message::CloudAsk {
        version: protocol::message::V1,
        seq: 7,
        component: id(1),
        settings: Some(settings),
        command: None,
        arguments: None,
    };
    let answer = world.handle(Input::CloudAsk(ask.clone())).answer;
    assert!(matches!(answer, Answer::Refused { why: Refusal::StoreUnavailable, .. }), "{answer:?}");
    let quarantine = Command::Quarantine(id(1), crate::world::note("odd"));
    assert_eq!(world.command(quarantine), Ok(1), "taking power waits for no disk");
    world.handle(Input::Store(StoreState::Ok));
    world.handle(Input::Tick);
    assert_eq!(world.hub.configured(id(1)).cloned(), before);
    assert!(world.saw(EventKind::CommandRefused, Some(Refusal::StoreUnavailable)));
    let again = world.handle(Input::CloudAsk(ask)).answer;
    assert!(
        !matches!(again, Answer::Refused { why: Refusal::Replayed, .. }),
        "the ask was not used up: {again:?}"
    );
}

/// Criterion: T1.LA.3 (negative)
/// Criterion: T3.PC.4 (negative)
#[test]
fn no_number_that_a_component_reports_keeps_the_hub_from_starting() {
    let mut world = World::new();
    world.member(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(55)).unwrap();
    let config = world.told(1).pop().unwrap();
    let numbers = [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0, 0.1, 1e22];
    for (number, seconds) in numbers.into_iter().zip(1..) {
        let mut strange = obeyed(&config);
        let mut values = strange.settings.values().clone();
        values.insert(slug("max-brightness"), SettingValue::Number(number));
        strange.settings = Settings::new(values).unwrap();
        world.report(1, &strange).unwrap();
        world.pass(Duration::from_secs(seconds));
        let before = world.hub.configured(id(1)).cloned();
        world.restart();
        assert_eq!(world.hub.configured(id(1)).cloned(), before, "{number:e}");
        world.connect(1, &world.certificate_of(1));
        world.announce(1, &facts(1, 1));
    }
    for number in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let values = [(slug("max-brightness"), SettingValue::Number(number))].into();
        assert!(Settings::new(values).is_none());
    }
    // The float 100.0 of half precision becomes infinity by three bits.
    let mut finite = obeyed(&config);
    finite.settings =
        Settings::new([(slug("max-brightness"), SettingValue::Number(100.0))].into()).unwrap();
    let bytes = cbor::encode(&finite);
    let at = bytes.windows(3).position(|three| three == [0xf9, 0x56, 0x40]).unwrap();
    let mut infinite = bytes.clone();
    infinite[at..at + 3].copy_from_slice(&[0xf9, 0x7c, 0x00]);
    assert!(world.permit(1, "reported", &bytes).is_ok());
    assert_eq!(world.permit(1, "reported", &infinite), Err(Refusal::Malformed));
}

/// Criterion: T3.PC.1 (negative)
#[test]
fn approving_a_component_after_trouble_believes_nothing_it_said_before() {
    let mut world = World::new();
    world.member(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(55)).unwrap();
    let mut newer = obeyed(&world.told(1).pop().unwrap());
    newer.security = 7;
    world.report(1, &newer).unwrap();
    let mut older = newer.clone();
    older.security = 6;
    assert_eq!(world.report(1, &older), Err(Refusal::RolledBack));
    let installer = hub_core::Actor::Person {
        name: slug("ina"),
        role: protocol::definition::Role::Installer,
        fresh: true,
    };
    let add = hub_core::AccountChange::Add {
        role: protocol::definition::Role::Installer,
        hash: "x".into(),
    };
    world.command(Command::Account(slug("ina"), add)).unwrap();
    let approve = Command::Approve(hub_core::Selector::One(id(1)));
    let refused = world.handle(Input::Command { by: installer, command: approve.clone() }).answer;
    assert!(matches!(refused, Answer::Refused { why: Refusal::NotPermitted, .. }), "{refused:?}");
    assert_eq!(world.hold(1), Some(Hold::RolledBack));
    world.told(1);
    assert_eq!(world.command(approve), Ok(1));
    assert_eq!(world.hold(1), Some(Hold::Baseline), "it must say what it is now");
    assert_eq!(world.told(1).len(), 1, "and is told what it shall be");
    assert_eq!(world.report(1, &older), Ok(()), "its owner took the older firmware");
    assert_eq!(world.state(1), TrustState::Active);
    older.security = 5;
    assert_eq!(world.report(1, &older), Err(Refusal::RolledBack), "but none older than that");
}

/// Criterion: T3.LA.1d (negative)
#[test]
fn a_report_names_only_what_is_declared() {
    let mut world = World::new();
    world.member(1);
    let config = Config {
        version: protocol::message::V1,
        revision: 2,
        purpose: ConfigPurpose::Set,
        settings: Settings::new([(slug("backdoor"), Boolean(true))].into()).unwrap(),
        open: List::new(vec![slug("wifi")]).unwrap(),
    };
    let undeclared = cbor::encode(&obeyed(&config));
    assert_eq!(world.permit(1, "reported", &undeclared), Err(Refusal::NotDeclared));
    let mut telnet = obeyed(&config);
    telnet.settings = Settings::default();
    telnet.open = List::new(vec![slug("telnet"), slug("wifi")]).unwrap();
    assert_eq!(world.permit(1, "reported", &cbor::encode(&telnet)), Err(Refusal::NotDeclared));
}

#[test]
fn reports_come_at_their_rate_and_a_component_from_another_hub_is_caught_up_with() {
    let mut world = World::new();
    world.member(1);
    let mut from_elsewhere = obeyed(&Config {
        version: protocol::message::V1,
        revision: 900,
        purpose: ConfigPurpose::Set,
        settings: Settings::new(baseline()).unwrap(),
        open: List::new(vec![slug("wifi")]).unwrap(),
    });
    world.told(1);
    world.report(1, &from_elsewhere).unwrap();
    assert_eq!(world.told(1)[0].revision, 901);
    from_elsewhere.revision = u32::MAX;
    assert_eq!(world.report(1, &from_elsewhere), Ok(()));
    assert!(world.told(1).is_empty(), "the next claim is not believed at once");
    assert!(matches!(world.proof(1), Proof::Drifted { high: true, .. }));
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.report(1, &from_elsewhere), Ok(()));
    let next = world.told(1).pop().unwrap().revision;
    assert_eq!(next, 901 + (1 << 16) + 1, "and never but so far");
    let refused = (0..100).filter(|_| world.report(1, &from_elsewhere) == Err(Refusal::SlowDown));
    assert!(refused.count() > 80);
}

#[test]
fn a_new_revision_of_the_definition_changes_what_is_wanted_and_keeps_what_people_chose() {
    let mut world = World::new();
    world.member(1);
    world.set(Members::One(id(1)), "max-brightness", Integer(90)).unwrap();
    world.set(Members::One(id(1)), "power-on", Text("on".into())).unwrap();
    world.told(1);
    let narrower = crate::world::LAMP
        .replace("revision = 1", "revision = 2")
        .replace("max = 100", "max = 85")
        .replace("default = false\nopens = \"button\"", "default = true");
    assert!(matches!(world.define(&narrower), Answer::Defined { .. }));
    let told = world.told(1);
    let values = told[0].settings.values();
    assert_eq!(values[&slug("max-brightness")], Integer(80), "90 is not taken any more");
    assert_eq!(values[&slug("power-on")], Text("on".into()));
    assert_eq!(values[&slug("button-enabled")], Boolean(true), "the new default");
    assert_eq!(world.state(1), TrustState::Active);
}

#[test]
fn a_definition_that_begins_to_declare_settings_has_its_members_told() {
    let mut world = World::new();
    let lamp = crate::world::LAMP;
    let cut = |from: &str, to: &str, text: String| {
        let (start, end) = (text.find(from).unwrap(), text.find(to).unwrap());
        format!("{}{}", &text[..start], &text[end..])
    };
    let bare = lamp
        .replace("kind = \"lamp\"", "kind = \"bulb\"")
        .replace("needs = [\"wifi\"]", "needs = [\"button\", \"wifi\"]");
    world.define(&cut("[[setting]]", "[[stream]]", bare));
    let certificate = world.enrol(1);
    world.connect(1, &certificate);
    let mut bulb = facts(1, 1);
    bulb.kind = slug("bulb");
    world.announce(1, &bulb);
    assert_eq!(
        (world.state(1), world.told(1).len()),
        (TrustState::Active, 0),
        "nothing to be told"
    );
    let more =
        lamp.replace("kind = \"lamp\"", "kind = \"bulb\"").replace("revision = 1", "revision = 2");
    assert!(matches!(world.define(&more), Answer::Defined { .. }));
    let told = world.told(1);
    assert_eq!((told.len(), told[0].settings.values()), (1, &baseline()));
    assert_eq!(world.state(1), TrustState::Active);
    world.report(1, &obeyed(&told[0])).unwrap();
    assert_eq!(world.proof(1), Proof::InForce);
}

/// Criterion: T3.PC.3 (negative)
#[test]
fn releasing_a_quarantine_does_not_replace_the_proof_of_the_secure_default() {
    let mut world = World::new();
    world.newcomer(1);
    let told = world.told(1);
    world.command(Command::Quarantine(id(1), note("odd"))).unwrap();
    world.command(Command::Approve(hub_core::Selector::One(id(1)))).unwrap();
    assert_eq!(world.hold(1), Some(hub_core::access::trust::Hold::Baseline));
    world.report(1, &obeyed(&told[0])).unwrap();
    assert_eq!(world.state(1), TrustState::Active);
}
