//! The daemon's settings: raw texts become typed values here, once, and nowhere else.
//!
//! Precedence, weakest first: embedded defaults, `hub.toml`, `conf.d/*.toml` beside it in order of
//! name, `HUB_*` in the environment, the command line. [`keys::KEYS`] is the one list of keys.

pub mod keys;
mod raw;
mod typed;

pub use raw::{Raw, Source};
pub use typed::{
    CloudSettings, LogFormat, MakerSettings, NoticeSettings, OwnSettings, Settings, SocketAccess,
    UpdateSettings,
};

use std::path::{Path, PathBuf};

/// A setting that cannot be taken, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that cannot be read.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the parser says.
        why: String,
    },
    /// A key there is not.
    #[error("{source_name}: there is no setting `{key}`; did you mean `{nearest}`?")]
    Unknown {
        /// Where it stands.
        source_name: String,
        /// The key.
        key: String,
        /// The nearest there is.
        nearest: &'static str,
    },
    /// A value the key cannot have.
    #[error("{source_name}: `{key}` must be {rule}, not `{value}`")]
    Value {
        /// Where it stands.
        source_name: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it is.
        value: String,
    },
    /// Detection rules with mistakes.
    #[error(
        "detection.rules: the rules in {folder} are not usable; see: hub-agent rules check\n{why}"
    )]
    Rules {
        /// Where.
        folder: String,
        /// Every mistake, by file and line.
        why: String,
    },
    /// Settings that need each other.
    #[error("the settings of `cloud` belong together: `{missing}` is missing")]
    Incomplete {
        /// The key that is missing.
        missing: &'static str,
    },
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file given on the command line; it must exist.
    pub file: Option<PathBuf>,
    /// Keys given on the command line.
    pub overrides: Vec<(String, String)>,
}

/// The file read when none is given and it exists.
pub const DEFAULT_FILE: &str = "/etc/hub-agent/hub.toml";

