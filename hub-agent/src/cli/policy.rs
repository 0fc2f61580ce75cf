//! `hub-agent policy …`

use super::{
    Failure,
    client::Hub,
    component::escaped,
    show::{self, Output},
};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum Policy {
    /// What was relayed from one component to another, and which line of which definition allowed it
    Decisions {
        /// Only what this component said or was told: id, its beginning, or name
        component: Option<String>,
    },
    /// What would happen to a message of a component, and which line decides; nothing is sent
    Explain {
        /// Id, its beginning, or name
        component: String,
        /// Topic, or the end of one of its own, such as stream/power
        topic: String,
        /// Payload: JSON such as '{"value": 9}', or hex: and bytes; without it, one that fits
        payload: Option<String>,
        /// Quality of service
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
        qos: u8,
    },
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Policy) -> Result<(), Failure> {
    match command {
        Policy::Decisions { component } => decisions(hub, output, component.as_deref()),
        Policy::Explain { component, topic, payload, qos } => {
            explain(hub, output, (&component, &topic, payload), qos)
        }
    }
}

fn decisions(hub: &Hub, output: &Output, component: Option<&str>) -> Result<(), Failure> {
    let query = component.map(|one| format!("?component={}", escaped(one)));
    let answer = hub.get(&format!("/v1/decisions{}", query.unwrap_or_default()))?;
    output.answer(&answer, |answer| {
        let row = |one: &Value| {
            let short = |key: &str| show::text(&one[key]).chars().take(8).collect::<String>();
            let rest = ["action", "name", "allowed_by", "by"].map(|key| show::text(&one[key]));
            let ids = [show::text(&one["number"]), short("sender"), short("receiver")];
            ids.into_iter().chain(rest).collect()
        };
        let rows: Vec<Vec<_>> = answer.as_array().into_iter().flatten().map(row).collect();
        let head = ["number", "from", "to", "action", "name", "allowed by", "wanted by"];
        output.table(&head, &rows);
    });
    Ok(())
}

fn explain(
    hub: &Hub,
    output: &Output,
    (component, topic, payload): (&str, &str, Option<String>),
    qos: u8,
) -> Result<(), Failure> {
    let mut message = json!({ "component": component, "topic": topic, "qos": qos });
    if let Some(payload) = payload {
        match payload.strip_prefix("hex:") {
            Some(hex) => message["hex"] = hex.into(),
            None => {
                let value: Value = serde_json::from_str(&payload)
                    .map_err(|e| Failure::Usage(format!("the payload is no JSON: {e}")))?;
                message["value"] = value;
            }
        }
    }
    let answer = hub.post("/v1/explain", &message)?;
    let text = |key: &str| show::text(&answer[key]);
    let allowed = answer["allowed"].as_bool() == Some(true);
    output.answer(&answer, |_| {
        let verdict =
            if allowed { "allowed".to_owned() } else { format!("refused: {}", text("refusal")) };
        output.table(
            &["", ""],
            &[
                vec!["topic".into(), text("topic")],
                vec!["verdict".into(), verdict],
                vec!["why".into(), text("detail")],
                vec!["decided by".into(), text("decided_by")],
            ],
        );
    });
    Ok(())
}
