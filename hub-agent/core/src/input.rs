//! Everything the hub can be told.

use crate::{
    access::gate::{Inbound, Permitted},
    effect::Occasion,
    record::{Record, rfc3339},
    update::{OwnNews, ReleaseNote},
    uplink::Finding,
};
use protocol::{
    definition::{Role, SettingValue},
    id::{ComponentId, Digest, Label, ModelId, Note, Slug},
    message::{CloudAsk, CloudHello},
    refusal::Refusal,
    time::Timestamp,
    update::{Image, Verified},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The time, as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock.
    pub wall: Timestamp,
    /// Time since the daemon started, which never jumps.
    pub mono: Duration,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// The gate let a component's message through.
    Message(Permitted<Inbound>),
    /// The gate, or the endpoint for it, refused something.
    Denied {
        /// Who, as far as it is known.
        who: Option<ComponentId>,
        /// From where, as far as it is known.
        from: Option<SocketAddr>,
        /// Why.
        refusal: Refusal,
        /// What it was about, shortened.
        about: String,
    },
    /// A component's connection was accepted.
    Connected {
        /// Who.
        who: ComponentId,
        /// Number of the connection.
        link: u64,
        /// From where.
        from: SocketAddr,
        /// Serial number of the certificate it used.
        serial: Vec<u8>,
        /// Address of the live connection it replaced.
        took_over: Option<SocketAddr>,
    },
    /// A component's connection ended.
    Disconnected {
        /// Who.
        who: ComponentId,
        /// Number of the connection.
        link: u64,
        /// Why, in a word.
        why: &'static str,
    },
    /// The endpoint refused something without asking the gate.
    EndpointRefused {
        /// Who, as far as it is known.
        who: Option<ComponentId>,
        /// From where.
        from: SocketAddr,
        /// Stable word.
        word: &'static str,
        /// What exactly.
        detail: String,
    },
    /// A component asks for its first certificate.
    Enrol(EnrolRequest),
    /// A component asks for a new certificate with its present one.
    Reenrol(ReenrolRequest),
    /// The certificate ordered by an enrolment was signed.
    Issued {
        /// For whom.
        id: ComponentId,
        /// The certificate.
        certificate: ComponentCertificate,
        /// What it is for.
        occasion: Occasion,
    },
    /// Somebody tried a password, which the shell compared.
    Login {
        /// For which account.
        name: Slug,
        /// Whether it was the right one.
        right: bool,
        /// Digest of the token that stands for the login, if it was.
        token: Digest,
        /// From where, in words.
        from: String,
    },
    /// Somebody tried a wrong set-up code, or any before it was time to try again.
    WrongSetupCode {
        /// From where, in words.
        from: String,
    },
    /// A person or program on the admin socket wants something.
    Command {
        /// Who.
        by: Actor,
        /// What.
        command: Command,
    },
    /// The repository has a release that everything vouches for, and its image is in the cache.
    Released {
        /// The release.
        image: Box<Verified<Image>>,
        /// What the vendor says about it.
        note: ReleaseNote,
        /// The signed definition of its kind of component that comes with it.
        definition: Option<Vec<u8>>,
        /// Of a hundred hubs so many get it.
        rollout: u8,
    },
    /// The repository does not have a release any more.
    Withdrawn {
        /// Its line of releases.
        model: ModelId,
        /// Which.
        counter: u32,
    },
    /// An image in the cache, about which components complained, was hashed anew.
    Rehashed {
        /// SHA-256 of what it must be.
        image: Digest,
        /// Whether it still is.
        clean: bool,
    },
    /// What became of the hub's own software.
    Own(OwnNews),
    /// How the update repository is.
    Repository(RepositoryState),
    /// Records were made durable in the log.
    Recorded {
        /// The number of the first; the others follow.
        first: u64,
        /// The records.
        records: Vec<Record>,
    },
    /// The log was edited, cut or set back; in words, with where it is kept.
    LogDamaged(String),
    /// The log is not the one that the cloud witnessed; it goes on all the same.
    LogForked(String),
    /// The log knows of more than the store: the store lost its end.
    StoreBehind(String),
    /// A notice of an incident does not arrive where it should.
    Undelivered(String),
    /// Somebody takes a copy of the log.
    Exported {
        /// Who.
        by: Actor,
    },
    /// So many records were lost, because nothing could be written for too long.
    Unrecorded(u64),
    /// The daemon read its settings again, and why they were not taken, if so.
    SettingsRead(Option<String>),
    /// The cloud wants something of a component.
    CloudAsk(CloudAsk),
    /// The connection to the cloud changed.
    Uplink(Uplink),
    /// What the cloud says about the hub's log.
    LogAtCloud(Finding),
    /// The store's state changed.
    Store(StoreState),
    /// Time has passed.
    Tick,
}

