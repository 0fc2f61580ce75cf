//! People: roles, logins, and what each role may do.

use crate::{
    relay::{DOCUMENTS, product},
    world::{DAY, OWNER, World, id, label, note},
};
use hub_core::{AccountChange, Actor, Answer, Command, EventKind, Input, Members, Selector, Wish};
use protocol::{
    definition::{Definition, Risk, Role, SettingValue},
    id::{Digest, Slug},
    refusal::Refusal,
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn person(role: Role, fresh: bool) -> Actor {
    Actor::Person { name: slug("ada"), role, fresh }
}

/// Asks as somebody; whoever has no account yet gets one.
fn ask(world: &mut World, by: &Actor, command: Command) -> Option<Refusal> {
    if let Actor::Person { name, role, .. } = by
        && !world.hub.accounts().iter().any(|(known, _)| known == name)
    {
        let add = AccountChange::Add { role: *role, hash: "x".into() };
        world.command(Command::Account(name.clone(), add)).unwrap();
    }
    ask_as_is(world, by, command)
}

fn ask_as_is(world: &mut World, by: &Actor, command: Command) -> Option<Refusal> {
    match world.handle(Input::Command { by: by.clone(), command }).answer {
        Answer::Refused { why, .. } => Some(why),
        _ => None,
    }
}

/// Criterion: T1.PC.2 (positive)
/// Criterion: T3.PC.2 (positive)
#[test]
fn every_role_may_do_exactly_what_the_table_says() {
    use Role::{Cloud, Guest, Installer, Owner};
    let install: &[Role] = &[Owner, Installer];
    let own: &[Role] = &[Owner];
    let all: &[Role] = &[Owner, Installer, Guest, Cloud];
    let table: Vec<(&str, Command, &[Role])> = vec![
        ("approve", Command::Approve(Selector::AllPending), install),
        ("quarantine", Command::Quarantine(id(9), note("x")), install),
        ("rename", Command::Rename(id(9), label("x")), install),
        ("group", Command::Regroup { id: id(9), group: slug("x"), joins: true }, install),
        (
            "open pairing",
            Command::OpenPairing { codes: vec![], duration: DAY, approve: true },
            install,
        ),
        ("close pairing", Command::ClosePairing, install),
        ("restore", Command::Restore(Members::One(id(9))), install),
        ("restore all", Command::Restore(Members::All), install),
        ("revoke", Command::Revoke(id(9), note("x")), own),
        ("retire", Command::Retire(id(9), note("x")), own),
        ("define", Command::Define(vec![]), own),
        ("trial", Command::Trial(id(9), true), own),
        ("reset", Command::Reset, own),
        (
            "add account",
            Command::Account(slug("eve"), AccountChange::Add { role: Owner, hash: "x".into() }),
            own,
        ),
        (
            "another's password",
            Command::Account(slug("bob"), AccountChange::Password("x".into())),
            own,
        ),
        ("remove account", Command::Account(slug("bob"), AccountChange::Remove), own),
        ("own password", Command::Account(slug("ada"), AccountChange::Password("x".into())), all),
        ("log out", Command::Logout(Digest([0; 32])), all),
    ];
    let mut cells = 0;
    for (what, command, roles) in &table {
        for role in Role::ALL {
            let mut world = World::new();
            let refused = ask(&mut world, &person(role, true), command.clone());
            let denied = refused == Some(Refusal::NotPermitted);
            assert_eq!(!denied, roles.contains(&role), "{what} by the {role}: {refused:?}");
            if denied {
                let records = world.events.iter().filter(|e| e.kind == EventKind::CommandRefused);
                assert_eq!(records.count(), 1, "one record");
            }
            cells += 1;
        }
    }
    println!("{cells} cells of role and operation");
}

/// Criterion: T3.PC.2 (positive)
/// Criterion: T3.PC.2 (negative)
#[test]
fn every_role_may_set_and_command_exactly_what_definitions_say() {
    let (mut allowed, mut wanted, mut cells) = (BTreeSet::new(), BTreeSet::new(), 0);
    for role in Role::ALL {
        let (mut world, _) = product(1);
        for (n, document) in (1..).zip(DOCUMENTS) {
            let definition = Definition::parse(document).unwrap();
            for setting in &definition.settings {
                let before = world.hub.configured(id(n)).unwrap().desired.clone();
                let wishes = [(setting.name.clone(), Wish::Value(setting.default.clone()))].into();
                let command = Command::Configure(Members::One(id(n)), wishes);
                let refused = ask(&mut world, &person(role, true), command);
                cells += 1;
                if refused.is_none() {
                    allowed.insert((role, definition.kind.clone(), setting.name.clone()));
                } else {
                    assert_eq!(refused, Some(Refusal::NotPermitted));
                    let after = &world.hub.configured(id(n)).unwrap().desired;
                    assert_eq!(*after, before, "the target is unchanged");
                }
                if setting.roles.contains(&role) {
                    wanted.insert((role, definition.kind.clone(), setting.name.clone()));
                }
            }
            for command in &definition.commands {
                let arguments = match command.name.as_str() {
                    "switch" => json!({ "on": true }),
                    "unlock" => json!({ "reason": "x" }),
                    "boost" => json!({ "minutes": 5 }),
                    _ => json!({}),
                };
                let give = Command::Give { id: id(n), name: command.name.clone(), arguments };
                let refused = ask(&mut world, &person(role, true), give);
                cells += 1;
                let may = refused != Some(Refusal::NotPermitted);
                assert!(
                    refused.is_none() || !may || refused == Some(Refusal::WrongContent),
                    "{refused:?}"
                );
                assert_eq!(may, command.roles.contains(&role), "{} by the {role}", command.name);
            }
        }
    }
    assert_eq!(allowed, wanted);
    println!("{cells} cells of role and setting or command, {} may be set", allowed.len());
    assert!(cells > 60 && !allowed.is_empty());
}

/// Criterion: T1.LA.4 (positive)
#[test]
fn what_has_a_high_risk_wants_a_fresh_login() {
    let (mut world, _) = product(1);
    let set = |name: &str, value| {
        let wishes = [(slug(name), Wish::Value(value))].into();
        Command::Configure(Members::One(id(2)), wishes)
    };
    let auto_lock = || set("auto-lock", SettingValue::Integer(60));
    let definition = Definition::parse(DOCUMENTS[1]).unwrap();
    assert_eq!(definition.setting(&slug("auto-lock")).unwrap().risk, Risk::High);
    let stale = person(Role::Owner, false);
    assert_eq!(ask(&mut world, &stale, auto_lock()), Some(Refusal::LoginTooOld));
    assert_eq!(ask(&mut world, &person(Role::Owner, true), auto_lock()), None);
    assert_eq!(ask(&mut world, &OWNER, auto_lock()), None, "the system vouches for its user");
    let unlock =
        || Command::Give { id: id(2), name: slug("unlock"), arguments: json!({ "reason": "x" }) };
    assert_eq!(ask(&mut world, &stale, unlock()), Some(Refusal::LoginTooOld));
    let lock = Command::Give { id: id(2), name: slug("lock"), arguments: json!({}) };
    assert_eq!(ask(&mut world, &stale, lock), None, "everyday use");
}

/// A screen left open must not become an account, a password or a definition of whoever passes by.
/// Criterion: T1.LA.4 (negative)
#[test]
fn an_old_login_neither_changes_its_own_password_nor_gives_power() {
    let mut world = World::new();
    let stale = person(Role::Owner, false);
    let commands = [
        Command::Account(slug("ada"), AccountChange::Password("y".into())),
        Command::Account(slug("eve"), AccountChange::Add { role: Role::Owner, hash: "y".into() }),
        Command::Account(slug("ada"), AccountChange::Remove),
        Command::Define(vec![]),
        Command::Revoke(id(9), note("x")),
        Command::Reset,
    ];
    for command in commands {
        let what = format!("{command:?}");
        assert_eq!(ask(&mut world, &stale, command), Some(Refusal::LoginTooOld), "{what}");
    }
    let accounts: Vec<_> = world.hub.accounts();
    assert_eq!(accounts, [(slug("ada"), Role::Owner)], "nothing changed");
    let own = Command::Account(slug("ada"), AccountChange::Password("y".into()));
    assert_eq!(ask(&mut world, &person(Role::Owner, true), own), None, "a fresh one may");
}

/// Criterion: T1.LA.4 (negative)
#[test]
fn a_person_whose_account_went_while_the_request_came_in_does_nothing() {
    let mut world = World::new();
    let add = AccountChange::Add { role: Role::Guest, hash: "x".into() };
    world.command(Command::Account(slug("ada"), add)).unwrap();
    let more = || {
        let add = AccountChange::Add { role: Role::Owner, hash: "x".into() };
        Command::Account(slug("eve"), add)
    };
    let was_owner = person(Role::Owner, true);
    assert_eq!(
        ask_as_is(&mut world, &was_owner, more()),
        Some(Refusal::NotPermitted),
        "a guest now"
    );
    world.command(Command::Account(slug("ada"), AccountChange::Remove)).unwrap();
    assert_eq!(ask_as_is(&mut world, &was_owner, more()), Some(Refusal::NotPermitted), "gone");
    assert!(world.hub.accounts().is_empty());
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn nobody_uses_up_what_another_role_or_another_component_may_be_told() {
    let (mut world, _) = product(2);
    let switch = |n| {
        let arguments = json!({ "on": true });
        Command::Give { id: id(n), name: slug("switch"), arguments }
    };
    let guest = person(Role::Guest, true);
    let spent = |world: &mut World, by: &Actor, n| {
        (0..200).find_map(|_| ask(world, by, switch(n))) == Some(Refusal::SlowDown)
    };
    assert!(spent(&mut world, &guest, 1), "there is a rate");
    assert_eq!(ask(&mut world, &OWNER, switch(1)), None, "the owner is not kept out by a guest");
    assert_eq!(ask(&mut world, &guest, switch(7)), None, "nor is another lamp");
    assert!(spent(&mut world, &OWNER, 1), "the owner has a rate too");
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn every_act_within_a_second_has_a_record_in_its_own_words() {
    let mut world = World::new();
    for name in ["eve", "mallory", "trudy"] {
        let add = AccountChange::Add { role: Role::Guest, hash: "x".into() };
        world.command(Command::Account(slug(name), add)).unwrap();
    }
    for name in ["eve", "mallory", "trudy"] {
        let made = |event: &&hub_core::StateEvent| event.text.contains(&format!("account {name} "));
        assert_eq!(world.events.iter().filter(made).count(), 1, "{name}");
    }
}

fn login(world: &mut World, name: &str, right: bool, token: u8) -> Answer {
    let (name, token, from) = (slug(name), Digest([token; 32]), "here".into());
    world.handle(Input::Login { name, right, token, from }).answer
}

/// Criterion: T1.LA.4 (negative)
/// Criterion: T3.LA.1c (negative)
#[test]
fn guessing_is_slowed_down_and_the_owner_is_told() {
    let mut world = World::new();
    let add = AccountChange::Add { role: Role::Guest, hash: "$hash".into() };
    world.command(Command::Account(slug("ada"), add)).unwrap();
    let mut total = Duration::ZERO;
    for count in 1..=20 {
        let Answer::Refused { why, retry_after, .. } = login(&mut world, "ada", false, 1) else {
            panic!()
        };
        assert_eq!(why, Refusal::BadCredentials);
        let wait = retry_after.unwrap();
        assert_eq!(world.hub.may_try(&slug("ada"), world.now.mono), Err(wait));
        let early = login(&mut world, "ada", true, 1);
        assert!(
            matches!(early, Answer::Refused { why: Refusal::SlowDown, .. }),
            "even the right one"
        );
        assert_eq!(world.saw(EventKind::AuthGuessing, Some(Refusal::BadCredentials)), count >= 10);
        total += wait;
        world.pass(wait);
    }
    assert!(total > Duration::from_secs(2 * 3600), "{total:?}");
    assert!(matches!(login(&mut world, "ada", true, 1), Answer::LoggedIn(_)));
}

/// Criterion: T1.LA.4 (negative)
#[test]
fn neither_answers_nor_waits_tell_which_names_there_are() {
    let mut world = World::new();
    let add = AccountChange::Add { role: Role::Guest, hash: "$hash".into() };
    world.command(Command::Account(slug("ada"), add)).unwrap();
    let mut told = Vec::new();
    for name in ["ada", "eve", "mallory"] {
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(format!("{:?}", login(&mut world, name, name != "ada", 2)));
            let early = world.hub.may_try(&slug(name), world.now.mono).unwrap_err();
            seen.push(format!("{early:?}"));
            world.pass(early);
        }
        told.push(seen);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2], "wrong tries at one name cost another nothing");
    world.handle(Input::WrongSetupCode { from: "here".into() });
    assert_eq!(world.hub.may_set_up(world.now.mono), Err(Duration::from_secs(1)), "only its own");
    assert!(world.saw(EventKind::AuthFailure, Some(Refusal::WrongCode)));
}

/// Criterion: T1.LA.5a (positive)
/// Criterion: T1.LA.5a (negative)
#[test]
fn a_changed_password_or_a_removed_account_ends_its_logins_at_once() {
    let mut world = World::new();
    let add = |role| AccountChange::Add { role, hash: "$one".into() };
    for (name, role) in [("ada", Role::Owner), ("bob", Role::Guest)] {
        world.command(Command::Account(slug(name), add(role))).unwrap();
    }
    assert_eq!(
        world.command(Command::Account(slug("ada"), add(Role::Owner))),
        Err(Refusal::IdInUse)
    );
    for (name, token) in [("ada", 1), ("bob", 2)] {
        assert!(matches!(login(&mut world, name, true, token), Answer::LoggedIn(_)));
    }
    let holder = |world: &mut World, token| world.hub.holder(&Digest([token; 32]), world.now.mono);
    assert_eq!(
        holder(&mut world, 2),
        Some(Actor::Person { name: slug("bob"), role: Role::Guest, fresh: true })
    );
    let change = AccountChange::Password("$two".into());
    world.command(Command::Account(slug("bob"), change)).unwrap();
    assert_eq!(holder(&mut world, 2), None);
    assert_eq!(world.hub.may_try(&slug("bob"), world.now.mono), Ok(Some("$two".into())));
    world.command(Command::Account(slug("ada"), AccountChange::Remove)).unwrap();
    assert_eq!(holder(&mut world, 1), None);
    assert_eq!(world.hub.may_try(&slug("ada"), world.now.mono), Ok(None));
    world.restart();
    assert_eq!(world.hub.accounts(), [(slug("bob"), Role::Guest)]);
    assert_eq!(world.hub.may_try(&slug("bob"), world.now.mono), Ok(Some("$two".into())));
    let missing = Command::Account(slug("eve"), AccountChange::Remove);
    assert_eq!(world.command(missing), Err(Refusal::Unknown));
}

#[test]
fn there_is_room_for_so_many_accounts_and_no_more() {
    let mut world = World::new();
    let add = || AccountChange::Add { role: Role::Guest, hash: "$".into() };
    for n in 0..64 {
        assert_eq!(world.command(Command::Account(slug(&format!("guest-{n}")), add())), Ok(1));
    }
    assert_eq!(world.command(Command::Account(slug("one-more"), add())), Err(Refusal::Full));
    world.restart();
    assert_eq!(world.hub.accounts().len(), 64);
}
