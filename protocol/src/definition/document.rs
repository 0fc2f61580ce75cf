//! The sections of a document. Each reader lists what is wrong and goes on, so that a maker sees every
//! mistake at once.

use super::{
    Command, Definition, Destination, FORMAT, Impact, Install, Interfaces, MAX_DOCUMENT, MOST,
    Mistakes, Risk, Role, Setting, SettingType, SettingValue, Stream, Traffic, Transport,
    reader::{Field, Section, Source},
    schema, value,
};
use crate::{
    id::{Label, Slug, Uri},
    topic::MAX_PAYLOAD,
};
use std::collections::BTreeSet;
use toml::de::DeTable;

const RISKS: &[(&str, Risk)] = &[("normal", Risk::Normal), ("high", Risk::High)];
const IMPACTS: &[(&str, Impact)] =
    &[("low", Impact::Low), ("moderate", Impact::Moderate), ("high", Impact::High)];
const INSTALLS: &[(&str, Install)] = &[("automatic", Install::Automatic), ("ask", Install::Ask)];

/// Most bytes of all settings together: they travel in one message with little else.
const MAX_SETTINGS_BYTES: usize = MAX_PAYLOAD - 512;

/// Keys of the tables of each list, of whatever type.
const SETTING: &[&str] = &[
    "name",
    "effect",
    "type",
    "default",
    "risk",
    "opens",
    "roles",
    "min",
    "max",
    "unit",
    "max-bytes",
    "values",
];
const STREAM: &[&str] =
    &["name", "meaning", "data", "max-bytes", "per-minute", "schema", "rises", "readers"];
const COMMAND: &[&str] =
    &["name", "effect", "risk", "max-bytes", "per-minute", "schema", "valid-for", "from", "roles"];
const DESTINATION: &[&str] = &["host", "port", "transport", "purpose"];
const TRANSPORTS: &[(&str, Transport)] = &[("tcp", Transport::Tcp), ("udp", Transport::Udp)];

pub(super) fn parse(document: &str) -> Result<Definition, Mistakes> {
    let source = Source::new(document);
    if document.len() > MAX_DOCUMENT {
        let size = document.len();
        source.mistake(0, "", format_args!("{size} bytes, at most {MAX_DOCUMENT} are allowed"));
        return source.finish(None);
    }
    let (table, errors) = DeTable::parse_recoverable(document);
    for error in &errors {
        source.mistake(error.span().map_or(0, |span| span.start), "", error.message());
    }
    if !errors.is_empty() {
        return source.finish(None);
    }
    let section = Section::new(&source, table.get_ref(), 0..0, String::new());
    let result = definition(&section);
    source.finish(result)
}

fn definition(top: &Section<'_, '_>) -> Option<Definition> {
    let format = top.required("format").and_then(|field| field.integer(FORMAT..=FORMAT));
    let kind = top.required("kind").and_then(|field| field.parsed());
    let maker = top.required("maker").and_then(|field| field.parsed());
    let models = top.required("models").and_then(|field| field.set(MOST.names, Field::parsed));
    let revision = top.required("revision").and_then(|field| field.integer(1..=u32::MAX.into()));
    let title = top.required("title").and_then(|field| field.parsed());
    let impact = top.required("impact").and_then(|field| field.one_of(IMPACTS));
    let support_end = top.required("support-end").and_then(|field| field.date());
    let documents = top.required("documents").and_then(|field| documents(&field));
    let data = optional_set(top, "data", 16);
    let update = top.required("update").and_then(|field| field.one_of(INSTALLS));
    let update_model = match top.optional("update-model") {
        Some(field) => field.parsed().map(Some),
        None => Some(None),
    };
    let interfaces = top.required("interfaces").and_then(|field| interfaces(&field));
    let closable = closable(interfaces.as_ref());
    let settings =
        each(top, ("setting", SETTING), MOST.settings, |section| setting(section, &closable));
    let known = data.clone().unwrap_or_default();
    let streams = each(top, ("stream", STREAM), MOST.streams, |section| stream(section, &known));
    let commands = each(top, ("command", COMMAND), MOST.commands, command);
    let destinations = each(top, ("destination", DESTINATION), MOST.destinations, destination);
    top.finish();
    small_together(top, settings.iter().flatten());
    unique(top, "setting", settings.iter().flatten().map(|one| (&one.name, one.line)));
    unique(top, "stream", streams.iter().flatten().map(|one| (&one.name, one.line)));
    unique(top, "command", commands.iter().flatten().map(|one| (&one.name, one.line)));
    few_patterns(top, streams.iter().flatten().map(|one| &one.traffic));
    few_patterns(top, commands.iter().flatten().map(|one| &one.traffic));
    let _: i64 = format?;
    let (sbom, mud) = documents?;
    Some(Definition {
        kind: kind?,
        maker: maker?,
        models: models?,
        revision: u32::try_from(revision?).ok()?,
        title: title?,
        impact: impact?,
        support_end: support_end?,
        sbom,
        mud,
        data: data?,
        interfaces: interfaces?,
        update: update?,
        update_model: update_model?,
        settings: settings?,
        streams: streams?,
        commands: commands?,
        destinations: destinations?,
    })
}

