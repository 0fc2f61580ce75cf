//! Asks the repository from time to time, when a new model joins, and when somebody wants to know; tells the hub
//! what is there, what was taken back, and what is not to be believed.

use super::{
    release::{Looking, Unusable},
    vault::{self, HubVault},
};
use crate::{run::HubCell, settings::UpdateSettings};
use hub_core::{Hub, Input, RepositoryState};
use protocol::id::{Digest, ModelId};
use rustls::ClientConfig;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use update_verifier::{
    Attack, BadSource, Cache, Mirror, Mirrors, Pace, Refused, Source, Stored, Verifier,
};

/// First and longest wait after the repository was refused or not there.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3600));

/// How often it is looked whether a model joined.
const LOOK: Duration = Duration::from_secs(5);

/// What people want of the repository at once.
const QUEUE: usize = 8;

/// Releases that were found unusable and are remembered, so that each is told of once.
const REMEMBERED: usize = 1024;

/// Why the repository cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A mirror's address.
    #[error("updates.mirrors: {0}")]
    Mirror(#[from] BadSource),
    /// The file with the root.
    #[error("updates.root: {path} cannot be read: {why}")]
    Root {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
}

/// What somebody wants of the repository.
enum Wish {
    /// Look now.
    Check(oneshot::Sender<Result<Checked, String>>),
    /// Trust this root, and nothing that was trusted before.
    Pin(Vec<u8>, oneshot::Sender<Result<Checked, String>>),
}

/// What a look found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Checked {
    /// Version of the root in force.
    pub root: u64,
    /// Releases that everything vouches for.
    pub releases: Vec<String>,
    /// Releases that are not used, and why.
    pub unusable: Vec<String>,
}

/// Talks to the task that watches the repository; cheap to clone.
#[derive(Clone)]
pub struct Repository(mpsc::Sender<Wish>);

impl Repository {
    /// Looks now.
    ///
    /// # Errors
    /// Why nothing of the repository is believed, in words.
    pub async fn check(&self) -> Result<Checked, String> {
        self.ask(Wish::Check).await
    }

    /// Pins a root that came by a trusted way.
    ///
    /// # Errors
    /// Why not.
    pub async fn pin(&self, root: Vec<u8>) -> Result<Checked, String> {
        self.ask(|done| Wish::Pin(root, done)).await
    }

    async fn ask(
        &self,
        wish: impl FnOnce(oneshot::Sender<Result<Checked, String>>) -> Wish,
    ) -> Result<Checked, String> {
        let gone = || "the hub is ending".to_owned();
        let (done, waiter) = oneshot::channel();
        self.0.send(wish(done)).await.map_err(|_| gone())?;
        waiter.await.map_err(|_| gone())?
    }

    /// Begins to watch, with what the store holds of the repository.
    ///
    /// # Errors
    /// When a mirror's address or the root's file is unusable.
    pub fn watch<'a>(
        cell: &Rc<HubCell>,
        settings: &UpdateSettings,
        tls: Option<Arc<ClientConfig>>,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, RepositoryError> {
        let mirrors = settings.mirrors.iter().map(|base| mirror(base, tls.clone()));
        let mirrors = Arc::new(Mirrors::new(mirrors.collect::<Result<_, _>>()?)?);
        let root = std::fs::read(&settings.root).map_err(|error| RepositoryError::Root {
            path: settings.root.display().to_string(),
            why: error.to_string(),
        })?;
        let folder = cell.settings().data_dir.join("updates");
        let (wishes, taken) = mpsc::channel(QUEUE);
        let watch = Watch {
            cell: Rc::clone(cell),
            mirrors,
            folder,
            every: settings.check_every,
            most: settings.cache,
            unusable: BTreeMap::new(),
            known: BTreeSet::new(),
            believed: None,
        };
        tokio::task::spawn_local(watch.run(vault::stored(rows), root, taken));
        Ok(Self(wishes))
    }
}

