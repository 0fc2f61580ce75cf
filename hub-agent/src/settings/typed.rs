//! Typed settings: a value that exists can be used.

use super::{Raw, SettingsError, keys};
use crate::{
    est::EstLimits,
    notices::{self, Address},
    rules,
};
use hub_core::{
    HubSettings,
    access::people::LONGEST,
    log::LogRules,
    record::Keep,
    settings::DetectionRules,
    update::{UpdateRules, Window},
};
use mqtt_endpoint::Limits;
use protocol::{
    id::{Label, ModelId},
    message::LogClass,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// Everything the daemon needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of keys and state.
    pub data_dir: PathBuf,
    /// Names and addresses in the hub's certificate.
    pub names: Vec<String>,
    /// Where components connect.
    pub mqtt_listen: SocketAddr,
    /// Bounds there.
    pub mqtt: Limits,
    /// Where components enrol, unless that is off.
    pub est_listen: Option<SocketAddr>,
    /// Bounds there.
    pub est: EstLimits,
    /// The local socket.
    pub socket: PathBuf,
    /// Who may connect to it.
    pub socket_access: SocketAccess,
    /// Bounds and times of the decisions.
    pub hub: HubSettings,
    /// Life of a component's certificate.
    pub certificate_life: Duration,
    /// Bytes that must stay free.
    pub low_water: u64,
    /// Folder of signed definitions to put in force at the start.
    pub definitions: Option<PathBuf>,
    /// Trusted makers.
    pub makers: Vec<MakerSettings>,
    /// The maker's cloud.
    pub cloud: Option<CloudSettings>,
    /// Where updates come from, unless there are none.
    pub updates: Option<UpdateSettings>,
    /// The hub's own software, if it updates itself.
    pub own: Option<OwnSettings>,
    /// What stays in the state log.
    pub state_log: StateLogSettings,
    /// Who is told of incidents, if anybody is.
    pub notices: Option<NoticeSettings>,
    /// How to log.
    pub log_format: LogFormat,
    /// How much to log.
    pub log_level: String,
}

/// Who is told of incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeSettings {
    /// The webhook.
    pub webhook: Address,
    /// File with the secret that signs notices.
    pub secret: PathBuf,
    /// File with roots for its certificate; a webhook on this machine may do without.
    pub roots: Option<PathBuf>,
}

/// What stays in the state log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLogSettings {
    /// How long each class stays.
    pub keep: BTreeMap<Keep, Duration>,
    /// The most bytes.
    pub bytes: u64,
}

/// Who may connect to the local socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAccess {
    /// The daemon's own user and root.
    Owner,
    /// Every local user; those who are not its owner must log in.
    Everyone,
}

/// A trusted maker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakerSettings {
    /// Its name.
    pub name: Label,
    /// PEM file with its roots.
    pub roots: PathBuf,
}

/// The maker's cloud.
#[derive(Clone, Debug)]
pub struct CloudSettings {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Name in its certificate.
    pub server_name: String,
    /// PEM file with its roots.
    pub roots: PathBuf,
    /// PEM file with the hub's certificate.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// Records of the state log's backlog a second.
    pub drain: u32,
}

/// Where updates come from.
#[derive(Clone, Debug)]
pub struct UpdateSettings {
    /// Addresses of the repository, in the order in which they are asked.
    pub mirrors: Vec<String>,
    /// The maker's root.json.
    pub root: PathBuf,
    /// How often the repository is asked.
    pub check_every: Duration,
    /// Bytes of images kept.
    pub cache: u64,
}

/// The hub's own software.
#[derive(Clone, Debug)]
pub struct OwnSettings {
    /// Its line of releases.
    pub model: ModelId,
    /// Its hardware revision.
    pub hardware: u32,
    /// Folder of its executables.
    pub slots: PathBuf,
    /// What the launcher found wrong; none when no launcher started this.
    pub booted: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, on standard error.
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// To systemd's journal.
    Journal,
}

impl Settings {
    pub(super) fn typed(raw: &Raw) -> Result<Self, SettingsError> {
        let read = Reader(raw);
        let data_dir = read.data_dir();
        let socket = match read.text("admin.socket") {
            "" => data_dir.join("admin.sock"),
            given => given.into(),
        };
        Ok(Self {
            names: read.text("names").split(',').map(|name| name.trim().to_owned()).collect(),
            mqtt_listen: read.parsed("mqtt.listen", "an address and port such as 0.0.0.0:8883")?,
            mqtt: read.mqtt()?,
            est_listen: match read.text("est.listen") {
                "off" => None,
                _ => {
                    let rule = "an address and port such as 0.0.0.0:8884, or off";
                    Some(read.parsed("est.listen", rule)?)
                }
            },
            est: EstLimits {
                connections: read.count("est.connections")?,
                per_address: read.count("est.per_address")?,
                ..EstLimits::default()
            },
            hub: read.hub()?,
            certificate_life: read.duration("enrolment.certificate_life")?,
            low_water: read.count("store.low_water")?,
            definitions: match read.text("definitions") {
                "" => None,
                given => Some(given.into()),
            },
            makers: raw.makers.clone(),
            cloud: read.cloud()?,
            updates: read.updates()?,
            own: read.own()?,
            state_log: read.state_log()?,
            notices: read.notices()?,
            log_format: read.log_format()?,
            log_level: read.text("log.level").to_owned(),
            data_dir,
            socket,
            socket_access: read.socket_access()?,
        })
    }

