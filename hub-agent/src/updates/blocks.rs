//! Serves blocks of verified images, one block for one component in turn, so that a hundred components share
//! the line fairly and nothing else waits long. A component that does not take what it asked for gets no more
//! until it does.

use bytes::Bytes;
use hub_core::update::{BLOCK, Blocks, WINDOW};
use mqtt_endpoint::{Handle, Qos};
use protocol::{
    cbor,
    id::{ComponentId, Digest},
    message::{Blob, Block, UpdateFault},
    topic::{Down, Route},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    os::unix::fs::FileExt,
    path::PathBuf,
    rc::Rc,
};
use tokio::sync::Notify;

/// Bytes read from the disk at once: what a window of the largest blocks holds.
const SPAN: u64 = 256 * 1024;

/// Spans kept in memory: components of one campaign are never far apart.
const SPANS: usize = 32;

/// Requests that wait for one component, and bytes that they are about.
const REQUESTS: usize = 8;
const MOST: u32 = 2 * WINDOW as u32 * BLOCK;

/// Bytes that may wait for a component before it gets more.
const BACKLOG: usize = 128 * 1024;

/// Serves blocks; cheap to clone.
#[derive(Clone)]
pub struct BlockServer(Rc<Inner>);

struct Inner {
    handle: Handle,
    folder: PathBuf,
    /// What each component asked for and has not got, in its order.
    wanted: RefCell<BTreeMap<ComponentId, VecDeque<Blocks>>>,
    more: Notify,
}

/// Pieces of images that were read lately, oldest first.
#[derive(Default)]
struct Spans(VecDeque<((Digest, u64), Bytes)>);

impl BlockServer {
    /// A server of the images in this folder, which are named by their SHA-256.
    #[must_use]
    pub fn new(handle: Handle, folder: PathBuf) -> Self {
        let (wanted, more) = (RefCell::default(), Notify::new());
        Self(Rc::new(Inner { handle, folder, wanted, more }))
    }

    /// A component may have these blocks. It asks for more before all came that it asked for, and again for
    /// what it lost; what it asks for beyond two windows it has to ask for again.
    pub fn serve(&self, to: ComponentId, blocks: Blocks) {
        {
            let mut wanted = self.0.wanted.borrow_mut();
            let queue = wanted.entry(to).or_default();
            queue.retain(|old| !stands_for(&blocks, old));
            let waiting: u32 = queue.iter().map(|old| old.bytes).sum();
            if queue.len() < REQUESTS && waiting + blocks.bytes <= MOST {
                queue.push_back(blocks);
            }
        }
        self.0.more.notify_one();
    }

    /// Serves for as long as it is polled.
    pub async fn run(self) {
        let mut spans = Spans::default();
        loop {
            // Before looking, so that no news in between is missed.
            let room = self.0.handle.room();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.round(&mut spans).await {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = self.0.more.notified() => {}
                () = room => {}
            }
        }
    }

    /// One block for each component that takes one; the answer is whether any did.
    async fn round(&self, spans: &mut Spans) -> bool {
        let waiting: Vec<_> = self.0.wanted.borrow().keys().copied().collect();
        let mut served = false;
        for id in waiting {
            match self.0.handle.backlog(&id.to_string()) {
                None => drop(self.0.wanted.borrow_mut().remove(&id)),
                Some(backlog) if backlog >= BACKLOG => {}
                Some(_) => {
                    self.one(id, spans).await;
                    served = true;
                    // Others are waiting for the thread too.
                    tokio::task::yield_now().await;
                }
            }
        }
        served
    }

    async fn one(&self, id: ComponentId, spans: &mut Spans) {
        let first = self.0.wanted.borrow().get(&id).and_then(|queue| queue.front()).copied();
        let Some(blocks) = first else {
            self.0.wanted.borrow_mut().remove(&id);
            return;
        };
        let length = blocks.length.min(blocks.bytes);
        let read = spans.read(&self.0.folder, blocks.file, blocks.offset, length).await;
        let (data, fault) = match read {
            Ok(bytes) => (Blob::new(bytes), None),
            Err(error) => {
                tracing::error!("an image in the cache cannot be read: {error}");
                (None, Some(UpdateFault::Internal))
            }
        };
        let failed = fault.is_some();
        let Blocks { job, object, offset, .. } = blocks;
        let block = Block { job, object, offset, data, fault };
        let topic = Route::Down(id, Down::UpdateBlock).to_string();
        let payload = Bytes::from(cbor::encode(&block));
        self.0.handle.send(&id.to_string(), &topic, payload, Qos::AtMostOnce);
        let mut wanted = self.0.wanted.borrow_mut();
        let Some(queue) = wanted.get_mut(&id) else { return };
        // It may have asked for something else meanwhile.
        if let Some(rest) = queue.front_mut().filter(|now| **now == blocks) {
            rest.offset += length;
            rest.bytes -= length;
            if rest.bytes == 0 || failed {
                queue.pop_front();
            }
        }
        if queue.is_empty() {
            wanted.remove(&id);
        }
    }
}

