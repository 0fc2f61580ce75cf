//! The parts of a file but for its events.

use super::{
    Component, Expectation, Happened, MAX_COMPONENTS, MAX_EVENTS, MAX_EXPECTED, MAX_FILE, Network,
    Outage, Pace, Scenario, Settings,
    act::{self, Names},
    values::{moment, number, one_of, percent, range, span_in, text, yes},
    yaml::{self, FormatError, Keys, Source},
};
use device_sim::profile::DEFINITIONS;
use hub_core::record::{RecordKind, Severity};
use protocol::{definition::Role, id::Slug};
use std::{collections::BTreeSet, time::Duration};
use yaml_serde::Value;

pub(super) const SEVERITIES: &[(&str, Severity)] = &[
    ("info", Severity::Info),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];

const ROLES: &[(&str, Role)] =
    &[("owner", Role::Owner), ("guest", Role::Guest), ("installer", Role::Installer)];

/// Reads a scenario.
///
/// # Errors
/// What is wrong with it, and on which line.
pub fn parse(file: &str, text: &str) -> Result<Scenario, FormatError> {
    let source = Source { file, text };
    if text.len() > MAX_FILE {
        return Err(source.error(0, format!("{} bytes, at most {MAX_FILE} are read", text.len())));
    }
    let mut keys = yaml::parse(source)?;
    let scenario = scenario(file, &mut keys)?;
    if scenario.expect.is_empty() == scenario.quiet.is_none() {
        return Err(keys.error("expect", "what must be found, or `nothing: medium`, but not both"));
    }
    keys.end()?;
    Ok(scenario)
}

fn scenario(file: &str, keys: &mut Keys<'_>) -> Result<Scenario, FormatError> {
    let name = keys.need("name", self::text(64))?;
    let about = keys.need("about", self::text(600))?;
    let criteria = keys.words("criteria")?;
    if criteria.is_empty() || criteria.len() > 8 {
        return Err(keys.error("criteria", "one to eight ids of criteria are wanted"));
    }
    let start = keys.need("start", moment)?;
    let lasts = keys.need("lasts", span_in("1m", "7d"))?;
    let settle = keys.read("settle", span_in("2m", "1d"))?.unwrap_or(Duration::from_secs(600));
    let pace = pace(keys.inner("pace", "a pace")?, USUAL)?;
    let components = components(keys, pace)?;
    let accounts = accounts(keys)?;
    let names = Names { components: &components, accounts: &accounts, lasts };
    let settings = settings(keys.inner("settings", "settings")?)?;
    let network = network(keys.inner("network", "a network")?, &names)?;
    let mut events = Vec::new();
    for event in keys.list("events", "an event", MAX_EVENTS)? {
        events.push(act::event(event, &names)?);
    }
    act::bounded(keys, &events)?;
    let (expect, quiet) = expected(keys, &names)?;
    let may = keys.words("may")?;
    let happened = happened(keys, &names)?;
    Ok(Scenario {
        file: file.to_owned(),
        name,
        about,
        criteria,
        start,
        lasts,
        settle,
        accounts,
        settings,
        network,
        events,
        expect,
        quiet,
        may,
        happened,
        components,
    })
}

const USUAL: Pace = Pace {
    heartbeat: Duration::from_secs(60),
    values: Duration::from_secs(120),
    log: Duration::from_secs(300),
};

fn pace(keys: Option<Keys<'_>>, usual: Pace) -> Result<Pace, FormatError> {
    let Some(mut keys) = keys else { return Ok(usual) };
    let pace = pace_of(&mut keys, usual)?;
    keys.end()?;
    Ok(pace)
}

fn pace_of(keys: &mut Keys<'_>, usual: Pace) -> Result<Pace, FormatError> {
    Ok(Pace {
        heartbeat: keys.read("heartbeat", span_in("10s", "1h"))?.unwrap_or(usual.heartbeat),
        values: keys.read("values", span_in("0s", "1d"))?.unwrap_or(usual.values),
        log: keys.read("log", span_in("0s", "1d"))?.unwrap_or(usual.log),
    })
}

