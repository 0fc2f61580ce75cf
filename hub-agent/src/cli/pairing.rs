//! `hub-agent pair …`

use super::{
    Failure,
    client::Hub,
    show::{self, Output},
};
use crate::settings::Settings;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum Pair {
    /// Open a window and print its one-time codes
    Open {
        /// How long the window stays open, in seconds
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// Approve whoever shows a code in advance
        #[arg(long)]
        approve: bool,
        /// How many codes
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Close the window
    Close,
    /// Whether a window is open
    Status,
}

pub(super) fn obey(
    hub: &Hub,
    output: &Output,
    settings: &Settings,
    command: Pair,
) -> Result<(), Failure> {
    match command {
        Pair::Open { seconds, approve, count } => {
            let wanted = json!({ "seconds": seconds, "approve": approve, "count": count });
            let mut answer = hub.post("/v1/pairing", &wanted)?;
            let links = links(&answer, settings);
            answer["links"] = links.into();
            output.answer(&answer, |answer| people(output, answer));
        }
        Pair::Close => {
            let answer = hub.delete("/v1/pairing")?;
            output.answer(&answer, |_| output.raw("closed\n"));
        }
        Pair::Status => {
            let answer = hub.get("/v1/pairing")?;
            output.answer(&answer, |answer| match answer["open"].as_bool() {
                Some(true) => {
                    let (codes, until) =
                        (show::text(&answer["unused_codes"]), show::text(&answer["until"]));
                    output.raw(&format!("open until {until}, {codes} codes not used yet\n"));
                }
                _ => output.raw("closed\n"),
            });
        }
    }
    Ok(())
}

/// Everything a component needs in one line, as a QR code carries it.
fn links(answer: &Value, settings: &Settings) -> Vec<String> {
    let port =
        |key: &str| show::text(&answer[key]).rsplit(':').next().unwrap_or_default().to_owned();
    let host = settings.names.first().map_or("localhost", String::as_str);
    let link = |code: &Value| {
        let (code, ca) = (show::text(code), show::text(&answer["ca_fingerprint"]));
        format!("hubpair://{host}:{}/?code={code}&ca={ca}&mqtt={}", port("est"), port("mqtt"))
    };
    answer["codes"].as_array().into_iter().flatten().map(link).collect()
}

fn people(output: &Output, answer: &Value) {
    let codes = answer["codes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for code in codes {
        output.raw(&format!("code            {}\n", show::text(code)));
    }
    output.raw(&format!("CA fingerprint  {}\n", show::text(&answer["ca_fingerprint"])));
    output.raw(&format!("open until      {}\n", show::text(&answer["until"])));
    let links = answer["links"].as_array().map(Vec::as_slice).unwrap_or_default();
    for link in links {
        output.raw(&format!("link            {}\n", show::text(link)));
    }
    if let [link] = links {
        output.qr(&show::text(link));
    }
    if answer["approved_in_advance"].as_bool() == Some(false) {
        output.raw("then look at it and approve it: hub-agent component list; hub-agent component approve ID\n");
    }
}
