//! Values of scenario files: spans, times, parts of a hundred, addresses.

use protocol::time::Timestamp;
use std::{net::IpAddr, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A span such as `90s`, `250ms`, `1h30m` or `2d`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span; write for instance 250ms, 90s, 5m, 1h30m or 2d");
    let (mut rest, mut total) = (text.trim(), Duration::ZERO);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: u32 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        total += match rest[digits..digits + unit].trim() {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(24 * 3600),
            _ => return Err(wrong()),
        }
        .checked_mul(count)
        .ok_or_else(wrong)?;
        rest = &rest[digits + unit..];
    }
    Ok(total)
}

/// A span within bounds.
pub(super) fn span_in(least: &str, most: &str) -> impl Fn(&str) -> Result<Duration, String> {
    let bound = |text: &str| span(text).expect("bounds are spans");
    let (low, high, words) = (bound(least), bound(most), format!("{least} to {most}"));
    move |text| match span(text)? {
        found if found < low || found > high => Err(format!("{text} is not within {words}")),
        found => Ok(found),
    }
}

/// A span that may be negative, in milliseconds.
pub(super) fn signed(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    Ok(sign * i64::try_from(span(rest)?.as_millis()).map_err(|_| "too long")?)
}

/// A time such as `2026-03-28T00:00:00Z`.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = |_| format!("`{text}` is no RFC 3339 time such as 2026-03-28T00:00:00Z");
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)?;
    let ms = at.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(ms).map(Timestamp).map_err(|_| "before 1970".to_owned())
}

/// A whole number within bounds.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| match text.replace('_', "").parse() {
        Ok(found) if (least..=most).contains(&found) => Ok(found),
        Ok(_) | Err(_) => Err(format!("`{text}` is no whole number from {least} to {most}")),
    }
}

/// A part of a hundred such as `2%`, as parts of ten thousand.
pub(super) fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(found) if (0.0..=50.0).contains(&found) => Ok((found * 100.0).round() as u32),
        Some(_) | None => Err(format!("`{text}` is not within 0% to 50%")),
    }
}

/// Two spans such as `20ms..80ms`, or one for both.
pub(super) fn range(text: &str) -> Result<(Duration, Duration), String> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    let (low, high) = (span(low)?, span(high)?);
    if low > high || high > Duration::from_secs(5) {
        return Err(format!("`{text}` is no range up to 5s, the least first"));
    }
    Ok((low, high))
}

/// `yes` or `no`, as YAML and people write them.
pub(super) fn yes(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither yes nor no")),
    }
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

/// Any words, at most so long.
pub(super) fn text(most: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| match text.trim() {
        "" => Err("it is empty".into()),
        text if text.len() > most => Err(format!("longer than {most} bytes")),
        text => Ok(text.to_owned()),
    }
}

/// One of these words.
pub(super) fn one_of<T: Copy>(
    all: &'static [(&'static str, T)],
) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = all.iter().find(|(word, _)| *word == text).map(|(_, found)| *found);
        found.ok_or_else(|| {
            let near = super::yaml::nearest(text, all.iter().map(|(word, _)| *word));
            let words: Vec<_> = all.iter().map(|(word, _)| *word).collect();
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("there is no `{text}` here, but {}{hint}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_times_and_numbers_are_read_and_nothing_else() {
        assert_eq!(span("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "h", "5 parsecs", "-3s", "99999999999h"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert_eq!(signed("-1h"), Ok(-3_600_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(Timestamp(1000)));
        assert!(moment("tomorrow").is_err());
        assert_eq!(number(1, 200_000)("200_000"), Ok(200_000));
        assert!(number(1, 10)("11").is_err());
        assert_eq!(percent("0.5%"), Ok(50));
        assert!(percent("51%").is_err() && percent("1").is_err());
        assert_eq!(range("20ms..80ms").map(|(low, _)| low), Ok(Duration::from_millis(20)));
        assert!(range("80ms..20ms").is_err());
    }
}
