//! Power loss, simulated: a file system that forgets what was not synced.
//!
//! It keeps for each file what is durable and which writes came since. `fsync` and `fdatasync` make a
//! file durable; nothing else does, `sync_file_range` included. A cut yields the files as a disk might
//! hold them. Names are durable at once, as in a journal. Criterion T3.AI.3.

mod file;
mod filesystem;
pub mod load;
pub mod log_load;

use file::Cut;
use filesystem::{Forgetful, State};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// What a disk does with writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It has none of them.
    None,
    /// It has the first of them, in order.
    Prefix,
    /// It has some of their pages, in any order.
    Pages,
    /// It has the first of them, and half of the next.
    Torn,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::None, Self::Prefix, Self::Pages, Self::Torn];
}

/// A mounted file system; unmounted when dropped.
pub struct PowerLoss {
    state: Arc<Mutex<State>>,
    _session: fuser::BackgroundSession,
}

impl PowerLoss {
    /// Mounts an empty file system on a folder.
    ///
    /// # Errors
    /// When the system does not allow it: it takes root or FUSE's helper.
    pub fn mount(folder: &Path) -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(State::new()));
        let options = [fuser::MountOption::FSName("power-loss".into())];
        let session = fuser::spawn_mount2(Forgetful(state.clone()), folder, &options)?;
        Ok(Self { state, _session: session })
    }

    /// Writes what a disk would hold if the power went now; the same seed decides alike.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn cut(&self, mode: Mode, seed: u64, image: &Path) -> std::io::Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.image(&mut Cut::new(mode, seed), image)
    }
}
