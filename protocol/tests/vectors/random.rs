//! Random valid messages survive the way through their bytes.

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use protocol::{
    cbor,
    definition::SettingValue,
    id::{
        BootId, ComponentId, Digest, JobId, Label, LogHost, LogLife, ModelId, Nonce, Note,
        PublicKey, Slug, Uri,
    },
    message::{
        Announcement, Blob, Block, BlockRequest, BlockSize, Bye, ByeReason, CloudHello, Config,
        ConfigOutcome, ConfigPurpose, Heartbeat, HubStatus, Interval, List, LogBatch, LogClass,
        LogControl, LogCounters, LogEnd, LogHead, LogKind, LogRecord, Lost, Percent, Reported,
        Sequence, Settings, TrustNotice, TrustState, UpdateControl, UpdateFault, UpdateObject,
        UpdateOffer, UpdateOrder, UpdateReport, UpdateStatus, UpdateStep, UplinkAck, UplinkForm,
        UplinkFrame, UplinkRecord, UplinkRefusal, V1, Window,
    },
    time::{Date, Timestamp},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeSet, fmt::Debug};

fn slug() -> impl Strategy<Value = Slug> {
    "[a-z][a-z0-9-]{0,31}".prop_map(|text| Slug::new(&text).expect("a name"))
}

fn label() -> impl Strategy<Value = Label> {
    "[^\\p{Cc}\\p{Z}][^\\p{Cc}]{0,62}"
        .prop_filter_map("outer spaces", |text| Label::new(&text).ok())
}

fn note() -> impl Strategy<Value = Note> {
    "[^\\p{Cc}]{1,160}".prop_map(|text| Note::new(&text).expect("a note"))
}

fn uri() -> impl Strategy<Value = Uri> {
    "[a-z][a-z0-9+.-]{0,9}:[!-~&&[^\"<>\\\\]]{1,240}"
        .prop_map(|text| Uri::new(&text).expect("a URI"))
}

fn slugs() -> impl Strategy<Value = List<Slug, 16>> {
    vec(slug(), 0..=16).prop_filter_map("twice", List::new)
}

fn settings() -> impl Strategy<Value = Settings> {
    let value = prop_oneof![
        any::<bool>().prop_map(SettingValue::Boolean),
        any::<i64>().prop_map(SettingValue::Integer),
        any::<f64>().prop_filter("no NaN", |n| !n.is_nan()).prop_map(SettingValue::Number),
        ".{0,40}".prop_map(SettingValue::Text),
    ];
    btree_map(slug(), value, 0..=64).prop_map(|values| Settings::new(values).expect("in bounds"))
}

fn date() -> impl Strategy<Value = Date> {
    (1970_u16..=9999, 1_u8..=12, 1_u8..=31)
        .prop_filter_map("no such day", |(year, month, day)| Date::new(year, month, day).ok())
}

