//! Instants for people.

use jiff::{Timestamp, tz::TimeZone};

/// Where the reader is, unless `TZ` says otherwise.
const ZONE: &str = "Europe/London";

/// The zone in which instants are shown: what the environment names (`TZ`), else that of Britain.
#[must_use]
pub(crate) fn zone() -> TimeZone {
    let named = std::env::var("TZ").ok();
    let named = named.and_then(|name| TimeZone::get(name.trim_start_matches(':')).ok());
    named.or_else(|| TimeZone::get(ZONE).ok()).unwrap_or(TimeZone::UTC)
}

/// `2027-03-03 17:00:00 GMT`, of milliseconds since 1970; the number itself where no calendar reaches.
#[must_use]
pub(crate) fn shown(unix_millis: u64, zone: &TimeZone) -> String {
    let at = i64::try_from(unix_millis).ok().and_then(|it| Timestamp::from_millisecond(it).ok());
    match at {
        Some(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        None => unix_millis.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winter_and_summer_are_told_apart_and_a_time_beyond_the_calendar_is_a_number() {
        let london = TimeZone::get(ZONE).unwrap();
        assert_eq!(shown(1_800_000_000_000, &london), "2027-01-15 08:00:00 GMT");
        assert_eq!(shown(1_815_000_000_000, &london), "2027-07-07 23:40:00 BST");
        assert_eq!(shown(u64::MAX, &london), u64::MAX.to_string());
    }
}
