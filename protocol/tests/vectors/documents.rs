//! `README.md` and the comments of `wire.cddl` against the constants in the code.

use crate::{example_id, kebab, read};
use protocol::{
    cbor::MAX_DEPTH,
    id::Slug,
    message::{TrustState, UpdateFault, UpdateStep},
    refusal::Refusal,
    topic::{Down, FromCloud, Route, ToCloud, Up},
};

/// Every route once. The match below does not compile when one is added and not listed here.
fn every_route() -> Vec<Route> {
    let id = example_id();
    let name = Slug::new("name").expect("a name");
    let all = vec![
        Route::Up(id, Up::Announce),
        Route::Up(id, Up::Heartbeat),
        Route::Up(id, Up::Bye),
        Route::Up(id, Up::Lost),
        Route::Up(id, Up::Reported),
        Route::Up(id, Up::Command(id, name.clone())),
        Route::Up(id, Up::Stream(name)),
        Route::Up(id, Up::UpdateRequest),
        Route::Up(id, Up::UpdateStatus),
        Route::Up(id, Up::UpdateReport),
        Route::Up(id, Up::Log),
        Route::Down(id, Down::LogControl),
        Route::Down(id, Down::UpdateOffer),
        Route::Down(id, Down::UpdateBlock),
        Route::Down(id, Down::UpdateControl),
        Route::Down(id, Down::Relayed),
        Route::Down(id, Down::Config),
        Route::Down(id, Down::Trust),
        Route::ToCloud(id, ToCloud::Status),
        Route::ToCloud(id, ToCloud::Lost),
        Route::ToCloud(id, ToCloud::Answer),
        Route::ToCloud(id, ToCloud::Log),
        Route::FromCloud(id, FromCloud::LogAck),
        Route::FromCloud(id, FromCloud::Hello),
        Route::FromCloud(id, FromCloud::Ask),
    ];
    for route in &all {
        match route {
            Route::Up(
                _,
                Up::Announce
                | Up::Heartbeat
                | Up::Bye
                | Up::Lost
                | Up::Reported
                | Up::Command(..)
                | Up::Stream(_)
                | Up::UpdateRequest
                | Up::UpdateStatus
                | Up::UpdateReport
                | Up::Log,
            )
            | Route::Down(
                _,
                Down::Trust
                | Down::Config
                | Down::Relayed
                | Down::UpdateOffer
                | Down::UpdateBlock
                | Down::UpdateControl
                | Down::LogControl,
            )
            | Route::ToCloud(_, ToCloud::Status | ToCloud::Lost | ToCloud::Answer | ToCloud::Log)
            | Route::FromCloud(_, FromCloud::Hello | FromCloud::Ask | FromCloud::LogAck) => {}
        }
    }
    all
}

fn topic(route: &Route) -> String {
    let topic = route.to_string().replace(&example_id().to_string(), "<id>");
    let topic = topic.replace("command/<id>/name", "command/<receiver>/<name>");
    topic.replace("stream/name", "stream/<name>")
}

#[test]
fn the_readme_lists_every_route_with_its_limits_and_no_other() {
    let readme = read("README.md");
    let routes = every_route();
    for route in &routes {
        let direction = match route {
            Route::Up(..) => "component to hub",
            Route::Down(..) => "hub to component",
            Route::ToCloud(..) => "hub to cloud",
            Route::FromCloud(..) => "cloud to hub",
        };
        let limits = route.limits();
        let row = format!(
            "\n| `{}` | {direction} | {}–{} | {} | {} | `",
            topic(route),
            limits.qos.0,
            limits.qos.1,
            if limits.retain { "yes" } else { "no" },
            limits.max_payload
        );
        assert!(readme.contains(&row), "the README has no row {row}");
    }
    let rows = readme.lines().filter(|l| l.starts_with("| `p/") || l.starts_with("| `h/")).count();
    assert_eq!(rows, routes.len());
}

#[test]
fn the_cddl_says_over_which_route_each_message_goes() {
    let grammar = read("wire.cddl").replace("\n; ", " ");
    for route in every_route() {
        let limits = route.limits();
        let says = format!(
            "QoS {} to {}; {}; at most {} bytes.",
            limits.qos.0,
            limits.qos.1,
            if limits.retain { "retained" } else { "not retained" },
            limits.max_payload
        );
        let topic = topic(&route);
        let found = grammar.split_once(&format!("Topic {topic}"));
        let found = found.or_else(|| grammar.split_once(&format!(": {topic}")));
        let (_, rest) = found.unwrap_or_else(|| panic!("{route}"));
        let (line, _) = rest.split_once(" bytes.").unwrap_or_else(|| panic!("{route}"));
        assert!(format!("{line} bytes.").ends_with(&says), "{route}: {line}, not {says}");
    }
    assert!(grammar.contains(&format!("nested at most {MAX_DEPTH} deep")));
    assert!(read("README.md").contains(&format!("at most {MAX_DEPTH} deep")));
}

#[test]
fn the_readme_lists_every_refusal_with_its_advice_and_no_other() {
    let readme = read("README.md");
    for refusal in Refusal::ALL {
        let (slug, code, advice) = (refusal.slug(), refusal.code(), refusal.advice());
        let start = format!("| {code} | `{slug}` | ");
        let row = readme.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("the README has no row {start}"));
        assert!(row.contains(&format!(" | {advice} | ")), "{row}");
    }
    let (_, table) = readme.split_once("| No. | Word |").expect("the table of refusals");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|')).count();
    assert_eq!(rows, Refusal::ALL.len());
}

#[test]
fn the_readme_explains_every_trust_state() {
    let readme = read("README.md");
    for state in TrustState::ALL {
        assert!(readme.contains(&format!("\n| {state} | ")), "{state}");
        assert_eq!(kebab(&format!("{state:?}")), state.word());
    }
}

#[test]
fn the_readme_lists_every_error_and_every_step_of_an_update_with_what_may_follow() {
    let readme = read("README.md");
    for fault in UpdateFault::ALL {
        let cell = format!("| {} `{fault}` | ", fault.number());
        assert_eq!(readme.matches(&cell).count(), 1, "{cell}");
    }
    for step in UpdateStep::ALL {
        let next = UpdateStep::ALL.iter().filter(|next| step.may_go(**next));
        let next: Vec<_> = next.map(|next| next.word()).collect();
        let (_, rest) = readme
            .split_once(&format!("| {} {step} | ", step.number()))
            .unwrap_or_else(|| panic!("the README has no step {step}"));
        let cell = rest.split(" | ").nth(1).expect("a cell").split(" |").next();
        assert_eq!(cell, Some(&*next.join(", ")), "{step}");
        // An update ends where nothing but idle may follow.
        assert_eq!(step.is_end(), next == ["idle"], "{step}");
    }
}
