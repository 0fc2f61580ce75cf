//! Making a release in one go: image, chunk list, manifest, anchors and definition become targets together, once
//! everything that a hub will check has been checked here.

use super::{
    Mistake, Repository,
    anchors::{Chain, sign_manifest, target},
    check::{self, share},
    draft::Draft,
    published::counters,
};
use crate::identity::sha256;
use aws_lc_rs::digest::{Context, SHA256};
use protocol::{
    id::{Digest, Label, ModelId, Note, Slug},
    message::{List, V1},
    update::Manifest,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// How much a release matters for security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Not at all.
    #[default]
    None,
    /// Little.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// Attacks are under way or easy.
    Critical,
}

/// What a release is to be.
#[derive(Clone, Debug)]
pub struct Release {
    /// The line of releases.
    pub model: ModelId,
    /// What people call it.
    pub name: Label,
    /// The file of the image.
    pub image: PathBuf,
    /// Its counter; the next one if none is given.
    pub counter: Option<u32>,
    /// Hardware revisions that may run it.
    pub hardware: Vec<u32>,
    /// From its confirmation on nothing below this counter boots any more.
    pub floor: u32,
    /// Size of a chunk in bytes.
    pub chunk: u32,
    /// Least counters of other models.
    pub needs: Vec<(ModelId, u32)>,
    /// After this it must not be installed any more.
    pub expires: Option<u64>,
    /// Seconds that it has to prove that it works.
    pub health: u16,
    /// How many of a hundred hubs take part.
    pub rollout: u8,
    /// How much it matters for security.
    pub security: Security,
    /// What people are told.
    pub notes: Option<Note>,
    /// The file of the signed definition that comes with it.
    pub definition: Option<PathBuf>,
}

impl Release {
    /// A release with the usual settings: the next counter, hardware 1, no floor, 64 KiB chunks, 120 s, all hubs.
    #[must_use]
    pub fn new(model: ModelId, name: Label, image: &Path) -> Self {
        Self {
            model,
            name,
            image: image.to_owned(),
            counter: None,
            hardware: vec![1],
            floor: 0,
            chunk: 65_536,
            needs: Vec::new(),
            expires: None,
            health: 120,
            rollout: 100,
            security: Security::None,
            notes: None,
            definition: None,
        }
    }
}

/// What is told about a release beside its image, in the metadata that hubs verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The line of releases.
    pub model: ModelId,
    /// Its counter.
    pub counter: u32,
    /// What people call it.
    pub name: Label,
    /// How many of a hundred hubs take part.
    pub rollout: u8,
    /// How much it matters for security.
    pub security: Security,
    /// What people are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Note>,
    /// The component restarts for it.
    pub reboot: bool,
}

/// A release that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Released {
    /// What is told about it.
    #[serde(flatten)]
    pub about: About,
    /// Size of its image in bytes.
    pub size: u64,
    /// SHA-256 of its image.
    pub sha256: Digest,
}

impl Repository {
    /// Makes and publishes a release.
    ///
    /// # Errors
    /// What is wrong with it; nothing changed then.
    pub fn release(&self, release: &Release, now: u64) -> Result<Released, Mistake> {
        self.release_watched(release, now, &mut |_| ())
    }

    /// The same, and tells how many bytes of the image are done.
    ///
    /// # Errors
    /// As [`Repository::release`].
    pub fn release_watched(
        &self,
        release: &Release,
        now: u64,
        watch: &mut dyn FnMut(u64),
    ) -> Result<Released, Mistake> {
        let mut draft = self.draft(now)?;
        let vendor =
            Slug::new(release.model.vendor()).map_err(|why| Mistake::Rule(why.to_string()))?;
        let counter = draft.counter(release)?;
        let mut manifest = draft.manifest(release, counter)?;
        let definition = release
            .definition
            .as_deref()
            .map(|path| check::definition(path, &release.model))
            .transpose()?;
        let chain = Chain::read(self, &vendor)?;
        let anchors = chain.newest(&vendor)?;
        // Before minutes of hashing: whether the keys are here.
        sign_manifest(&manifest, anchors, &draft.ring)?;
        draft.can_sign(&vendor)?;

        let folder = self.targets().join(format!("c/{}/{counter}", release.model));
        let (staged, chunks) = draft.copy_image(release, &mut manifest, &folder, watch)?;
        let signed = sign_manifest(&manifest, anchors, &draft.ring)?;
        check::written(&staged, &chunks, &manifest)?;
        let (size, sha256) = (manifest.size.into(), manifest.image);
        let about = about(release, counter);
        let parts = Parts { about: &about, manifest, staged, chunks, signed, definition };
        draft.enter_release(&vendor, &parts, &chain)?;
        draft.commit()?;
        Ok(Released { about, size, sha256 })
    }
}

/// What becomes the targets of a release.
struct Parts<'a> {
    about: &'a About,
    manifest: Manifest,
    staged: PathBuf,
    chunks: Vec<u8>,
    signed: Vec<u8>,
    definition: Option<Vec<u8>>,
}

