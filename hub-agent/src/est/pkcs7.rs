//! Certificates as EST carries them: a degenerate CMS SignedData (RFC 5652, RFC 7030 section 4.1.3).

use cms::{
    cert::CertificateChoices,
    content_info::{CmsVersion, ContentInfo},
    signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerInfos},
};
use der::{
    Any, Decode, Encode, Tag,
    asn1::{ObjectIdentifier, SetOfVec},
};
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;

const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// The DER of a certs-only message.
///
/// # Errors
/// When a certificate is none.
pub fn certs_only(certificates: &[CertificateDer<'_>]) -> Result<Vec<u8>, der::Error> {
    let mut set = Vec::new();
    for certificate in certificates {
        set.push(CertificateChoices::Certificate(Certificate::from_der(certificate)?));
    }
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::default(),
        encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
        certificates: Some(CertificateSet(set.try_into()?)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::default()),
    };
    let content = Any::new(Tag::Sequence, signed_body(&signed)?)?;
    ContentInfo { content_type: ID_SIGNED_DATA, content }.to_der()
}

/// The value of the SignedData sequence, without its header.
fn signed_body(signed: &SignedData) -> Result<Vec<u8>, der::Error> {
    let whole = signed.to_der()?;
    Ok(Any::from_der(&whole)?.value().to_vec())
}