fn mirror(base: &str, tls: Option<Arc<ClientConfig>>) -> Result<Mirror, BadSource> {
    let base = base.trim_end_matches('/');
    let source =
        |part: &str| Source::parse(&format!("{base}/{part}"), tls.clone(), Pace::default());
    Ok(Mirror { metadata: source("metadata")?, targets: source("targets")? })
}

struct Watch {
    cell: Rc<HubCell>,
    mirrors: Arc<Mirrors>,
    folder: PathBuf,
    every: Duration,
    most: u64,
    /// What was told of as unusable, with what was wrong: releases, or all of a model.
    unusable: BTreeMap<(ModelId, Option<u32>), String>,
    /// Models that were looked up.
    known: BTreeSet<ModelId>,
    /// The time at which the repository was last believed, since 1970 and since the start.
    believed: Option<(Duration, Duration)>,
}

impl Watch {
    async fn run(mut self, mut stored: Stored, root: Vec<u8>, mut wishes: mpsc::Receiver<Wish>) {
        let mut cache = match Cache::open(self.folder.join("cache"), self.most).await {
            Ok(cache) => cache,
            Err(refused) => return self.stopped(&refused, &mut wishes).await,
        };
        let mut opened = self.open(&mut stored, &root).await;
        loop {
            match opened {
                Ok(mut verifier) => {
                    let pinned = self.serve(&mut verifier, &mut cache, &mut wishes).await;
                    let Some((root, done)) = pinned else { return };
                    drop(verifier);
                    opened = self.pin(&stored, &root).await;
                    self.answer_pin(&opened, done);
                }
                Err(refused) => {
                    self.tell_stopped(&refused);
                    let Some((root, done)) = pinned_next(&mut wishes, &refused).await else {
                        return;
                    };
                    opened = self.pin(&stored, &root).await;
                    self.answer_pin(&opened, done);
                }
            }
        }
    }

    fn answer_pin(
        &self,
        opened: &Result<Verifier<HubVault>, Refused>,
        done: oneshot::Sender<Result<Checked, String>>,
    ) {
        let answer = match opened {
            Ok(verifier) => Ok(Checked {
                root: verifier.root_version(),
                releases: Vec::new(),
                unusable: Vec::new(),
            }),
            Err(refused) => Err(words(refused)),
        };
        let _ = done.send(answer);
    }

    /// Goes on from what the store holds, or pins the root of the settings when it holds nothing.
    async fn open(&self, stored: &mut Stored, root: &[u8]) -> Result<Verifier<HubVault>, Refused> {
        let witness = vault::witnessed(&self.folder, stored)?;
        let (vault, work) = vault::open(&self.cell, witness);
        tokio::task::spawn_local(work);
        match Verifier::restore(vault, stored.clone()) {
            Err(Refused::NotPinned) => self.pin(stored, root).await,
            other => other,
        }
    }

    async fn pin(&self, stored: &Stored, root: &[u8]) -> Result<Verifier<HubVault>, Refused> {
        let witness = update_verifier::Witness::at(self.folder.join("commits"));
        let mut stored = stored.clone();
        // A witness that is damaged is what is being repaired.
        stored.seen = witness.seen().unwrap_or_default().unwrap_or(0);
        let (vault, work) = vault::open(&self.cell, witness);
        tokio::task::spawn_local(work);
        Verifier::pin(vault, &stored, root).await
    }

