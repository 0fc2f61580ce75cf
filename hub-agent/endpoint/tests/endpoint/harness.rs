//! A running endpoint, its recording gate, and a client that speaks bytes.

use crate::certificates::{Authority, Validity};
use mqtt_endpoint::{
    Answer, Closed, ConnectRequest, Connected, Endpoint, EndpointRefusal, Gate, Handle, Inbound,
    Limits, LinkId, Peer, Qos, ReasonCode, Refused,
};
use rustls::ClientConfig;
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::LocalSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Longest any single step of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const DENIED: Refused = Refused { reason: ReasonCode::NotAuthorized, word: "denied" };

/// What the gate saw, as words that tests look for.
#[derive(Default)]
pub(crate) struct Recorder {
    seen: RefCell<Vec<String>>,
    changed: Notify,
    pub(crate) answer: Cell<Option<Answer>>,
    pub(crate) handle: RefCell<Option<Handle>>,
}

impl Recorder {
    fn note(&self, line: String) {
        self.seen.borrow_mut().push(line);
        self.changed.notify_waiters();
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.seen.borrow().iter().filter(|line| line.starts_with(start)).count()
    }

    /// Waits until a line starts with `start`; the answer is that line.
    pub(crate) async fn wait(&self, start: &str) -> String {
        self.wait_nth(start, 1).await
    }

    pub(crate) async fn wait_nth(&self, start: &str, nth: usize) -> String {
        let found = async {
            loop {
                let changed = self.changed.notified();
                let line = self
                    .seen
                    .borrow()
                    .iter()
                    .filter(|l| l.starts_with(start))
                    .nth(nth - 1)
                    .cloned();
                match line {
                    Some(line) => return line,
                    None => changed.await,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("never saw `{start}`, only {:#?}", self.seen.borrow()),
        }
    }
}

/// Admits everyone under the name in the certificate; refuses topics below `foreign/`.
impl Gate for Recorder {
    type Principal = String;

    fn admit(&self, peer: &Peer<'_>) -> Result<String, Refused> {
        let text = String::from_utf8_lossy(peer.certificate);
        let known = ["alice", "bob", "mallory"].into_iter().find(|name| text.contains(name));
        self.note(format!("admit {}", known.unwrap_or("?")));
        known.filter(|name| *name != "mallory").map(str::to_owned).ok_or(DENIED)
    }

    fn connect(&self, who: &String, request: &ConnectRequest<'_>) -> Result<(), Refused> {
        self.note(format!("connect {who} {}", request.client_id));
        if let Some(will) = request.will
            && will.topic.starts_with("foreign/")
        {
            return Err(DENIED);
        }
        if request.client_id == who { Ok(()) } else { Err(DENIED) }
    }

    fn connected(&self, who: &String, _: LinkId, info: &Connected) {
        let took = if info.took_over.is_some() { " took-over" } else { "" };
        self.note(format!("connected {who} present={}{took}", info.session_present));
    }

    fn publish(&self, who: &String, message: &Inbound<'_>) -> Answer {
        let will = if message.will { "will" } else { "publish" };
        self.note(format!(
            "{will} {who} {} {}",
            message.topic,
            String::from_utf8_lossy(message.payload)
        ));
        if message.topic == "panic" {
            panic!("a mistake in the gate, on purpose");
        }
        if message.topic.starts_with("foreign/") {
            return Answer::Refused(DENIED);
        }
        if let Some(topic) = message.topic.strip_prefix("to/") {
            let handle = self.handle.borrow().clone().expect("the endpoint runs");
            let payload = bytes::Bytes::copy_from_slice(message.payload);
            handle.publish(topic, payload, message.qos, message.retain);
        }
        self.answer.get().unwrap_or(Answer::Done)
    }

    fn subscribe(&self, who: &String, filter: &str, qos: Qos) -> Result<Qos, Refused> {
        self.note(format!("subscribe {who} {filter}"));
        if filter.starts_with("foreign/") { Err(DENIED) } else { Ok(qos) }
    }

    fn disconnected(&self, who: &String, _: LinkId, why: Closed) {
        self.note(format!("disconnected {who} {why:?}"));
    }

    fn refused(&self, _: Option<&String>, _: SocketAddr, what: &EndpointRefusal) {
        self.note(format!("refused {} {}", what.word, what.detail));
    }
}

pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) gate: Rc<Recorder>,
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
}

