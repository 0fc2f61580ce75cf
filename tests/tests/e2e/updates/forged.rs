//! Releases that somebody forged with fewer keys than it takes, with others, or with those of another release.

use super::{Product, VENDOR};
use crate::updates::forge::Forge;
use device_sim::update::Behaviour;
use tests::harness::Fleet;

const ROLE: [&str; 2] = ["vendor.simulated-1", "vendor.simulated-2"];
const MANIFEST: [&str; 2] = ["manifest.simulated-1", "manifest.simulated-2"];

struct Forged {
    product: Product,
    fleet: Fleet,
    forge: Forge,
}

impl Forged {
    fn new() -> Self {
        let product = Product::new(&[]);
        let fleet = product.some("lamp", 1);
        product.check();
        // They are published, and forged over before the hub looks again.
        product.release("lamp", 2, Behaviour::Good, &[]);
        product.release("camera", 2, Behaviour::Good, &[]);
        let forge = Forge::new(&product.cloud.folder);
        Self { product, fleet, forge }
    }

    fn refuses(&self, what: &str, word: &str) {
        self.product.refuses(&self.fleet, what, word);
        assert!(self.product.campaign("lamp").is_err(), "{what}: nothing is to be relayed");
    }
}

/// Criterion: T3.SU.1a (negative)
/// Criterion: T1.SU.2 (negative)
#[test]
fn below_threshold_or_by_unknown_keys_nothing_is_relayed() {
    let forged = Forged::new();
    let honest = forged.forge.files("simulated.lamp", 2);
    let unknown = ["unknown-1", "unknown-2"];
    for (what, keys) in [
        ("metadata below threshold", &ROLE[..1]),
        ("metadata by unknown keys", &unknown),
        ("metadata by one key twice", &["vendor.simulated-1", "vendor.simulated-1"]),
        ("metadata by another role's keys", &MANIFEST),
    ] {
        forged.forge.vendor(VENDOR, keys, |forge, role| {
            forge.only(role, "simulated.lamp", 2, &honest);
        });
        forged.refuses(what, "arbitrary-software");
    }
    for (counter, what, keys) in [
        (11, "manifest below threshold", &MANIFEST[..1]),
        (12, "manifest by unknown keys", &unknown),
        (13, "manifest by the keys of the metadata", &ROLE),
    ] {
        let mut files = honest.clone();
        forged.forge.manifest(&mut files, keys, |manifest| manifest.counter = counter);
        forged.forge.vendor(VENDOR, &ROLE, |forge, role| {
            forge.only(role, "simulated.lamp", counter, &files);
        });
        forged.refuses(what, "arbitrary-software");
    }
    forged
        .forge
        .vendor(VENDOR, &ROLE, |forge, role| forge.only(role, "simulated.lamp", 2, &honest));
    forged.product.goes_out("lamp");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_rotated_out_key_signs_nothing_any_more() {
    let forged = Forged::new();
    let product = &forged.product;
    product.maker(&["rotate", "vendor", VENDOR]);
    product.maker(&["rotate", "anchors", VENDOR]);
    let forge = Forge::new(&product.cloud.folder);
    let honest = forge.files("simulated.lamp", 2);
    forge.vendor(VENDOR, &ROLE, |forge, role| forge.only(role, "simulated.lamp", 2, &honest));
    forged.refuses("metadata by rotated-out keys", "arbitrary-software");
    let now = ["vendor.simulated-4", "vendor.simulated-5"];
    let mut files = honest.clone();
    forge.manifest(&mut files, &MANIFEST, |manifest| manifest.counter = 3);
    forge.vendor(VENDOR, &now, |forge, role| forge.only(role, "simulated.lamp", 3, &files));
    forged.refuses("manifest by rotated-out keys", "arbitrary-software");
    // A component believes the newest anchor only, so leaving it out would help nobody; the hub does not try.
    let mut files = honest.clone();
    files.anchors.remove(0);
    forge.vendor(VENDOR, &now, |forge, role| forge.only(role, "simulated.lamp", 2, &files));
    forged.refuses("anchors that begin in the middle", "arbitrary-software");
    forge.vendor(VENDOR, &now, |forge, role| forge.only(role, "simulated.lamp", 2, &honest));
    product.goes_out("lamp");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn an_image_of_another_component_and_files_of_another_release_do_not_fit() {
    let forged = Forged::new();
    let forge = &forged.forge;
    let (honest, camera) = (forge.files("simulated.lamp", 2), forge.files("simulated.camera", 2));
    let publish = |counter: u32, files: &super::forge::Files| {
        forge.vendor(VENDOR, &ROLE, |forge, role| {
            forge.only(role, "simulated.lamp", counter, files);
        });
    };
    // All of it a camera's, but called a lamp's.
    let mut files = camera.clone();
    files.custom["model"] = "simulated.lamp".into();
    publish(2, &files);
    forged.refuses("wrong model", "wrong-software");

    let mut files = honest.clone();
    files.custom["counter"] = 3.into();
    publish(3, &files);
    forged.refuses("manifest of another release", "mix-and-match");

    let mut files = honest.clone();
    forge.manifest(&mut files, &MANIFEST, |manifest| manifest.counter = 4);
    files.image = camera.image.clone();
    publish(4, &files);
    forged.refuses("image of another component", "mix-and-match");

    let mut files = honest.clone();
    forge.manifest(&mut files, &MANIFEST, |manifest| manifest.counter = 5);
    files.chunks = camera.chunks.clone();
    publish(5, &files);
    forged.refuses("chunk list of another release", "mix-and-match");

    let mut files = honest.clone();
    forge.manifest(&mut files, &MANIFEST, |manifest| manifest.counter = 6);
    files.chunks = None;
    publish(6, &files);
    forged.refuses("a file is missing", "mix-and-match");

    let mut files = honest.clone();
    forge.manifest(&mut files, &MANIFEST, |manifest| {
        (manifest.counter, manifest.expires) = (7, Some(1_700_000_000));
    });
    publish(7, &files);
    forged.refuses("expired manifest", "freeze");

    let mut files = honest.clone();
    forge.manifest(&mut files, &MANIFEST, |manifest| manifest.counter = 8);
    files.custom = serde_json::json!({});
    publish(8, &files);
    forged.refuses("metadata that do not say what it is", "wrong-software");

    publish(2, &honest);
    forged.product.goes_out("lamp");
}
