//! The rules of each field of a manifest: signed well, and yet no release.

use crate::{AwsLc, M, manifest, model, read_manifest, refused, sealed, signed_manifest};
use protocol::{
    cbor,
    id::Label,
    message::{List, UpdateFault},
    update::{Crypto, Manifest},
};

fn broken(manifest: &Manifest, why: &str) {
    let bytes = signed_manifest(manifest, &M[2..4]);
    let found = refused(read_manifest(&bytes), UpdateFault::Malformed);
    assert!(found.contains(why), "{found}");
    assert!(manifest.check().is_err());
}

fn good(manifest: &Manifest) {
    let bytes = signed_manifest(manifest, &M[2..4]);
    assert_eq!(read_manifest(&bytes).unwrap().into_inner(), *manifest);
}

fn named(name: &str) -> Manifest {
    Manifest { name: Label::new(name).unwrap(), ..manifest() }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn takes_the_bounds_of_each_field() {
    let base = manifest();
    for size in [1, 4095, 1 << 24, 1 << 26] {
        good(&Manifest { size, chunk: 262_144, ..base.clone() });
    }
    // 4096 chunks, not one more.
    good(&Manifest { size: 1 << 24, chunk: 4096, ..base.clone() });
    good(&Manifest { size: 1 << 26, chunk: 16_384, ..base.clone() });
    for chunk in [4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144] {
        good(&Manifest { chunk, ..base.clone() });
    }
    for health in [10, 600] {
        good(&Manifest { health, ..base.clone() });
    }
    for counter in [0, u32::MAX] {
        good(&Manifest { counter, floor: counter, ..base.clone() });
    }
    let hardware = List::new((0..8).collect()).unwrap();
    let needs = List::new((0..8).map(|at| (model(&format!("lumen.m{at}")), at)).collect());
    good(&Manifest { hardware, needs: needs.unwrap(), ..base.clone() });
    good(&Manifest { expires: None, needs: List::default(), floor: 0, ..base });
    good(&named(&"a".repeat(32)));
    good(&named(&"é".repeat(16)));
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_image_of_no_bytes_or_more_than_64_mib() {
    for size in [0, (1 << 26) + 1, u32::MAX] {
        broken(&Manifest { size, chunk: 262_144, ..manifest() }, "1 to 67108864 bytes");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_chunks_that_are_no_power_of_two_in_range() {
    for chunk in [0, 1, 2048, 4095, 4097, 65_535, 96 * 1024, 524_288, 1 << 31, u32::MAX] {
        broken(&Manifest { chunk, ..manifest() }, "no power of two of 4096 to 262144");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_more_than_4096_chunks() {
    for (size, chunk) in [((1 << 24) + 1, 4096), (1 << 26, 8192), ((1 << 25) + 1, 8192)] {
        broken(&Manifest { size, chunk, ..manifest() }, "more than 4096 chunks");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_floor_above_the_counter() {
    broken(&Manifest { floor: 43, ..manifest() }, "floor is above its counter");
    broken(&Manifest { floor: u32::MAX, ..manifest() }, "floor is above its counter");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_health_check_out_of_range() {
    for health in [0, 9, 601, u16::MAX] {
        broken(&Manifest { health, ..manifest() }, "10 to 600 seconds");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_format_it_does_not_know() {
    for format in [1, 255] {
        broken(&Manifest { format, ..manifest() }, "format is not known");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_name_of_33_bytes() {
    for name in ["a".repeat(33), "é".repeat(17), "a".repeat(64)] {
        broken(&named(&name), "longer than 32 bytes");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_for_no_hardware() {
    broken(&Manifest { hardware: List::default(), ..manifest() }, "no hardware revision");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_fields_that_are_missing_of_another_type_or_too_long() {
    // One entry of the payload at a time is left out or replaced.
    let base = cbor::encode(&manifest());
    let payload = |swap: &[(&[u8], &[u8])]| {
        let mut bytes = base.clone();
        for (from, to) in swap {
            let at = bytes.windows(from.len()).position(|part| part == *from).unwrap();
            bytes.splice(at..at + from.len(), to.iter().copied());
        }
        sealed(Manifest::TYP, &bytes, &M[2..4])
    };
    let head: (&[u8], &[u8]) = (&[0xae, 0x01], &[0xad, 0x01]);
    let name: &[u8] = b"\x06\x654.2.0";
    let hardware: &[u8] = &[0x03, 0x82, 0x02, 0x03, 0x04];
    let needs: &[u8] = b"\x0c\x81\x82\x6clumen.bridge\x07";
    let nine = [&[0x03, 0x89][..], &(0..9).collect::<Vec<u8>>(), &[0x04]].concat();
    assert!(read_manifest(&payload(&[])).is_ok());
    for swap in [
        &[head, (name, b"")][..],
        &[head, (needs, b"")],
        &[head, (&[0x0d, 0x18, 0x78], b"")],
        &[(&[0xae, 0x01, 0x01], &[0xae, 0x01, 0x02])],
        &[(name, b"\x06\x454.2.0")],
        &[(name, b"\x06\x60")],
        &[(b"\x02\x6blumen.glow2", b"\x02\x6blumen-glow2")],
        &[(hardware, &[0x03, 0x82, 0x03, 0x02, 0x04])],
        &[(hardware, &[0x03, 0x82, 0x02, 0x02, 0x04])],
        &[(hardware, &[0x03, 0x82, 0x02, 0x20, 0x04])],
        &[(hardware, &nine)],
        &[(needs, b"\x0c\x81\x81\x6clumen.bridge")],
        &[(needs, b"\x0c\x81\x83\x6clumen.bridge\x07\x07")],
        &[(needs, b"\x0c\x82\x82\x6clumen.bridge\x07\x82\x6clumen.bridge\x07")],
        &[(&[0x0e, 0x00], &[0x0e, 0xf6])],
        &[(&[0x0d, 0x18, 0x78], &[0x0d, 0x1a, 0, 1, 0, 10])],
        &[(&[0x04, 0x18, 0x2a], &[0x04, 0x1b, 0, 0, 0, 1, 0, 0, 0, 42])],
        &[(&[0x04, 0x18, 0x2a], &[0x04, 0x19, 0x00, 0x2a])],
    ] {
        refused(read_manifest(&payload(swap)), UpdateFault::Malformed);
    }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn chunks_cover_the_image_and_end_with_it() {
    for (size, chunk, last) in [(1, 4096, 1), (8192, 4096, 4096), (1_000_000, 65_536, 16_960)] {
        let release = Manifest { size, chunk, image: AwsLc.sha256(b""), ..manifest() };
        let count = release.chunk_count();
        assert_eq!(release.list_size(), count * 32);
        let places: Vec<_> = (0..count).filter_map(|at| release.chunk_at(at)).collect();
        assert_eq!(places.len(), count as usize);
        assert_eq!(places.iter().map(|(_, length)| length).sum::<u32>(), size);
        assert!(places.iter().zip(0..).all(|((from, _), at)| *from == at * chunk));
        assert_eq!(places.last().map(|(_, length)| *length), Some(last));
        assert_eq!((release.chunk_at(count), release.chunk_at(u32::MAX)), (None, None));
    }
}
