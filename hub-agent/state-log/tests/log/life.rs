//! Ordinary life: append, commit, close, open, query.

use crate::world::{MARKER, World, cosign, entry, files, fill, segments, subject};
use state_log::{Content, Error, From, Part, Query, Refusal, Verdict};
use std::fs;

/// Criterion: T1.CSA.3 (positive)
/// Criterion: T1.DP.2 (positive)
#[test]
fn what_was_committed_is_read_back_and_verifies() {
    let world = World::new();
    world.filled(2_000, 37);
    let (mut log, opening) = world.opened();
    assert_eq!(opening, Default::default());
    assert!(segments(&world.dir()).len() > 5, "several segments");
    for index in (0..2_000).step_by(41) {
        let (record, wanted) = (log.get(index).unwrap(), entry(index));
        let Content::Readable { subject, kind, severity, body } = record.content else {
            panic!("readable")
        };
        assert_eq!(
            (subject, kind, severity, body),
            (wanted.subject, wanted.kind, wanted.severity, wanted.body)
        );
        assert_eq!((record.at, record.class), (wanted.at, wanted.class));
        assert_eq!(record.personal, wanted.personal.map_or(Part::None, Part::Readable));
    }
    let report = world.verify();
    assert_eq!(report.verdict(), Verdict::Intact, "{:?}", report.findings);
    assert_eq!((report.records, report.closed), (2_000, true));
    assert_eq!(report.head.unwrap(), *log.checkpoint());
}

/// Criterion: T1.DP.1 (positive)
#[test]
fn a_copied_store_without_the_key_gives_nothing() {
    let world = World::new();
    world.filled(500, 50);
    let mut ids = 0;
    for file in files(&world.dir()) {
        let bytes = fs::read(&file).unwrap();
        let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(!has(MARKER), "a body in {}", file.display());
        for number in (0..7).chain(100..103) {
            assert!(!has(&subject(number)), "an id in {}", file.display());
            ids += 1;
        }
    }
    assert!(ids > 50);
    let stranger = World { vault: Default::default(), ..world };
    assert!(matches!(stranger.try_open().err(), Some(Error::Keys(_))));
}

#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.filled(500, 50);
    for file in files(&world.dir()) {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn one_writer_at_a_time() {
    let world = World::new();
    let log = world.open();
    // It may live on a thread of its own.
    let log = std::thread::spawn(move || log).join().unwrap();
    assert!(matches!(world.try_open().err(), Some(Error::Locked(_))));
    drop(log);
    world.open();
}

#[test]
fn nothing_too_large_is_taken_and_the_rest_goes_on() {
    let world = World::new();
    let mut log = world.open();
    let mut large = entry(0);
    large.body = vec![0; state_log::MAX_PART + 1];
    assert!(matches!(log.append(&[large.clone()]), Err(Error::Refused(Refusal::TooLong(_)))));
    large.body.pop();
    let many = vec![large; 128];
    assert!(matches!(log.append(&many), Err(Error::Refused(Refusal::CommitFirst))));
    assert_eq!(log.append(&many[..2]).unwrap(), 0..2);
    assert_eq!(log.commit().unwrap().size, 2);
}

#[test]
fn queries_filter_page_and_follow() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 1_500, 64);
    let indexes = |page: &state_log::Page| page.records.iter().map(|r| r.index).collect::<Vec<_>>();
    let of = |wanted: &dyn Fn(&state_log::Entry) -> bool| {
        (0..1_500).filter(|index| wanted(&entry(*index))).collect::<Vec<u64>>()
    };

    let mine = of(&|entry| entry.subject == Some(subject(3)));
    let query = Query { subject: Some(subject(3)), ..Query::default() };
    let page = log.query(&query).unwrap();
    assert_eq!(indexes(&page), mine.iter().rev().take(100).copied().collect::<Vec<_>>());
    let next = log.query(&Query { from: page.next.unwrap(), ..query }).unwrap();
    assert_eq!(indexes(&next), mine.iter().rev().skip(100).take(100).copied().collect::<Vec<_>>());

    let bad = of(&|e| {
        e.severity >= 4 && [2, 5].contains(&e.kind) && (1_100_000..1_400_000).contains(&e.at)
    });
    let query = Query {
        kinds: vec![2, 5],
        severity: 4,
        times: Some((1_100_000, 1_400_000)),
        from: From::On(0),
        limit: 1000,
        ..Query::default()
    };
    assert_eq!(indexes(&log.query(&query).unwrap()), bad);
    let few = Query { examine: 10, ..query.clone() };
    assert_eq!(
        log.query(&few).unwrap().next,
        Some(From::On(10)),
        "bounded work, and where to go on"
    );

    let tail = log.query(&Query { from: From::On(1_490), ..Query::default() }).unwrap();
    assert_eq!((indexes(&tail).len(), tail.next), (10, Some(From::On(1_500))));
    log.append(&[entry(1_500)]).unwrap();
    let follow = Query { from: tail.next.unwrap(), ..Query::default() };
    assert_eq!(log.query(&follow).unwrap().records, [], "nothing before it is durable");
    log.commit().unwrap();
    assert_eq!(indexes(&log.query(&follow).unwrap()), [1_500]);
    let nobody = Query { subject: Some(subject(77)), ..Query::default() };
    assert_eq!(log.query(&nobody).unwrap().records, []);
}

