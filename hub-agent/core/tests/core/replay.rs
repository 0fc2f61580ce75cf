//! The live state equals the replay of what was written, after anything that may happen.

use crate::world::{World, facts, id, label, note};
use hub_core::{Command, Input, Selector};
use protocol::id::{BootId, Digest};
use std::time::Duration;

/// A small generator (SplitMix64), so that a seed reproduces a run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

/// A random command may well be refused.
fn let_go(_: Result<usize, protocol::refusal::Refusal>) {}

/// Criterion: T3.AI.3 (positive)
#[test]
fn a_restart_amid_a_thousand_changes_loses_none() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut world = World::new();
        let certificates: Vec<_> = (0..8).map(|n| world.member(n)).collect();
        for step in 2..1000_u64 {
            let n = random.below(8) as u16;
            world.pass(Duration::from_secs(random.below(20)));
            let known =
                world.permit(n, "announce", &protocol::cbor::encode(&facts(n, step))).is_ok();
            match random.below(12) {
                0..=4 if known => {
                    let mut changed = facts(n, step);
                    changed.boot = BootId([random.below(250) as u8; 8]);
                    changed.firmware_digest = Digest([random.below(9) as u8; 32]);
                    changed.config = random.below(5) as u32;
                    world.announce(n, &changed);
                }
                5 => drop(world.connect(n, &certificates[usize::from(n)])),
                6 => let_go(world.command(Command::Quarantine(id(n), note("odd")))),
                7 | 8 => let_go(world.command(Command::Approve(Selector::One(id(n))))),
                9 => {
                    let_go(world.command(Command::Rename(
                        id(n),
                        label(&format!("name {}", random.below(99))),
                    )))
                }
                10 if step > 900 => let_go(world.command(Command::Revoke(id(n), note("lost")))),
                _ => drop(world.handle(Input::Tick)),
            }
        }
        for write in world.hub.last_writes() {
            world.store.insert((write.table, write.key), write.value.unwrap());
        }
        let live: Vec<_> = world.hub.inventory().all().cloned().collect();
        let replayed: Vec<_> = world.replayed().inventory().all().cloned().collect();
        assert_eq!(live, replayed, "seed {seed}");
    }
}

/// Criterion: T1.DP.2 (negative)
#[test]
fn a_damaged_record_is_refused_with_its_place() {
    let mut world = World::new();
    world.member(1);
    let (key, mut value) = world.store.iter().next().map(|(k, v)| (k.clone(), v.clone())).unwrap();
    value.truncate(value.len() / 2);
    let own =
        hub_core::OwnIdentity { id: id(0), software: label("0"), fingerprint: Digest([0; 32]) };
    let restored =
        hub_core::Hub::restore(Default::default(), own, [(key.0, key.1, value)], world.now);
    let error = restored.err().unwrap().to_string();
    assert!(error.contains("components") && error.contains("backup"), "{error}");
}
