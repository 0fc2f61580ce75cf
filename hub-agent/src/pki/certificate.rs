//! Facts out of certificates that were verified elsewhere.

use aws_lc_rs::digest::{SHA256, digest};
use hub_core::ComponentCertificate;
use protocol::{
    id::{ComponentId, Digest, Label},
    time::Timestamp,
};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    oid_registry::OID_X509_SERIALNUMBER,
    prelude::FromDer,
    x509::X509Name,
};

/// What the hub wants to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Serial number, key and validity.
    pub certificate: ComponentCertificate,
    /// The logical id in its subject alternative name.
    pub id: Option<ComponentId>,
    /// The serial number of the device in its subject.
    pub device_serial: Option<Label>,
}

/// Reads an end-entity certificate.
#[must_use]
pub fn facts(der: &[u8]) -> Option<Facts> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let validity = certificate.validity();
    let seconds = |at: i64| Timestamp::from_seconds(u64::try_from(at).unwrap_or(0));
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|names| &names.value.general_names);
    Some(Facts {
        certificate: ComponentCertificate {
            serial: certificate.raw_serial().to_vec(),
            key: sha256(certificate.public_key().raw),
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
        },
        id: names.and_then(|names| id_among(names)),
        device_serial: device_serial(certificate.subject()),
    })
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest(out)
}

/// The logical id among subject alternative names: the first `urn:uuid:` of version 8.
pub(super) fn id_among(names: &[GeneralName<'_>]) -> Option<ComponentId> {
    names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        uri.strip_prefix("urn:uuid:")?.parse().ok()
    })
}

/// The ids that a request's extensions claim.
pub(super) fn id_in(extension: &ParsedExtension<'_>) -> Option<ComponentId> {
    let ParsedExtension::SubjectAlternativeName(names) = extension else { return None };
    id_among(&names.general_names)
}

/// The serialNumber attribute of a subject (X.520, OID 2.5.4.5).
pub(super) fn device_serial(subject: &X509Name<'_>) -> Option<Label> {
    let attribute = subject.iter_by_oid(&OID_X509_SERIALNUMBER).next()?;
    Label::new(attribute.as_str().ok()?).ok()
}
