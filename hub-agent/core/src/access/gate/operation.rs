//! What people in each role may do, apart from settings and commands of components, for which the
//! definitions say it.

use super::Denied;
use protocol::{
    definition::Role::{self, Cloud, Guest, Installer, Owner},
    refusal::Refusal,
};

/// Something that a person may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Look at the hub, at components, their settings and definitions.
    Look,
    /// Look at what happened and at whole inventories.
    Audit,
    /// Approve, quarantine, name and group components; open and close pairing.
    Install,
    /// Revoke and retire components; put definitions in force.
    Own,
    /// Bring components back to their secure default.
    Restore,
    /// Make, change and remove accounts.
    Accounts,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 6] =
        [Self::Look, Self::Audit, Self::Install, Self::Own, Self::Restore, Self::Accounts];

    /// Who may do it.
    #[must_use]
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Look => &[Owner, Installer, Guest, Cloud],
            Self::Audit | Self::Install | Self::Restore => &[Owner, Installer],
            Self::Own | Self::Accounts => &[Owner],
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Look => "looking",
            Self::Audit => "auditing",
            Self::Install => "installing",
            Self::Own => "this",
            Self::Restore => "restoring",
            Self::Accounts => "changing accounts",
        }
    }
}

/// Decides whether somebody in a role may do something.
///
/// # Errors
/// When not.
pub fn authorize_operation(role: Role, operation: Operation) -> Result<(), Denied> {
    if operation.roles().contains(&role) {
        return Ok(());
    }
    let detail = format!("{} is not for the {role}", operation.words());
    Err(Denied { refusal: Refusal::NotPermitted, detail })
}
