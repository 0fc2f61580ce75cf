//! Keys and certificates of simulated devices and their makers.

use crate::flash::Credentials;
use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use cms::{cert::CertificateChoices, content_info::ContentInfo, signed_data::SignedData};
use der::{Decode, Encode};
use protocol::{
    cbor,
    definition::{Definition, envelope::Envelope},
    id::{ComponentId, Digest},
    log::HEAD,
    message::{LogHead, UpdateReport},
    signed::Signed,
    update::REPORT,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::{fs, path::Path};
use x509_parser::{extensions::GeneralName, prelude::FromDer};

/// Name of the serialNumber attribute (X.520).
fn serial_number() -> DnType {
    DnType::CustomDnType(vec![2, 5, 4, 5])
}

/// A maker's certificate authority for IDevIDs.
pub struct MakerCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// Chain, end entity first, DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// Key, PKCS#8 DER.
    pub key: Vec<u8>,
}

impl Identity {
    /// The key as TLS wants it.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

impl MakerCa {
    /// A new authority.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_after = date_time_ymd(9999, 12, 31);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Writes `root.pem`, `maker.key` and the signed definitions of the simulated kinds.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let definitions = folder.join("definitions");
        fs::create_dir_all(&definitions)?;
        for (kind, document) in crate::profile::DEFINITIONS {
            let envelope = self.sign_definition(document)?;
            fs::write(definitions.join(format!("{kind}.definition")), envelope)?;
        }
        fs::write(folder.join("root.pem"), pem_text("CERTIFICATE", &self.certificate))?;
        fs::write(folder.join("maker.key"), self.issuer.key().serialize_pem())?;
        Ok(())
    }

    /// Reads what [`MakerCa::write`] wrote.
    ///
    /// # Errors
    /// When a file is missing or not what it should be.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let key =
            KeyPair::from_pem(&fs::read_to_string(folder.join("maker.key")).context("maker.key")?)?;
        let certificate =
            CertificateDer::from_pem_file(folder.join("root.pem")).context("root.pem")?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, certificate })
    }

    /// Its root certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> Vec<u8> {
        self.certificate.to_vec()
    }

    /// The IDevID of a device (IEEE 802.1AR: it does not expire).
    ///
    /// # Errors
    /// When the signing fails.
    pub fn idevid(&self, serial: &str) -> anyhow::Result<Identity> {
        let mut params = CertificateParams::default();
        let mut name = named(serial);
        name.push(serial_number(), serial);
        params.distinguished_name = name;
        params.not_after = date_time_ymd(9999, 12, 31);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() })
    }

    /// Signs a component definition for the maker that it names, with a new certificate of this
    /// authority for code signing.
    ///
    /// # Errors
    /// When the document has mistakes or the signing fails.
    pub fn sign_definition(&self, document: &str) -> anyhow::Result<Vec<u8>> {
        let definition = Definition::parse(document)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("{} definitions", definition.maker));
        params.distinguished_name.push(DnType::OrganizationName, definition.maker.as_str());
        params.not_after = date_time_ymd(9999, 12, 31);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let (algorithm, der) = (&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialize_der());
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &der)?;
        let chain = [certificate.der().to_vec()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        let sign = |covered: &[u8]| key.sign(&random, covered).map(|made| made.as_ref().to_vec());
        Ok(Envelope::seal(document, &chain, sign)?)
    }

    /// A certificate that looks like one of a hub: for attacks.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn forged_ldevid(&self, id: ComponentId, expired: bool) -> anyhow::Result<Identity> {
        let (mut params, key) = (ldevid_params(id)?, KeyPair::generate()?);
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() })
    }
}

/// A self-signed certificate that looks like one of a hub: for attacks.
///
/// # Errors
/// When the signing fails.
pub fn self_signed(id: ComponentId) -> anyhow::Result<Identity> {
    let (params, key) = (ldevid_params(id)?, KeyPair::generate()?);
    let certificate = params.self_signed(&key)?;
    Ok(Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() })
}

