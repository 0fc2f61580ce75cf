use super::*;
use protocol::id::Digest;

const MINUTE: u64 = 60_000;

fn rule() -> IncidentRule {
    IncidentRule {
        id: Word::clip("HUB-01"),
        title: Word::clip("Credential guessing"),
        advice: Text::clip("look"),
        response: Response::Cut,
        attack: vec![Word::clip("T1110.001")],
        quiet: Duration::from_secs(3600),
        file: "a.yml".into(),
    }
}

fn hit(scope: Scope, severity: Severity, number: u64) -> Hit {
    Hit { incident: 0, severity, scope, components: Vec::new(), evidence: vec![number] }
}

fn lamp() -> Scope {
    Scope::Component(ComponentId::from_key_digest(&Digest([1; 32])))
}

fn act(at: u64, reason: &str) -> Act {
    Act { by: Word::clip("owner"), at: Timestamp(at), reason: Text::clip(reason) }
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn the_same_again_is_one_incident_until_it_was_quiet_or_closed() {
    let mut incidents = Incidents::default();
    let opened = incidents.raise(&hit(lamp(), Severity::Medium, 1), &rule(), Timestamp(0));
    assert_eq!((opened[0].became, opened[0].response), (Became::Opened, Response::Cut));
    for number in 2..100 {
        incidents.raise(&hit(lamp(), Severity::Medium, number), &rule(), Timestamp(number));
    }
    let one = incidents.get(1).unwrap();
    assert_eq!((one.count, one.evidence.len(), incidents.open()), (99, MAX_EVIDENCE, 1));
    assert_eq!((one.evidence[0], one.evidence[MAX_EVIDENCE - 1]), (1, 99));
    let later =
        incidents.raise(&hit(lamp(), Severity::Medium, 100), &rule(), Timestamp(61 * MINUTE));
    assert_eq!(
        later.iter().map(|one| one.became).collect::<Vec<_>>(),
        [Became::Closed, Became::Opened]
    );
    incidents.close(2, act(0, "it was me")).unwrap();
    let anew =
        incidents.raise(&hit(lamp(), Severity::Medium, 101), &rule(), Timestamp(62 * MINUTE));
    assert_eq!((anew[0].became, anew[0].incident.number), (Became::Opened, 3));
}

#[test]
fn what_becomes_graver_is_told_at_once_and_repetition_now_and_then() {
    let mut incidents = Incidents::default();
    incidents.raise(&hit(lamp(), Severity::Medium, 1), &rule(), Timestamp(0));
    let told: usize = (0..10_000)
        .map(|n| incidents.raise(&hit(lamp(), Severity::Medium, n), &rule(), Timestamp(n)).len())
        .sum();
    assert!(told <= 14, "{told} changes of ten thousand");
    let graver = incidents.raise(&hit(lamp(), Severity::High, 9), &rule(), Timestamp(10_001));
    assert_eq!((graver[0].became, graver[0].response), (Became::Updated, Response::Cut));
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_closed_incident_stays_as_it_was_written_whoever_tries() {
    let mut incidents = Incidents::default();
    incidents.raise(&hit(lamp(), Severity::High, 1), &rule(), Timestamp(0));
    assert_eq!(incidents.close(1, act(1, " ")), Err(IncidentError::NoReason));
    incidents.acknowledge(1, act(1, "")).unwrap();
    incidents.close(1, act(2, "a false alarm")).unwrap();
    let before = incidents.get(1).cloned();
    assert_eq!(incidents.close(1, act(3, "another reason")), Err(IncidentError::Closed));
    assert_eq!(incidents.acknowledge(1, act(3, "")), Err(IncidentError::Closed));
    assert_eq!(incidents.close(7, act(3, "none")), Err(IncidentError::Unknown));
    incidents.raise(&hit(lamp(), Severity::Critical, 2), &rule(), Timestamp(3));
    assert_eq!(incidents.get(1).cloned(), before);
}

#[test]
fn what_nobody_looked_at_stays_open() {
    let mut incidents = Incidents::default();
    incidents.raise(&hit(lamp(), Severity::High, 1), &rule(), Timestamp(0));
    incidents.raise(&hit(Scope::Product, Severity::High, 2), &rule(), Timestamp(0));
    incidents.acknowledge(2, act(1, "")).unwrap();
    assert!(incidents.tick(Timestamp(59 * MINUTE)).is_empty());
    let over = incidents.tick(Timestamp(60 * MINUTE));
    assert_eq!(over.iter().map(|one| one.incident.number).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_state_is_what_the_written_changes_say() {
    let mut live = Incidents::default();
    let mut written = Vec::new();
    for n in 0..200_u64 {
        let scope = if n % 3 == 0 { Scope::Product } else { lamp() };
        written.extend(live.raise(
            &hit(scope, Severity::Low, n),
            &rule(),
            Timestamp(n * 20 * MINUTE),
        ));
        written.extend(live.acknowledge(1 + n / 4, act(n, "")));
        written.extend(live.close(1 + n / 5, act(n, "done")));
        written.extend(live.tick(Timestamp(n * 20 * MINUTE)));
    }
    let mut restored = Incidents::default();
    for change in &written {
        let bytes = serde_json::to_vec(change).unwrap();
        restored.restore(serde_json::from_slice(&bytes).unwrap(), &[rule()]);
    }
    assert!(restored.iter().eq(live.iter()));
    assert_eq!(restored.open, live.open);
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn invented_sources_cannot_fill_the_list_of_incidents() {
    let mut incidents = Incidents::default();
    for n in 0..200_000_u32 {
        let scope = Scope::Source(IpAddr::from(n.to_be_bytes()));
        incidents.raise(&hit(scope, Severity::High, n.into()), &rule(), Timestamp(n.into()));
    }
    assert_eq!(incidents.open(), MAX_APART + 1);
    let mine = incidents.raise(&hit(lamp(), Severity::High, 1), &rule(), Timestamp(200_001));
    assert_eq!(mine[0].became, Became::Opened, "a member has its own incident all the same");
}
