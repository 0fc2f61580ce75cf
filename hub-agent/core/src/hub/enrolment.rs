//! First certificates, renewals, and the way back after an expiry.

use super::{Hub, state::Details};
use crate::{
    access::{
        credential::Force,
        pairing::WrongCode,
        trust::{Hold, Trust},
    },
    effect::{Answer, IssueOrder, Occasion},
    event::EventKind,
    input::{ComponentCertificate, EnrolRequest, Proof, ReenrolRequest, StoreState},
    inventory::{
        boots::Boots,
        record::{Origin, Record, Request},
    },
    persist,
    record::Peer,
};
use protocol::{
    id::{ComponentId, Digest},
    message::TrustState,
    refusal::Refusal,
};
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
};

/// Wrong codes in a row that make the owner be told.
const GUESSES_TO_TELL: u32 = 10;

impl Hub {
    pub(super) fn enrol(&mut self, request: &EnrolRequest) {
        if self.store == StoreState::Unavailable {
            self.enrol_refused(None, request.from, Refusal::StoreUnavailable);
            return;
        }
        let (id, approved) = match self.proved(request) {
            Ok(proved) => proved,
            Err(()) => return,
        };
        if let Err(why) = self.check_request(id, request) {
            self.enrol_refused(Some(id), request.from, why);
            return;
        }
        self.consider(id, request, approved);
    }

    /// Checks the proof; the answer is the component's id and whether it is approved in advance.
    fn proved(&mut self, request: &EnrolRequest) -> Result<(ComponentId, bool), ()> {
        match &request.proof {
            Proof::Idevid { key, .. } => Ok((ComponentId::from_key_digest(key), false)),
            Proof::Code(code) => {
                let total = (&mut self.counters.wrong_codes, &mut self.counters.codes_from);
                let checked =
                    self.pairing.check(code, request.key, request.from, total, self.now.wall);
                match checked {
                    Ok(approved) => Ok((ComponentId::from_key_digest(&request.key), approved)),
                    Err(wrong) => {
                        self.wrong_code(request.from, wrong);
                        Err(())
                    }
                }
            }
        }
    }

    fn wrong_code(&mut self, from: IpAddr, wrong: WrongCode) {
        self.enrol_refused(None, from, wrong.why);
        self.refuse(wrong.why, wrong.retry_after);
        if !wrong.guess {
            return;
        }
        self.write(persist::put_counters(&self.counters));
        let text = format!("a pairing code from {from}");
        let details = Details::from(SocketAddr::new(from, 0)).and_on("pairing code");
        self.event_with(EventKind::AuthFailure, None, Some(wrong.why), text, details);
        let count = self.counters.wrong_codes;
        if count >= GUESSES_TO_TELL && count.is_multiple_of(GUESSES_TO_TELL) {
            let text = format!(
                "{count} wrong pairing codes in a row, the last from {from}; close the window with: hub-agent pair close"
            );
            self.event(EventKind::EnrolGuessing, None, Some(wrong.why), text);
        }
    }

    fn check_request(&self, id: ComponentId, request: &EnrolRequest) -> Result<(), Refusal> {
        if request.claimed.is_some_and(|claimed| claimed != id) {
            return Err(Refusal::IdentityMismatch);
        }
        if !request.strong {
            return Err(Refusal::WeakKey);
        }
        let waits = |record: &&Record| record.request.as_ref().is_some_and(|r| !r.approved);
        let waiting = self.inventory.all().filter(waits).count();
        match self.inventory.get(id) {
            None if self.inventory.all().len() >= self.settings.max_components => {
                Err(Refusal::Full)
            }
            None if waiting >= self.settings.max_pending => Err(Refusal::Full),
            None => Ok(()),
            Some(record) => may_ask(record, request),
        }
    }

    /// A permitted request: remembers it, and orders the certificate once it is approved.
    fn consider(&mut self, id: ComponentId, request: &EnrolRequest, in_advance: bool) {
        let known =
            self.inventory.get(id).map(|record| (record.trust.state, record.request.clone()));
        let former = match known {
            None => {
                self.first_request(id, request);
                None
            }
            Some((TrustState::Retired, _)) => {
                if let Some(record) = self.inventory.get_mut(id) {
                    record.confirmed = false;
                }
                self.set_trust(id, TrustState::Pending, None, "asks to come back");
                None
            }
            Some((_, former)) => former,
        };
        let approved =
            in_advance || former.as_ref().is_some_and(|f| f.approved && f.key == request.key);
        if former
            .as_ref()
            .is_none_or(|former| former.key != request.key || former.approved != approved)
        {
            self.remember_request(id, request.key, approved);
        }
        if approved {
            self.asked_from.insert(id, (request.key, request.from));
        }
        self.out.answer = if approved {
            Answer::Issue(IssueOrder { id, key: request.key, occasion: Occasion::Join })
        } else {
            Answer::Wait(self.settings.retry_after)
        };
    }

    fn first_request(&mut self, id: ComponentId, request: &EnrolRequest) {
        let now = self.now.wall;
        let origin = match &request.proof {
            Proof::Idevid { maker, serial, .. } => {
                Origin::Idevid { maker: maker.clone(), serial: serial.clone() }
            }
            Proof::Code(_) => Origin::PairingCode { serial: request.serial.clone() },
        };
        let reason = "waits for its owner's approval".to_owned();
        let mut record = Record {
            id,
            name: None,
            groups: Default::default(),
            security: 0,
            on_trial: false,
            confirmed: false,
            origin,
            trust: Trust { state: TrustState::Pending, hold: None, since: now, reason },
            request: None,
            credentials: Default::default(),
            facts: None,
            goodbye: None,
            boots: Boots::default(),
            first_seen: now,
            last_seen: now,
            history: VecDeque::new(),
        };
        record.note(now, "asks to join", "", "");
        self.inventory.insert(record);
        self.event(
            EventKind::EnrolPending,
            Some(id),
            None,
            format!("asks to join, from {}", request.from),
        );
    }

