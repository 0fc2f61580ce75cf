//! `tuf-client`: the hub's update verifier on a command line, as the TUF project's conformance suite drives it.
//!
//! What is trusted, and the floors, are in a store below the metadata folder. The `*.json` files beside it
//! are copies for people and for the suite: they are written anew after each command and never read.

use anyhow::Context;
use clap::{Parser, Subcommand};
use hub_agent::store::{Batch, Disk, DiskSettings, Durability, Seal, StoreError, whole_key};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};
use update_verifier::{
    Cache, Changes, Mirror, Mirrors, Pace, Refused, Source, Stored, Vault, VaultFailed, Verifier,
    Witness,
};

/// The store's key. It is no secret: it finds damage, and whoever may write to the folder may as well pin.
const KEY: &[u8; 32] = b"tuf-client: finds damage, no key";

/// Bytes of targets under way.
const CACHE: u64 = 4 * 1024 * 1024 * 1024;

/// Tables of the store.
const METADATA: &str = "tuf_meta";
const FLOORS: &str = "tuf_floor";

/// Verifies a TUF repository and downloads from it.
#[derive(Debug, Parser)]
#[command(name = "tuf-client", version)]
struct Asked {
    /// Folder of the trusted metadata
    #[arg(long, global = true)]
    metadata_dir: Option<PathBuf>,
    /// Where the repository's metadata is: http://… or dir:///…
    #[arg(long, global = true)]
    metadata_url: Option<String>,
    /// Path of a target; may be given several times
    #[arg(long = "target-name", global = true)]
    target_names: Vec<String>,
    /// Folder that targets are put into
    #[arg(long, global = true)]
    target_dir: Option<PathBuf>,
    /// Where the repository's targets are: http://… or dir:///…
    #[arg(long, global = true)]
    target_base_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trust this root and forget all that was trusted before
    Init {
        /// The root, from the maker by a trusted way
        root: PathBuf,
    },
    /// Bring the metadata up to date
    Refresh,
    /// Bring the metadata up to date and fetch targets
    Download,
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.context("no runtime").and_then(|runtime| runtime.block_on(run(&asked)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command line says why it failed")]
fn complain(error: &anyhow::Error) {
    match error.downcast_ref::<Refused>() {
        Some(refused) => {
            eprintln!("refused ({}): {refused}; {}", refused.word(), refused.advice());
        }
        None => eprintln!("tuf-client: {error:#}"),
    }
}

async fn run(asked: &Asked) -> anyhow::Result<()> {
    let folder = asked.metadata_dir.as_deref().context("--metadata-dir is missing")?;
    if let Command::Init { root } = &asked.command {
        return pin(folder, root).await;
    }
    let mirrors = Arc::new(mirrors(asked)?);
    let (book, mut stored) = Book::open(folder)?;
    match book.witness.seen()? {
        Some(seen) => stored.seen = seen,
        None if stored.floors.is_some() || has_copies(folder) => {
            let why = "the count of commits beside their store is gone";
            return Err(Refused::FloorsDamaged(why.to_owned()).into());
        }
        None => {}
    }
    let mut verifier = Verifier::restore(book, stored)?;
    let done = work(asked, &mut verifier, &mirrors).await;
    write_copies(folder, &verifier)?;
    done
}

async fn pin(folder: &Path, root: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(root).with_context(|| format!("{} cannot be read", root.display()))?;
    let (book, mut stored) = Book::open(folder)?;
    // A witness that is damaged is what is being repaired.
    stored.seen = book.witness.seen().unwrap_or_default().unwrap_or(0);
    let verifier = Verifier::pin(book, &stored, &bytes).await?;
    write_copies(folder, &verifier)
}

async fn work(
    asked: &Asked,
    verifier: &mut Verifier<Book>,
    mirrors: &Arc<Mirrors>,
) -> anyhow::Result<()> {
    let now = SystemTime::now();
    verifier.refresh(mirrors, now).await?;
    if let Command::Download = asked.command {
        let into = asked.target_dir.as_deref().context("--target-dir is missing")?;
        anyhow::ensure!(!asked.target_names.is_empty(), "--target-name is missing");
        let under_way = asked.metadata_dir.as_deref().unwrap_or(into).join("cache");
        let mut cache = Cache::open(under_way, CACHE).await?;
        for name in &asked.target_names {
            download(verifier, mirrors, &mut cache, name, into, now).await?;
        }
    }
    Ok(())
}

async fn download(
    verifier: &mut Verifier<Book>,
    mirrors: &Mirrors,
    cache: &mut Cache,
    name: &str,
    into: &Path,
    now: SystemTime,
) -> anyhow::Result<()> {
    let target = verifier.find(name, now).await?;
    let place = into.join(file_of(name));
    if target.is_at(&place).await? {
        return Ok(());
    }
    let fetched = cache.fetch(&target, mirrors, &[]).await?;
    let cannot = || format!("{} cannot be written", place.display());
    fs::create_dir_all(place.parent().unwrap_or(into)).with_context(cannot)?;
    let put = |part: &Path| {
        fs::rename(fetched.path(), part).or_else(|_| fs::copy(fetched.path(), part).map(|_| ()))
    };
    write_whole(&place, put).with_context(cannot)
}

/// Where a target is put: its path below the folder, or only its last part when the path would lead out.
fn file_of(name: &str) -> PathBuf {
    let path = Path::new(name.trim_start_matches('/'));
    if path.components().any(|part| matches!(part, Component::ParentDir)) {
        return path.file_name().map_or_else(|| PathBuf::from("target"), PathBuf::from);
    }
    path.to_path_buf()
}

fn mirrors(asked: &Asked) -> anyhow::Result<Mirrors> {
    let metadata = asked.metadata_url.as_deref().context("--metadata-url is missing")?;
    let targets = match (&asked.command, asked.target_base_url.as_deref()) {
        (Command::Download, None) => anyhow::bail!("--target-base-url is missing"),
        (_, targets) => targets.unwrap_or(metadata),
    };
    let source = |address| Source::parse(address, None, Pace::default());
    Ok(Mirrors::new(vec![Mirror { metadata: source(metadata)?, targets: source(targets)? }])?)
}

/// The store below the metadata folder, and the witness of its commits beside it.
struct Book {
    disk: Disk,
    witness: Witness,
}

impl Book {
    fn open(folder: &Path) -> anyhow::Result<(Self, Stored)> {
        let settings = DiskSettings {
            path: folder.join("floors"),
            low_water: 1024 * 1024,
            durability: Durability::Full,
        };
        let disk = Disk::open(settings, Seal::new(KEY)).map_err(unusable)?;
        let mut stored = Stored::default();
        for (table, key, value) in disk.load().map_err(unusable)? {
            match (table.as_str(), String::from_utf8(key)) {
                (METADATA, Ok(name)) => {
                    stored.metadata.insert(name, value.into());
                }
                (FLOORS, Ok(_)) => stored.floors = Some(value),
                _ => {}
            }
        }
        Ok((Self { disk, witness: Witness::at(folder.join("commits")) }, stored))
    }
}

impl Vault for Book {
    async fn commit(&mut self, changes: &Changes) -> Result<(), VaultFailed> {
        let mut batch = Batch::new();
        for (name, bytes) in &changes.metadata {
            let value = bytes.as_ref().map(|bytes| bytes.to_vec());
            batch.insert(whole_key(METADATA, name.as_bytes()), value);
        }
        batch.insert(whole_key(FLOORS, b""), Some(changes.floors.clone()));
        self.disk.commit(&batch).map_err(|failed| VaultFailed(failed.to_string()))?;
        self.witness.note(changes.commits).map_err(|failed| VaultFailed(failed.to_string()))
    }
}

fn unusable(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Damaged { .. } | StoreError::Format { .. } => {
            Refused::FloorsDamaged(error.to_string()).into()
        }
        StoreError::InUse(_)
        | StoreError::Full { .. }
        | StoreError::Io(_)
        | StoreError::Log(_)
        | StoreError::NothingHeld
        | StoreError::LogDamaged(_) => error.into(),
    }
}

/// Names of the copies beside the store.
fn copies(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.ends_with(".json") {
            names.push(name);
        }
    }
    Ok(names)
}

fn has_copies(folder: &Path) -> bool {
    copies(folder).is_ok_and(|names| !names.is_empty())
}

/// Makes the copies say what is trusted, whatever became of them.
fn write_copies(folder: &Path, verifier: &Verifier<Book>) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", folder.display());
    let trusted: BTreeSet<_> = verifier.metadata().keys().collect();
    for name in copies(folder).with_context(cannot)? {
        if !trusted.contains(&name) {
            fs::remove_file(folder.join(name)).with_context(cannot)?;
        }
    }
    for (name, bytes) in verifier.metadata() {
        write_whole(&folder.join(name), |part| fs::write(part, bytes)).with_context(cannot)?;
    }
    Ok(())
}

/// Writes beside the place and renames, so that nobody sees half a file.
fn write_whole(place: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let part = place.with_file_name(format!(".{name}.part"));
    write(&part)?;
    fs::rename(&part, place)
}
