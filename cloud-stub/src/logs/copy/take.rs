//! Taking a frame: looked at as a whole, then stored, then witnessed.

use super::{Copy, Fault, refused};
use crate::logs::{
    Witness, disk,
    rows::{Row, Tag},
};
use protocol::{
    cbor,
    message::{
        MAX_UPLINK_RANGES, MAX_UPLINK_RECORD, UPLINK_TILE, UplinkForm, UplinkFrame, UplinkRecord,
        UplinkRefusal as Why,
    },
};
use state_log::{Act, Checkpoint, Frontier, Hash};

/// Records between what is there and what comes, at most: row files have holes there.
const MOST_BETWEEN: u64 = 1 << 24;

/// Rows of one log: 4 GiB. A tile of a few bytes is 256 of them.
const MOST_ROWS: u64 = 1 << 26;

/// Bytes of bodies of one log.
const MOST_BYTES: u64 = 8 << 30;

/// What came of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records that were not there before.
    pub new: u64,
    /// Records that were erased because an act of the log says so.
    pub erased: u64,
    /// A checkpoint was witnessed.
    pub witnessed: bool,
}

/// A frame that was looked at.
#[derive(Default)]
struct Plan {
    /// Rows by number, and what goes into the file of bodies.
    rows: Vec<(u64, Row)>,
    bodies: Vec<u8>,
    acts: Vec<(u64, Act)>,
    end: u64,
    new: u64,
    /// Tiles that take the place of leaves.
    tiles: Vec<u64>,
}

impl Copy {
    /// Takes a frame; when this returns, what it says to be there is durable. Seconds since 1970.
    ///
    /// # Errors
    /// Says why not, or that the disk failed: then the copy must be opened anew.
    pub fn take(
        &mut self,
        frame: &UplinkFrame,
        witness: &Witness,
        time: u64,
    ) -> Result<Taken, Fault> {
        let checkpoint = self.checkpoint(frame)?;
        let plan = self.plan(frame)?;
        self.store(&plan, frame.first)?;
        let mut taken = Taken { new: plan.new, ..Taken::default() };
        let erases = |act: &Act| !matches!(act, Act::Retained(_));
        if plan.acts.iter().any(|(_, act)| erases(act)) {
            plan.acts.iter().for_each(|(number, act)| self.erased.add(*number, act));
            taken.erased = self.sweep()?;
        }
        if let Some(checkpoint) = checkpoint {
            self.expect(checkpoint);
        }
        let judged = self.extend()?;
        if self.damaged {
            return refused(Why::Damaged, "the copy is not what was witnessed");
        }
        if judged.contradicts {
            self.pending = None;
            return refused(Why::SplitView, "the checkpoint's root is not that of its records");
        }
        taken.witnessed = judged.fits && self.witness(witness, time)?;
        Ok(taken)
    }

