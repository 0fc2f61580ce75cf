//! Keys and certificates of a simulated product: made of the seed, so that ids and records are the same each time, and
//! real, so that what components sign is verified as ever.

use aws_lc_rs::signature::Ed25519KeyPair;
use device_sim::{
    flash::Credentials,
    identity::{self, MakerCa, sha256},
    profile::DEFINITIONS,
};
use hub_core::{ComponentCertificate, access::policy::Anchor};
use protocol::{
    id::{ComponentId, Digest, Label},
    time::Timestamp,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{sync::OnceLock, time::Duration};
use time::OffsetDateTime;

/// A PKCS#8 key of P-256 up to its number.
const P256: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

/// Clocks of components may be this much behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// What is signed the same way in every scenario: the makers' definitions.
struct Maker {
    root: Vec<u8>,
    definitions: Vec<Vec<u8>>,
}

/// The product's authority.
pub(super) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
    seed: u64,
    issued: u64,
}

/// A new certificate with its key, as a component and as the hub know it.
pub(super) struct Issued {
    pub(super) credentials: Credentials,
    pub(super) certificate: ComponentCertificate,
}

fn maker() -> anyhow::Result<&'static Maker> {
    static MAKER: OnceLock<Maker> = OnceLock::new();
    if let Some(made) = MAKER.get() {
        return Ok(made);
    }
    let ca = MakerCa::new("Makers of the simulation")?;
    let sign = |(_, document): &(&str, &str)| ca.sign_definition(document);
    let definitions = DEFINITIONS.iter().map(sign).collect::<anyhow::Result<_>>()?;
    Ok(MAKER.get_or_init(|| Maker { root: ca.certificate_der(), definitions }))
}

/// Bytes that follow from the seed and a name.
pub(super) fn drawn(seed: u64, name: &str) -> [u8; 32] {
    sha256(format!("{seed} {name}").as_bytes()).0
}

fn key(seed: u64, name: &str) -> anyhow::Result<KeyPair> {
    let mut number = drawn(seed, name);
    // Below the order of the curve, and not zero.
    (number[0], number[31]) = (number[0] & 0x7f, number[31] | 1);
    let der = [&P256[..], &number].concat();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
    Ok(KeyPair::from_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)?)
}

/// A key that signs releases.
pub(super) fn vendor_key(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a seed has 32 bytes")
}

/// The roots that vouch for definitions.
pub(super) fn anchors() -> anyhow::Result<Vec<Anchor>> {
    Ok(vec![Anchor { name: maker_name(), roots: vec![maker()?.root.clone()] }])
}

/// The makers' name in the settings.
pub(super) fn maker_name() -> Label {
    Label::new("makers").expect("a plain word")
}

/// The signed definitions of all kinds.
pub(super) fn definitions() -> anyhow::Result<&'static [Vec<u8>]> {
    Ok(&maker()?.definitions)
}

impl Pki {
    pub(super) fn new(seed: u64) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "simulated home");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key(seed, "ca")?;
        let certificate = params.self_signed(&key)?.der().to_vec();
        Ok(Self { issuer: Issuer::new(params, key), certificate, seed, issued: 0 })
    }

    /// The key that the component with this serial number has from its factory, as its digest.
    pub(super) fn factory_key(&self, serial: &str) -> Digest {
        Digest(drawn(self.seed, &format!("idevid {serial}")))
    }

    /// The key of this name, with its digest.
    pub(super) fn key(&self, name: &str) -> anyhow::Result<(KeyPair, Digest)> {
        let key = key(self.seed, &format!("ldevid {name}"))?;
        let digest = sha256(&key.subject_public_key_info());
        Ok((key, digest))
    }

    /// A certificate for this component and key.
    pub(super) fn issue(
        &mut self,
        id: ComponentId,
        key: &KeyPair,
        life: Duration,
        now: Timestamp,
    ) -> anyhow::Result<Issued> {
        self.issued += 1;
        let serial = self.issued.to_be_bytes().to_vec();
        let (not_before, not_after) =
            (Timestamp(now.0.saturating_sub(BACKDATED.as_millis() as u64)), now.plus(life));
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        (params.not_before, params.not_after) = (date(not_before)?, date(not_after)?);
        params.subject_alt_names = vec![SanType::URI(format!("urn:uuid:{id}").try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(key, &self.issuer)?;
        let spki = sha256(&key.subject_public_key_info());
        let ca = self.certificate.clone();
        let credentials = identity::credentials(signed.der(), key.serialize_der(), ca)?;
        let certificate = ComponentCertificate { serial, key: spki, not_before, not_after };
        Ok(Issued { credentials, certificate })
    }
}

fn date(at: Timestamp) -> anyhow::Result<OffsetDateTime> {
    Ok(OffsetDateTime::from_unix_timestamp(i64::try_from(at.seconds())?)?)
}
