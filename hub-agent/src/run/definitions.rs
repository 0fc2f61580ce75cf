//! The folder of signed definitions, read at the start.

use super::HubCell;
use anyhow::Context;
use hub_core::{Actor, Answer, Command, Input, access::policy::MAX_KINDS};
use protocol::definition::envelope::MAX_ENVELOPE;
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Puts every definition of a folder in force. One that is refused is told of and stops nothing: the
/// kinds of the others work.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn put_in_force(cell: &HubCell, folder: &Path) -> anyhow::Result<()> {
    for path in files(folder).with_context(|| folder.display().to_string())? {
        let shown = path.display();
        let envelope = read(&path).with_context(|| shown.to_string())?;
        let input = Input::Command { by: Actor::Settings, command: Command::Define(envelope) };
        if let Answer::NotDefined(error) = cell.apply(input).0 {
            tracing::error!("{shown} is not in force: {error}");
        }
    }
    Ok(())
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "definition") {
            files.push(path);
        }
    }
    files.sort();
    files.truncate(MAX_KINDS);
    Ok(files)
}

/// One byte more than an envelope may have shows that it has too many.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut envelope = Vec::new();
    File::open(path)?.take(MAX_ENVELOPE as u64 + 1).read_to_end(&mut envelope)?;
    Ok(envelope)
}
