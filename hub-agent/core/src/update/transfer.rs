//! Which blocks a component may ask for.

use protocol::{
    id::{Digest, JobId},
    message::{BlockRequest, UpdateFault, UpdateObject},
    update::{Image, Verified},
};

/// Blocks that may be asked for at once; see decision 30.
pub const WINDOW: u8 = 8;

/// Largest block that the hub offers.
pub const BLOCK: u32 = 65_536;

/// Blocks to be sent, one after the other: the shell reads them from its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Of which update.
    pub job: JobId,
    /// Of what.
    pub object: UpdateObject,
    /// SHA-256 of the whole file, which names it in the cache.
    pub file: Digest,
    /// From which byte on.
    pub offset: u32,
    /// Bytes in each.
    pub length: u32,
    /// Bytes in all: the last block may be shorter.
    pub bytes: u32,
}

/// Judges a request: whole blocks within the object, no more than the window.
///
/// # Errors
/// What is wrong with it.
pub fn check(request: &BlockRequest, image: &Verified<Image>) -> Result<Blocks, UpdateFault> {
    let manifest = image.manifest();
    let BlockRequest { job, object, offset, length, count } = request;
    let (size, file) = match object {
        UpdateObject::Image => (manifest.size, manifest.image),
        UpdateObject::Chunks => (manifest.list_size(), manifest.chunks),
    };
    let (length, count) = (length.get(), u32::from(count.get()));
    let small = length <= BLOCK && length <= manifest.chunk && count <= u32::from(WINDOW);
    let aligned = offset.is_multiple_of(length);
    let last = offset.checked_add(length * (count - 1)).filter(|last| *last < size);
    match (small && aligned, last) {
        (true, Some(last)) => {
            let bytes = length.min(size - last) + (last - offset);
            Ok(Blocks { job: *job, object: *object, file, offset: *offset, length, bytes })
        }
        (true, None) | (false, _) => Err(UpdateFault::Range),
    }
}
