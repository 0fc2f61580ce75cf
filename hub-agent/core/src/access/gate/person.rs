//! What people and the cloud may change of components.

use super::{Denied, Operation, Permitted, authorize_operation};
use crate::{
    access::policy::Kind,
    input::{Actor, Wish},
};
use protocol::{
    definition::{Risk, Role},
    id::{ComponentId, Slug},
    refusal::Refusal,
};
use std::{collections::BTreeMap, fmt::Display};

/// What shall become of a component's configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// These settings change, each to a value that its definition takes.
    Settings(BTreeMap<Slug, Wish>),
    /// It goes back to its secure default.
    Restore,
}

/// Decides about a change of settings: declared, by a role that may, to a value that is taken. Of a
/// group only those are meant that have one of the settings; a component that is `named` must have all.
pub(crate) fn authorize_change(
    by: &Actor,
    id: ComponentId,
    kind: &Kind,
    wishes: &BTreeMap<Slug, Wish>,
    named: bool,
) -> Result<Option<Permitted<Change>>, Denied> {
    let denied = |refusal, detail| Denied { refusal, detail };
    let mut permitted = BTreeMap::new();
    for (name, wish) in wishes {
        let Some(setting) = kind.definition().setting(name) else {
            if named {
                let detail = format!("{kind} declares no setting {name}");
                return Err(denied(Refusal::NotDeclared, detail));
            }
            continue;
        };
        let role = by.role();
        if !setting.roles.contains(&role) {
            let detail = format!("{name} of {kind}, line {}: not for the {role}", setting.line);
            return Err(denied(Refusal::NotPermitted, detail));
        }
        step_up(by, setting.risk, name)?;
        let wish = match wish {
            Wish::Default => Wish::Default,
            Wish::Value(value) => Wish::Value(setting.kind.read(value.clone())),
        };
        if let Wish::Value(value) = &wish
            && let Err(error) = setting.kind.check(value)
        {
            let detail = format!("{name} of {kind}, line {}: {error}", setting.line);
            return Err(denied(Refusal::WrongContent, detail));
        }
        permitted.insert(name.clone(), wish);
    }
    let change = Change::Settings(permitted.clone());
    Ok((!permitted.is_empty()).then_some(Permitted { principal: id, message: change }))
}

/// What has a high risk wants a fresh login of a person who logs in.
pub(crate) fn step_up(by: &Actor, risk: Risk, name: impl Display) -> Result<(), Denied> {
    let stale = matches!(by, Actor::Person { fresh: false, .. });
    match stale && risk == Risk::High {
        true => {
            Err(Denied { refusal: Refusal::LoginTooOld, detail: format!("{name} has a high risk") })
        }
        false => Ok(()),
    }
}

/// Decides about a restore.
pub(crate) fn authorize_restore(role: Role, id: ComponentId) -> Result<Permitted<Change>, Denied> {
    authorize_operation(role, Operation::Restore)?;
    Ok(Permitted { principal: id, message: Change::Restore })
}