impl Draft<'_> {
    fn counter(&mut self, release: &Release) -> Result<u32, Mistake> {
        let model = &release.model;
        let role = self.state.vendor(model.vendor())?;
        let highest = role.highest.get(model.as_str()).copied().unwrap_or(0);
        let counter = release.counter.or(highest.checked_add(1)).unwrap_or(highest);
        if counter > highest {
            return Ok(counter);
        }
        Err(Mistake::Counter { model: model.clone(), asked: counter, highest })
    }

    /// The manifest but for its digests, once everything that needs no reading of the image is right.
    fn manifest(&self, release: &Release, counter: u32) -> Result<Manifest, Mistake> {
        let rule = |why: &str| Mistake::Rule(why.to_owned());
        let mut needs = release.needs.clone();
        needs.sort();
        share(release.rollout)?;
        if release.expires.is_some_and(|end| end <= self.now) {
            return Err(rule("it would have expired already: give a later --expires"));
        }
        if needs.iter().any(|(model, _)| *model == release.model) {
            return Err(rule("--needs names other models; for its own there is --floor"));
        }
        for (model, counter) in &needs {
            self.met(model, *counter)?;
        }
        let manifest = Manifest {
            version: V1,
            model: release.model.clone(),
            hardware: List::new(release.hardware.clone())
                .ok_or_else(|| rule("--hardware takes 1 to 8 different revisions"))?,
            counter,
            floor: release.floor,
            name: release.name.clone(),
            size: check::size(&release.image)?,
            image: Digest([0; 32]),
            chunk: release.chunk,
            chunks: Digest([0; 32]),
            expires: release.expires,
            needs: List::new(needs)
                .ok_or_else(|| rule("--needs takes at most 8 models, each once"))?,
            health: release.health,
            format: 0,
        };
        manifest.check().map_err(rule)?;
        Ok(manifest)
    }

    /// Whether a release here meets a need; those of vendors elsewhere cannot be seen.
    fn met(&self, model: &ModelId, counter: u32) -> Result<(), Mistake> {
        let vendor = Slug::new(model.vendor()).ok();
        let Some(role) = vendor.and_then(|vendor| self.state.vendors.get(&vendor)) else {
            return Ok(());
        };
        if counters(role, model).into_iter().any(|here| here >= counter) {
            return Ok(());
        }
        Err(Mistake::Needs { model: model.clone(), counter })
    }

    /// Enters everything of a release, and all anchors that its components may lack; then checks it as a hub does.
    fn enter_release(
        &mut self,
        vendor: &Slug,
        parts: &Parts<'_>,
        chain: &Chain,
    ) -> Result<(), Mistake> {
        let Parts { about, manifest, staged, chunks, signed, definition } = parts;
        let (model, counter) = (&about.model, about.counter);
        let path = |what: &str| format!("c/{model}/{counter}/{what}");
        let told = serde_json::to_value(about).map_err(|_| Mistake::Signing)?;
        self.stage.name(staged, self.place(&path("image"), &manifest.image));
        let size = manifest.size.into();
        self.enter_target(vendor, &path("image"), size, manifest.image, Some(told))?;
        self.add_target(vendor, &path("chunks"), chunks)?;
        self.add_target(vendor, &path("manifest.cose"), signed)?;
        if let Some(definition) = definition {
            self.add_target(vendor, &path("definition"), definition)?;
        }
        for anchors in chain.all() {
            let path = target(model.as_str(), anchors.anchor().number);
            self.add_target(vendor, &path, anchors.bytes())?;
        }
        let anchors: Vec<_> = chain.all().iter().map(|one| one.bytes().to_vec()).collect();
        let role = self.change_vendor(vendor)?;
        check::cross(role, (model, counter), chunks, signed, &anchors)?;
        role.highest.insert(model.to_string(), counter);
        Ok(())
    }

    /// Copies the image into the stage and hashes it on the way: what is signed is what is published, also when
    /// somebody writes to the file meanwhile. Answers where it is, and the chunk list.
    fn copy_image(
        &mut self,
        release: &Release,
        manifest: &mut Manifest,
        folder: &Path,
        watch: &mut dyn FnMut(u64),
    ) -> Result<(PathBuf, Vec<u8>), Mistake> {
        let path = &release.image;
        let mut from = File::open(path).map_err(Mistake::io(path))?;
        let (mut to, staged) = self.stage.open(folder)?;
        let (mut whole, mut chunks, mut done) = (Context::new(&SHA256), Vec::new(), 0);
        let mut chunk = vec![0; manifest.chunk as usize];
        for index in 0..manifest.chunk_count() {
            let length = manifest.chunk_at(index).map_or(0, |(_, length)| length as usize);
            let chunk = &mut chunk[..length];
            from.read_exact(chunk).map_err(Mistake::io(path))?;
            whole.update(chunk);
            chunks.extend(sha256(chunk).0);
            to.write_all(chunk).map_err(Mistake::io(&staged))?;
            done += length as u64;
            watch(done);
        }
        to.sync_all().map_err(Mistake::io(&staged))?;
        manifest.image.0.copy_from_slice(whole.finish().as_ref());
        manifest.chunks = sha256(&chunks);
        Ok((staged, chunks))
    }
}

fn about(release: &Release, counter: u32) -> About {
    let Release { model, name, rollout, security, notes, .. } = release.clone();
    About { model, counter, name, rollout, security, notes, reboot: true }
}
