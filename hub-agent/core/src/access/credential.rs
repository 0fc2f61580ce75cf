//! Which certificates are in force.

use super::{gate::state_refusal, trust};
use crate::input::ComponentCertificate;
use protocol::{message::TrustState, refusal::Refusal, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Revoked certificates remembered per component; the oldest is the first to expire anyway.
const REVOKED: usize = 8;

/// The certificates of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The newest certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<ComponentCertificate>,
    /// Whether the newest one was ever used to connect.
    #[serde(default)]
    pub used: bool,
    /// The one before, in force until then or until the newest is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<(ComponentCertificate, Timestamp)>,
    /// Withdrawn ones that have not expired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<RevokedCertificate>,
}

/// A certificate on the revocation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedCertificate {
    /// Serial number.
    pub serial: Vec<u8>,
    /// When it was withdrawn.
    pub at: Timestamp,
    /// When it would have expired.
    pub expires: Timestamp,
    /// Whether its component merely left.
    pub retired: bool,
}

/// Whether a certificate is good now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is.
    InForce,
    /// It was, until it expired so long ago.
    Expired(Duration),
}

impl Credentials {
    /// Judges a certificate that the hub's CA signed.
    ///
    /// # Errors
    /// When it is not one of this component's, or not any more.
    pub fn judge(&self, shown: &ComponentCertificate, now: Timestamp) -> Result<Force, Refusal> {
        let is =
            |known: &ComponentCertificate| known.serial == shown.serial && known.key == shown.key;
        let current = self.current.as_ref().is_some_and(is);
        let previous =
            self.previous.as_ref().is_some_and(|(known, until)| is(known) && now < *until);
        if !current && !previous {
            return Err(Refusal::Superseded);
        }
        if now > shown.not_after {
            return Ok(Force::Expired(now.since(shown.not_after)));
        }
        Ok(Force::InForce)
    }

    /// A new certificate; the one that the component surely has stays in force for a while in case this one
    /// gets lost, also when the one between got lost.
    pub fn issue(&mut self, new: ComponentCertificate, now: Timestamp, overlap: Duration) {
        let former = self.current.replace(new);
        let held = self.previous.take().filter(|_| !self.used).map(|(held, _)| held);
        let kept = held.or(former).filter(|kept| kept.not_after > now);
        self.previous = kept.map(|kept| (kept, now.plus(overlap)));
        self.used = false;
    }

    /// The newest certificate was used; the answer is whether that was news.
    pub fn note_use(&mut self, serial: &[u8]) -> bool {
        let newest = self.current.as_ref().is_some_and(|current| current.serial == serial);
        let news = newest && (!self.used || self.previous.is_some());
        if newest {
            self.used = true;
            self.previous = None;
        }
        news
    }

    /// Withdraws everything.
    pub fn revoke(&mut self, now: Timestamp, retired: bool) {
        let former = self.previous.take().map(|(former, _)| former);
        for certificate in self.current.take().into_iter().chain(former) {
            if self.revoked.len() == REVOKED {
                self.revoked.remove(0);
            }
            let ComponentCertificate { serial, not_after, .. } = certificate;
            self.revoked.push(RevokedCertificate { serial, at: now, expires: not_after, retired });
        }
    }
}

/// Whether a component in this state may connect with this certificate.
pub(crate) fn admit(
    state: TrustState,
    credentials: &Credentials,
    shown: &ComponentCertificate,
    now: Timestamp,
) -> Result<(), Refusal> {
    if !trust::may_connect(state) {
        return Err(state_refusal(state));
    }
    match credentials.judge(shown, now)? {
        Force::InForce => Ok(()),
        Force::Expired(_) => Err(Refusal::Expired),
    }
}
