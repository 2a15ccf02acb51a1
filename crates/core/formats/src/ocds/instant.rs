//! Dates as publishers write them: RFC 3339, and the two shorter forms that real notices hold.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{TimeZone, TimeZoneDatabase},
};
use record::UnixMillis;

/// How a date without an offset, or without a time, is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// A date alone stands for its first moment: publication.
    Begins,
    /// A date alone stands for the moment after its last: a deadline.
    Ends,
}

/// An instant and whether something had to be supplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The instant.
    pub at: Timestamp,
    /// Whether the offset, or offset and time, were taken from the civil time of Europe/London.
    pub supplied: bool,
}

impl Reading {
    /// The instant in milliseconds; `None` before 1970, which no contracting process is.
    #[must_use]
    pub fn unix_millis(&self) -> Option<UnixMillis> {
        u64::try_from(self.at.as_millisecond()).ok().map(UnixMillis)
    }
}

/// The instant in this text; `None` when it is in words or no date of the calendar.
#[must_use]
pub fn parse(text: &str, day: Day) -> Option<Reading> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Reading { at, supplied: false });
    }
    let civil = if text.len() == 10 { date_alone(text, day)? } else { date_and_time(text)? };
    let at = london()?.to_ambiguous_timestamp(civil).compatible().ok()?;
    Some(Reading { at, supplied: true })
}

fn date_alone(text: &str, day: Day) -> Option<DateTime> {
    let date: Date = text.parse().ok()?;
    let date = match day {
        Day::Begins => date,
        Day::Ends => date.tomorrow().ok()?,
    };
    Some(date.at(0, 0, 0, 0))
}

fn date_and_time(text: &str) -> Option<DateTime> {
    let has_time = text.split(['T', 't', ' ']).count() == 2 && text.contains(':');
    has_time.then(|| text.parse().ok())?
}

/// From the bundled database, so that every machine reads the same instant.
fn london() -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get("Europe/London").ok()
}

/// The instant in RFC 3339, UTC, as every export of ours writes it.
#[must_use]
pub fn render(at: UnixMillis) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).to_string()
}

/// The date in strict RFC 3339: as given where it already is, brought to it where it can be read.
#[must_use]
pub fn tidy(text: &str, day: Day) -> Option<String> {
    let reading = parse(text, day)?;
    Some(if is_strict(text) { text.to_owned() } else { reading.at.to_string() })
}

/// `2025-01-23T17:45:04Z`, with any fraction and any offset of hours and minutes.
fn is_strict(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with('0') => fraction.trim_start_matches('0'),
        Some(_) => return false,
        None => rest,
    };
    // Leap seconds are valid RFC 3339, but common validators refuse them.
    matches!(zone, "Z" | "+00:00" | "-00:00") && !text.contains(":60")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, day: Day) -> Option<String> {
        parse(text, day).map(|reading| reading.at.to_string())
    }

    #[test]
    fn reads_rfc_3339_with_any_offset() {
        let utc = Some("2025-08-31T22:59:59Z".to_owned());
        assert_eq!(read("2025-08-31T23:59:59+01:00", Day::Begins), utc);
        assert_eq!(read("2025-08-31T22:59:59.000Z", Day::Begins), utc);
        assert!(!parse("2025-08-31T22:59:59Z", Day::Begins).unwrap().supplied);
    }

    #[test]
    fn a_time_without_offset_is_the_time_in_london() {
        assert_eq!(read("2025-07-01T12:00:00", Day::Ends).unwrap(), "2025-07-01T11:00:00Z");
        assert_eq!(read("2025-01-01T12:00:00", Day::Ends).unwrap(), "2025-01-01T12:00:00Z");
        assert!(parse("2025-01-01T12:00:00", Day::Ends).unwrap().supplied);
    }

    #[test]
    fn a_date_alone_begins_or_ends() {
        assert_eq!(read("2025-07-01", Day::Begins).unwrap(), "2025-06-30T23:00:00Z");
        assert_eq!(read("2025-07-01", Day::Ends).unwrap(), "2025-07-01T23:00:00Z");
    }

    #[test]
    fn refuses_words_and_days_that_do_not_exist() {
        for wrong in [
            "",
            "tomorrow",
            "3 March 2025",
            "2025-02-30",
            "2025-13-01T00:00:00Z",
            "2025",
            "20250101",
        ] {
            assert_eq!(parse(wrong, Day::Begins), None, "{wrong}");
        }
    }

    #[test]
    fn strict_dates_stay_and_others_are_brought_to_utc() {
        for strict in ["2025-01-23T17:45:04Z", "2025-01-23T17:45:04.5+01:00"] {
            assert_eq!(tidy(strict, Day::Begins).as_deref(), Some(strict));
        }
        for loose in ["2025-01-23 17:45:04Z", "2025-01-23t17:45:04z", "2025-01-23T17:45:04"] {
            assert_eq!(
                tidy(loose, Day::Begins).as_deref(),
                Some("2025-01-23T17:45:04Z"),
                "{loose}"
            );
        }
        assert_eq!(tidy("soon", Day::Begins), None);
    }

    #[test]
    fn an_instant_before_1970_has_no_milliseconds() {
        let at = |text| parse(text, Day::Begins).unwrap().unix_millis();
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(UnixMillis(0)));
        assert_eq!(at("1969-12-31T23:59:59Z"), None);
        assert_eq!(at("0001-01-01T00:00:00Z"), None);
        assert_eq!(render(UnixMillis(1_500)), "1970-01-01T00:00:01.5Z");
    }
}
