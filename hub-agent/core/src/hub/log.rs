//! Components' logs: what of them is recorded, and what each component is told of it.

use super::Hub;
use crate::{
    access::gate,
    log::{
        Book, Break, Came, FRESH, Fault, LIVE_FOR, Verdict, age, judge, may_tell, read_head,
        translate,
    },
    persist,
    record::{Counters, Lane, Record, RecordKind, Severity, Source, Word},
    update::Updates,
};
use protocol::{
    cbor,
    id::{ComponentId, Digest, LogLife},
    log::begin,
    message::{List, LogBatch, LogControl, LogHead, LogRecord, MAX_LOG_RECORDS},
    refusal::Refusal,
};

/// Why records of a former log end.
const NEW_LIFE: &str = "new-life";

/// Marks a component's record of how an update ended that the hub brought it: the hub has its own of that.
const OF_CAMPAIGN: &str = "campaign";

/// Why a component records less, where its owner wants that.
const OPTED_OUT: &str = "opted-out";

/// Records of a batch that are none.
#[derive(Default)]
struct Refused {
    count: u32,
    first: Option<u64>,
}

impl Hub {
    /// A component sends records of its log.
    pub(super) fn log_batch(&mut self, id: ComponentId, batch: &LogBatch) {
        if let Err(held) = self.flows.entry(id).or_default().admit_log(self.now.mono) {
            return self.held(id, "log", held);
        }
        let Some(member) = self.inventory.get(id) else { return };
        let credentials = &member.credentials;
        let previous = credentials.previous.as_ref().map(|(certificate, _)| certificate);
        let in_force = credentials.current.iter().chain(previous);
        let head = match read_head(batch.head.bytes(), in_force) {
            Ok(head) => head,
            Err(error) => return self.log_damaged(id, batch, "head", &error.to_string()),
        };
        let desk = self.logs.desks.entry(id).or_default();
        let pulls = desk.gap.map_or(0, |(_, pulls)| pulls);
        match judge(self.logs.books.get(&id), id, batch, &head, pulls) {
            Verdict::Known => {
                self.count("log-known");
                self.acknowledge_log(id, 0);
            }
            Verdict::Missing { from, count, pull } => {
                self.log_missing(id, batch, from, count, pull)
            }
            Verdict::Goes { skip, broken } => self.log_goes_on(id, batch, &head, skip, broken),
            Verdict::Refused(fault) => self.log_refused(id, batch, fault),
        }
    }

    /// Records what is new of a batch, and acknowledges it with the same commit.
    fn log_goes_on(
        &mut self,
        id: ComponentId,
        batch: &LogBatch,
        head: &LogHead,
        skip: usize,
        broken: Option<Break>,
    ) {
        let former = self.logs.books.get(&id).filter(|book| book.life != batch.life);
        if let Some(after) = former.map(|book| book.last) {
            self.log_begins_anew(id, batch.life, after);
        }
        if let Some(broken) = broken {
            self.log_broken(id, broken);
        }
        let refused = self.take_records(id, batch, skip);
        if let Some(first) = refused.first {
            let text = "records of its log that are none, or that it may not raise";
            let counters = Counters { count: Some(refused.count), ..Counters::NONE };
            let record = self.log_record(id, RecordKind::PayloadMalformed, "log-record", first);
            self.out.records.push(Record { counters, ..record }.saying(text));
            self.count("log-record");
            self.suspect(id);
        }
        let now = self.now.wall;
        let fresh = || Book::new(head.life, begin(id, head.life, &crate::crypto::AwsLc));
        let book = self.logs.books.entry(id).or_insert_with(fresh);
        book.advance(head.life, head.last, head.chain);
        self.log_newest(id, batch);
        self.tell_limited(id, now);
        self.acknowledge_log(id, refused.count);
    }

    /// The records of a batch from this place on, each within the component's share.
    fn take_records(&mut self, id: ComponentId, batch: &LogBatch, skip: usize) -> Refused {
        let mut refused = Refused::default();
        let desk = self.logs.desks.entry(id).or_default();
        let (rules, recalled) = (&self.settings.log, desk.recalled.1);
        let mut limited = 0;
        let entries = batch.records.items().iter().zip(batch.first..).skip(skip);
        for (entry, number) in entries.filter(|(_, number)| *number > recalled) {
            let Ok(record) = cbor::decode::<LogRecord>(entry.bytes(), entry.bytes().len()) else {
                refused.count += 1;
                refused.first.get_or_insert(number);
                continue;
            };
            if record.kind.class().is_some_and(|class| rules.quiet.contains(&class)) {
                continue;
            }
            let is_grave = RecordKind::from(record.kind).severity() >= Severity::High;
            let has_room = desk.share.admit(entry.bytes().len(), rules, self.now.mono)
                || (is_grave && desk.share.admit_grave(self.now.mono));
            if !has_room {
                limited += 1;
                continue;
            }
            let age = age(&record, batch, desk.is_catching_up);
            let came = Came { at: self.now.wall, from: id, number, age };
            let mut record = translate(&record, came);
            let is_excuse = record.code.as_deref() == Some(OPTED_OUT);
            if record.kind == RecordKind::LogStopped && is_excuse && rules.quiet.is_empty() {
                // Its owner wants everything recorded.
                record.code = Some(Word::clip("unasked"));
            }
            if Updates::is_end(record.kind) {
                // Only the hub says that.
                record.subject.take_if(|subject| subject.as_str() == OF_CAMPAIGN);
                if record.lane == Lane::Live && self.updates.has_told(id, record.kind) {
                    record.subject = Some(Word::clip(OF_CAMPAIGN));
                }
            }
            self.out.records.push(record);
        }
        self.limit_log(id, batch.life, limited);
        refused
    }

