//! Makers whose IDevIDs the hub believes.

use super::PkiError;
use hub_core::access::policy::Anchor;
use protocol::id::Label;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use std::{path::Path, sync::Arc};

/// One trusted maker.
#[derive(Clone, Debug)]
pub struct Maker {
    /// Its name in the settings.
    pub name: Label,
    verifier: Arc<dyn ClientCertVerifier>,
    roots: Vec<CertificateDer<'static>>,
}

impl Maker {
    /// Reads a maker's roots from a PEM file.
    ///
    /// # Errors
    /// When the file is unreadable or holds no certificate that can be a root.
    pub fn read(name: Label, path: &Path) -> Result<Self, PkiError> {
        let shown = path.display().to_string();
        let pem = std::fs::read(path)
            .map_err(|e| PkiError::File { path: shown.clone(), why: e.to_string() })?;
        let content = |why: String| PkiError::Content {
            path: shown.clone(),
            what: "root certificates in PEM",
            why,
        };
        let roots = certificates(&pem).map_err(content)?;
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(|e| content(e.to_string()))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(
            Arc::new(store),
            mqtt_endpoint::tls::provider(),
        );
        let verifier = builder.build().map_err(|e| content(e.to_string()))?;
        Ok(Self { name, verifier, roots })
    }

    /// Whether this maker signed the certificate.
    #[must_use]
    pub fn signed(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        self.verifier.verify_client_cert(certificate, between, now).is_ok()
    }

    /// The maker's roots, for judging definitions.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        let roots = self.roots.iter().map(|root| root.to_vec()).collect();
        Anchor { name: self.name.clone(), roots }
    }

    /// The maker's roots.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }
}

/// The certificates in a PEM text, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("no certificate in it".into()),
        Ok(all) => Ok(all),
        Err(error) => Err(error.to_string()),
    }
}
