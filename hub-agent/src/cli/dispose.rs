//! `hub-agent dispose`

use super::{
    Failure,
    client::Hub,
    show::{self, Output},
};
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct Dispose {
    /// Whose records: id, its beginning, or name
    #[arg(required_unless_present_any = ["all", "person"], conflicts_with_all = ["all", "person"])]
    component: Option<String>,
    /// What records say of this person; what happened stays
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    person: Option<String>,
    /// All records, the hub's own as well
    #[arg(long)]
    all: bool,
    /// Only records of the component from this time on: milliseconds since 1970
    #[arg(long, value_name = "MS", requires = "component")]
    from: Option<u64>,
    /// Only records of the component before this time
    #[arg(long, value_name = "MS", requires = "component")]
    to: Option<u64>,
    /// Must be given: nothing brings them back
    #[arg(long, required = true)]
    yes: bool,
}

pub(super) fn obey(hub: &Hub, output: &Output, what: &Dispose) -> Result<(), Failure> {
    let Dispose { component, person, from, to, yes, .. } = what;
    let body = json!({
        "component": component, "person": person, "from": from, "to": to, "confirm": yes,
    });
    let answer = hub.post("/v1/dispose", &body)?;
    output.answer(&answer, |answer| {
        let how = match answer["records"].as_u64() {
            Some(records) => format!("{records} records were taken out"),
            None => format!("{} keys were destroyed", show::text(&answer["keys"])),
        };
        let said = match answer["act"].as_u64() {
            Some(act) => format!("record {act} of the log says so"),
            None => "the log held nothing of it".to_owned(),
        };
        output.raw(&format!(
            "{}: {how}; {said}. Keep this receipt:\n\n{}",
            show::text(&answer["erased"]),
            show::text(&answer["checkpoint"])
        ));
    });
    Ok(())
}
