//! The daemon: one thread with one loop, and the store's thread beside it.

mod at_cloud;
mod batch;
mod cell;
mod clock;
mod definitions;
mod events;
mod shutdown;

pub use at_cloud::AtCloud;
pub use cell::{CUT_OFF, Ended, HubCell, Leave, Parts};
pub use clock::Clock;
pub use events::EventRing;

use crate::{
    admin, est,
    journal::{
        Journal, JournalSettings, PUBLIC, Question, head_of, next_origin, origin, set_aside,
    },
    links,
    notices::{self, Teller},
    own::Keeper,
    pki::{ca::HubCa, files, maker::Maker, verify},
    settings::Settings,
    store::{Committer, Disk, DiskSettings, Durability, Seal, StoreError, Stored},
    updates::{BlockServer, Repository},
};
use anyhow::Context;
use hub_core::{Hub, OwnIdentity, Table, Uplink, record::Record};
use mqtt_endpoint::{Endpoint, Handle, tls};
use protocol::id::Label;
use std::{path::Path, rc::Rc, sync::Arc, time::Duration};
use tokio::{net::TcpListener, signal::unix::Signal, task::LocalSet};

/// What the hub learns again at a start: milliseconds, and records.
const WEEK: u64 = 7 * 24 * 3600 * 1000;
const RECALLED: u64 = 100_000;

/// How often what is due leaves the log.
const RETENTION: Duration = Duration::from_secs(3600);

/// How often the hub is told the time.
const TICK: Duration = Duration::from_secs(1);

/// Reads the settings again; the error says what is wrong with them.
pub type Reread = Box<dyn Fn() -> Result<Settings, String>>;

/// Runs the daemon until it is told to stop. On SIGHUP it reads its settings again: new definitions come into
/// force at once, the rest waits for a restart; settings with a mistake change nothing.
///
/// # Errors
/// When it cannot start, or cannot make its last state durable.
pub fn run(settings: Settings, reread: Reread) -> anyhow::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, daemon(settings, Durability::Full, reread))
}

