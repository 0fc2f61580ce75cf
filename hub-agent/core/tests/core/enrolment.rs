//! Who gets a certificate, who may renew it, who may not.

use crate::world::{DAY, World, id, key, label, note};
use hub_core::{
    Answer, Command, EventKind, Input, Occasion, Proof, Selector, StoreState,
    access::{pairing::code_text, trust::Hold},
};
use protocol::{message::TrustState, refusal::Refusal};
use std::{collections::BTreeSet, time::Duration};

const CODE: [u8; 10] = [7; 10];

fn open(world: &mut World, approve: bool) {
    let command =
        Command::OpenPairing { codes: vec![CODE], duration: Duration::from_secs(600), approve };
    world.command(command).unwrap();
}

fn refusal(answer: Answer) -> Option<Refusal> {
    match answer {
        Answer::Refused { why, .. } => Some(why),
        _ => None,
    }
}

/// Criterion: T3.LA.1c (positive)
#[test]
fn a_maker_s_certificate_and_the_owner_s_approval_make_a_member() {
    let mut world = World::new();
    let certificate = world.enrol(1);
    assert_eq!(world.state(1), TrustState::Quarantined);
    assert_eq!(world.hub.admit(id(1), &certificate, world.now.wall), Ok(()));
    world.connect(1, &certificate);
    let effects = world.announce(1, &crate::world::facts(1, 1));
    assert_eq!(world.hold(1), Some(Hold::Baseline));
    assert_eq!(
        effects.sends.len(),
        3,
        "the component is told what it shall be and where it stands, and asked what it runs"
    );
    world.obey(1);
    assert_eq!(world.state(1), TrustState::Active);
    assert!(world.saw(EventKind::ComponentEnrolled, None));
}

/// Criterion: T3.LA.1c (positive)
#[test]
fn a_pairing_code_enrols_once_also_when_its_answer_was_lost() {
    let mut world = World::new();
    open(&mut world, true);
    let request = world.request(1, Proof::Code(code_text(&CODE)));
    assert!(matches!(world.handle(Input::Enrol(request.clone())).answer, Answer::Issue(_)));
    let certificate = world.certificate(1);
    world.handle(Input::Issued { id: id(1), certificate, occasion: Occasion::Join });
    assert!(
        matches!(world.handle(Input::Enrol(request.clone())).answer, Answer::Issue(_)),
        "asked again"
    );
    let certificate = world.certificate(1);
    world.handle(Input::Issued {
        id: id(1),
        certificate: certificate.clone(),
        occasion: Occasion::Join,
    });
    world.connect(1, &certificate);
    world.announce(1, &crate::world::facts(1, 1));
    assert_eq!(refusal(world.handle(Input::Enrol(request)).answer), Some(Refusal::IdInUse));
    let other = world.request(2, Proof::Code(code_text(&CODE)));
    assert_eq!(refusal(world.handle(Input::Enrol(other)).answer), Some(Refusal::SpentCode));
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn refuses_wrong_codes_weak_keys_and_claimed_identities() {
    let mut world = World::new();
    open(&mut world, true);
    let wrong = world.request(1, Proof::Code("0000-0000-0000-0000".into()));
    assert_eq!(refusal(world.handle(Input::Enrol(wrong)).answer), Some(Refusal::WrongCode));
    world.pass(Duration::from_secs(1));
    let mut weak = world.request(1, world.idevid(1));
    weak.strong = false;
    assert_eq!(refusal(world.handle(Input::Enrol(weak)).answer), Some(Refusal::WeakKey));
    let mut claims = world.request(1, world.idevid(1));
    claims.claimed = Some(id(2));
    assert_eq!(refusal(world.handle(Input::Enrol(claims)).answer), Some(Refusal::IdentityMismatch));
    assert_eq!(world.hub.inventory().all().len(), 0);
    assert!(world.saw(EventKind::EnrolRefused, Some(Refusal::WeakKey)));
}

/// Criterion: T1.LA.4 (negative)
#[test]
fn the_owner_is_told_when_codes_are_guessed_and_the_delay_survives_a_restart() {
    let mut world = World::new();
    open(&mut world, true);
    for _ in 0..20 {
        let wrong = world.request(1, Proof::Code("0000-0000-0000-0000".into()));
        let Answer::Refused { retry_after, .. } = world.handle(Input::Enrol(wrong)).answer else {
            panic!()
        };
        world.pass(retry_after.unwrap());
    }
    let told = world.events.iter().filter(|event| event.kind == EventKind::EnrolGuessing).count();
    assert_eq!(told, 2);
    let wrong = world.request(1, Proof::Code("0000-0000-0000-0000".into()));
    world.handle(Input::Enrol(wrong));
    world.restart();
    open(&mut world, true);
    let right = world.request(3, Proof::Code(code_text(&CODE)));
    assert_eq!(refusal(world.handle(Input::Enrol(right)).answer), Some(Refusal::SlowDown));
}

/// Criterion: T1.LA.5a (positive)
#[test]
fn renewal_has_no_outage_and_ends_the_former_certificate_at_first_use() {
    let mut world = World::new();
    let old = world.member(1);
    world.pass(20 * DAY);
    assert!(
        matches!(world.reenrol(1, &old), Answer::Issue(order) if order.occasion == Occasion::Renewal)
    );
    let new = world.certificate(1);
    world.handle(Input::Issued {
        id: id(1),
        certificate: new.clone(),
        occasion: Occasion::Renewal,
    });
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Ok(()), "until the new one is used");
    assert_eq!(world.hub.admit(id(1), &new, world.now.wall), Ok(()));
    world.connect(1, &new);
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Err(Refusal::Superseded));
    assert_eq!(world.state(1), TrustState::Active);
}