/// The components of each kind: so many, or with names, or both with a pace of their own.
fn components(keys: &mut Keys<'_>, usual: Pace) -> Result<Vec<Component>, FormatError> {
    let Some(mut kinds) = keys.inner("components", "the components")? else {
        return Err(keys.mistake("a scenario needs `components`"));
    };
    let mut all: Vec<Component> = Vec::new();
    let pairs = kinds.pairs()?;
    for (kind, value) in pairs {
        if !DEFINITIONS.iter().any(|(known, _)| *known == kind) {
            let near = yaml::nearest(&kind, DEFINITIONS.iter().map(|(known, _)| *known));
            let why = format!(
                "no kind of component is called so; did you mean `{}`?",
                near.unwrap_or("lamp")
            );
            return Err(kinds.error(&kind, why));
        }
        all.extend(of_kind(&kinds, &kind, value, usual)?);
    }
    if all.is_empty() || all.len() > MAX_COMPONENTS {
        let why = format!("{} of them; 1 to {MAX_COMPONENTS} are possible", all.len());
        return Err(keys.error("components", why));
    }
    let mut seen = BTreeSet::new();
    match all.iter().find(|one| !seen.insert(&one.name)) {
        Some(twice) => Err(keys.error("components", format!("two are called `{}`", twice.name))),
        None => Ok(all),
    }
}

fn of_kind(
    kinds: &Keys<'_>,
    kind: &str,
    value: Value,
    usual: Pace,
) -> Result<Vec<Component>, FormatError> {
    let counted = |count: u64| (1..=count).map(|n| format!("{kind}-{n}")).collect::<Vec<_>>();
    let count = number(1, MAX_COMPONENTS as u64);
    let (names, pace, joins_later) = match value {
        Value::Sequence(values) => {
            let names: Option<Vec<_>> = values.iter().map(yaml::scalar).collect();
            (
                names.ok_or_else(|| kinds.error(kind, "a list of names is wanted here"))?,
                usual,
                false,
            )
        }
        Value::Mapping(_) => {
            let mut keys = kinds.of(kind, value, "a kind of components")?;
            let pace = pace_of(&mut keys, usual)?;
            let names = keys.words("names")?;
            let counted = keys.read("count", count)?.map(counted).unwrap_or_default();
            let joins_later = keys.read("joins-later", yes)?.unwrap_or(false);
            keys.end()?;
            (names.into_iter().chain(counted).collect(), pace, joins_later)
        }
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Tagged(_)) => {
            let word = yaml::scalar(&one).unwrap_or_default();
            (count(&word).map(counted).map_err(|why| kinds.error(kind, why))?, usual, false)
        }
    };
    let named = |name: String| match Slug::new(&name) {
        Ok(_) => Ok(Component { name, kind: kind.to_owned(), pace, joins_later }),
        Err(why) => Err(kinds.error(kind, format!("`{name}` is no name: {why}"))),
    };
    names.into_iter().map(named).collect()
}

fn accounts(keys: &mut Keys<'_>) -> Result<Vec<(Slug, Role)>, FormatError> {
    let Some(mut inner) = keys.inner("accounts", "the accounts")? else {
        return Ok(vec![(Slug::new("owner").expect("a plain word"), Role::Owner)]);
    };
    let mut all = Vec::new();
    for (name, role) in inner.pairs()? {
        let role = yaml::scalar(&role).unwrap_or_default();
        let role = one_of(ROLES)(&role).map_err(|why| inner.error(&name, why))?;
        let slug = Slug::new(&name).map_err(|why| inner.error(&name, why))?;
        all.push((slug, role));
    }
    if all.len() > 32 {
        return Err(keys.error("accounts", "at most 32 are possible"));
    }
    Ok(all)
}