/// Every table of a list of tables; `None` when one of them is wrong.
fn each<T>(
    top: &Section<'_, '_>,
    (key, keys): (&'static str, &'static [&'static str]),
    most: usize,
    read: impl Fn(&Section<'_, '_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(field) = top.optional(key) else { return Some(Vec::new()) };
    let mut all = Some(Vec::new());
    for item in field.list(most)? {
        let read = item.section().and_then(|section| {
            let value = read(&section);
            if value.is_none() {
                section.allow(keys);
            }
            section.finish();
            value
        });
        all = all.zip(read).map(|(mut all, one)| {
            all.push(one);
            all
        });
    }
    all
}

fn unique<'d>(top: &Section<'_, '_>, what: &str, names: impl Iterator<Item = (&'d Slug, usize)>) {
    let mut seen = BTreeSet::new();
    for (name, line) in names {
        if !seen.insert(name) {
            top.fail::<()>(format_args!("there are two {what}s named {name}, one at line {line}"));
        }
    }
}

/// All settings travel in one message.
fn small_together<'d>(top: &Section<'_, '_>, all: impl Iterator<Item = &'d Setting>) {
    let size: usize = all.map(|one| 2 + one.name.as_str().len() + one.kind.most_bytes()).sum();
    if size > MAX_SETTINGS_BYTES {
        top.fail::<()>(format_args!(
            "the settings' names and longest values take {size} bytes together, at most {MAX_SETTINGS_BYTES} are allowed"
        ));
    }
}

/// Interfaces that a setting may open.
fn closable(interfaces: Option<&Interfaces>) -> Vec<Slug> {
    let Some(Interfaces { has, needs }) = interfaces else { return Vec::new() };
    has.iter().filter(|name| !needs.contains(name)).cloned().collect()
}

fn few_patterns<'d>(top: &Section<'_, '_>, all: impl Iterator<Item = &'d Traffic>) {
    let count: usize = all.map(|traffic| schema::patterns(&traffic.schema)).sum();
    if count > schema::MAX_PATTERNS {
        let most = schema::MAX_PATTERNS;
        top.fail::<()>(format_args!(
            "{count} regular expressions in streams or commands, at most {most}"
        ));
    }
}

fn optional_set(section: &Section<'_, '_>, key: &'static str, most: usize) -> Option<Vec<Slug>> {
    let field = section.optional(key);
    field.map_or_else(|| Some(Vec::new()), |field| field.set(most, Field::parsed))
}

fn roles(section: &Section<'_, '_>) -> Option<Vec<Role>> {
    let words = Role::ALL.map(|role| (role.word(), role));
    let field = section.optional("roles");
    field.map_or_else(
        || Some(Vec::new()),
        |field| field.set(Role::ALL.len(), |item| item.one_of(&words)),
    )
}

/// The SBOM and the MUD file.
fn documents(field: &Field<'_, '_>) -> Option<(Uri, Uri)> {
    let section = field.section()?;
    let sbom = section.required("sbom").and_then(|field| field.parsed());
    let mud = section.required("mud").and_then(|field| field.parsed());
    section.finish();
    Some((sbom?, mud?))
}