/// Facts of a certificate of the hub's own CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentCertificate {
    /// Serial number.
    pub serial: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: Digest,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

impl ComponentCertificate {
    /// When it should be renewed: after two thirds of its life.
    #[must_use]
    pub fn renew_at(&self) -> Timestamp {
        let life = self.not_after.since(self.not_before);
        self.not_before.plus(life * 2 / 3)
    }
}

/// A signing request whose signature the shell verified.
#[derive(Clone, Debug)]
pub struct EnrolRequest {
    /// SHA-256 of the request's SubjectPublicKeyInfo.
    pub key: Digest,
    /// Whether key and signature are strong enough.
    pub strong: bool,
    /// The id its subject alternative name claims, if any.
    pub claimed: Option<ComponentId>,
    /// The serial number its subject claims, if any.
    pub serial: Option<Label>,
    /// Why the component may enrol.
    pub proof: Proof,
    /// From where it asks.
    pub from: IpAddr,
}

/// Why a component may enrol.
#[derive(Clone, Debug)]
pub enum Proof {
    /// An IDevID of a trusted maker was shown as TLS client certificate.
    Idevid {
        /// The maker's name in the settings.
        maker: Label,
        /// SHA-256 of the IDevID's SubjectPublicKeyInfo.
        key: Digest,
        /// The serial number in it.
        serial: Option<Label>,
    },
    /// A pairing code.
    Code(String),
}

/// A signing request sent over TLS with a certificate of the hub's CA.
#[derive(Clone, Debug)]
pub struct ReenrolRequest {
    /// The certificate shown.
    pub with: ComponentCertificate,
    /// The id in it.
    pub id: ComponentId,
    /// SHA-256 of the request's SubjectPublicKeyInfo.
    pub key: Digest,
    /// Whether key and signature are strong enough.
    pub strong: bool,
    /// The id its subject alternative name claims, if any.
    pub claimed: Option<ComponentId>,
    /// From where it asks.
    pub from: IpAddr,
}

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A local user of this number, who may act as owner.
    LocalUser(u32),
    /// The settings, read at the start.
    Settings,
    /// Somebody who logged in.
    Person {
        /// The account.
        name: Slug,
        /// Its role.
        role: Role,
        /// Whether the login is a few minutes old at most.
        fresh: bool,
    },
    /// The maker's cloud.
    Cloud,
    /// Somebody with the set-up code that the hub printed.
    Setup,
}

/// How the update repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryState {
    /// Its metadata were verified.
    Fresh,
    /// Somebody pinned a root.
    Pinned(String),
    /// Something of it was refused; what was good before stays.
    Refused {
        /// Which attack it looks like.
        attack: &'static str,
        /// What exactly.
        text: String,
    },
    /// Nothing is believed until a person acts.
    Stopped(String),
}

/// What a person wants of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateWish {
    /// It may go on.
    Approve,
    /// Not before then.
    Postpone(Timestamp),
    /// It stops until somebody approves it again.
    Pause,
    /// It ends.
    Cancel,
    /// Those that failed may try again.
    Retry,
}

impl Actor {
    /// Whether it is the person with this account.
    #[must_use]
    pub fn is(&self, account: &Slug) -> bool {
        self.account() == Some(account)
    }

    /// The account of somebody who logged in.
    #[must_use]
    pub fn account(&self) -> Option<&Slug> {
        match self {
            Self::Person { name, .. } => Some(name),
            Self::LocalUser(_) | Self::Settings | Self::Cloud | Self::Setup => None,
        }
    }

    /// The role it acts in.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::LocalUser(_) | Self::Settings | Self::Setup => Role::Owner,
            Self::Person { role, .. } => *role,
            Self::Cloud => Role::Cloud,
        }
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LocalUser(uid) => write!(f, "local user {uid}"),
            Self::Settings => f.write_str("the settings"),
            Self::Person { name, role, .. } => write!(f, "{name} ({role})"),
            Self::Cloud => f.write_str("the cloud"),
            Self::Setup => f.write_str("whoever has the set-up code"),
        }
    }
}

