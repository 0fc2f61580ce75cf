//! `hub-agent component …`

use super::{
    Failure,
    client::Hub,
    show::{self, Output},
};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum Component {
    /// All components
    List,
    /// Everything about one component
    Show {
        /// Id, its beginning, or name
        id: String,
    },
    /// Approve a waiting component, release a quarantined one, or confirm that one is what it says
    Approve {
        /// Id, its beginning, or name
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All that wait for approval
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Hold a member back until it is approved again
    Quarantine(Reasoned),
    /// Withdraw a component's identity for good
    Revoke(Reasoned),
    /// Let a component leave the product
    Retire(Reasoned),
    /// Only report what a component's definition would refuse of its values, instead of enforcing it
    Trial {
        /// Id, its beginning, or name
        id: String,
    },
    /// End a trial: enforce the definition again
    Enforce {
        /// Id, its beginning, or name
        id: String,
    },
    /// Give a component a command that its definition lets the owner give
    Command {
        /// Id, its beginning, or name
        id: String,
        /// The command
        name: String,
        /// Its arguments: JSON such as '{"on": true}'
        #[arg(default_value = "{}")]
        arguments: String,
    },
    /// Give a component a name
    Rename {
        /// Id, its beginning, or name
        id: String,
        /// The new name
        name: String,
    },
    /// The label of a component: what a scanner of its QR code reads, and whether it is known
    Label {
        /// Id, its beginning, name, or what was scanned
        id: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Reasoned {
    /// Id, its beginning, or name
    id: String,
    /// Why; it is kept in the history
    #[arg(long, default_value = "the owner's wish")]
    reason: String,
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Component) -> Result<(), Failure> {
    match command {
        Component::List => list(hub, output),
        Component::Show { id } => show_one(hub, output, &id),
        Component::Approve { all: true, .. } => {
            say(output, &hub.post("/v1/approve-all", &json!({}))?, "approved")
        }
        Component::Approve { id, .. } => {
            let path = path(&id.unwrap_or_default(), "/approve");
            say(output, &hub.post(&path, &json!({}))?, "approved")
        }
        Component::Quarantine(r) => reasoned(hub, output, &r, "quarantine", "quarantined"),
        Component::Revoke(r) => reasoned(hub, output, &r, "revoke", "revoked"),
        Component::Retire(r) => reasoned(hub, output, &r, "retire", "retired"),
        Component::Rename { id, name } => {
            say(output, &hub.post(&path(&id, "/rename"), &json!({ "name": name }))?, "renamed")
        }
        Component::Trial { id } => {
            say(output, &hub.post(&path(&id, "/trial"), &json!({}))?, "on trial")
        }
        Component::Enforce { id } => {
            say(output, &hub.post(&path(&id, "/enforce"), &json!({}))?, "enforced")
        }
        Component::Command { id, name, arguments } => {
            let arguments: Value = serde_json::from_str(&arguments)
                .map_err(|e| Failure::Usage(format!("the arguments are no JSON: {e}")))?;
            let body = json!({ "name": name, "arguments": arguments });
            say(output, &hub.post(&path(&id, "/command"), &body)?, "told")
        }
        Component::Label { id } => label(hub, output, &id),
    }
}

fn reasoned(
    hub: &Hub,
    output: &Output,
    wanted: &Reasoned,
    verb: &str,
    done: &str,
) -> Result<(), Failure> {
    let path = path(&wanted.id, &format!("/{verb}"));
    say(output, &hub.post(&path, &json!({ "reason": wanted.reason }))?, done)
}

/// A component's path.
pub(super) fn path(id: &str, rest: &str) -> String {
    format!("/v1/components/{}{rest}", escaped(id))
}

/// A name in a path; everything unusual is escaped.
pub(super) fn escaped(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02x}"),
    };
    name.bytes().map(escape).collect()
}

pub(super) fn say(output: &Output, answer: &Value, done: &str) -> Result<(), Failure> {
    output.answer(answer, |answer| {
        output.raw(&format!("{}: {done}\n", show::text(&answer["changed"])))
    });
    Ok(())
}

fn list(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.get("/v1/components")?;
    output.answer(&answer, |answer| {
        let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
        output.table(
            &["id", "name", "kind", "maker", "model", "serial", "firmware", "trust", "last seen"],
            &rows,
        );
    });
    Ok(())
}

fn row(component: &Value) -> Vec<String> {
    let text = |key: &str| show::text(&component[key]);
    let waits = component["waits_for_approval"].as_bool() == Some(true);
    let mut trust = text("trust");
    if waits {
        trust.push_str(" (waits for you)");
    } else if let Some(hold) = component["hold"].as_str() {
        trust = format!("{trust} ({hold})");
    }
    let id: String = text("id").chars().take(13).collect();
    let seen: String = text("last_seen").chars().take(19).collect();
    vec![
        id,
        text("name"),
        text("kind"),
        text("maker"),
        text("model"),
        text("serial"),
        text("firmware"),
        trust,
        seen,
    ]
}

fn show_one(hub: &Hub, output: &Output, id: &str) -> Result<(), Failure> {
    let answer = hub.get(&path(id, ""))?;
    output.answer(&answer, |answer| {
        let fields = answer.as_object().into_iter().flatten().filter(|(key, _)| *key != "history");
        let rows: Vec<_> = fields.map(|(key, value)| vec![key.clone(), field(value)]).collect();
        output.table(&["", ""], &rows);
        let history = answer["history"].as_array().into_iter().flatten();
        let rows: Vec<_> = history
            .map(|c| ["at", "what", "old", "new"].map(|key| show::text(&c[key])).to_vec())
            .collect();
        output.raw("\n");
        output.table(&["at", "what", "old", "new"], &rows);
    });
    Ok(())
}

fn field(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(show::text).collect::<Vec<_>>().join(" "),
        Value::Object(_) => show::pairs(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => show::text(value),
    }
}

/// The label's text stands in its QR code too; a scanned text that is not in the inventory is called
/// unknown, not guessed.
fn label(hub: &Hub, output: &Output, id: &str) -> Result<(), Failure> {
    let id = id.split_whitespace().next().unwrap_or_default();
    let id = id.strip_prefix("urn:uuid:").unwrap_or(id);
    let answer = hub.get(&path(id, ""))?;
    let text = |key: &str| show::text(&answer[key]);
    let content = format!("urn:uuid:{} {} {}", text("id"), text("model"), text("serial"));
    let label = json!({ "label": content.trim_end(), "id": answer["id"] });
    output.answer(&label, |_| {
        output.qr(content.trim_end());
        output.raw(&format!("{}\n", content.trim_end()));
    });
    Ok(())
}
