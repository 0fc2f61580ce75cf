//! Anchors: which keys the components of a vendor trust. The first is in the factory image; each later one
//! is signed by enough root keys of the one before and of its own.

use super::{Crypto, Distrust, Manifest, Verified, cose::Multisigned};
use crate::{
    cbor::{self, int_map},
    id::{PublicKey, Slug},
    message::{List, V1},
};

/// The type that anchors have in their header.
pub(super) const TYP: &str = "pc-anchor";

int_map! {
    /// The keys that a vendor's components trust.
    pub struct Anchor {
        /// Version of the format.
        1 => version: V1,
        /// Counts the anchors of this vendor, from 1.
        2 => number: u32,
        /// Whose they are.
        3 => vendor: Slug,
        /// Keys that sign anchors.
        4 => root_keys: List<PublicKey, 4>,
        /// How many of them must.
        5 => root_threshold: u8,
        /// Keys that sign manifests.
        6 => manifest_keys: List<PublicKey, 4>,
        /// How many of them must.
        7 => manifest_threshold: u8,
    }
}

impl Anchor {
    /// The type that anchors have in their header.
    pub const TYP: &'static str = TYP;

    fn check(&self) -> Result<(), &'static str> {
        let fits = |keys: &List<PublicKey, 4>, threshold: u8| {
            (1..=keys.items().len()).contains(&usize::from(threshold))
        };
        match () {
            () if self.number == 0 => Err("anchors are counted from 1"),
            () if !fits(&self.root_keys, self.root_threshold) => {
                Err("its root threshold must be 1 to the number of its root keys")
            }
            () if !fits(&self.manifest_keys, self.manifest_threshold) => {
                Err("its manifest threshold must be 1 to the number of its manifest keys")
            }
            () => Ok(()),
        }
    }
}

/// The anchor in force, and the bytes that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchors {
    anchor: Anchor,
    bytes: Vec<u8>,
}

impl Anchors {
    /// Takes an anchor that nothing before vouches for: from the factory image, or from the operator's hand.
    ///
    /// # Errors
    /// When it is none, or not signed by its own root keys.
    pub fn pin(bytes: &[u8], crypto: &impl Crypto) -> Result<Self, Distrust> {
        let signed = Multisigned::parse("anchor", TYP, bytes)?;
        // Its keys are needed before its signatures can be checked; nothing is done with them if those fail.
        let claimed = unchecked(&signed)?;
        signed.payload(claimed.root_keys.items(), claimed.root_threshold.into(), crypto)?;
        Ok(Self { anchor: claimed, bytes: bytes.to_vec() })
    }

    /// Goes on to the next anchor.
    ///
    /// # Errors
    /// When it is not vouched for by the one in force, or does not follow it.
    pub fn advance(&self, bytes: &[u8], crypto: &impl Crypto) -> Result<Self, Distrust> {
        let Anchor { root_keys, root_threshold, .. } = &self.anchor;
        let signed = Multisigned::parse("anchor", TYP, bytes)?;
        signed.payload(root_keys.items(), (*root_threshold).into(), crypto)?;
        let next = Self::pin(bytes, crypto)?;
        let follows = self.anchor.number.checked_add(1) == Some(next.anchor.number)
            && self.anchor.vendor == next.anchor.vendor;
        if !follows {
            let (current, found) = (self.anchor.number, next.anchor.number);
            return Err(Distrust::Chain { current, found });
        }
        Ok(next)
    }

    /// Goes on through the anchors of an offer, oldest first. Those that were passed before are skipped: an
    /// offer may come twice, and a hub need not know how far a component is.
    ///
    /// # Errors
    /// When one is not vouched for by the one before, or does not follow it.
    pub fn follow<'a>(
        &self,
        offered: impl IntoIterator<Item = &'a [u8]>,
        crypto: &impl Crypto,
    ) -> Result<Self, Distrust> {
        let mut newest = self.clone();
        for bytes in offered {
            // Nobody vouches for this number; all it decides is that nothing is done with the anchor.
            let claimed = unchecked(&Multisigned::parse("anchor", TYP, bytes)?)?.number;
            if claimed > newest.anchor.number {
                newest = newest.advance(bytes, crypto)?;
            }
        }
        Ok(newest)
    }

    /// Believes a manifest, if enough of the keys in force signed it.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn manifest(
        &self,
        bytes: &[u8],
        crypto: &impl Crypto,
    ) -> Result<Verified<Manifest>, Distrust> {
        let Anchor { manifest_keys, manifest_threshold, vendor, .. } = &self.anchor;
        let signed = Multisigned::parse("manifest", Manifest::TYP, bytes)?;
        let payload =
            signed.payload(manifest_keys.items(), (*manifest_threshold).into(), crypto)?;
        let manifest = Manifest::parse(payload)?;
        if manifest.model.vendor() != vendor.as_str() {
            let (vendor, model) = (vendor.to_string(), manifest.model.to_string());
            return Err(Distrust::Vendor { vendor, model });
        }
        Ok(Verified(manifest))
    }

    /// The anchor in force.
    #[must_use]
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Its signed bytes, as they came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn unchecked(signed: &Multisigned) -> Result<Anchor, Distrust> {
    let wrong = |why: String| Distrust::Malformed { what: "anchor", why };
    let anchor: Anchor = cbor::decode(signed.unchecked_payload(), super::MAX_SIGNED)
        .map_err(|e| wrong(e.to_string()))?;
    anchor.check().map_err(|why| wrong(why.to_owned()))?;
    Ok(anchor)
}
