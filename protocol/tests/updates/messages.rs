//! The largest messages about updates fit their routes, and nothing larger is read.

use crate::{AwsLc, model};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};
use protocol::{
    cbor::{self, DecodeError},
    id::{ComponentId, Digest, JobId, Label, Nonce},
    message::{
        Blob, Block, BlockRequest, BlockSize, MAX_BLOCK, Sequence, UpdateFault, UpdateObject,
        UpdateOffer, UpdateReport, UpdateStatus, UpdateStep, V1, Window,
    },
    signed::{Form, Signed},
    time::Timestamp,
    topic::{Down, Route, Up},
    update::{Crypto, REPORT},
};
use serde::Serialize;
use std::convert::Infallible;

const JOB: JobId = JobId([0xff; 16]);

fn id() -> ComponentId {
    ComponentId::from_key_digest(&Digest([0xff; 32]))
}

fn limit(route: &Route) -> usize {
    route.limits().max_payload
}

fn fits(message: &impl Serialize, route: &Route) -> usize {
    let length = cbor::encode(message).len();
    assert!(length <= limit(route), "{route}: {length} bytes");
    length
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn reads_the_largest_block_and_refuses_a_longer_one() {
    let route = Route::Down(id(), Down::UpdateBlock);
    let block = |data: Vec<u8>| Block {
        job: JOB,
        object: UpdateObject::Image,
        offset: u32::MAX,
        data: Blob::new(data),
        fault: None,
    };
    let largest = block(vec![0xff; MAX_BLOCK]);
    fits(&largest, &route);
    let bytes = cbor::encode(&largest);
    assert_eq!(cbor::decode::<Block>(&bytes, limit(&route)), Ok(largest));
    // One byte more, within the limit of the route: 59 ffff becomes 5a 00010001.
    assert!(Blob::<MAX_BLOCK>::new(vec![0; MAX_BLOCK + 1]).is_none());
    let head = bytes.len() - MAX_BLOCK - 5;
    let longer = [&bytes[..head], &[0x5a, 0, 1, 0, 1][..], &[0; MAX_BLOCK + 1]].concat();
    assert!(longer.len() <= limit(&route));
    let error = cbor::decode::<Block>(&longer, limit(&route)).unwrap_err();
    assert!(error.to_string().contains("invalid length 65537"), "{error}");
    let flood = cbor::decode::<Block>(&[0; 66_049], limit(&route));
    assert_eq!(flood, Err(DecodeError::TooLarge { found: 66_049, limit: 66_048 }));
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn the_largest_messages_fit_their_routes() {
    let signed = || Blob::new(vec![0; 2048]).unwrap();
    let offer = UpdateOffer {
        version: V1,
        job: JOB,
        anchors: Sequence::new(vec![signed(), signed(), signed(), signed()]).unwrap(),
        manifest: signed(),
        block: BlockSize::new(65_536).unwrap(),
        window: Window::new(16).unwrap(),
        automatic: true,
        deadline: u32::MAX,
    };
    let request = BlockRequest {
        job: JOB,
        object: UpdateObject::Chunks,
        offset: u32::MAX,
        length: BlockSize::new(65_536).unwrap(),
        count: Window::new(16).unwrap(),
    };
    let status = UpdateStatus {
        job: JOB,
        step: UpdateStep::Failed,
        fault: Some(UpdateFault::Internal),
        got: u32::MAX,
        counter: u32::MAX,
        slot: u8::MAX,
        why: Some(Label::new(&"\u{1f6d1}".repeat(64)).unwrap()),
        seq: u64::MAX,
    };
    let lengths = [
        fits(&offer, &Route::Down(id(), Down::UpdateOffer)),
        fits(&request, &Route::Up(id(), Up::UpdateRequest)),
        fits(&status, &Route::Up(id(), Up::UpdateStatus)),
    ];
    println!("offer, request and status have at most {lengths:?} bytes");
}

fn report(name: &str) -> UpdateReport {
    UpdateReport {
        version: V1,
        component: id(),
        model: model(&format!("{}.b", "a".repeat(30))),
        counter: u32::MAX,
        name: Label::new(name).unwrap(),
        image: AwsLc.sha256(b"image"),
        anchor: u32::MAX,
        time: Timestamp(u64::MAX),
        nonce: Nonce([0xff; 16]),
        fault: Some(UpdateFault::Internal),
        job: Some(JOB),
        attacks: u32::MAX,
    }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_signed_report_fits_its_route_with_a_certificate_of_any_usual_size() {
    let route = Route::Up(id(), Up::UpdateReport);
    assert_eq!(limit(&route), REPORT.max_bytes);
    // A manifest's name has at most 32 bytes, and that of a report is a manifest's.
    let payload = cbor::encode(&report(&"a".repeat(32)));
    let sign = |_: &[u8]| Ok::<_, Infallible>(vec![0; 64]);
    let bare = Signed::seal(REPORT, &payload, &[vec![]], sign).unwrap().len();
    println!("a report leaves {} bytes for the certificate", 1024 - bare);
    assert!(1024 - bare >= 640, "{bare}");
    let whole = Signed::seal(REPORT, &payload, &[vec![0; 640]], sign).unwrap();
    assert_eq!(Signed::parse(REPORT, &whole).unwrap().payload(), payload);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_report_s_signature_passes_for_nothing_else() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let payload = cbor::encode(&report("4.2.0"));
    let sign = |covered: &[u8]| {
        key.sign(&SystemRandom::new(), covered).map(|signature| signature.as_ref().to_vec())
    };
    let bytes = Signed::seal(REPORT, &payload, &[vec![0x30, 0x00]], sign).unwrap();
    let holds = |form: Form, bytes: &[u8]| {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key());
        let signed = Signed::parse(form, bytes).unwrap();
        signed.verify(|signature, covered| public.verify(covered, signature)).is_ok()
    };
    assert!(holds(REPORT, &bytes));
    // Of the same shape, but what the hub says of others.
    assert!(!holds(protocol::message::assertion::FORM, &bytes));
    // Another payload under the same signature.
    let at = bytes.windows(5).position(|part| part == b"4.2.0").unwrap();
    let mut changed = bytes.clone();
    changed[at] = b'5';
    assert!(!holds(REPORT, &changed));
    // Untagged, and not longer than its route.
    assert!(Signed::parse(REPORT, &[&[0xd2][..], &bytes].concat()).is_err());
    assert!(Signed::parse(REPORT, &[0; 1025]).is_err());
}