/// Criterion: T1.LA.5a (positive)
#[test]
fn renewals_whose_answers_are_lost_never_lock_a_component_out() {
    let mut world = World::new();
    let old = world.member(1);
    for _ in 0..5 {
        assert!(matches!(world.reenrol(1, &old), Answer::Issue(_)));
        let lost = world.certificate(1);
        world.handle(Input::Issued { id: id(1), certificate: lost, occasion: Occasion::Renewal });
        assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Ok(()));
        world.pass(Duration::from_secs(600));
    }
    assert!(matches!(world.reenrol(1, &old), Answer::Issue(_)));
    let new = world.certificate(1);
    let issued = Input::Issued { id: id(1), certificate: new.clone(), occasion: Occasion::Renewal };
    world.handle(issued);
    world.connect(1, &new);
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Err(Refusal::Superseded));
    assert_eq!(world.hub.admit(id(1), &new, world.now.wall), Ok(()));
}

/// Criterion: T1.LA.5a (negative)
#[test]
fn without_disk_space_nobody_is_issued_a_certificate_that_comes_into_force_later() {
    let mut world = World::new();
    let old = world.member(1);
    assert!(matches!(world.reenrol(1, &old), Answer::Issue(_)));
    world.handle(Input::Store(StoreState::Unavailable));
    let certificate = world.certificate(1);
    let issued =
        Input::Issued { id: id(1), certificate: certificate.clone(), occasion: Occasion::Renewal };
    assert_eq!(refusal(world.handle(issued).answer), Some(Refusal::StoreUnavailable));
    assert_eq!(refusal(world.reenrol(1, &old)), Some(Refusal::StoreUnavailable));
    let request = world.request(2, world.idevid(2));
    assert_eq!(
        refusal(world.handle(Input::Enrol(request)).answer),
        Some(Refusal::StoreUnavailable)
    );
    world.handle(Input::Store(StoreState::Ok));
    assert_eq!(world.hub.admit(id(1), &certificate, world.now.wall), Err(Refusal::Superseded));
    world.pass(Duration::from_secs(7200));
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Ok(()));
    assert!(world.hub.inventory().get(id(2)).is_none());
}