/// The daemon as a task, for benches that leave durability out.
///
/// # Errors
/// As [`run`].
pub async fn daemon(
    mut settings: Settings,
    durability: Durability,
    reread: Reread,
) -> anyhow::Result<Ended> {
    let clock = Clock::start();
    let ca = HubCa::open(&settings.data_dir.join("pki"), clock.now().wall)?;
    let makers: Vec<_> = settings
        .makers
        .iter()
        .map(|m| Maker::read(m.name.clone(), &m.roots))
        .collect::<Result<_, _>>()?;
    settings.hub.anchors = makers.iter().map(Maker::anchor).collect();
    let mut disk = open_store(&settings, durability)?;
    let stored = disk.load()?;
    aws_lc_rs::rand::fill(&mut settings.hub.seed).map_err(|_| crate::pki::PkiError::Randomness)?;
    let rows: Vec<_> = stored
        .iter()
        .filter(|(table, ..)| table == Table::Repository.name())
        .map(|(_, key, value)| (key.clone(), value.clone()))
        .collect();
    let old = stored
        .iter()
        .filter(|(table, ..)| table == EventRing::table())
        .map(|(_, _, value)| value.clone());
    let events = EventRing::restore(old);
    let at_least = head_of(&stored);
    let told = stored
        .iter()
        .find(|(table, key, _)| table == notices::ROW.0.name() && key == notices::ROW.1);
    let told = told.map(|(_, _, value)| value.clone());
    let mut hub = restore(&settings, &ca, stored, &clock)?;
    let Opened { mut log, trouble, unseen } =
        open_log(&settings, &ca, at_least, (&mut hub, &clock))?;
    let ahead = log.ahead_of_store()?;
    if trouble.is_none() && ahead.is_none() {
        // What is wrong must be told first: then the commit of that says how far the log is. On a full disk a later
        // commit does.
        if let Err(error) = disk.commit(&log.remembered().into_iter().collect()) {
            tracing::warn!("{error}");
        }
    }
    let log_size = log.size();
    let (committer, completions) = Committer::start(disk, log)?;
    let handle = Handle::new(settings.mqtt.clone());
    let signer = ca.signer(clock.now().wall)?;
    let handed = handle.clone();
    let blocks = BlockServer::new(handle.clone(), settings.data_dir.join("updates/cache"));
    tokio::task::spawn_local(blocks.clone().run());
    let parts = Parts {
        hub,
        events,
        ca,
        signer,
        makers,
        committer,
        handle: handed,
        blocks,
        clock,
        settings,
        log_size,
    };
    let cell = HubCell::new(parts);
    if let Some(trouble) = trouble {
        cell.apply(hub_core::Input::LogDamaged(trouble));
    }
    if let Some(count) = ahead {
        let text = format!(
            "{count} records of the log are of a time that the store does not know: it lost its end; look at the disk"
        );
        cell.apply(hub_core::Input::StoreBehind(text));
    }
    for (first, record) in unseen {
        cell.apply(hub_core::Input::Recorded { first, records: vec![record] });
    }
    let settings = cell.settings().clone();
    if let Some(folder) = &settings.definitions {
        definitions::put_in_force(&cell, folder)?;
    }
    let mqtt = TcpListener::bind(settings.mqtt_listen).await.context(settings.mqtt_listen)?;
    let est = match settings.est_listen {
        Some(address) => Some(TcpListener::bind(address).await.context(address)?),
        None => None,
    };
    let est_address = est.as_ref().map(TcpListener::local_addr).transpose()?;
    cell.listens(mqtt.local_addr()?, est_address);
    let socket = admin::bind(&settings.socket, settings.socket_access)?;
    cell.announce_setup()?;
    serve(&cell, handle, mqtt, est)?;
    let api = admin::serve(socket, cell.clone());
    tokio::task::spawn_local(api);
    tokio::task::spawn_local(retain(cell.clone()));
    tokio::task::spawn_local(read_again(cell.clone(), shutdown::hang_ups()?, reread));
    match &settings.cloud {
        Some(cloud) => drop(tokio::task::spawn_local(links::cloud::run(
            cell.clone(),
            links::cloud::Link::new(cloud)?,
        ))),
        None => drop(cell.apply(hub_core::Input::Uplink(Uplink::NotConfigured))),
    }
    if let Some(notices) = &settings.notices {
        let teller = Teller::new(&cell, notices, told.as_deref())?;
        tokio::task::spawn_local(teller.run());
    }
    match settings.own.as_ref().map(|own| (own, &own.booted)) {
        Some((own, Some(trouble))) => Keeper::start(&cell, own, trouble)?,
        Some((_, None)) => tracing::warn!(
            "updates.own_model needs a start by `hub-agent boot`: the hub does not update itself"
        ),
        None => {}
    }
    if let Some(updates) = &settings.updates {
        let tls = settings.cloud.as_ref().map(links::cloud::tls).transpose()?;
        let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        cell.has_repository(Repository::watch(&cell, updates, tls, rows)?);
    }
    tracing::info!(mqtt = %cell.mqtt_address(), est = ?cell.est_address(), socket = %settings.socket.display(), "ready");
    shutdown::ready();
    let result = cell.clone().work(completions, TICK, shutdown::asked()?).await;
    // Nobody may find a socket that nobody serves.
    let _ = std::fs::remove_file(&settings.socket);
    result
}

/// Takes out of the log what is due, again and again.
async fn retain(cell: Rc<HubCell>) {
    // Not at once: a clock may be wrong until it is set from the network.
    let mut due = tokio::time::interval_at(tokio::time::Instant::now() + RETENTION, RETENTION);
    loop {
        due.tick().await;
        if let Err(error) = cell.ask_log(Question::Retain(cell.now().wall.0)).await {
            tracing::warn!("nothing was taken out of the log: {error}");
        }
    }
}

async fn read_again(cell: Rc<HubCell>, mut hang_ups: Signal, reread: Reread) {
    while hang_ups.recv().await.is_some() {
        let read = reread().and_then(|settings| {
            let folder = settings.definitions.as_deref();
            folder.map_or(Ok(()), |folder| {
                definitions::put_in_force(&cell, folder).map_err(|error| format!("{error:#}"))
            })
        });
        cell.apply(hub_core::Input::SettingsRead(read.err()));
    }
}

fn open_store(settings: &Settings, durability: Durability) -> anyhow::Result<Disk> {
    let key = store_key(&settings.data_dir)?;
    let path = settings.data_dir.join("store");
    let settings = DiskSettings { path, low_water: settings.low_water, durability };
    Ok(Disk::open(settings, Seal::new(&key))?)
}

/// The state log as it was found.
struct Opened {
    log: Journal,
    /// What is to be told, if it had to be set aside.
    trouble: Option<String>,
    /// Records that detection had not looked at when the daemon ended; as many as are recalled at most.
    unseen: Vec<(u64, Record)>,
}