/// Reads all sources.
///
/// # Errors
/// At the first thing that cannot be taken.
pub fn read(
    sources: &Sources,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(Settings, Raw), SettingsError> {
    let raw = gather(Raw::default(), sources, environment)?;
    Ok((Settings::typed(&raw)?, raw))
}

/// The folder of the hub's own executables, if it updates itself. Other settings may be of a newer version
/// that runs from there, so what is not known is passed over.
///
/// # Errors
/// When a file cannot be read.
pub fn slots(
    sources: &Sources,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Option<PathBuf>, SettingsError> {
    let raw = gather(Raw::lenient(), sources, environment)?;
    Ok(Settings::slots(&raw))
}

fn gather(
    mut raw: Raw,
    sources: &Sources,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Raw, SettingsError> {
    let default = Path::new(DEFAULT_FILE);
    let file = sources.file.as_deref().or_else(|| default.exists().then_some(default));
    if let Some(file) = file {
        raw.file(file)?;
        for part in parts(&file.with_file_name("conf.d")) {
            raw.file(&part)?;
        }
    }
    raw.environment(environment)?;
    for (key, value) in &sources.overrides {
        raw.set(key, value, Source::CommandLine)?;
    }
    Ok(raw)
}

fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut parts: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    parts.sort();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        let owned: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        owned.into_iter()
    }

    fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn sources(folder: &tempfile::TempDir) -> Sources {
        Sources { file: Some(folder.path().join("hub.toml")), overrides: Vec::new() }
    }

    #[test]
    fn later_sources_win() {
        let folder = folder_with(&[
            (
                "hub.toml",
                "[presence]\nmissed_intervals = 4\n[log]\nlevel = \"warn\"\n[est]\nper_address = 9\n",
            ),
            ("conf.d/20.toml", "[presence]\nmissed_intervals = 6\n"),
            ("conf.d/10.toml", "[presence]\nmissed_intervals = 5\n"),
        ]);
        let mut sources = sources(&folder);
        sources.overrides.push(("est.per_address".into(), "11".into()));
        let variables = environment(&[("HUB_LOG__LEVEL", "debug"), ("PATH", "x")]);
        let (settings, _) = read(&sources, variables).unwrap();
        assert_eq!(settings.hub.missed_intervals, 6);
        assert_eq!(settings.log_level, "debug");
        assert_eq!(settings.est.per_address, 11);
    }

    /// Criterion: T1.LA.4 (negative)
    #[test]
    fn a_login_lasts_a_second_at_least_and_half_a_day_at_most() {
        for (life, good) in [("1s", true), ("12h", true), ("0s", false), ("13h", false)] {
            let folder = folder_with(&[("hub.toml", &format!("admin.login_life = \"{life}\"\n"))]);
            let read = read(&sources(&folder), environment(&[]));
            assert_eq!(read.is_ok(), good, "{life}");
            let told = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(good || told.contains("1s to 12h"), "{told}");
        }
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest() {
        let folder = folder_with(&[("hub.toml", "[presence]\nmised_interval = 4\n")]);
        let error = read(&sources(&folder), environment(&[])).unwrap_err().to_string();
        assert!(
            error.contains("hub.toml") && error.contains("`presence.missed_intervals`"),
            "{error}"
        );
        let error = read(&Sources::default(), environment(&[("HUB_MQTT__LISTN", "x")]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("HUB_MQTT__LISTN") && error.contains("`mqtt.listen`"), "{error}");
    }

    #[test]
    fn the_launcher_finds_the_slots_in_settings_of_a_newer_version() {
        let newer = "data_dir = \"/hub\"\nnew_key = 1\n[updates]\nown_model = \"lumen.hub\"\nnewer = 2\n[[makers]]\nsort = 3\n";
        let folder = folder_with(&[("hub.toml", newer)]);
        let found = slots(&sources(&folder), environment(&[("HUB_NEWEST", "4")])).unwrap();
        assert_eq!(found, Some(PathBuf::from("/hub/slots")));
        assert!(read(&sources(&folder), environment(&[])).is_err());
        let given = environment(&[("HUB_UPDATES__SLOTS", "/s"), ("HUB_UPDATES__OWN_MODEL", "")]);
        assert_eq!(
            slots(&sources(&folder), given).unwrap(),
            None,
            "the hub does not update itself"
        );
    }

    #[test]
    fn a_bad_value_says_what_it_must_be() {
        for (key, value) in [
            ("presence.missed_intervals", "-1"),
            ("mqtt.listen", "nowhere"),
            ("log.format", "xml"),
            ("enrolment.certificate_life", "30"),
            ("enrolment.grace", "5y"),
        ] {
            let overrides = vec![(key.to_owned(), value.to_owned())];
            let error =
                read(&Sources { file: None, overrides }, environment(&[])).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("must be"), "{error}");
        }
    }

    #[test]
    fn the_cloud_s_settings_belong_together() {
        let overrides = vec![("cloud.address".to_owned(), "127.0.0.1:8883".to_owned())];
        let error =
            read(&Sources { file: None, overrides }, environment(&[])).unwrap_err().to_string();
        assert!(error.contains("cloud."), "{error}");
    }

    #[test]
    fn the_sample_file_is_true_and_complete() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/hub.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let active: String = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("#: ").or((!line.starts_with('#')).then_some(line))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let folder = folder_with(&[("hub.toml", &active)]);
        let (_, raw) = read(&sources(&folder), environment(&[])).unwrap();
        for key in keys::KEYS {
            assert!(raw.given(key.name), "{} stands in no line of the sample", key.name);
            let (value, _) = raw.value(key);
            // The sample shows examples of these.
            let example = ["updates.mirrors", "updates.root"].contains(&key.name);
            if !example && !key.name.starts_with("cloud.") {
                assert_eq!(value, key.default, "{}", key.name);
            }
        }
    }
}