/// Criterion: T1.LA.5a (negative)
#[test]
fn the_former_certificate_is_refused_once_its_overlap_is_over() {
    let mut world = World::new();
    let old = world.member(1);
    let new = world.certificate(1);
    world.handle(Input::Issued { id: id(1), certificate: new, occasion: Occasion::Renewal });
    world.pass(Duration::from_secs(3601));
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Err(Refusal::Superseded));
    assert_eq!(refusal(world.reenrol(1, &old)), Some(Refusal::Superseded));
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn an_expired_certificate_comes_back_only_into_quarantine_and_not_for_ever() {
    let mut world = World::new();
    let old = world.member(1);
    world.pass(31 * DAY);
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Err(Refusal::Expired));
    let Answer::Issue(order) = world.reenrol(1, &old) else { panic!("within the grace time") };
    assert_eq!(order.occasion, Occasion::Recovery);
    let new = world.certificate(1);
    world.handle(Input::Issued {
        id: id(1),
        certificate: new.clone(),
        occasion: Occasion::Recovery,
    });
    world.connect(1, &new);
    world.announce(1, &crate::world::facts(1, 2));
    assert_eq!(world.state(1), TrustState::Quarantined, "an announcement does not lift it");
    assert_eq!(world.command(Command::Approve(Selector::One(id(1)))), Ok(1));
    assert_eq!(world.hold(1), Some(Hold::Baseline), "what it said before counts no more");
    world.obey(1);
    assert_eq!(world.state(1), TrustState::Active);
    world.pass(30 * DAY + 91 * DAY);
    assert_eq!(refusal(world.reenrol(1, &new)), Some(Refusal::Expired));
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn being_held_for_something_else_is_no_way_around_the_approval_after_an_expiry() {
    let mut world = World::new();
    let certificate = world.enrol(1);
    world.connect(1, &certificate);
    world.announce(1, &crate::world::facts(1, 1));
    assert_eq!(world.hold(1), Some(Hold::Baseline));
    world.pass(31 * DAY);
    assert!(matches!(world.reenrol(1, &certificate), Answer::Issue(_)));
    let new = world.certificate(1);
    let issued =
        Input::Issued { id: id(1), certificate: new.clone(), occasion: Occasion::Recovery };
    world.handle(issued);
    world.connect(1, &new);
    world.announce(1, &crate::world::facts(1, 2));
    world.obey(1);
    assert_eq!(world.hold(1), Some(Hold::Recovered));
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn a_revoked_component_is_cut_and_stays_out_also_after_a_restart() {
    let mut world = World::new();
    let certificate = world.member(1);
    let revoke = Command::Revoke(id(1), note("stolen"));
    let effects = world.handle(Input::Command { by: crate::world::OWNER, command: revoke });
    assert_eq!(effects.cuts[0].who, id(1));
    assert!(!effects.writes.is_empty(), "durable before it is answered");
    for _ in 0..2 {
        assert_eq!(world.hub.admit(id(1), &certificate, world.now.wall), Err(Refusal::Revoked));
        assert_eq!(refusal(world.reenrol(1, &certificate)), Some(Refusal::Revoked));
        let again = world.request(1, world.idevid(1));
        assert_eq!(refusal(world.handle(Input::Enrol(again)).answer), Some(Refusal::Revoked));
        assert_eq!(world.hub.revoked_certificates(world.now.wall).len(), 1);
        assert_eq!(world.command(Command::Approve(Selector::One(id(1)))), Err(Refusal::WrongState));
        world.restart();
    }
    world.pass(31 * DAY);
    assert!(
        world.hub.revoked_certificates(world.now.wall).is_empty(),
        "expired ones leave the list"
    );
}

/// Criterion: T1.AI.1 (positive)
#[test]
fn ten_thousand_components_have_ten_thousand_ids() {
    let ids: BTreeSet<_> = (0..10_000).map(id).collect();
    assert_eq!(ids.len(), 10_000);
    let mut world = World::new();
    world.member(1);
    world.restart();
    assert!(world.hub.inventory().get(id(1)).is_some(), "stable over a restart");
}

#[test]
fn the_number_of_waiting_requests_is_bounded() {
    let mut world = World::new();
    for n in 0..1024 {
        let request = world.request(n, world.idevid(n));
        assert!(matches!(world.handle(Input::Enrol(request)).answer, Answer::Wait(_)));
    }
    let request = world.request(2000, world.idevid(2000));
    assert_eq!(refusal(world.handle(Input::Enrol(request)).answer), Some(Refusal::Full));
    assert_eq!(world.command(Command::Approve(Selector::AllPending)), Ok(1024));
    let request = world.request(2000, world.idevid(2000));
    assert!(matches!(world.handle(Input::Enrol(request)).answer, Answer::Wait(_)), "room again");
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn an_approval_is_good_for_one_certificate_in_use() {
    let mut world = World::new();
    let certificate = world.enrol(1);
    let again = world.request(1, world.idevid(1));
    let lost = world.handle(Input::Enrol(again.clone())).answer;
    assert!(matches!(lost, Answer::Issue(_)), "the answer may have been lost: {lost:?}");
    world.connect(1, &certificate);
    let reset = world.handle(Input::Enrol(again)).answer;
    assert!(matches!(reset, Answer::Wait(_)), "after its use the owner decides again: {reset:?}");
}

/// Criterion: T3.PC.1 (negative)
/// Criterion: T3.PC.4 (negative)
#[test]
fn a_component_reset_behind_the_hub_s_back_proves_its_configuration_again() {
    let mut world = World::new();
    world.member(1);
    let again = world.request(1, world.idevid(1));
    world.handle(Input::Enrol(again.clone()));
    assert_eq!(world.state(1), TrustState::Active, "asking changes nothing");
    world.command(Command::Approve(Selector::One(id(1)))).unwrap();
    assert!(
        matches!(world.handle(Input::Enrol(again)).answer, Answer::Issue(order) if order.occasion == Occasion::Join)
    );
    let certificate = world.certificate(1);
    let issued =
        Input::Issued { id: id(1), certificate: certificate.clone(), occasion: Occasion::Join };
    world.handle(issued);
    for _ in 0..2 {
        assert_eq!(world.state(1), TrustState::Quarantined, "its former report proves nothing");
        assert_eq!(world.hold(1), Some(Hold::NotAnnounced));
        world.restart();
    }
    world.connect(1, &certificate);
    world.announce(1, &crate::world::facts(1, 2));
    assert_eq!(world.hold(1), Some(Hold::Baseline), "told again what it shall be");
    world.obey(1);
    assert_eq!(world.state(1), TrustState::Active);
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn joining_again_lifts_no_hold_that_a_person_must_lift() {
    let mut world = World::new();
    world.member(1);
    world.command(Command::Quarantine(id(1), note("odd"))).unwrap();
    let again = world.request(1, world.idevid(1));
    world.handle(Input::Enrol(again.clone()));
    world.command(Command::Approve(Selector::One(id(1)))).unwrap();
    world.handle(Input::Enrol(again));
    let certificate = world.certificate(1);
    let issued =
        Input::Issued { id: id(1), certificate: certificate.clone(), occasion: Occasion::Join };
    world.handle(issued);
    world.connect(1, &certificate);
    world.announce(1, &crate::world::facts(1, 2));
    assert_eq!(world.hold(1), Some(Hold::Owner));
    world.command(Command::Approve(Selector::One(id(1)))).unwrap();
    assert_eq!(world.hold(1), Some(Hold::Baseline), "and what it is must be proved");
    world.obey(1);
    assert_eq!(world.state(1), TrustState::Active);
}

/// Criterion: T3.AI.3 (positive)
#[test]
fn a_component_that_left_comes_back_under_its_old_id_with_approval() {
    let mut world = World::new();
    let old = world.member(1);
    world.command(Command::Retire(id(1), note("given away"))).unwrap();
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Err(Refusal::Retired));
    let new = world.enrol(1);
    world.connect(1, &new);
    world.announce(1, &crate::world::facts(1, 2));
    assert_eq!(world.hold(1), Some(Hold::Baseline), "nothing of its former life counts");
    world.obey(1);
    assert_eq!(world.state(1), TrustState::Active);
    assert_eq!(world.hub.admit(id(1), &old, world.now.wall), Err(Refusal::Superseded));
}

#[test]
fn names_are_unique_and_commands_know_their_place() {
    let mut world = World::new();
    world.member(1);
    world.member(2);
    world.command(Command::Rename(id(1), label("desk lamp"))).unwrap();
    assert_eq!(world.command(Command::Rename(id(2), label("desk lamp"))), Err(Refusal::IdInUse));
    assert_eq!(world.hub.inventory().find("desk lamp"), Ok(id(1)));
    assert_eq!(world.hub.inventory().find(&id(2).to_string()[..8]), Ok(id(2)));
    assert!(world.hub.inventory().find("ab").is_err());
    assert_eq!(world.command(Command::Revoke(id(9), note("?"))), Err(Refusal::Unknown));
    assert_eq!(world.command(Command::Approve(Selector::One(id(1)))), Err(Refusal::WrongState));
    assert_eq!(world.command(Command::ClosePairing), Err(Refusal::WrongState));
    assert!(world.saw(EventKind::CommandRefused, Some(Refusal::WrongState)));
    assert_eq!(key(1), key(1));
}