fn interfaces(field: &Field<'_, '_>) -> Option<Interfaces> {
    let section = field.section()?;
    let has = section.required("has").and_then(|field| field.set(16, Field::parsed));
    let needs = optional_set(&section, "needs", 16);
    section.finish();
    let (has, needs): (Vec<Slug>, _) = (has?, needs?);
    match needs.iter().find(|name| !has.contains(name)) {
        Some(name) => section.fail(format_args!("needs {name}, which it does not have")),
        None => Some(Interfaces { has, needs }),
    }
}

fn setting(section: &Section<'_, '_>, closable: &[Slug]) -> Option<Setting> {
    let name = section.required("name").and_then(|field| field.parsed());
    let effect = section.required("effect").and_then(|field| field.parsed());
    let kind = setting_type(section);
    let default = section.required("default").and_then(|field| default(&field, kind.as_ref()?));
    let risk = section.required("risk").and_then(|field| field.one_of(RISKS));
    let opens = match section.optional("opens") {
        Some(field) => opens(&field, closable, kind.as_ref()?, default.as_ref()?).map(Some),
        None => Some(None),
    };
    let roles = roles(section);
    let (risk, roles) = (risk?, roles?);
    no_guests(section, risk, &roles)?;
    Some(Setting {
        line: section.line(),
        name: name?,
        effect: effect?,
        kind: kind?,
        default: default?,
        risk,
        opens: opens?,
        roles,
    })
}

/// The interface that a setting opens: an interface that is not needed is closed by default.
fn opens(
    field: &Field<'_, '_>,
    closable: &[Slug],
    kind: &SettingType,
    default: &SettingValue,
) -> Option<Slug> {
    let name: Slug = field.parsed()?;
    if *kind != SettingType::Boolean || *default != SettingValue::Boolean(false) {
        return field.fail("only a boolean setting with the default false may open an interface");
    }
    match closable.contains(&name) {
        true => Some(name),
        false => field.fail(format_args!("{name} is no interface it has and does not need")),
    }
}

fn no_guests(section: &Section<'_, '_>, risk: Risk, roles: &[Role]) -> Option<()> {
    match risk == Risk::High && roles.contains(&Role::Guest) {
        true => section.fail("has a high risk, so no guest may do it"),
        false => Some(()),
    }
}

fn setting_type(section: &Section<'_, '_>) -> Option<SettingType> {
    let unit = || match section.optional("unit") {
        Some(field) => field.parsed().map(Some),
        None => Some(None),
    };
    let field = section.required("type")?;
    let kinds = [("boolean", 0), ("integer", 1), ("number", 2), ("text", 3), ("choice", 4)];
    match field.one_of(&kinds)? {
        0 => Some(SettingType::Boolean),
        1 => {
            let bound = |key| section.required(key)?.integer(i64::MIN..=i64::MAX);
            let (min, max, unit) = (bound("min"), bound("max"), unit());
            let (min, max, unit) = (min?, max?, unit?);
            ordered(section, min <= max)?;
            Some(SettingType::Integer { min, max, unit })
        }
        2 => {
            let bound = |key| section.required(key)?.number();
            let (min, max, unit) = (bound("min"), bound("max"), unit());
            let (min, max, unit) = (min?, max?, unit?);
            ordered(section, min <= max)?;
            Some(SettingType::Number { min, max, unit })
        }
        3 => {
            let most = section.required("max-bytes")?.integer(1..=value::MAX_TEXT as i64)?;
            Some(SettingType::Text { max_bytes: usize::try_from(most).ok()? })
        }
        _ => {
            let field = section.required("values")?;
            let values: BTreeSet<Label> =
                field.set(MOST.names, Field::parsed)?.into_iter().collect();
            match values.len() {
                0 | 1 => field.fail("must offer at least two values"),
                _ => Some(SettingType::Choice { values }),
            }
        }
    }
}

fn ordered(section: &Section<'_, '_>, good: bool) -> Option<()> {
    if good { Some(()) } else { section.fail("min is greater than max") }
}

