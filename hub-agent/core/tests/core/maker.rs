//! A maker with a root, who signs definitions.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use hub_core::access::policy::Anchor;
use protocol::{definition::envelope::Envelope, id::Label};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

pub(crate) struct Maker {
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
}

/// What a signer's certificate says.
pub(crate) struct Signer {
    pub(crate) organisation: String,
    pub(crate) usage: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) until: i32,
}

impl Signer {
    pub(crate) fn of(organisation: &str) -> Self {
        Self {
            organisation: organisation.to_owned(),
            usage: vec![ExtendedKeyUsagePurpose::CodeSigning],
            until: 9999,
        }
    }
}

impl Maker {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.not_after = date_time_ymd(9999, 12, 31);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), root }
    }

    pub(crate) fn anchor(&self, name: &str) -> Anchor {
        Anchor { name: Label::new(name).unwrap(), roots: vec![self.root.clone()] }
    }

    /// A definition signed by a signer of this maker.
    pub(crate) fn sign(&self, document: &str, signer: &Signer) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, signer.organisation.as_str());
        params.extended_key_usages = signer.usage.clone();
        params.not_after = date_time_ymd(signer.until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = [certificate.der().to_vec()];
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der()).unwrap();
        Envelope::seal(document, &chain, |covered| {
            key.sign(&SystemRandom::new(), covered).map(|signature| signature.as_ref().to_vec())
        })
        .unwrap()
    }
}
