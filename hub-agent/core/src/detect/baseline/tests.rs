use super::*;

#[test]
fn what_is_usual_for_a_component_fits_a_kibibyte() {
    assert!(size_of::<Baseline>() <= 1024, "{} bytes", size_of::<Baseline>());
}
