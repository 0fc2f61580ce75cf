//! Every key with its default and meaning: parsing, `settings check --show` and the sample file come
//! from this list.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name.
    pub name: &'static str,
    /// Default, as text.
    pub default: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
}

const fn key(name: &'static str, default: &'static str, help: &'static str) -> Key {
    Key { name, default, help }
}

/// Every key there is, but for the `[[makers]]` list.
pub const KEYS: &[Key] = &[
    key("data_dir", "", "folder of keys and state; empty: $STATE_DIRECTORY, else ./hub-data"),
    key(
        "names",
        "localhost,127.0.0.1",
        "DNS names and addresses components reach the hub under, with commas",
    ),
    key("mqtt.listen", "0.0.0.0:8883", "address and port for components"),
    key("mqtt.connections", "12000", "connections in total"),
    key("mqtt.per_address", "64", "connections from one address"),
    key("mqtt.unauthenticated", "256", "connections that have not sent CONNECT yet"),
    key("mqtt.max_packet", "131072", "largest packet in bytes"),
    key(
        "mqtt.messages_per_second",
        "200",
        "messages per second of one component, with a burst of two seconds",
    ),
    key("mqtt.bytes_per_second", "1048576", "bytes per second of one component, likewise"),
    key(
        "est.listen",
        "0.0.0.0:8884",
        "address and port for enrolment; off: nobody new comes in, and nobody renews",
    ),
    key("est.connections", "256", "connections in total"),
    key("est.per_address", "16", "connections from one address"),
    key("admin.socket", "", "path of the local socket; empty: admin.sock in the data folder"),
    key(
        "admin.access",
        "owner",
        "who may connect to the local socket: owner, or everyone, who must log in then",
    ),
    key("admin.login_life", "12h", "how long a login lasts at most; 1s to 12h"),
    key("enrolment.certificate_life", "30d", "life of a component's certificate"),
    key(
        "enrolment.grace",
        "90d",
        "how long after its expiry a certificate may still ask for a new one",
    ),
    key(
        "enrolment.overlap",
        "1h",
        "how long a former certificate stays in force beside an unused new one",
    ),
    key("enrolment.retry_after", "5s", "what a waiting component is told to wait"),
    key("enrolment.max_components", "12000", "components known at most"),
    key("enrolment.max_pending", "1024", "requests that may wait for approval"),
    key(
        "presence.missed_intervals",
        "3",
        "intervals without a sign of life that make a component stale",
    ),
    key("store.low_water", "16777216", "bytes that must stay free on the disk"),
    key(
        "definitions",
        "",
        "folder of signed component definitions (*.definition), read at the start; empty: none",
    ),
    key("cloud.address", "", "host and port of the maker's cloud; empty: no cloud"),
    key("cloud.server_name", "", "name in the cloud's certificate"),
    key("cloud.roots", "", "PEM file with the cloud's root certificates"),
    key("cloud.certificate", "", "PEM file with the hub's certificate for the cloud"),
    key("cloud.key", "", "PEM file with its key, readable by the daemon only"),
    key(
        "cloud.drain",
        "2000",
        "records of the state log a second that go to the cloud after an outage; new ones go first and at once",
    ),
    key(
        "updates.mirrors",
        "",
        "addresses of the update repository, with commas: https://host/path, or dir:///path for a USB stick; empty: no updates",
    ),
    key("updates.root", "", "the maker's root.json, pinned at the first start"),
    key("updates.check_every", "1h", "how often the repository is asked; 10s to 7d"),
    key(
        "updates.automatic",
        "all",
        "what goes out without being asked for: all that its kind's definition allows, security updates only, or none",
    ),
    key("updates.window", "", "when components are updated, UTC: 02:00-05:00; empty: always"),
    key("updates.soak", "10m", "how long the first component runs a release before others get it"),
    key("updates.deadline", "6h", "how long a component has for one update"),
    key(
        "updates.overdue",
        "7d",
        "after this time a security update that is not everywhere is overdue",
    ),
    key("updates.cache", "1073741824", "bytes of images kept"),
    key(
        "updates.own_model",
        "",
        "the hub's own line of releases, such as lumen.hub; empty: the hub does not update itself",
    ),
    key("updates.own_hardware", "1", "the hub's own hardware revision"),
    key(
        "updates.slots",
        "",
        "folder of the hub's own executables; empty: slots in the data folder",
    ),
    key(
        "state_log.life",
        "90d",
        "how long enrolments, configurations, updates and connections stay in the state log",
    ),
    key("state_log.security", "365d", "how long refusals and what looks like an attack stay there"),
    key("state_log.usage", "30d", "how long components' use stays there: load, traffic, battery"),
    key(
        "state_log.bytes",
        "1073741824",
        "bytes of the state log; above it the oldest records go, incidents excepted",
    ),
    key(
        "state_log.quiet",
        "",
        "what components shall not record of themselves: health, network, usage, with commas; empty: nothing",
    ),
    key(
        "state_log.share",
        "600",
        "records a minute of one component; beyond them its records are counted and not kept",
    ),
    key(
        "detection.rules",
        "",
        "folder of your own detection rules (*.yml), besides those of the hub; empty: none",
    ),
    key(
        "detection.respond",
        "false",
        "whether the hub does by itself what a rule lets it do: quarantine, cut, pause campaigns",
    ),
    key(
        "notices.webhook",
        "",
        "address that is told of incidents, https:// or on this machine http://; empty: none",
    ),
    key(
        "notices.secret",
        "",
        "file with the secret that signs notices: whsec_ and 24 to 64 random bytes in base64, mode 0600",
    ),
    key("notices.roots", "", "file with the roots that the webhook's certificate is verified with"),
    key("log.format", "text", "text, json or journal"),
    key("log.level", "info", "error, warn, info, debug or trace"),
];

/// The key of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key whose name is most like this one.
#[must_use]
pub fn nearest(name: &str) -> &'static str {
    let distance = |key: &&Key| strsim::levenshtein(key.name, name);
    KEYS.iter().min_by_key(distance).map_or("data_dir", |key| key.name)
}
