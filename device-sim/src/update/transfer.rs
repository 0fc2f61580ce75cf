//! From an accepted offer to a verified image in the other slot.

use super::{
    Effect, Turn, Updater,
    crypto::AwsLc,
    fetch::{Fetch, Taken, Waited},
    memory::{Job, Progress},
    slots::{Header, SlotState},
};
use protocol::{
    cbor,
    message::{Block, BlockRequest, UpdateFault, UpdateStep},
    topic::MAX_BLOCK_MESSAGE,
    update::{Crypto, Manifest},
};

/// Blocks in a row that nobody asked for, after which it hangs up.
const MOST_JUNK: u32 = 64;

impl Updater {
    /// Begins or resumes the pull of the present update; what is there of this very image stays.
    pub(super) fn begin(&mut self, turn: &mut Turn<'_>) {
        let (Some(job), Some(manifest)) = (turn.job().cloned(), self.manifest.clone()) else {
            return;
        };
        self.go(turn, UpdateStep::Fetching, None);
        self.fetching_said = (turn.now.mono, self.got(turn));
        if self.is_whole(&job, &manifest) {
            return self.verified(turn);
        }
        let count = manifest.chunk_count();
        let fetch = Fetch::new(job.id, manifest.clone(), job.block, job.window);
        match self.resumable(&job, &manifest, turn) {
            Some((_, next)) if next >= count => return self.completed(turn),
            Some((list, next)) => self.fetch = Some(fetch.resumed(list, next)),
            None => self.fetch = Some(fetch),
        }
        self.wake(turn);
    }

    /// Whether the slot holds this very image already.
    fn is_whole(&self, job: &Job, manifest: &Manifest) -> bool {
        let header = self.board.slots[job.slot].header();
        header.is_some_and(|header| {
            header.state == SlotState::Verified
                && (header.counter, header.image) == (manifest.counter, manifest.image)
        })
    }

    /// The list and the first chunk that is missing, if an earlier pull of this image left them.
    fn resumable(&self, job: &Job, manifest: &Manifest, turn: &Turn<'_>) -> Option<(Vec<u8>, u32)> {
        let progress = turn.memory.progress.filter(|one| one.image == manifest.image)?;
        let list = self.board.slots[job.slot].list(manifest.list_size()).ok()?;
        (AwsLc.sha256(&list) == manifest.chunks).then_some((list, progress.next))
    }

    /// Asks for what is missing, if there is a session.
    pub(super) fn wake(&mut self, turn: &mut Turn<'_>) {
        if let Some(fetch) = self.fetch.as_mut().filter(|_| self.online) {
            let requests = fetch.wake(turn.now.mono);
            ask(turn, &requests);
        }
    }

    /// The pull's deadline.
    pub(super) fn fetch_timer(&mut self, turn: &mut Turn<'_>) {
        let Some(fetch) = &mut self.fetch else { return };
        match fetch.timer(turn.now.mono) {
            Waited::No => {}
            Waited::Again => {
                let requests = fetch.ask(turn.now.mono);
                ask(turn, &requests);
            }
            Waited::Resting => self.go(turn, UpdateStep::Fetching, Some(UpdateFault::Stalled)),
        }
    }

    /// A block came.
    pub fn block(&mut self, payload: &[u8], turn: &mut Turn<'_>) {
        let Ok(block) = cbor::decode::<Block>(payload, MAX_BLOCK_MESSAGE) else {
            return self.junk(turn);
        };
        let slot = turn.job().map(|job| job.slot);
        let fetch = self.fetch.as_mut().filter(|fetch| fetch.is_of(&block));
        let (Some(fetch), Some(slot)) = (fetch, slot) else { return self.junk(turn) };
        let taken = fetch.take(&block, &mut self.board.slots[slot], turn.now.mono);
        if taken == Taken::Dropped {
            return self.junk(turn);
        }
        self.junk = 0;
        match taken {
            Taken::Dropped | Taken::Later => {}
            Taken::Kept => self.ask_more(turn),
            Taken::List => self.keep_list(slot, turn),
            Taken::Chunks(next) => self.keep_progress(next, turn),
            Taken::Again => {
                // What only an attack or a broken path explains is remembered, also when the next try is good.
                let job = turn.job().map(|job| job.id);
                job.into_iter().for_each(|job| turn.memory.note(job, UpdateFault::ChunkHash));
                turn.changed = true;
                self.ask_more(turn);
            }
            Taken::Failed(fault) => self.ended(turn, UpdateStep::Failed, Some(fault)),
        }
    }

