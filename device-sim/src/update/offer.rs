//! Offers: what is believed and taken on. While anything in an offer is refused, nothing of it counts, also
//! not its anchors.

use super::{NO_JOB, Turn, Updater, crypto::AwsLc, limit, memory::Job};
use protocol::{
    cbor,
    id::JobId,
    message::{UpdateFault, UpdateOffer, UpdateStep},
    topic::Down,
    update::{Anchors, Distrust, Installed, Manifest},
};

/// Milliseconds between two refusals that are said.
const REFUSALS: u64 = 10_000;

/// An offer that nothing speaks against.
struct Good {
    offer: UpdateOffer,
    anchors: Anchors,
    manifest: Manifest,
}

/// Why an offer is refused.
struct Refusal {
    job: JobId,
    fault: UpdateFault,
    why: String,
}

impl Updater {
    /// An update is offered.
    pub fn offered(&mut self, payload: &[u8], turn: &mut Turn<'_>) {
        let offer = match cbor::decode(payload, limit(Down::UpdateOffer)) {
            Ok(offer) => offer,
            Err(error) => {
                let (job, fault, why) = (NO_JOB, UpdateFault::Malformed, error.to_string());
                return self.refuse(Refusal { job, fault, why }, turn);
            }
        };
        if is_known(&offer, turn) {
            return self.still_known(turn);
        }
        match self.judge(offer, turn) {
            Ok(good) => self.accept(good, turn),
            Err(refusal) => self.refuse(refusal, turn),
        }
    }

    /// The hub says it again, perhaps not knowing how far it got: it is told, and a pull that rests goes on.
    fn still_known(&mut self, turn: &mut Turn<'_>) {
        self.wake(turn);
        if turn.memory.unsaid.is_empty() {
            self.say_again(turn);
        }
    }

    fn judge(&self, offer: UpdateOffer, turn: &Turn<'_>) -> Result<Good, Refusal> {
        let refused = |job, fault, why: &str| Refusal { job, fault, why: why.to_owned() };
        let job = offer.job;
        if matches!(turn.step(), UpdateStep::Installing | UpdateStep::Trial) {
            return Err(refused(job, UpdateFault::Busy, "it is on trial"));
        }
        let current = Self::anchors(turn.memory)
            .ok_or_else(|| refused(job, UpdateFault::Policy, "it has no anchor"))?;
        let distrusted = |distrust: Distrust| refused(job, distrust.fault(), &distrust.to_string());
        let anchors = advance(current, &offer).map_err(distrusted)?;
        let manifest = anchors.manifest(offer.manifest.bytes(), &AwsLc).map_err(distrusted)?;
        let manifest = manifest.into_inner();
        let installed = self
            .installed(turn)
            .ok_or_else(|| refused(job, UpdateFault::Internal, "nothing runs"))?;
        manifest.fits(&installed).map_err(|fault| refused(job, fault, fault.word()))?;
        Ok(Good { offer, anchors, manifest })
    }

    fn installed(&self, turn: &Turn<'_>) -> Option<Installed<'_>> {
        let header = &self.booted.as_ref()?.header;
        Some(Installed {
            model: &self.model,
            hardware: self.hardware,
            counter: header.counter,
            image: header.image,
            slot: self.board.capacity,
            now: Some(turn.now.unix_ms / 1000),
        })
    }

    /// What runs is untouched, and so is what is under way.
    fn refuse(&mut self, refusal: Refusal, turn: &mut Turn<'_>) {
        let Refusal { job, fault, why } = refusal;
        turn.memory.note(job, fault);
        turn.changed = true;
        let again = |at: u64| turn.now.mono < at.saturating_add(REFUSALS);
        if self.refused_at.is_some_and(again) {
            return;
        }
        self.refused_at = Some(turn.now.mono);
        let why = why.chars().take(64).collect::<String>().trim().to_owned();
        self.say(turn, job, UpdateStep::Refused, Some(fault), Some(why));
    }

    fn accept(&mut self, good: Good, turn: &mut Turn<'_>) {
        let Good { offer, anchors, manifest } = good;
        let known = turn.job().filter(|job| !job.step.is_end());
        if known.is_some_and(|job| job.step.may_go(UpdateStep::Cancelled)) {
            // Another update takes its place; what there is of the same image is kept.
            self.ended(turn, UpdateStep::Cancelled, Some(UpdateFault::Cancelled));
        }
        let slot = self.booted.as_ref().map_or(1, |booted| 1 - booted.slot);
        turn.memory.anchor = Some(anchors.bytes().to_vec());
        turn.memory.job = Some(Job {
            id: offer.job,
            manifest: offer.manifest.bytes().to_vec(),
            automatic: offer.automatic,
            block: offer.block,
            window: offer.window,
            slot,
            step: UpdateStep::Idle,
            fault: None,
        });
        self.manifest = Some(manifest);
        self.go(turn, UpdateStep::Accepted, None);
        self.begin(turn);
    }
}

/// Whether it took this very offer on before, wherever that has got since.
fn is_known(offer: &UpdateOffer, turn: &Turn<'_>) -> bool {
    let same = |job: &Job| job.id == offer.job && job.manifest == offer.manifest.bytes();
    turn.job().is_some_and(same)
}

/// Goes on to the newest of the anchors offered; those up to the one in force are known already.
fn advance(current: Anchors, offer: &UpdateOffer) -> Result<Anchors, Distrust> {
    let offered = offer.anchors.items();
    let known = offered.iter().position(|one| one.bytes() == current.bytes());
    let new = &offered[known.map_or(0, |at| at + 1)..];
    new.iter().try_fold(current, |anchors, next| anchors.advance(next.bytes(), &AwsLc))
}
