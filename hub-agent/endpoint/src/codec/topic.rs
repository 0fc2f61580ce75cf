//! Topic names and filters (section 4.7).

/// Whether `name` may be published to: not empty, no wildcard. Forbidden characters are already
/// refused where the string is read.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['+', '#'])
}

/// Whether `filter` is well formed: wildcards fill whole levels, `#` is last; a shared subscription
/// names a group without wildcards [MQTT-4.8.2-1, -2].
#[must_use]
pub fn is_filter(filter: &str) -> bool {
    match shared(filter) {
        Some((group, rest)) => {
            !group.is_empty() && !group.contains(['+', '#']) && is_plain_filter(rest)
        }
        None => filter != "$share" && is_plain_filter(filter),
    }
}

fn is_plain_filter(filter: &str) -> bool {
    if filter.is_empty() {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if wild && (level.len() != 1 || level == "#" && levels.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Group and filter of a shared subscription.
#[must_use]
pub fn shared(filter: &str) -> Option<(&str, &str)> {
    let rest = filter.strip_prefix("$share/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Whether the filter holds wildcards.
#[must_use]
pub fn has_wildcards(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

/// Whether a well-formed filter matches a topic name; wildcards never match a leading `$`
/// [MQTT-4.7.2-1].
#[must_use]
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filters, mut names) = (filter.split('/'), name.split('/'));
    loop {
        match (filters.next(), names.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_as_the_standard_says() {
        for good in
            ["#", "+", "a", "/", "a/#", "a/+/b", "+/+", "/+", "$share/g/a/#", "$SYS/#", "a//b"]
        {
            assert!(is_filter(good), "{good}");
        }
        for bad in [
            "",
            "a#",
            "a/#/b",
            "#/a",
            "a+",
            "+a/b",
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share/+/a",
            "$share//a",
        ] {
            assert!(!is_filter(bad), "{bad}");
        }
    }

    #[test]
    fn matching_follows_the_examples_of_the_standard() {
        for (filter, name) in [
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a"),
            ("+", "a"),
            ("/+", "/a"),
            ("+/+", "/a"),
            ("a/+", "a/"),
            ("$SYS/#", "$SYS/x"),
        ] {
            assert!(matches(filter, name), "{filter} {name}");
        }
        for (filter, name) in [
            ("a/+", "a"),
            ("+", "/a"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("a", "A"),
            ("a/b", "a"),
            ("a", "a/b"),
        ] {
            assert!(!matches(filter, name), "{filter} {name}");
        }
    }
}
