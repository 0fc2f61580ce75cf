//! Events: who does what, when, and how often.

use super::{
    Component, MAX_HAPPENINGS,
    values::{address, moment, number, one_of, signed, span, span_in, text, yes},
    yaml::{FormatError, Keys, nearest},
};
use device_sim::{device::Temper, log::Mischief, update::Behaviour};
use hub_core::update::Importance;
use protocol::{
    definition::Role,
    id::Slug,
    message::{LogKind, Percent},
    time::Timestamp,
};
use std::{net::IpAddr, time::Duration};

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// On which line of the file it stands.
    pub line: usize,
    /// To or by which components.
    pub who: Vec<usize>,
    /// When.
    pub when: When,
    /// What.
    pub act: Act,
    /// Whether an attacker does it.
    pub hostile: bool,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The first time, after the start.
    pub from: Duration,
    /// Between two times.
    pub every: Duration,
    /// How often.
    pub count: u64,
    /// Each time at most so much later, as the seed draws it.
    pub jitter: Duration,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A component loses its power for a while.
    Reboot(Duration),
    /// It loses its power.
    PowerOff,
    /// It gets it again.
    PowerOn,
    /// The router gives it another address.
    Move(Option<IpAddr>),
    /// Its clock is set.
    Clock(Step),
    /// The hub's clock is set, by milliseconds.
    HubClock(i64),
    /// It notes something in its log.
    Record(Box<Note>),
    /// Its battery has so much charge, in percent.
    Battery(u8),
    /// It sends its log, or does not any more.
    Log(bool),
    /// It abuses its log.
    Mischief(Mischief),
    /// It takes what it is told in another way.
    Temper(Temper),
    /// It sends what it should not.
    Publish(Publish),
    /// It joins.
    Join,
    /// It is reset by its user and says goodbye.
    Sleep,
    /// Somebody uses its identity.
    Impostor(Impostor),
    /// The endpoint refuses connections.
    Refused(Refused),
    /// Somebody wants to join who may not.
    Enrol(Enrolment),
    /// Somebody tries a password.
    Login {
        /// For this account.
        account: Slug,
        /// Whether it is the right one.
        right: bool,
        /// From where, in words.
        from: String,
    },
    /// Somebody changes a setting.
    Configure {
        /// Which.
        setting: Slug,
        /// To what.
        value: String,
        /// The account, or the owner at the hub.
        by: Option<Slug>,
    },
    /// The owner decides about a component.
    Decide(Decision),
    /// The owner opens the pairing window for so long, or closes it.
    Pairing(Option<Duration>),
    /// A release is there.
    Release(Release),
    /// The repository is not believed.
    Repository(&'static str),
    /// The hub starts anew.
    HubRestart(Duration),
}

/// How a clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By so many milliseconds.
    By(i64),
    /// To a time.
    To(Timestamp),
    /// To the right time.
    Right,
}

/// What a component notes in its own log. In texts `{n}` is the number of the time, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// What.
    pub kind: LogKind,
    /// Why.
    pub code: Option<Code>,
    /// Where it talks to.
    pub to: Option<(String, u16)>,
    /// Who talked to it.
    pub from: Option<(String, u16)>,
    /// Who did it.
    pub actor: Option<String>,
    /// What it was about.
    pub subject: Option<String>,
    /// Bytes received and sent.
    pub bytes: (Option<u64>, Option<u64>),
    /// Load, memory and charge.
    pub percent: [Option<Percent>; 3],
    /// So many equal records at once.
    pub many: u64,
}

/// A stable word.
pub type Code = Slug;

/// What a component sends that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Where.
    pub topic: Topic,
    /// What.
    pub payload: Payload,
    /// So many at once.
    pub many: u64,
}

/// A topic to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// One of the component's own streams.
    Stream,
    /// Its own announcement.
    Announce,
    /// Another component's stream, another one each time.
    Foreign,
    /// A topic that only the hub speaks on.
    Hub,
    /// A command to another component, which its kind may not give.
    Command,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// What belongs there.
    Valid,
    /// Bytes that are no message.
    Junk,
    /// What was sent there in the component's former life.
    Old,
    /// What was sent there in this life, with a number that has passed.
    Passed,
}

/// Somebody with a component's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impostor {
    /// From where.
    pub from: IpAddr,
    /// How long the connection stays.
    pub stays: Duration,
    /// Whether it first gets a certificate of its own with the stolen one.
    pub renews: bool,
    /// Whether it says what it is, as a second life of the same component.
    pub announces: bool,
    /// What it sends besides.
    pub publish: Option<Publish>,
}

/// Connections that the endpoint refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From where; a new address each time when nothing is said.
    pub from: Option<IpAddr>,
    /// Why.
    pub word: &'static str,
    /// So many at once.
    pub many: u64,
}

