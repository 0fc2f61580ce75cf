//! A component that takes an update as the contract says and keeps nothing of it: a window of blocks, each
//! chunk against the list that the manifest names. So every byte is hashed once, as in a raw copy; the digest of the
//! whole, which says the same again, is what a bootloader takes from the slot.

use crate::wire::{Packet, Session};
use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use device_sim::{flash::Flash, update::crypto::AwsLc};
use protocol::{
    cbor,
    id::JobId,
    message::{
        Block, BlockRequest, BlockSize, UpdateObject, UpdateOffer, UpdateStatus, UpdateStep, Window,
    },
    topic::{Down, MAX_BLOCK_MESSAGE, Up},
    update::{Anchors, Manifest},
};
use std::time::Duration;

/// How long it waits for a block before it asks again, as components do.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest wait for an offer.
const OFFER: Duration = Duration::from_secs(60);

pub(crate) struct Puller {
    session: Session,
    job: JobId,
    manifest: Option<Manifest>,
    block: u32,
    window: u32,
    said: u64,
}

impl Puller {
    /// A component that is there and has no update.
    pub(crate) async fn open(port: u16, flash: &mut Flash) -> anyhow::Result<Self> {
        let session = Session::open(port, flash).await?;
        let job = JobId([0; 16]);
        Ok(Self { session, job, manifest: None, block: 0, window: 0, said: 0 })
    }

    /// Waits for an offer, believes it and takes it on.
    pub(crate) async fn accept(&mut self, anchor: &[u8]) -> anyhow::Result<()> {
        let offer = tokio::time::timeout(OFFER, self.offer()).await.context("no offer came")??;
        let anchors = Anchors::pin(anchor, &AwsLc)?;
        let manifest = anchors.manifest(offer.manifest.bytes(), &AwsLc)?.into_inner();
        self.block = offer.block.get();
        anyhow::ensure!(manifest.chunk == self.block, "a chunk is a block here");
        self.window = u32::from(offer.window.get());
        (self.job, self.manifest) = (offer.job, Some(manifest));
        self.status(UpdateStep::Accepted).await?;
        self.status(UpdateStep::Fetching).await
    }

    async fn offer(&mut self) -> anyhow::Result<UpdateOffer> {
        loop {
            if let Packet::Message(Down::UpdateOffer, at) = self.session.next().await? {
                return Ok(cbor::decode(self.session.bytes(at), 12_288)?);
            }
        }
    }

    /// Ends its update without a failure.
    pub(crate) async fn cancel(&mut self) -> anyhow::Result<()> {
        self.status(UpdateStep::Cancelled).await
    }

    async fn status(&mut self, step: UpdateStep) -> anyhow::Result<()> {
        self.said += 1;
        let status = UpdateStatus {
            job: self.job,
            step,
            fault: None,
            got: 0,
            counter: 1,
            slot: 0,
            why: None,
            seq: self.said,
        };
        self.session.say(Up::UpdateStatus, &cbor::encode(&status)).await
    }

    /// Pulls list and image and checks both; the answer is how often it had to ask again.
    pub(crate) async fn pull(&mut self) -> anyhow::Result<u32> {
        let manifest = self.manifest.clone().context("an update")?;
        let mut list = Vec::new();
        let keep = |piece: &[u8]| {
            list.extend_from_slice(piece);
            Ok(())
        };
        let mut again = self.fetch(UpdateObject::Chunks, manifest.list_size(), keep).await?;
        anyhow::ensure!(digest(&SHA256, &list).as_ref() == manifest.chunks.0, "another list");
        let mut wanted = list.chunks_exact(32);
        let check = |piece: &[u8]| {
            let found = digest(&SHA256, piece);
            anyhow::ensure!(wanted.next() == Some(found.as_ref()), "another chunk");
            Ok(())
        };
        again += self.fetch(UpdateObject::Image, manifest.size, check).await?;
        anyhow::ensure!(wanted.next().is_none(), "an image that ends early");
        Ok(again)
    }

    async fn fetch(
        &mut self,
        object: UpdateObject,
        size: u32,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<u32> {
        let (mut there, mut asked, mut again) = (0, 0, 0);
        while there < size {
            let flying = u32::div_ceil(asked - there, self.block);
            if asked < size && flying <= self.window / 2 {
                let rest = (size - asked).div_ceil(self.block);
                let count = rest.min(self.window - flying);
                self.ask(object, asked, count).await?;
                asked = asked.saturating_add(count * self.block).min(size);
            }
            match tokio::time::timeout(PATIENCE, self.block()).await {
                Err(_) => (asked, again) = (there, again + 1),
                Ok(block) => {
                    let block = block?;
                    anyhow::ensure!(block.fault.is_none(), "no block: {:?}", block.fault);
                    let data = block.data.as_ref().map_or(&[][..], |data| data.bytes());
                    if (block.job, block.object, block.offset) == (self.job, object, there) {
                        take(data)?;
                        there += data.len() as u32;
                    }
                }
            }
        }
        Ok(again)
    }

    async fn ask(&mut self, object: UpdateObject, offset: u32, count: u32) -> anyhow::Result<()> {
        let request = BlockRequest {
            job: self.job,
            object,
            offset,
            length: BlockSize::new(self.block).context("a block's size")?,
            count: Window::new(u8::try_from(count)?).context("a window")?,
        };
        self.session.publish(Up::UpdateRequest, &cbor::encode(&request), 0).await
    }

    async fn block(&mut self) -> anyhow::Result<Block> {
        loop {
            if let Packet::Message(Down::UpdateBlock, at) = self.session.next().await? {
                return Ok(cbor::decode(self.session.bytes(at), MAX_BLOCK_MESSAGE)?);
            }
        }
    }
}
