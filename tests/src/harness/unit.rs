//! What the service manager does for a hub, in small: starts it again whenever it ends, and ends it when it is not
//! ready in time or its watchdog hears nothing.

use super::{Executable, PATIENCE};
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsString,
    fs::File,
    io::ErrorKind,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Time between two starts.
const PAUSE: Duration = Duration::from_millis(200);

/// Longest silence of a hub that is ready, as in the unit file.
const WATCHDOG: Duration = Duration::from_secs(20);

/// How a service is started.
#[derive(Clone, Debug)]
pub struct Service {
    /// Plays all roles.
    pub executable: Executable,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it complains about goes there.
    pub log: PathBuf,
    /// The socket on which it says that it is ready and alive.
    pub notify: PathBuf,
    /// Time it has to get ready.
    pub start: Duration,
}

/// A service that is kept running.
pub struct Unit {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    starts: AtomicU32,
    pid: AtomicU32,
    last: Mutex<Option<ExitStatus>>,
}

impl Unit {
    /// Starts the service and keeps it running.
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub fn start(service: Service) -> anyhow::Result<Self> {
        // A former one's, which nobody reads any more.
        let _ = std::fs::remove_file(&service.notify);
        let socket = UnixDatagram::bind(&service.notify).context("the notify socket")?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let shared = Arc::<Shared>::default();
        let kept = Arc::clone(&shared);
        let keeper = std::thread::spawn(move || {
            while !kept.stop.load(Ordering::Relaxed) {
                if kept.life(&service, &socket).is_err() {
                    return;
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        Ok(Self { shared, keeper: Some(keeper) })
    }

    /// How often it was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.shared.starts.load(Ordering::Relaxed)
    }

    /// Process number of the running one.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.pid.load(Ordering::Relaxed)
    }

    /// Whether it is kept running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| !keeper.is_finished())
    }

    /// Sends the running one a signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process number")?, signal)?)
    }

    /// Asks it to end, and starts it no more; the answer is how it ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.end(Signal::TERM);
        let last = self.shared.last.lock().map_err(|_| anyhow::anyhow!("the keeper panicked"))?;
        last.context("it never ended")
    }

    fn end(&mut self, signal: Signal) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // It may just have ended by itself.
        let _ = self.signal(signal);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}

impl Shared {
    /// One life of the service, to its end.
    fn life(&self, service: &Service, socket: &UnixDatagram) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&service.log)?;
        let mut child = Command::new(&service.executable.0)
            .args(&service.args)
            .env("NOTIFY_SOCKET", &service.notify)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.pid.store(child.id(), Ordering::Relaxed);
        self.starts.fetch_add(1, Ordering::Relaxed);
        let (mut deadline, mut stopping) = (Instant::now() + service.start, false);
        let mut message = [0; 256];
        loop {
            if let Some(status) = child.try_wait()? {
                return self.ended(status);
            }
            match socket.recv(&mut message) {
                Ok(_) => deadline = Instant::now() + WATCHDOG,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            if self.stop.load(Ordering::Relaxed) && !stopping {
                (deadline, stopping) = (Instant::now() + PATIENCE, true);
            }
            if Instant::now() >= deadline {
                return self.killed(&mut child);
            }
        }
    }

    fn killed(&self, child: &mut Child) -> anyhow::Result<()> {
        child.kill()?;
        self.ended(child.wait()?)
    }

    fn ended(&self, status: ExitStatus) -> anyhow::Result<()> {
        *self.last.lock().map_err(|_| anyhow::anyhow!("a panic"))? = Some(status);
        Ok(())
    }
}
