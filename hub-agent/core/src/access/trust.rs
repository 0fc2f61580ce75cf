//! Trust states and the ways between them.

use protocol::{
    message::TrustState::{self, Active, Pending, Quarantined, Retired, Revoked, Seen, Stale},
    time::Timestamp,
    topic::Up,
};
use serde::{Deserialize, Serialize};

/// How the hub regards a component, since when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// The state.
    pub state: TrustState,
    /// What holds it in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Since when.
    pub since: Timestamp,
    /// Why, in plain words.
    pub reason: String,
}

/// What holds a component in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// It has not said what it is; its first announcement lifts this.
    NotAnnounced,
    /// It came back with an expired certificate; a person lifts this.
    Recovered,
    /// A person wanted it; a person lifts this.
    Owner,
    /// Its identity lives twice; a person lifts this.
    Cloned,
    /// It is not proved to be at the secure default of its kind; a report that proves it lifts this.
    Baseline,
    /// Its firmware's security version fell; a person lifts this.
    RolledBack,
    /// No signed definition covers its maker and kind; one that does lifts this.
    UnknownKind,
    /// An incident made the hub contain it; a person lifts this.
    Incident,
}

impl Hold {
    /// Whether only a person lifts it.
    #[must_use]
    pub fn is_for_a_person(self) -> bool {
        match self {
            Self::Owner | Self::Cloned | Self::RolledBack | Self::Recovered | Self::Incident => {
                true
            }
            Self::NotAnnounced | Self::Baseline | Self::UnknownKind => false,
        }
    }

    /// Everything that holds.
    pub const ALL: &'static [Self] = &[
        Self::NotAnnounced,
        Self::Recovered,
        Self::Owner,
        Self::Cloned,
        Self::Baseline,
        Self::RolledBack,
        Self::UnknownKind,
        Self::Incident,
    ];
}

/// Whether a component may go from one state to another.
#[must_use]
pub fn may_go(from: TrustState, to: TrustState) -> bool {
    match from {
        Seen => matches!(to, Pending | Retired),
        Pending => matches!(to, Quarantined | Retired | Revoked),
        Quarantined => matches!(to, Active | Quarantined | Retired | Revoked),
        Active => matches!(to, Stale | Quarantined | Retired | Revoked),
        Stale => matches!(to, Active | Quarantined | Retired | Revoked),
        Revoked => false,
        Retired => matches!(to, Pending),
    }
}

/// Whether a component in this state may hold a connection.
#[must_use]
pub fn may_connect(state: TrustState) -> bool {
    match state {
        Quarantined | Active | Stale => true,
        Seen | Pending | Revoked | Retired => false,
    }
}

/// What a component in this state may say. What a quarantined one still may is decided by what holds it:
/// giving signs of life, saying what it is, what its configuration is and what happened to it, being updated, so that it can be put right; of
/// one whose identity lives twice nothing counts but that it is there.
#[must_use]
pub(crate) fn may_say(state: TrustState, hold: Option<Hold>, up: &Up) -> bool {
    match (state, up) {
        (Active | Stale, _) => true,
        (Quarantined, Up::Announce | Up::Heartbeat | Up::Bye | Up::Lost) => true,
        (
            Quarantined,
            Up::Reported | Up::UpdateRequest | Up::UpdateStatus | Up::UpdateReport | Up::Log,
        ) => hold != Some(Hold::Cloned),
        (Quarantined, Up::Stream(_) | Up::Command(..)) => false,
        (Seen | Pending | Revoked | Retired, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T3.LA.1a (negative)
    #[test]
    fn what_a_quarantined_component_may_say_depends_on_what_holds_it() {
        let stream = Up::Stream(protocol::id::Slug::new("power").expect("a name"));
        for hold in Hold::ALL {
            for up in [Up::Announce, Up::Heartbeat, Up::Bye, Up::Lost] {
                assert!(may_say(Quarantined, Some(*hold), &up));
            }
            for up in [Up::Reported, Up::UpdateRequest, Up::UpdateStatus, Up::UpdateReport, Up::Log]
            {
                assert_eq!(may_say(Quarantined, Some(*hold), &up), *hold != Hold::Cloned);
            }
            assert!(!may_say(Quarantined, Some(*hold), &stream));
        }
    }

    /// Criterion: T3.LA.1a (negative)
    #[test]
    fn no_way_leads_out_of_revoked_and_none_into_active_but_through_quarantine() {
        for from in TrustState::ALL {
            assert!(!may_go(Revoked, *from));
            let straight = may_go(*from, Active);
            assert_eq!(straight, matches!(from, Quarantined | Stale), "{from}");
            assert!(!may_go(*from, Seen));
        }
        let ways = TrustState::ALL
            .iter()
            .flat_map(|a| TrustState::ALL.iter().map(move |b| may_go(*a, *b)));
        assert_eq!(ways.filter(|way| *way).count(), 18);
    }
}
