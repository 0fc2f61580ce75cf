//! Which definitions come into force, and what keeps others out.

use crate::{
    damage::{Random, damage, inputs},
    maker::{Maker, Signer},
};
use hub_core::access::policy::{Anchor, DefinitionError, Installed, Kind, Policy, check, verify};
use protocol::{
    id::{Label, Slug},
    time::Timestamp,
};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::json;

const LAMP: &str = include_str!("../../../../device-sim/definitions/lamp.toml");
const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn kind(envelope: &[u8], anchors: &[Anchor]) -> Result<Kind, DefinitionError> {
    Ok(Kind::compile(verify(envelope, anchors, NOW)?)?)
}

/// Criterion: T3.LA.1b (positive)
#[test]
fn a_definition_of_a_trusted_maker_comes_into_force_and_judges_content() {
    let maker = Maker::new();
    let anchors = [Maker::new().anchor("other"), maker.anchor("lumen")];
    let lamp = kind(&maker.sign(LAMP, &Signer::of("Lumen Works")), &anchors).unwrap();
    assert_eq!(lamp.anchor().as_str(), "lumen");
    let mut policy = Policy::default();
    assert_eq!(policy.install(lamp), Ok(Installed::New));
    let (maker, name) = (Label::new("Lumen Works").unwrap(), Slug::new("lamp").unwrap());
    let lamp = policy.of(&maker, &name).unwrap();
    let (stream, schema) = lamp.stream(&Slug::new("power").unwrap()).unwrap();
    assert_eq!(stream.traffic.max_bytes, 32);
    assert!(schema.is_valid(&json!({ "value": 90 })));
    for wrong in [json!({}), json!({ "value": 91 }), json!({ "value": 1, "x": 1 }), json!(90)] {
        assert!(!schema.is_valid(&wrong), "{wrong}");
    }
    assert!(lamp.stream(&Slug::new("temperature").unwrap()).is_none());
    assert!(
        policy.of(&Label::new("Bolt & Sons").unwrap(), &name).is_none(),
        "another maker's lamp"
    );
}

