//! `hub-agent policy …`

use super::{
    Failure,
    client::Hub,
    show::{self, Output},
};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum Policy {
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
    let Policy::Explain { component, topic, payload, qos } = command;
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
