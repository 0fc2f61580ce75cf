//! From the TLS stream to an accepted session: CONNECT and its answer.

use super::{
    Endpoint,
    connection::{Connection, Will},
    slot::Slot,
};
use crate::{
    codec::{
        DecodeError, ReasonCode, decode_connect,
        encode::{self, Accepted},
        frame,
        packet::{Connect, Version},
    },
    gate::{ConnectRequest, Connected, Gate, LinkId, Refused},
    registry::{Live, Opened},
};
use bytes::BytesMut;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// Room for a usual CONNECT; it grows up to the packet limit when one is larger.
const CONNECT_BUFFER: usize = 512;

impl<G: Gate> Endpoint<G> {
    /// Reads CONNECT, asks the gate and answers; `None` when the connection is over.
    pub(super) async fn open(
        &self,
        mut stream: TlsStream<TcpStream>,
        from: SocketAddr,
        who: G::Principal,
        mut slot: Slot,
    ) -> Option<Connection<G>> {
        let mut bytes = BytesMut::with_capacity(CONNECT_BUFFER);
        let limit = self.shared().limits.connect;
        let length =
            match tokio::time::timeout(limit, self.first_packet(&mut stream, &mut bytes)).await {
                Ok(Ok(length)) => length,
                Ok(Err(failure)) => return self.no_connect(&mut stream, from, &who, failure).await,
                Err(_) => return self.no_connect(&mut stream, from, &who, Failure::Silent).await,
            };
        let first = bytes.split_to(length);
        let decoded = frame(&first, length).and_then(|frame| match frame {
            Some(frame) => decode_connect(&frame),
            None => Err(DecodeError::Truncated),
        });
        let connect = match decoded {
            Ok(connect) => connect,
            Err(error) => {
                return self.no_connect(&mut stream, from, &who, Failure::Malformed(error)).await;
            }
        };
        slot.authenticated();
        if let Err(refused) = self.ask(&who, &connect, from) {
            self.shared().stats.connects_refused.add();
            let mut out = BytesMut::new();
            encode::refused(&mut out, connect.version, refused.reason, refused.word);
            say(&mut stream, &out).await;
            return None;
        }
        Some(self.begin(stream, from, who, slot, &connect, bytes))
    }

    /// Reads until one whole packet is there; the answer is its length.
    async fn first_packet(
        &self,
        stream: &mut TlsStream<TcpStream>,
        bytes: &mut BytesMut,
    ) -> Result<usize, Failure> {
        loop {
            match frame(bytes, self.shared().limits.max_packet) {
                Ok(Some(frame)) => return Ok(frame.length),
                Ok(None) => {}
                Err(error) => return Err(Failure::Malformed(error)),
            }
            match stream.read_buf(bytes).await {
                Ok(0) | Err(_) => return Err(Failure::Gone),
                Ok(_) => {}
            }
        }
    }

    fn ask(
        &self,
        who: &G::Principal,
        connect: &Connect<'_>,
        from: SocketAddr,
    ) -> Result<(), Refused> {
        if connect.authentication {
            let reason = ReasonCode::BadAuthenticationMethod;
            return Err(Refused { reason, word: "authentication-method-not-offered" });
        }
        let request = ConnectRequest {
            version: connect.version,
            client_id: connect.client_id,
            will: connect.will.as_ref(),
            credentials: connect.username.is_some() || connect.password.is_some(),
            from,
        };
        self.gate.connect(who, &request)
    }

    fn begin(
        &self,
        stream: TlsStream<TcpStream>,
        from: SocketAddr,
        who: G::Principal,
        slot: Slot,
        connect: &Connect<'_>,
        rest: BytesMut,
    ) -> Connection<G> {
        let shared = self.shared();
        let (limits, version) = (&shared.limits, connect.version);
        let link = LinkId(shared.next_link.replace(shared.next_link.get() + 1));
        let live = Live { link, from, close: None };
        let Opened { client, present, took_over } = shared.registry.borrow_mut().open(
            connect.client_id,
            connect.clean_start,
            version,
            live,
            limits,
        );
        let expiry = connect.session_expiry.min(limits.session_expiry);
        let keep_alive = match connect.keep_alive {
            0 => limits.keep_alive,
            asked => asked.min(limits.keep_alive),
        };
        let mut out = BytesMut::new();
        encode::accepted(
            &mut out,
            version,
            &Accepted {
                session_present: present,
                session_expiry: (expiry != connect.session_expiry).then_some(expiry),
                receive_maximum: limits.receive_maximum,
                maximum_packet: u32::try_from(limits.max_packet).unwrap_or(u32::MAX),
                keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
                wildcards: limits.wildcards,
            },
        );
        client.session.borrow_mut().resume(
            version,
            connect.receive_maximum.get(),
            connect.maximum_packet,
            &shared.outcome.borrow(),
            &mut out,
        );
        shared.stats.connects.add();
        if took_over.is_some() {
            shared.stats.takeovers.add();
        }
        self.gate.connected(
            &who,
            link,
            &Connected { version, from, session_present: present, took_over },
        );
        let will = connect.will.as_ref().map(Will::of);
        Connection::new(
            self.clone(),
            stream,
            who,
            client,
            (link, from),
            slot,
            (version, keep_alive, expiry),
            will,
            out,
            rest,
        )
    }

    async fn no_connect(
        &self,
        stream: &mut TlsStream<TcpStream>,
        from: SocketAddr,
        who: &G::Principal,
        failure: Failure,
    ) -> Option<Connection<G>> {
        let (word, detail) = match failure {
            Failure::Gone => return None,
            Failure::Silent => ("connect-timeout", "no whole CONNECT in time".to_owned()),
            Failure::Malformed(error) => {
                self.shared().stats.malformed.add();
                let mut out = BytesMut::new();
                // Before the version is known only a wrong level has an answer [MQTT-3.1.2-2].
                if let DecodeError::ProtocolLevel(_) = error {
                    encode::refused(&mut out, Version::V311, error.reason(), "");
                }
                say(stream, &out).await;
                ("malformed", error.to_string())
            }
        };
        self.refuse(Some(who), from, word, &detail);
        None
    }
}

enum Failure {
    Gone,
    Silent,
    Malformed(DecodeError),
}

/// Last words: whether they arrive does not matter any more, and a peer that does not take them is
/// not waited for.
async fn say(stream: &mut TlsStream<TcpStream>, out: &[u8]) {
    let last = async {
        let _ = stream.write_all(out).await;
        let _ = stream.shutdown().await;
    };
    let _ = tokio::time::timeout(super::connection::LAST_WORDS, last).await;
}
