//! How long a record is kept is decided for its class.

use super::{Record, RecordKind};

/// A retention class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Life of the product: enrolments, configurations, updates, connections.
    Life = 1,
    /// What was refused, and what looks like an attack.
    Security = 2,
    /// What components say of their use: load, traffic, battery. Its owner may switch it off.
    Usage = 3,
    /// Incidents and what the hub did about them: nobody deletes them.
    Incident = 4,
}

impl Keep {
    /// Every class.
    pub const ALL: &'static [Self] = &[Self::Life, Self::Security, Self::Usage, Self::Incident];

    /// Its number in the log.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name in settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Life => "life",
            Self::Security => "security",
            Self::Usage => "usage",
            Self::Incident => "incident",
        }
    }
}

impl Record {
    /// Its class.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a kind without a class of its own goes by its severity"
    )]
    pub fn keep(&self) -> Keep {
        let Self { kind, severity, code, .. } = self;
        match kind {
            // That it goes on is told every minute: an attacker must not fill the disk with what nobody deletes.
            RecordKind::Incident if code.as_deref() == Some("updated") => Keep::Security,
            RecordKind::Incident | RecordKind::Contain => Keep::Incident,
            RecordKind::Health | RecordKind::NetCounters => Keep::Usage,
            _ if *severity >= super::Severity::Low => Keep::Security,
            _ => Keep::Life,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::time::Timestamp;

    /// Criterion: T1.CSA.3 (negative)
    #[test]
    fn how_an_incident_began_and_ended_stays_and_that_it_goes_on_leaves_in_time() {
        let told =
            |code: &str| Record::new(Timestamp(1), RecordKind::Incident).because(code).keep();
        for code in ["opened", "acknowledged", "closed"] {
            assert_eq!(told(code), Keep::Incident, "{code}");
        }
        assert_eq!(told("updated"), Keep::Security);
    }
}
