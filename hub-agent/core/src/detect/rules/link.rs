//! From files to rules in force: compiles each document, finds what refers to what, and refuses circles.

use super::{
    CorrelationRule, DetectionRule, Expr, IncidentRule, Links, MAX_RULES, Raises, RuleError,
    RuleFile, RuleSet, Wants,
    correlation::Correlation,
    document::{Document, documents},
    own::{self, Own},
    sample::{Sample, samples},
};
use crate::record::{RecordKind, Severity, Text, Word};
use rsigma_parser::Level;
use std::collections::BTreeMap;

/// Correlations above each other.
const MAX_DEPTH: usize = 4;

/// One document, compiled, with its references still as words.
struct Node<'a> {
    document: &'a Document<'a>,
    what: What,
    title: String,
    names: Vec<String>,
    refers: Vec<String>,
    level: Option<Level>,
    tags: Vec<String>,
    description: Option<String>,
    own: Own,
}

enum What {
    Detection(Expr),
    Correlation(Correlation),
}

pub(super) fn compile(files: &[RuleFile<'_>]) -> Result<RuleSet, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut read = Vec::new();
    for file in files {
        match documents(file) {
            Ok(documents) => read.push((file.name, documents)),
            Err(error) => errors.push(error),
        }
    }
    let mut nodes = Vec::new();
    let mut linker = Linker::default();
    for (file, documents) in &read {
        for document in documents {
            match node(document) {
                Ok(node) => nodes.push((*file, node)),
                Err(error) => errors.push(error),
            }
        }
    }
    errors.extend(linker.link(&nodes));
    errors.sort();
    if errors.is_empty() { Ok(linker.finish(nodes)) } else { Err(errors) }
}

fn node<'a>(document: &'a Document<'a>) -> Result<Node<'a>, RuleError> {
    let own = Own::of(document)?;
    let fail = |why: String| document.error(why);
    let names = |id: &Option<String>, name: &Option<String>| {
        id.iter().chain(name).cloned().collect::<Vec<_>>()
    };
    match (&document.sigma.rules[..], &document.sigma.correlations[..]) {
        ([rule], []) => Ok(Node {
            document,
            what: What::Detection(Expr::compile(&rule.detection).map_err(fail)?),
            title: rule.title.clone(),
            names: names(&rule.id, &rule.name),
            refers: Vec::new(),
            level: rule.level,
            tags: rule.tags.clone(),
            description: rule.description.clone(),
            own,
        }),
        ([], [rule]) => Ok(Node {
            document,
            what: What::Correlation(Correlation::compile(rule).map_err(fail)?),
            title: rule.title.clone(),
            names: names(&rule.id, &rule.name),
            refers: rule.rules.clone(),
            level: rule.level,
            tags: rule.tags.clone(),
            description: rule.description.clone(),
            own,
        }),
        _ => Err(document.error("neither a detection nor a correlation")),
    }
}

/// What refers to what, by the numbers of the nodes.
#[derive(Default)]
struct Linker {
    /// For each node, the correlations it feeds, and as which part.
    feeds: Vec<Vec<(usize, u8)>>,
    raises: Vec<Option<Raises>>,
    incidents: Vec<IncidentRule>,
    samples: Vec<Sample>,
}

impl Linker {
    fn link(&mut self, nodes: &[(&str, Node<'_>)]) -> Vec<RuleError> {
        let mut errors = Vec::new();
        if nodes.len() > MAX_RULES {
            let (_, node) = &nodes[MAX_RULES];
            return vec![node.document.error(format!("more than {MAX_RULES} rules in all"))];
        }
        self.feeds = vec![Vec::new(); nodes.len()];
        let named = names(nodes, &mut errors);
        for (number, (_, node)) in nodes.iter().enumerate() {
            for (part, name) in node.refers.iter().enumerate() {
                match named.get(name.as_str()) {
                    Some(of) => self.feeds[*of].push((number, part as u8)),
                    None => errors.push(node.document.error(format!("no rule is called `{name}`"))),
                }
            }
        }
        let high = if errors.is_empty() { self.too_high() } else { Vec::new() };
        for number in high {
            let why =
                format!("correlations refer to each other in a circle, or deeper than {MAX_DEPTH}");
            errors.push(nodes[number].1.document.error(why));
        }
        for (number, (file, node)) in nodes.iter().enumerate() {
            let raised = self.raised(file, number, node);
            self.raises.push(raised.unwrap_or_else(|error| {
                errors.push(error);
                None
            }));
            match samples(node.document) {
                Ok(samples) => {
                    let incident = self.incident_of(file);
                    self.samples.extend(samples.into_iter().map(|sample| sample.of(incident)));
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Nodes with too many correlations above each other, which those in a circle have. In each round all
    /// heights grow by one step, so the work is bounded whatever refers to what.
    fn too_high(&self) -> Vec<usize> {
        let mut heights = vec![0; self.feeds.len()];
        for _ in 0..=MAX_DEPTH {
            let above =
                |feeds: &Vec<(usize, u8)>| feeds.iter().map(|(to, _)| heights[*to] + 1).max();
            heights = self.feeds.iter().map(|feeds| above(feeds).unwrap_or(0)).collect();
        }
        (0..heights.len()).filter(|number| heights[*number] > MAX_DEPTH).collect()
    }

    /// What comes of a node: what it says itself, and for what nothing refers to, an incident of its own.
    fn raised(
        &mut self,
        file: &str,
        number: usize,
        node: &Node<'_>,
    ) -> Result<Option<Raises>, RuleError> {
        let by_default = || {
            let name = node.names.last().unwrap_or(&node.title);
            self.feeds[number].is_empty().then(|| name.clone())
        };
        let Some(id) = node.own.incident.clone().or_else(by_default) else { return Ok(None) };
        let id = Word::clip(&id);
        let severity = severity(node.level.unwrap_or(Level::Medium));
        let at = self.incidents.iter().position(|one| one.id == id);
        let at = match at {
            Some(at) if self.incidents[at].file == file => at,
            Some(at) => {
                let other = &self.incidents[at].file;
                return Err(node
                    .document
                    .error(format!("`{id}` is an incident of {other} already")));
            }
            None => {
                self.incidents.push(incident(file, id, node));
                self.incidents.len() - 1
            }
        };
        if node.own.advice.is_some() {
            let known = incident(file, self.incidents[at].id.clone(), node);
            self.incidents[at] = known;
        }
        Ok(Some(Raises { incident: at as u16, severity }))
    }

    fn incident_of(&self, file: &str) -> Option<u16> {
        self.incidents.iter().position(|one| one.file == file).map(|at| at as u16)
    }

    fn finish(self, nodes: Vec<(&str, Node<'_>)>) -> RuleSet {
        let place = places(&nodes);
        let links = |number: usize| Links {
            feeds: self.feeds[number].iter().map(|(to, part)| (place[*to], *part)).collect(),
            raises: self.raises[number],
        };
        let (mut detections, mut correlations) = (Vec::new(), Vec::new());
        for (number, (_, node)) in nodes.iter().enumerate() {
            let (links, title) = (links(number), node.title.as_str().into());
            match &node.what {
                What::Detection(expr) => {
                    detections.push(DetectionRule { expr: expr.clone(), links, title });
                }
                What::Correlation(one) => correlations.push(CorrelationRule {
                    wants: one.wants.clone(),
                    span_ms: one.span_ms,
                    group: one.group.clone(),
                    links,
                    title,
                    in_backlog: matches!(one.wants, Wants::Ordered(_)),
                }),
            }
        }
        let by_kind = by_kind(&detections);
        RuleSet {
            detections,
            correlations,
            by_kind,
            incidents: self.incidents,
            samples: self.samples,
        }
    }
}

/// Names of nodes; each may be given once.
fn names<'n>(
    nodes: &'n [(&str, Node<'_>)],
    errors: &mut Vec<RuleError>,
) -> BTreeMap<&'n str, usize> {
    let mut named = BTreeMap::new();
    for (number, (_, node)) in nodes.iter().enumerate() {
        for name in &node.names {
            if named.insert(name.as_str(), number).is_some_and(|before| before != number) {
                errors.push(
                    node.document.error(format!("`{name}` is the name of another rule already")),
                );
            }
        }
    }
    named
}

/// Detections and correlations are numbered each by themselves.
fn places(nodes: &[(&str, Node<'_>)]) -> Vec<u16> {
    let (mut detections, mut correlations) = (0, 0);
    let place = |(_, node): &(&str, Node<'_>)| {
        let count = match node.what {
            What::Detection(_) => &mut detections,
            What::Correlation(_) => &mut correlations,
        };
        *count += 1;
        *count - 1
    };
    nodes.iter().map(place).collect()
}

fn by_kind(detections: &[DetectionRule]) -> Vec<Box<[u16]>> {
    let most = RecordKind::ALL.iter().map(|kind| *kind as usize).max().unwrap_or(0);
    let mut by_kind = vec![Box::default(); most + 1];
    for kind in RecordKind::ALL {
        let fits = |(_, rule): &(usize, &DetectionRule)| rule.expr.kinds().has(*kind);
        let fitting = detections.iter().enumerate().filter(fits);
        by_kind[*kind as usize] = fitting.map(|(number, _)| number as u16).collect();
    }
    by_kind
}

fn incident(file: &str, id: Word, node: &Node<'_>) -> IncidentRule {
    let said = node.own.advice.as_deref().or(node.description.as_deref());
    IncidentRule {
        id,
        title: Word::clip(&node.title),
        advice: Text::clip(said.unwrap_or("look at the evidence")),
        response: node.own.response,
        attack: own::attack(&node.tags),
        quiet: node.own.quiet,
        file: file.into(),
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Informational => Severity::Info,
        Level::Low => Severity::Low,
        Level::Medium => Severity::Medium,
        Level::High => Severity::High,
        Level::Critical => Severity::Critical,
    }
}
