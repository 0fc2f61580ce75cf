//! Enrolment over EST: the service's backend, answered by the hub; the CA signs what the hub orders.

use crate::{
    est::{EnrolCall, EstAnswer, EstBackend, EstProof, ReenrolCall},
    pki::{certificate::Facts, request::SigningRequest},
    run::HubCell,
};
use hub_core::{Answer, EnrolRequest, Input, IssueOrder, Proof, ReenrolRequest};
use protocol::refusal::Refusal;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::{net::IpAddr, rc::Rc};

/// The enrolment desk.
pub struct Desk {
    cell: Rc<HubCell>,
}

impl Desk {
    /// A desk of this hub.
    #[must_use]
    pub fn new(cell: Rc<HubCell>) -> Self {
        Self { cell }
    }

    fn proof(&self, proof: EstProof) -> Result<Proof, Refusal> {
        let (facts, chain) = match proof {
            EstProof::Code(code) => return Ok(Proof::Code(code)),
            EstProof::Certificate { facts, chain } => (facts, chain),
        };
        // A certificate of the hub's own CA asks for renewal at the other door.
        let (first, between) = chain.split_first().ok_or(Refusal::NoCertificate)?;
        let now = UnixTime::now();
        let maker = self.cell.makers().iter().find(|maker| maker.signed(first, between, now));
        let maker = maker.ok_or(Refusal::UntrustedIssuer)?.name.clone();
        Ok(Proof::Idevid { maker, key: facts.certificate.key, serial: facts.device_serial })
    }

    async fn decide(&self, input: Input, request: &SigningRequest) -> EstAnswer {
        match self.cell.apply_durably(input).await {
            Ok(Answer::Issue(order)) => self.issue(order, request).await,
            Ok(Answer::Wait(time)) => EstAnswer::Wait(time),
            Ok(Answer::Refused { why, retry_after, .. }) => EstAnswer::Refused { why, retry_after },
            Ok(
                Answer::Done
                | Answer::Paced
                | Answer::Changed(_)
                | Answer::PairingOpen(_)
                | Answer::LoggedIn(_)
                | Answer::Defined { .. }
                | Answer::NotDefined(_),
            ) => refused(Refusal::Internal),
            Err(why) => refused(why),
        }
    }

    /// Signs, records, and hands out only what is recorded.
    async fn issue(&self, order: IssueOrder, request: &SigningRequest) -> EstAnswer {
        if order.key != request.key_digest {
            return refused(Refusal::Internal);
        }
        let (life, now) = (self.cell.settings().certificate_life, self.cell.now().wall);
        let (certificate, facts) = match self.cell.ca().issue(order.id, request, life, now) {
            Ok(signed) => signed,
            Err(error) => {
                tracing::error!("{error}");
                return refused(Refusal::Internal);
            }
        };
        let Facts { certificate: known, .. } = facts;
        let issued = Input::Issued { id: order.id, certificate: known, occasion: order.occasion };
        match self.cell.apply_durably(issued).await {
            Ok(Answer::Refused { why, retry_after, .. }) => EstAnswer::Refused { why, retry_after },
            Ok(_) => EstAnswer::Issued(certificate),
            Err(why) => refused(why),
        }
    }
}

fn refused(why: Refusal) -> EstAnswer {
    EstAnswer::Refused { why, retry_after: None }
}

impl EstBackend for Desk {
    fn cacerts(&self) -> Vec<CertificateDer<'static>> {
        vec![self.cell.ca().certificate().clone()]
    }

    async fn enrol(&self, call: EnrolCall) -> EstAnswer {
        let EnrolCall { request, proof, from } = call;
        let proof = match self.proof(proof) {
            Ok(proof) => proof,
            Err(why) => {
                self.refused(from, why);
                return refused(why);
            }
        };
        let input = Input::Enrol(EnrolRequest {
            key: request.key_digest,
            strong: true,
            claimed: request.claimed,
            serial: request.serial.clone(),
            proof,
            from,
        });
        self.decide(input, &request).await
    }

    async fn reenrol(&self, call: ReenrolCall) -> EstAnswer {
        let ReenrolCall { request, with, from } = call;
        let Some(id) = with.id else {
            self.refused(from, Refusal::IdentityMismatch);
            return refused(Refusal::IdentityMismatch);
        };
        let input = Input::Reenrol(ReenrolRequest {
            with: with.certificate,
            id,
            key: request.key_digest,
            strong: true,
            claimed: request.claimed,
            from,
        });
        self.decide(input, &request).await
    }

    fn revocation_list(&self) -> Option<Vec<u8>> {
        let now = self.cell.now().wall;
        let revoked = self.cell.look(|hub| hub.revoked_certificates(now));
        self.cell.ca().revocation_list(&revoked, now).ok()
    }

    fn refused(&self, from: IpAddr, why: Refusal) {
        let from = Some((from, 0).into());
        self.cell.apply(Input::Denied { who: None, from, refusal: why, about: "enrolment".into() });
    }
}
