//! `hub-agent update …`

use super::{
    Failure,
    client::Hub,
    component::escaped,
    show::{self, Output},
};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::IsTerminal,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How often a campaign is looked at while it is followed.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Subcommand)]
pub(super) enum Update {
    /// Ask the repository for releases now
    Check,
    /// Releases and how far each got, newest first
    List,
    /// One model's newest release, component by component
    Show {
        /// The model, such as lumen.lamp
        model: String,
        /// Show how it goes on, until it ends or waits for somebody
        #[arg(long)]
        follow: bool,
    },
    /// Let a release go on: give consent, end a postponement or a pause
    Approve {
        /// The model
        model: String,
    },
    /// Not before this time from now on
    Postpone {
        /// The model
        model: String,
        /// A number with a unit: h or d; 30d at most
        time: String,
    },
    /// Stop a release until you approve it again
    Pause {
        /// The model
        model: String,
    },
    /// End a release; what is under way is called off where it still can be
    Cancel {
        /// The model
        model: String,
    },
    /// Let those that failed with a release try it again
    Retry {
        /// The model
        model: String,
    },
    /// Updates that ended, newest last
    History {
        /// Only of this component: id, its beginning, or name
        component: Option<String>,
    },
    /// Releases that you want to be told of, or whether you want to be told of those of a component
    Notices {
        /// on or off
        #[arg(value_parser = ["on", "off"], requires = "component")]
        switch: Option<String>,
        /// Id, its beginning, or name
        component: Option<String>,
    },
    /// Trust this root of the repository, and nothing that was trusted before; only with a file that came to
    /// you by a way that you trust
    Repin {
        /// The maker's root.json
        root: PathBuf,
    },
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Update) -> Result<(), Failure> {
    match command {
        Update::Check => check(hub, output),
        Update::List => list(hub, output),
        Update::Show { model, follow: true } => follow(hub, output, &model),
        Update::Show { model, follow: false } => {
            let answer = of_model(hub, &model)?;
            output.answer(&answer, |answer| show_one(output, answer));
            Ok(())
        }
        Update::Approve { model } => wish(hub, output, &model, json!({ "wish": "approve" })),
        Update::Postpone { model, time } => {
            wish(hub, output, &model, json!({ "wish": "postpone", "until": until(&time)? }))
        }
        Update::Pause { model } => wish(hub, output, &model, json!({ "wish": "pause" })),
        Update::Cancel { model } => wish(hub, output, &model, json!({ "wish": "cancel" })),
        Update::Retry { model } => wish(hub, output, &model, json!({ "wish": "retry" })),
        Update::History { component } => history(hub, output, component.as_deref()),
        Update::Notices { switch: Some(switch), component: Some(component) } => {
            let path = format!("/v1/components/{}/notices", escaped(&component));
            let answer = hub.post(&path, &json!({ "on": switch == "on" }))?;
            output.answer(&answer, |_| output.raw(&format!("notices are {switch}\n")));
            Ok(())
        }
        Update::Notices { .. } => {
            let answer = hub.get("/v1/notices")?;
            output.answer(&answer, |answer| table(output, answer));
            Ok(())
        }
        Update::Repin { root } => {
            let bytes = std::fs::read_to_string(&root)
                .map_err(|error| Failure::Usage(format!("{}: {error}", root.display())))?;
            let answer = hub.post("/v1/updates/root", &json!({ "root": bytes }))?;
            output.answer(&answer, |answer| {
                output.raw(&format!("root {} is pinned\n", show::text(&answer["root"])));
            });
            Ok(())
        }
    }
}

fn check(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.post("/v1/updates/check", &json!({}))?;
    output.answer(&answer, |answer| {
        let lines = |key: &str| {
            let all = answer[key].as_array().into_iter().flatten().map(show::text);
            all.collect::<Vec<_>>()
        };
        let good = lines("releases");
        let good = if good.is_empty() { "none".to_owned() } else { good.join(", ") };
        output.raw(&format!("releases that may be relayed: {good}\n"));
        lines("unusable").iter().for_each(|line| output.raw(&format!("not used: {line}\n")));
    });
    match answer["unusable"].as_array().is_some_and(|all| !all.is_empty()) {
        true => Err(Failure::Verification("some releases are not believed".into())),
        false => Ok(()),
    }
}

fn list(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.get("/v1/updates")?;
    output.answer(&answer, |answer| table(output, answer));
    Ok(())
}

