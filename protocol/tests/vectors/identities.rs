//! How a key makes an id.

use crate::{hex, json, list, text, unhex};
use aws_lc_rs::digest::{SHA256, digest};
use protocol::id::{ComponentId, Digest};

/// Criterion: T1.AI.1 (positive)
#[test]
fn ids_come_from_keys_as_the_vectors_say() {
    for vector in list(&json("vectors/ids.json")["from_key"]) {
        let name = text(&vector["name"]);
        let sum = digest(&SHA256, &unhex(text(&vector["spki"])));
        assert_eq!(hex(sum.as_ref()), text(&vector["sha256"]), "{name}");
        let id = ComponentId::from_key_digest(&Digest(sum.as_ref().try_into().unwrap()));
        assert_eq!(id.to_string(), text(&vector["id"]), "{name}");
        assert_eq!(hex(id.as_bytes()), text(&vector["id_bytes"]), "{name}");
        assert_eq!(&hex(sum.as_ref())[..32], text(&vector["first16"]), "{name}");
    }
}

/// Criterion: T1.AI.1 (negative)
#[test]
fn ids_have_one_text_form() {
    let texts = &json("vectors/ids.json")["text"];
    for valid in list(&texts["valid"]) {
        let id: ComponentId =
            text(valid).parse().unwrap_or_else(|error| panic!("{valid}: {error}"));
        assert_eq!(id.to_string(), text(valid));
    }
    for invalid in list(&texts["invalid"]) {
        assert!(text(&invalid["text"]).parse::<ComponentId>().is_err(), "{invalid}");
    }
}
