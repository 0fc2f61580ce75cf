//! A believed manifest against what is installed.

use crate::{AwsLc, manifest, model};
use protocol::{
    id::{Digest, ModelId},
    message::UpdateFault,
    update::{Crypto, Installed, Manifest},
};

/// A component with revision 3 of the hardware, on which release 41 runs.
fn installed(model: &ModelId) -> Installed<'_> {
    let image = AwsLc.sha256(b"the image before");
    Installed { model, hardware: 3, counter: 41, image, slot: 1 << 20, now: Some(1_800_000_000) }
}

/// Whether the release fits the component with this changed.
fn fits(
    release: &Manifest,
    change: impl FnOnce(Installed<'_>) -> Installed<'_>,
) -> Result<(), UpdateFault> {
    let model = model("lumen.glow2");
    release.fits(&change(installed(&model)))
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn takes_a_newer_release_for_its_model_and_hardware() {
    let release = manifest();
    assert_eq!(fits(&release, |it| it), Ok(()));
    assert_eq!(fits(&release, |it| Installed { hardware: 2, ..it }), Ok(()));
    assert_eq!(fits(&release, |it| Installed { counter: 0, ..it }), Ok(()));
    assert_eq!(fits(&release, |it| Installed { slot: release.size, ..it }), Ok(()));
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_the_wrong_model() {
    for name in ["lumen.glow", "lumen.glow22", "other.glow2"] {
        let own = model(name);
        let found = manifest().fits(&installed(&own));
        assert_eq!(found, Err(UpdateFault::WrongModel), "{name}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_the_wrong_hardware() {
    for hardware in [0, 1, 4, u32::MAX] {
        let found = fits(&manifest(), |it| Installed { hardware, ..it });
        assert_eq!(found, Err(UpdateFault::WrongModel), "{hardware}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_lower_counter() {
    let same = manifest().image;
    for counter in [43, u32::MAX] {
        let found = fits(&manifest(), |it| Installed { counter, ..it });
        assert_eq!(found, Err(UpdateFault::Rollback));
        let found = fits(&manifest(), |it| Installed { counter, image: same, ..it });
        assert_eq!(found, Err(UpdateFault::Rollback), "not even the same image");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_equal_counter_with_another_image() {
    let found = fits(&manifest(), |it| Installed { counter: 42, ..it });
    assert_eq!(found, Err(UpdateFault::Rollback));
    let mut almost = manifest().image;
    almost.0[31] ^= 1;
    let found = fits(&manifest(), |it| Installed { counter: 42, image: almost, ..it });
    assert_eq!(found, Err(UpdateFault::Rollback));
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn takes_an_equal_counter_with_the_same_image() {
    let image: Digest = manifest().image;
    assert_eq!(fits(&manifest(), |it| Installed { counter: 42, image, ..it }), Ok(()));
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_expired_release() {
    for now in [1_830_000_001, u64::MAX] {
        let found = fits(&manifest(), |it| Installed { now: Some(now), ..it });
        assert_eq!(found, Err(UpdateFault::Expired), "{now}");
    }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn nothing_expires_without_a_trusted_time_or_an_end() {
    assert_eq!(fits(&manifest(), |it| Installed { now: None, ..it }), Ok(()));
    let found = fits(&manifest(), |it| Installed { now: Some(1_830_000_000), ..it });
    assert_eq!(found, Ok(()), "at its end it is still good");
    let endless = Manifest { expires: None, ..manifest() };
    assert_eq!(fits(&endless, |it| Installed { now: Some(u64::MAX), ..it }), Ok(()));
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_image_that_is_too_large() {
    for slot in [0, manifest().size - 1] {
        let found = fits(&manifest(), |it| Installed { slot, ..it });
        assert_eq!(found, Err(UpdateFault::TooLarge), "{slot}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn says_of_several_faults_the_first_in_the_order_of_the_contract() {
    let other = model("lumen.glow");
    let mut all = Installed { counter: 50, now: Some(u64::MAX), slot: 0, ..installed(&other) };
    let own = model("lumen.glow2");
    assert_eq!(manifest().fits(&all), Err(UpdateFault::WrongModel));
    all.model = &own;
    assert_eq!(manifest().fits(&all), Err(UpdateFault::Rollback));
    all.counter = 41;
    assert_eq!(manifest().fits(&all), Err(UpdateFault::Expired));
    all.now = None;
    assert_eq!(manifest().fits(&all), Err(UpdateFault::TooLarge));
}
