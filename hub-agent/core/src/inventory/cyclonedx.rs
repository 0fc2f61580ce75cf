//! The inventory as a CycloneDX 1.6 hardware bill of materials (ECMA-424), for the tools of others.

use super::export::ComponentView;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The product's document: the hub is its subject, everything else a device in it.
#[must_use]
pub fn document(
    serial: Uuid,
    timestamp: &str,
    hub: &Value,
    others: &[ComponentView],
    cloud: Option<Value>,
) -> Value {
    let devices: Vec<Value> = others.iter().map(device).chain(cloud).collect();
    let reference = |component: &Value| component["bom-ref"].clone();
    let depends: Vec<Value> = devices.iter().map(reference).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{serial}"),
        "version": 1,
        "metadata": { "timestamp": timestamp, "component": hub },
        "components": devices,
        "dependencies": [{ "ref": reference(hub), "dependsOn": depends }],
    })
}

/// A component that is part of the product: name and what is known of it.
#[must_use]
pub fn own(id: &str, name: &str, version: &str, properties: &[(&str, String)]) -> Value {
    json!({
        "type": "device",
        "bom-ref": format!("urn:uuid:{id}"),
        "name": name,
        "version": version,
        "properties": properties.iter().map(|(name, value)| property(name, value)).collect::<Vec<_>>(),
    })
}

fn device(view: &ComponentView) -> Value {
    let mut device = Map::new();
    device.insert("type".into(), "device".into());
    device.insert("bom-ref".into(), format!("urn:uuid:{}", view.id).into());
    let mut properties = vec![
        property("hub:trust", view.trust.word()),
        property("hub:trust-reason", &view.trust_reason),
        property("hub:origin", view.origin),
        property("hub:link-grade", view.link_grade),
        property("hub:last-seen", &view.last_seen),
        property("hub:complete", if view.missing.is_empty() { "true" } else { "false" }),
        property("hub:update-state", view.update_state.word()),
    ];
    let counter = view.update_counter.map(|counter| counter.to_string());
    properties.extend(counter.iter().map(|counter| property("hub:update-counter", counter)));
    let verified = view.verified_digest.iter();
    properties.extend(verified.map(|digest| property("hub:verified-digest", digest)));
    match &view.facts {
        None => drop(device.insert("name".into(), "not announced".into())),
        Some(facts) => {
            device.insert("name".into(), facts.model.clone().into());
            device.insert("version".into(), facts.firmware.clone().into());
            device.insert("manufacturer".into(), json!({ "name": facts.maker }));
            device.insert(
                "hashes".into(),
                json!([{ "alg": "SHA-256", "content": facts.firmware_digest }]),
            );
            if let Some(sbom) = &facts.sbom {
                device.insert("externalReferences".into(), json!([{ "type": "bom", "url": sbom }]));
            }
            properties.extend([
                property("hub:kind", &facts.kind),
                property("hub:serial", &facts.serial),
                property("hub:hardware", &facts.hardware.to_string()),
                property("hub:interfaces", &facts.interfaces.join(" ")),
                property("hub:data", &facts.data.join(" ")),
            ]);
            properties.extend(facts.support_end.iter().map(|day| property("hub:support-end", day)));
        }
    }
    if let Some(certificate) = &view.certificate {
        properties.push(property("hub:certificate-expiry", &certificate.not_after));
    }
    device.insert("properties".into(), properties.into());
    Value::Object(device)
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}
