//! Times as people and exports read them.

use protocol::time::Timestamp;
use time::{OffsetDateTime, UtcDateTime};

/// RFC 3339 in UTC with milliseconds; times beyond the year 9999 become its last second.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map(UtcDateTime::from);
    let at = at.ok().filter(|at| at.year() <= 9999);
    let Some(at) = at else { return "9999-12-31T23:59:59.999Z".into() };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}