    fn limit_log(&mut self, id: ComponentId, life: LogLife, limited: u32) {
        if limited > 0 {
            let fresh = || Book::new(life, begin(id, life, &crate::crypto::AwsLc));
            let book = self.logs.books.entry(id).or_insert_with(fresh);
            book.limited = book.limited.saturating_add(limited);
        }
    }

    /// After a connection records are of an outage until the newest are new.
    fn log_newest(&mut self, id: ComponentId, batch: &LogBatch) {
        let desk = self.logs.desks.entry(id).or_default();
        desk.gap = None;
        let newest = batch.records.items().iter().rev();
        let mut newest = newest.filter_map(|entry| cbor::decode(entry.bytes(), usize::MAX).ok());
        let Some(newest) = newest.next() else { return };
        let may = self.now.mono.saturating_sub(desk.connected) < LIVE_FOR;
        desk.is_catching_up &= may && age(&newest, batch, desk.is_catching_up) > FRESH;
    }

    /// Records beyond a component's share are counted, and told of once in a while.
    fn tell_limited(&mut self, id: ComponentId, at: protocol::time::Timestamp) -> bool {
        let Some(book) = self.logs.books.get_mut(&id).filter(|book| book.limited > 0) else {
            return false;
        };
        let desk = self.logs.desks.entry(id).or_default();
        if !may_tell(&mut desk.limited_told, self.now.mono) {
            return false;
        }
        let count = Some(std::mem::take(&mut book.limited));
        let record = Record::new(at, RecordKind::LogLimited).about(id).because("share");
        let counters = Counters { count, ..Counters::NONE };
        self.out.records.push(Record { counters, ..record });
        true
    }

