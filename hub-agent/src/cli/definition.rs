//! `hub-agent definition …`

use super::{
    Failure,
    client::Hub,
    component::escaped,
    show::{self, Output},
};
use clap::{Subcommand, ValueEnum};
use hub_core::access::policy;
use protocol::definition::envelope::MAX_ENVELOPE;
use serde_json::json;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(super) enum Definition {
    /// Find every mistake of a document before it is signed; needs no daemon
    Check {
        /// The document, TOML
        file: PathBuf,
    },
    /// Put a signed definition in force
    Add {
        /// The signed definition
        file: PathBuf,
    },
    /// The definitions in force
    List,
    /// A definition as its maker wrote it, or for other tools
    Show {
        /// The kind
        kind: String,
        /// The maker, where several makers have this kind
        #[arg(long)]
        maker: Option<String>,
        /// toml, or mud: its network channels as an RFC 8520 file
        #[arg(long, value_enum, default_value = "toml")]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Toml,
    Mud,
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Definition) -> Result<(), Failure> {
    match command {
        Definition::Check { file } => check(output, &file),
        Definition::Add { file } => add(hub, output, &file),
        Definition::List => list(hub, output),
        Definition::Show { kind, maker, format } => {
            let maker = maker.map(|maker| format!("&maker={}", escaped(&maker)));
            let maker = maker.unwrap_or_default();
            let path =
                |format| format!("/v1/definitions/{}?format={format}{maker}", escaped(&kind));
            match format {
                Format::Toml => output.raw(&hub.text(&path("toml"))?),
                Format::Mud => output.raw(&format!("{:#}\n", hub.get(&path("mud"))?)),
            }
            Ok(())
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::Failed(format!("{}: {error}", file.display()));
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(MAX_ENVELOPE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn check(output: &Output, file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let document = String::from_utf8(read(file)?)
        .map_err(|_| Failure::Verification(format!("{shown} is no UTF-8 text")))?;
    match policy::check(&document) {
        Ok(definition) => {
            let answer = json!({
                "maker": definition.maker, "kind": definition.kind, "revision": definition.revision,
                "settings": definition.settings.len(), "streams": definition.streams.len(),
                "commands": definition.commands.len(), "destinations": definition.destinations.len(),
            });
            output.answer(&answer, |_| {
                output.raw(&format!(
                    "good: {} of {}, revision {}; {} settings, {} streams, {} commands\n",
                    definition.kind,
                    definition.maker,
                    definition.revision,
                    definition.settings.len(),
                    definition.streams.len(),
                    definition.commands.len(),
                ));
            });
            Ok(())
        }
        Err(mistakes) => {
            if output.json {
                output.raw(&format!("{:#}\n", json!({ "mistakes": mistakes.0 })));
            }
            Err(Failure::Verification(format!("{shown} has mistakes:\n{mistakes}")))
        }
    }
}

fn add(hub: &Hub, output: &Output, file: &Path) -> Result<(), Failure> {
    let answer = hub.upload("/v1/definitions", read(file)?)?;
    output.answer(&answer, |answer| {
        let text = |key: &str| show::text(&answer[key]);
        let replaced = show::text(&answer["installed"]["replaced"]);
        let how = match answer["installed"].as_str() {
            Some("same") => "as before".to_owned(),
            Some(_) => "for the first time".to_owned(),
            None => format!("instead of revision {replaced}"),
        };
        output.raw(&format!("{} of {} is in force {how}\n", text("kind"), text("maker")));
    });
    Ok(())
}

fn list(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.get("/v1/definitions")?;
    output.answer(&answer, |answer| {
        let keys = ["kind", "maker", "revision", "title", "impact", "support_end", "components"];
        let rows: Vec<_> = answer
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| keys.map(|key| show::text(&one[key])).to_vec())
            .collect();
        output.table(
            &["kind", "maker", "revision", "title", "impact", "support ends", "components"],
            &rows,
        );
    });
    Ok(())
}