    /// Looks again and again; the answer is a root that somebody wants pinned.
    async fn serve(
        &mut self,
        verifier: &mut Verifier<HubVault>,
        cache: &mut Cache,
        wishes: &mut mpsc::Receiver<Wish>,
    ) -> Option<(Vec<u8>, oneshot::Sender<Result<Checked, String>>)> {
        let mut failures = 0;
        let mut next = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            let done = tokio::select! {
                wish = wishes.recv() => match wish? {
                    Wish::Check(done) => Some(done),
                    Wish::Pin(root, done) => return Some((root, done)),
                },
                () = tokio::time::sleep_until(next) => None,
                _ = look.tick() => {
                    let damaged = self.rehash(cache).await;
                    let known = !damaged && self.models().is_subset(&self.known);
                    if failures > 0 || known {
                        continue;
                    }
                    None
                }
            };
            let result = self.look(verifier, cache).await;
            let wait = match &result {
                Ok(_) => {
                    failures = 0;
                    self.every
                }
                Err(refused) => {
                    self.tell_refused(refused);
                    failures += 1;
                    (BACKOFF.0 * 2_u32.saturating_pow(failures - 1)).min(BACKOFF.1)
                }
            };
            next = Instant::now() + spread(wait);
            if let Some(done) = done {
                let _ = done.send(result.map_err(|refused| words(&refused)));
            }
        }
    }

    /// Hashes images anew of which components got other bytes than they must; whether any was damaged.
    async fn rehash(&self, cache: &Cache) -> bool {
        let mut damaged = false;
        for image in self.cell.look(Hub::doubted_images) {
            match cache.is_right(&image.0).await {
                Ok(clean) => {
                    damaged |= !clean;
                    self.cell.apply(Input::Rehashed { image, clean });
                }
                Err(refused) => tracing::error!("updates: {}", words(&refused)),
            }
        }
        damaged
    }

    fn models(&self) -> BTreeSet<ModelId> {
        self.cell.look(Hub::update_models).into_iter().collect()
    }

    async fn look(
        &mut self,
        verifier: &mut Verifier<HubVault>,
        cache: &mut Cache,
    ) -> Result<Checked, Refused> {
        let clock = self.cell.now();
        let wall = not_before(self.believed, Duration::from_millis(clock.wall.0), clock.mono);
        let now = UNIX_EPOCH + wall;
        verifier.refresh(&self.mirrors, now).await?;
        self.believed = Some((wall, clock.mono));
        self.cell.apply(Input::Repository(RepositoryState::Fresh));
        let models = self.models();
        let mut checked =
            Checked { root: verifier.root_version(), releases: Vec::new(), unusable: Vec::new() };
        let mirrors = Arc::clone(&self.mirrors);
        let mut looking = Looking { verifier, cache, mirrors: &mirrors, now };
        // What is wrong with one model's releases keeps nobody else from theirs.
        let mut failed = None;
        for model in &models {
            match self.look_at(&mut looking, model, &mut checked).await {
                Ok(()) => {}
                Err(refused) if refused.attack() == Some(Attack::FloorsDamaged) => {
                    return Err(refused);
                }
                Err(refused) => failed = failed.or(Some(refused)),
            }
        }
        self.known = models;
        failed.map_or(Ok(checked), Err)
    }

    /// The newest usable release of a model, and what was taken back.
    async fn look_at(
        &mut self,
        looking: &mut Looking<'_, HubVault>,
        model: &ModelId,
        checked: &mut Checked,
    ) -> Result<(), Refused> {
        let counters = match looking.counters(model).await {
            Ok(counters) => counters,
            Err(refused) if spoils_only_its_vendor(&refused) => {
                checked.unusable.push(format!("{model}: {refused}"));
                self.quarantine(model, None, &refused.into());
                return Ok(());
            }
            Err(refused) => return Err(refused),
        };
        self.unusable.remove(&(model.clone(), None));
        for (of, counter) in self.cell.look(Hub::live_releases) {
            if of == *model && !counters.contains(&counter) {
                self.cell.apply(Input::Withdrawn { model: of, counter });
            }
        }
        let keep = self.keep();
        for counter in counters {
            match looking.release(model, counter, &keep).await {
                Ok(ready) => {
                    self.unusable.remove(&(model.clone(), Some(counter)));
                    checked.releases.push(format!("{model} {counter}"));
                    let input = Input::Released {
                        image: Box::new(ready.image),
                        note: ready.note,
                        definition: ready.definition,
                        rollout: ready.rollout,
                    };
                    self.cell.apply(input);
                    return Ok(());
                }
                Err(why) if why.attack().is_some() => {
                    checked.unusable.push(format!("{model} {counter}: {why}"));
                    self.quarantine(model, Some(counter), &why);
                }
                Err(Unusable::Refused(refused)) => return Err(refused),
                Err(why) => checked.unusable.push(format!("{model} {counter}: {why}")),
            }
        }
        Ok(())
    }

    /// Images that campaigns still need.
    fn keep(&self) -> Vec<[u8; 32]> {
        self.cell.look(Hub::needed_images).into_iter().map(|Digest(bytes)| bytes).collect()
    }

    /// A release, or all of a model, that is not used is told of once, and again when something else is wrong.
    fn quarantine(&mut self, model: &ModelId, counter: Option<u32>, why: &Unusable) {
        let Some(attack) = why.attack() else { return };
        let text = match counter {
            Some(counter) => format!("{model} {counter} is not relayed: {why}"),
            None => format!("nothing of {model} is relayed: {why}"),
        };
        let known = self.unusable.get(&(model.clone(), counter));
        if known == Some(&text) {
            return;
        }
        if self.unusable.len() >= REMEMBERED {
            self.unusable.pop_first();
        }
        self.unusable.insert((model.clone(), counter), text.clone());
        self.cell.apply(Input::Repository(RepositoryState::Refused { attack, text }));
    }

    fn tell_refused(&self, refused: &Refused) {
        match refused.attack() {
            Some(Attack::FloorsDamaged) => self.tell_stopped(refused),
            Some(attack) => {
                let state =
                    RepositoryState::Refused { attack: attack.word(), text: words(refused) };
                self.cell.apply(Input::Repository(state));
            }
            None => tracing::warn!("updates: {}", words(refused)),
        }
    }

    fn tell_stopped(&self, refused: &Refused) {
        let why = format!("{}: {}", refused.word(), words(refused));
        self.cell.apply(Input::Repository(RepositoryState::Stopped(why)));
    }

    /// Nothing can be done without a cache; who asks is told why.
    async fn stopped(self, refused: &Refused, wishes: &mut mpsc::Receiver<Wish>) {
        self.tell_stopped(refused);
        while let Some(wish) = wishes.recv().await {
            let (Wish::Check(done) | Wish::Pin(_, done)) = wish;
            let _ = done.send(Err(words(refused)));
        }
    }
}

