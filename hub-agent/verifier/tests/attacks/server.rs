//! A web server that does as it is told, and notes what it was asked.

use crate::world::pace;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use update_verifier::{Mirror, Mirrors, Source};

/// What an answer is.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A file; ranges are honoured.
    File(Vec<u8>),
    /// A file; ranges are ignored.
    Whole(Vec<u8>),
    /// A head and so many bytes of the body, then the connection closes.
    Broken(Vec<u8>, usize),
    /// A head, some bytes, then nothing more although the connection stays.
    Stuck(Vec<u8>, usize),
    /// No length, no end.
    Endless,
    /// This status, with this header.
    Status(&'static str, &'static str),
}

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    /// Serves with this function from path to answer; what it has nothing for is not found.
    pub(crate) async fn start(
        answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let server =
            Self { address, asked: Arc::clone(&asked), connections: Arc::clone(&connections) };
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                tokio::spawn(async move { talk(stream, &*answer, &asked).await });
            }
        });
        server
    }

    pub(crate) fn mirror(&self) -> Mirror {
        let source =
            |part: &str| Source::parse(&format!("{}/{part}", self.address), None, pace()).unwrap();
        Mirror { metadata: source("metadata"), targets: source("targets/") }
    }

    pub(crate) fn mirrors(&self) -> Arc<Mirrors> {
        Arc::new(Mirrors::new(vec![self.mirror()]).unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(dyn Fn(&str) -> Option<Answer> + Send + Sync),
    asked: &Mutex<Vec<String>>,
) {
    while let Some(head) = head(&mut stream).await {
        let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let from: Option<usize> = range.and_then(|range| range.trim_end_matches('-').parse().ok());
        let note = from.map_or_else(|| path.clone(), |from| format!("{path} from {from}"));
        asked.lock().unwrap().push(note);
        let found = answer(&path).unwrap_or(Answer::Status("404 Not Found", "x: y"));
        if give(&mut stream, found, from).await.is_err() {
            return;
        }
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.ok()?;
        head.push(byte);
    }
    String::from_utf8(head).ok()
}

async fn give(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answer: Answer,
    from: Option<usize>,
) -> std::io::Result<()> {
    let ok = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    match (answer, from) {
        (Answer::File(bytes), Some(from)) if from < bytes.len() => {
            let (last, all) = (bytes.len() - 1, bytes.len());
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{last}/{all}\r\ncontent-length: {}\r\n\r\n",
                all - from
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes[from..]).await
        }
        (Answer::File(bytes) | Answer::Whole(bytes), _) => {
            stream.write_all(ok(bytes.len()).as_bytes()).await?;
            stream.write_all(&bytes).await
        }
        (Answer::Broken(bytes, count), _) => {
            stream.write_all(ok(bytes.len()).as_bytes()).await?;
            stream.write_all(&bytes[..count]).await?;
            stream.shutdown().await?;
            Err(std::io::ErrorKind::Other.into())
        }
        (Answer::Stuck(bytes, count), _) => {
            stream.write_all(ok(bytes.len()).as_bytes()).await?;
            stream.write_all(&bytes[..count]).await?;
            // Until the other side gives up.
            stream.read_u8().await.map(|_| ())
        }
        (Answer::Endless, _) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let piece = [b"4000\r\n", vec![b'x'; 0x4000].as_slice(), b"\r\n"].concat();
            loop {
                stream.write_all(&piece).await?;
            }
        }
        (Answer::Status(status, header), _) => {
            let head = format!("HTTP/1.1 {status}\r\n{header}\r\ncontent-length: 4\r\n\r\nbody");
            stream.write_all(head.as_bytes()).await
        }
    }
}