    /// The frame's checkpoint, if the log signed it and it may follow what was witnessed.
    fn checkpoint(&self, frame: &UplinkFrame) -> Result<Option<Checkpoint>, Fault> {
        if frame.key.0 != *self.log.key() {
            return refused(Why::BadSignature, "the log has another key than at first");
        }
        if frame.size < self.witnessed().max(self.held.end()) {
            let there = self.witnessed().max(self.held.end());
            let text = format!("the log has {} records and had {there}", frame.size);
            return refused(Why::SetBack, text);
        }
        let Some(note) = &frame.checkpoint else { return Ok(None) };
        let note = std::str::from_utf8(note.bytes()).unwrap_or_default();
        let checkpoint = match Checkpoint::parse(note, &self.log) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return refused(Why::BadSignature, error.to_string()),
        };
        if checkpoint.size != frame.size {
            return refused(Why::NoRecord, "the checkpoint is not of the frame's size");
        }
        let head = self.head.as_ref().map(|head| &head.checkpoint);
        let other = |head: &&Checkpoint| head.size == frame.size && head.root != checkpoint.root;
        if head.is_some_and(|head| other(&head)) {
            return refused(Why::SplitView, "another root was witnessed for this size");
        }
        Ok(Some(checkpoint))
    }

    fn plan(&mut self, frame: &UplinkFrame) -> Result<Plan, Fault> {
        let mut plan = Plan { end: frame.first, ..Plan::default() };
        if frame.first > self.held.end().saturating_add(MOST_BETWEEN) {
            return refused(Why::TooMany, "too far beyond what is there");
        }
        for bytes in frame.records.items() {
            let record: UplinkRecord = match cbor::decode(bytes.bytes(), MAX_UPLINK_RECORD) {
                Ok(record) => record,
                Err(error) => return refused(Why::NoRecord, error.to_string()),
            };
            self.plan_one(&mut plan, &record)?;
        }
        if plan.end > frame.size {
            return refused(Why::NoRecord, "records beyond the size of the log");
        }
        let mut held = self.held.clone();
        held.insert((frame.first, plan.end));
        if plan.end > MOST_ROWS {
            return refused(Why::TooMany, "more records than one log may have here");
        }
        if held.len() > MAX_UPLINK_RANGES || self.end + plan.bodies.len() as u64 > MOST_BYTES {
            return refused(Why::TooMany, "too many ranges, or too many bytes");
        }
        Ok(plan)
    }

    fn plan_one(&mut self, plan: &mut Plan, record: &UplinkRecord) -> Result<(), Fault> {
        let (number, hash) = (plan.end, record.hash.0);
        plan.end += record.span();
        if record.form == UplinkForm::Tile {
            return self.plan_tile(plan, number, hash);
        }
        match self.rows.get(number)? {
            Some(row) if row.tag == Tag::Tile || row.tag == Tag::Within => {
                refused(Why::Contradiction, format!("record {number} was taken out before"))
            }
            Some(row) if row.hash == hash => Ok(()),
            Some(_) => {
                refused(Why::Contradiction, format!("record {number} has another hash than before"))
            }
            None => self.plan_new(plan, number, record),
        }
    }

    fn plan_new(
        &mut self,
        plan: &mut Plan,
        number: u64,
        record: &UplinkRecord,
    ) -> Result<(), Fault> {
        let mut row = Row::bare(Tag::Bare, record.hash.0);
        let body = record.body.as_ref().map(|body| body.bytes());
        let slot = record.slot.unwrap_or(0);
        if record.form == UplinkForm::Act {
            let Some(act) = body.and_then(Act::decode) else {
                return refused(Why::NoRecord, format!("record {number} is no act"));
            };
            if self.erased.is_full(&act) {
                return refused(Why::TooMany, "more was erased than can be remembered");
            }
            plan.acts.push((number, act));
            row.tag = Tag::Act;
        } else if body.is_some() && !self.erased.covers(number, slot) {
            row.tag = Tag::Record;
        }
        if row.tag != Tag::Bare {
            let body = body.unwrap_or_default();
            row.slot = slot;
            row.offset = self.end + plan.bodies.len() as u64;
            row.length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            plan.bodies.extend(body);
        }
        plan.new += 1;
        plan.rows.push((number, row));
        Ok(())
    }

    /// A tile: the same as the leaves that are here, or in the place of leaves of which none was witnessed.
    fn plan_tile(&mut self, plan: &mut Plan, first: u64, hash: Hash) -> Result<(), Fault> {
        if !first.is_multiple_of(UPLINK_TILE) {
            return refused(Why::NoRecord, format!("no tile begins at record {first}"));
        }
        let (mut tree, mut there) = (Frontier::new(), 0);
        let (mut same, mut other) = (false, false);
        self.rows.each((first, first + UPLINK_TILE), |number, row| {
            match row {
                Some(row) if row.tag == Tag::Tile => {
                    (same, other) = (row.hash == hash, row.hash != hash);
                }
                Some(row) if row.tag != Tag::Within && number == first + there => {
                    tree.push(0, row.hash, |_, _| ());
                    there += 1;
                }
                Some(_) | None => {}
            }
            Ok(())
        })?;
        if same || (there == UPLINK_TILE && tree.root() == hash) {
            return Ok(());
        }
        if other || there == UPLINK_TILE {
            let text = format!("the records from {first} on have other hashes");
            return refused(Why::Contradiction, text);
        }
        self.makes_way(first).or_else(|(why, text)| refused(why, text))?;
        plan.tiles.push(first);
        plan.new += UPLINK_TILE - there;
        plan.rows.push((first, Row::bare(Tag::Tile, hash)));
        let within = Row::bare(Tag::Within, [0; 32]);
        plan.rows.extend((first + 1..first + UPLINK_TILE).map(|number| (number, within)));
        Ok(())
    }

    /// Bodies first: a row says that its body is there.
    fn store(&mut self, plan: &Plan, first: u64) -> Result<(), Fault> {
        for tile in &plan.tiles {
            self.rows.each((*tile, tile + UPLINK_TILE), |_, row| {
                row.filter(|row| row.length > 0).map_or(Ok(()), |row| self.overwrite(&row))
            })?;
        }
        if !plan.bodies.is_empty() || !plan.tiles.is_empty() {
            disk::write_at(&self.bodies, &plan.bodies, self.end)?;
            disk::sync(&self.bodies)?;
        }
        for run in plan.rows.chunk_by(|one, next| one.0 + 1 == next.0) {
            let rows: Vec<Row> = run.iter().map(|(_, row)| *row).collect();
            self.rows.put(run[0].0, &rows)?;
        }
        if !plan.rows.is_empty() {
            disk::sync(&self.rows.0)?;
        }
        self.end += plan.bodies.len() as u64;
        self.held.insert((first, plan.end));
        Ok(())
    }
}
