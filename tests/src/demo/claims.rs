//! A claim is printed with its verdict, never without.

use super::show;
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Claim {
    text: String,
    held: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    found: String,
}

#[derive(Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Prints a claim that was checked; `found` says what was found instead when it did not hold.
    pub(super) fn check(&mut self, text: impl Into<String>, held: bool, found: impl Into<String>) {
        let (text, found) = (text.into(), if held { String::new() } else { found.into() });
        show::line(&format!("  {} {text}{}", if held { "✓" } else { "✗" }, more(&found)));
        self.0.push(Claim { text, held, found });
    }

    pub(super) fn all_held(&self) -> bool {
        self.0.iter().all(|claim| claim.held)
    }

    pub(super) fn all(&self) -> &[Claim] {
        &self.0
    }
}

fn more(found: &str) -> String {
    if found.is_empty() { String::new() } else { format!("\n      found: {found}") }
}