    /// The folder of the hub's own executables, if it updates itself.
    pub(super) fn slots(raw: &Raw) -> Option<PathBuf> {
        let read = Reader(raw);
        (!read.text("updates.own_model").is_empty()).then(|| read.slots())
    }
}

struct Reader<'a>(&'a Raw);

impl Reader<'_> {
    fn text(&self, name: &'static str) -> &str {
        keys::find(name).map_or("", |key| self.0.value(key).0)
    }

    fn wrong(&self, name: &'static str, rule: &'static str) -> SettingsError {
        let source = keys::find(name).map(|key| self.0.value(key).1.to_string());
        SettingsError::Value {
            source_name: source.unwrap_or_default(),
            key: name,
            rule,
            value: self.text(name).to_owned(),
        }
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        rule: &'static str,
    ) -> Result<T, SettingsError> {
        self.text(name).parse().map_err(|_| self.wrong(name, rule))
    }

    fn count<T: FromStr + PartialOrd + From<u8>>(
        &self,
        name: &'static str,
    ) -> Result<T, SettingsError> {
        let rule = "a whole number of at least 1";
        let number: T = self.parsed(name, rule)?;
        if number < T::from(1) { Err(self.wrong(name, rule)) } else { Ok(number) }
    }

    fn duration(&self, name: &'static str) -> Result<Duration, SettingsError> {
        let rule = "a number with a unit: s, m, h or d";
        let text = self.text(name);
        let (number, unit) = text.split_at(text.len().saturating_sub(1));
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => return Err(self.wrong(name, rule)),
        };
        let number: u32 = number.parse().map_err(|_| self.wrong(name, rule))?;
        Ok(Duration::from_secs(u64::from(number) * seconds))
    }

    fn mqtt(&self) -> Result<Limits, SettingsError> {
        Ok(Limits {
            connections: self.count("mqtt.connections")?,
            per_address: self.count("mqtt.per_address")?,
            unauthenticated: self.count("mqtt.unauthenticated")?,
            max_packet: self.count("mqtt.max_packet")?,
            messages_per_second: self.count("mqtt.messages_per_second")?,
            bytes_per_second: self.count("mqtt.bytes_per_second")?,
            ..Limits::default()
        })
    }

    fn hub(&self) -> Result<HubSettings, SettingsError> {
        Ok(HubSettings {
            max_components: self.count("enrolment.max_components")?,
            max_pending: self.count("enrolment.max_pending")?,
            missed_intervals: self.count("presence.missed_intervals")?,
            grace: self.duration("enrolment.grace")?,
            overlap: self.duration("enrolment.overlap")?,
            retry_after: self.duration("enrolment.retry_after")?,
            login_life: self.login_life()?,
            // The roots' files are read, and the seed is drawn, when the daemon starts.
            anchors: Vec::new(),
            seed: [0; 32],
            updates: self.update_rules()?,
            log: self.component_logs()?,
            detection: self.detection()?,
        })
    }

    fn state_log(&self) -> Result<StateLogSettings, SettingsError> {
        let keep = [
            (Keep::Life, "state_log.life"),
            (Keep::Security, "state_log.security"),
            (Keep::Usage, "state_log.usage"),
        ];
        let keep = keep.into_iter().map(|(class, key)| Ok((class, self.duration(key)?)));
        let bytes = self.count("state_log.bytes")?;
        Ok(StateLogSettings { keep: keep.collect::<Result<_, SettingsError>>()?, bytes })
    }

    fn component_logs(&self) -> Result<LogRules, SettingsError> {
        let words = self.text("state_log.quiet").split(',').map(str::trim);
        let class = |word: &str| LogClass::ALL.iter().copied().find(|class| class.word() == word);
        let classes = words.filter(|word| !word.is_empty()).map(class);
        let quiet = classes.collect::<Option<_>>().ok_or_else(|| {
            self.wrong("state_log.quiet", "any of health, network and usage, with commas between")
        })?;
        Ok(LogRules { quiet, per_minute: self.count("state_log.share")?, ..LogRules::default() })
    }

    fn detection(&self) -> Result<DetectionRules, SettingsError> {
        let respond = match self.text("detection.respond") {
            "true" => true,
            "false" => false,
            _ => return Err(self.wrong("detection.respond", "true or false")),
        };
        let rules = match self.text("detection.rules") {
            "" => DetectionRules::default().rules,
            folder => rules::with_own(Path::new(folder))
                .map_err(|why| SettingsError::Rules { folder: folder.to_owned(), why })?,
        };
        Ok(DetectionRules { rules, respond })
    }

    fn update_rules(&self) -> Result<UpdateRules, SettingsError> {
        let (automatic_security, automatic_features) = match self.text("updates.automatic") {
            "all" => (true, true),
            "security" => (true, false),
            "none" => (false, false),
            _ => return Err(self.wrong("updates.automatic", "all, security or none")),
        };
        Ok(UpdateRules {
            automatic_security,
            automatic_features,
            window: self.window()?,
            soak: self.duration("updates.soak")?,
            deadline: self.duration("updates.deadline")?,
            overdue: self.duration("updates.overdue")?,
            ..UpdateRules::default()
        })
    }

    fn window(&self) -> Result<Option<Window>, SettingsError> {
        let text = self.text("updates.window");
        if text.is_empty() {
            return Ok(None);
        }
        let minute = |time: &str| {
            let (hour, minute) = time.split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let times = text.split_once('-').and_then(|(a, b)| Some((minute(a)?, minute(b)?)));
        match times {
            Some((from, to)) if from != to => Ok(Some(Window { from, to })),
            _ => Err(self.wrong("updates.window", "two different times such as 02:00-05:00")),
        }
    }

    fn updates(&self) -> Result<Option<UpdateSettings>, SettingsError> {
        let mirrors = self.text("updates.mirrors");
        if mirrors.is_empty() {
            return Ok(None);
        }
        let root = match self.text("updates.root") {
            "" => return Err(SettingsError::Incomplete { missing: "updates.root" }),
            root => root.into(),
        };
        let check_every = self.duration("updates.check_every")?;
        let range = Duration::from_secs(10)..=Duration::from_secs(7 * 24 * 3600);
        if !range.contains(&check_every) {
            return Err(self.wrong("updates.check_every", "10s to 7d"));
        }
        Ok(Some(UpdateSettings {
            mirrors: mirrors.split(',').map(|mirror| mirror.trim().to_owned()).collect(),
            root,
            check_every,
            cache: self.count("updates.cache")?,
        }))
    }

    fn data_dir(&self) -> PathBuf {
        match self.text("data_dir") {
            "" => {
                std::env::var_os("STATE_DIRECTORY").map_or_else(|| "hub-data".into(), PathBuf::from)
            }
            given => given.into(),
        }
    }

    fn slots(&self) -> PathBuf {
        match self.text("updates.slots") {
            "" => self.data_dir().join("slots"),
            given => given.into(),
        }
    }

    fn own(&self) -> Result<Option<OwnSettings>, SettingsError> {
        let model = self.text("updates.own_model");
        let hardware = self.parsed("updates.own_hardware", "a whole number")?;
        if model.is_empty() {
            return Ok(None);
        }
        let model = ModelId::new(model);
        let rule = "a model such as lumen.hub";
        let model = model.map_err(|_| self.wrong("updates.own_model", rule))?;
        Ok(Some(OwnSettings { model, hardware, slots: self.slots(), booted: None }))
    }

    fn cloud(&self) -> Result<Option<CloudSettings>, SettingsError> {
        let address = self.text("cloud.address");
        if address.is_empty() {
            return Ok(None);
        }
        let rule = "host:port";
        let (host, port) =
            address.rsplit_once(':').ok_or_else(|| self.wrong("cloud.address", rule))?;
        let needed = |missing: &'static str| match self.text(missing) {
            "" => Err(SettingsError::Incomplete { missing }),
            text => Ok(text.to_owned()),
        };
        Ok(Some(CloudSettings {
            host: host.to_owned(),
            port: port.parse().map_err(|_| self.wrong("cloud.address", rule))?,
            server_name: needed("cloud.server_name")?,
            roots: needed("cloud.roots")?.into(),
            certificate: needed("cloud.certificate")?.into(),
            key: needed("cloud.key")?.into(),
            drain: self.count("cloud.drain")?,
        }))
    }

    fn notices(&self) -> Result<Option<NoticeSettings>, SettingsError> {
        let webhook = match self.text("notices.webhook") {
            "" => return Ok(None),
            _ => self.parsed::<Address>("notices.webhook", notices::RULE)?,
        };
        let file = |name: &'static str| match self.text(name) {
            "" => None,
            path => Some(PathBuf::from(path)),
        };
        let needed =
            |missing: &'static str| file(missing).ok_or(SettingsError::Incomplete { missing });
        let roots = match webhook.is_secure() {
            true => Some(needed("notices.roots")?),
            false => None,
        };
        Ok(Some(NoticeSettings { secret: needed("notices.secret")?, webhook, roots }))
    }

    fn login_life(&self) -> Result<Duration, SettingsError> {
        let life = self.duration("admin.login_life")?;
        if (Duration::from_secs(1)..=LONGEST).contains(&life) {
            Ok(life)
        } else {
            Err(self.wrong("admin.login_life", "1s to 12h"))
        }
    }

    fn socket_access(&self) -> Result<SocketAccess, SettingsError> {
        match self.text("admin.access") {
            "owner" => Ok(SocketAccess::Owner),
            "everyone" => Ok(SocketAccess::Everyone),
            _ => Err(self.wrong("admin.access", "owner or everyone")),
        }
    }

    fn log_format(&self) -> Result<LogFormat, SettingsError> {
        match self.text("log.format") {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            "journal" => Ok(LogFormat::Journal),
            _ => Err(self.wrong("log.format", "text, json or journal")),
        }
    }
}