/// Runs a test with an endpoint serving beside it.
pub(crate) fn with_endpoint<T>(limits: Limits, test: impl AsyncFnOnce(World) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let authority = Authority::new();
        let (gate, handle) = (Rc::new(Recorder::default()), Handle::new(limits));
        *gate.handle.borrow_mut() = Some(handle.clone());
        let endpoint = Endpoint::new(handle.clone(), gate.clone(), authority.server());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move { endpoint.serve(listener).await });
        let world = World { authority, gate, handle, address };
        tokio::time::timeout(3 * PATIENCE, test(world)).await.expect("the test ends in time")
    })
}

impl World {
    pub(crate) fn config(&self, name: &str) -> Arc<ClientConfig> {
        self.authority.client(Some(self.authority.identity(name, Validity::Now)))
    }

    pub(crate) async fn tls(&self, config: Arc<ClientConfig>) -> std::io::Result<Client> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let stream =
            TlsConnector::from(config).connect("localhost".try_into().unwrap(), socket).await?;
        Ok(Client { stream, received: Vec::new() })
    }

    /// A connected client; `version` is 4 or 5.
    pub(crate) async fn client(&self, name: &str, version: u8) -> Client {
        let mut client = self.tls(self.config(name)).await.unwrap();
        client.send(&connect(name, version, true, 60)).await;
        let answer = client.packet().await.expect("a CONNACK");
        assert_eq!((answer[0], answer[3]), (0x20, 0), "accepted");
        client
    }
}

/// A client that speaks bytes.
pub(crate) struct Client {
    pub(crate) stream: TlsStream<TcpStream>,
    received: Vec<u8>,
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A refused peer may find the stream closed: what counts is what it reads then.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next packet (its remaining length fits one byte), or `None` at the end of the stream.
    pub(crate) async fn packet(&mut self) -> Option<Vec<u8>> {
        let read = async {
            loop {
                if self.received.len() >= 2
                    && self.received.len() >= 2 + usize::from(self.received[1])
                {
                    let length = 2 + usize::from(self.received[1]);
                    return Some(self.received.drain(..length).collect());
                }
                match self.stream.read_buf(&mut self.received).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer or an end in time")
    }

    /// Asserts that the server says nothing more than `allowed` kinds and closes.
    pub(crate) async fn closed(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        while let Some(packet) = self.packet().await {
            last = Some(packet);
        }
        last
    }

    /// Takes `count` packets and asserts that no more are due.
    pub(crate) async fn nothing_due_after(&mut self, count: usize) {
        for _ in 0..count {
            self.packet().await.expect("a packet");
        }
        self.nothing_due().await;
    }

    /// Asserts that everything sent so far was processed and nothing is due: a ping comes right back.
    pub(crate) async fn nothing_due(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.packet().await, Some(vec![0xd0, 0]));
    }
}

pub(crate) fn connect(name: &str, version: u8, clean: bool, keep_alive: u16) -> Vec<u8> {
    connect_with(name, version, u8::from(clean) << 1, keep_alive, &[])
}

/// A CONNECT; version 5 keeps its session for an hour.
pub(crate) fn connect_with(
    name: &str,
    version: u8,
    flags: u8,
    keep_alive: u16,
    tail: &[u8],
) -> Vec<u8> {
    let mut body = [&[0, 4][..], b"MQTT", &[version, flags], &keep_alive.to_be_bytes()].concat();
    if version == 5 {
        body.extend([5, 17, 0, 0, 14, 16]);
    }
    body.extend((name.len() as u16).to_be_bytes());
    body.extend(name.as_bytes());
    body.extend(tail);
    packet(0x10, &body)
}

/// A PUBLISH with an identifier where the quality of service needs one.
pub(crate) fn publish(version: u8, qos: u8, id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = [&(topic.len() as u16).to_be_bytes()[..], topic.as_bytes()].concat();
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if version == 5 {
        body.push(0);
    }
    body.extend(payload);
    packet(0x30 | qos << 1, &body)
}

pub(crate) fn subscribe(version: u8, id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == 5 {
        body.push(0);
    }
    body.extend((filter.len() as u16).to_be_bytes());
    body.extend(filter.as_bytes());
    body.push(qos);
    packet(0x82, &body)
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut out, mut length) = (vec![first], body.len());
    loop {
        let more = if length > 0x7f { 0x80 } else { 0 };
        out.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    out.extend(body);
    out
}