fn default(field: &Field<'_, '_>, kind: &SettingType) -> Option<SettingValue> {
    let value = match kind {
        SettingType::Boolean => SettingValue::Boolean(field.boolean()?),
        SettingType::Integer { .. } => SettingValue::Integer(field.integer(i64::MIN..=i64::MAX)?),
        SettingType::Number { .. } => SettingValue::Number(field.number()?),
        SettingType::Text { .. } | SettingType::Choice { .. } => {
            SettingValue::Text(field.text()?.to_owned())
        }
    };
    match kind.check(&value) {
        Ok(()) => Some(value),
        Err(error) => field.fail(error),
    }
}

fn traffic(section: &Section<'_, '_>) -> Option<Traffic> {
    let max_bytes =
        section.required("max-bytes").and_then(|field| field.integer(1..=MAX_PAYLOAD as i64));
    let per_minute = section.required("per-minute").and_then(|field| field.integer(1..=60_000_000));
    let schema = section.required("schema").and_then(|field| schema::read(&field));
    Some(Traffic {
        max_bytes: usize::try_from(max_bytes?).ok()?,
        per_minute: u32::try_from(per_minute?).ok()?,
        schema: schema?,
    })
}

fn stream(section: &Section<'_, '_>, classes: &[Slug]) -> Option<Stream> {
    let name = section.required("name").and_then(|field| field.parsed());
    let meaning = section.required("meaning").and_then(|field| field.parsed());
    let data = match section.optional("data") {
        Some(field) => data_class(&field, classes).map(Some),
        None => Some(None),
    };
    let traffic = traffic(section);
    let rises = match section.optional("rises") {
        Some(field) => rises(&field, traffic.as_ref()?).map(Some),
        None => Some(None),
    };
    let readers = optional_set(section, "readers", MOST.names);
    Some(Stream {
        line: section.line(),
        name: name?,
        meaning: meaning?,
        data: data?,
        traffic: traffic?,
        rises: rises?,
        readers: readers?,
    })
}

fn data_class(field: &Field<'_, '_>, classes: &[Slug]) -> Option<Slug> {
    let class: Slug = field.parsed()?;
    match classes.contains(&class) {
        true => Some(class),
        false => field.fail(format_args!("{class} is not among the classes of `data` above")),
    }
}

fn rises(field: &Field<'_, '_>, traffic: &Traffic) -> Option<String> {
    let name = field.text()?;
    let required = traffic.schema["required"]
        .as_array()
        .is_some_and(|all| all.iter().any(|required| required == name));
    match required && traffic.schema["properties"][name]["type"] == "integer" {
        true => Some(name.to_owned()),
        false => field.fail("must name a required property of type integer"),
    }
}

fn command(section: &Section<'_, '_>) -> Option<Command> {
    let name = section.required("name").and_then(|field| field.parsed());
    let effect = section.required("effect").and_then(|field| field.parsed());
    let risk = section.required("risk").and_then(|field| field.one_of(RISKS));
    let traffic = traffic(section);
    let valid_for = section.required("valid-for").and_then(|field| field.integer(1..=300));
    let from = optional_set(section, "from", MOST.names);
    let roles = roles(section);
    let (risk, from, roles) = (risk?, from?, roles?);
    no_guests(section, risk, &roles)?;
    if from.is_empty() && roles.is_empty() {
        return section
            .fail("nobody may give this command: name kinds in `from` or people in `roles`");
    }
    Some(Command {
        line: section.line(),
        name: name?,
        effect: effect?,
        risk,
        traffic: traffic?,
        valid_for: u32::try_from(valid_for?).ok()?,
        from,
        roles,
    })
}

fn destination(section: &Section<'_, '_>) -> Option<Destination> {
    let host = section.required("host").and_then(|field| field.parsed());
    let port = section.required("port").and_then(|field| field.integer(1..=65_535));
    let transport = section.required("transport").and_then(|field| field.one_of(TRANSPORTS));
    let purpose = section.required("purpose").and_then(|field| field.parsed());
    Some(Destination {
        line: section.line(),
        host: host?,
        port: u16::try_from(port?).ok()?,
        transport: transport?,
        purpose: purpose?,
    })
}
