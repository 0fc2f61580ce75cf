//! A component's log as the hub's tests need it: honest unless it is told otherwise.

use crate::world::{World, id};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use hub_core::{
    Effects, HubSettings, Input, Now, Occasion,
    crypto::AwsLc,
    record::{Record, RecordKind, Source},
};
use protocol::{
    cbor,
    id::{Digest, LogLife},
    log::{HEAD, begin, link},
    message::{
        Blob, LogBatch, LogControl, LogHead, LogKind, LogOrder, LogRecord, MAX_LOG_HEAD, Sequence,
        V1,
    },
    refusal::Refusal,
    signed::Signed,
    update::Crypto,
};

/// What the hub told component `n` about its log, oldest first.
pub(crate) fn controls(world: &World, n: u16) -> Vec<LogControl> {
    let topic = format!("p/{}/log/ctl", id(n));
    let told = world.sent.iter().filter(|(to, _)| *to == topic);
    told.map(|(_, payload)| cbor::decode(payload, 128).unwrap()).collect()
}

/// A component's log, and the key that signs its heads.
pub(crate) struct Journal {
    n: u16,
    key: EcdsaKeyPair,
    der: Vec<u8>,
    life: LogLife,
    records: Vec<Vec<u8>>,
    /// What it says is the oldest record it has.
    pub(crate) oldest: u64,
    /// What the hub acknowledged.
    pub(crate) acknowledged: u64,
    now: Now,
}

impl Journal {
    /// A lamp that joined with a key of its own, and is what it shall be.
    pub(crate) fn join(world: &mut World, n: u16) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![]).unwrap();
        let der = params.self_signed(&pair).unwrap().der().to_vec();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der());
        world.member(n);
        let mut certificate = world.certificate(n);
        certificate.key = AwsLc.sha256(&spki);
        world.handle(Input::Issued { id: id(n), certificate, occasion: Occasion::Renewal });
        let (key, life, records) = (key.unwrap(), LogLife([n as u8; 8]), Vec::new());
        Self { n, key, der, life, records, oldest: 1, acknowledged: 0, now: world.now }
    }

    /// Something happens to it.
    pub(crate) fn note(&mut self, world: &World, kind: LogKind) {
        self.note_at(world.now, kind);
    }

    /// Something happens to it, as its clock has it.
    pub(crate) fn note_at(&mut self, now: Now, kind: LogKind) {
        let uptime = u64::try_from(now.mono.as_millis()).unwrap();
        self.push(cbor::encode(&LogRecord::new(kind, Some(now.wall), uptime)));
    }

    /// These bytes are its next record.
    pub(crate) fn push(&mut self, record: Vec<u8>) {
        self.records.push(record);
    }

    /// Changes a record without a trace in the log itself.
    pub(crate) fn edit(&mut self, seq: usize) {
        let record = &self.records[seq - 1];
        let mut other: LogRecord = cbor::decode(record, record.len()).unwrap();
        other.uptime ^= 1;
        self.records[seq - 1] = cbor::encode(&other);
    }

    /// Its memory is as it was after this record.
    pub(crate) fn forget_after(&mut self, seq: usize) {
        self.records.truncate(seq);
    }

    /// A factory reset.
    pub(crate) fn begin_anew(&mut self, life: LogLife) {
        self.life = life;
        self.records.clear();
    }

    /// The chain's value after this record.
    fn value(&self, seq: u64) -> Digest {
        let begin = begin(id(self.n), self.life, &AwsLc);
        let records = self.records.iter().take(usize::try_from(seq).unwrap());
        records.fold(begin, |value, record| link(&value, record, &AwsLc))
    }

    /// Where it stands after this record.
    pub(crate) fn head(&self, last: u64) -> LogHead {
        let (component, life, chain) = (id(self.n), self.life, self.value(last));
        LogHead { version: V1, component, life, last, chain }
    }

    /// Signs a head.
    pub(crate) fn seal(&self, head: &LogHead) -> Blob<MAX_LOG_HEAD> {
        let sign = |bytes: &[u8]| {
            let signature = self.key.sign(&SystemRandom::new(), bytes);
            signature.map(|signature| signature.as_ref().to_vec())
        };
        let signed = Signed::seal(HEAD, &cbor::encode(head), std::slice::from_ref(&self.der), sign);
        Blob::new(signed.unwrap()).unwrap()
    }

    /// Records from this one on, signed.
    pub(crate) fn batch(&self, first: u64, most: usize) -> LogBatch {
        let records = self.records.iter().skip(usize::try_from(first).unwrap() - 1).take(most);
        let records: Vec<_> = records.map(|record| Blob::new(record.clone()).unwrap()).collect();
        let last = first + records.len() as u64 - 1;
        LogBatch {
            version: V1,
            life: self.life,
            first,
            oldest: self.oldest,
            before: self.value(first - 1),
            records: Sequence::new(records).unwrap(),
            head: self.seal(&self.head(last)),
            time: Some(self.now.wall),
            uptime: u64::try_from(self.now.mono.as_millis()).unwrap(),
        }
    }

    /// Sends records from this one on.
    pub(crate) fn send(
        &mut self,
        world: &mut World,
        first: u64,
        most: usize,
    ) -> Result<Effects, Refusal> {
        self.now = world.now;
        let batch = self.batch(first, most);
        self.say(world, &batch)
    }

    /// Sends a batch.
    pub(crate) fn say(&mut self, world: &mut World, batch: &LogBatch) -> Result<Effects, Refusal> {
        let effects = world.say(self.n, "log", &cbor::encode(batch));
        match effects.answer {
            hub_core::Answer::Refused { why, .. } => Err(why),
            _ => Ok(effects),
        }
    }

    /// Hands over what was not acknowledged, as an honest component does.
    pub(crate) fn hand_over(&mut self, world: &mut World) -> Result<(), Refusal> {
        while self.acknowledged < self.records.len() as u64 {
            self.send(world, self.acknowledged + 1, 64)?;
            let told = controls(world, self.n);
            let ack = told.iter().rev().find(|control| control.order == LogOrder::Ack);
            self.acknowledged = ack.and_then(|control| control.seq).unwrap_or(0);
        }
        Ok(())
    }
}