fn ldevid_params(id: ComponentId) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&id.to_string());
    params.subject_alt_names = vec![rcgen::SanType::URI(format!("urn:uuid:{id}").try_into()?)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn pem_text(label: &str, der: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A new key with a signing request for it.
pub struct KeyRequest {
    /// Key, PKCS#8 DER.
    pub key: Vec<u8>,
    /// Request, DER.
    pub request: Vec<u8>,
}

/// Makes a key and a request for the device with this serial number.
///
/// # Errors
/// When the signing fails.
pub fn key_request(serial: &str, maker: &str) -> anyhow::Result<KeyRequest> {
    let key = KeyPair::generate()?;
    request_for(&key, serial, maker)
}

/// Makes a request for a key there is.
///
/// # Errors
/// When the key is unreadable or the signing fails.
pub fn request_again(key: &[u8], serial: &str, maker: &str) -> anyhow::Result<KeyRequest> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
    request_for(
        &KeyPair::from_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256)?,
        serial,
        maker,
    )
}

fn request_for(key: &KeyPair, serial: &str, maker: &str) -> anyhow::Result<KeyRequest> {
    let mut params = CertificateParams::default();
    let mut name = named(serial);
    name.push(DnType::OrganizationName, maker);
    name.push(serial_number(), serial);
    params.distinguished_name = name;
    let request = params.serialize_request(key)?;
    Ok(KeyRequest { key: key.serialize_der(), request: request.der().to_vec() })
}

/// The certificates in a certs-only CMS message.
///
/// # Errors
/// When it is none.
pub fn certificates(der: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let info = ContentInfo::from_der(der)?;
    let signed = SignedData::from_der(&info.content.to_der()?)?;
    let set = signed.certificates.context("no certificates in the answer")?;
    set.0
        .iter()
        .map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => {
                Ok(CertificateDer::from(certificate.to_der()?))
            }
            CertificateChoices::Other(_) => anyhow::bail!("a certificate of another kind"),
        })
        .collect()
}

/// Reads a certificate of the hub into credentials.
///
/// # Errors
/// When it carries no logical id.
pub fn credentials(
    certificate: &CertificateDer<'_>,
    key: Vec<u8>,
    ca: Vec<u8>,
) -> anyhow::Result<Credentials> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate)?;
    let names = parsed.subject_alternative_name()?.context("no name in the certificate")?;
    let id = names.value.general_names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        uri.strip_prefix("urn:uuid:")?.parse().ok()
    });
    let seconds = |at: i64| u64::try_from(at).unwrap_or(0);
    Ok(Credentials {
        id: id.context("no logical id in the certificate")?,
        certificate: certificate.to_vec(),
        key,
        ca,
        validity: (
            seconds(parsed.validity().not_before.timestamp()),
            seconds(parsed.validity().not_after.timestamp()),
        ),
    })
}

/// What a component says that it runs, signed with its key.
///
/// # Errors
/// When the key is unreadable or the signing fails.
pub fn sign_report(own: &Credentials, report: &UpdateReport) -> anyhow::Result<Vec<u8>> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &own.key)?;
    let random = aws_lc_rs::rand::SystemRandom::new();
    let sign = |covered: &[u8]| key.sign(&random, covered).map(|made| made.as_ref().to_vec());
    Ok(Signed::seal(REPORT, &cbor::encode(report), std::slice::from_ref(&own.certificate), sign)?)
}

/// The head of a batch of a log, signed by a component.
///
/// # Errors
/// When its key is no P-256 key.
pub fn sign_head(own: &Credentials, head: &LogHead) -> anyhow::Result<Vec<u8>> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &own.key)?;
    let random = aws_lc_rs::rand::SystemRandom::new();
    let sign = |covered: &[u8]| key.sign(&random, covered).map(|made| made.as_ref().to_vec());
    Ok(Signed::seal(HEAD, &cbor::encode(head), std::slice::from_ref(&own.certificate), sign)?)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    Digest(digest)
}