/// Requests to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// From where.
    pub from: IpAddr,
    /// So many at once.
    pub many: u64,
}

/// What the owner decides about a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may join, or is released.
    Approve,
    /// It is kept apart.
    Quarantine,
    /// Its identity is withdrawn.
    Revoke,
    /// It leaves the product.
    Retire,
}

/// A release of one kind's software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// For which kind.
    pub kind: String,
    /// Its number.
    pub counter: u32,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// How much it matters.
    pub importance: Importance,
    /// Whether bytes are changed on their way to components.
    pub spoiled: bool,
}

const DECISIONS: &[(&str, Decision)] = &[
    ("approve", Decision::Approve),
    ("quarantine", Decision::Quarantine),
    ("revoke", Decision::Revoke),
    ("retire", Decision::Retire),
];
const TOPICS: &[(&str, Topic)] = &[
    ("stream", Topic::Stream),
    ("announce", Topic::Announce),
    ("foreign", Topic::Foreign),
    ("hub", Topic::Hub),
    ("command", Topic::Command),
];
const PAYLOADS: &[(&str, Payload)] = &[
    ("valid", Payload::Valid),
    ("junk", Payload::Junk),
    ("old", Payload::Old),
    ("passed", Payload::Passed),
];
const WORDS: &[(&str, &str)] = &[
    ("no-certificate", "no-certificate"),
    ("tls-handshake-failed", "tls-handshake-failed"),
    ("malformed", "malformed"),
    ("handshake-timeout", "handshake-timeout"),
    ("too-many-connections", "too-many-connections"),
];
const ATTACKS: &[(&str, &str)] = &[
    ("rollback", "rollback"),
    ("arbitrary-software", "arbitrary-software"),
    ("freeze", "freeze"),
    ("mix-and-match", "mix-and-match"),
];
const BEHAVIOURS: &[(&str, Behaviour)] = &[
    ("good", Behaviour::Good),
    ("no-boot", Behaviour::NoBoot),
    ("unhealthy", Behaviour::Unhealthy),
];
const IMPORTANCE: &[(&str, Importance)] = &[
    ("none", Importance::None),
    ("low", Importance::Low),
    ("high", Importance::High),
    ("critical", Importance::Critical),
];

/// What a file's names mean.
pub(super) struct Names<'a> {
    pub(super) components: &'a [Component],
    pub(super) accounts: &'a [(Slug, Role)],
    pub(super) lasts: Duration,
}