fn table(output: &Output, answer: &Value) {
    let row = |one: &Value| {
        let late = if one["overdue"] == true { ", OVERDUE" } else { "" };
        let waits = show::text(&one["waits"]);
        let stage = show::text(&one["stage"]);
        let why = if waits.is_empty() { show::text(&one["why"]) } else { waits };
        let gap = if why.is_empty() { "" } else { ": " };
        vec![
            show::text(&one["model"]),
            show::text(&one["version"]),
            show::text(&one["counter"]),
            show::text(&one["importance"]),
            format!("{} of {}", show::text(&one["have_it"]), show::text(&one["of"])),
            format!("{stage}{gap}{why}{late}"),
            show::text(&one["notes"]),
        ]
    };
    let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
    let head = ["model", "version", "counter", "security", "have it", "stage", "notes"];
    output.table(&head, &rows);
}

fn of_model(hub: &Hub, model: &str) -> Result<Value, Failure> {
    let all = hub.get("/v1/updates")?;
    let mut of = all.as_array().into_iter().flatten().filter(|one| one["model"] == model);
    let newest = of.next().cloned();
    newest.ok_or_else(|| {
        Failure::Failed(format!("no release of {model} is known; see: hub-agent update list"))
    })
}

fn show_one(output: &Output, one: &Value) {
    table(output, &json!([one]));
    let row = |job: &Value| {
        let name = show::text(&job["name"]);
        let id = show::text(&job["component"]);
        let outcome = show::text(&job["outcome"]);
        let step = if outcome.is_empty() { show::text(&job["step"]) } else { outcome };
        let bytes = format!("{} of {}", show::text(&job["got"]), show::text(&job["size"]));
        vec![id, name, step, bytes, show::text(&job["fault"])]
    };
    let rows: Vec<_> = one["jobs"].as_array().into_iter().flatten().map(row).collect();
    output.table(&["component", "name", "step", "bytes", "fault"], &rows);
}

/// Draws how a campaign goes on, until it ends or waits for somebody.
fn follow(hub: &Hub, output: &Output, model: &str) -> Result<(), Failure> {
    let bar = if std::io::stderr().is_terminal() && !output.json {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template("{msg:32} {wide_bar} {pos}/{len} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        let one = of_model(hub, model)?;
        let number = |key: &str| one[key].as_u64().unwrap_or(0);
        bar.set_length(number("of"));
        bar.set_position(number("have_it"));
        bar.set_message(format!("{model} {}", show::text(&one["stage"])));
        let ended: BTreeSet<&str> = ["done", "paused", "cancelled", "superseded"].into();
        let stage = show::text(&one["stage"]);
        let waits = !show::text(&one["waits"]).is_empty();
        if ended.contains(stage.as_str()) || waits {
            bar.finish_and_clear();
            output.answer(&one, |one| show_one(output, one));
            return match stage.as_str() {
                "paused" => Err(Failure::Failed(format!("{model} is paused"))),
                _ => Ok(()),
            };
        }
        std::thread::park_timeout(EVERY);
    }
}

fn wish(hub: &Hub, output: &Output, model: &str, wish: Value) -> Result<(), Failure> {
    let answer = hub.post(&format!("/v1/updates/{}", escaped(model)), &wish)?;
    output.answer(&answer, |_| output.raw(&format!("{model}: done\n")));
    Ok(())
}

fn history(hub: &Hub, output: &Output, component: Option<&str>) -> Result<(), Failure> {
    let query = component.map(|one| format!("?component={}", escaped(one))).unwrap_or_default();
    let answer = hub.get(&format!("/v1/updates/history{query}"))?;
    output.answer(&answer, |answer| {
        let row = |one: &Value| {
            let keys = ["at", "component", "model", "name", "counter", "outcome", "fault"];
            keys.map(|key| show::text(&one[key])).to_vec()
        };
        let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
        let head = ["when", "component", "model", "version", "counter", "outcome", "fault"];
        output.table(&head, &rows);
    });
    Ok(())
}

/// `12h` or `7d` from now, in milliseconds since 1970.
fn until(time: &str) -> Result<u64, Failure> {
    let wrong = || Failure::Usage(format!("{time}: give a number with h or d, 30d at most"));
    let (number, unit) = time.split_at(time.len().saturating_sub(1));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let hours = match unit {
        "h" => number,
        "d" => number.checked_mul(24).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    if !(1..=720).contains(&hours) {
        return Err(wrong());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(now.as_millis()).unwrap_or(u64::MAX) + hours * 3_600_000)
}
