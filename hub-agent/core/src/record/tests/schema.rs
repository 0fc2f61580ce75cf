//! Checks events against the attributes, types, enums and constraints of OCSF 1.8.0.
//!
//! The two tables beside hold facts of the compiled schema, which they name. All ten classes and all objects
//! that events carry are in them; nothing in them is from memory. The schema does not say how wide its
//! `integer_t` is: here it is what a JSON reader takes for a signed number of 64 bits, as `long_t` is.

use serde_json::{Map, Value};
use std::net::IpAddr;

pub(super) struct Schema {
    classes: Value,
    objects: Value,
}

impl Schema {
    pub(super) fn new() -> Self {
        Self {
            classes: serde_json::from_str(include_str!("ocsf-1.8.0-classes.json")).unwrap(),
            objects: serde_json::from_str(include_str!("ocsf-1.8.0-objects.json")).unwrap(),
        }
    }

    /// What the event has to have, by its class.
    pub(super) fn required(&self, event: &Value) -> Vec<&str> {
        self.rules(event).into_iter().flat_map(|rule| names(rule, "required")).collect()
    }

    /// The rules of its class and those of all classes; what the class says goes first.
    fn rules(&self, event: &Value) -> [&Value; 2] {
        [self.class(event), &self.classes["base"]]
    }

    fn class(&self, event: &Value) -> &Value {
        &self.classes["classes"][event["class_uid"].to_string()]
    }

    /// Where and how an event is not as the schema wants it.
    pub(super) fn faults(&self, event: &Value) -> Vec<String> {
        let class = self.class(event);
        if class.is_null() {
            return vec!["class_uid".into()];
        }
        let mut faults = Vec::new();
        self.check("", event, &self.rules(event), &mut faults);
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
            faults.push("type_uid".into());
        }
        if event["category_uid"] != class["category"] {
            faults.push("category_uid".into());
        }
        if event["metadata"]["version"] != "1.8.0" {
            faults.push("metadata.version".into());
        }
        let names_host = event["metadata"]["profiles"] == serde_json::json!(["host"]);
        if !names_host && names(class, "by_host").iter().any(|name| event.get(name).is_some()) {
            faults.push("metadata.profiles".into());
        }
        faults
    }

    fn check(&self, path: &str, object: &Value, rules: &[&Value], faults: &mut Vec<String>) {
        let Some(object) = object.as_object() else {
            faults.push(format!("{path} is no object"));
            return;
        };
        for (name, value) in object {
            let path = format!("{path}/{name}");
            match rules.iter().find_map(|rule| type_of(rule, name)) {
                Some(kind) => self.check_type(&path, value, kind, faults),
                None => faults.push(format!("{path} is not in the schema")),
            }
            if let Some(values) = rules.iter().find_map(|rule| rule["enums"].get(name)) {
                let caption = &values[value.to_string()];
                if caption.is_null() {
                    faults.push(format!("{path} is {value}"));
                }
                check_word(&path, object, (name, value), caption, faults);
            } else if object.get(&format!("{name}_id")).is_none()
                && rules.iter().any(|rule| rule["enums"].get(format!("{name}_id")).is_some())
            {
                faults.push(format!("{path} is there without its number"));
            }
        }
        for rule in rules {
            let is_there = |name: &&&str| object.contains_key(**name);
            for name in names(rule, "required").iter().filter(|name| !is_there(name)) {
                faults.push(format!("{path}/{name} is missing"));
            }
            let (some, one) = (names(rule, "at_least_one"), names(rule, "just_one"));
            if !some.is_empty() && !some.iter().any(|name| is_there(&name)) {
                faults.push(format!("{path} has none of {some:?}"));
            }
            if !one.is_empty() && one.iter().filter(is_there).count() != 1 {
                faults.push(format!("{path} has not one of {one:?}"));
            }
        }
    }

    fn check_type(&self, path: &str, value: &Value, kind: &str, faults: &mut Vec<String>) {
        if let Some(kind) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
            match value.as_array() {
                Some(list) => {
                    list.iter().for_each(|one| self.check_type(path, one, kind, faults));
                }
                None => faults.push(format!("{path} is no list")),
            }
            return;
        }
        let text = value.as_str();
        let holds = match kind {
            "string_t" | "username_t" | "hostname_t" => text.is_some(),
            "ip_t" => text.is_some_and(|text| text.len() <= 40 && text.parse::<IpAddr>().is_ok()),
            "boolean_t" => value.is_boolean(),
            "integer_t" | "long_t" => value.as_i64().is_some(),
            "port_t" => value.as_u64().is_some_and(|port| port <= 65535),
            "timestamp_t" => value.as_i64().is_some_and(|at| at >= 0),
            // The object without attributes: names and values are the source's own.
            "object" => value.is_object(),
            _ => match self.objects["objects"].get(kind) {
                Some(rule) => return self.check(path, value, &[rule], faults),
                None => false,
            },
        };
        if !holds {
            faults.push(format!("{path} is no {kind}: {value}"));
        }
    }
}

/// The word beside a number of an enum is the number's caption, unless the number stands for others.
fn check_word(
    path: &str,
    object: &Map<String, Value>,
    (name, value): (&String, &Value),
    caption: &Value,
    faults: &mut Vec<String>,
) {
    let word = match name.as_str() {
        "activity_id" => object.get("activity_name"),
        name => name.strip_suffix("_id").and_then(|name| object.get(name)),
    };
    match word {
        None if name == "activity_id" && *value == 99 => faults.push(format!("{path} has no name")),
        Some(word) if *value != 99 && word != caption => faults.push(format!("{path} is {word}")),
        _ => {}
    }
}

fn type_of<'a>(rule: &'a Value, name: &str) -> Option<&'a str> {
    let groups = rule["attributes"].as_object()?;
    let group = groups.iter().find(|(_, names)| names.as_array().unwrap().contains(&name.into()));
    group.map(|(kind, _)| kind.as_str())
}

fn names<'a>(rule: &'a Value, list: &str) -> Vec<&'a str> {
    rule[list].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect()
}
