//! Hashes of the Merkle tree (RFC 6962) and the frontier of a growing one.

use aws_lc_rs::digest;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Levels of a tree: as many as an index has bits.
pub(crate) const LEVELS: usize = 64;

/// Bytes of a checksum: the front of a SHA-256.
pub(crate) const CHECK: usize = 16;

/// The digest of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// A checksum against accidents; what must withstand people is hashed into the tree.
pub(crate) fn check(bytes: &[u8]) -> [u8; CHECK] {
    sha256(bytes)[..CHECK].try_into().expect("a digest is longer")
}

/// The hash of a leaf with these contents, as RFC 6962 has it.
#[must_use]
pub fn leaf_hash(contents: &[u8]) -> Hash {
    sha256(&[&[0], contents].concat())
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    sha256(&bytes)
}

/// The root of a perfect tree over `hashes`, whose number is a power of two.
pub(crate) fn fold(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_default()
}

/// The roots of the perfect trees that make up a tree so far: one for each bit set in its size.
#[derive(Clone, Debug)]
pub struct Frontier {
    size: u64,
    /// Of levels whose bit is not set, what stands there means nothing.
    nodes: [Hash; LEVELS],
}

impl PartialEq for Frontier {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.nodes().eq(other.nodes())
    }
}

impl Eq for Frontier {}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

impl Frontier {
    /// The tree without a leaf.
    #[must_use]
    pub fn new() -> Self {
        Self { size: 0, nodes: [[0; 32]; LEVELS] }
    }

    /// From its size and its nodes, the highest first; nothing when the numbers do not fit.
    #[must_use]
    pub fn from_nodes(size: u64, nodes: &[Hash]) -> Option<Self> {
        let mut left = nodes.iter();
        let mut frontier = Self { size, ..Self::new() };
        for level in (0..LEVELS).rev().filter(|level| size >> level & 1 == 1) {
            frontier.nodes[level] = *left.next()?;
        }
        left.next().is_none().then_some(frontier)
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its nodes, the highest first.
    pub fn nodes(&self) -> impl Iterator<Item = &Hash> {
        let size = self.size;
        (0..LEVELS)
            .rev()
            .filter(move |level| size >> level & 1 == 1)
            .map(|level| &self.nodes[level])
    }

    /// Appends a perfect tree of 2^level leaves, and tells of each node that becomes whole. The size must be
    /// a multiple of 2^level.
    pub fn push(&mut self, level: u8, hash: Hash, mut whole: impl FnMut(u8, Hash)) {
        debug_assert!(self.aligned(level));
        let (mut at, mut hash) = (usize::from(level), hash);
        whole(level, hash);
        while self.size >> at & 1 == 1 {
            hash = node_hash(&self.nodes[at], &hash);
            at += 1;
            whole(at as u8, hash);
        }
        self.nodes[at] = hash;
        self.size += 1 << level;
    }

    /// Whether a perfect tree of 2^level leaves may come next.
    #[must_use]
    pub fn aligned(&self, level: u8) -> bool {
        self.size & ((1 << level) - 1) == 0
    }

    /// The root of the tree so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut lowest_first = (0..LEVELS).filter(|level| self.size >> level & 1 == 1);
        let Some(first) = lowest_first.next() else { return sha256(&[]) };
        lowest_first.fold(self.nodes[first], |right, level| node_hash(&self.nodes[level], &right))
    }
}
