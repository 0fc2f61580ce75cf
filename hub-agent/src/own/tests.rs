//! Slots and launcher: whatever happens, one whole and allowed version starts.

use super::{
    disk::Disk,
    launcher::{Choice, choose},
    slots::{Header, RolledBack, Slot, SlotState, Slots},
};
use hub_core::update::AwsLc;
use protocol::{id::Label, message::UpdateFault, update::Crypto};
use std::{fs, io, path::Path};

/// In memory where there is such a place: thousands of syncs take a minute on a disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

/// Bytes that stand for an executable of this counter.
fn bytes(counter: u32) -> Vec<u8> {
    format!("#!/bin/sh\nexit {counter}\n").into_bytes()
}

fn header(counter: u32, floor: u32) -> Header {
    let bytes = bytes(counter);
    Header {
        counter,
        floor,
        size: bytes.len() as u32,
        sha256: AwsLc.sha256(&bytes),
        name: Label::new(&format!("{counter}.0")).unwrap(),
        health: 10,
        state: SlotState::Verified,
    }
}

/// What a run of the update came to before the power went.
#[derive(Default)]
struct Seen {
    /// The new version was started.
    tried: bool,
}

fn has_power(slots: &Slots) -> io::Result<()> {
    if slots.disk().left() < 0 { Err(io::Error::other("cut")) } else { Ok(()) }
}

/// A whole update from what runs to this version, which proves itself or not.
fn update(slots: &Slots, new: &Header, proves: bool, seen: &mut Seen) -> io::Result<()> {
    let former = choose(slots, &[]).slot;
    has_power(slots)?;
    let slot = former.map_or(Slot::A, Slot::other);
    slots.store(slot, new, &mut &bytes(new.counter)[..])?;
    slots.switch(slot, new.sha256, former)?;
    let choice = choose(slots, &[]);
    has_power(slots)?;
    assert_eq!(choice, Choice { slot: Some(slot), trial: true, trouble: Vec::new() });
    seen.tried = true;
    if proves {
        slots.confirm(slot)?;
    }
    let choice = choose(slots, &[]);
    has_power(slots)?;
    let expected = if proves { Some(slot) } else { former };
    assert_eq!((choice.slot, choice.trial), (expected, false), "{:?}", choice.trouble);
    slots.forget_rolled_back()
}

/// Slots as they are before an update: of no, one or two versions.
fn prepared(folder: &Path, versions: u32) {
    let slots = Slots::at(folder);
    for counter in 1..=versions {
        update(&slots, &header(counter, counter - 1), true, &mut Seen::default()).unwrap();
    }
}