    /// Counts that nobody was told of when the flood ended.
    pub(super) fn tick_logs(&mut self) {
        let waiting = self.logs.books.iter().filter(|(_, book)| book.limited > 0);
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            if self.tell_limited(id, self.now.wall) {
                self.save_book(id);
            }
        }
    }

    /// Records are missing, and the component says that it has them: they come first.
    fn log_missing(&mut self, id: ComponentId, batch: &LogBatch, from: u64, count: u64, pull: u64) {
        let desk = self.logs.desks.entry(id).or_default();
        let known = desk.gap.filter(|(at, _)| *at == from);
        desk.gap = Some((from, known.map_or(1, |(_, pulls)| pulls.saturating_add(1))));
        if known.is_none() {
            self.log_gap(id, from, count, "missing");
        }
        self.send_pull(id, Some(batch.life), pull);
    }

    fn log_broken(&mut self, id: ComponentId, broken: Break) {
        match broken {
            Break::Gap { from, count, code } => {
                let told = self.logs.desks.get(&id).and_then(|desk| desk.gap);
                if code != "missing" || told.is_none_or(|(at, _)| at != from) {
                    self.log_gap(id, from, count, code);
                }
            }
            Break::Edited { at } => self.tell_damage(id, at, "edited"),
        }
    }

    /// What ended is told of with the new life's name, so that a hub whose store is behind its log knows it again.
    fn log_begins_anew(&mut self, id: ComponentId, life: LogLife, after: u64) {
        let lane = self.log_lane(id);
        let desk = self.logs.desks.entry(id).or_default();
        if desk.recalled.0 == Some(life) {
            return;
        }
        desk.recalled = (Some(life), 0);
        let record = self.log_record(id, RecordKind::LogGap, NEW_LIFE, after).on(&life.to_string());
        self.out.records.push(Record { lane, ..record });
    }

    fn log_gap(&mut self, id: ComponentId, from: u64, count: u64, code: &str) {
        self.count("log-gap");
        // Who says that it has the records and keeps them back suppresses them, whenever it came.
        let lane = if code == "withheld" { Lane::Live } else { self.log_lane(id) };
        let counters =
            Counters { count: Some(u32::try_from(count).unwrap_or(u32::MAX)), ..Counters::NONE };
        let record = self.log_record(id, RecordKind::LogGap, code, from);
        let text = format!("{count} records of it are missing, from number {from} on");
        self.out.records.push(Record { lane, counters, ..record }.saying(&text));
    }

    /// A gap right after a connection is what an outage leaves; any other is somebody's doing.
    fn log_lane(&self, id: ComponentId) -> Lane {
        match self.logs.desks.get(&id).is_none_or(|desk| desk.is_catching_up) {
            true => Lane::Backlog,
            false => Lane::Live,
        }
    }

    fn log_refused(&mut self, id: ComponentId, batch: &LogBatch, fault: Fault) {
        match fault {
            Fault::Head => self.log_damaged(id, batch, "head", "its head is of something else"),
            Fault::Records => {
                self.log_damaged(id, batch, "records", "its records are not those it signed");
            }
            Fault::Begin => {
                self.log_damaged(id, batch, "begin", "it does not begin as a log begins")
            }
            Fault::Edited { at } => {
                self.tell_damage(id, at, "edited");
                let text = format!("log: another record than was taken, up to number {at}");
                self.message_refused(id, Refusal::WrongContent, &text);
            }
            Fault::PastLife => {
                self.message_refused(id, Refusal::Replayed, "log: of a life that ended");
            }
        }
    }

    fn log_damaged(&mut self, id: ComponentId, batch: &LogBatch, code: &str, why: &str) {
        self.tell_damage(id, batch.first, code);
        self.message_refused(id, Refusal::WrongContent, &format!("log: {why}"));
    }

    /// Where a component's log was edited. Repeats within a short time are refused, and told of no more.
    fn tell_damage(&mut self, id: ComponentId, at: u64, code: &str) {
        self.count("log-damaged");
        let desk = self.logs.desks.entry(id).or_default();
        if may_tell(&mut desk.damage_told, self.now.mono) {
            let text = format!("its own log does not fit at record {at}");
            let record = self.log_record(id, RecordKind::LogDamaged, code, at).saying(&text);
            self.out.records.push(record);
        }
    }

    fn log_record(&self, id: ComponentId, kind: RecordKind, code: &str, at: u64) -> Record {
        let record = Record::new(self.now.wall, kind).about(id).because(code);
        Record { related: Some(at), ..record }
    }

    fn save_book(&mut self, id: ComponentId) {
        if let Some(book) = self.logs.books.get(&id) {
            let write = persist::put_book(id, book);
            self.write(write);
        }
    }

    /// Says what is durable. It leaves after the commit of this turn, as all sends of a turn with writes do; what a
    /// repeat acknowledges may itself still be on its way to the disk, so that is written once more.
    fn acknowledge_log(&mut self, id: ComponentId, refused: u32) {
        self.save_book(id);
        if let Some(book) = self.logs.books.get(&id) {
            let control = LogControl::ack(book.life, book.last, book.chain, refused);
            self.out.sends.push(gate::permit_log_control(id, &control));
        }
    }

    fn send_pull(&mut self, id: ComponentId, life: Option<LogLife>, from: u64) {
        let control = LogControl::pull(life, from, MAX_LOG_RECORDS as u32);
        self.out.sends.push(gate::permit_log_control(id, &control));
    }

    /// After its announcement a component learns from where to go on, and what its owner does not want.
    pub(super) fn greet_for_log(&mut self, id: ComponentId) {
        let quiet = &self.settings.log.quiet;
        if quiet.is_empty() && !self.logs.books.contains_key(&id) {
            return;
        }
        let classes = List::new(quiet.iter().copied().collect()).unwrap_or_default();
        self.out.sends.push(gate::permit_log_control(id, &LogControl::quiet(classes)));
        self.acknowledge_log(id, 0);
    }

    /// Somebody wants a component's newest records now. Only one that is there can send any.
    pub(super) fn pull_log(&mut self, id: ComponentId) -> Result<(), Refusal> {
        if self.inventory.get(id).is_none() {
            return Err(Refusal::Unknown);
        }
        if !self.links.contains_key(&id) {
            return Err(Refusal::Unreachable);
        }
        let book = self.logs.books.get(&id);
        let (life, from) = (book.map(|book| book.life), book.map_or(1, |book| book.last + 1));
        self.send_pull(id, life, from);
        Ok(())
    }

    /// A record that the log holds from before this start: where the store is behind the log, it comes again.
    pub(super) fn recall_log(&mut self, record: &Record) {
        let Some(id) = record.component else { return };
        let desk = self.logs.desks.entry(id).or_default();
        let began = || record.subject.as_ref().and_then(|life| life.parse().ok());
        match record.source {
            Source::Component => {
                desk.recalled.1 = desk.recalled.1.max(record.related.unwrap_or(0));
            }
            Source::Hub if record.code.as_deref() == Some(NEW_LIFE) => desk.recalled = (began(), 0),
            Source::Hub | Source::Cloud => {}
        }
    }

    /// The end of a component's log as it was taken: its number and its chain's value.
    #[must_use]
    pub fn log_end(&self, id: ComponentId) -> Option<(LogLife, u64, Digest)> {
        self.logs.books.get(&id).map(|book| (book.life, book.last, book.chain))
    }
}
