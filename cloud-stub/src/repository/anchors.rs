//! Which keys a vendor's components trust: its chain of anchors, and what a new one changes about its releases.

use super::{
    Repository, check,
    draft::Draft,
    error::Mistake,
    keys::{Keyring, Library, Role, multisign},
    metadata::Targets,
    published::counters,
};
use protocol::{
    cbor,
    id::{ModelId, PublicKey, Slug},
    message::{List, V1},
    update::{Anchor, Anchors, Distrust, MAX_ANCHORS, Manifest, Verified},
};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// The anchors of a vendor, each vouched for by the one before.
pub struct Chain {
    anchors: Vec<Anchors>,
}

impl Chain {
    /// Reads and verifies the chain; it is empty for a vendor that is being made.
    ///
    /// # Errors
    /// When an anchor is unreadable, or not vouched for.
    pub fn read(repository: &Repository, vendor: &Slug) -> Result<Self, Mistake> {
        let mut anchors: Vec<Anchors> = Vec::new();
        for number in 1.. {
            let path = path(repository, vendor, number);
            if !path.exists() {
                break;
            }
            let bytes = fs::read(&path).map_err(Mistake::io(&path))?;
            let next = match anchors.last() {
                Some(last) => last.advance(&bytes, &Library),
                None => Anchors::pin(&bytes, &Library),
            };
            anchors.push(next.map_err(|why| Mistake::damaged(&path, why))?);
        }
        Ok(Self { anchors })
    }

    /// All of them, the first one first.
    #[must_use]
    pub fn all(&self) -> &[Anchors] {
        &self.anchors
    }

    /// The one in force.
    ///
    /// # Errors
    /// When the vendor has none.
    pub fn newest(&self, vendor: &Slug) -> Result<&Anchors, Mistake> {
        let known = "no anchors".to_owned();
        let missing = || Mistake::NoVendor { vendor: vendor.to_string(), known };
        self.anchors.last().ok_or_else(missing)
    }

    /// Makes the next one, with these keys; the root keys of the one in force sign it too.
    pub(super) fn next(
        &self,
        vendor: &Slug,
        root_keys: Vec<PublicKey>,
        manifest_keys: Vec<PublicKey>,
        ring: &Keyring,
    ) -> Result<Anchors, Mistake> {
        if self.anchors.len() >= MAX_ANCHORS {
            let why = format!(
                "hubs walk through {MAX_ANCHORS} anchors at most: the vendor needs another name"
            );
            return Err(Mistake::Rule(why));
        }
        let (root, manifest) = (Role::Anchor(vendor.clone()), Role::Manifest(vendor.clone()));
        let threshold = usize::from(root.quorum().1);
        let mut signers = Vec::new();
        let last = self.anchors.last();
        if let Some(Anchor { root_keys, root_threshold, .. }) = last.map(Anchors::anchor) {
            signers.extend(ring.signers(&root, root_keys.items(), (*root_threshold).into())?);
        }
        signers.extend(ring.signers(&root, &root_keys, threshold)?);
        let anchor = Anchor {
            version: V1,
            number: last.map_or(0, |last| last.anchor().number).saturating_add(1),
            vendor: vendor.clone(),
            root_keys: few(root_keys)?,
            root_threshold: root.quorum().1,
            manifest_keys: few(manifest_keys)?,
            manifest_threshold: manifest.quorum().1,
        };
        let bytes = multisign(Anchor::TYP, &cbor::encode(&anchor), &signers);
        let next = match last {
            Some(last) => last.advance(&bytes, &Library),
            None => Anchors::pin(&bytes, &Library),
        };
        Ok(next?)
    }

    /// Reads a manifest that any of them believes.
    fn manifest(&self, bytes: &[u8]) -> Result<Verified<Manifest>, Distrust> {
        let mut tried = Err(Distrust::Signature { what: "manifest", found: 0, wanted: 1 });
        for anchors in self.anchors.iter().rev() {
            tried = anchors.manifest(bytes, &Library);
            if tried.is_ok() {
                break;
            }
        }
        tried
    }
}

