//! Verified metadata and their floors in the hub's store: written in the loop's own commits, sealed like all
//! else, and counted by a witness beside the store.

use crate::run::HubCell;
use hub_core::{Table, Write};
use std::{path::Path, rc::Rc};
use tokio::sync::{mpsc, oneshot};
use update_verifier::{Changes, Refused, Stored, Vault, VaultFailed, Witness};

/// Changes on their way to the loop; the verifier makes one at a time.
const QUEUE: usize = 1;

/// Key of the floors; no file of a repository is called so.
const FLOORS: &[u8] = b"floors";

/// Keys of metadata files begin so.
const FILE: &[u8] = b"file/";

type Order = (Changes, oneshot::Sender<Result<(), VaultFailed>>);

/// The verifier's end.
pub(super) struct HubVault(mpsc::Sender<Order>);

impl Vault for HubVault {
    async fn commit(&mut self, changes: &Changes) -> Result<(), VaultFailed> {
        let gone = || VaultFailed("the hub is ending".to_owned());
        let (done, waiter) = oneshot::channel();
        self.0.send((changes.clone(), done)).await.map_err(|_| gone())?;
        waiter.await.map_err(|_| gone())?
    }
}

/// A vault, and the loop's end of it, which must be polled.
pub(super) fn open(
    cell: &Rc<HubCell>,
    witness: Witness,
) -> (HubVault, impl Future<Output = ()> + use<>) {
    let (orders, mut taken) = mpsc::channel::<Order>(QUEUE);
    let cell = Rc::clone(cell);
    let work = async move {
        while let Some((changes, done)) = taken.recv().await {
            let durable = cell.make_durable(writes(&changes)).await;
            let noted =
                durable.map_err(|why| VaultFailed(why.advice().to_owned())).and_then(|()| {
                    witness.note(changes.commits).map_err(|error| VaultFailed(error.to_string()))
                });
            // Who does not wait any more will ask the repository again.
            let _ = done.send(noted);
        }
    };
    (HubVault(orders), work)
}

fn writes(changes: &Changes) -> Vec<Write> {
    let write = |key: &[u8], value| Write { table: Table::Repository, key: key.to_vec(), value };
    let files = changes.metadata.iter().map(|(name, bytes)| {
        let value = bytes.as_ref().map(|bytes| bytes.to_vec());
        write(&[FILE, name.as_bytes()].concat(), value)
    });
    let floors = std::iter::once(write(FLOORS, Some(changes.floors.clone())));
    files.chain(floors).collect()
}

/// What the store holds of the repository.
pub(super) fn stored<'a>(rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Stored {
    let mut stored = Stored::default();
    for (key, value) in rows {
        if key == FLOORS {
            stored.floors = Some(value.to_vec());
        } else if let Some(name) = key.strip_prefix(FILE) {
            let name = String::from_utf8_lossy(name).into_owned();
            stored.metadata.insert(name, value.to_vec().into());
        }
    }
    stored
}

/// The witness beside the store, and what it saw.
///
/// # Errors
/// When its file cannot be read, or is gone although there are floors.
pub(super) fn witnessed(folder: &Path, stored: &mut Stored) -> Result<Witness, Refused> {
    let witness = Witness::at(folder.join("commits"));
    match witness.seen()? {
        Some(seen) => stored.seen = seen,
        None if stored.floors.is_some() => {
            let why = "the count of commits beside the store is gone";
            return Err(Refused::FloorsDamaged(why.to_owned()));
        }
        None => {}
    }
    Ok(witness)
}
