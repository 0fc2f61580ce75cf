//! The signature checks that components share with the hub, on aws-lc-rs.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use protocol::{
    id::{Digest, PublicKey},
    update::Crypto,
};

/// The crypto library of the simulated components.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Crypto for AwsLc {
    fn sha256(&self, bytes: &[u8]) -> Digest {
        crate::identity::sha256(bytes)
    }

    fn ed25519(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key.0).verify(message, signature).is_ok()
    }
}