/// Signs a manifest with enough of the keys in force.
pub(super) fn sign_manifest(
    manifest: &Manifest,
    anchors: &Anchors,
    ring: &Keyring,
) -> Result<Vec<u8>, Mistake> {
    let Anchor { vendor, manifest_keys, manifest_threshold, .. } = anchors.anchor();
    let role = Role::Manifest(vendor.clone());
    let signers = ring.signers(&role, manifest_keys.items(), (*manifest_threshold).into())?;
    let bytes = multisign(Manifest::TYP, &cbor::encode(manifest), &signers);
    anchors.manifest(&bytes, &Library)?;
    Ok(bytes)
}

/// Where the anchor of this number is.
pub(super) fn path(repository: &Repository, vendor: &Slug, number: u32) -> PathBuf {
    repository.folder().join(format!("anchors/{vendor}/{number}.cose"))
}

/// The target of an anchor, for the components of one model.
pub(super) fn target(model: &str, number: u32) -> String {
    format!("anchors/{model}/{number}.cose")
}

/// Models that have releases.
pub(super) fn models(role: &Targets) -> BTreeSet<String> {
    let paths = role.targets.keys().filter_map(|path| path.strip_prefix("c/"));
    paths.filter_map(|path| path.split('/').next()).map(str::to_owned).collect()
}

impl Draft<'_> {
    /// Components go on to the next anchor first and believe only its keys then, so each manifest that is
    /// offered needs their signatures.
    pub(super) fn renew_releases(
        &mut self,
        vendor: &Slug,
        former: &Chain,
        next: &Anchors,
    ) -> Result<(), Mistake> {
        let anchors = former.anchors.iter().chain([next]);
        let anchors: Vec<_> = anchors.map(|anchors| anchors.bytes().to_vec()).collect();
        let role = self.state.vendor(vendor.as_str())?;
        let models = models(role);
        let releases: Vec<_> = models
            .iter()
            .filter_map(|model| ModelId::new(model).ok())
            .flat_map(|model| counters(role, &model).into_iter().map(move |at| (model.clone(), at)))
            .collect();
        for (model, counter) in releases {
            let path = |what: &str| format!("c/{model}/{counter}/{what}");
            let (file, bytes) = self.published(vendor, &path("manifest.cose"))?;
            let manifest = former.manifest(&bytes).map_err(|why| Mistake::damaged(&file, why))?;
            let signed = sign_manifest(&manifest, next, &self.ring)?;
            self.add_target(vendor, &path("manifest.cose"), &signed)?;
            let (_, chunks) = self.published(vendor, &path("chunks"))?;
            let role = self.state.vendor(vendor.as_str())?;
            check::cross(role, (&model, counter), &chunks, &signed, &anchors)?;
        }
        for model in models {
            self.add_target(vendor, &target(&model, next.anchor().number), next.bytes())?;
        }
        Ok(())
    }
    /// The file of a target that is published, and its content.
    fn published(&mut self, vendor: &Slug, path: &str) -> Result<(PathBuf, Vec<u8>), Mistake> {
        let metadata = self.repository.metadata();
        let target = self.state.vendor(vendor.as_str())?.targets.get(path);
        let digest = target.and_then(|target| target.hashes.get("sha256"));
        let why = || Mistake::damaged(metadata, format!("it has no {path}"));
        let digest = digest.copied().ok_or_else(why)?;
        let file = self.place(path, &digest);
        let bytes = fs::read(&file).map_err(Mistake::io(&file))?;
        Ok((file, bytes))
    }
}

fn few(keys: Vec<PublicKey>) -> Result<List<PublicKey, 4>, Mistake> {
    List::new(keys).ok_or(Mistake::Signing)
}