/// Which components a command means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// This one.
    One(ComponentId),
    /// All that wait for approval.
    AllPending,
}

/// Members whose configuration a command means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// This one.
    One(ComponentId),
    /// Those of a kind.
    Kind(Slug),
    /// Those in a group.
    Group(Slug),
    /// All.
    All,
}

impl std::fmt::Display for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(id) => write!(f, "{id}"),
            Self::Kind(kind) => write!(f, "of kind {kind}"),
            Self::Group(group) => write!(f, "in group {group}"),
            Self::All => f.write_str("covered by a definition"),
        }
    }
}

/// What shall become of an account.
#[derive(Clone, Debug)]
pub enum AccountChange {
    /// It is made.
    Add {
        /// Its role.
        role: Role,
        /// Its password's hash.
        hash: String,
    },
    /// It gets another password with this hash.
    Password(String),
    /// It is removed.
    Remove,
}

/// What a setting shall be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// This value.
    Value(SettingValue),
    /// Its secure default.
    Default,
}

/// What a person may want.
#[derive(Clone, Debug)]
pub enum Command {
    /// Approve a waiting component, or release a quarantined one.
    Approve(Selector),
    /// Quarantine a member.
    Quarantine(ComponentId, Note),
    /// Withdraw a component's identity for good.
    Revoke(ComponentId, Note),
    /// Let a component leave the product.
    Retire(ComponentId, Note),
    /// Give a component a name.
    Rename(ComponentId, Label),
    /// Change settings of members.
    Configure(Members, BTreeMap<Slug, Wish>),
    /// Give a component a command.
    Give {
        /// Which component.
        id: ComponentId,
        /// Which command.
        name: Slug,
        /// Its arguments, a map.
        arguments: serde_json::Value,
    },
    /// Make, change or remove an account.
    Account(Slug, AccountChange),
    /// End a login.
    Logout(Digest),
    /// Bring members back to their secure default.
    Restore(Members),
    /// Put a component into a group, or take it out.
    Regroup {
        /// Which component.
        id: ComponentId,
        /// Which group.
        group: Slug,
        /// Whether it joins.
        joins: bool,
    },
    /// Let a component send the newest records of its log now.
    PullLog(ComponentId),
    /// Take what a component's definition would refuse, and report it; or enforce it again.
    Trial(ComponentId, bool),
    /// Undo what people made of the hub.
    Reset,
    /// Open a pairing window with these one-time codes (80 random bits each).
    OpenPairing {
        /// The codes.
        codes: Vec<[u8; 10]>,
        /// How long.
        duration: Duration,
        /// Whether the owner approves in advance whoever shows one of them.
        approve: bool,
    },
    /// Close the pairing window.
    ClosePairing,
    /// Put a signed definition in force.
    Define(Vec<u8>),
    /// Let a model's newest release go on, or not.
    Campaign(ModelId, UpdateWish),
    /// Be told of updates of a component, or not.
    Notices(ComponentId, bool),
    /// Make data unreadable, or take it away, for good.
    Dispose(Disposal),
    /// Note that somebody looked at an incident, or close it.
    Incident {
        /// Which.
        number: u64,
        /// Why.
        reason: Note,
        /// Whether it is over.
        closes: bool,
    },
}

/// What data is to be gone for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// Everything that the log holds.
    All,
    /// What is known of a component's use: its records, values, habits and what it exchanged.
    Component(ComponentId),
    /// What records say of a person.
    Person(Slug),
    /// Records of a component from a time up to, not including, another.
    Times(ComponentId, Timestamp, Timestamp),
}

impl std::fmt::Display for Disposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all that the log holds"),
            Self::Component(id) => write!(f, "what the log holds of {id}"),
            Self::Person(name) => write!(f, "what the log says of {name}"),
            Self::Times(id, from, to) => {
                write!(f, "records of {id} from {} to {}", rfc3339(*from), rfc3339(*to))
            }
        }
    }
}

/// The connection to the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// No cloud is set.
    NotConfigured,
    /// It is down, and why.
    Down(String),
    /// It is up; the cloud's certificate has this key.
    Up(Digest),
    /// The cloud said what it is.
    Hello(CloudHello),
}

/// Whether the store takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// It does.
    Ok,
    /// The disk is full or broken: nothing can be made durable.
    Unavailable,
}
