//! `hub-agent config …` and `hub-agent group …`

use super::{
    Failure,
    client::Hub,
    component::escaped,
    show::{self, Output},
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

#[derive(Subcommand)]
pub(super) enum Config {
    /// What every component shall be, and whether it is
    List,
    /// Every setting of a component: what it shall be, what it is, what it may be
    Show {
        /// Id, its beginning, or name
        component: String,
    },
    /// Change settings; what a definition does not take never leaves the hub
    Set {
        #[command(flatten)]
        whose: Whose,
        /// NAME=VALUE, or NAME=default for the secure default
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
    },
    /// Bring back the secure default, and wipe settings and user data
    Restore {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// Of this component: id, its beginning, or name
    #[arg(short, long)]
    component: Option<String>,
    /// Of all of a kind
    #[arg(long)]
    kind: Option<String>,
    /// Of all in a group
    #[arg(long)]
    group: Option<String>,
    /// Of all
    #[arg(long)]
    all: bool,
}

impl Whose {
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let texts = [("component", &self.component), ("kind", &self.kind), ("group", &self.group)];
        for (key, value) in texts {
            if let Some(value) = value {
                body.insert(key.into(), value.as_str().into());
            }
        }
        if self.all {
            body.insert("all".into(), true.into());
        }
        body
    }
}

#[derive(Subcommand)]
pub(super) enum Group {
    /// Put a component into a group
    Add {
        /// The group, such as kitchen
        group: String,
        /// Id, its beginning, or name
        component: String,
    },
    /// Take a component out of a group
    Remove {
        /// The group
        group: String,
        /// Id, its beginning, or name
        component: String,
    },
    /// Which components are in which group
    List,
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Config) -> Result<(), Failure> {
    match command {
        Config::List => list(hub, output),
        Config::Show { component } => show(hub, output, &component),
        Config::Set { whose, changes } => {
            let mut set = Map::new();
            for text in &changes {
                let (name, value) = setting(text)?;
                if set.insert(name.to_owned(), value).is_some() {
                    return Err(Failure::Usage(format!("{name} is given twice")));
                }
            }
            let mut body = whose.body();
            body.insert("set".into(), set.into());
            change(hub, output, body, "to be set")
        }
        Config::Restore { whose } => {
            let mut body = whose.body();
            body.insert("restore".into(), true.into());
            change(hub, output, body, "to be restored")
        }
    }
}

/// `level=50`, `mode=as-before`, `level=default`. What is no JSON is a text.
fn setting(text: &str) -> Result<(&str, Value), Failure> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::Usage(format!("{text}: give NAME=VALUE or NAME=default")))?;
    let value = match value {
        "default" => Value::Null,
        _ => match serde_json::from_str(value) {
            Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
            Ok(_) | Err(_) => value.into(),
        },
    };
    Ok((name, value))
}

fn change(hub: &Hub, output: &Output, body: Map<String, Value>, what: &str) -> Result<(), Failure> {
    let answer = hub.post("/v1/config", &body.into())?;
    output.answer(&answer, |answer| {
        let count = answer["changed"].as_u64().unwrap_or(0);
        let noun = if count == 1 { "component is" } else { "components are" };
        let look = "whether they did, says: hub-agent config list";
        output.raw(&format!("{count} {noun} {what}; {look}\n"));
    });
    Ok(())
}

fn list(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.get("/v1/config")?;
    output.answer(&answer, |answer| {
        let row = |one: &Value| {
            let short: String = show::text(&one["id"]).chars().take(8).collect();
            let differs = one["differs"].as_array().map_or_else(
                || show::text(&one["why"]),
                |all| all.iter().map(show::text).collect::<Vec<_>>().join("; "),
            );
            let keys = ["name", "kind", "revision", "state", "by"];
            let cells = keys.map(|key| show::text(&one[key]));
            [short].into_iter().chain(cells).chain([differs]).collect()
        };
        let rows: Vec<Vec<_>> = answer.as_array().into_iter().flatten().map(row).collect();
        output.table(&["id", "name", "kind", "revision", "state", "wanted by", "differs"], &rows);
    });
    Ok(())
}

fn show(hub: &Hub, output: &Output, component: &str) -> Result<(), Failure> {
    let answer = hub.get(&format!("/v1/components/{}/config", escaped(component)))?;
    output.answer(&answer, |answer| {
        let text = |key: &str| show::text(&answer[key]);
        output.raw(&format!(
            "{} {}, revision {}: {}, wanted by {}\n",
            text("kind"),
            text("id"),
            text("revision"),
            text("state"),
            text("by")
        ));
        let words = |value: &Value| {
            let items = value.as_array().into_iter().flatten().map(show::text);
            items.collect::<Vec<_>>().join(", ")
        };
        output.raw(&format!(
            "open interfaces: {} (may be open: {})\n",
            words(&answer["open"]),
            words(&answer["may_be_open"])
        ));
        let row = |one: &Value| {
            let keys = ["name", "desired", "reported", "default", "takes", "risk"];
            let cells = keys.map(|key| show::text(&one[key]));
            cells.into_iter().chain([words(&one["roles"]), show::text(&one["effect"])]).collect()
        };
        let rows: Vec<Vec<_>> =
            answer["settings"].as_array().into_iter().flatten().map(row).collect();
        let head = ["setting", "shall be", "is", "default", "takes", "risk", "set by", "effect"];
        output.table(&head, &rows);
    });
    Ok(())
}

pub(super) fn regroup(hub: &Hub, output: &Output, command: &Group) -> Result<(), Failure> {
    let (component, group, verb) = match command {
        Group::Add { group, component } => (component, group, "join"),
        Group::Remove { group, component } => (component, group, "part"),
        Group::List => return groups(hub, output),
    };
    let path = format!("/v1/components/{}/{verb}", escaped(component));
    let answer = hub.post(&path, &json!({ "group": group }))?;
    output.answer(&answer, |_| output.raw("done\n"));
    Ok(())
}

fn groups(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let components = hub.get("/v1/components")?;
    let mut rows = Vec::new();
    for one in components.as_array().into_iter().flatten() {
        for group in one["groups"].as_array().into_iter().flatten() {
            let cells = ["id", "name", "kind"].map(|key| show::text(&one[key]));
            rows.push([vec![show::text(group)], cells.to_vec()].concat());
        }
    }
    rows.sort();
    let answer: Vec<_> = rows.iter().map(|row| json!({ "group": row[0], "id": row[1] })).collect();
    output.answer(&answer.into(), |_| output.table(&["group", "id", "name", "kind"], &rows));
    Ok(())
}