    fn remember_request(&mut self, id: ComponentId, key: Digest, approved: bool) {
        if let Some(record) = self.inventory.get_mut(id) {
            record.request = Some(Request { key, approved });
        }
        self.save(id);
    }

    pub(super) fn reenrol(&mut self, request: &ReenrolRequest) {
        match self.check_reenrol(request) {
            Ok(occasion) => {
                let ReenrolRequest { id, key, from, .. } = *request;
                self.asked_from.insert(id, (key, from));
                self.out.answer = Answer::Issue(IssueOrder { id, key, occasion });
            }
            Err(why) => {
                self.enrol_refused(Some(request.id), request.from, why);
                self.refuse(why, None);
            }
        }
    }

    /// Whether a component may renew, and whether that is in time.
    fn check_reenrol(&self, request: &ReenrolRequest) -> Result<Occasion, Refusal> {
        if self.store == StoreState::Unavailable {
            return Err(Refusal::StoreUnavailable);
        }
        let record = self.inventory.get(request.id).ok_or(Refusal::Unknown)?;
        match record.trust.state {
            TrustState::Revoked => return Err(Refusal::Revoked),
            TrustState::Retired => return Err(Refusal::Retired),
            TrustState::Seen | TrustState::Pending => return Err(Refusal::NotApproved),
            TrustState::Quarantined | TrustState::Active | TrustState::Stale => {}
        }
        if request.claimed.is_some_and(|claimed| claimed != request.id) {
            return Err(Refusal::IdentityMismatch);
        }
        if !request.strong {
            return Err(Refusal::WeakKey);
        }
        match record.credentials.judge(&request.with, self.now.wall)? {
            Force::InForce => Ok(Occasion::Renewal),
            Force::Expired(ago) if ago <= self.settings.grace => Ok(Occasion::Recovery),
            Force::Expired(_) => Err(Refusal::Expired),
        }
    }

    /// The ordered certificate is signed: it counts from the moment this is durable.
    pub(super) fn issued(
        &mut self,
        id: ComponentId,
        certificate: ComponentCertificate,
        occasion: Occasion,
    ) {
        if self.store == StoreState::Unavailable {
            // Nobody gets this certificate, so it must not come into force later either.
            self.count(Refusal::StoreUnavailable.slug());
            self.refuse(Refusal::StoreUnavailable, None);
            return;
        }
        let (now, overlap) = (self.now.wall, self.settings.overlap);
        // Who renews from a known address has a known key from then on, wherever it connects next.
        let asked = self.asked_from.remove(&id).filter(|(key, _)| *key == certificate.key);
        let peer = asked.map(|(_, from)| Peer {
            fingerprint: Some(certificate.key),
            ..Peer::from(SocketAddr::new(from, 0))
        });
        let details = Details { peer, ..Details::default() };
        let Some(record) = self.inventory.get_mut(id) else { return };
        let held = record.trust.hold;
        record.note(now, "certificate", "", crate::inventory::export::hex(&certificate.serial));
        record.credentials.issue(certificate, now, overlap);
        let text = if occasion == Occasion::Recovery { "after an expiry" } else { "" };
        self.event_with(EventKind::CertIssued, Some(id), None, text, details);
        match occasion {
            Occasion::Renewal => {}
            // What a person must lift anyway stays as it is.
            Occasion::Recovery if held.is_some_and(Hold::is_for_a_person) => {}
            Occasion::Recovery => {
                let reason = "came back with an expired certificate; look at it and approve it";
                self.set_trust(id, TrustState::Quarantined, Some(Hold::Recovered), reason);
            }
            Occasion::Join => {
                self.distrust_report(id);
                // A hold that somebody must lift stays.
                if held.is_none() {
                    let reason = "has not said yet what it is";
                    self.set_trust(id, TrustState::Quarantined, Some(Hold::NotAnnounced), reason);
                }
            }
        }
        self.save(id);
    }

    fn enrol_refused(&mut self, id: Option<ComponentId>, from: IpAddr, why: Refusal) {
        self.count(why.slug());
        let details = Details::from(SocketAddr::new(from, 0));
        self.event_with(EventKind::EnrolRefused, id, Some(why), format!("from {from}"), details);
        self.refuse(why, None);
    }
}

/// Whether a known component may ask for a first certificate again.
fn may_ask(record: &Record, request: &EnrolRequest) -> Result<(), Refusal> {
    let unused = !record.credentials.used && record.credentials.current.is_some();
    match (record.trust.state, &request.proof) {
        (TrustState::Revoked, _) => Err(Refusal::Revoked),
        (TrustState::Seen | TrustState::Pending | TrustState::Retired, _) => Ok(()),
        // The answer with the certificate may have been lost on its way.
        (TrustState::Quarantined, _) if unused => Ok(()),
        // The maker's certificate proves the device itself: it was reset, and its owner decides again.
        (
            TrustState::Quarantined | TrustState::Active | TrustState::Stale,
            Proof::Idevid { .. },
        ) => Ok(()),
        (TrustState::Quarantined | TrustState::Active | TrustState::Stale, Proof::Code(_)) => {
            Err(Refusal::IdInUse)
        }
    }
}