impl Names<'_> {
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.components.len()).collect()
    }

    /// A time within the scenario.
    pub(super) fn within(&self) -> impl Fn(&str) -> Result<Duration, String> {
        let lasts = self.lasts;
        move |text| match span(text)? {
            at if at > lasts => Err(format!("{text} is after the end of the scenario")),
            at => Ok(at),
        }
    }

    /// Components by name or kind, or `all`.
    pub(super) fn components(
        &self,
        keys: &mut Keys<'_>,
        key: &'static str,
    ) -> Result<Option<Vec<usize>>, FormatError> {
        let mut found = Vec::new();
        let words = keys.words(key)?;
        for word in &words {
            let fits = |one: &Component| word == "all" || one.name == *word || one.kind == *word;
            let of_word = (0..).zip(self.components).filter(|(_, one)| fits(one));
            let before = found.len();
            found.extend(of_word.map(|(at, _)| at));
            if found.len() == before {
                let known = self.components.iter().map(|one| one.name.as_str());
                let near = nearest(word, known).unwrap_or("all");
                let why = format!("no component is called `{word}`; did you mean `{near}`?");
                return Err(keys.error(key, why));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok((!words.is_empty()).then_some(found))
    }

    /// Whether an incident can be about this.
    pub(super) fn is_anybody(&self, who: &str) -> bool {
        who == "product"
            || who.parse::<IpAddr>().is_ok()
            || self.components.iter().any(|one| one.name == who)
            || self.accounts.iter().any(|(name, _)| name.as_str() == who)
    }
}

/// Reads one event.
pub(super) fn event(mut keys: Keys<'_>, names: &Names<'_>) -> Result<Event, FormatError> {
    let when = when(&mut keys, names)?;
    let hostile = keys.read("hostile", yes)?.unwrap_or(true);
    let word = keys.need("do", text(32))?;
    let who = names.components(&mut keys, "who")?;
    let act = act(&word, &mut keys)?;
    if who.is_none() && act.is_of_components() {
        return Err(keys.mistake(format!("`do: {word}` needs `who`: components")));
    }
    let event = Event { line: keys.line(), who: who.unwrap_or_default(), when, act, hostile };
    keys.end()?;
    Ok(event)
}

fn when(keys: &mut Keys<'_>, names: &Names<'_>) -> Result<When, FormatError> {
    let at = keys.read("at", names.within())?;
    let from = keys.read("from", names.within())?;
    let (from, is_once) = match (at, from) {
        (Some(at), None) => (at, true),
        (None, Some(from)) => (from, false),
        _ => return Err(keys.mistake("an event needs either `at` or `from`")),
    };
    let to = keys.read("until", names.within())?;
    let every = keys.read("every", span_in("1ms", "7d"))?;
    let count = keys.read("times", number(1, MAX_HAPPENINGS))?;
    let jitter = keys.read("jitter", span_in("0s", "1d"))?.unwrap_or_default();
    if is_once && (to.is_some() || every.is_some() || count.is_some()) {
        return Err(keys.mistake("`at` is once; write `from` with `every`"));
    }
    let span = to.unwrap_or(names.lasts).saturating_sub(from);
    let fits = every.map(|every| 1 + (span.as_millis() / every.as_millis().max(1)) as u64);
    let count = match (every, count, fits) {
        (None, None, _) => 1,
        (None, Some(_), _) => return Err(keys.error("times", "needs `every`")),
        (Some(_), Some(count), _) if to.is_none() => count,
        (Some(_), count, fits) => fits.unwrap_or(1).min(count.unwrap_or(u64::MAX)),
    };
    Ok(When { from, every: every.unwrap_or_default(), count, jitter })
}

/// All events together must be bounded too.
pub(super) fn bounded(keys: &Keys<'_>, events: &[Event]) -> Result<(), FormatError> {
    let one = |event: &Event| event.when.count.saturating_mul(event.who.len().max(1) as u64);
    let all = events.iter().map(one).fold(0, u64::saturating_add);
    if all > MAX_HAPPENINGS {
        let why = format!("they happen {all} times together, at most {MAX_HAPPENINGS}");
        return Err(keys.error("events", why));
    }
    Ok(())
}

const ACTS: &[&str] = &[
    "reboot",
    "power-off",
    "power-on",
    "move",
    "clock",
    "hub-clock",
    "record",
    "battery",
    "log",
    "mischief",
    "temper",
    "publish",
    "join",
    "sleep",
    "impostor",
    "refused",
    "enrol",
    "login",
    "configure",
    "decide",
    "pairing",
    "release",
    "repository",
    "hub-restart",
];

impl Act {
    /// Whether it happens to components.
    fn is_of_components(&self) -> bool {
        match self {
            Self::Reboot(_)
            | Self::PowerOff
            | Self::PowerOn
            | Self::Move(_)
            | Self::Clock(_)
            | Self::Record(_)
            | Self::Battery(_)
            | Self::Log(_)
            | Self::Mischief(_)
            | Self::Temper(_)
            | Self::Publish(_)
            | Self::Join
            | Self::Sleep
            | Self::Impostor(_)
            | Self::Configure { .. }
            | Self::Decide(_) => true,
            Self::HubClock(_)
            | Self::Refused(_)
            | Self::Enrol(_)
            | Self::Login { .. }
            | Self::Pairing(_)
            | Self::Release(_)
            | Self::Repository(_)
            | Self::HubRestart(_) => false,
        }
    }
}

fn act(word: &str, keys: &mut Keys<'_>) -> Result<Act, FormatError> {
    let slug = |text: &str| Slug::new(text);
    Ok(match word {
        "reboot" => {
            Act::Reboot(keys.read("off", span_in("1s", "1d"))?.unwrap_or(Duration::from_secs(5)))
        }
        "power-off" => Act::PowerOff,
        "power-on" => Act::PowerOn,
        "move" => Act::Move(keys.read("address", address)?),
        "clock" => Act::Clock(step(keys)?),
        "hub-clock" => Act::HubClock(keys.need("by", signed)?),
        "record" => Act::Record(Box::new(note(keys)?)),
        "battery" => {
            Act::Battery(u8::try_from(keys.need("percent", number(0, 100))?).unwrap_or(100))
        }
        "log" => Act::Log(keys.need("sends", yes)?),
        "mischief" => Act::Mischief(keys.need("way", str::parse)?),
        "temper" => Act::Temper(keys.need("way", str::parse)?),
        "publish" => Act::Publish(publish(keys)?),
        "join" => Act::Join,
        "sleep" => Act::Sleep,
        "impostor" => Act::Impostor(impostor(keys)?),
        "refused" => Act::Refused(Refused {
            from: keys.read("address", address)?,
            word: keys.read("why", one_of(WORDS))?.unwrap_or("handshake-timeout"),
            many: many(keys)?,
        }),
        "enrol" => {
            Act::Enrol(Enrolment { from: keys.need("address", address)?, many: many(keys)? })
        }
        "login" => Act::Login {
            account: keys.need("account", slug)?,
            right: keys.need("right", yes)?,
            from: keys.read("place", text(64))?.unwrap_or_else(|| "the app".into()),
        },
        "configure" => Act::Configure {
            setting: keys.need("setting", slug)?,
            value: keys.need("value", text(64))?,
            by: keys.read("by", slug)?,
        },
        "decide" => Act::Decide(keys.need("decision", one_of(DECISIONS))?),
        "pairing" => Act::Pairing(match keys.need("open", text(16))?.as_str() {
            "no" | "false" => None,
            open => Some(span_in("1m", "1d")(open).map_err(|why| keys.error("open", why))?),
        }),
        "release" => Act::Release(release(keys)?),
        "repository" => Act::Repository(keys.need("attack", one_of(ATTACKS))?),
        "hub-restart" => Act::HubRestart(
            keys.read("off", span_in("1s", "1d"))?.unwrap_or(Duration::from_secs(5)),
        ),
        other => {
            let near = nearest(other, ACTS.iter().copied()).unwrap_or("record");
            return Err(
                keys.error("do", format!("nothing is called `{other}`; did you mean `{near}`?"))
            );
        }
    })
}

fn many(keys: &mut Keys<'_>) -> Result<u64, FormatError> {
    Ok(keys.read("many", number(1, 10_000))?.unwrap_or(1))
}

fn step(keys: &mut Keys<'_>) -> Result<Step, FormatError> {
    let (by, to) = (keys.read("by", signed)?, keys.read("to", moment)?);
    let right = keys.read("right", yes)?.unwrap_or(false);
    match (by, to, right) {
        (Some(by), None, false) => Ok(Step::By(by)),
        (None, Some(to), false) => Ok(Step::To(to)),
        (None, None, true) => Ok(Step::Right),
        _ => Err(keys.mistake("a clock is set `by` a span, `to` a time, or `right: yes`")),
    }
}

fn note(keys: &mut Keys<'_>) -> Result<Note, FormatError> {
    let percent = |text: &str| {
        let number = number(0, 100)(text)?;
        Percent::new(u8::try_from(number).unwrap_or(100)).ok_or_else(|| "0 to 100".to_owned())
    };
    let kind = |text: &str| {
        let found = LogKind::ALL.iter().find(|kind| kind.word() == text).copied();
        let near = nearest(text, LogKind::ALL.iter().map(|kind| kind.word())).unwrap_or("restart");
        found.ok_or_else(|| format!("no record is called `{text}`; did you mean `{near}`?"))
    };
    let bytes = number(0, u64::MAX / 2);
    Ok(Note {
        kind: keys.need("kind", kind)?,
        code: keys.read("code", Slug::new)?,
        to: keys.read("to", end)?,
        from: keys.read("caller", end)?,
        actor: keys.read("actor", text(64))?,
        subject: keys.read("subject", text(64))?,
        bytes: (keys.read("bytes-in", &bytes)?, keys.read("bytes-out", &bytes)?),
        percent: [
            keys.read("cpu", percent)?,
            keys.read("memory", percent)?,
            keys.read("battery", percent)?,
        ],
        many: many(keys)?,
    })
}

/// A host with a port.
fn end(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("`{text}` is no host with a port, such as 203.0.113.9:443");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || host.len() > 200 {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn publish(keys: &mut Keys<'_>) -> Result<Publish, FormatError> {
    Ok(Publish {
        topic: keys.need("topic", one_of(TOPICS))?,
        payload: keys.read("payload", one_of(PAYLOADS))?.unwrap_or(Payload::Valid),
        many: many(keys)?,
    })
}

fn impostor(keys: &mut Keys<'_>) -> Result<Impostor, FormatError> {
    let publish = match keys.inner("says", "what is said")? {
        None => None,
        Some(mut says) => {
            let publish = publish(&mut says)?;
            says.end()?;
            Some(publish)
        }
    };
    Ok(Impostor {
        from: keys.need("address", address)?,
        stays: keys.read("stays", span_in("1s", "1d"))?.unwrap_or(Duration::from_secs(30)),
        renews: keys.read("renews", yes)?.unwrap_or(false),
        announces: keys.read("announces", yes)?.unwrap_or(false),
        publish,
    })
}

fn release(keys: &mut Keys<'_>) -> Result<Release, FormatError> {
    let counter = keys.need("counter", number(2, 1_000_000))?;
    let kind = keys.need("kind", text(32))?;
    if !device_sim::profile::DEFINITIONS.iter().any(|(known, _)| *known == kind) {
        return Err(keys.error("kind", format!("no kind of component is called `{kind}`")));
    }
    Ok(Release {
        kind,
        counter: u32::try_from(counter).unwrap_or(u32::MAX),
        behaviour: keys.read("behaviour", one_of(BEHAVIOURS))?.unwrap_or(Behaviour::Good),
        importance: keys.read("importance", one_of(IMPORTANCE))?.unwrap_or(Importance::None),
        spoiled: keys.read("spoiled", yes)?.unwrap_or(false),
    })
}