impl World {
    /// Component `n` loses its connection and comes back.
    pub(crate) fn connect_again(&mut self, n: u16) {
        let certificate = self.certificate_of(n);
        self.connect(n, &certificate);
    }
}

/// A world with one member that has a log, before anything happens.
pub(crate) fn world() -> (World, Journal) {
    world_with(|_| {})
}

/// The same, with a hub of these settings.
pub(crate) fn world_with(set: impl FnOnce(&mut HubSettings)) -> (World, Journal) {
    let mut world = World::with(set);
    let journal = Journal::join(&mut world, 1);
    world.log.clear();
    world.sent.clear();
    (world, journal)
}

/// What the log holds of components' own.
pub(crate) fn told(world: &World) -> Vec<&Record> {
    world.log.iter().filter(|record| record.source == Source::Component).collect()
}

/// Their numbers in the components' logs.
pub(crate) fn numbers(world: &World) -> Vec<u64> {
    told(world).iter().filter_map(|record| record.related).collect()
}

/// Code, number and count of the hub's own records of a kind.
pub(crate) fn of(world: &World, kind: RecordKind) -> Vec<(String, u64, Option<u32>)> {
    let found = world.log.iter().filter(|one| one.kind == kind && one.source == Source::Hub);
    found
        .map(|one| {
            let code = one.code.as_deref().unwrap_or_default().to_owned();
            (code, one.related.unwrap_or(0), one.counters.count)
        })
        .collect()
}

/// What the hub acknowledged last.
pub(crate) fn acknowledged(world: &World) -> Option<LogControl> {
    controls(world, 1).into_iter().rfind(|control| control.order == LogOrder::Ack)
}

/// The number in that.
pub(crate) fn acked(world: &World) -> u64 {
    acknowledged(world).and_then(|control| control.seq).unwrap_or(0)
}

/// From where the hub wanted records.
pub(crate) fn pulled(world: &World) -> Vec<u64> {
    let pulls = controls(world, 1).into_iter().filter(|one| one.order == LogOrder::Pull);
    pulls.filter_map(|control| control.seq).collect()
}
