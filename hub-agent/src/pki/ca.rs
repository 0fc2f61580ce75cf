//! The CA of the hub's home: made at the first start, kept in the data directory.

use super::{
    PkiError,
    certificate::{Facts, facts, sha256},
    files,
    request::SigningRequest,
    signer::Signer,
};
use hub_core::access::credential::RevokedCertificate;
use protocol::{
    id::{ComponentId, Digest},
    time::Timestamp,
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{path::Path, time::Duration};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Life of the CA's own certificate.
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Life of the hub's server certificate; it is made anew at each start.
const SERVER_LIFE: Duration = Duration::from_secs(825 * 24 * 3600);

/// Life of the certificate that vouches for what is relayed.
const SIGNER_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// id-kp-documentSigning (RFC 9336), as `protocol::message::assertion::KEY_USAGE` has it encoded.
const DOCUMENT_SIGNING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 36];

/// Clocks of components may be this much behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// How long a revocation list is good for.
const CRL_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The hub's certificate authority.
pub struct HubCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    key_digest: Digest,
}

/// A certificate with its key, as TLS wants them.
pub struct Identity {
    /// The chain, end entity first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl HubCa {
    /// Loads the CA from a folder, or makes it there.
    ///
    /// # Errors
    /// When the files are exposed, unreadable or not what they should be.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, PkiError> {
        files::private_folder(folder)?;
        let (key_path, certificate_path) = (folder.join("ca.key"), folder.join("ca.crt"));
        let make_key =
            || KeyPair::generate().map(|key| key.serialize_pem().into_bytes()).map_err(signing);
        let key = Zeroizing::new(files::secret_or(&key_path, make_key)?);
        let key = pem_key(&key_path, &key)?;
        let make_certificate =
            || ca_params(now)?.self_signed(&key).map(|c| c.pem().into_bytes()).map_err(signing);
        let pem = files::secret_or(&certificate_path, make_certificate)?;
        let content = |why: String| PkiError::Content {
            path: certificate_path.display().to_string(),
            what: "the certificate of ca.key",
            why,
        };
        let certificate = super::maker::certificates(&pem).map_err(content)?.swap_remove(0);
        let known = facts(&certificate).ok_or_else(|| content("not a certificate".into()))?;
        let key_digest = sha256(&rcgen::PublicKeyData::subject_public_key_info(&key));
        if known.certificate.key != key_digest {
            return Err(content("it is of another key".into()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(signing)?;
        Ok(Self { issuer, certificate, key_digest })
    }

    /// The CA's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The hub's logical id.
    #[must_use]
    pub fn hub_id(&self) -> ComponentId {
        ComponentId::from_key_digest(&self.key_digest)
    }

    /// SHA-256 of the CA's certificate, which people compare when they pair.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        sha256(&self.certificate)
    }

    /// Signs the LDevID of a component.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn issue(
        &self,
        id: ComponentId,
        request: &SigningRequest,
        life: Duration,
        now: Timestamp,
    ) -> Result<(CertificateDer<'static>, Facts), PkiError> {
        let mut params = leaf_params(&id.to_string(), now, life)?;
        let uri = format!("urn:uuid:{id}").try_into().map_err(signing)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(&request.key, &self.issuer).map_err(signing)?;
        let known =
            facts(signed.der()).ok_or_else(|| PkiError::Signing("unreadable result".into()))?;
        Ok((signed.der().clone(), known))
    }

    /// Makes a certificate and key for the hub's own servers under these names.
    ///
    /// # Errors
    /// When a name is impossible or the signing fails.
    pub fn server(&self, names: &[String], now: Timestamp) -> Result<Identity, PkiError> {
        let mut params = leaf_params("hub-agent", now, SERVER_LIFE)?;
        params.subject_alt_names =
            CertificateParams::new(names).map_err(signing)?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(signing)?;
        let signed = params.signed_by(&key, &self.issuer).map_err(signing)?;
        Ok(identity(&signed, &key, &self.certificate))
    }

    /// Makes a key and certificate to vouch for what is relayed.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn signer(&self, now: Timestamp) -> Result<Signer, PkiError> {
        let mut params = leaf_params("hub-agent relay", now, SIGNER_LIFE)?;
        let uri = format!("urn:uuid:{}", self.hub_id()).try_into().map_err(signing)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.into())];
        let key = KeyPair::generate().map_err(signing)?;
        let signed = params.signed_by(&key, &self.issuer).map_err(signing)?;
        let renew_at = now.plus(SIGNER_LIFE * 2 / 3);
        Signer::new(&Zeroizing::new(key.serialize_der()), signed.der().to_vec(), renew_at)
    }

    /// The revocation list, DER. Its number is the time, so it only grows.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn revocation_list(
        &self,
        revoked: &[RevokedCertificate],
        now: Timestamp,
    ) -> Result<Vec<u8>, PkiError> {
        let entry = |revoked: &RevokedCertificate| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&revoked.serial),
            revocation_time: date(revoked.at),
            reason_code: Some(match revoked.retired {
                true => RevocationReason::CessationOfOperation,
                false => RevocationReason::KeyCompromise,
            }),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date(now),
            next_update: date(now.plus(CRL_LIFE)),
            crl_number: SerialNumber::from_slice(&now.0.to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).map(|list| list.der().to_vec()).map_err(signing)
    }
}

fn identity(certificate: &Certificate, key: &KeyPair, ca: &CertificateDer<'static>) -> Identity {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { chain: vec![certificate.der().clone(), ca.clone()], key }
}

fn ca_params(now: Timestamp) -> Result<CertificateParams, PkiError> {
    let mut params = leaf_params("hub-agent home CA", now, CA_LIFE)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    Ok(params)
}

fn leaf_params(
    common_name: &str,
    now: Timestamp,
    life: Duration,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.serial_number = Some(serial()?);
    params.not_before = date(Timestamp(now.0.saturating_sub(BACKDATED.as_millis() as u64)));
    params.not_after = date(now.plus(life));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// 127 random bits, positive as RFC 5280 wants them.
fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PkiError::Randomness)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn date(at: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn pem_key(path: &Path, pem: &[u8]) -> Result<KeyPair, PkiError> {
    let content = |why: String| PkiError::Content {
        path: path.display().to_string(),
        what: "a private key",
        why,
    };
    let text = std::str::from_utf8(pem).map_err(|e| content(e.to_string()))?;
    KeyPair::from_pem(text).map_err(|e| content(e.to_string()))
}

fn signing(error: impl std::fmt::Display) -> PkiError {
    PkiError::Signing(error.to_string())
}