    /// Something that nobody asked for.
    fn junk(&mut self, turn: &mut Turn<'_>) {
        self.junk += 1;
        if self.junk < MOST_JUNK {
            return;
        }
        self.junk = 0;
        // Data that does not end: see the attack bits.
        turn.memory.attacks |= 1 << UpdateFault::TooLarge.number();
        turn.changed = true;
        if turn.step().may_go(UpdateStep::Failed) {
            self.ended(turn, UpdateStep::Failed, Some(UpdateFault::Malformed));
        } else {
            let job = turn.job().map_or(super::NO_JOB, |job| job.id);
            turn.memory.note(job, UpdateFault::Malformed);
        }
        turn.effects.push(Effect::HangUp);
    }

    fn ask_more(&mut self, turn: &mut Turn<'_>) {
        if let Some(fetch) = &mut self.fetch {
            let requests = fetch.ask(turn.now.mono);
            ask(turn, &requests);
        }
    }

    /// The list is the right one: the slot is emptied for this image.
    fn keep_list(&mut self, slot: usize, turn: &mut Turn<'_>) {
        let (Some(fetch), Some(manifest)) = (&self.fetch, &self.manifest) else { return };
        let medium = &mut self.board.slots[slot];
        let kept = medium.erase().and_then(|()| medium.set_list(fetch.list()));
        if kept.is_err() {
            return self.ended(turn, UpdateStep::Failed, Some(UpdateFault::SlotWrite));
        }
        turn.memory.progress = Some(Progress { image: manifest.image, next: 0 });
        turn.changed = true;
        self.ask_more(turn);
    }

    /// Chunks are there and verified.
    fn keep_progress(&mut self, next: u32, turn: &mut Turn<'_>) {
        let Some(manifest) = &self.manifest else { return };
        turn.memory.progress = Some(Progress { image: manifest.image, next });
        turn.changed = true;
        if next >= manifest.chunk_count() {
            return self.completed(turn);
        }
        self.say_fetching(turn);
        self.ask_more(turn);
    }

    /// Every chunk is there: now the image as a whole, from the slot's bytes.
    fn completed(&mut self, turn: &mut Turn<'_>) {
        let (Some(slot), Some(manifest)) = (turn.job().map(|job| job.slot), self.manifest.clone())
        else {
            return;
        };
        let medium = &mut self.board.slots[slot];
        if medium.digest(manifest.size).ok() != Some(manifest.image) {
            turn.memory.progress = None;
            // A slot that cannot be emptied has no header either: it is written below only.
            let _ = medium.erase();
            return self.ended(turn, UpdateStep::Failed, Some(UpdateFault::ImageHash));
        }
        let header = Header {
            counter: manifest.counter,
            size: manifest.size,
            image: manifest.image,
            name: manifest.name.clone(),
            state: SlotState::Verified,
            chunk: manifest.chunk,
        };
        match medium.set_header(&header) {
            Ok(()) => self.verified(turn),
            Err(_) => self.ended(turn, UpdateStep::Failed, Some(UpdateFault::SlotWrite)),
        }
    }

    /// The image is whole and verified in its slot.
    pub(super) fn verified(&mut self, turn: &mut Turn<'_>) {
        self.fetch = None;
        self.go(turn, UpdateStep::Verified, None);
        self.ready(turn);
    }

    /// It waits to be told to install, if it must be told.
    pub(super) fn ready(&mut self, turn: &mut Turn<'_>) {
        self.go(turn, UpdateStep::Ready, None);
        if turn.job().is_some_and(|job| job.automatic) {
            self.install(turn);
        }
    }
}

fn ask(turn: &mut Turn<'_>, requests: &[BlockRequest]) {
    turn.effects.extend(requests.iter().map(|one| Effect::Request(cbor::encode(one))));
}
