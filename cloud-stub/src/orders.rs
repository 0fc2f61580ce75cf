//! What the cloud is told to want: files in the folder `orders`, which the running cloud sends to their hub
//! as soon as it is connected.

use anyhow::Context;
use mqtt_endpoint::{Handle, Qos};
use protocol::{
    cbor,
    definition::SettingValue,
    id::{ComponentId, Slug},
    message::{CloudAsk, Octets, Settings, V1},
    topic::{FromCloud, Route},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Orders looked at in one turn.
const MOST: usize = 64;

/// Puts an order into the folder.
///
/// # Errors
/// When it is none, or the folder cannot be written.
pub fn put(
    folder: &Path,
    hub: ComponentId,
    component: ComponentId,
    set: &[String],
    command: Option<Slug>,
    arguments: &str,
    seq: Option<u64>,
) -> anyhow::Result<()> {
    let orders = folder.join("orders");
    fs::create_dir_all(&orders)?;
    let counter = folder.join("asked");
    let last = fs::read_to_string(&counter).ok().and_then(|text| text.trim().parse().ok());
    let seq = seq.unwrap_or(last.unwrap_or(0) + 1);
    fs::write(&counter, seq.max(last.unwrap_or(0)).to_string())?;
    let mut values = BTreeMap::new();
    for text in set {
        let (name, value) = text.split_once('=').context("a setting is NAME=JSON")?;
        let name = Slug::new(name).context("the setting's name")?;
        let value: SettingValue = serde_json::from_str(value).context("the setting's value")?;
        values.insert(name, value);
    }
    let arguments: Value = serde_json::from_str(arguments).context("the arguments")?;
    let ask = CloudAsk {
        version: V1,
        seq,
        component,
        settings: (!values.is_empty()).then(|| Settings::new(values)).flatten(),
        arguments: command.is_some().then(|| Octets(cbor::from_json(&arguments))),
        command,
    };
    let file = orders.join(format!("{hub}.{seq}"));
    let temporary = folder.join("order.new");
    fs::write(&temporary, cbor::encode(&ask))?;
    Ok(fs::rename(temporary, file)?)
}

/// Sends orders to hubs that listen, for as long as the cloud runs.
pub async fn carry_out(folder: PathBuf, handle: Handle) {
    let mut turns = tokio::time::interval(EVERY);
    loop {
        turns.tick().await;
        let Ok(entries) = fs::read_dir(folder.join("orders")) else { continue };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).take(MOST).collect();
        files.sort();
        for file in files {
            let hub = file.file_stem().and_then(|name| name.to_str()?.parse().ok());
            let (Some(hub), Ok(ask)) = (hub, fs::read(&file)) else { continue };
            let topic = Route::FromCloud(hub, FromCloud::Ask).to_string();
            if handle.publish(&topic, ask.into(), Qos::AtLeastOnce, false) > 0 {
                // One that cannot be removed is sent again, and is a replay then.
                let _ = fs::remove_file(&file);
            }
        }
    }
}
