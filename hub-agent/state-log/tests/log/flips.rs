//! A thousand single flipped bits, anywhere in the folder.

use crate::world::{Random, World, copy, cosign, entry, files, fill, verify_with};
use state_log::{Content, From, Query, Retention, Verdict};
use std::{collections::BTreeMap, fs, path::Path};

const SEED: u64 = 20_260_201;

/// Records whose content is not what was appended, among those that a query hands out.
fn served_wrong(world: &World, dir: &Path, all: &[u64]) -> usize {
    let Ok((mut log, _)) = world.open_in(dir) else { return 0 };
    let query = Query { from: From::On(0), limit: 10_000, ..Query::default() };
    let Ok(page) = log.query(&query) else { return 0 };
    let wrong = page.records.iter().filter(|record| match &record.content {
        Content::Readable { subject, kind, severity, body } => {
            let wanted = entry(record.index);
            (subject, kind, severity, body)
                != (&wanted.subject, &wanted.kind, &wanted.severity, &wanted.body)
                || record.at != wanted.at
        }
        Content::Act(_) => false,
        Content::Erased => true,
    });
    let wrong = wrong.count();
    let given = page.records.len() + page.damaged.len();
    assert!(given <= all.len() + 1, "more than there ever was");
    wrong
}

/// Criterion: T1.DP.2 (negative)
/// Criterion: T1.CSA.3 (negative)
#[test]
fn every_flipped_bit_is_found_and_none_is_served_as_good() {
    println!("seed {SEED}");
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 700, 23);
    let first = cosign(&mut log, None);
    fill(&mut log, 300, 1);
    let rules = Retention { ages: BTreeMap::from([(1, 400_000)]), bytes: None };
    log.retain(&rules, entry(1_000).at).unwrap();
    fill(&mut log, 200, 40);
    cosign(&mut log, Some(&first));
    let all: Vec<u64> = (0..log.size()).collect();
    log.close().unwrap();
    let intact = world.verify();
    assert_eq!(intact.verdict(), Verdict::Intact, "{:?}", intact.findings);

    let flipped = world.folder.path().join("flipped");
    copy(&world.dir(), &flipped);
    let files = files(&flipped);
    let sizes: Vec<u64> = files.iter().map(|file| fs::metadata(file).unwrap().len()).collect();
    let total: u64 = sizes.iter().sum();
    let mut random = Random(SEED);
    let mut verdicts = BTreeMap::new();
    for round in 0..1_000 {
        let mut place = random.below(total);
        let which = sizes.iter().position(|size| {
            let here = place < *size;
            if !here {
                place -= size;
            }
            here
        });
        let file = &files[which.unwrap()];
        let was = fs::read(file).unwrap();
        let mut bytes = was.clone();
        bytes[place as usize] ^= 1 << random.below(8);
        fs::write(file, &bytes).unwrap();
        let report = verify_with(&flipped, &[]);
        let verdict = report.verdict();
        let rebuilt = file.extension().is_some_and(|e| e == "idx")
            || file.parent().is_some_and(|parent| parent.ends_with("tiles"))
            || file.ends_with("reserve");
        // Hashes of records that went as whole tiles are read by nobody.
        let harmless =
            verdict == Verdict::Intact && file.parent().is_some_and(|p| p.ends_with("tiles"));
        assert!(
            verdict != Verdict::Intact || harmless,
            "round {round}: byte {place} of {}",
            file.display()
        );
        assert!(
            rebuilt == (verdict == Verdict::Rebuildable) || harmless,
            "round {round}: {verdict:?} for byte {place} of {}: {:?}",
            file.display(),
            report.findings
        );
        *verdicts.entry(format!("{verdict:?}")).or_insert(0) += 1;
        if round % 10 == 0 {
            let opened = world.folder.path().join(format!("opened-{round}"));
            copy(&flipped, &opened);
            assert_eq!(served_wrong(&world, &opened, &all), 0, "round {round}: {}", file.display());
            fs::remove_dir_all(&opened).unwrap();
        }
        fs::write(file, &was).unwrap();
    }
    println!("{verdicts:?} over {} files, {total} bytes", files.len());
    assert_eq!(verify_with(&flipped, &[]).verdict(), Verdict::Intact);
}