/// What starts is whole, not below the floor, and proved itself unless it is tried.
fn is_allowed(slots: &Slots, choice: &Choice) {
    let Some(slot) = choice.slot else { return };
    let header = slots.whole(slot).unwrap();
    assert!(header.counter >= slots.floor(), "below the floor: {header:?}");
    assert!(choice.trial || header.state == SlotState::Confirmed, "{header:?}");
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_power_cut_at_any_step_leaves_one_valid_version_that_starts() {
    let mut cuts = 0;
    for versions in 0..=2 {
        for proves in [true, false] {
            let new = header(versions + 1, versions);
            let mut steps = 0;
            loop {
                let folder = folder();
                prepared(folder.path(), versions);
                let (slots, mut seen) =
                    (Slots::on(folder.path(), Disk::cut_after(steps)), Seen::default());
                let done = update(&slots, &new, proves, &mut seen).is_ok();
                after_the_cut(folder.path(), &new, versions, &seen);
                if done {
                    break;
                }
                (steps, cuts) = (steps + 1, cuts + 1);
            }
        }
    }
    assert!(cuts > 200, "{cuts}");
}

fn after_the_cut(folder: &Path, new: &Header, former: u32, seen: &Seen) {
    let slots = Slots::at(folder);
    let choice = choose(&slots, &[]);
    is_allowed(&slots, &choice);
    assert!(!(choice.trial && seen.tried), "one try is one try");
    let counter = |slot: Option<Slot>| slot.map_or(0, |slot| slots.header(slot).unwrap().counter);
    assert!([former, new.counter].contains(&counter(choice.slot)), "{choice:?}");
    // What is tried now crashes, and the next start is what ran before.
    let choice = if choice.trial { choose(&slots, &[]) } else { choice };
    assert!(!choice.trial);
    is_allowed(&slots, &choice);
    // And an update still gets through.
    let later = header(new.counter + 1, new.floor);
    update(&slots, &later, true, &mut Seen::default()).unwrap();
    assert_eq!(counter(choose(&slots, &[]).slot), later.counter);
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_trial_that_was_used_goes_back_and_says_so() {
    let folder = folder();
    prepared(folder.path(), 1);
    let (slots, new) = (Slots::at(folder.path()), header(2, 2));
    slots.store(Slot::B, &new, &mut &bytes(2)[..]).unwrap();
    slots.switch(Slot::B, new.sha256, Some(Slot::A)).unwrap();
    assert!(choose(&slots, &[]).trial);
    assert_eq!(choose(&slots, &[]).slot, Some(Slot::A));
    let words = slots.words().unwrap();
    let rolled_back = words.rolled_back.unwrap();
    assert_eq!(rolled_back, RolledBack { sha256: new.sha256, started: true });
    assert_eq!(
        (rolled_back.fault(), words.floor),
        (UpdateFault::Health, 0),
        "the floor is as it was"
    );
    // One that the system cannot start is told apart.
    slots.switch(Slot::B, new.sha256, Some(Slot::A)).unwrap();
    assert!(choose(&slots, &[]).trial);
    assert_eq!(choose(&slots, &[Slot::B]).slot, Some(Slot::A));
    assert_eq!(slots.words().unwrap().rolled_back.unwrap().fault(), UpdateFault::NoBoot);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn what_was_changed_in_a_slot_does_not_start() {
    let folder = folder();
    prepared(folder.path(), 2);
    let slots = Slots::at(folder.path());
    assert_eq!(choose(&slots, &[]).slot, Some(Slot::B));
    let executable = slots.executable(Slot::B);
    let mut changed = bytes(2);
    changed[3] ^= 1;
    fs::write(&executable, &changed).unwrap();
    let choice = choose(&slots, &[]);
    assert_eq!(choice.slot, Some(Slot::A), "the other one starts");
    assert!(choice.trouble[0].contains("slot b"), "{choice:?}");
    // One in trial neither, and its former starts.
    let new = header(3, 0);
    slots.store(Slot::B, &new, &mut &bytes(3)[..]).unwrap();
    slots.switch(Slot::B, new.sha256, Some(Slot::A)).unwrap();
    fs::write(&executable, &changed).unwrap();
    assert_eq!((choose(&slots, &[]).slot, choose(&slots, &[]).trial), (Some(Slot::A), false));
    // With both damaged the packaged executable starts, and says why.
    fs::write(slots.executable(Slot::A), b"#!/bin/sh\n").unwrap();
    let choice = choose(&slots, &[]);
    assert_eq!(choice.slot, None);
    assert!(choice.trouble.iter().any(|one| one.contains("packaged")), "{choice:?}");
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn nothing_below_the_floor_starts_also_when_the_words_are_lost() {
    for loss in ["none", "gone", "flipped"] {
        let folder = folder();
        prepared(folder.path(), 1);
        let slots = Slots::at(folder.path());
        update(&slots, &header(5, 5), true, &mut Seen::default()).unwrap();
        assert_eq!(slots.floor(), 5);
        let words = folder.path().join("words.json");
        match loss {
            "gone" => fs::remove_file(&words).unwrap(),
            "flipped" => {
                let text = fs::read_to_string(&words).unwrap();
                fs::write(&words, text.replace("\"floor\":5", "\"floor\":1")).unwrap();
            }
            _ => {}
        }
        let choice = choose(&slots, &[]);
        assert_eq!(choice.slot, Some(Slot::B), "{loss}");
        assert_eq!(choice.trouble.is_empty(), loss == "none", "{loss}: {choice:?}");
        // The one that is below stays out, though it is whole and proved itself once.
        slots.point(Some(Slot::A)).unwrap();
        assert_eq!(choose(&slots, &[]).slot, Some(Slot::B), "{loss}");
        assert!(slots.switch(Slot::A, header(1, 0).sha256, Some(Slot::B)).is_err(), "{loss}");
    }
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn bytes_that_are_not_the_release_s_are_not_kept_and_not_switched_to() {
    let folder = folder();
    prepared(folder.path(), 1);
    let (slots, new) = (Slots::at(folder.path()), header(2, 0));
    let mut flipped = bytes(2);
    flipped[4] ^= 0x80;
    let long = [bytes(2), vec![0]].concat();
    for wrong in [&flipped[..], &bytes(2)[..5], &long, b""] {
        let refused = slots.store(Slot::B, &new, &mut &wrong[..]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert_eq!(slots.header(Slot::B), None);
        assert!(!slots.executable(Slot::B).exists());
        assert!(slots.switch(Slot::B, new.sha256, Some(Slot::A)).is_err());
    }
    slots.store(Slot::B, &new, &mut &bytes(2)[..]).unwrap();
    assert!(slots.switch(Slot::B, header(3, 0).sha256, Some(Slot::A)).is_err(), "another image");
    assert_eq!(choose(&slots, &[]).slot, Some(Slot::A));
    // What never proved itself starts in no other way than in its trial.
    slots.point(Some(Slot::B)).unwrap();
    assert_eq!(choose(&slots, &[]).slot, Some(Slot::A));
}

#[test]
fn a_disk_that_takes_no_writes_starts_no_trial() {
    let folder = folder();
    prepared(folder.path(), 1);
    let (slots, new) = (Slots::at(folder.path()), header(2, 0));
    slots.store(Slot::B, &new, &mut &bytes(2)[..]).unwrap();
    slots.switch(Slot::B, new.sha256, Some(Slot::A)).unwrap();
    let full = Slots::on(folder.path(), Disk::cut_after(0));
    let choice = choose(&full, &[]);
    assert_eq!((choice.slot, choice.trial), (Some(Slot::A), false), "{choice:?}");
    assert!(choose(&slots, &[]).trial, "its try is still there");
}