/// Whether a newer request stands for an older one: it is about another update or file, or about the same bytes.
fn stands_for(newer: &Blocks, older: &Blocks) -> bool {
    let apart =
        newer.offset >= older.offset + older.bytes || older.offset >= newer.offset + newer.bytes;
    newer.job != older.job || newer.object != older.object || !apart
}

impl Spans {
    /// Bytes of a file, from memory or from the disk.
    async fn read(
        &mut self,
        folder: &std::path::Path,
        file: Digest,
        offset: u32,
        length: u32,
    ) -> std::io::Result<Vec<u8>> {
        let (mut from, end) = (u64::from(offset), u64::from(offset) + u64::from(length));
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        while from < end {
            let begin = from / SPAN * SPAN;
            let span = self.span(folder, file, begin).await?;
            let inside = usize::try_from(from - begin).unwrap_or(usize::MAX);
            let most = usize::try_from(end - begin).unwrap_or(usize::MAX).min(span.len());
            let piece = span.get(inside..most).filter(|piece| !piece.is_empty());
            let piece = piece.ok_or(std::io::ErrorKind::UnexpectedEof)?;
            bytes.extend_from_slice(piece);
            from += piece.len() as u64;
        }
        Ok(bytes)
    }

    async fn span(
        &mut self,
        folder: &std::path::Path,
        file: Digest,
        begin: u64,
    ) -> std::io::Result<Bytes> {
        if let Some((_, span)) = self.0.iter().find(|(key, _)| *key == (file, begin)) {
            return Ok(span.clone());
        }
        let path = folder.join(file.to_string());
        let read = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(path)?;
            let size = file.metadata()?.len();
            let length = SPAN.min(size.saturating_sub(begin));
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, begin)?;
            Ok::<_, std::io::Error>(bytes)
        });
        let bytes = Bytes::from(read.await.map_err(std::io::Error::other)??);
        if self.0.len() >= SPANS {
            self.0.pop_front();
        }
        self.0.push_back(((file, begin), bytes.clone()));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_endpoint::Limits;
    use protocol::{id::JobId, message::UpdateObject};

    fn blocks(job: u8, offset: u32, bytes: u32) -> Blocks {
        let (object, file) = (UpdateObject::Image, Digest([7; 32]));
        Blocks { job: JobId([job; 16]), object, file, offset, length: BLOCK, bytes }
    }

    fn waiting(server: &BlockServer, id: ComponentId) -> Vec<(u32, u32)> {
        let wanted = server.0.wanted.borrow();
        wanted[&id].iter().map(|blocks| (blocks.offset, blocks.bytes)).collect()
    }

    /// Criterion: T3.SU.1c (positive)
    #[test]
    fn who_asks_for_more_before_all_came_loses_nothing_and_who_asks_again_gets_it_once() {
        let server = BlockServer::new(Handle::new(Limits::default()), PathBuf::new());
        let id = ComponentId::from_key_digest(&Digest([1; 32]));
        server.serve(id, blocks(1, 0, 4 * BLOCK));
        server.serve(id, blocks(1, 4 * BLOCK, 2 * BLOCK));
        assert_eq!(waiting(&server, id), [(0, 4 * BLOCK), (4 * BLOCK, 2 * BLOCK)]);
        server.serve(id, blocks(1, 4 * BLOCK, 2 * BLOCK));
        assert_eq!(waiting(&server, id), [(0, 4 * BLOCK), (4 * BLOCK, 2 * BLOCK)], "not twice");
        for n in 2..100 {
            server.serve(id, blocks(1, n * 8 * BLOCK, BLOCK));
        }
        let bytes: u32 = waiting(&server, id).iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes <= MOST && waiting(&server, id).len() <= REQUESTS, "bounded");
        server.serve(id, blocks(2, 0, BLOCK));
        assert_eq!(waiting(&server, id), [(0, BLOCK)], "another update ends what was before");
    }
}
