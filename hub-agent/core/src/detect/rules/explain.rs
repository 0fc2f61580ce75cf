//! Rules in plain words.

use super::{Expr, RuleSet, Wants, test::Test};
use std::fmt::Write;

/// What raises an incident and what to do then, in lines for people. The number is its place in the set.
#[must_use]
pub fn explain(rules: &RuleSet, incident: u16) -> String {
    let Some(one) = rules.incidents().get(usize::from(incident)) else { return String::new() };
    let attack: Vec<_> = one.attack.iter().map(|word| word.as_str()).collect();
    let mut text = format!("{} {}", one.id, one.title);
    if !attack.is_empty() {
        let _ = write!(text, " (ATT&CK {})", attack.join(", "));
    }
    let _ = write!(
        text,
        "\nfrom {}; the same anew after {} quiet minutes\n",
        one.file,
        one.quiet.as_secs() / 60
    );
    for rule in &rules.detections {
        if let Some(raises) = rule.links.raises.filter(|raises| raises.incident == incident) {
            let _ = writeln!(text, "\n{} — {}: a record where", raises.severity, rule.title);
            expression(&mut text, &rule.expr, 1);
        }
    }
    for (number, rule) in rules.correlations.iter().enumerate() {
        if let Some(raises) = rule.links.raises.filter(|raises| raises.incident == incident) {
            let _ = write!(text, "\n{} — ", raises.severity);
            correlation(&mut text, rules, number as u16, 0);
        }
    }
    let _ = write!(text, "\nresponse: {}\nadvice: {}\n", one.response.word(), one.advice);
    text
}

fn correlation(text: &mut String, rules: &RuleSet, number: u16, depth: usize) {
    let rule = &rules.correlations[usize::from(number)];
    let span = span(rule.span_ms);
    let _ = match &rule.wants {
        Wants::Count(least) => write!(text, "{}: {least} or more within {span}", rule.title),
        Wants::Distinct(least, fields) => {
            let names: Vec<_> = fields.iter().map(|field| field.path()).collect();
            write!(
                text,
                "{}: {least} or more different {} within {span}",
                rule.title,
                names.join(" and ")
            )
        }
        Wants::Together(_) => write!(text, "{}: all within {span}", rule.title),
        Wants::Ordered(_) => write!(text, "{}: one after the other within {span}", rule.title),
        Wants::Absence => write!(text, "{}: none for {span}", rule.title),
    };
    let groups: Vec<_> = rule.group.iter().map(|field| field.path()).collect();
    let each = if groups.is_empty() {
        "in the whole product".into()
    } else {
        format!("for each {}", groups.join(" and "))
    };
    let _ = writeln!(text, ", {each}, of");
    for detection in &rules.detections {
        if detection.links.feeds.iter().any(|(to, _)| *to == number) {
            indent(text, depth + 1);
            let _ = writeln!(text, "{}: a record where", detection.title);
            expression(text, &detection.expr, depth + 2);
        }
    }
    for (below, other) in rules.correlations.iter().enumerate() {
        if other.links.feeds.iter().any(|(to, _)| *to == number) {
            indent(text, depth + 1);
            correlation(text, rules, below as u16, depth + 1);
        }
    }
}

fn expression(text: &mut String, expr: &Expr, depth: usize) {
    let mut list = |word: &str, parts: &[Expr]| {
        if parts.len() == 1 {
            return expression(text, &parts[0], depth);
        }
        indent(text, depth);
        let _ = writeln!(text, "{word}");
        parts.iter().for_each(|part| expression(text, part, depth + 1));
    };
    match expr {
        Expr::All(parts) => list("all of", parts),
        Expr::Any(parts) => list("any of", parts),
        Expr::Not(part) => {
            indent(text, depth);
            let _ = writeln!(text, "not");
            expression(text, part, depth + 1);
        }
        Expr::Test(test) => {
            indent(text, depth);
            let _ = writeln!(text, "{}", Test::words(test));
        }
    }
}

fn indent(text: &mut String, depth: usize) {
    text.push_str(&"  ".repeat(depth));
}

fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}
