//! How a device takes part in updates: what happens to it reaches its [`Updater`], and what that wants done
//! becomes outputs.

use super::{Device, Now, Output, Token};
use crate::{
    flaky::{Flaky, Flaw},
    profile::GroundTruth,
    update::{Board, Dead, Effect, Turn, Updater},
};
use protocol::{
    id::{Digest, Label},
    message::Announcement,
    topic::{Down, Up},
};

impl Device {
    /// The same device with these slots and words.
    #[must_use]
    pub fn with_board(mut self, board: Board) -> Self {
        self.updater = self.updater.map(|old| old.with_board(board));
        self
    }

    /// The same device, whose factory image pins this anchor; one that it went on to stays.
    #[must_use]
    pub fn with_anchor(mut self, anchor: &[u8]) -> Self {
        self.flash.update.anchor.get_or_insert_with(|| anchor.to_vec());
        self
    }

    /// Its updates, if its definition names a line of releases.
    #[must_use]
    pub fn updater(&self) -> Option<&Updater> {
        self.updater.as_ref()
    }

    /// The power goes: what is left is its board as it was written, and its flash as its carrier last saved
    /// it.
    #[must_use]
    pub fn cut_power(self) -> Option<Board> {
        self.updater.map(Updater::into_board)
    }

    /// What is true of it, with what runs from its slot.
    #[must_use]
    pub fn truth(&self) -> GroundTruth {
        let mut truth = self.profile.truth(&self.flash.serial, self.id().map(|id| id.to_string()));
        if let Some((name, image)) = self.running() {
            (truth.firmware, truth.firmware_digest) = (name.to_string(), image.to_string());
        }
        truth
    }

    /// The name and digest of what runs from its slot.
    fn running(&self) -> Option<(Label, Digest)> {
        let header = &self.updater.as_ref()?.booted()?.header;
        Some((header.name.clone(), header.image))
    }

    /// The announcement says what runs, not what left the factory.
    pub(super) fn with_running(&self, announcement: Announcement) -> Announcement {
        match self.running() {
            Some((firmware, firmware_digest)) => {
                Announcement { firmware, firmware_digest, ..announcement }
            }
            None => announcement,
        }
    }

    /// What the bootloader starts.
    pub(super) fn boot(&mut self, now: Now) -> Result<Vec<Output>, Dead> {
        let mut result = Ok(());
        let outputs = self.update(now, |updater, turn| result = updater.start(turn));
        result.map(|()| outputs)
    }

    /// A message about updates.
    pub(super) fn update_message(&mut self, down: Down, payload: &[u8], now: Now) -> Vec<Output> {
        if down == Down::UpdateBlock {
            match self.flaky.as_mut().and_then(Flaky::at_block) {
                Some(Flaw::Restarts) => return self.restart(now),
                Some(Flaw::Loses) => return Vec::new(),
                Some(Flaw::HangsUp | Flaw::Repeats) | None => {}
            }
        }
        self.update(now, |updater, turn| match down {
            Down::UpdateOffer => updater.offered(payload, turn),
            Down::UpdateBlock => updater.block(payload, turn),
            Down::UpdateControl => updater.control(payload, turn),
            Down::Trust | Down::Config | Down::Relayed | Down::LogControl => {}
        })
    }

    /// The hub took one of its subscriptions, or did not; with the last one the session is complete.
    pub(super) fn subscription(&mut self, taken: bool, now: Now) -> Vec<Output> {
        self.subscribing = match (self.subscribing, taken) {
            (Some(waiting), true) if waiting > 1 => Some(waiting - 1),
            (Some(_), true) => {
                self.subscribing = None;
                return self.update(now, Updater::subscribed);
            }
            (_, false) | (None, true) => None,
        };
        Vec::new()
    }

    /// Lets the updater take a step, if there is one.
    pub(super) fn update(
        &mut self,
        now: Now,
        step: impl FnOnce(&mut Updater, &mut Turn<'_>),
    ) -> Vec<Output> {
        let own = self.id();
        let Some(updater) = &mut self.updater else { return Vec::new() };
        let mut turn = Turn::new(&mut self.flash.update, now, own);
        step(updater, &mut turn);
        let effects = turn.effects();
        effects.into_iter().flat_map(|effect| self.effect(effect, now)).collect()
    }

    fn effect(&mut self, effect: Effect, now: Now) -> Vec<Output> {
        match effect {
            Effect::Save => vec![Output::Save],
            Effect::Status(seq, payload) => {
                self.note_update(&payload, now);
                let status = self.publish(Token::Status(seq), Up::UpdateStatus, payload, 1);
                status.into_iter().collect()
            }
            Effect::Request(payload) => {
                let request = self.publish(Token::Other, Up::UpdateRequest, payload, 0);
                let twice = self.flaky.as_mut().is_some_and(Flaky::repeats_request);
                let again = request.clone().filter(|_| twice);
                request.into_iter().chain(again).collect()
            }
            Effect::Report(report) => vec![Output::Report(report)],
            Effect::HangUp => {
                self.disconnected(now);
                vec![Output::HangUp]
            }
            Effect::Reboot => vec![Output::Reboot],
            Effect::SelfTest(passes) => vec![Output::SelfTest(passes)],
        }
    }
}
