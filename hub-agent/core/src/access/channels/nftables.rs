//! The product's channels as nftables rules for the gateway of its network: a component reaches what its
//! maker declared, and nothing else outside. Names are sets that dnsmasq fills as it answers
//! (`nftset=`), so loading the rules needs no name service and addresses follow their names.

use crate::inventory::export::rfc3339;
use protocol::{
    definition::{Definition, Transport},
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

/// A component on the network.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its address.
    pub address: IpAddr,
    /// What people know it by.
    pub label: String,
    /// Its definition.
    pub definition: &'a Definition,
}

/// Table that the rules live in; loading them again replaces it.
const TABLE: &str = "hub_product";

/// The rules for components that are connected now; several behind one address share its channels.
#[must_use]
pub fn nftables(places: &[Place<'_>], now: Timestamp) -> String {
    let mut by_address: BTreeMap<IpAddr, Vec<&Place<'_>>> = BTreeMap::new();
    for place in places {
        by_address.entry(place.address).or_default().push(place);
    }
    let destinations = places.iter().flat_map(|place| &place.definition.destinations);
    let hosts: BTreeSet<&str> = destinations.map(|one| one.host.as_str()).collect();
    let hosts: BTreeMap<&str, usize> = hosts.into_iter().zip(1..).collect();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, &by_address, &hosts, now);
    out
}

fn write_all(
    out: &mut String,
    by_address: &BTreeMap<IpAddr, Vec<&Place<'_>>>,
    hosts: &BTreeMap<&str, usize>,
    now: Timestamp,
) -> std::fmt::Result {
    writeln!(out, "#!/usr/sbin/nft -f")?;
    writeln!(out, "# The product's channels as of {}. Lines for dnsmasq:", rfc3339(now))?;
    for (host, number) in hosts {
        writeln!(
            out,
            "# nftset=/{host}/4#inet#{TABLE}#host{number}_v4,6#inet#{TABLE}#host{number}_v6"
        )?;
    }
    writeln!(out, "table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{")?;
    for (host, number) in hosts {
        for (version, kind) in [("v4", "ipv4_addr"), ("v6", "ipv6_addr")] {
            writeln!(out, "\tset host{number}_{version} {{ # {host}\n\t\ttype {kind}\n\t}}")?;
        }
    }
    for (number, (address, places)) in (1..).zip(by_address) {
        writeln!(out, "\tchain component{number} {{")?;
        for place in places {
            writeln!(out, "\t\t# {}: {}", place.definition.kind, place.label)?;
        }
        writeln!(out, "\t\tct state established,related accept")?;
        for rule in rules(*address, places, hosts) {
            writeln!(out, "\t\t{rule}")?;
        }
        writeln!(out, "\t\tcounter drop\n\t}}")?;
    }
    writeln!(
        out,
        "\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;"
    )?;
    for (number, address) in (1..).zip(by_address.keys()) {
        writeln!(out, "\t\t{} saddr {address} jump component{number}", family(*address))?;
    }
    writeln!(out, "\t}}\n}}")
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

fn rules(
    address: IpAddr,
    places: &[&Place<'_>],
    hosts: &BTreeMap<&str, usize>,
) -> BTreeSet<String> {
    let version = if address.is_ipv4() { "v4" } else { "v6" };
    let family = family(address);
    let destinations = places.iter().flat_map(|place| &place.definition.destinations);
    destinations
        .map(|one| {
            let transport = match one.transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            let number = hosts[one.host.as_str()];
            let port = one.port;
            format!("{family} daddr @host{number}_{version} {transport} dport {port} accept")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(file: &str) -> Definition {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../device-sim/definitions/");
        let document = std::fs::read_to_string(format!("{folder}{file}.toml")).unwrap();
        Definition::parse(&document).unwrap()
    }

    /// Criterion: T3.LA.1d (positive)
    #[test]
    fn each_address_reaches_what_its_components_declare_and_nothing_else() {
        let (lamp, camera, leak) =
            (definition("lamp"), definition("camera"), definition("leak-sensor"));
        let place = |address: &str, definition| Place {
            address: address.parse().unwrap(),
            label: "x".into(),
            definition,
        };
        let places = [
            place("192.168.1.7", &lamp),
            place("192.168.1.7", &camera),
            place("fd00::9", &camera),
            place("192.168.1.8", &leak),
        ];
        let rules = nftables(&places, Timestamp(0));
        let chain = |number: u8| {
            let rest = rules.split(&format!("chain component{number} {{")).nth(1).unwrap();
            let inside = rest.split('}').next().unwrap();
            let rule = |line: &&str| !line.is_empty() && !line.starts_with('#');
            inside.lines().map(str::trim).filter(rule).map(str::to_owned).collect::<Vec<_>>()
        };
        let (open, closed) = ("ct state established,related accept", "counter drop");
        let (tcp, udp) = ("tcp dport 443 accept", "udp dport 123 accept");
        let first = [
            open,
            &format!("ip daddr @host1_v4 {tcp}"),
            &format!("ip daddr @host2_v4 {udp}"),
            closed,
        ];
        assert_eq!(chain(1), first, "{rules}");
        assert_eq!(chain(2), [open, closed], "the leak sensor declares nothing");
        assert_eq!(chain(3), [open, &format!("ip6 daddr @host1_v6 {tcp}"), closed]);
        assert!(rules.contains("# nftset=/relay.ocular.example/4#inet#hub_product#host1_v4,"));
        assert!(rules.contains("ip6 saddr fd00::9 jump component3"));
    }
}
