//! What is checked of a release before anything of it is published.

use super::{Mistake, keys::Library, metadata::Targets, release::About};
use crate::identity::sha256;
use protocol::{
    definition::{
        Definition,
        envelope::{Envelope, MAX_ENVELOPE},
    },
    id::ModelId,
    update::{self, Image, MAX_IMAGE, Manifest, TargetFacts, Verified},
};
use std::{fs, path::Path};

/// What a hub checks before it offers a release: whether the repository's metadata and the vendor's keys say the
/// same of it. `signed` is its manifest, `anchors` all of the vendor, oldest first.
pub(super) fn cross(
    role: &Targets,
    (model, counter): (&ModelId, u32),
    chunks: &[u8],
    signed: &[u8],
    anchors: &[Vec<u8>],
) -> Result<Verified<Image>, Mistake> {
    let missing = |what: &str| Mistake::Rule(format!("the metadata does not tell of its {what}"));
    let target = |what: &str| {
        let target = role.targets.get(&format!("c/{model}/{counter}/{what}"));
        let sha256 = target.and_then(|target| target.hashes.get("sha256").copied());
        let facts = target.zip(sha256);
        let facts = facts.map(|(target, sha256)| TargetFacts { length: target.length, sha256 });
        facts.ok_or_else(|| missing(what))
    };
    let told = role.targets.get(&format!("c/{model}/{counter}/image"));
    let told = told.and_then(|image| image.custom.clone());
    let about: About = told
        .and_then(|told| serde_json::from_value(told).ok())
        .ok_or_else(|| missing("model and counter"))?;
    let release = update::Release {
        model,
        counter,
        described: (&about.model, about.counter),
        image: target("image")?,
        chunks: (target("chunks")?, chunks),
        manifest: (target("manifest.cose")?, signed),
        anchors,
    };
    Ok(release.check(&Library)?)
}

/// Whether what was written is what was signed, read again from the disk.
pub(super) fn written(image: &Path, chunks: &[u8], manifest: &Manifest) -> Result<(), Mistake> {
    let written = fs::read(image).map_err(Mistake::io(image))?;
    let mut pieces = written.chunks(manifest.chunk as usize).zip(chunks.chunks(32));
    let whole = manifest.image == sha256(&written);
    if whole && pieces.all(|(chunk, digest)| sha256(chunk).0 == *digest) {
        return Ok(());
    }
    let why =
        "the disk holds another image than was written; does something else write to the folder?";
    Err(Mistake::Rule(why.to_owned()))
}

/// Reads a definition as a hub would, but for the maker's root, which is not here.
pub(super) fn definition(path: &Path, model: &ModelId) -> Result<Vec<u8>, Mistake> {
    let wrong = |why: String| Mistake::Definition { path: path.to_owned(), why };
    let bytes = fs::read(path).map_err(Mistake::io(path))?;
    if bytes.len() > MAX_ENVELOPE {
        return Err(wrong(format!("it has more than {MAX_ENVELOPE} bytes")));
    }
    let envelope = Envelope::parse(&bytes)
        .map_err(|why| wrong(format!("{why}; sign it first with the maker's key")))?;
    let definition =
        Definition::parse(envelope.document()).map_err(|why| wrong(why.to_string()))?;
    if definition.update_model.as_ref() != Some(model) {
        return Err(wrong(format!("it must say `update-model = \"{model}\"`")));
    }
    Ok(bytes)
}

/// How large the image is.
pub(super) fn size(path: &Path) -> Result<u32, Mistake> {
    let wrong = |why| Mistake::Image { path: path.to_owned(), why };
    let found = fs::metadata(path).map_err(Mistake::io(path))?;
    match u32::try_from(found.len()) {
        _ if !found.is_file() => Err(wrong("it is no file")),
        Ok(0) => Err(wrong("it is empty")),
        Ok(size @ 1..=MAX_IMAGE) => Ok(size),
        Ok(_) | Err(_) => Err(wrong("it has more than 64 MiB, which no hub takes")),
    }
}

/// Whether it is a share of a hundred hubs.
pub(super) fn share(percent: u8) -> Result<(), Mistake> {
    let wrong = || Mistake::Rule("--rollout takes 0 to 100 of a hundred hubs".to_owned());
    (percent <= 100).then_some(()).ok_or_else(wrong)
}