/// Waits for a root to be pinned; whoever wants anything else is told why that must come first.
async fn pinned_next(
    wishes: &mut mpsc::Receiver<Wish>,
    refused: &Refused,
) -> Option<(Vec<u8>, oneshot::Sender<Result<Checked, String>>)> {
    loop {
        match wishes.recv().await? {
            Wish::Pin(root, done) => return Some((root, done)),
            Wish::Check(done) => drop(done.send(Err(words(refused)))),
        }
    }
}

/// The time, which goes on from when the repository was last believed even if somebody set the clock back.
fn not_before(believed: Option<(Duration, Duration)>, wall: Duration, mono: Duration) -> Duration {
    believed.map_or(wall, |(then, at)| wall.max(then + mono.saturating_sub(at)))
}

/// Whether it concerns the metadata of one vendor, so that all others may be believed.
fn spoils_only_its_vendor(refused: &Refused) -> bool {
    refused.attack().is_some_and(|attack| attack != Attack::FloorsDamaged)
}

fn words(refused: &Refused) -> String {
    format!("{refused}; {}", refused.advice())
}

/// A tenth more or less, so that hubs do not come all at once.
fn spread(wait: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without randomness everybody comes at the same time, which is only impolite.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    let tenth = wait / 10;
    wait - tenth + tenth * 2 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T3.SU.1a (negative)
    #[test]
    fn a_clock_that_is_set_back_does_not_make_old_metadata_young() {
        let s = Duration::from_secs;
        assert_eq!(not_before(None, s(1_000), s(5)), s(1_000));
        let believed = Some((s(1_000), s(5)));
        assert_eq!(not_before(believed, s(10), s(65)), s(1_060), "a minute has passed");
        assert_eq!(not_before(believed, s(9_000), s(65)), s(9_000));
    }
}
