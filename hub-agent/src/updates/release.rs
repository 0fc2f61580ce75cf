//! One release: its files are fetched, and everything is compared with everything before anybody is told of it.

use hub_core::update::{AwsLc, Importance, ReleaseNote};
use protocol::{
    id::{Digest, ModelId},
    update::{CrossCheck, Image, MAX_ANCHORS, Release, TargetFacts, Verified},
};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};
use update_verifier::{Attack, Cache, Mirrors, Refused, Target, Vault, Verifier};

/// Longest file beside the image: the chunk list of an image with the most chunks.
const SMALL: u64 = 128 * 1024;

/// Releases of one model that are looked at; a vendor withdraws old ones.
const MOST_RELEASES: usize = 256;

/// What the repository's metadata says of an image.
#[derive(Clone, Debug, Deserialize)]
struct About {
    model: ModelId,
    counter: u32,
    #[serde(default = "all")]
    rollout: u8,
    #[serde(default)]
    security: Importance,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    reboot: bool,
}

fn all() -> u8 {
    100
}

/// A release that may go to components.
pub(super) struct Ready {
    pub(super) image: Verified<Image>,
    pub(super) note: ReleaseNote,
    pub(super) definition: Option<Vec<u8>>,
    pub(super) rollout: u8,
}

/// Why a release is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// The repository, or a mirror, gave something else than its keys vouch for.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The vendor's keys and the repository's do not say the same.
    #[error(transparent)]
    CrossCheck(#[from] CrossCheck),
    /// The metadata of the image lack what they must say.
    #[error("the metadata of the image do not say of which model and counter it is")]
    Undescribed,
    /// The vendor said until when it may be installed.
    #[error("its manifest expired at {0} seconds since 1970")]
    Expired(u64),
}

impl Unusable {
    /// Which attack it looks like; nothing when the repository was merely not there.
    pub(super) fn attack(&self) -> Option<&'static str> {
        match self {
            // One of its files is not listed, or cannot be: the others do not belong together without it.
            Self::Refused(Refused::NoSuchTarget(_)) => Some(Attack::MixAndMatch.word()),
            Self::Refused(refused) => refused.attack().map(Attack::word),
            Self::CrossCheck(CrossCheck::Contradiction("model")) => {
                Some(Attack::WrongSoftware.word())
            }
            Self::CrossCheck(CrossCheck::Contradiction(_)) => Some(Attack::MixAndMatch.word()),
            Self::CrossCheck(
                CrossCheck::Distrust(_) | CrossCheck::File(_) | CrossCheck::Anchors,
            ) => Some(Attack::ArbitrarySoftware.word()),
            Self::Undescribed => Some(Attack::WrongSoftware.word()),
            Self::Expired(_) => Some(Attack::Freeze.word()),
        }
    }
}

/// What is needed to look into a repository.
pub(super) struct Looking<'a, V: Vault> {
    pub(super) verifier: &'a mut Verifier<V>,
    pub(super) cache: &'a mut Cache,
    pub(super) mirrors: &'a Mirrors,
    pub(super) now: SystemTime,
}