fn settings(keys: Option<Keys<'_>>) -> Result<Settings, FormatError> {
    let day = Duration::from_secs(24 * 3600);
    let mut settings = Settings {
        respond: false,
        share: 600,
        certificates: 30 * day,
        soak: Duration::from_secs(600),
        cloud: true,
    };
    let Some(mut keys) = keys else { return Ok(settings) };
    settings.respond = keys.read("respond", yes)?.unwrap_or(settings.respond);
    let share = keys.read("share", number(1, 100_000))?;
    settings.share = share.and_then(|share| u32::try_from(share).ok()).unwrap_or(settings.share);
    let life = keys.read("certificates", span_in("1h", "365d"))?;
    settings.certificates = life.unwrap_or(settings.certificates);
    settings.soak = keys.read("soak", span_in("0s", "1d"))?.unwrap_or(settings.soak);
    settings.cloud = keys.read("cloud", yes)?.unwrap_or(settings.cloud);
    keys.end()?;
    Ok(settings)
}

fn network(keys: Option<Keys<'_>>, names: &Names<'_>) -> Result<Network, FormatError> {
    let ms = Duration::from_millis;
    let mut network = Network { latency: (ms(5), ms(40)), loss: 50, outages: Vec::new() };
    let Some(mut keys) = keys else { return Ok(network) };
    network.latency = keys.read("latency", range)?.unwrap_or(network.latency);
    network.loss = keys.read("loss", percent)?.unwrap_or(network.loss);
    for outage in keys.list("outages", "an outage", MAX_EXPECTED)? {
        network.outages.push(self::outage(outage, names)?);
    }
    keys.end()?;
    Ok(network)
}

fn outage(mut keys: Keys<'_>, names: &Names<'_>) -> Result<Outage, FormatError> {
    let of = keys.need("of", one_of(&[("uplink", true), ("wifi", false)]))?;
    let from = keys.need("from", names.within())?;
    let to = keys.need("to", names.within())?;
    let who = names.components(&mut keys, "who")?;
    let hostile = keys.read("hostile", yes)?.unwrap_or(false);
    if from >= to {
        return Err(keys.error("to", "it ends before it begins"));
    }
    if of && who.is_some() {
        return Err(keys.error("who", "the line to the cloud is nobody's alone"));
    }
    let who = (!of).then(|| who.unwrap_or_else(|| names.all()));
    keys.end()?;
    Ok(Outage { who, from, to, hostile })
}

type Expected = (Vec<Expectation>, Option<Severity>);

/// Either incidents, or `nothing` from a severity on.
fn expected(keys: &mut Keys<'_>, names: &Names<'_>) -> Result<Expected, FormatError> {
    let quiet = keys.read("nothing", one_of(SEVERITIES))?;
    let mut all = Vec::new();
    for mut one in keys.list("expect", "an expectation", MAX_EXPECTED)? {
        let who = one.word("who")?;
        if let Some(who) = &who
            && !names.is_anybody(who)
        {
            return Err(one.error("who", format!("`{who}` is no component, account or address")));
        }
        all.push(Expectation {
            incident: one.need("incident", incident)?,
            who,
            severity: one.need("severity", one_of(SEVERITIES))?,
            within: one.need("within", span_in("1s", "7d"))?,
        });
        one.end()?;
    }
    Ok((all, quiet))
}

fn happened(keys: &mut Keys<'_>, names: &Names<'_>) -> Result<Vec<Happened>, FormatError> {
    let mut all = Vec::new();
    for mut one in keys.list("happened", "what happened", MAX_EXPECTED)? {
        let who = one.word("who")?;
        let is_one =
            |component: &Component, who: &str| component.name == who || component.kind == who;
        if let Some(who) = who.as_deref()
            && !names.components.iter().any(|component| is_one(component, who))
        {
            return Err(one.error("who", format!("`{who}` is no component and no kind of one")));
        }
        all.push(Happened {
            record: one.need("record", record)?,
            who,
            at_least: one.read("at-least", number(1, 1_000_000))?.unwrap_or(1),
        });
        one.end()?;
    }
    Ok(all)
}

fn record(text: &str) -> Result<RecordKind, String> {
    text.parse().map_err(|error: hub_core::record::UnknownKind| error.to_string())
}

fn incident(text: &str) -> Result<String, String> {
    let rules = hub_core::HubSettings::default().detection.rules;
    let mut known = rules.incidents().iter().map(|rule| rule.id.to_string());
    match known.any(|id| id == text) {
        true => Ok(text.to_owned()),
        false => Err(format!("no rule raises `{text}`; they are called HUB-01 and so on")),
    }
}
