//! What a device does with others of its product: it obeys commands, hears values, and gives the commands
//! that their makers let its kind give.

use super::{Device, Now, Output, Token};
use crate::{
    assertion::{Disbelief, Place},
    profile::{Kinds, sample},
};
use protocol::{
    cbor,
    id::{ComponentId, Slug},
    message::{Action, Assertion},
    time::Timestamp,
    topic::Up,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Others a device remembers.
const MOST: usize = 16;

/// What a device knows of others.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// What there is to know of kinds.
    kinds: Option<Kinds>,
    heard: BTreeMap<ComponentId, Slug>,
    /// Commands given so far.
    given: u64,
    /// When the next command of a name may be given: its maker says how often.
    next: BTreeMap<Slug, u64>,
    /// What the commands it obeyed set, by the name of the argument.
    pub(super) state: Map<String, Value>,
}

impl Device {
    /// The same device, which gives the commands that these kinds take from it.
    #[must_use]
    pub fn with_peers(mut self, kinds: Kinds) -> Self {
        self.peers.kinds = Some(kinds);
        self
    }

    /// What another says, as the hub vouches for it.
    pub(super) fn relayed(&mut self, bytes: &[u8], now: Now) -> Vec<Output> {
        let Some(credentials) = &self.flash.credentials else { return Vec::new() };
        let place = Place {
            ca: &credentials.ca,
            own: credentials.id,
            started: Timestamp((now.unix_ms).saturating_sub(now.mono - self.booted)),
            now: Timestamp(now.unix_ms),
        };
        match self.believer.believe(bytes, &place) {
            Ok(assertion) => self.believed(assertion, now).into_iter().collect(),
            Err(disbelief) => vec![Output::Disbelieved(disbelief)],
        }
    }

    fn believed(&mut self, assertion: Assertion, now: Now) -> Option<Output> {
        match assertion.action {
            Action::Stream => {
                if self.peers.heard.len() < MOST {
                    self.peers.heard.insert(assertion.sender, assertion.kind.clone());
                }
                Some(Output::Heard(Box::new(assertion)))
            }
            Action::Command => {
                // Its own definition holds whatever the hub says.
                let is_known = self.profile.definition().command(&assertion.name).is_some();
                self.note_command(&assertion.name, is_known, now);
                if !is_known {
                    return Some(Output::Disbelieved(Disbelief::Broken));
                }
                if let Ok(Value::Object(arguments)) = cbor::to_json(&assertion.payload.0) {
                    self.peers.state.extend(arguments);
                }
                Some(Output::Obeyed(Box::new(assertion)))
            }
        }
    }

    /// The next command for one of those it heard, if its kind may give them any.
    pub(super) fn give(&mut self, now: Now) -> Option<Output> {
        let own = self.profile.definition().kind.clone();
        let kinds = self.peers.kinds.as_ref()?;
        let takes = |(id, kind): (&ComponentId, &Slug)| {
            let profile = kinds.named(kind.as_str()).ok()?.clone();
            let commands = &profile.definition().commands;
            let taken = commands.iter().find(|command| command.from.contains(&own))?.clone();
            Some((*id, taken))
        };
        let all: Vec<_> = self.peers.heard.iter().filter_map(takes).collect();
        // Those that are heard take turns, also when one may not be told again so soon.
        let turn = usize::try_from(self.values).unwrap_or(0);
        let (receiver, command) = all.get(turn.checked_rem(all.len())?)?.clone();
        if self.peers.next.get(&command.name).is_some_and(|next| now.mono < *next) {
            return None;
        }
        let pause = 60_000 / u64::from(command.traffic.per_minute.max(1));
        self.peers.next.insert(command.name.clone(), now.mono + pause);
        self.peers.given += 1;
        let arguments = sample(&command.traffic.schema, None, &mut self.random, 0);
        let payload = cbor::from_json(&Value::Object(arguments));
        let token = Token::Command(self.peers.given);
        self.publish(token, Up::Command(receiver, command.name), payload, 1)
    }
}