fn interval() -> impl Strategy<Value = Interval> {
    (1_u16..=3600).prop_map(|seconds| Interval::new(seconds).expect("in range"))
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn boot() -> impl Strategy<Value = BootId> {
    any::<[u8; 8]>().prop_map(BootId)
}

fn announcement() -> impl Strategy<Value = Announcement> {
    let names = (slug(), label(), label(), label(), label());
    let numbers = (any::<u64>(), any::<u32>(), interval(), any::<u32>());
    let extras = (option::of(uri()), option::of(date()));
    (boot(), names, numbers, digest(), (slugs(), slugs(), slugs()), extras).prop_map(
        |(
            boot,
            (kind, maker, model, serial, firmware),
            numbers,
            firmware_digest,
            lists,
            extras,
        )| {
            let (seq, hardware, interval, config) = numbers;
            let (interfaces, streams, data) = lists;
            let (sbom, support_end) = extras;
            Announcement {
                version: V1,
                seq,
                boot,
                kind,
                maker,
                model,
                serial,
                hardware,
                firmware,
                firmware_digest,
                interfaces,
                streams,
                data,
                interval,
                config,
                sbom,
                support_end,
            }
        },
    )
}

fn end() -> impl Strategy<Value = LogEnd> {
    ("[a-z0-9.:_-]{1,64}", any::<u16>())
        .prop_map(|(host, port)| LogEnd { host: LogHost::new(&host).expect("a host"), port })
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    let times = (option::of(any::<u64>()), any::<u64>(), 0..LogKind::ALL.len());
    let ends = (option::of(end()), option::of(end()));
    let words = (option::of(slug()), option::of(label()), option::of(label()), option::of(label()));
    let counts = (option::of(any::<u64>()), option::of(any::<u32>()), option::of(0_u8..=100));
    (times, ends, words, counts).prop_map(|(times, (to, from), words, (bytes, count, percent))| {
        let (code, actor, subject, text) = words;
        let percent = percent.and_then(Percent::new);
        let counters = LogCounters {
            count,
            bytes_in: bytes,
            bytes_out: bytes,
            connections: count,
            cpu: percent,
            memory: percent,
            battery: percent,
        };
        LogRecord {
            code,
            to,
            from,
            actor,
            subject,
            counters: bytes.map(|_| counters),
            text,
            ..LogRecord::new(LogKind::ALL[times.2], times.0.map(Timestamp), times.1)
        }
    })
}

fn job() -> impl Strategy<Value = JobId> {
    any::<[u8; 16]>().prop_map(JobId)
}

fn fault() -> impl Strategy<Value = UpdateFault> {
    (0..UpdateFault::ALL.len()).prop_map(|at| UpdateFault::ALL[at])
}

fn object() -> impl Strategy<Value = UpdateObject> {
    (0..UpdateObject::ALL.len()).prop_map(|at| UpdateObject::ALL[at])
}

fn block_size() -> impl Strategy<Value = BlockSize> {
    (8_u32..=16).prop_map(|power| BlockSize::new(1 << power).expect("in range"))
}

fn window() -> impl Strategy<Value = Window> {
    (1_u8..=16).prop_map(|count| Window::new(count).expect("in range"))
}

fn blob<const MAX: usize>() -> impl Strategy<Value = Blob<MAX>> {
    vec(any::<u8>(), 0..=MAX).prop_map(|bytes| Blob::new(bytes).expect("in bounds"))
}

fn model() -> impl Strategy<Value = ModelId> {
    "[a-z][a-z0-9-]{0,14}\\.[a-z0-9-]{1,16}".prop_map(|text| ModelId::new(&text).expect("a model"))
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: &T) {
    let bytes = cbor::encode(message);
    assert_eq!(cbor::check(&bytes), Ok(()));
    assert_eq!(cbor::decode::<T>(&bytes, bytes.len()).as_ref(), Ok(message));
    assert!(cbor::decode::<T>(&bytes, bytes.len() - 1).is_err(), "a limit is a limit");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Criterion: T3.LA.1b (positive)
    #[test]
    fn announcements_survive(message in announcement()) {
        survives(&message);
    }

    #[test]
    fn short_messages_survive(boot in boot(), seq: u64, uptime: u64, reason in 0..ByeReason::ALL.len()) {
        survives(&Heartbeat { version: V1, boot, seq, uptime });
        survives(&Bye { version: V1, seq, reason: ByeReason::ALL[reason] });
        survives(&Lost { version: V1 });
    }

    /// Criterion: T3.PC.1 (positive)
    #[test]
    fn configurations_and_reports_survive(
        numbers: (u32, u32),
        words in (0..ConfigPurpose::ALL.len(), 0..ConfigOutcome::ALL.len()),
        settings in settings(),
        open in slugs(),
        why in option::of(note()),
    ) {
        let ((revision, security), (purpose, outcome)) = (numbers, words);
        let (purpose, outcome) = (ConfigPurpose::ALL[purpose], ConfigOutcome::ALL[outcome]);
        let (again, opened) = (settings.clone(), open.clone());
        survives(&Config { version: V1, revision, purpose, settings: again, open: opened });
        survives(&Reported { version: V1, revision, outcome, settings, open, security, why });
    }

    #[test]
    fn trust_notices_survive(
        state in 0..TrustState::ALL.len(),
        since: u64,
        reason in note(),
        renew_at in option::of(any::<u64>()),
    ) {
        let state = TrustState::ALL[state];
        survives(&TrustNotice { version: V1, state, since: Timestamp(since), reason, renew_at });
    }

    #[test]
    fn messages_of_hub_and_cloud_survive(
        numbers: (u64, u64, u32, u32, u32),
        key in digest(),
        labels in (label(), label(), label()),
    ) {
        let (seq, time, members, active, quarantined) = numbers;
        let (maker, model, software) = labels;
        survives(&HubStatus {
            version: V1,
            seq,
            time: Timestamp(time),
            software: software.clone(),
            members,
            active,
            quarantined,
        });
        let id = ComponentId::from_key_digest(&key);
        survives(&CloudHello { version: V1, id, maker, model, software });
    }

    /// Criterion: T3.SU.1a (positive)
    #[test]
    fn offers_and_orders_survive(
        job in job(),
        objects in (vec(blob(), 0..=4), blob()),
        bounds in (block_size(), window()),
        automatic: bool,
        deadline: u32,
        nonce: [u8; 16],
    ) {
        let ((anchors, manifest), (block, window)) = (objects, bounds);
        let anchors = Sequence::new(anchors).expect("in bounds");
        survives(&UpdateOffer { version: V1, job, anchors, manifest, block, window, automatic, deadline });
        for order in [UpdateOrder::Install, UpdateOrder::Cancel] {
            survives(&UpdateControl { job, order, nonce: None });
        }
        let (job, order) = (JobId([0; 16]), UpdateOrder::Report);
        survives(&UpdateControl { job, order, nonce: Some(Nonce(nonce)) });
    }

    #[test]
    fn requests_and_blocks_survive(
        job in job(),
        object in object(),
        offset: u32,
        bounds in (block_size(), window()),
        data in blob(),
        fault in fault(),
    ) {
        let (length, count) = bounds;
        survives(&BlockRequest { job, object, offset, length, count });
        survives(&Block { job, object, offset, data: Some(data), fault: None });
        survives(&Block { job, object, offset, data: None, fault: Some(fault) });
    }

    #[test]
    fn statuses_and_reports_of_updates_survive(
        ids in (digest(), job(), model(), label(), digest()),
        numbers: (u32, u32, u8, u64, u32),
        step in 0..UpdateStep::ALL.len(),
        extras in (option::of(fault()), option::of(label()), option::of(job())),
        nonce: [u8; 16],
    ) {
        let (key, job, model, name, image) = ids;
        let (got, counter, slot, seq, attacks) = numbers;
        let (fault, why, last) = extras;
        survives(&UpdateStatus { job, step: UpdateStep::ALL[step], fault, got, counter, slot, why, seq });
        survives(&UpdateReport {
            version: V1,
            component: ComponentId::from_key_digest(&key),
            model,
            counter,
            name,
            image,
            anchor: got,
            time: Timestamp(seq),
            nonce: Nonce(nonce),
            fault,
            job: last,
            attacks,
        });
    }

    /// Criterion: T3.CSA.1 (positive)
    #[test]
    fn logs_and_what_the_hub_says_of_them_survive(
        records in vec(log_record(), 1..=64),
        ids in (digest(), digest(), any::<[u8; 8]>()),
        first in 1_u64..u64::MAX - 64,
        times in (option::of(any::<u64>()), any::<u64>()),
        classes in 0..=LogClass::ALL.len(),
        count: u32,
    ) {
        let (key, chain, life) = (ids.0, ids.1, LogLife(ids.2));
        let component = ComponentId::from_key_digest(&key);
        let head = LogHead { version: V1, component, life, last: first, chain };
        survives(&head);
        records.iter().for_each(survives);
        let records = records.iter().filter_map(|one| Blob::new(cbor::encode(one))).collect();
        survives(&LogBatch {
            version: V1,
            life,
            first,
            oldest: 1,
            before: chain,
            records: Sequence::new(records).expect("in bounds"),
            head: Blob::new(cbor::encode(&head)).expect("in bounds"),
            time: times.0.map(Timestamp),
            uptime: times.1,
        });
        survives(&LogControl::ack(life, first, chain, count));
        survives(&LogControl::pull(Some(life), first, count));
        let classes = LogClass::ALL[..classes].to_vec();
        survives(&LogControl::quiet(List::new(classes).expect("in bounds")));
    }
    /// Criterion: T3.CSA.1 (positive)
    #[test]
    fn the_log_s_way_to_the_cloud_survives(
        bodies in vec(vec(any::<u8>(), 0..300), 0..=40),
        ids in (digest(), any::<[u8; 32]>()),
        origin in label(),
        first in 0..u64::MAX - 64,
        slot: u32,
        note in option::of(vec(any::<u8>(), 0..600)),
        starts in vec(0_u64..1_000_000, 0..=8),
        refusal in option::of(0..UplinkRefusal::ALL.len()),
    ) {
        let (hash, key) = (ids.0, PublicKey(ids.1));
        let whole = |body: &Vec<u8>| UplinkRecord {
            form: UplinkForm::Record,
            hash,
            slot: Some(slot),
            body: Blob::new(body.clone()),
        };
        let mut records: Vec<_> = bodies.iter().map(whole).collect();
        records.push(UplinkRecord::bare(UplinkForm::Tile, hash));
        records.iter().for_each(survives);
        let records: Vec<_> = records.iter().filter_map(|one| Blob::new(cbor::encode(one))).collect();
        let checkpoint = note.clone().and_then(Blob::new);
        let size = first + records.len() as u64;
        let records = Sequence::new(records).expect("in bounds");
        let origin_of = origin.clone();
        survives(&UplinkFrame { version: V1, origin, key, size, first, records, checkpoint });
        let held: BTreeSet<_> = starts.iter().flat_map(|start| [start * 3, start * 3 + 1]).collect();
        survives(&UplinkAck {
            version: V1,
            origin: origin_of.clone(),
            held: Sequence::new(held.into_iter().collect()).expect("in bounds"),
            refusal: refusal.map(|at| UplinkRefusal::ALL[at]),
            head: note.and_then(Blob::new),
            witness: origin_of,
            witness_key: key,
        });
    }
}
