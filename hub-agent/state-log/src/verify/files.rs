//! Files beside the segments.

use super::Report;
use crate::{
    damage::Damage,
    disk,
    error::Error,
    heads, keys,
    log::{LOCK, PASS, RESERVE},
    segment, tiles,
};
use std::path::Path;

/// The longest of the small files.
const MOST: u64 = 64 * 1024 * 1024;

/// Names everything that does not belong into the folder, and checks what stands for itself.
pub(super) fn look(dir: &Path, bases: &[u64], report: &mut Report) -> Result<(), Error> {
    for entry in std::fs::read_dir(dir).map_err(|error| Error::io(dir, error))? {
        let path = entry.map_err(|error| Error::io(dir, error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match (name.as_str(), ending) {
            (LOCK | heads::FILE | tiles::FOLDER, _) => {}
            (keys::FILE, _) => {
                if !disk::read(&path, MOST)?.is_some_and(|bytes| keys::is_whole(&bytes)) {
                    report.find(&name, Damage::Keys);
                }
            }
            (RESERVE, _) => {
                if disk::read(&path, MOST)?.is_some_and(|bytes| bytes.iter().any(|b| *b != 0)) {
                    report.find(&name, Damage::Rebuildable { file: name.clone() });
                }
            }
            (PASS, _) | (_, disk::ASIDE | disk::OLD) => {
                report.find(&name, Damage::Unfinished { file: name.clone() });
            }
            (_, segment::SEGMENT) if segment::base_of(&path).is_some() => {}
            (_, segment::INDEX)
                if segment::base_of(&path).is_some_and(|base| bases.contains(&base)) => {}
            (_, _) => report.find(&name, Damage::Stranger { file: name.clone() }),
        }
    }
    Ok(())
}