impl<V: Vault> Looking<'_, V> {
    /// Counters of a model's releases, greatest first.
    pub(super) async fn counters(&mut self, model: &ModelId) -> Result<Vec<u32>, Refused> {
        // Nobody lists this path; looking for it fetches the metadata of whoever has a say over it.
        match self.verifier.find(&format!("c/{model}/0/image"), self.now).await {
            Ok(_) | Err(Refused::NoSuchTarget(_)) => {}
            Err(refused) => return Err(refused),
        }
        let (before, after) = (format!("c/{model}/"), "/image");
        let mut found = BTreeSet::new();
        for bytes in self.verifier.metadata().values() {
            // What stands there is only where to look: each path is found by the keys afterwards.
            let Ok(listed) = serde_json::from_slice::<Listing>(bytes) else { continue };
            let counter = |path: &String| {
                path.strip_prefix(&before)?.strip_suffix(after)?.parse::<u32>().ok()
            };
            found.extend(listed.signed.targets.keys().filter_map(counter));
        }
        Ok(found.into_iter().rev().take(MOST_RELEASES).collect())
    }

    /// Everything about one release, its image in the cache.
    pub(super) async fn release(
        &mut self,
        model: &ModelId,
        counter: u32,
        keep: &[[u8; 32]],
    ) -> Result<Ready, Unusable> {
        let path = |file: &str| format!("c/{model}/{counter}/{file}");
        let image = self.verifier.find(&path("image"), self.now).await?;
        let about = image.custom().cloned().map(serde_json::from_value::<About>);
        let about = about.and_then(Result::ok).ok_or(Unusable::Undescribed)?;
        let chunks = self.verifier.find(&path("chunks"), self.now).await?;
        let manifest = self.verifier.find(&path("manifest.cose"), self.now).await?;
        let (list, signed) = (self.small(&chunks, keep).await?, self.small(&manifest, keep).await?);
        let anchors = self.anchors(model, keep).await?;
        let release = Release {
            model,
            counter,
            described: (&about.model, about.counter),
            image: facts(&image)?,
            chunks: (facts(&chunks)?, &list),
            manifest: (facts(&manifest)?, &signed),
            anchors: &anchors,
        };
        let verified = release.check(&AwsLc)?;
        let seconds = self.now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        if let Some(end) = verified.manifest().expires.filter(|end| *end < seconds) {
            return Err(Unusable::Expired(end));
        }
        let definition = self.definition(&path("definition"), keep).await?;
        self.cache.fetch(&image, self.mirrors, keep).await?;
        let About { rollout, security, notes, reboot, .. } = about;
        let note = ReleaseNote { importance: security, text: notes, reboot };
        Ok(Ready { image: verified, note, definition, rollout })
    }

    /// The signed definition of its kind, where the release has one.
    async fn definition(
        &mut self,
        path: &str,
        keep: &[[u8; 32]],
    ) -> Result<Option<Vec<u8>>, Unusable> {
        match self.verifier.find(path, self.now).await {
            Ok(target) => self.small(&target, keep).await.map(Some),
            Err(Refused::NoSuchTarget(_)) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn anchors(
        &mut self,
        model: &ModelId,
        keep: &[[u8; 32]],
    ) -> Result<Vec<Vec<u8>>, Unusable> {
        let mut anchors = Vec::new();
        for number in 1..=MAX_ANCHORS {
            match self.verifier.find(&format!("anchors/{model}/{number}.cose"), self.now).await {
                Ok(target) => anchors.push(self.small(&target, keep).await?),
                Err(Refused::NoSuchTarget(_)) => break,
                Err(refused) => return Err(refused.into()),
            }
        }
        Ok(anchors)
    }

    /// The bytes of a small file.
    async fn small(&mut self, target: &Target, keep: &[[u8; 32]]) -> Result<Vec<u8>, Unusable> {
        if target.length() > SMALL {
            let long = format!("{} is longer than {SMALL} bytes", target.path());
            return Err(Refused::TooLarge(long).into());
        }
        let fetched = self.cache.fetch(target, self.mirrors, keep).await?;
        let read = tokio::fs::read(fetched.path()).await;
        read.map_err(|error| Refused::Cache(error.to_string()).into())
    }
}

/// The part of a targets file in which paths stand.
#[derive(Deserialize)]
struct Listing {
    signed: Signed,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    targets: std::collections::BTreeMap<String, serde::de::IgnoredAny>,
}

fn facts(target: &Target) -> Result<TargetFacts, Unusable> {
    let sha256 = target.sha256().ok_or_else(|| {
        Refused::Malformed(format!("{} is listed without its SHA-256", target.path()))
    })?;
    Ok(TargetFacts { length: target.length(), sha256: Digest(*sha256) })
}
