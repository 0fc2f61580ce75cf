//! Crypto-erase: one subject, its personal data alone, or everything.

use crate::world::{MARKER, World, copy, entry, fill, subject};
use state_log::{
    Act, Content, Erasure, Error, FileVault, Log, Part, Query, Refusal, Settings, Vault, Verdict,
};
use std::fs;

/// Criterion: T1.DP.3 (positive)
#[test]
fn an_erased_subject_cannot_be_read_and_the_log_still_verifies() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 1_000, 50);
    let old = world.folder.path().join("old");
    copy(&world.dir(), &old);
    let receipt = log.erase(Erasure::Subject(subject(3)), 42).unwrap();
    assert_eq!((receipt.keys, receipt.at), (1, 42));
    assert_eq!(receipt.checkpoint.size, receipt.act + 1);
    assert!(matches!(log.get(receipt.act).unwrap().content, Content::Act(Act::Erased(_))));
    for index in 0..1_000 {
        let erased = log.get(index).unwrap().content == Content::Erased;
        assert_eq!(erased, entry(index).subject == Some(subject(3)), "{index}");
        if index % 50 == 3 {
            log.prove(index).unwrap().check().unwrap();
        }
    }
    let query = Query { subject: Some(subject(3)), ..Query::default() };
    assert_eq!(log.query(&query).unwrap().records, []);
    log.close().unwrap();
    assert_eq!(world.verify().verdict(), Verdict::Intact, "{:?}", world.verify().findings);
    assert!(
        matches!(world.open_in(&old).err(), Some(Error::Keys(_))),
        "an old key file is useless"
    );
    fs::copy(old.join("keys"), world.dir().join("keys")).unwrap();
    assert!(matches!(world.try_open().err(), Some(Error::Keys(_))), "put back as well");
}

#[test]
fn personal_data_goes_alone() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 100, 50);
    log.erase(Erasure::Personal(subject(101)), 42).unwrap();
    for index in 0..100 {
        let (record, wanted) = (log.get(index).unwrap(), entry(index));
        assert!(matches!(record.content, Content::Readable { .. }));
        let expected = match wanted.personal {
            None => Part::None,
            Some(personal) if personal.subject == subject(101) => Part::Erased,
            Some(personal) => Part::Readable(personal),
        };
        assert_eq!(record.personal, expected);
    }
    let again = log.erase(Erasure::Personal(subject(101)), 42);
    assert!(matches!(again, Err(Error::Refused(Refusal::UnknownSubject))));
}

/// Criterion: T1.DP.3 (positive)
#[test]
fn after_everything_was_erased_no_key_is_left_and_the_log_goes_on() {
    let world = World::new();
    let wrapping = world.folder.path().join("wrapping");
    let open = |settings: Settings| {
        let signer = Box::new(crate::world::Key::new(1));
        Log::open(&world.dir(), settings, signer, Box::new(FileVault::new(wrapping.clone())), None)
    };
    let (mut log, _) = open(world.settings.clone()).unwrap();
    fill(&mut log, 300, 50);
    let (old_keys, old_wrapping) =
        (fs::read(world.dir().join("keys")).unwrap(), fs::read(&wrapping).unwrap());
    let receipt = log.erase(Erasure::All, 42).unwrap();
    assert_eq!(receipt.keys, 9, "of seven components, one person and the hub");
    for index in 0..300 {
        let erased = log.get(index).unwrap().content == Content::Erased;
        assert_eq!(erased, !entry(index).open);
    }
    fill(&mut log, 100, 50);
    assert!(matches!(log.get(350).unwrap().content, Content::Readable { .. }));
    log.close().unwrap();
    assert_eq!(world.verify().verdict(), Verdict::Intact);
    for file in crate::world::files(world.folder.path()) {
        let bytes = fs::read(&file).unwrap();
        let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(
            !has(MARKER) && !has(&old_wrapping[8..40]) && !has(&old_keys[20..60]),
            "{}",
            file.display()
        );
    }
    fs::write(world.dir().join("keys"), old_keys).unwrap();
    assert!(matches!(open(world.settings.clone()).err(), Some(Error::Keys(_))));
}

#[test]
fn a_file_vault_keeps_exactly_what_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapping");
    let mut vault = FileVault::new(path.clone());
    assert!(vault.load().unwrap().is_empty());
    let keys = [[1; 32].into(), [2; 32].into()];
    vault.store(&keys).unwrap();
    assert_eq!(vault.load().unwrap(), keys);
    vault.store(&keys[1..]).unwrap();
    assert_eq!(FileVault::new(path.clone()).load().unwrap(), keys[1..]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(vault.load().unwrap().is_empty(), "a damaged one is not believed");
    assert!(!path.exists() && path.with_extension("damaged").exists(), "and is kept");
}
