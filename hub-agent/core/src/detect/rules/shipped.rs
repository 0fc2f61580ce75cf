//! The rules that come with the hub, one file for each incident of its catalogue.

use super::RuleFile;

macro_rules! files {
    ($($name:literal)*) => {
        /// The files, by name.
        #[must_use]
        pub fn shipped() -> Vec<RuleFile<'static>> {
            vec![$(RuleFile { name: $name, text: include_str!(concat!("../../../../rules/", $name)) },)*]
        }
    };
}

files! {
    "hub-01-credential-guessing.yml"
    "hub-02-credential-stuffing.yml"
    "hub-03-takeover-after-guessing.yml"
    "hub-04-cloned-identity.yml"
    "hub-05-new-place.yml"
    "hub-06-rollback.yml"
    "hub-07-tampered-update.yml"
    "hub-08-boot-mismatch.yml"
    "hub-09-log-suppression.yml"
    "hub-10-silent-component.yml"
    "hub-11-mass-offline.yml"
    "hub-12-unknown-destination.yml"
    "hub-13-scan.yml"
    "hub-14-component-flood.yml"
    "hub-15-connect-storm.yml"
    "hub-16-exfiltration.yml"
    "hub-17-configuration-weakened.yml"
    "hub-18-lateral-publish.yml"
    "hub-19-replay.yml"
    "hub-20-clock-manipulation.yml"
    "hub-21-malformed-probing.yml"
    "hub-22-rogue-component.yml"
    "hub-23-tamper.yml"
    "hub-24-restart-loop.yml"
    "hub-25-beaconing.yml"
    "hub-26-resource-hijack.yml"
    "hub-27-updates-not-taking.yml"
}