/// Criterion: T3.LA.1 (negative)
#[test]
fn refuses_a_definition_that_no_trusted_maker_signed_as_it_stands() {
    let (maker, stranger) = (Maker::new(), Maker::new());
    let anchors = [maker.anchor("lumen")];
    let lumen = Signer::of("Lumen Works");
    let good = maker.sign(LAMP, &lumen);
    assert!(kind(&good, &anchors).is_ok());
    let refused = |envelope: &[u8]| kind(envelope, &anchors).unwrap_err();
    let untrusted = |error: DefinitionError| matches!(error, DefinitionError::Untrusted(_));
    assert!(untrusted(refused(&stranger.sign(LAMP, &lumen))), "a root nobody trusts");
    assert!(untrusted(kind(&good, &[]).unwrap_err()), "no root at all");
    let for_clients =
        Signer { usage: vec![ExtendedKeyUsagePurpose::ClientAuth], ..Signer::of("Lumen Works") };
    assert!(untrusted(refused(&maker.sign(LAMP, &for_clients))), "an IDevID signs no definition");
    let for_anything = Signer { usage: Vec::new(), ..Signer::of("Lumen Works") };
    assert!(untrusted(refused(&maker.sign(LAMP, &for_anything))), "nor a certificate for anything");
    let expired = Signer { until: 2025, ..Signer::of("Lumen Works") };
    assert!(untrusted(refused(&maker.sign(LAMP, &expired))), "an expired signer");
    let other = refused(&maker.sign(LAMP, &Signer::of("Bolt & Sons")));
    assert!(matches!(other, DefinitionError::OtherMaker { .. }), "speaks for another maker");
    let changed = {
        let at = good.windows(10).position(|window| window == b"maximum = ").unwrap() + 10;
        let mut changed = good.clone();
        changed[at] = b'8';
        changed
    };
    assert_eq!(refused(&changed), DefinitionError::Signature);
    // Every single bit of the envelope matters.
    for bit in (0..good.len() * 8).step_by(101) {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(kind(&flipped, &anchors).is_err(), "bit {bit}");
    }
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn an_older_definition_or_one_of_another_root_replaces_nothing() {
    let (maker, other) = (Maker::new(), Maker::new());
    let anchors = [maker.anchor("lumen"), other.anchor("other")];
    let lumen = Signer::of("Lumen Works");
    let revision = |number: u32, maker: &Maker| {
        let document = LAMP.replace("revision = 1", &format!("revision = {number}"));
        kind(&maker.sign(&document, &lumen), &anchors).unwrap()
    };
    let mut policy = Policy::default();
    assert_eq!(policy.install(revision(5, &maker)), Ok(Installed::New));
    assert_eq!(policy.install(revision(5, &maker)), Ok(Installed::Same), "signed once more");
    assert_eq!(policy.install(revision(6, &maker)), Ok(Installed::Replaced(5)));
    assert_eq!(
        policy.install(revision(5, &maker)),
        Err(DefinitionError::Older { known: 6, given: 5 })
    );
    let same =
        LAMP.replace("revision = 1", "revision = 6").replace("maximum = 90", "maximum = 900");
    let same = kind(&maker.sign(&same, &lumen), &anchors).unwrap();
    assert_eq!(policy.install(same), Err(DefinitionError::Older { known: 6, given: 6 }));
    assert!(matches!(
        policy.install(revision(7, &other)),
        Err(DefinitionError::OtherRoot { known }) if known.as_str() == "lumen"
    ));
    assert_eq!(policy.all().next().unwrap().definition().revision, 6);
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn a_malicious_schema_is_refused_with_its_line_or_costs_nothing() {
    let schema = |body: &str| {
        LAMP.replace("properties.value = { type = \"integer\", minimum = 0, maximum = 90 }", body)
    };
    for (body, words) in [
        (r#"properties.value = { pattern = '(a+)\1' }"#, "(a+)"),
        (r#"properties.value = { pattern = '(?=a)b' }"#, "(?=a)b"),
        (r#"properties.value = { pattern = '((x{200}){200}){200}' }"#, "x{200}"),
        (r#"properties.value = { type = "objekt" }"#, "objekt"),
        (r#"properties.value = { minimum = "0" }"#, "\"0\""),
        (r#"properties.value = { multipleOf = 0 }"#, "0"),
    ] {
        let mistakes = check(&schema(body)).expect_err(body);
        let mistake = &mistakes.0[0];
        assert_eq!(
            (mistake.line, mistake.key.as_str()),
            (45, "stream power: schema"),
            "{mistake:?}"
        );
        assert!(mistake.text.contains(words), "{mistake:?}");
    }
    // Exponential for a backtracking engine; this one reads the text once.
    let document = schema(r#"properties.value = { type = "string", pattern = '^(a+)+$' }"#);
    let maker = Maker::new();
    let envelope = maker.sign(&document, &Signer::of("Lumen Works"));
    let lamp = kind(&envelope, &[maker.anchor("lumen")]).unwrap();
    let (_, power) = lamp.stream(&Slug::new("power").unwrap()).unwrap();
    assert!(!power.is_valid(&json!({ "value": format!("{}!", "a".repeat(8000)) })));
    assert!(power.is_valid(&json!({ "value": "a".repeat(8000) })));
}

/// Criterion: T1.LA.3 (negative)
/// Criterion: T3.LA.1b (negative)
#[test]
fn no_damaged_definition_is_believed() {
    const SEED: u64 = 0x5eed_2030;
    let maker = Maker::new();
    let anchors = [maker.anchor("lumen")];
    let good = maker.sign(LAMP, &Signer::of("Lumen Works"));
    let donor = maker.sign(LAMP, &Signer::of("Lumen Works"));
    let (mut random, mut whole, all) = (Random::new(SEED), 0, inputs(20_000));
    for number in 0..all {
        let mut bytes = good.clone();
        (0..=random.below(3)).for_each(|_| damage(&mut random, &mut bytes, &donor));
        let believed = verify(&bytes, &anchors, NOW).is_ok();
        assert_eq!(believed, bytes == good || bytes == donor, "envelope {number} of {SEED:#x}");
        whole += usize::from(believed);
    }
    println!("seed {SEED:#x}: {all} damaged definitions, {whole} came out whole and are believed");
}
