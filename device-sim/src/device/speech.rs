//! What a device says by itself while it is online: signs of life, values of its streams, commands.

use super::{Device, Now, Output, Token};
use crate::{
    flaky::{Flaky, Flaw},
    profile::sample,
};
use protocol::{
    cbor,
    definition::Stream,
    message::{Heartbeat, TrustState, V1},
    topic::Up,
};

impl Device {
    /// What is due: a heartbeat, a value, a command.
    pub(super) fn speak(&mut self, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        if now.mono >= self.next_heartbeat {
            match self.flaky.as_mut().and_then(Flaky::at_heartbeat) {
                Some(Flaw::HangsUp) => {
                    self.disconnected(now);
                    return vec![Output::HangUp];
                }
                Some(Flaw::Restarts) => return self.restart(now),
                Some(Flaw::Repeats | Flaw::Loses) | None => {}
            }
            self.next_heartbeat = now.mono + self.interval();
            self.heartbeats += 1;
            let uptime = (now.mono - self.booted) / 1000;
            let beat = Heartbeat { version: V1, boot: self.boot, seq: self.heartbeats, uptime };
            outputs.extend(self.publish(Token::Other, Up::Heartbeat, cbor::encode(&beat), 0));
            self.note_vitals(now);
            outputs.extend(self.renewal(now));
            outputs.extend(self.drift());
        }
        if self.pace.stream > 0 && now.mono >= self.next_value {
            self.next_value = now.mono + self.pace.stream;
            if self.announced && self.trust() == Some(TrustState::Active) {
                let value = self.value();
                match self.flaky.as_mut().and_then(Flaky::at_message) {
                    Some(Flaw::Loses) => {}
                    Some(Flaw::Repeats) => {
                        outputs.extend([value.clone(), value].into_iter().flatten())
                    }
                    Some(Flaw::HangsUp | Flaw::Restarts) | None => outputs.extend(value),
                }
                outputs.extend(self.give(now));
            }
        }
        outputs.extend(self.speak_log(now));
        outputs
    }

    fn value(&mut self) -> Option<Output> {
        self.values += 1;
        self.log.vitals.sent();
        self.flash.user_data += 1;
        let streams = self.profile.streams();
        let index = usize::try_from(self.values).unwrap_or(0).checked_rem(streams.len())?;
        let Stream { name, rises, traffic, .. } = streams[index].clone();
        let mut value = sample(&traffic.schema, rises.as_deref(), &mut self.random, self.values);
        // It is what it was told to be.
        for (property, value) in value.iter_mut() {
            if let Some(told) = self.peers.state.get(property).filter(|_| rises.is_none()) {
                *value = told.clone();
            }
        }
        let payload = cbor::from_json(&value.into());
        self.publish(Token::Stream(index, self.values), Up::Stream(name), payload, 1)
    }

    fn renewal(&mut self, now: Now) -> Option<Output> {
        let due =
            self.flash.credentials.as_ref().is_some_and(|own| now.unix_ms / 1000 >= own.renew_at());
        (due && !std::mem::replace(&mut self.renewing, true)).then_some(Output::Reenrol)
    }
}
