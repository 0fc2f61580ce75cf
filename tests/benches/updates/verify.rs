//! The verification of a repository with 10,000 targets from a folder, beside reading and parsing the same bytes.

use crate::report::Report;
use cloud_stub::repository::{
    About, Release, Repository,
    keys::{Keyring, Role},
    metadata::{Head, Kind, Meta, Pointers, Root, Target, Targets, hashes, read, sign},
};
use device_sim::identity::sha256;
use protocol::id::{Label, ModelId, Slug};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use update_verifier::{
    Changes, Mirror, Mirrors, Pace, Source, Stored, Vault, VaultFailed, Verifier,
};

/// Releases of four targets each.
const RELEASES: u32 = 2_500;

/// The median counts.
const ROUNDS: usize = 9;

/// A vault that keeps nothing.
struct Nowhere;

impl Vault for Nowhere {
    async fn commit(&mut self, _: &Changes) -> Result<(), VaultFailed> {
        Ok(())
    }
}

pub(crate) async fn verification(report: &mut Report, folder: &Path) -> anyhow::Result<()> {
    let metadata = folder.join("repository/metadata");
    let files = make(folder, &metadata)?;
    let pinned = fs::read(metadata.join("1.root.json"))?;
    let source = |part: &str| {
        let address = format!("dir://{}/repository/{part}", folder.display());
        Source::parse(&address, None, Pace::default())
    };
    let mirror = Mirror { metadata: source("metadata")?, targets: source("targets")? };
    let mirrors = Arc::new(Mirrors::new(vec![mirror])?);
    let bytes: u64 =
        files.iter().map(|file| fs::metadata(file).map_or(0, |about| about.len())).sum();
    report.repository(RELEASES as usize * 4, bytes);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for file in &files {
            let _: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
        }
        let parsed = started.elapsed();
        let mut verifier = Verifier::pin(Nowhere, &Stored::default(), &pinned).await?;
        let started = Instant::now();
        look(&mut verifier, &mirrors).await?;
        let first = started.elapsed();
        look(&mut verifier, &mirrors).await?;
        let again = started.elapsed() - first;
        report.verification([parsed, first, again].map(|time| time.as_secs_f64() * 1e3));
    }
    Ok(())
}

/// A refresh, and the newest image.
async fn look(verifier: &mut Verifier<Nowhere>, mirrors: &Arc<Mirrors>) -> anyhow::Result<()> {
    let now = SystemTime::now();
    verifier.refresh(mirrors, now).await?;
    let path = format!("c/simulated.lamp/{RELEASES}/image");
    anyhow::ensure!(verifier.find(&path, now).await?.length() == 4096, "another target");
    Ok(())
}

/// A repository after a key ceremony and one release, whose vendor then signs many more; the answer is the files
/// that a hub reads.
fn make(folder: &Path, metadata: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (vendor, model) = (Slug::new("simulated")?, ModelId::new("simulated.lamp")?);
    let repository = Repository::create(folder, &vendor, now)?;
    let image = folder.join("image");
    fs::write(&image, [7; 4096])?;
    let about = repository.release(&Release::new(model, Label::new("1.0")?, &image), now)?.about;

    let (root, keys): (Root, _) =
        (read(&repository.pinned_root())?, Keyring::read(&repository.keys(), &[])?);
    let top: Targets = read(&metadata.join("1.targets.json"))?;
    let mut listed: Targets = read(&metadata.join("2.simulated.json"))?;
    for counter in 2..=RELEASES {
        enter(&mut listed, &about, counter)?;
    }
    let by = Signing { keys: &keys, root: &root, top: &top, metadata };
    listed.head.version += 1;
    let vendor_meta = by.publish(&Role::Vendor(vendor), &listed, &listed.head)?;
    let mut snapshot: Pointers = read(&metadata.join("2.snapshot.json"))?;
    snapshot.head.version += 1;
    snapshot.meta.insert("simulated.json".to_owned(), vendor_meta);
    let snapshot_meta = by.publish(&Role::Snapshot, &snapshot, &snapshot.head)?;
    let mut timestamp: Pointers = read(&metadata.join("timestamp.json"))?;
    timestamp.head.version += 1;
    timestamp.meta = BTreeMap::from([("snapshot.json".to_owned(), snapshot_meta)]);
    by.publish(&Role::Timestamp, &timestamp, &timestamp.head)?;
    let names = ["timestamp.json", "3.snapshot.json", "1.targets.json", "3.simulated.json"];
    Ok(names.iter().map(|name| metadata.join(name)).collect())
}

/// The four targets of one more release.
fn enter(listed: &mut Targets, about: &About, counter: u32) -> anyhow::Result<()> {
    let about = About { counter, name: Label::new(&format!("{counter}.0"))?, ..about.clone() };
    for (file, custom) in [
        ("image", Some(serde_json::to_value(&about)?)),
        ("chunks", None),
        ("manifest.cose", None),
        ("definition", None),
    ] {
        let path = format!("c/{}/{counter}/{file}", about.model);
        let target = Target { length: 4096, hashes: hashes(sha256(path.as_bytes())), custom };
        listed.targets.insert(path, target);
    }
    Ok(())
}

struct Signing<'a> {
    keys: &'a Keyring,
    root: &'a Root,
    top: &'a Targets,
    metadata: &'a Path,
}

impl Signing<'_> {
    /// Signs a document and writes it where hubs look for it.
    fn publish(&self, role: &Role, document: &impl Serialize, head: &Head) -> anyhow::Result<Meta> {
        let delegated = self.top.delegations.as_ref();
        let (known, by) = match role {
            Role::Vendor(name) => {
                let role = delegated.and_then(|all| all.roles.iter().find(|one| one.name == *name));
                (delegated.map(|all| &all.keys), role.map(|role| &role.by))
            }
            Role::Root
            | Role::Targets
            | Role::Snapshot
            | Role::Timestamp
            | Role::Anchor(_)
            | Role::Manifest(_) => (Some(&self.root.keys), self.root.roles.get(&role.to_string())),
        };
        let (known, by) = known.zip(by).ok_or_else(|| anyhow::anyhow!("no keys of {role}"))?;
        let public: Vec<_> =
            by.keyids.iter().filter_map(|id| known.get(id)).map(|key| key.public()).collect();
        let signed = sign(document, &self.keys.signers(role, &public, by.threshold)?)?;
        let name = match (role, head.kind) {
            (Role::Vendor(name), _) => format!("{}.{name}.json", head.version),
            (_, Kind::Timestamp) => "timestamp.json".to_owned(),
            (role, _) => format!("{}.{role}.json", head.version),
        };
        fs::write(self.metadata.join(name), &signed)?;
        Ok(Meta::of(head.version, &signed))
    }
}