/// Opens the state log, and lets the hub learn of the last week from it. One that was edited, cut or set back is set
/// aside as evidence, and a new one begins under another name: the product goes on, and its owner is told.
fn open_log(
    settings: &Settings,
    ca: &HubCa,
    at_least: Option<state_log::Head>,
    (hub, clock): (&mut Hub, &Clock),
) -> anyhow::Result<Opened> {
    let (folder, secrets) = (settings.data_dir.join("log"), settings.data_dir.join("pki"));
    let (public, first) = (secrets.join(PUBLIC), format!("hub-agent/{}", ca.hub_id()));
    let name = origin(&public, &first);
    let how = |origin: String, at_least| JournalSettings {
        folder: folder.clone(),
        secrets: secrets.clone(),
        origin,
        keep: settings.state_log.keep.clone(),
        bytes: settings.state_log.bytes,
        at_least,
    };
    let (mut log, opening, trouble) = match Journal::open(how(name.clone(), at_least)) {
        Ok((log, opening)) => (log, opening, None),
        Err(StoreError::LogDamaged(why)) => {
            let kept = set_aside(&folder, &public)?;
            let (log, opening) = Journal::open(how(next_origin(&name, &first), None))?;
            let kept: Vec<_> = kept.iter().map(|one| one.display().to_string()).collect();
            let text = format!("{why}; it is kept as {}, and a new log begins", kept.join(", "));
            (log, opening, Some(text))
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(torn) = opening.torn {
        tracing::warn!(
            "the state log: a batch that was not acknowledged is gone, from record {}",
            torn.first
        );
    }
    for file in opening.rebuilt {
        tracing::info!("the state log: {file} was made anew");
    }
    let from = clock.now().wall.0.saturating_sub(WEEK);
    let mut unseen = Vec::new();
    log.recall(RECALLED, |number, record| {
        // What nobody looked at yet is looked at, however long ago it was.
        let is_recent = record.at.0 >= from;
        if (is_recent || !hub.has_looked_at(number)) && !hub.recall(number, record) {
            unseen.push((number, record.clone()));
        }
    })?;
    hub.recalled();
    Ok(Opened { log, trouble, unseen })
}

/// The store's key, made at the first start beside the CA's.
///
/// # Errors
/// When the file is exposed, unreadable or of the wrong length.
pub fn store_key(data_dir: &Path) -> anyhow::Result<[u8; 32]> {
    let path = data_dir.join("pki/store.key");
    let make = || {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| crate::pki::PkiError::Randomness)?;
        Ok(key.to_vec())
    };
    let key = zeroize::Zeroizing::new(files::secret_or(&path, make)?);
    key.as_slice()
        .try_into()
        .with_context(|| format!("{} does not hold a key of 32 bytes", path.display()))
}

fn restore(settings: &Settings, ca: &HubCa, stored: Stored, clock: &Clock) -> anyhow::Result<Hub> {
    let software = Label::new(env!("CARGO_PKG_VERSION"))?;
    let own = OwnIdentity { id: ca.hub_id(), software, fingerprint: ca.fingerprint() };
    let known = |name: &str| Table::ALL.iter().copied().find(|table| table.name() == name);
    let stored =
        stored.into_iter().filter_map(|(table, key, value)| Some((known(&table)?, key, value)));
    Ok(Hub::restore(settings.hub.clone(), own, stored, clock.now())?)
}

fn serve(
    cell: &Rc<HubCell>,
    handle: Handle,
    mqtt: TcpListener,
    est: Option<TcpListener>,
) -> anyhow::Result<()> {
    let settings = cell.settings();
    let ca = cell.ca().certificate().clone();
    let now = cell.now().wall;
    let identity = cell.ca().server(&settings.names, now)?;
    let verifier = verify::components(&ca, cell.revoked())?;
    let mqtt_tls = tls::server_config(identity.chain, identity.key, verifier)?;
    let identity = cell.ca().server(&settings.names, now)?;
    let grace = settings.hub.grace;
    let verifier = verify::enrolment(&ca, cell.makers().to_vec(), grace, cell.revoked())?;
    let mut est_tls = tls::server_config(identity.chain, identity.key, verifier)?;
    est_tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let gate = Rc::new(links::components::ComponentGate::new(cell.clone()));
    let endpoint = Endpoint::new(handle, gate, Arc::new(mqtt_tls));
    tokio::task::spawn_local(async move { endpoint.serve(mqtt).await });
    let desk = Rc::new(links::enrolment::Desk::new(cell.clone()));
    if let Some(est) = est {
        tokio::task::spawn_local(est::serve(est, Arc::new(est_tls), desk, settings.est.clone()));
    }
    Ok(())
}
