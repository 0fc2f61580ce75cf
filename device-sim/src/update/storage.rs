//! Where slots and protected words lie: bytes that survive a power cut, in memory or in a file.
//!
//! Nothing here knows what the bytes mean. Images are up to 64 MiB, so nobody copies them around; a slot as
//! it left the factory is shared by all devices of a kind until one writes to it.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

/// What bytes read as that nobody wrote: erased NOR flash.
const ERASED: u8 = 0xff;

/// A piece of memory that survives a power cut.
pub trait Storage {
    /// Reads from this byte on; what was never written reads as anything.
    ///
    /// # Errors
    /// When the medium fails.
    fn read_at(&self, at: u32, into: &mut [u8]) -> io::Result<()>;

    /// Writes from this byte on.
    ///
    /// # Errors
    /// When the medium fails; then these bytes may be anything.
    fn write_at(&mut self, at: u32, bytes: &[u8]) -> io::Result<()>;

    /// Makes all of it unwritten.
    ///
    /// # Errors
    /// When the medium fails.
    fn erase(&mut self) -> io::Result<()>;

    /// Returns once everything written so far survives.
    ///
    /// # Errors
    /// When the medium fails.
    fn sync(&mut self) -> io::Result<()>;
}

/// Memory of the process; copies share their bytes until one is written.
#[derive(Clone, Debug, Default)]
pub struct Ram(Arc<Vec<u8>>);

impl Ram {
    /// Memory with this in it.
    #[must_use]
    pub fn holding(bytes: Arc<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// What is in it.
    #[must_use]
    pub fn bytes(self) -> Arc<Vec<u8>> {
        self.0
    }
}

impl Storage for Ram {
    fn read_at(&self, at: u32, into: &mut [u8]) -> io::Result<()> {
        read_from(&self.0, at, into);
        Ok(())
    }

    fn write_at(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        let (from, own) = (at as usize, Arc::make_mut(&mut self.0));
        let end = from + bytes.len();
        if own.len() < end {
            own.resize(end, ERASED);
        }
        own[from..end].copy_from_slice(bytes);
        Ok(())
    }

    fn erase(&mut self) -> io::Result<()> {
        self.0 = Arc::default();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file; as long as there is none it reads as it left the factory, so that a fleet that is never updated
/// writes nothing. It survives the process; it is not synced to the disk, as a device's flash is not.
#[derive(Debug)]
pub struct InFile {
    path: PathBuf,
    factory: Arc<Vec<u8>>,
}

impl InFile {
    /// The file at this path, or what left the factory.
    #[must_use]
    pub fn new(path: PathBuf, factory: Arc<Vec<u8>>) -> Self {
        Self { path, factory }
    }

    fn open(&self) -> io::Result<Option<File>> {
        match File::options().read(true).write(true).open(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts this there as a whole or not at all.
    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        fs::write(&temporary, bytes)?;
        fs::rename(&temporary, &self.path)
    }
}

impl Storage for InFile {
    fn read_at(&self, at: u32, into: &mut [u8]) -> io::Result<()> {
        let Some(file) = self.open()? else {
            read_from(&self.factory, at, into);
            return Ok(());
        };
        let (mut from, mut rest) = (u64::from(at), into);
        while !rest.is_empty() {
            let read = file.read_at(rest, from)?;
            if read == 0 {
                rest.fill(ERASED);
                break;
            }
            (from, rest) = (from + read as u64, &mut rest[read..]);
        }
        Ok(())
    }

    fn write_at(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        let file = match self.open()? {
            Some(file) => file,
            None => {
                self.replace(&self.factory)?;
                self.open()?.ok_or(ErrorKind::NotFound)?
            }
        };
        file.write_all_at(bytes, at.into())
    }

    fn erase(&mut self) -> io::Result<()> {
        self.replace(&[])
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_from(bytes: &[u8], at: u32, into: &mut [u8]) {
    let there = bytes.get(at as usize..).unwrap_or_default();
    let shared = there.len().min(into.len());
    into[..shared].copy_from_slice(&there[..shared]);
    into[shared..].fill(ERASED);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(storage: &impl Storage, at: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        storage.read_at(at, &mut bytes).unwrap();
        bytes
    }

    fn behaves(mut storage: impl Storage) {
        assert_eq!(read(&storage, 1, 4), [2, 3, ERASED, ERASED]);
        storage.write_at(2, &[9, 8]).unwrap();
        assert_eq!(read(&storage, 0, 5), [1, 2, 9, 8, ERASED]);
        storage.erase().unwrap();
        assert_eq!(read(&storage, 0, 2), [ERASED, ERASED]);
    }

    #[test]
    fn memory_and_files_behave_alike_and_begin_as_they_left_the_factory() {
        let factory = Arc::new(vec![1, 2, 3]);
        behaves(Ram::holding(factory.clone()));
        let name = format!("device-sim-storage-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        behaves(InFile::new(path.clone(), factory.clone()));
        assert_eq!(read(&InFile::new(path.clone(), factory.clone()), 0, 1), [ERASED], "it is kept");
        std::fs::remove_file(path).unwrap();
        assert_eq!(*factory, [1, 2, 3], "what is shared is not written");
    }
}
