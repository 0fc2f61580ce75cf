//! `hub-agent boot`

use super::{Common, Failure, sources};
use crate::{
    own::{Boot, Slots, boot as become_it},
    settings,
};
use std::ffi::OsString;

/// Becomes the executable that is to start; comes back only when none can be. Of the arguments of this process
/// the last `given` are this command line, the program's name included; those before are kept.
pub(super) fn boot(common: &Common, set: &[String], given: usize) -> Failure {
    let how = match prepared(common, set, given) {
        Ok(how) => how,
        Err(failure) => return failure,
    };
    let folder = sources(common, set).and_then(|sources| {
        let slots = settings::slots(&sources, std::env::vars());
        slots.map_err(|error| Failure::Usage(error.to_string()))
    });
    match folder {
        Ok(folder) => {
            let error = become_it(folder.map(Slots::at).as_ref(), &how);
            Failure::Failed(format!("{} cannot be started: {error}", how.packaged.display()))
        }
        Err(failure) => failure,
    }
}

fn prepared(common: &Common, set: &[String], given: usize) -> Result<Boot, Failure> {
    let packaged = std::env::current_exe();
    let packaged = packaged.map_err(|error| Failure::Failed(error.to_string()))?;
    let all: Vec<OsString> = std::env::args_os().collect();
    let before = all.len().saturating_sub(given);
    let leading = all.into_iter().skip(1).take(before).collect();
    let paths = [
        ("--settings", &common.settings),
        ("--data-dir", &common.data_dir),
        ("--socket", &common.socket),
    ];
    let mut trailing = Vec::new();
    for (name, path) in paths {
        if let Some(path) = path {
            trailing.extend([name.into(), path.clone().into_os_string()]);
        }
    }
    for pair in set {
        trailing.extend(["--set".into(), pair.into()]);
    }
    Ok(Boot { packaged, leading, trailing })
}
