//! What components run, as they sign it.

use crate::{
    access::gate,
    event::EventKind,
    hub::Hub,
    persist,
    update::{Firmware, Outcome, read_report},
};
use protocol::{
    id::{ComponentId, Digest, JobId, Nonce},
    message::{UpdateFault, UpdateOrder, UpdateReport, UpdateStep},
    signed::Signed,
};

impl Hub {
    /// Asks a component to sign what it runs.
    pub(super) fn ask_for_report(&mut self, id: ComponentId) {
        let count = self.next_nonce();
        let JobId(bytes) = self.fresh(b"nonce", count);
        let nonce = Nonce(bytes);
        self.updates.asked.insert(id, (nonce, self.now.mono));
        let order = UpdateOrder::Report;
        self.out.sends.push(gate::permit_control(id, JobId([0; 16]), order, Some(nonce)));
    }

    /// Counts in this life; the seed is another in each.
    fn next_nonce(&mut self) -> u64 {
        self.updates.counter += 1;
        self.updates.counter
    }

    /// A component signed what it runs.
    pub(in crate::hub) fn update_report(&mut self, id: ComponentId, signed: &Signed) {
        if let Err(held) = self.flows.entry(id).or_default().admit_progress(self.now.mono) {
            return self.held(id, "upd/rep", held);
        }
        let Some(record) = self.inventory.get(id) else { return };
        let credentials = &record.credentials;
        let previous = credentials.previous.as_ref().map(|(certificate, _)| certificate);
        let report = read_report(signed, credentials.current.iter().chain(previous));
        match report {
            Ok(report) => match self.contradicts(id, &report) {
                None => self.runs(id, report),
                Some(why) => self.report_refused(id, why),
            },
            Err(error) => self.report_refused(id, &error.to_string()),
        }
    }

    /// Why a report is not this component's answer to what it was asked.
    fn contradicts(&mut self, id: ComponentId, report: &UpdateReport) -> Option<&'static str> {
        let asked = self.updates.asked.get(&id).is_some_and(|(nonce, _)| *nonce == report.nonce);
        if !asked {
            return Some("its nonce is not the one it was asked with: an older report again");
        }
        self.updates.asked.remove(&id);
        if report.component != id {
            return Some("it is another component's");
        }
        (self.model_of(id).as_ref() != Some(&report.model))
            .then_some("its definition names another line of releases")
    }

    fn report_refused(&mut self, id: ComponentId, why: &str) {
        self.update_incident(id, &format!("a report of what it runs: {why}"));
        if let Some(firmware) = self.updates.firmware.get_mut(&id) {
            firmware.doubt = Some(why.to_owned());
            let write = persist::put_firmware(id, firmware);
            self.write(write);
        }
    }

    fn runs(&mut self, id: ComponentId, report: UpdateReport) {
        let known = self.updates.firmware.get(&id);
        let fell = known.is_some_and(|known| {
            report.counter < known.counter && !self.only_tried(id, known.image)
        });
        let UpdateReport { model, counter, name, image, anchor, fault, attacks, .. } = report;
        let verified = self
            .updates
            .campaigns
            .values()
            .find(|campaign| campaign.model == model && campaign.counter == counter);
        let other = verified.is_some_and(|campaign| campaign.image != image);
        let announced = self.inventory.get(id).and_then(|record| record.facts.as_ref());
        let says_else = announced.is_some_and(|facts| facts.firmware_digest != image);
        let doubt = if fell {
            Some("the counter of what it runs fell".to_owned())
        } else if other {
            Some("it runs other bytes than the release of this number".to_owned())
        } else if says_else {
            Some("it announces another digest than it signs".to_owned())
        } else {
            None
        };
        let news = known.is_none_or(|known| known.image != image || known.doubt != doubt);
        let new_attacks = attacks & !known.map_or(0, |known| known.attacks);
        let at = self.now.wall;
        let firmware = Firmware { model, counter, name, image, anchor, at, doubt, fault, attacks };
        self.write(persist::put_firmware(id, &firmware));
        let doubt = firmware.doubt.clone();
        self.updates.firmware.insert(id, firmware);
        if let Some(doubt) = doubt.filter(|_| news) {
            self.count("firmware-mismatch");
            self.event(EventKind::FirmwareMismatch, Some(id), None, doubt);
        }
        if new_attacks != 0 {
            let words = attack_words(new_attacks).join(", ");
            self.update_incident(id, &format!("it refused what only an attack explains: {words}"));
        }
        self.updates.stirred = true;
        self.close_job(id);
    }

    /// Whether a component only tried this image: its own bootloader takes it back to what it ran before.
    fn only_tried(&self, id: ComponentId, image: Digest) -> bool {
        let job = self.updates.jobs.get(&id).filter(|job| job.image == image);
        job.is_some_and(|job| {
            job.outcome != Some(Outcome::Confirmed) && job.step != Some(UpdateStep::Confirmed)
        })
    }

    /// A report may end the update that it proves, or contradict what was said of it.
    fn close_job(&mut self, id: ComponentId) {
        let Some(job) = self.updates.jobs.get(&id).filter(|job| job.outcome.is_none()) else {
            return;
        };
        let Some(firmware) = self.updates.firmware.get(&id) else { return };
        let runs_it = firmware.image == job.image && firmware.doubt.is_none();
        let said_so = job.step == Some(UpdateStep::Confirmed);
        match (runs_it, said_so) {
            // A trial runs it too, and may yet go back.
            (true, false) if job.step.is_some() => {}
            (true, _) => self.end(id, Outcome::Confirmed, None),
            (false, true) => {
                self.update_incident(id, "it confirmed an update and runs something else");
                self.end(id, Outcome::Failed, Some(UpdateFault::ImageHash));
            }
            (false, false) => {}
        }
    }
}

fn attack_words(bits: u32) -> Vec<&'static str> {
    let set = |fault: &&UpdateFault| bits & (1 << fault.number()) != 0;
    UpdateFault::ALL.iter().filter(set).map(|fault| fault.word()).collect()
}
