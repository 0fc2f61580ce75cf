//! One file: what is durable, and what came since.

use super::Mode;

/// What a disk writes at once.
const PAGE: usize = 4096;

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) current: Vec<u8>,
    durable: Vec<u8>,
    since: Vec<Change>,
}

/// Decides, reproducibly, what survives.
pub(super) struct Cut {
    mode: Mode,
    random: u64,
}

impl Cut {
    pub(super) fn new(mode: Mode, seed: u64) -> Self {
        Self { mode, random: seed }
    }

    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64: neighbouring seeds decide quite differently.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 1) as usize % bound.max(1)
    }
}

impl Content {
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        let change = Change::Write(offset, data.to_vec());
        apply(&mut self.current, &change);
        self.since.push(change);
    }

    pub(super) fn resize(&mut self, length: usize) {
        let change = Change::Resize(length);
        apply(&mut self.current, &change);
        self.since.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.since.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// The file after the power went.
    pub(super) fn after(&self, cut: &mut Cut) -> Vec<u8> {
        let mut left = self.durable.clone();
        let count = self.since.len();
        match cut.mode {
            Mode::None => {}
            Mode::Prefix => {
                let kept = cut.below(count + 1);
                self.since[..kept].iter().for_each(|change| apply(&mut left, change));
            }
            Mode::Pages => self.since.iter().for_each(|change| some_pages(&mut left, change, cut)),
            Mode::Torn => {
                let kept = cut.below(count + 1);
                self.since[..kept].iter().for_each(|change| apply(&mut left, change));
                if let Some(Change::Write(offset, data)) = self.since.get(kept) {
                    apply(&mut left, &Change::Write(*offset, data[..data.len() / 2].to_vec()));
                }
            }
        }
        left
    }
}

fn some_pages(left: &mut Vec<u8>, change: &Change, cut: &mut Cut) {
    match change {
        Change::Resize(_) => apply(left, change),
        Change::Write(offset, data) => {
            for (index, page) in data.chunks(PAGE).enumerate() {
                if cut.below(2) == 0 {
                    apply(left, &Change::Write(offset + index * PAGE, page.to_vec()));
                }
            }
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Resize(length) => bytes.resize(*length, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_synced_is_sure() {
        let mut content = Content::default();
        content.write(0, b"durable");
        content.sync();
        content.write(0, b"DUR");
        content.write(7, b"!");
        assert_eq!(content.current, b"DURable!");
        assert_eq!(content.after(&mut Cut::new(Mode::None, 1)), b"durable");
        let prefixes: std::collections::BTreeSet<_> =
            (0..50).map(|seed| content.after(&mut Cut::new(Mode::Prefix, seed))).collect();
        assert_eq!(prefixes.len(), 3, "none, the first, both");
        content.sync();
        for mode in Mode::ALL {
            assert_eq!(content.after(&mut Cut::new(mode, 1)), b"DURable!");
        }
    }
}
