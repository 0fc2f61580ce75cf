//! Who may finish a TLS handshake at which door.

use super::{certificate::facts, maker::Maker};
use rustls::{
    CertificateError, DistinguishedName, Error, RootCertStore,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// Serial numbers of withdrawn certificates; the loop keeps it true. Bounded by the components there
/// are, times the certificates remembered of each.
#[derive(Clone, Debug, Default)]
pub struct Revoked(Arc<RwLock<HashSet<Vec<u8>>>>);

impl Revoked {
    /// Replaces the list.
    pub fn set(&self, serials: impl IntoIterator<Item = Vec<u8>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = serials.into_iter().collect();
    }

    fn contains(&self, serial: &[u8]) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(serial)
    }
}

/// For MQTT: certificates of the hub's CA that are not withdrawn. A resumed session skips this, so
/// the gate's `admit` asks again.
pub fn components(
    ca: &CertificateDer<'static>,
    revoked: Revoked,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    Ok(Arc::new(Components { inner: of_hub(ca)?, revoked }))
}

/// For EST: certificates of the hub's CA, expired ones within the grace time too, and IDevIDs of
/// trusted makers; a peer may also show none and bring a pairing code.
pub fn enrolment(
    ca: &CertificateDer<'static>,
    makers: Vec<Maker>,
    grace: Duration,
    revoked: Revoked,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    Ok(Arc::new(Enrolment { inner: of_hub(ca)?, makers, grace, revoked }))
}

fn of_hub(ca: &CertificateDer<'static>) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), mqtt_endpoint::tls::provider())
        .build()
        .map_err(|e| Error::General(e.to_string()))
}

#[derive(Debug)]
struct Components {
    inner: Arc<dyn ClientCertVerifier>,
    revoked: Revoked,
}

#[derive(Debug)]
struct Enrolment {
    inner: Arc<dyn ClientCertVerifier>,
    makers: Vec<Maker>,
    grace: Duration,
    revoked: Revoked,
}

fn check_revoked(certificate: &CertificateDer<'_>, revoked: &Revoked) -> Result<(), Error> {
    let known = facts(certificate).ok_or(CertificateError::BadEncoding)?;
    if revoked.contains(&known.certificate.serial) {
        return Err(CertificateError::Revoked.into());
    }
    Ok(())
}

impl Enrolment {
    /// An expired certificate of the hub's CA, judged at the last moment of its validity.
    fn verify_expired(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let known = facts(certificate).ok_or(CertificateError::BadEncoding)?;
        let end = Duration::from_secs(known.certificate.not_after.seconds());
        let ago = Duration::from_secs(now.as_secs()).saturating_sub(end);
        if ago.is_zero() || ago > self.grace {
            return Err(CertificateError::Expired.into());
        }
        self.inner.verify_client_cert(certificate, between, UnixTime::since_unix_epoch(end))
    }
}

impl ClientCertVerifier for Components {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(certificate, between, now)?;
        check_revoked(certificate, &self.revoked)?;
        Ok(verified)
    }

    signatures_of_inner!();
}

impl ClientCertVerifier for Enrolment {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Makers are many and their names long: the peer shows what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let by_hub = self
            .inner
            .verify_client_cert(certificate, between, now)
            .or_else(|error| self.verify_expired(certificate, between, now).map_err(|_| error));
        match by_hub {
            Ok(verified) => {
                check_revoked(certificate, &self.revoked)?;
                Ok(verified)
            }
            Err(_) if self.makers.iter().any(|maker| maker.signed(certificate, between, now)) => {
                Ok(ClientCertVerified::assertion())
            }
            Err(error) => Err(error),
        }
    }

    signatures_of_inner!();
}
