//! Opening a copy: what is there is what has whole rows.

use super::{Copy, Erased};
use crate::logs::{
    Witness, disk,
    rows::{Rows, Tag},
};
use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use protocol::{
    id::PublicKey,
    message::MAX_UPLINK_RANGES,
    ranges::{Range, Ranges},
};
use state_log::{Act, Frontier, Verifier};
use std::{fs, path::Path};

/// The file with origin and key, as `hub-agent log verify --key` takes it.
pub(crate) const PUBLIC: &str = "log.pub";
/// The newest witnessed head, as `hub-agent log verify --head` takes it.
pub(crate) const HEAD: &str = "head";

impl Copy {
    /// Begins a copy: this key is the log's from now on.
    ///
    /// # Errors
    /// When the name is none of a log, or the disk fails.
    pub fn begin(dir: &Path, origin: &str, key: PublicKey) -> anyhow::Result<()> {
        Verifier::log(origin, key.0)?;
        fs::create_dir_all(dir)?;
        let text = format!("{origin} {}\n", STANDARD.encode(key.0));
        disk::replace(&dir.join(PUBLIC), text.as_bytes())?;
        let above = dir.parent().context("a folder of copies")?;
        disk::sync_folder(above)?;
        Ok(disk::sync_folder(above.parent().unwrap_or(above))?)
    }

    /// The log of a copy, and its key.
    ///
    /// # Errors
    /// When there is none.
    pub fn public(dir: &Path) -> anyhow::Result<Verifier> {
        let text = fs::read_to_string(dir.join(PUBLIC))?;
        let (origin, key) = text.trim().rsplit_once(' ').context("an origin and a key")?;
        let key = STANDARD.decode(key).ok().and_then(|key| key.try_into().ok());
        Ok(Verifier::log(origin, key.context("an Ed25519 key")?)?)
    }

    /// Opens a copy.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(dir: &Path, witness: &Witness) -> anyhow::Result<Self> {
        let log = Self::public(dir)?;
        let rows = Rows(disk::open(&dir.join("rows"))?);
        let bodies = disk::open(&dir.join("bodies"))?;
        let note = match fs::read_to_string(dir.join(HEAD)) {
            Ok(note) => Some(note),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let head = note.as_deref().and_then(|note| witness.read(note, &log));
        let mut copy = Self {
            dir: dir.to_owned(),
            damaged: note.is_some() && head.is_none(),
            log,
            rows,
            bodies,
            end: 0,
            held: Ranges::default(),
            tree: Frontier::new(),
            pending: None,
            head,
            erased: Erased::default(),
        };
        copy.look()?;
        copy.sweep()?;
        // A tree that does not fit what was witnessed is told of with the first frame.
        let _ = copy.extend()?;
        Ok(copy)
    }

    /// Finds out what is there, and forgets what no row names.
    fn look(&mut self) -> anyhow::Result<()> {
        let (mut ranges, mut end, mut acts) = (Vec::<Range>::new(), 0, Vec::new());
        self.rows.each((0, self.rows.end()?), |number, row| {
            let Some(row) = row else { return Ok(()) };
            match ranges.last_mut() {
                Some(last) if last.1 == number => last.1 += 1,
                Some(_) | None => ranges.push((number, number + 1)),
            }
            end = end.max(row.offset + u64::from(row.length));
            if row.tag == Tag::Act {
                acts.push((number, row));
            }
            Ok(())
        })?;
        // A write that was cut may have left more pieces than an answer can name.
        ranges.sort_unstable_by_key(|(first, end)| std::cmp::Reverse(end - first));
        for superfluous in ranges.split_off(ranges.len().min(MAX_UPLINK_RANGES)) {
            self.rows.clear(superfluous)?;
        }
        self.held = Ranges::new(ranges);
        if self.bodies.metadata()?.len() > end {
            disk::truncate(&self.bodies, end)?;
        }
        self.end = end;
        for (number, row) in acts {
            if let Some(act) = Act::decode(&self.body(&row)?) {
                self.erased.add(number, &act);
            }
        }
        Ok(())
    }
}
