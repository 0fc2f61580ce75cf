//! Random damage to valid packets, and the committed corpus of the fuzz targets.

use mqtt_endpoint::{
    codec::{
        decode, frame,
        packet::{Packet, Version},
    },
    fuzz::{decode_any, drive_session},
};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::path::Path;

const MUTANTS: usize = 20_000;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/packets");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 30, "the corpus is there");
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn replays_the_corpus_of_the_fuzz_targets() {
    for bytes in corpus() {
        decode_any(&bytes);
        drive_session(&bytes);
    }
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn survives_random_damage_to_valid_packets() {
    let seeds = corpus();
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let mut accepted = 0;
    for _ in 0..MUTANTS {
        let mut bytes = seeds[random.next_u32() as usize % seeds.len()].clone();
        damage(&mut bytes, &mut random);
        decode_any(&bytes);
        drive_session(&bytes);
        for version in [Version::V311, Version::V5] {
            if let Ok(Some(first)) = frame(&bytes, 1 << 20)
                && let Ok(packet) = decode(version, &first)
            {
                obeys_the_standard(&packet);
                accepted += 1;
            }
        }
    }
    println!("{MUTANTS} mutants, seed 42: none crashed, {accepted} still valid packets");
    assert!(accepted > 0, "the damage is not so great that nothing is ever valid");
}

fn damage(bytes: &mut Vec<u8>, random: &mut TestRng) {
    for _ in 0..1 + random.next_u32() % 3 {
        let at = random.next_u32() as usize % (bytes.len() + 1);
        let byte = random.next_u32() as u8;
        match random.next_u32() % 5 {
            0 => bytes.insert(at, byte),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] = byte,
            _ if at < bytes.len() => bytes[at] ^= 1 << (byte & 7),
            _ => {}
        }
    }
}

/// What is accepted holds no wildcard in a name, no NUL and no impossible combination.
fn obeys_the_standard(packet: &Packet<'_>) {
    match packet {
        Packet::Publish(publish) => {
            assert!(!publish.topic.is_empty() && !publish.topic.contains(['+', '#', '\0']));
        }
        Packet::Subscribe(subscribe) => assert!(!subscribe.filters.is_empty()),
        Packet::Unsubscribe(unsubscribe) => assert!(!unsubscribe.filters.is_empty()),
        Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::PingReq
        | Packet::Disconnect(_) => {}
    }
}
