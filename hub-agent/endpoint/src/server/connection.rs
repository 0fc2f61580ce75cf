//! One accepted connection: waits for bytes, for something to send and for deadlines, and closes.

use super::{Endpoint, slot::Slot};
use crate::{
    codec::{
        ReasonCode, encode,
        packet::{self, Qos, Version},
    },
    gate::{Answer, Closed, Gate, Inbound, LinkId, Refused},
    rate::Bucket,
    registry::{Client, Close},
};
use bytes::{Buf, BytesMut};
use std::{io, net::SocketAddr, pin::Pin, rc::Rc, task::Poll, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tokio_rustls::server::TlsStream;

/// Longest time last words are given.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Size of the one read buffer: four full TLS records.
const SCRATCH: usize = 64 * 1024;

/// Capacity an idle connection may keep.
const IDLE_CAPACITY: usize = 1024;

/// A last will, kept until the connection ends.
pub(super) struct Will {
    topic: Box<str>,
    payload: Box<[u8]>,
    qos: Qos,
    retain: bool,
    delay: u32,
}

impl Will {
    pub(super) fn of(will: &packet::Will<'_>) -> Box<Self> {
        let packet::Will { topic, payload, qos, retain, delay } = *will;
        Box::new(Self { topic: topic.into(), payload: payload.into(), qos, retain, delay })
    }
}

pub(super) struct Connection<G: Gate> {
    pub(super) endpoint: Endpoint<G>,
    stream: TlsStream<TcpStream>,
    pub(super) who: G::Principal,
    pub(super) client: Rc<Client>,
    link: LinkId,
    from: SocketAddr,
    _slot: Slot,
    pub(super) version: Version,
    keep_alive: Duration,
    pub(super) session_expiry: u32,
    pub(super) will: Option<Box<Will>>,
    pub(super) out: BytesMut,
    /// The beginning of a packet whose end has not come yet.
    pub(super) partial: BytesMut,
    partial_since: Option<Instant>,
    heard: Instant,
    started: Instant,
    bucket: Bucket,
    paused_until: Option<Instant>,
    flooding_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// What exactly was wrong, for the event.
    pub(super) detail: String,
    settled: bool,
}

/// What ended a wait.
enum Event {
    Bytes(Vec<u8>, usize),
    End,
    Woken,
    Timer,
}

impl<G: Gate> Connection<G> {
    #[expect(clippy::too_many_arguments, reason = "one caller, which has all of it at hand")]
    pub(super) fn new(
        endpoint: Endpoint<G>,
        stream: TlsStream<TcpStream>,
        who: G::Principal,
        client: Rc<Client>,
        (link, from): (LinkId, SocketAddr),
        slot: Slot,
        (version, keep_alive, session_expiry): (Version, u16, u32),
        will: Option<Box<Will>>,
        out: BytesMut,
        partial: BytesMut,
    ) -> Self {
        let now = Instant::now();
        let limits = &endpoint.shared().limits;
        let bucket =
            Bucket::new(limits.messages_per_second, limits.bytes_per_second, Duration::ZERO);
        let keep_alive = Duration::from_secs(u64::from(keep_alive)) * 3 / 2;
        let timer = Box::pin(tokio::time::sleep_until(now + keep_alive));
        Self {
            endpoint,
            stream,
            who,
            client,
            link,
            from,
            _slot: slot,
            version,
            keep_alive,
            session_expiry,
            will,
            out,
            partial,
            partial_since: None,
            heard: now,
            started: now,
            bucket,
            paused_until: None,
            flooding_since: None,
            timer,
            detail: String::new(),
            settled: false,
        }
    }

    /// Serves the connection until it ends, then tells the gate and settles will and session.
    pub(super) async fn run(&mut self) {
        let closed = match self.take(&[]) {
            Ok(()) => self.serve().await,
            Err(closed) => closed,
        };
        if matches!(closed, Closed::Cut(_) | Closed::Draining) {
            // What is durable was promised an acknowledgement, whatever ends the session.
            self.acknowledge();
        }
        self.say_goodbye(closed).await;
        self.settle(closed);
    }

    async fn serve(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.told_to_close().and_then(|()| self.give()) {
                return closed;
            }
            if self.flush().await.is_err() {
                return Closed::Lost;
            }
            let result = match self.wait().await {
                Event::Bytes(scratch, length) => {
                    self.heard = Instant::now();
                    let result = self.told_to_close().and_then(|()| self.take(&scratch[..length]));
                    self.endpoint.shared().scratch.set(scratch);
                    result
                }
                Event::End => Err(Closed::Lost),
                Event::Woken => Ok(()),
                Event::Timer => self.check_deadlines(),
            };
            if let Err(closed) = result {
                return closed;
            }
        }
    }

    async fn wait(&mut self) -> Event {
        let paused = self.paused_until.is_some();
        let (endpoint, stream, timer) = (&self.endpoint, &mut self.stream, &mut self.timer);
        let read = std::future::poll_fn(|context| {
            let mut scratch = endpoint.shared().scratch.take();
            scratch.resize(SCRATCH, 0);
            let mut buffer = ReadBuf::new(&mut scratch);
            let poll = Pin::new(&mut *stream).poll_read(context, &mut buffer);
            let length = buffer.filled().len();
            match poll {
                Poll::Ready(Ok(())) if length > 0 => Poll::Ready(Event::Bytes(scratch, length)),
                Poll::Ready(_) => {
                    endpoint.shared().scratch.set(scratch);
                    Poll::Ready(Event::End)
                }
                Poll::Pending => {
                    endpoint.shared().scratch.set(scratch);
                    Poll::Pending
                }
            }
        });
        tokio::select! {
            biased;
            () = self.client.wake.notified() => Event::Woken,
            event = read, if !paused => event,
            () = timer.as_mut() => Event::Timer,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let limit = self.endpoint.shared().limits.packet;
        let (stream, out) = (&mut self.stream, &mut self.out);
        let write = async {
            while out.has_remaining() {
                stream.write_buf(out).await?;
            }
            stream.flush().await
        };
        tokio::time::timeout(limit, write).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.endpoint.shared().room.notify_waiters();
        if self.out.capacity() > IDLE_CAPACITY {
            self.out = BytesMut::new();
        }
        Ok(())
    }

    /// Counts what was received against the client's rate; reading pauses when it is over.
    pub(super) fn charge(&mut self, messages: u32, bytes: usize) {
        let now = Instant::now();
        let wait = self.bucket.take(messages, bytes, now - self.started);
        if wait.is_zero() {
            self.flooding_since = None;
            return;
        }
        self.endpoint.shared().stats.throttled.add();
        let since = *self.flooding_since.get_or_insert(now);
        let patience = since + self.endpoint.shared().limits.flood_patience;
        self.paused_until = Some(now + wait);
        self.timer.as_mut().reset(patience.min(now + wait));
    }

    /// Remembers when an incomplete packet began, so that it cannot take for ever.
    pub(super) fn note_partial(&mut self) {
        if self.partial.is_empty() {
            self.partial_since = None;
            if self.partial.capacity() > IDLE_CAPACITY {
                self.partial = BytesMut::new();
            }
        } else if self.partial_since.is_none() {
            let now = Instant::now();
            self.partial_since = Some(now);
            let deadline = now + self.endpoint.shared().limits.packet;
            if self.timer.deadline() > deadline {
                self.timer.as_mut().reset(deadline);
            }
        }
    }

    fn check_deadlines(&mut self) -> Result<(), Closed> {
        let (now, limits) = (Instant::now(), &self.endpoint.shared().limits);
        if self.flooding_since.is_some_and(|since| now >= since + limits.flood_patience) {
            return Err(refuse(ReasonCode::MessageRateTooHigh, "message-rate-too-high"));
        }
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
        }
        let packet = self.partial_since.map(|since| since + limits.packet);
        if packet.is_some_and(|deadline| now >= deadline) {
            return Err(refuse(ReasonCode::UnspecifiedError, "packet-too-slow"));
        }
        // A paused client is not silent: it is not listened to.
        let silent = self.paused_until.unwrap_or(self.heard) + self.keep_alive;
        if now >= silent {
            return Err(Closed::Silent);
        }
        let next = [Some(silent), packet, self.paused_until].into_iter().flatten().min();
        self.timer.as_mut().reset(next.unwrap_or(silent));
        Ok(())
    }

    fn told_to_close(&self) -> Result<(), Closed> {
        match self.client.live.get() {
            Some(live) if live.link == self.link => match live.close {
                None => Ok(()),
                Some(Close::Cut(why)) => Err(Closed::Cut(why)),
                Some(Close::Draining) => Err(Closed::Draining),
                Some(Close::Overflow) => {
                    Err(refuse(ReasonCode::QuotaExceeded, "too-slow-to-receive"))
                }
            },
            _ => Err(Closed::TakenOver),
        }
    }

    async fn say_goodbye(&mut self, closed: Closed) {
        let (reason, word) = match closed {
            Closed::Left | Closed::Lost | Closed::Panicked => return,
            Closed::Silent => (ReasonCode::KeepAliveTimeout, "keep-alive-timeout"),
            Closed::TakenOver => (ReasonCode::SessionTakenOver, "session-taken-over"),
            Closed::Cut(why) | Closed::Refused(why) => (why.reason, why.word),
            Closed::Draining => (ReasonCode::ServerShuttingDown, "shutting-down"),
        };
        encode::disconnect(&mut self.out, self.version, reason.in_disconnect(), word);
        let last = async {
            let _ = self.flush().await;
            let _ = self.stream.shutdown().await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, last).await;
    }

    fn settle(&mut self, closed: Closed) {
        self.settled = true;
        let shared = self.endpoint.shared().clone();
        let keeps = self.session_expiry > 0 && !matches!(closed, Closed::Cut(_));
        let expires =
            keeps.then(|| Instant::now() + Duration::from_secs(u64::from(self.session_expiry)));
        shared.registry.borrow_mut().close(&self.client, self.link, expires);
        if let Closed::Refused(why) = closed {
            let detail =
                if self.detail.is_empty() { "the connection was closed" } else { &self.detail };
            self.endpoint.refuse(Some(&self.who), self.from, why.word, detail);
        }
        self.endpoint.gate.disconnected(&self.who, self.link, closed);
        shared.room.notify_waiters();
        let will = self
            .will
            .take()
            .filter(|_| closed != Closed::Left && !matches!(closed, Closed::Cut(_)));
        if let Some(will) = will {
            self.publish_will(will);
        }
    }

    /// A will with a delay waits, unless the client is back by then [MQTT-3.1.3-9]; it never waits
    /// longer than the session lives.
    fn publish_will(&self, will: Box<Will>) {
        let delay = Duration::from_secs(u64::from(will.delay.min(self.session_expiry)));
        let (gate, who, client) =
            (self.endpoint.gate.clone(), self.who.clone(), self.client.clone());
        let publish = move |gate: &G| {
            let Will { topic, payload, qos, retain, .. } = &*will;
            let message = Inbound { topic, payload, qos: *qos, retain: *retain, will: true };
            // Nobody is there to be told the answer.
            let _: Answer = gate.publish(&who, &message);
        };
        let shared = self.endpoint.shared().clone();
        let waiting = shared.delayed_wills.get();
        if delay.is_zero() || waiting >= shared.limits.delayed_wills {
            publish(&gate);
            return;
        }
        shared.delayed_wills.set(waiting + 1);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            shared.delayed_wills.set(shared.delayed_wills.get() - 1);
            if client.live.get().is_none() {
                publish(&gate);
            }
        });
    }
}

/// A panic skips `settle`: the session must not look alive afterwards. The gate is told from a task
/// of its own, because nothing may panic while unwinding.
impl<G: Gate> Drop for Connection<G> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if let Ok(mut registry) = self.endpoint.shared().registry.try_borrow_mut() {
            registry.close(&self.client, self.link, None);
        }
        let (gate, who, link) = (self.endpoint.gate.clone(), self.who.clone(), self.link);
        if std::thread::panicking() {
            tokio::task::spawn_local(
                async move { gate.disconnected(&who, link, Closed::Panicked) },
            );
        }
    }
}

pub(super) fn refuse(reason: ReasonCode, word: &'static str) -> Closed {
    Closed::Refused(Refused { reason, word })
}
