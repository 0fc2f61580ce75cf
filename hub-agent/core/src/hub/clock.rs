//! What time, the store and the cloud bring about.

use super::{Hub, state::Details};
use crate::{
    access::gate::shortened,
    effect::Write,
    event::EventKind,
    input::{StoreState, Uplink},
    uplink::Finding,
};
use protocol::{
    id::{ComponentId, Digest},
    message::TrustState,
};
use std::time::Duration;

/// A member's last sign of life is written at most this late.
const SAVE_AFTER: Duration = Duration::from_secs(60);

/// Records written for that in one turn, so that a large fleet does not make a long one.
const SAVES_PER_TURN: usize = 32;

impl Hub {
    pub(super) fn tick(&mut self) {
        for id in self.presence.overdue(self.now.mono) {
            self.set_trust(id, TrustState::Stale, None, "silent for too long");
            let expected = self.detector.why_silent(id);
            let details = expected.map_or_else(Details::default, Details::because);
            self.event_with(EventKind::ComponentLost, Some(id), None, "no sign of life", details);
        }
        self.note_empty_policy();
        self.tell_again();
        if self.store == StoreState::Ok {
            self.tick_updates();
        }
        if self.store == StoreState::Ok {
            self.save_signs_of_life();
            self.tick_logs();
            self.tick_memories();
        }
        let counted = self.coalescer.flush(self.now.mono);
        self.happened(counted);
        self.tick_detection();
    }

    /// Records are written as a whole, so a sign of life is saved with whatever comes first; the
    /// rest follows in small portions once a minute.
    fn save_signs_of_life(&mut self) {
        if self.now.mono >= self.save_due {
            self.save_due = self.now.mono + SAVE_AFTER;
            self.saving.append(&mut self.unsaved);
        }
        for _ in 0..SAVES_PER_TURN {
            let Some(id) = self.saving.pop_first() else { return };
            self.save(id);
        }
    }

    /// What is still to be written before the program ends.
    #[must_use]
    pub fn last_writes(&mut self) -> Vec<Write> {
        self.saving.append(&mut self.unsaved);
        while let Some(id) = self.saving.pop_first() {
            self.save(id);
        }
        self.last_memories();
        std::mem::take(&mut self.out).writes
    }

    pub(super) fn store_changed(&mut self, state: StoreState) {
        if std::mem::replace(&mut self.store, state) == state {
            return;
        }
        match state {
            StoreState::Ok => {
                self.event(EventKind::StoreRecovered, None, None, "writes are taken again")
            }
            StoreState::Unavailable => {
                let text = "nothing can be made durable: acknowledgements are refused until disk space returns";
                self.event(EventKind::StoreDegraded, None, None, text);
            }
        }
    }

    /// The daemon was told to read its settings again.
    pub(super) fn settings_read(&mut self, refused: Option<String>) {
        match refused {
            None => {
                let text = "read again; what needs a restart waits for one";
                self.event(EventKind::SettingsRead, None, None, text);
            }
            Some(why) => {
                let text = shortened(&format!("those in force stay: {why}"));
                self.event(EventKind::SettingsRefused, None, None, text);
            }
        }
    }

    pub(super) fn uplink(&mut self, uplink: Uplink) {
        let text = match &uplink {
            Uplink::NotConfigured => "no cloud is set".to_owned(),
            Uplink::Down(why) => format!("down: {why}"),
            Uplink::Up(_) => "up".to_owned(),
            Uplink::Hello(hello) => format!("{} {} {}", hello.maker, hello.model, hello.software),
        };
        let is_down = matches!(uplink, Uplink::Down(_));
        let mut trusted = true;
        match uplink {
            Uplink::Hello(hello) => {
                // The cloud may only claim the id that its certificate's key gives it.
                let proved = self.uplink.key.map(|key: Digest| ComponentId::from_key_digest(&key));
                trusted = proved == Some(hello.id);
                self.uplink.hello = trusted.then_some(hello);
            }
            Uplink::Up(key) => {
                self.uplink.key = Some(key);
                self.uplink.state = Uplink::Up(key);
            }
            other @ (Uplink::NotConfigured | Uplink::Down(_)) => self.uplink.state = other,
        }
        let refusal = (!trusted).then_some(protocol::refusal::Refusal::IdentityMismatch);
        let details = Details::failed(is_down);
        self.event_with(EventKind::UplinkChanged, None, refusal, text, details);
    }

    /// The cloud says something about the hub's log that its owner should know. A word of the cloud alone does not make
    /// the log a damaged one; its own signature under a longer log, which the shell checked, does.
    pub(super) fn log_at_cloud(&mut self, found: Finding) {
        let kind = match found {
            Finding::Fine => return,
            Finding::Refused(_) if found.heals() => EventKind::UplinkDelayed,
            Finding::Refused(_) | Finding::Untrusted => EventKind::UplinkRefused,
            Finding::Lost { .. } => EventKind::UplinkLost,
            Finding::SetBack { .. } => EventKind::LogDamaged,
        };
        let details = Details::because(found.word().unwrap_or_default());
        self.event_with(kind, None, None, found.text(), details);
    }
}