/// A torn batch gives its numbers to other records: a nonce must not come again with them.
#[test]
fn numbers_that_are_used_again_are_sealed_with_other_nonces() {
    let world = World::new();
    world.filled(10, 10);
    let path = segments(&world.dir()).pop().unwrap();
    let (kept, mut nonces) = (fs::read(&path).unwrap(), std::collections::BTreeSet::new());
    for _ in 0..20 {
        fs::write(&path, &kept).unwrap();
        let mut log = world.open();
        log.append(&[entry(1)]).unwrap();
        log.commit().unwrap();
        let stored = log.prove(10).unwrap().stored;
        nonces.insert(stored[28..40].to_vec());
    }
    assert_eq!(nonces.len(), 20);
}

#[test]
fn what_is_made_from_segments_is_made_anew() {
    let world = World::new();
    world.filled(1_000, 50);
    fs::write(world.dir().join("tiles/0"), b"").unwrap();
    let index =
        files(&world.dir()).into_iter().find(|file| file.extension().is_some_and(|e| e == "idx"));
    let index = index.unwrap();
    let was = fs::read(&index).unwrap();
    fs::write(&index, b"nonsense").unwrap();
    assert_eq!(world.verify().verdict(), Verdict::Rebuildable);
    let (mut log, opening) = world.opened();
    assert_eq!(opening.rebuilt, ["tiles"]);
    let query =
        Query { subject: Some(subject(2)), from: From::On(0), limit: 1000, ..Query::default() };
    assert!(log.query(&query).unwrap().records.len() > 50);
    assert_eq!(log.notices().len(), 1, "it says so");
    assert_eq!(fs::read(&index).unwrap(), was);
    assert_eq!(world.verify().verdict(), Verdict::Intact, "{:?}", world.verify().findings);
}

#[test]
fn cosigned_heads_are_kept_and_own_checkpoints_found_again() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 300, 30);
    let first = cosign(&mut log, None);
    fill(&mut log, 300, 30);
    let second = cosign(&mut log, Some(&first));
    assert_eq!(log.cosigned().collect::<Vec<_>>(), [first.note(), second.note()]);
    assert_eq!(log.checkpoint_until(100).unwrap().unwrap().size, 90);
    assert_eq!(log.checkpoint_until(300).unwrap().unwrap(), first.checkpoint);
    drop(log);
    let report = world.verify();
    assert_eq!(report.heads, (2, 0));
}

#[test]
fn one_batch_is_sealed_while_the_other_is_made_durable() {
    let world = World::new();
    let mut log = world.open();
    for batch in 0..40 {
        let range =
            log.append(&(batch * 25..batch * 25 + 25).map(entry).collect::<Vec<_>>()).unwrap();
        assert_eq!(range, batch * 25..batch * 25 + 25);
        if batch > 0 {
            assert_eq!(
                log.finish_commit().unwrap().size,
                batch * 25,
                "only what is durable counts"
            );
        }
        log.start_commit().unwrap();
        assert_eq!(log.size(), batch * 25);
    }
    assert_eq!(log.commit().unwrap().size, 1_000);
    for index in (0..1_000).step_by(33) {
        assert_eq!(log.get(index).unwrap().at, entry(index).at);
    }
    log.close().unwrap();
    assert_eq!((world.verify().verdict(), world.verify().records), (Verdict::Intact, 1_000));
}
